"""Poisson regression of every unit on a few factors of what it may see: sums of features weighted by a *basis*.

A baseline is a choice of basis: the population sum (smoothed counts), principal components, or the subspace that
ridge regression uses most (reduced rank). Beside the factors stand cosines of session and window time, which all
units see. A unit's own features are taken out of the factors by zeroing its rows of the basis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from spikeglot.data.counts import Counts
from spikeglot.data.splits import Split
from spikeglot.evaluation.baselines.choose import Predictor, climb
from spikeglot.evaluation.baselines.features import history_features, own_features, population_features, time_features
from spikeglot.evaluation.baselines.hold_outs import hold_outs
from spikeglot.evaluation.baselines.poisson_regression import Design, fit_poisson
from spikeglot.settings import TASKS, n_forward_bins

Basis = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(features (sample, feature), counts (sample, unit)) of a pool -> weights (feature, factor), strongest first."""
OWN_SIZE = 3.0
"""How much larger a unit's own history is made, so that the penalty holds it back less than other units'."""


def predict_tasks(
    counts: Counts, split: Split, basis: Basis, held_out: Mapping[str, Sequence], forward: Mapping[str, Sequence]
) -> dict[str, np.ndarray]:
    """Return log-rates (test trial, time, unit) of all tasks, with the settings of the axes that do best on val."""
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
    """Features (trial, time, 2 x unit), and per hold-out the basis of its pool and the factors (trial, time, factor)."""

    features: np.ndarray
    basis: tuple[np.ndarray, ...]
    factors: tuple[np.ndarray, ...]


class HeldOutRegression:
    """Fits a task that hides units; keeps the features and bases of the settings that it saw last."""

    def __init__(self, counts: Counts, train: np.ndarray, task: str, basis: Basis) -> None:
        self.counts, self.train, self.basis = counts, train, basis
        self.hold_outs = hold_outs(task, counts.regions)
        self.time = time_features(counts, train)
        self._factored = lru_cache(maxsize=2)(self._factored)

    def fit(self, smoothing_s: float, mean_weight: float, n_factors: int, penalty: float) -> Predictor:
        """Return a predictor with at most ``n_factors`` factors; see `fit_poisson` for ``penalty``."""
        factored = self._factored(smoothing_s, mean_weight)
        fits = []
        for i, hold_out in enumerate(self.hold_outs):
            design = self._design(factored, i, n_factors, self.train)
            counts = self.counts.counts[self.train][:, :, hold_out.targets].reshape(len(design.shared), -1)
            fits.append(fit_poisson(design, counts, penalty))

        def predict(trials: np.ndarray) -> np.ndarray:
            out = np.full((len(trials), *self.counts.counts.shape[1:]), np.nan, dtype=np.float32)
            for i, hold_out in enumerate(self.hold_outs):
                log_rate = fits[i].predict(self._design(factored, i, n_factors, trials))
                out[:, :, hold_out.targets] = log_rate.reshape(*out.shape[:2], -1)
            return out

        return predict

    def _factored(self, smoothing_s: float, mean_weight: float) -> Factored:
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

    def _design(self, factored: Factored, i: int, n_factors: int, trials: np.ndarray) -> Design:
        """Factors of the pool without what the targets of hold-out ``i`` must not see, and time."""
        hold_out = self.hold_outs[i]
        hidden = factored.features[trials][:, :, own_features(hold_out.targets, self.counts.n_units).ravel()]
        hidden = hidden.reshape(-1, hidden.shape[2])
        hidden_basis = factored.basis[i][own_features(hold_out.hidden, len(hold_out.pool)).ravel(), :n_factors]
        factors = factored.factors[i][trials, :, :n_factors].reshape(len(hidden), -1)
        time = self.time[trials].reshape(len(hidden), -1)
        if not hold_out.hides_itself:
            return Design(np.concatenate([factors - hidden @ hidden_basis, time], axis=1))
        none = np.zeros((time.shape[1], len(hold_out.targets)), dtype=np.float32)
        loading = tuple(np.concatenate([-rows.T, none]) for rows in np.split(hidden_basis, 2))
        private = tuple(np.ascontiguousarray(own) for own in np.split(hidden, 2, axis=1))
        return Design(np.concatenate([factors, time], axis=1), private, loading)


class ForwardRegression:
    """Fits forward prediction: the hidden end of the window from factors of all histories, and a unit's own.

    Trained on the hidden bins and, because trials are few, on earlier stretches of the same length; the rate is one
    number per stretch, so that it is flat over the hidden bins but for the trial average.
    """

    def __init__(self, counts: Counts, train: np.ndarray, basis: Basis) -> None:
        self.counts, self.train = counts, train
        self.n_hidden = n_forward_bins(counts.n_bins)
        self.stops = forward_stops(counts.n_bins)
        x = np.concatenate([history_features(counts, stop)[train] for stop in self.stops])
        y = np.concatenate([self._count(stop)[train] for stop in self.stops])
        self.centre = x.mean(axis=0)
        self.basis = basis(x - self.centre, y).astype(np.float32)
        self.time = time_features(counts, train)

    def fit(self, n_factors: int, penalty: float) -> Predictor:
        """Return a predictor with at most ``n_factors`` factors; see `fit_poisson` for ``penalty``."""
        designs = [self._design(stop, n_factors, self.train) for stop in self.stops]
        design = Design(
            np.concatenate([d.shared for d in designs]),
            tuple(np.concatenate(own) for own in zip(*(d.private for d in designs), strict=True)),
            designs[0].loading,
        )
        fit = fit_poisson(design, np.concatenate([self._count(stop)[self.train] for stop in self.stops]), penalty)

        def predict(trials: np.ndarray) -> np.ndarray:
            out = np.full((len(trials), *self.counts.counts.shape[1:]), np.nan, dtype=np.float32)
            log_count = fit.predict(self._design(self.stops[0], n_factors, trials))
            out[:, self.stops[0] :] = (log_count - np.log(self.n_hidden))[:, None]
            return out

        return predict

    def _count(self, stop: int) -> np.ndarray:
        """(trial, unit) spikes in the stretch that begins at bin ``stop``."""
        return self.counts.counts[:, stop : stop + self.n_hidden].sum(axis=1, dtype=np.float32)

    def _design(self, stop: int, n_factors: int, trials: np.ndarray) -> Design:
        x = history_features(self.counts, stop)[trials] - self.centre
        own = np.split(x, x.shape[1] // self.counts.n_units, axis=1)
        factors = x @ self.basis[:, :n_factors]
        time = self.time[trials, stop : stop + self.n_hidden].mean(axis=1)
        n_shared = factors.shape[1] + time.shape[1]
        loading = np.zeros((len(own), n_shared + len(own), self.counts.n_units), dtype=np.float32)
        loading[np.arange(len(own)), n_shared + np.arange(len(own))] = OWN_SIZE
        none = np.zeros((len(trials), len(own)), dtype=np.float32)
        return Design(np.concatenate([factors, time, none], axis=1), tuple(own), tuple(loading))


def forward_stops(n_bins: int) -> list[int]:
    """Return where histories end: before the hidden bins, and earlier in steps of their number, to mid-window."""
    n_hidden = n_forward_bins(n_bins)
    last = n_bins - n_hidden
    return list(range(last, max(last // 2, 1) - 1, -n_hidden)) or [last]
