"""Poisson regression with a ridge penalty, of all units of a session at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spikeglot.metrics.poisson import MIN_SPIKES

MAX_STEPS = 15
MAX_HALVINGS = 8
CONJUGATE_GRADIENTS = 4
TOLERANCE = 1e-3
"""Newton's steps end when one adds less than this many nats per spike."""


@dataclass(frozen=True, eq=False)
class Design:
    """What the log-rates are linear in: predictors that all units share, and some of each unit alone.

    The log-rate of unit u in sample s is

        b_u + sum_p shared[s, p] c[p, u] + sum_f private[f][s, u] (loading[f][:, u] . c[:, u]),

    with ``shared`` (sample, predictor), ``private`` F times (sample, unit), and ``loading`` F times
    (predictor, unit). A unit that must not see itself takes its own part out of shared factors this way,
    exactly.
    """

    shared: np.ndarray
    private: tuple[np.ndarray, ...] = ()
    loading: tuple[np.ndarray, ...] = ()

    def predict(self, coefficients: np.ndarray) -> np.ndarray:
        """Return log-rates without intercept, (sample, unit), of coefficients (predictor, unit)."""
        out = self.shared @ coefficients
        for private, loading in zip(self.private, self.loading, strict=True):
            out += private * (loading * coefficients).sum(axis=0)
        return out

    def gradient(self, residual: np.ndarray) -> np.ndarray:
        """Return the transpose of `predict` applied to residuals (sample, unit): (predictor, unit)."""
        out = self.shared.T @ residual
        for private, loading in zip(self.private, self.loading, strict=True):
            out += loading * np.einsum("su,su->u", private, residual)
        return out

    def power(self) -> np.ndarray:
        """Return about the sum of squares of every predictor, (predictor, unit)."""
        out = (self.shared**2).sum(axis=0)[:, None]
        for private, loading in zip(self.private, self.loading, strict=True):
            out = out + loading**2 * (private**2).sum(axis=0)
        return out


@dataclass(frozen=True, eq=False)
class PoissonFit:
    """Coefficients (predictor, unit), intercepts (unit,), and the largest log-rates of training (unit,)."""

    coefficients: np.ndarray
    intercept: np.ndarray
    highest: np.ndarray

    def predict(self, design: Design) -> np.ndarray:
        """Return log-rates (sample, unit); beyond the range of training they grow no further."""
        return np.minimum(design.predict(self.coefficients) + self.intercept, self.highest)


def fit_poisson(design: Design, counts: np.ndarray, penalty: float) -> PoissonFit:
    """Maximise the Poisson likelihood of counts (sample, unit) less ``penalty / 2`` x squared coefficients.

    Newton's method on all units at once, each step solved by preconditioned conjugate gradients and halved,
    per unit, until it gains; intercepts are profiled out and not penalised. A silent unit is taken to have
    `MIN_SPIKES`.
    """
    counts = counts.astype(np.float32)
    n_spikes = np.maximum(counts.sum(axis=0), MIN_SPIKES)
    precondition = 1.0 / (design.power() * (n_spikes / len(counts)) + penalty)
    c = np.zeros((design.shared.shape[1], counts.shape[1]), dtype=np.float32)
    linear = np.zeros_like(counts)

    def objective(linear: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _objective(linear, c, counts, n_spikes, penalty)

    value, intercept = objective(linear, c)
    for _ in range(MAX_STEPS):
        rate = np.exp(linear + intercept)
        gradient = design.gradient(counts - rate) - penalty * c
        step = _newton_step(design, rate, gradient, penalty, precondition)
        change = design.predict(step)
        size = _longest_gain(objective, value, linear, change, c, step)
        linear, c, before = linear + size * change, c + size * step, value
        value, intercept = objective(linear, c)
        if (value - before).sum() < TOLERANCE * n_spikes.sum():
            break
    return PoissonFit(c, intercept, linear.max(axis=0) + intercept)


def _longest_gain(
    objective: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    value: np.ndarray,
    linear: np.ndarray,
    change: np.ndarray,
    c: np.ndarray,
    step: np.ndarray,
) -> np.ndarray:
    """Size (unit,) of the step: 1, halved where it would lose, and 0 where that does not help."""
    size = np.ones(len(value), dtype=np.float32)
    worse = np.zeros(len(value), dtype=bool)
    for _ in range(MAX_HALVINGS):
        worse = ~(objective(linear + size * change, c + size * step)[0] >= value)
        if not worse.any():
            break
        size[worse] /= 2
    size[worse] = 0
    return size


def _objective(
    linear: np.ndarray, c: np.ndarray, counts: np.ndarray, n_spikes: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Penalised log-likelihood (unit,) at the best intercepts, and these: there rates sum to the spikes."""
    top = linear.max(axis=0)
    intercept = np.log(n_spikes) - top - np.log(np.exp(linear - top).sum(axis=0))
    likelihood = np.einsum("su,su->u", counts, linear) + n_spikes * intercept - n_spikes
    return likelihood - 0.5 * penalty * (c**2).sum(axis=0), intercept


def _newton_step(
    design: Design, rate: np.ndarray, gradient: np.ndarray, penalty: float, precondition: np.ndarray
) -> np.ndarray:
    """Solve (curvature of the profiled likelihood + penalty) step = gradient, unit by unit."""
    total = rate.sum(axis=0)
    step, residual = np.zeros_like(gradient), gradient
    scaled = precondition * residual
    direction, size = scaled, (residual * scaled).sum(axis=0)
    for _ in range(CONJUGATE_GRADIENTS):
        weighted = design.predict(direction)
        weighted *= rate
        weighted -= rate * (weighted.sum(axis=0) / total)
        curved = design.gradient(weighted) + penalty * direction
        length = size / np.maximum((direction * curved).sum(axis=0), 1e-20)
        step = step + length * direction
        residual = residual - length * curved
        scaled = precondition * residual
        new_size = (residual * scaled).sum(axis=0)
        direction = scaled + new_size / np.maximum(size, 1e-20) * direction
        size = new_size
    return step
