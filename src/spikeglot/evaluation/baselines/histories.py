"""Forward prediction as regression: what came before a stretch of bins, and the spikes in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikeglot.data.counts import Counts
from spikeglot.evaluation.baselines.features import even_variance, time_features
from spikeglot.settings import n_forward_bins

HISTORY_S = (np.inf, 0.16, 0.04)
"""Time constants of a history in seconds: the whole of it, the recent, the last."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """Bins as many as forward prediction hides, and the histories before them.

    ``history`` (trial, 3 x unit), feature f of unit u in column ``f * n_units + u``; ``time`` (trial, wave);
    ``spikes`` (training trial, unit), the spikes in the stretch.
    """

    history: np.ndarray
    time: np.ndarray
    spikes: np.ndarray


def stretches(counts: Counts, train: np.ndarray) -> list[Stretch]:
    """Return the hidden end of the window and, as trials are few, earlier stretches back to mid-window."""
    n_hidden = n_forward_bins(counts.n_bins)
    last = counts.n_bins - n_hidden
    time = time_features(counts, train)
    return [
        Stretch(
            history=history_features(counts, start),
            time=time[:, start : start + n_hidden].mean(axis=1),
            spikes=counts.counts[train, start : start + n_hidden].sum(axis=1, dtype=np.float32),
        )
        for start in range(last, max(last // 2, 1) - 1, -n_hidden)
    ]


def history_features(counts: Counts, stop_bin: int) -> np.ndarray:
    """Return (trial, 3 x unit) float32: means over the bins before ``stop_bin``, the last ones weighing most.

    The weights fall off exponentially into the past with the time constants `HISTORY_S`.
    """
    even = even_variance(counts.counts[:, :stop_bin])
    age_s = (stop_bin - 1 - np.arange(stop_bin)) * counts.window.bin_size_s
    weights = np.stack([np.exp(-age_s / constant_s) for constant_s in HISTORY_S])
    weights /= weights.sum(axis=1, keepdims=True)
    return np.matmul(weights.astype(np.float32), even).reshape(len(even), -1)


def fill_end(log_count: np.ndarray, counts: Counts) -> np.ndarray:
    """Return log-rates (trial, time, unit), NaN but for the hidden end, over which the spikes spread evenly.

    ``log_count`` (trial, unit) is the log of the expected spikes at the hidden end of the window.
    """
    n_hidden = n_forward_bins(counts.n_bins)
    out = np.full((len(log_count), counts.n_bins, counts.n_units), np.nan, dtype=np.float32)
    out[:, counts.n_bins - n_hidden :] = (log_count - np.log(n_hidden))[:, None]
    return out
