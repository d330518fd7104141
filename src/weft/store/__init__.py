"""The study on disk: the study file, its folder, the journal, the lease, requests and the results table."""
