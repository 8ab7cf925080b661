"""What the linear baselines see: counts made even in variance, smoothed, and the time within window and session.

Feature f of unit u stands in column ``f * n_units + u``. Every trial is treated by itself; only centres come from
the training trials.
"""

from __future__ import annotations

import numpy as np

from spikeglot.data.counts import Counts

HISTORY_S = (np.inf, 0.16, 0.04)
"""Time constants of a unit's history for forward prediction, in seconds: the whole of it, recent, and last."""
N_SESSION_WAVES = 8
N_WINDOW_WAVES = 8
WAVE_SIZE = 3.0
"""Size of the slowest cosine of time beside features of variance about 1: larger is penalised less."""


def even_variance(counts: np.ndarray) -> np.ndarray:
    """Return 2 sqrt(counts), whose variance hardly depends on the rate (Bartlett 1936), as float32."""
    return 2.0 * np.sqrt(counts, dtype=np.float32)


def smooth(values: np.ndarray, width_bins: float) -> np.ndarray:
    """Return values (trial, time, unit) smoothed over time by a Gaussian of this standard deviation.

    At the ends of the window the weights are those of the bins that exist, and sum to 1.
    """
    bins = np.arange(values.shape[1])
    kernel = np.exp(-0.5 * ((bins[:, None] - bins) / max(width_bins, 1e-3)) ** 2)
    kernel /= kernel.sum(axis=1, keepdims=True)
    return np.matmul(kernel.astype(np.float32), values)


def population_features(counts: Counts, train: np.ndarray, smoothing_s: float, mean_weight: float) -> np.ndarray:
    """Return (trial, time, 2 x unit) float32: smoothed counts less the trial mean, and the trial mean.

    The trial mean is multiplied by ``mean_weight``: the larger, the less a penalty holds it back.
    """
    even = even_variance(counts.counts)
    mean = even.mean(axis=1, keepdims=True)
    around = smooth(even, smoothing_s / counts.window.bin_size_s) - mean
    features = np.concatenate([around, np.broadcast_to(mean * np.float32(mean_weight), even.shape)], axis=2)
    return features - features[train].mean(axis=(0, 1))


def own_features(units: np.ndarray, n_units: int) -> np.ndarray:
    """Return (2, unit): the columns of the population features that belong to ``units``."""
    return np.stack([units, n_units + units])


def history_features(counts: Counts, stop_bin: int) -> np.ndarray:
    """Return (trial, 3 x unit) float32: means over the bins before ``stop_bin``, weighted towards the last ones.

    The weights fall off exponentially into the past with the time constants `HISTORY_S`; not centred.
    """
    even = even_variance(counts.counts[:, :stop_bin])
    age_s = (stop_bin - 1 - np.arange(stop_bin)) * counts.window.bin_size_s
    weights = np.stack([np.exp(-age_s / constant) for constant in HISTORY_S])
    weights /= weights.sum(axis=1, keepdims=True)
    return np.matmul(weights.astype(np.float32), even).reshape(len(even), -1)


def time_features(counts: Counts, train: np.ndarray) -> np.ndarray:
    """Return (trial, time, wave) float32: cosines over the session and over the window, for drift and PSTH.

    The k-th cosine is divided by k, so that a penalty prefers slow changes. Session time is ``window_start_s`` (the
    number of the trial where the table has none), held at its ends before and after the training trials.
    """
    start = counts.trials.get("window_start_s")
    start = np.arange(counts.n_trials) if start is None else start.to_numpy(dtype=np.float64)
    first, last = start[train].min(), start[train].max()
    share = np.clip((start - first) / max(last - first, 1e-9), 0, 1)
    session = np.repeat(_cosines(share, N_SESSION_WAVES)[:, None], counts.n_bins, axis=1)
    window = _cosines((np.arange(counts.n_bins) + 0.5) / counts.n_bins, N_WINDOW_WAVES)
    return np.concatenate([session, np.broadcast_to(window, (counts.n_trials, *window.shape))], axis=2)


def _cosines(share: np.ndarray, n_waves: int) -> np.ndarray:
    """(entry, wave) cosines of a time from 0 to 1."""
    wave = np.arange(1, n_waves + 1)
    return (WAVE_SIZE * np.sqrt(2) * np.cos(np.pi * share[:, None] * wave) / wave).astype(np.float32)
