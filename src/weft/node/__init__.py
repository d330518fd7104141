"""What runs on the compute node: one file of standard library Python, shipped with every job."""
