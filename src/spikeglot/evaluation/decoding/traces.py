"""Continuous behaviour at the bin rate of the counts."""

from __future__ import annotations

import numpy as np

from spikeglot.data.binning import EDGE_TOLERANCE_S, bin_edges_s
from spikeglot.data.session import Trace
from spikeglot.errors import DataError

MAX_GAP_SAMPLES = 3.0
"""A bin without a sample is interpolated where its neighbours are no further apart than this many sample intervals."""


def binned(trace: Trace, window_start_s: np.ndarray, n_bins: int, bin_size_s: float) -> np.ndarray:
    """Return the mean of a trace in every bin, (trial, time, channel).

    A bin that holds no sample gets the value at its centre, interpolated between the samples around it. It is NaN
    where the trace has a hole (more than `MAX_GAP_SAMPLES` median sample intervals, or one bin where that is longer)
    or does not reach. A sample that is NaN in any channel counts as not there.
    """
    times_s, values = _known(trace)
    edges_s = bin_edges_s(window_start_s, n_bins, bin_size_s) - EDGE_TOLERANCE_S
    first = np.searchsorted(times_s, edges_s)
    until = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values - _middle(values), axis=0)])
    n_samples = np.diff(first)[..., None]
    mean = _middle(values) + np.diff(until[first], axis=1) / np.maximum(n_samples, 1)
    centre_s = edges_s[:, :-1] + bin_size_s / 2
    return np.where(n_samples > 0, mean, _interpolated(times_s, values, centre_s, bin_size_s))


def accumulated(trace: Trace, window_start_s: np.ndarray, n_bins: int, bin_size_s: float) -> np.ndarray:
    """Return the running sum of two kinds of events since the start of the window, (trial, time, 1), at bin ends.

    An event with the higher of the two values adds 1, one with the lower takes 1 away: with clicks on the left (0) and
    on the right (1) this is the evidence of an ideal observer (Brunton et al. 2013, without leak or noise).

    Raises
    ------
    DataError
        The series does not have one channel with two values.
    """
    times_s, values = _known(trace)
    kinds = np.unique(values)
    if values.shape[1] != 1 or len(kinds) != 2:
        raise DataError(
            f"Only events of two kinds can be accumulated; this series has {values.shape[1]} channels and "
            f"{len(kinds)} different values. Decode the series itself."
        )
    until = np.concatenate([[0.0], np.cumsum(np.where(values[:, 0] == kinds[1], 1.0, -1.0))])
    edges_s = bin_edges_s(window_start_s, n_bins, bin_size_s) - EDGE_TOLERANCE_S
    at_edge = until[np.searchsorted(times_s, edges_s)]
    return (at_edge[:, 1:] - at_edge[:, :1])[..., None]


def _known(trace: Trace) -> tuple[np.ndarray, np.ndarray]:
    """Times (sample,) and values (sample, channel) of the samples that are numbers."""
    values = np.asarray(trace.values, np.float64).reshape(len(trace.values), -1)
    finite = np.isfinite(values).all(axis=1) & np.isfinite(trace.times_s)
    return trace.times_s[finite], values[finite]


def _middle(values: np.ndarray) -> np.ndarray:
    """The mean (channel,), taken off before sums over the whole session: large offsets would cost digits."""
    return values.mean(axis=0) if len(values) else np.zeros(values.shape[1])


def _interpolated(times_s: np.ndarray, values: np.ndarray, at_s: np.ndarray, bin_size_s: float) -> np.ndarray:
    """Values (trial, time, channel) at (trial, time) instants, NaN in holes and outside."""
    if len(times_s) < 2:
        return np.full((*at_s.shape, values.shape[1]), np.nan)
    after = np.searchsorted(times_s, at_s).clip(1, len(times_s) - 1)
    left_s, right_s = times_s[after - 1], times_s[after]
    gap_s = right_s - left_s
    share = (at_s - left_s) / np.where(gap_s > 0, gap_s, 1)
    longest_s = max(MAX_GAP_SAMPLES * float(np.median(np.diff(times_s))), bin_size_s) + EDGE_TOLERANCE_S
    usable = (gap_s <= longest_s) & (at_s >= left_s) & (at_s <= right_s)
    between = values[after - 1] + share[..., None] * (values[after] - values[after - 1])
    return np.where(usable[..., None], between, np.nan)
