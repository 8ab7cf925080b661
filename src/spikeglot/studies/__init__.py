"""The tables and figures of the paper as grids of runs: one file per study, named like it; `engine` does the work."""
