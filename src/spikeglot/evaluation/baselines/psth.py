"""The trial average of every unit (peri-stimulus time histogram), smoothed and shrunk to the unit's mean."""

from __future__ import annotations

import numpy as np

from spikeglot.data.counts import Counts
from spikeglot.data.splits import Split
from spikeglot.evaluation.baselines.choose import Predictor, climb
from spikeglot.evaluation.baselines.features import smooth
from spikeglot.evaluation.baselines.hold_outs import where_scored
from spikeglot.metrics.poisson import mean_rate
from spikeglot.settings import TASKS

AXES = {"smoothing_s": (0.02, 0.04, 0.08, 0.16), "prior_trials": (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)}


def predict_psth(counts: Counts, split: Split) -> dict[str, np.ndarray]:
    """Return log-rates (test trial, time, unit) per task; settings chosen on validation trials."""
    train = counts.counts[split.train]
    mean, average = mean_rate(train), train.mean(axis=0)
    predictions = {}
    for task in TASKS:

        def fit(smoothing_s: float, prior_trials: float, task: str = task) -> Predictor:
            smoothed = smooth(average[None], smoothing_s / counts.window.bin_size_s)
            rate = (len(train) * smoothed + prior_trials * mean) / (len(train) + prior_trials)
            return lambda trials: where_scored(task, np.repeat(np.log(rate), len(trials), axis=0), counts)

        predictions[task] = climb(AXES, fit, counts, split.val)(split.test)
    return predictions
