"""Names of the evaluation tasks, and how much forward prediction hides."""

from __future__ import annotations

TASKS = ("co-smoothing", "inter-region", "intra-region", "forward")
"""The four tasks, in the order of tables."""
TRANSLATE = "translate"
"""Name, in score tables, of the task that a user sets: some units from some others."""
FORWARD_SHARE = 0.1
"""Share of the bins, at the end of the window, that forward prediction hides and scores (at least one bin)."""


def n_forward_bins(n_bins: int) -> int:
    """Return how many bins at the end of a window of ``n_bins`` forward prediction scores."""
    return max(1, round(FORWARD_SHARE * n_bins))
