"""Rates that depend on time alone: slow drift over the session, and the course of the window.

What a random split over trials rewards without looking at a single spike of the test trials.
"""

from __future__ import annotations

import numpy as np

from spikeglot.data.counts import Counts
from spikeglot.data.splits import Split
from spikeglot.evaluation.baselines.choose import Predictor, climb
from spikeglot.evaluation.baselines.features import time_features
from spikeglot.evaluation.baselines.hold_outs import where_scored
from spikeglot.evaluation.baselines.poisson_regression import Design, fit_poisson
from spikeglot.settings import TASKS

AXES = {"penalty": (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)}


def predict_drift(counts: Counts, split: Split) -> dict[str, np.ndarray]:
    """Return log-rates (test trial, time, unit) per task: Poisson regression on session and window time."""
    time = time_features(counts, split.train)
    train = counts.counts[split.train].reshape(-1, counts.n_units)
    fits = {penalty: fit_poisson(_design(time[split.train]), train, penalty) for penalty in AXES["penalty"]}
    predictions = {}
    for task in TASKS:

        def fit(penalty: float, task: str = task) -> Predictor:
            def predict(trials: np.ndarray) -> np.ndarray:
                log_rate = fits[penalty].predict(_design(time[trials]))
                return where_scored(task, log_rate.reshape(len(trials), counts.n_bins, -1), counts)

            return predict

        predictions[task] = climb(AXES, fit, counts, split.val)(split.test)
    return predictions


def _design(time: np.ndarray) -> Design:
    return Design(time.reshape(-1, time.shape[2]))
