"""Poisson regression with a Gaussian prior, and how the prior is learned from many units."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spikeglot.models.factors import MAX_LOG_RATE
from spikeglot.models.unit_prior import INTERCEPT_PRECISION

PRIOR_STEPS = 3
NEWTON_STEPS = 25
SMALL_STEP = 0.002
"""Newton stops when no unit's weights move further than this."""
SHORT_STEP = 0.1
"""After a step shorter than this the curvature is not computed again."""
PRIOR_UNITS = 20.0
"""The prior that a session starts from counts as much as this many of its units."""
LEARN_UNITS = 256
"""The prior of a session is learned from at most this many of its units."""
DESIGN_SIZE = 2**20
"""Entries of a design matrix (unit, sample, predictor) that are held at once."""


@dataclass(frozen=True, eq=False)
class Prior:
    """A Gaussian prior of weights: mean (predictor,) and precision (predictor, predictor).

    The first predictor is the intercept: its mean is 0, and its precision never learned.
    """

    mean: Tensor
    precision: Tensor


@dataclass(frozen=True, eq=False)
class Fitted:
    """Weights (unit, predictor) and the sum over units of their posterior covariance (predictor, predictor)."""

    weight: Tensor
    spread: Tensor


def learn_prior(weight: Tensor, spread: Tensor, before: Prior) -> Prior:
    """Return the prior that explains weights (unit, predictor) with summed posterior covariance ``spread`` best.

    One step of EM (empirical Bayes). It counts as if `PRIOR_UNITS` further units had been drawn from ``before``.
    """
    n_units = len(weight) + PRIOR_UNITS
    mean = (weight.sum(0) + PRIOR_UNITS * before.mean) / n_units
    mean[0] = 0.0
    away, moved = weight - mean, (before.mean - mean)[:, None]
    pseudo = PRIOR_UNITS * (torch.linalg.inv(before.precision) + moved @ moved.T)
    precision = torch.linalg.inv((away.T @ away + spread + pseudo) / n_units)
    precision[0], precision[:, 0], precision[0, 0] = 0.0, 0.0, INTERCEPT_PRECISION
    return Prior(mean, precision)


def poisson_regression(
    design: Tensor, target: Tensor, offset: Tensor, prior: Prior, start: Tensor | None = None, cap: float = MAX_LOG_RATE
) -> tuple[Tensor, Tensor]:
    """Return weights (unit, predictor) of highest posterior Poisson likelihood, by Newton steps, and their covariance.

    design (unit, sample, predictor); target counts and offset log-rates (unit, sample). The covariance (unit,
    predictor, predictor) is that of the Laplace approximation.
    """
    weight = prior.mean.expand(len(design), -1) if start is None else start

    def rates() -> Tensor:
        return (offset + (design @ weight[:, :, None])[..., 0]).clamp_max(cap).exp()

    def curved(rate: Tensor) -> Tensor:
        return torch.linalg.cholesky(design.transpose(1, 2) @ (rate[:, :, None] * design) + prior.precision)

    curvature, longest = None, math.inf
    for _ in range(NEWTON_STEPS):
        rate = rates()
        slope = ((target - rate)[:, None] @ design)[:, 0] - (weight - prior.mean) @ prior.precision
        if curvature is None or longest > SHORT_STEP:  # most of the work, and it hardly changes near the optimum
            curvature = curved(rate)
        step = torch.cholesky_solve(slope[:, :, None], curvature)[..., 0]
        length = step.norm(dim=1, keepdim=True)
        longest = float(length.max())
        # steps longer than 2 are cut: the quadratic is no guide that far from where it was taken
        weight = weight + step / (length / 2).clamp_min(1)
        if longest < SMALL_STEP:
            break
    return weight, torch.cholesky_inverse(curved(rates()))


def regress_units(
    design_of: Callable[[Tensor], Tensor], target: Tensor, offset: Tensor, n_samples: int, before: Prior
) -> Fitted:
    """Fit the weights of all units with a common prior, itself learned from them (empirical Bayes by EM).

    ``design_of(units)`` gives designs (unit, sample, predictor); target counts and offset log-rates are (unit,
    sample). The prior starts from ``before``: predictors that hardly any unit uses are shrunk away.
    """
    weight = before.mean.repeat(len(target), 1)

    def regress(which: Tensor, prior: Prior) -> Tensor:
        spread = torch.zeros_like(prior.precision)
        for units in which.split(units_at_once(n_samples, len(prior.mean))):
            known = offset[units].expand(-1, n_samples)
            weight[units], unsure = poisson_regression(design_of(units), target[units], known, prior, weight[units])
            spread += unsure.sum(0)
        return spread

    prior, some = before, some_units(len(target))
    for _ in range(PRIOR_STEPS):
        spread = regress(some, prior)
        prior = learn_prior(weight[some], spread, before)
    spread = regress(torch.arange(len(target)), prior)
    return Fitted(weight, spread)


def some_units(n_units: int) -> Tensor:
    """Return at most `LEARN_UNITS` of the units, evenly spaced: enough to learn the prior from."""
    return torch.linspace(0, n_units - 1, min(n_units, LEARN_UNITS)).round().long()


def units_at_once(n_samples: int, n_predictors: int) -> int:
    """Return how many units' design matrices (sample, predictor) are held together."""
    return max(1, math.floor(DESIGN_SIZE / max(1, n_samples * n_predictors)))
