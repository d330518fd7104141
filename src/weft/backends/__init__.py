"""How to speak to this machine, to Slurm, to Tapis: a few verbs, no decisions."""
