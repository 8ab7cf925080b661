"""The verbs in Python, one file each; the shell has the same words."""
