"""The weights of every unit on session time, window time and factors: one Poisson regression with a learned prior."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeglot.masking.drawing import Layout, Regions
from spikeglot.masking.schemes import draw
from spikeglot.models.factors import Factors, cosines, unsure
from spikeglot.training.closed_form.poisson import Fitted, Prior, regress_units

HIDDEN_BINS = 0.3
"""Share of the bins that is hidden and predicted where a model is trained on hidden bins only."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the regression sees: factors of a unit in the samples in which it is hidden.

    ``features`` (sample, unit) and what all units together say of the factors, ``said`` (sample, factor), per scale;
    ``rows`` are the samples that are predicted.
    """

    factors: Factors
    features: list[Tensor]
    said: list[Tensor]
    rows: Tensor
    hides_units: bool

    def of(self, units: Tensor) -> Tensor:
        """Return the factors (unit, sample, scale x factor) that the regression of each unit sees."""
        scales = range(len(self.features))
        if self.hides_units:
            found = [leave_one_out(self.factors, s, self.features[s], self.said[s], units) for s in scales]
            return torch.cat(found, dim=-1)
        # nothing but bins is hidden, so that all units see the same
        found = [self.said[s][self.rows] @ self.covariance(s)[0] for s in scales]
        return torch.cat(found, dim=-1).expand(len(units), -1, -1)

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
        mask = draw("temporal", Layout(n_trials, n_bins, Regions(torch.zeros(n_units))), HIDDEN_BINS, draws)
        visible, rows = mask.visible.float(), mask.target[:, :, 0].flatten().nonzero()[:, 0]
    features = [x.flatten(0, 1) for x in factors.features(counts, visible, both_ways)]
    said = [x @ factors.precise_loading(s) for s, x in enumerate(features)]
    return Evidence(factors, features, said, rows, hides_units)


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


def leave_one_out(factors: Factors, s: int, x: Tensor, said: Tensor, units: Tensor) -> Tensor:
    """Infer the factors (unit, sample, factor) of scale ``s`` without each of ``units`` in turn.

    ``said`` (sample, factor) is x (sample, unit) times `Factors.precise_loading`: what all units together say.
    """
    loading, precise = factors.loading[s], factors.precise_loading(s)
    information = torch.eye(loading.shape[1]) + loading.T @ precise
    own = loading[units][:, :, None] * precise[units][:, None, :]
    others = said - x[:, units].T[:, :, None] * precise[units][:, None, :]
    return others @ torch.linalg.inv(information - own)
