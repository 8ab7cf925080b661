"""Spike times to counts, with explicit bin edges."""

from __future__ import annotations

import numpy as np

from spikeglot.errors import DataError

EDGE_TOLERANCE_S = 1e-9
"""A spike this little before an edge lies on it (or 4 steps of float64, where those are larger)."""


def bin_edges_s(window_start_s: np.ndarray, n_bins: int, bin_size_s: float) -> np.ndarray:
    """Return the edges ``start + b * bin_size_s`` of every window: (window, n_bins + 1), seconds."""
    return np.asarray(window_start_s, np.float64)[:, None] + np.arange(n_bins + 1) * bin_size_s


def bin_spikes(
    spike_times_s: np.ndarray,
    spike_unit: np.ndarray,
    n_units: int,
    window_start_s: np.ndarray,
    n_bins: int,
    bin_size_s: float,
) -> np.ndarray:
    """Count the spikes of every unit in every bin of every window.

    Bin b of window w holds the spikes in ``[start_w + b * bin_size_s, start_w + (b + 1) * bin_size_s)``.
    An edge and a spike time that mean the same instant can differ in the last digits of their floats, since
    each was computed its own way; so a spike at most `EDGE_TOLERANCE_S` before an edge belongs to the bin
    that begins there.

    Parameters
    ----------
    spike_times_s:
        (spike,) seconds, ascending.
    spike_unit:
        (spike,) index of the unit that fired, 0 to ``n_units - 1``.
    window_start_s:
        (window,) seconds; windows may come in any order, overlap, or leave gaps.

    Returns
    -------
    (window, n_bins, n_units) uint8; uint16 or uint32 where a bin holds more spikes than that can say.

    Raises
    ------
    DataError
        Spike times that are not ascending, spikes of a unit out of range, or a window without a finite start.

    >>> bin_spikes(np.array([0.0, 0.01, 0.02]), np.array([0, 1, 0]), 2, np.array([0.0]), 2, 0.02)[0].tolist()
    [[1, 1], [1, 0]]
    """
    _check(spike_times_s, spike_unit, n_units, window_start_s)
    edges = bin_edges_s(window_start_s, n_bins, bin_size_s)
    edges -= np.maximum(EDGE_TOLERANCE_S, 4 * np.spacing(np.abs(edges)))
    # The spikes of a bin are neighbours: from the first one after its left edge to the first after its right.
    first_spike = np.searchsorted(spike_times_s, edges.ravel(), side="left").reshape(edges.shape)

    counts = np.zeros((len(edges), n_bins, n_units), np.uint8)
    bin_offset = np.arange(n_bins) * n_units
    for w, first in enumerate(first_spike):  # one window at a time bounds the memory
        cell = np.repeat(bin_offset, np.diff(first)) + spike_unit[first[0] : first[-1]]
        count = np.bincount(cell, minlength=n_bins * n_units)
        needed = np.min_scalar_type(count.max(initial=0))
        if needed.itemsize > counts.itemsize:
            counts = counts.astype(needed)
        counts[w] = count.reshape(n_bins, n_units)
    return counts


def _check(spike_times_s: np.ndarray, spike_unit: np.ndarray, n_units: int, window_start_s: np.ndarray) -> None:
    if not np.all(spike_times_s[1:] >= spike_times_s[:-1]):  # nor is a time that is no number
        raise DataError("Cannot bin spike times that are not ascending. Sort them, with their units, first.")
    if spike_unit.size and (spike_unit.min() < 0 or spike_unit.max() >= n_units):
        raise DataError(
            f"Cannot bin spikes of units {spike_unit.min()} to {spike_unit.max()}: there are {n_units} units."
            " Number spike units by their row in the units table."
        )
    if not np.isfinite(window_start_s).all():
        raise DataError("Cannot bin a window whose start is not a finite time. Leave such windows out first.")
