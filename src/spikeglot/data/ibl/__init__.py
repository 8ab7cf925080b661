"""The repeated site of the International Brain Laboratory: its release, what is needed of it, and what is kept."""
