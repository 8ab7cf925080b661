"""The version, in a file that everyone may read."""

__version__ = "0.1.0"
