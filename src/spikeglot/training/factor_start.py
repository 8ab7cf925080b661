"""Fit the factor path of a session in closed form, from its training trials, in seconds.

Mean rate; trial average, shrunk; drift, a Poisson regression on cosines; factor analysis by EM per time scale; the
weights from factors to log-rates, a Poisson regression in which each unit's factors are inferred *without that unit*,
as co-smoothing will ask, with a prior learned from all units; and what a unit's own past says, on the end of the
window, as forward prediction will ask.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from spikeglot.batch import Group, mean_count
from spikeglot.masking.schemes import Layout, forecast
from spikeglot.models.factors import MAX_LOG_RATE, Factors, cosines, unsure
from spikeglot.settings import FactorSettings, n_forward_bins

EM_STEPS = 60
NEWTON_STEPS = 25
SMALL_STEP = 0.02
"""Newton stops when no unit's weights move further than this."""
PAST_RIDGE = 50.0
INTERCEPT_RIDGE = 1.0
PRIOR_STEPS = 3
PRIOR_UNITS = 20.0
UNITS_AT_ONCE = 32


@torch.no_grad()
def fit_factors(factors: Factors, session_id: str, counts: Tensor, start_s: Tensor, settings: FactorSettings) -> None:
    """Set the parameters of ``factors`` from training counts (trial, time, unit), window starts (trial,)."""
    counts = counts.float()
    n_trials, n_bins, n_units = counts.shape
    mean = mean_count(counts)
    factors.log_mean.copy_(mean.log())
    factors.psth.copy_(fit_psth(counts, mean, settings.psth_ridge))
    factors.span_s.copy_(torch.stack([start_s.min(), start_s.max()]))
    waves = cosines(start_s, factors.span_s, len(factors.drift))
    log_mean, drift = fit_drift(counts, waves, settings.drift_ridge)
    factors.log_mean.copy_(log_mean)
    factors.drift.copy_(drift)

    # what an earlier fit left would enter the features and the known rates below
    factors.center.zero_()
    factors.scale.fill_(1.0)
    factors.history.zero_()
    factors.gain.zero_()
    factors.intercept.zero_()
    factors.weight.zero_()
    visible, full = torch.ones_like(counts), torch.zeros(n_trials, dtype=torch.bool)
    for s in range(len(factors.center)):
        x = factors.features(counts, visible, full)[s]
        factors.center[s].copy_(x.mean((0, 1)))
        factors.scale[s].copy_(x.std((0, 1)).clamp_min(1e-3))
    features = [x.flatten(0, 1) for x in factors.features(counts, visible, full)]
    for s, x in enumerate(features):
        loading, private = factor_analysis(x, factors.loading.shape[2])
        factors.loading[s].copy_(loading)
        factors.log_private[s].copy_(private.log())
    fit_weights(factors, features, counts.flatten(0, 1), factors.baseline(start_s).flatten(0, 1), settings.ridge)
    end_hidden = forecast(Layout(n_trials, n_bins, torch.zeros(n_units)), 0.0, torch.Generator())
    fit_past(factors, Group(session_id, counts, start_s, end_hidden))


def fit_psth(counts: Tensor, mean: Tensor, ridge: float) -> Tensor:
    """Return (time, unit) log of the trial average over the mean, smoothed by 1.5 bins, shrunk by ``ridge`` trials."""
    bins = torch.arange(counts.shape[1], dtype=torch.float32)
    kernel = torch.exp(-0.5 * ((bins[:, None] - bins) / 1.5) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    average = (kernel @ counts.sum(0) + ridge * mean) / (len(counts) + ridge)
    return (average / mean).log()


def fit_drift(counts: Tensor, waves: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """Return the log mean (unit,) and drift (wave, unit) of a Poisson regression of trial sums on cosines."""
    n_bins = counts.shape[1]
    sums = counts.sum(1).T
    penalty = ridge * torch.arange(1, waves.shape[1] + 1) ** 2
    offset = (mean_count(counts) * n_bins).log()[:, None].expand_as(sums)
    design = torch.cat([torch.ones(len(waves), 1), waves], dim=1).expand(len(sums), -1, -1)
    # the prior on the mean is worth one spike: it keeps the mean of a silent unit near where it started
    prior = Prior(torch.zeros(design.shape[-1]), torch.cat([torch.tensor([INTERCEPT_RIDGE]), penalty]).diag())
    weight, _ = poisson_regression(design, sums, offset, prior, cap=math.inf)
    log_mean = offset[:, 0] - math.log(n_bins) + weight[:, 0]
    return log_mean, weight[:, 1:].T


def factor_analysis(x: Tensor, n_factors: int) -> tuple[Tensor, Tensor]:
    """Return loadings (unit, factor) and private variances (unit,) of standardised x (sample, unit), by EM."""
    covariance = x.T @ x / len(x)
    values, vectors = torch.linalg.eigh(covariance.double())
    values, vectors = values.float().flip(0)[:n_factors], vectors.float().flip(1)[:, :n_factors]
    private = torch.full((x.shape[1],), 0.8)
    loading = vectors * (values - 0.8).clamp_min(0.05).sqrt()
    eye = torch.eye(n_factors)
    for _ in range(EM_STEPS):
        precise = loading / private[:, None]
        spread = torch.linalg.inv(eye + loading.T @ precise)
        back = covariance @ (precise @ spread)
        loading = back @ torch.linalg.inv(spread + spread @ precise.T @ back)
        private = (covariance.diagonal() - (loading * back).sum(1)).clamp_min(0.02)
    return loading, private


def fit_weights(factors: Factors, features: list[Tensor], target: Tensor, known: Tensor, ridge: float) -> None:
    """Fit intercept and weights of each unit on factors without the unit; features, target, known (sample, unit).

    The weights of all units have a common Gaussian prior, itself learned from them (empirical Bayes by EM, Laplace
    approximation): factors that hardly any unit uses are shrunk away. It starts with precision ``ridge``.
    """
    n_units = target.shape[1]
    n_scales, n_factors, _ = factors.weight.shape
    prior = Prior.flat(1 + n_scales * n_factors, ridge)
    weight = prior.mean.expand(n_units, -1).clone()
    for step in range(PRIOR_STEPS):
        spread = torch.zeros_like(prior.precision)
        for units in torch.arange(n_units).split(UNITS_AT_ONCE):
            means, covariances = zip(
                *(leave_one_out(factors, s, x, units) for s, x in enumerate(features)), strict=True
            )
            design = torch.cat([torch.ones(*means[0].shape[:2], 1), *means], dim=-1)
            weight[units], unsureness = poisson_regression(
                design, target[:, units].T, known[:, units].T, prior, start=weight[units]
            )
            spread += unsureness.sum(0)
            if step == PRIOR_STEPS - 1:
                by_scale = weight[units, 1:].unflatten(1, (n_scales, n_factors))
                factors.weight[:, :, units] = by_scale.permute(1, 2, 0)
                # the intercept holds for factors as sure as here; the model adds what less sure ones change
                added = [unsure(c, w.T).diagonal() for c, w in zip(covariances, by_scale.unbind(1), strict=True)]
                factors.intercept[units] = weight[units, 0] - sum(added)
        prior = learn_prior(weight, spread, ridge)


@dataclass(frozen=True, eq=False)
class Prior:
    """A Gaussian prior of weights: mean (predictor,) and precision (predictor, predictor)."""

    mean: Tensor
    precision: Tensor

    @classmethod
    def flat(cls, n_predictors: int, ridge: float) -> Prior:
        """Return a prior around zero, the first predictor (the intercept) nearly free."""
        precision = torch.full((n_predictors,), ridge)
        precision[0] = INTERCEPT_RIDGE
        return cls(torch.zeros(n_predictors), precision.diag())


def learn_prior(weight: Tensor, spread: Tensor, ridge: float) -> Prior:
    """Return the prior that explains weights (unit, predictor) with summed posterior covariance ``spread`` best.

    It counts as if `PRIOR_UNITS` further units had been seen to obey the flat prior; the intercept stays free.
    """
    flat = Prior.flat(weight.shape[1], ridge)
    mean = weight.mean(0)
    mean[0] = 0.0
    away = weight - mean
    pseudo = PRIOR_UNITS * torch.linalg.inv(flat.precision)
    precision = torch.linalg.inv((away.T @ away + spread + pseudo) / (len(weight) + PRIOR_UNITS))
    precision[0], precision[:, 0], precision[0, 0] = 0.0, 0.0, INTERCEPT_RIDGE
    return Prior(mean, precision)


def leave_one_out(factors: Factors, s: int, x: Tensor, units: Tensor) -> tuple[Tensor, Tensor]:
    """Infer the factors of scale ``s`` without each of the units in turn.

    Returns their mean (unit, sample, factor) and covariance (unit, factor, factor).
    """
    loading = factors.loading[s]
    precise = loading * torch.exp(-factors.log_private[s])[:, None]
    information = torch.eye(loading.shape[1]) + loading.T @ precise
    own = loading[units][:, :, None] * precise[units][:, None, :]
    evidence = (x @ precise) - x[:, units].T[:, :, None] * precise[units][:, None, :]
    covariance = torch.linalg.inv(information - own)
    return evidence @ covariance, covariance


def poisson_regression(
    design: Tensor, target: Tensor, offset: Tensor, prior: Prior, start: Tensor | None = None, cap: float = MAX_LOG_RATE
) -> tuple[Tensor, Tensor]:
    """Return weights (unit, predictor) of highest posterior Poisson likelihood, by Newton steps, and their covariance.

    design (unit, sample, predictor); target counts and offset log-rates (unit, sample). The covariance (unit,
    predictor, predictor) is that of the Laplace approximation.
    """
    weight = prior.mean.expand(len(design), -1) if start is None else start
    curvature = prior.precision.expand(len(design), -1, -1)
    for _ in range(NEWTON_STEPS):
        rate = (offset + (design @ weight[:, :, None])[..., 0]).clamp_max(cap).exp()
        slope = ((target - rate)[:, None] @ design)[:, 0] - (weight - prior.mean) @ prior.precision
        curvature = design.transpose(1, 2) @ (rate[:, :, None] * design) + prior.precision
        step = torch.linalg.solve(curvature, slope)
        length = step.norm(dim=1, keepdim=True)
        # steps longer than 2 are cut: the quadratic is no guide that far from where it was taken
        weight = weight + step / (length / 2).clamp_min(1)
        if length.max() < SMALL_STEP:
            break
    return weight, torch.linalg.inv(curvature)


def fit_past(factors: Factors, group: Group) -> None:
    """Fit how much a unit's own past says about the hidden end of the window, per unit, shrunk to the mean of all.

    Where its past is seen, a unit's factors are inferred with it, but from fewer bins: `Factors.gain` corrects what
    they add per time scale, and `Factors.history` weighs what is private to the unit.
    """
    last = n_forward_bins(group.counts.shape[1])
    visible = group.mask.visible.float()
    features = factors.features(group.counts, visible, group.mask.causal)
    seen = visible.amax(1)
    predictors = []
    for s, x in enumerate(features):
        z, _ = factors.posterior(s, x, seen)
        predictors += [z @ factors.weight[s], x - z @ factors.loading[s].T]
    known, _ = factors(group)
    design = torch.stack(predictors, dim=-1)[:, -last:].flatten(0, 1).transpose(0, 1)
    target, offset = (part[:, -last:].flatten(0, 1).T for part in (group.counts, known))
    precision = PAST_RIDGE * torch.eye(design.shape[-1])
    centre = torch.zeros(design.shape[-1])
    weight = centre
    for _ in range(3):
        weight, _ = poisson_regression(design, target, offset, Prior(centre, precision))
        centre = weight.mean(0)
    factors.gain.copy_(weight[:, 0::2].T)
    factors.history.copy_(weight[:, 1::2].T)
