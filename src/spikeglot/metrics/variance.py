"""Explained variance of counts by predicted rates: of single trials, and of trial averages (PSTH)."""

from __future__ import annotations

import numpy as np
import pandas as pd

CONDITION_COLUMNS = (
    ("choice",),
    ("feedbackType", "feedback_type", "feedback", "rewarded", "reward"),
    ("probabilityLeft", "probability_left", "block"),
)
"""Choice, reward and block, each under the names that sources give it; the first that a table has is used."""
MIN_TRIALS = 2
"""Trials that a condition needs for its average to be scored."""


def trial_r2(log_rate: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return R2 of the single-trial counts by the predicted rates, (unit,).

    ``log_rate`` and ``counts`` are (trial, time, unit); every predicted (trial, bin) is one sample. NaN for a
    unit without a prediction or whose counts do not vary.
    """
    shape = (-1, counts.shape[-1])
    return _r2(counts.reshape(shape).astype(np.float64), np.exp(log_rate.reshape(shape).astype(np.float64)))


def psth_r2(log_rate: np.ndarray, counts: np.ndarray, condition: np.ndarray) -> np.ndarray:
    """Return R2 of the trial-averaged counts by the trial-averaged predicted rates, (unit,).

    ``log_rate`` and ``counts`` are (trial, time, unit); ``condition`` (trial,) numbers the condition of each
    trial (see `conditions`). Averages are taken per condition of at least `MIN_TRIALS` trials, over which
    (condition, bin) are the samples. NaN for a unit without a prediction or whose averages do not vary.
    """
    labels, n_trials = np.unique(condition, return_counts=True)
    groups = [np.flatnonzero(condition == label) for label in labels[n_trials >= MIN_TRIALS]]
    if not groups:
        return np.full(counts.shape[-1], np.nan)
    rate = np.exp(log_rate.astype(np.float64))
    true = np.concatenate([counts[trials].mean(axis=0) for trials in groups])
    predicted = np.concatenate([rate[trials].mean(axis=0) for trials in groups])
    return _r2(true, predicted)


def conditions(trials: pd.DataFrame) -> np.ndarray:
    """Return the number of each trial's condition, (trial,): choice x reward x block.

    Columns that the table lacks, or that are empty throughout, make fewer conditions; a missing value is a
    level of its own.

    >>> conditions(pd.DataFrame({"choice": [1, -1, 1], "feedback": [1.0, 1.0, 1.0]})).tolist()
    [1, 0, 1]
    """
    columns = [next((name for name in names if name in trials), None) for names in CONDITION_COLUMNS]
    columns = [name for name in columns if name is not None and not trials[name].isna().to_numpy().all()]
    if not columns:
        return np.zeros(len(trials), dtype=np.int64)
    return trials.groupby(columns, dropna=False, sort=True).ngroup().to_numpy()


def _r2(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """R2 over the first axis, per column, over the entries that are predicted."""
    scored = ~np.isnan(predicted)
    n = np.maximum(scored.sum(axis=0), 1)
    centre = np.where(scored, true, 0.0).sum(axis=0) / n
    residual = np.where(scored, true - predicted, 0.0)
    total = np.where(scored, true - centre, 0.0)
    variance = (total**2).sum(axis=0)
    return 1.0 - (residual**2).sum(axis=0) / np.where(variance > 0, variance, np.nan)
