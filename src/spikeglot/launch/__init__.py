"""Start the same work on several ranks elsewhere: Ray Train, SLURM. (torchrun needs nothing from here.)"""
