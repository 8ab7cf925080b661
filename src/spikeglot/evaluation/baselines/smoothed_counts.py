"""Smoothed counts: each unit follows the sum of the visible units, or its own past, with a gain of its own.

The coupling of single units to the population is that of Okun et al. 2015.
"""

from __future__ import annotations

import numpy as np

from spikeglot.data.counts import Counts
from spikeglot.data.splits import Split
from spikeglot.evaluation.baselines.factor_regression import predict_tasks
from spikeglot.evaluation.baselines.features import TIME_SIZES

PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
HELD_OUT = {
    "smoothing_s": (0.03, 0.06, 0.12),
    "mean_weight": (1.0,),
    "time_size": TIME_SIZES,
    "n_factors": (2,),
    "penalty": PENALTIES,
}
FORWARD = {"time_size": TIME_SIZES, "n_factors": (0,), "penalty": PENALTIES}


def predict_smoothed_counts(counts: Counts, split: Split) -> dict[str, np.ndarray]:
    """Return log-rates (test trial, time, unit) per task; settings chosen on validation trials.

    Forward prediction follows the unit's own history and no other.
    """
    return predict_tasks(counts, split, population_sums, HELD_OUT, FORWARD)


def population_sums(features: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return weights (feature, kind) that add up the units, over their root number, per kind of feature."""
    n_units = counts.shape[1]
    n_kinds = features.shape[1] // n_units
    return np.repeat(np.eye(n_kinds), n_units, axis=0) / np.sqrt(n_units)
