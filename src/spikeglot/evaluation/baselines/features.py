"""What the regressions see: counts made even in variance, smoothed, and the time within window and session.

Every trial is treated by itself; only centres come from the training trials.
"""

from __future__ import annotations

import numpy as np

from spikeglot.data.counts import Counts

N_WAVES = 8
"""Cosines of session time, and as many of window time."""
TIME_SIZES = (0.0, 3.0, 6.0)
"""Sizes of time features worth trying, beside features of variance about 1; 0 leaves time out."""


def even_variance(counts: np.ndarray) -> np.ndarray:
    """Return 2 sqrt(counts) as float32: its variance hardly depends on the rate (Bartlett 1936)."""
    return 2.0 * np.sqrt(counts, dtype=np.float32)


def smooth(values: np.ndarray, width_bins: float) -> np.ndarray:
    """Return values (trial, time, unit) smoothed over time by a Gaussian of this standard deviation.

    At the ends of the window the weights are those of the bins that exist, and sum to 1.
    """
    bins = np.arange(values.shape[1])
    kernel = np.exp(-0.5 * ((bins[:, None] - bins) / width_bins) ** 2)
    kernel /= kernel.sum(axis=1, keepdims=True)
    return np.matmul(kernel.astype(values.dtype), values)


def population_features(counts: Counts, train: np.ndarray, smoothing_s: float, mean_weight: float) -> np.ndarray:
    """Return (trial, time, 2 x unit) float32: smoothed counts less the trial mean, then the trial mean.

    The trial mean is multiplied by ``mean_weight``: the larger, the less a penalty holds it back. Both are
    centred on the trials ``train``.
    """
    even = even_variance(counts.counts)
    mean = even.mean(axis=1, keepdims=True)
    around = smooth(even, smoothing_s / counts.window.bin_size_s) - mean
    features = np.concatenate([around, np.broadcast_to(mean * np.float32(mean_weight), even.shape)], axis=2)
    return features - features[train].mean(axis=(0, 1))


def own_features(units: np.ndarray, n_units: int) -> np.ndarray:
    """Return (2, unit): which population features of ``n_units`` units belong to ``units``."""
    return np.stack([units, n_units + units])


def time_features(counts: Counts, train: np.ndarray) -> np.ndarray:
    """Return (trial, time, wave) float32: cosines over the session (drift) and over the window (PSTH).

    The k-th cosine has variance 1 / k^2, so that a penalty prefers slow changes. Session time is
    ``window_start_s`` (the number of the trial where the table has none), held at its ends before and after
    the training trials.
    """
    start = counts.trials.get("window_start_s")
    start = np.arange(counts.n_trials) if start is None else start.to_numpy(dtype=np.float64)
    first, last = start[train].min(), start[train].max()
    session = _cosines(np.clip((start - first) / max(last - first, 1e-9), 0, 1))
    window = _cosines((np.arange(counts.n_bins) + 0.5) / counts.n_bins)
    shape = (counts.n_trials, counts.n_bins, N_WAVES)
    return np.concatenate([np.broadcast_to(session[:, None], shape), np.broadcast_to(window, shape)], axis=2)


def _cosines(share: np.ndarray) -> np.ndarray:
    """(entry, wave) cosines of a time that runs from 0 to 1."""
    wave = np.arange(1, N_WAVES + 1)
    return (np.sqrt(2) * np.cos(np.pi * share[:, None] * wave) / wave).astype(np.float32)
