"""Fit the factor path of a session in closed form, from its training trials, in seconds.

Mean rate; trial average, shrunk; drift, a Poisson regression on cosines; factor analysis by EM per time scale; the
weights from factors to log-rates, a Poisson regression in which each unit's factors are inferred *without that unit*,
as co-smoothing will ask; and the weights of a unit's own past, on the end of the window, as forward prediction will.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from spikeglot.batch import Group, mean_count
from spikeglot.masking.schemes import Layout, forecast
from spikeglot.models.factors import MAX_LOG_RATE, Factors, cosines
from spikeglot.settings import FactorSettings, n_forward_bins

EM_STEPS = 60
NEWTON_STEPS = 25
SMALL_STEP = 0.02
"""Newton stops when no unit's weights move further than this."""
HISTORY_RIDGE = 50.0
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
    fit_history(factors, Group(session_id, counts, start_s, end_hidden))


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
    weight = poisson_regression(design, sums, offset, torch.cat([torch.tensor([1.0]), penalty]), cap=math.inf)
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
    """Fit log-rate = known + factors without the unit @ weight, per unit; features, target, known (sample, unit)."""
    n_units = target.shape[1]
    for first in range(0, n_units, UNITS_AT_ONCE):
        units = list(range(first, min(first + UNITS_AT_ONCE, n_units)))
        scales = [leave_one_out(factors, s, x, units) for s, x in enumerate(features)]
        design = torch.cat(scales, dim=-1)
        factors.weight[:, units] = poisson_regression(design, target[:, units].T, known[:, units].T, ridge).T


def leave_one_out(factors: Factors, s: int, x: Tensor, units: list[int]) -> Tensor:
    """Return factors (unit, sample, factor) of scale ``s``, each row inferred without its own unit."""
    loading = factors.loading[s]
    precise = loading * torch.exp(-factors.log_private[s])[:, None]
    information = torch.eye(loading.shape[1]) + loading.T @ precise
    own = loading[units][:, :, None] * precise[units][:, None, :]
    evidence = (x @ precise) - x[:, units].T[:, :, None] * precise[units][:, None, :]
    return evidence @ torch.linalg.inv(information - own)


def poisson_regression(
    design: Tensor, target: Tensor, offset: Tensor, ridge: float | Tensor, cap: float = MAX_LOG_RATE
) -> Tensor:
    """Return weights (unit, predictor) that maximise the penalised Poisson likelihood, by Newton steps.

    design (unit, sample, predictor); target counts and offset log-rates (unit, sample); ``ridge`` is the prior
    precision, one for all or (predictor,).
    """
    n_units, _, n_predictors = design.shape
    penalty = torch.as_tensor(ridge, dtype=torch.float32).expand(n_predictors)
    weight = torch.zeros(n_units, n_predictors)
    for _ in range(NEWTON_STEPS):
        rate = (offset + (design @ weight[:, :, None])[..., 0]).clamp_max(cap).exp()
        slope = ((target - rate)[:, None] @ design)[:, 0] - penalty * weight
        curvature = design.transpose(1, 2) @ (rate[:, :, None] * design) + penalty.diag()
        step = torch.linalg.solve(curvature, slope)
        length = step.norm(dim=1, keepdim=True)
        # steps longer than 2 are cut: the quadratic is no guide that far from where it was taken
        weight = weight + step / (length / 2).clamp_min(1)
        if length.max() < SMALL_STEP:
            break
    return weight


def fit_history(factors: Factors, group: Group) -> None:
    """Fit the weights of a unit's own private past on the hidden end of the window, shrunk to their mean."""
    last = n_forward_bins(group.counts.shape[1])
    visible = group.mask.visible.float()
    features = factors.features(group.counts, visible, group.mask.causal)
    seen = visible.amax(1)
    private = [x - factors.posterior(s, x, seen) @ factors.loading[s].T for s, x in enumerate(features)]
    known, _ = factors(group)
    design = torch.stack(private, dim=-1)[:, -last:].flatten(0, 1).transpose(0, 1)
    target, offset = (part[:, -last:].flatten(0, 1).T for part in (group.counts, known))
    centre = torch.zeros(design.shape[-1])
    weight = torch.zeros(len(design), design.shape[-1])
    for _ in range(3):
        weight = centre + poisson_regression(design, target, offset + design @ centre, HISTORY_RIDGE)
        centre = weight.mean(0)
    factors.history.copy_(weight.T)
