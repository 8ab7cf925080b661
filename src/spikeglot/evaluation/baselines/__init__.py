"""Baselines: what is known without training on other animals, next to every score.

Each is a function of (`Counts`, `Split`) that is fitted on the training trials, chooses its settings on the
validation trials, and returns log-rates (test trial, time, unit) per task, NaN where the task scores nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from spikeglot.data.counts import Counts
from spikeglot.data.splits import Split
from spikeglot.errors import SettingsError, did_you_mean
from spikeglot.evaluation.baselines.drift import predict_drift
from spikeglot.evaluation.baselines.mean_rate import predict_mean_rate
from spikeglot.evaluation.baselines.poisson_pcr import predict_poisson_pcr
from spikeglot.evaluation.baselines.psth import predict_psth
from spikeglot.evaluation.baselines.reduced_rank import predict_reduced_rank
from spikeglot.evaluation.baselines.ridge import predict_ridge
from spikeglot.evaluation.baselines.smoothed_counts import predict_smoothed_counts

Baseline = Callable[[Counts, Split], dict[str, np.ndarray]]

BASELINES: dict[str, Baseline] = {
    "mean-rate": predict_mean_rate,
    "psth": predict_psth,
    "drift": predict_drift,
    "smoothed-counts": predict_smoothed_counts,
    "ridge": predict_ridge,
    "poisson-pcr": predict_poisson_pcr,
    "reduced-rank": predict_reduced_rank,
}
"""By name, from the simplest to the strongest."""


def run_baselines(
    counts: Counts,
    split: Split,
    names: Iterable[str] = tuple(BASELINES),
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, dict[str, np.ndarray]]:
    """Return the predictions of the baselines ``names``: name -> task -> log-rates (test trial, time, unit).

    ``progress(done, total, name)`` is called after each baseline.

    Raises
    ------
    SettingsError
        A name is not known.
    """
    names = list(names)
    for name in names:
        if name not in BASELINES:
            raise SettingsError(f"There is no baseline '{name}'.{did_you_mean(name, BASELINES)}")
    predictions = {}
    for done, name in enumerate(names, start=1):
        predictions[name] = BASELINES[name](counts, split)
        if progress is not None:
            progress(done, len(names), name)
    return predictions
