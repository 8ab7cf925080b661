"""Poisson regression on principal components of smoothed counts and trial means, or of histories."""

from __future__ import annotations

import numpy as np

from spikeglot.data.counts import Counts
from spikeglot.data.splits import Split
from spikeglot.evaluation.baselines.factor_regression import predict_tasks
from spikeglot.evaluation.baselines.features import TIME_SIZES

MAX_COMPONENTS = 80
PENALTIES = (12.5, 25.0, 50.0, 100.0, 200.0, 400.0, 800.0)
HELD_OUT = {
    "smoothing_s": (0.03, 0.06, 0.12),
    "mean_weight": (1.0, 1.5, 2.0),
    "time_size": TIME_SIZES,
    "n_factors": (MAX_COMPONENTS,),
    "penalty": PENALTIES,
}
FORWARD = {"time_size": TIME_SIZES, "n_factors": (20, 40, MAX_COMPONENTS), "penalty": PENALTIES}


def predict_poisson_pcr(counts: Counts, split: Split) -> dict[str, np.ndarray]:
    """Return log-rates (test trial, time, unit) per task; settings chosen on validation trials."""
    return predict_tasks(counts, split, components, HELD_OUT, FORWARD)


def components(features: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the (feature, component) unit vectors of the most variance, at most `MAX_COMPONENTS`."""
    gram = features.T @ features
    if len(gram) <= 4 * MAX_COMPONENTS:
        return np.linalg.eigh(gram)[1][:, ::-1][:, :MAX_COMPONENTS]
    from scipy.sparse.linalg import eigsh

    values, vectors = eigsh(gram, k=MAX_COMPONENTS, v0=np.ones(len(gram)))
    return vectors[:, np.argsort(-values)]
