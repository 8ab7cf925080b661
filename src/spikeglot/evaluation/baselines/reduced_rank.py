"""Reduced-rank Poisson regression: the few directions of activity by which units predict each other.

Two steps. Ridge regression predicts every unit from the features of the others, in closed form; the principal
components of its predictions, over each unit's Poisson noise, are the directions that matter most
(reduced-rank regression: Izenman 1975; as communication subspaces: Semedo et al. 2019). Poisson regression on
these follows.
"""

from __future__ import annotations

import numpy as np

from spikeglot.data.counts import Counts
from spikeglot.data.splits import Split
from spikeglot.evaluation.baselines.factor_regression import predict_tasks
from spikeglot.evaluation.baselines.features import TIME_SIZES
from spikeglot.evaluation.baselines.gram import penalise_own, penalised_inverse
from spikeglot.metrics.poisson import mean_rate

MAX_RANK = 80
PENALTY_PER_FEATURE = 2.0
"""The first step's penalty over the number of features: the more there are, the less each explains."""
PENALTIES = (12.5, 25.0, 50.0, 100.0, 200.0, 400.0, 800.0)
HELD_OUT = {
    "smoothing_s": (0.03, 0.06, 0.12),
    "mean_weight": (1.0, 1.5, 2.0),
    "time_size": TIME_SIZES,
    "n_factors": (20, 40, MAX_RANK),
    "penalty": PENALTIES,
}
FORWARD = {"time_size": TIME_SIZES, "n_factors": (10, 20, 40), "penalty": PENALTIES}


def predict_reduced_rank(counts: Counts, split: Split) -> dict[str, np.ndarray]:
    """Return log-rates (test trial, time, unit) per task; settings chosen on validation trials."""
    return predict_tasks(counts, split, shared_directions, HELD_OUT, FORWARD)


def shared_directions(features: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return weights (feature, direction) whose factors have variance 1 on average, strongest first."""
    n_samples, n_features = features.shape
    gram = (features.T @ features).astype(np.float64)
    rate = mean_rate(counts)
    cross = features.T @ ((counts - rate) / np.sqrt(rate)).astype(np.float32)
    inverse = penalised_inverse(gram, PENALTY_PER_FEATURE * n_features)
    own = np.arange(n_features).reshape(-1, counts.shape[1])
    coefficients = penalise_own(inverse, inverse @ cross, own)
    values, vectors = np.linalg.eigh(coefficients.T @ gram @ coefficients / n_samples)
    values, vectors = values[::-1][:MAX_RANK], vectors[:, ::-1][:, :MAX_RANK]
    return coefficients @ vectors / np.sqrt(max(values.mean(), 1e-12))
