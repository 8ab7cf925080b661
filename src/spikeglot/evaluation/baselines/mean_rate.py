"""The mean rate of every unit: the least that anything should beat."""

from __future__ import annotations

import numpy as np

from spikeglot.data.counts import Counts
from spikeglot.data.splits import Split
from spikeglot.evaluation.baselines.hold_outs import where_scored
from spikeglot.metrics.poisson import mean_rate
from spikeglot.settings import TASKS


def predict_mean_rate(counts: Counts, split: Split) -> dict[str, np.ndarray]:
    """Return log-rates (test trial, time, unit) per task: each unit's mean over the training trials."""
    log_rate = np.log(mean_rate(counts.counts[split.train]))
    everywhere = np.broadcast_to(log_rate, (len(split.test), counts.n_bins, counts.n_units))
    return {task: where_scored(task, everywhere, counts) for task in TASKS}
