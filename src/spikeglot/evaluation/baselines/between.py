"""Ridge regression of some units on some others, and on time: the baseline of a translation.

As `spikeglot.evaluation.baselines.ridge`, whose features and settings it uses, but with any source and any target.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from spikeglot.data.counts import Counts
from spikeglot.data.splits import Split
from spikeglot.evaluation.baselines.choose import Predictor, climb
from spikeglot.evaluation.baselines.features import population_features, time_features
from spikeglot.evaluation.baselines.gram import penalised_inverse
from spikeglot.evaluation.baselines.ridge import HELD_OUT, LOWEST_SHARE, HeldOutRidge
from spikeglot.metrics.poisson import mean_rate


def ridge_between(counts: Counts, split: Split, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return log-rates (test trial, time, target unit) from the units ``source`` and time.

    ``source`` and ``target`` are indices of units without overlap. One setting serves all targets: the one that is
    best for their mean on the validation trials.
    """
    asked = counts.take_units(target)
    return climb(HELD_OUT, _Between(counts, split.train, source, asked).fit, asked, split.val)(split.test)


def ridge_within(counts: Counts, split: Split, units: np.ndarray) -> np.ndarray:
    """Return log-rates (test trial, time, unit) of ``units``, all of one region: each from the others, and time.

    NaN where there is one unit only.
    """
    inside = counts.take_units(units)
    return climb(HELD_OUT, HeldOutRidge(inside, split.train, "intra-region").fit, inside, split.val)(split.test)


class _Between:
    """Fits the regression; moments are kept, because walking over penalties needs the same ones again."""

    def __init__(self, counts: Counts, train: np.ndarray, source: np.ndarray, asked: Counts) -> None:
        self.given, self.train = counts.take_units(source), train
        self.rate = mean_rate(asked.counts[train])
        self.residual = (asked.counts[train] - self.rate).astype(np.float32).reshape(-1, asked.n_units)
        time = time_features(counts, train)
        self.time = time - time[train].mean(axis=(0, 1))
        self.moments = lru_cache(maxsize=2)(self._moments)

    def fit(self, smoothing_s: float, mean_weight: float, time_size: float, penalty: float) -> Predictor:
        """Return a predictor; the settings are those of `HeldOutRidge.fit`."""
        x, gram, cross = self.moments(smoothing_s, mean_weight)
        size = np.where(np.arange(len(gram)) < 2 * self.given.n_units, 1.0, time_size)[:, None]
        inverse = penalised_inverse(gram * size * size.T, penalty)
        coefficients = (size * (inverse @ (cross * size))).astype(np.float32)

        def predict(trials: np.ndarray) -> np.ndarray:
            rate = np.maximum(self.rate + x[trials] @ coefficients, LOWEST_SHARE * self.rate)
            return np.log(rate).astype(np.float32)

        return predict

    def _moments(self, smoothing_s: float, mean_weight: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features and time (trial, time, feature) less their training means, X'X, and X'Y."""
        x = population_features(self.given, self.train, smoothing_s, mean_weight)
        x = np.concatenate([x, self.time], axis=2)
        flat = x[self.train].reshape(-1, x.shape[2])
        return x, (flat.T @ flat).astype(np.float64), (flat.T @ self.residual).astype(np.float64)
