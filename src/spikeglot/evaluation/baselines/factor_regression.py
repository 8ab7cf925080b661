"""Poisson regression of every unit on a few factors of what it may see, for all tasks.

Factors are sums of features, weighted by a *basis*. A baseline is a choice of basis: the population sum
(smoothed counts), principal components, or the directions that ridge regression uses (reduced rank). Beside
the factors stand cosines of session and window time, which every unit sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from spikeglot.data.counts import Counts
from spikeglot.data.splits import Split
from spikeglot.evaluation.baselines.choose import Predictor, climb
from spikeglot.evaluation.baselines.features import own_features, population_features, time_features
from spikeglot.evaluation.baselines.histories import fill_end, stretches
from spikeglot.evaluation.baselines.hold_outs import hold_outs
from spikeglot.evaluation.baselines.poisson_regression import Design, fit_poisson
from spikeglot.settings import TASKS

Basis = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Features (sample, feature) and counts (sample, unit) of a pool -> weights (feature, factor), best first."""
OWN_SIZE = 3.0
"""How much larger a unit's own history is made, so that a penalty holds it back less than that of others."""


def predict_tasks(
    counts: Counts,
    split: Split,
    basis: Basis,
    held_out: Mapping[str, Sequence],
    forward: Mapping[str, Sequence],
) -> dict[str, np.ndarray]:
    """Return log-rates (test trial, time, unit) per task, with the settings that are best on val.

    ``held_out`` has the axes of `HeldOutRegression.fit`, ``forward`` those of `ForwardRegression.fit`.
    """
    predictions = {}
    for task in TASKS:
        if task == "forward":
            regression, axes = ForwardRegression(counts, split.train, basis), forward
        else:
            regression, axes = HeldOutRegression(counts, split.train, task, basis), held_out
        predictions[task] = climb(axes, regression.fit, counts, split.val)(split.test)
    return predictions


@dataclass(frozen=True, eq=False)
class Factored:
    """Features (trial, time, 2 x unit); per hold-out its pool's basis and factors (trial, time, factor)."""

    features: np.ndarray
    basis: tuple[np.ndarray, ...]
    factors: tuple[np.ndarray, ...]


class HeldOutRegression:
    """Fits a task that hides units, which are taken out of the factors exactly, in training as in test."""

    def __init__(self, counts: Counts, train: np.ndarray, task: str, basis: Basis) -> None:
        self.counts, self.train, self.basis = counts, train, basis
        self.hold_outs = hold_outs(task, counts.regions)
        self.time = time_features(counts, train)
        self.factored = lru_cache(maxsize=2)(self._factor)

    def fit(
        self, smoothing_s: float, mean_weight: float, time_size: float, n_factors: int, penalty: float
    ) -> Predictor:
        """Return a predictor with at most ``n_factors`` factors; see `fit_poisson` for ``penalty``.

        ``smoothing_s`` and ``mean_weight`` are those of `population_features`; ``time_size`` multiplies time.
        """
        factored = self.factored(smoothing_s, mean_weight)
        fits = []
        for i, hold_out in enumerate(self.hold_outs):
            design = self._design(factored, i, time_size, n_factors, self.train)
            counts = self.counts.counts[self.train][:, :, hold_out.targets].reshape(len(design.shared), -1)
            fits.append(fit_poisson(design, counts, penalty))

        def predict(trials: np.ndarray) -> np.ndarray:
            out = np.full((len(trials), *self.counts.counts.shape[1:]), np.nan, dtype=np.float32)
            for i, hold_out in enumerate(self.hold_outs):
                log_rate = fits[i].predict(self._design(factored, i, time_size, n_factors, trials))
                out[:, :, hold_out.targets] = log_rate.reshape(*out.shape[:2], -1)
            return out

        return predict

    def _factor(self, smoothing_s: float, mean_weight: float) -> Factored:
        features = population_features(self.counts, self.train, smoothing_s, mean_weight)
        basis: list[np.ndarray] = []
        factors: list[np.ndarray] = []
        for i, hold_out in enumerate(self.hold_outs):
            if i and hold_out.pool is self.hold_outs[i - 1].pool:
                basis.append(basis[-1])
                factors.append(factors[-1])
                continue
            x = features[:, :, own_features(hold_out.pool, self.counts.n_units).ravel()]
            y = self.counts.counts[self.train][:, :, hold_out.pool]
            weights = self.basis(x[self.train].reshape(-1, x.shape[2]), y.reshape(-1, y.shape[2]))
            basis.append(weights.astype(np.float32))
            factors.append(x @ basis[-1])
        return Factored(features, tuple(basis), tuple(factors))

    def _design(self, factored: Factored, i: int, time_size: float, n_factors: int, trials: np.ndarray) -> Design:
        """Factors of the pool without what the targets of hold-out ``i`` must not see, and time."""
        hold_out = self.hold_outs[i]
        hidden = factored.features[trials][:, :, own_features(hold_out.targets, self.counts.n_units).ravel()]
        hidden = hidden.reshape(-1, hidden.shape[2])
        hidden_basis = factored.basis[i][own_features(hold_out.hidden, len(hold_out.pool)).ravel(), :n_factors]
        factors = factored.factors[i][trials, :, :n_factors].reshape(len(hidden), -1)
        time = time_size * self.time[trials].reshape(len(hidden), -1)
        if not hold_out.hides_itself:
            return Design(np.concatenate([factors - hidden @ hidden_basis, time], axis=1))
        none = np.zeros((time.shape[1], len(hold_out.targets)), dtype=np.float32)
        loading = tuple(np.concatenate([-rows.T, none]) for rows in np.split(hidden_basis, 2))
        private = tuple(np.ascontiguousarray(own) for own in np.split(hidden, 2, axis=1))
        return Design(np.concatenate([factors, time], axis=1), private, loading)


class ForwardRegression:
    """Fits forward prediction: spikes after a history from factors of all histories and the unit's own."""

    def __init__(self, counts: Counts, train: np.ndarray, basis: Basis) -> None:
        self.counts, self.train = counts, train
        self.stretches = stretches(counts, train)
        self.spikes = np.concatenate([stretch.spikes for stretch in self.stretches])
        x = np.concatenate([stretch.history[train] for stretch in self.stretches])
        self.centre = x.mean(axis=0)
        self.basis = basis(x - self.centre, self.spikes).astype(np.float32)

    def fit(self, time_size: float, n_factors: int, penalty: float) -> Predictor:
        """Return a predictor; the settings are those of `HeldOutRegression.fit`."""
        history = np.concatenate([stretch.history[self.train] for stretch in self.stretches])
        time = np.concatenate([stretch.time[self.train] for stretch in self.stretches])
        fit = fit_poisson(self._design(history, time_size * time, n_factors), self.spikes, penalty)
        end = self.stretches[0]

        def predict(trials: np.ndarray) -> np.ndarray:
            design = self._design(end.history[trials], time_size * end.time[trials], n_factors)
            return fill_end(fit.predict(design), self.counts)

        return predict

    def _design(self, history: np.ndarray, time: np.ndarray, n_factors: int) -> Design:
        """Factors, time, and an empty predictor for each of a unit's own, which stand in ``private``."""
        history = history - self.centre
        own = np.split(history, history.shape[1] // self.counts.n_units, axis=1)
        none = np.zeros((len(history), len(own)))
        shared = np.concatenate([history @ self.basis[:, :n_factors], time, none], axis=1, dtype=np.float32)
        loading = np.zeros((len(own), shared.shape[1], self.counts.n_units), dtype=np.float32)
        loading[np.arange(len(own)), np.arange(-len(own), 0)] = OWN_SIZE
        return Design(shared, tuple(own), tuple(loading))
