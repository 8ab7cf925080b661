"""The weights of every unit on session time, window time and factors: one Poisson regression with a learned prior."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeglot.masking.schemes import Layout, temporal
from spikeglot.models.factors import Factors, cosines, unsure
from spikeglot.training.closed_form.poisson import Fitted, Prior, regress_units

HIDDEN_BINS = 0.3
"""Share of the bins that is hidden and predicted where a model is trained on hidden bins only."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the regression sees: factors of a unit in the samples in which it is hidden."""

    factors: Factors
    features: list[Tensor]
    rows: Tensor
    hides_units: bool

    def of(self, units: Tensor) -> Tensor:
        """Return the factors (unit, sample, scale x factor) that the regression of each unit sees."""
        if self.hides_units:
            return torch.cat([leave_one_out(self.factors, s, x, units) for s, x in enumerate(self.features)], dim=-1)
        everyone = torch.ones(1, self.features[0].shape[1])
        means = [self.factors.posterior(s, x[None], everyone)[0][0, self.rows] for s, x in enumerate(self.features)]
        return torch.cat(means, dim=-1).expand(len(units), -1, -1)

    def covariance(self, s: int) -> Tensor:
        """Return the covariance (unit, factor, factor) of the factors of scale ``s`` in each unit's regression."""
        n_units = self.features[s].shape[1]
        seen = 1 - torch.eye(n_units) if self.hides_units else torch.ones(n_units, n_units)
        return self.factors.posterior(s, torch.zeros(n_units, 1, n_units), seen)[1]


def gather_evidence(factors: Factors, counts: Tensor, hides_units: bool, draws: Generator) -> Evidence:
    """Return what the regression sees of counts (trial, time, unit): each unit hidden in turn, or random bins."""
    n_trials, n_bins, n_units = counts.shape
    both_ways = torch.zeros(n_trials, dtype=torch.bool)
    if hides_units:
        visible, rows = torch.ones_like(counts), torch.arange(n_trials * n_bins)
    else:
        mask = temporal(Layout(n_trials, n_bins, torch.zeros(n_units)), HIDDEN_BINS, draws)
        visible, rows = mask.visible.float(), mask.target[:, :, 0].flatten().nonzero()[:, 0]
    features = [x.flatten(0, 1) for x in factors.features(counts, visible, both_ways)]
    return Evidence(factors, features, rows, hides_units)


def fit_weights(factors: Factors, evidence: Evidence, counts: Tensor, start_s: Tensor, before: Prior) -> Fitted:
    """Fit all that a unit's log-rate is made of (in place), each unit's factors inferred without what they predict."""
    n_scales, n_factors, _ = factors.weight.shape
    time = time_predictors(factors, start_s, len(before.mean) - 1 - n_scales * n_factors)[evidence.rows]
    n_time, n_drift = time.shape[1], len(factors.drift)
    fitted = regress_units(
        lambda units: torch.cat([time.expand(len(units), -1, -1), evidence.of(units)], dim=-1),
        counts.flatten(0, 1)[evidence.rows].T,
        factors.log_mean.detach()[:, None],
        len(time),
        before,
    )
    by_scale = fitted.weight[:, n_time:].unflatten(1, (n_scales, n_factors))
    factors.weight.copy_(by_scale.permute(1, 2, 0))
    factors.drift.copy_(fitted.weight[:, 1 : 1 + n_drift].T)
    factors.psth.copy_(course(factors.n_bins, n_time - 1 - n_drift) @ fitted.weight[:, 1 + n_drift : n_time].T)
    # the intercept holds for factors as sure as here; the model adds what less sure ones change
    factors.intercept.copy_(fitted.weight[:, 0])
    for s in range(n_scales):
        factors.intercept.sub_(unsure(evidence.covariance(s), factors.weight[s]).diagonal())
    return fitted


def time_predictors(factors: Factors, start_s: Tensor, n_time: int) -> Tensor:
    """Return (trial x time, predictor): ones, cosines of session time, ``n_time`` less those of window time."""
    n_trials, n_drift = len(start_s), len(factors.drift)
    drift = cosines(start_s, factors.span_s, n_drift)[:, None].expand(-1, factors.n_bins, -1)
    within = course(factors.n_bins, n_time - n_drift).expand(n_trials, -1, -1)
    return torch.cat([torch.ones(n_trials, factors.n_bins, 1), drift, within], dim=-1).flatten(0, 1)


def course(n_bins: int, n_waves: int) -> Tensor:
    """Return (time, wave) cosines over the window."""
    share = (torch.arange(n_bins) + 0.5) / n_bins
    return math.sqrt(2) * torch.cos(math.pi * share[:, None] * torch.arange(1, n_waves + 1))


def leave_one_out(factors: Factors, s: int, x: Tensor, units: Tensor) -> Tensor:
    """Infer the factors (unit, sample, factor) of scale ``s`` from x (sample, unit) without each unit in turn."""
    loading = factors.loading[s]
    precise = loading * torch.exp(-factors.log_private[s])[:, None]
    information = torch.eye(loading.shape[1]) + loading.T @ precise
    own = loading[units][:, :, None] * precise[units][:, None, :]
    evidence = (x @ precise) - x[:, units].T[:, :, None] * precise[units][:, None, :]
    return evidence @ torch.linalg.inv(information - own)
