"""Experiments as commands: grids of runs, each skipped where it is done, with one table and one figure."""
