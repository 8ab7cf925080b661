"""Ridge regression of counts on smoothed counts, trial means and time; of the window's end on histories."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from spikeglot.data.counts import Counts
from spikeglot.data.splits import Split
from spikeglot.evaluation.baselines.choose import Predictor, climb
from spikeglot.evaluation.baselines.features import (
    TIME_SIZES,
    own_features,
    population_features,
    time_features,
)
from spikeglot.evaluation.baselines.gram import leave_out, penalise_own, penalised_inverse
from spikeglot.evaluation.baselines.histories import fill_end, stretches
from spikeglot.evaluation.baselines.hold_outs import hold_outs, where_scored
from spikeglot.metrics.poisson import mean_rate
from spikeglot.settings import TASKS

LOWEST_SHARE = 0.2
"""Rates are at least this share of the unit's mean: a line crosses zero, a rate does not."""
OWN_PENALTY = 1 / 9
"""Penalty on a unit's own history, over that on the histories of others."""
PENALTIES = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0, 32000.0)
HELD_OUT = {
    "smoothing_s": (0.03, 0.06, 0.12),
    "mean_weight": (1.0, 1.5, 2.0),
    "time_size": TIME_SIZES,
    "penalty": PENALTIES,
}
FORWARD = {"time_size": TIME_SIZES, "penalty": PENALTIES}


def predict_ridge(counts: Counts, split: Split) -> dict[str, np.ndarray]:
    """Return log-rates (test trial, time, unit) per task; settings chosen on validation trials."""
    predictions = {}
    for task in TASKS:
        if task == "forward":
            regression, axes = ForwardRidge(counts, split.train), FORWARD
        else:
            regression, axes = HeldOutRidge(counts, split.train, task), HELD_OUT
        predictions[task] = climb(axes, regression.fit, counts, split.val)(split.test)
    return predictions


class HeldOutRidge:
    """Fits a task that hides units: one inverse per pool, from which each unit's own features are taken."""

    def __init__(self, counts: Counts, train: np.ndarray, task: str) -> None:
        self.counts, self.train, self.task = counts, train, task
        self.rate = mean_rate(counts.counts[train])
        self.hold_outs = hold_outs(task, counts.regions)
        self.time = time_features(counts, train)
        self.moments = lru_cache(maxsize=2)(self._moments)

    def fit(self, smoothing_s: float, mean_weight: float, time_size: float, penalty: float) -> Predictor:
        """Return a predictor; ``penalty`` is that on the squared coefficients.

        ``smoothing_s`` and ``mean_weight`` are those of `population_features`; ``time_size`` multiplies time.
        """
        x, gram, cross = self.moments(smoothing_s, mean_weight)
        size = np.where(np.arange(len(gram)) < 2 * self.counts.n_units, 1.0, time_size)[:, None]
        coefficients = size * self._coefficients(gram * size * size.T, cross * size, penalty)
        coefficients = coefficients.astype(np.float32)

        def predict(trials: np.ndarray) -> np.ndarray:
            rate = np.maximum(self.rate + x[trials] @ coefficients, LOWEST_SHARE * self.rate)
            return where_scored(self.task, np.log(rate), self.counts)

        return predict

    def _moments(self, smoothing_s: float, mean_weight: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features and time (trial, time, feature) less their training means, X'X, and X'Y."""
        x = population_features(self.counts, self.train, smoothing_s, mean_weight)
        x = np.concatenate([x, self.time - self.time[self.train].mean(axis=(0, 1))], axis=2)
        flat = x[self.train].reshape(-1, x.shape[2])
        y = (self.counts.counts[self.train] - self.rate).astype(np.float32).reshape(len(flat), -1)
        return x, (flat.T @ flat).astype(np.float64), (flat.T @ y).astype(np.float64)

    def _coefficients(self, gram: np.ndarray, cross: np.ndarray, penalty: float) -> np.ndarray:
        """(feature, unit) coefficients, zero where a unit must not see the feature."""
        n_units = self.counts.n_units
        out = np.zeros_like(cross)
        inverse, pool = np.empty((0, 0)), np.empty(0)
        for hold_out in self.hold_outs:
            features = np.append(own_features(hold_out.pool, n_units), np.arange(2 * n_units, len(gram)))
            if hold_out.pool is not pool:
                inverse, pool = penalised_inverse(gram[np.ix_(features, features)], penalty), hold_out.pool
            coefficients = inverse @ cross[np.ix_(features, hold_out.targets)]
            hidden = own_features(hold_out.hidden, len(pool))
            if hold_out.hides_itself:
                coefficients = penalise_own(inverse, coefficients, hidden)
            else:
                coefficients = leave_out(inverse, coefficients, hidden.ravel())
            out[np.ix_(features, hold_out.targets)] = coefficients
        return out


class ForwardRidge:
    """Fits forward prediction: spikes after a history from all histories, the unit's own held back less."""

    def __init__(self, counts: Counts, train: np.ndarray) -> None:
        self.counts, self.train = counts, train
        self.stretches = stretches(counts, train)
        self.spikes = np.concatenate([stretch.spikes for stretch in self.stretches])
        self.mean = mean_rate(self.spikes)
        self.own = np.arange(self.stretches[0].history.shape[1]).reshape(-1, counts.n_units)

    def fit(self, time_size: float, penalty: float) -> Predictor:
        """Return a predictor; ``penalty`` is that on the squared coefficients of other units' histories."""
        features = [np.concatenate([s.history, time_size * s.time], axis=1) for s in self.stretches]
        x = np.concatenate([stretch[self.train] for stretch in features])
        centre = x.mean(axis=0)
        x -= centre
        inverse = penalised_inverse((x.T @ x).astype(np.float64), penalty)
        coefficients = inverse @ (x.T @ (self.spikes - self.mean).astype(np.float32))
        coefficients = penalise_own(inverse, coefficients, self.own, extra=(OWN_PENALTY - 1) * penalty)

        def predict(trials: np.ndarray) -> np.ndarray:
            spikes = self.mean + (features[0][trials] - centre) @ coefficients
            return fill_end(np.log(np.maximum(spikes, LOWEST_SHARE * self.mean)), self.counts)

        return predict
