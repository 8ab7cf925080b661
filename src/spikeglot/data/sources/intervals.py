"""Stretches of time."""

from __future__ import annotations

import numpy as np


def union_of_intervals(intervals: np.ndarray) -> np.ndarray:
    """Return the union of ``intervals`` (interval, 2) as disjoint intervals in order of time, in seconds.

    Intervals that touch or overlap become one; intervals with a NaN are left out.

    >>> union_of_intervals(np.array([[5.0, 6.0], [0.0, 1.0], [0.5, 2.0]])).tolist()
    [[0.0, 2.0], [5.0, 6.0]]
    """
    intervals = np.asarray(intervals, dtype=np.float64).reshape(-1, 2)
    intervals = intervals[np.isfinite(intervals).all(axis=1)]
    if len(intervals) == 0:
        return intervals
    intervals = intervals[np.argsort(intervals[:, 0], kind="stable")]
    reach = np.maximum.accumulate(intervals[:, 1])
    first = np.flatnonzero(np.r_[True, intervals[1:, 0] > reach[:-1]])
    return np.column_stack([intervals[first, 0], np.maximum.reduceat(intervals[:, 1], first)])
