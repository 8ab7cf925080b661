"""Fit the factor path of a session in closed form, from its training trials, in seconds.

Mean rates; factor analysis per time scale; one Poisson regression per unit on session time, window time and factors,
in which each unit's factors are inferred *without that unit*, as co-smoothing will ask; and what a unit's own past
adds, as forward prediction will ask. What is fitted follows the schemes that the model is trained on: a model that
never hides units does not learn to predict hidden units here either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from spikeglot.batch import SessionTensors, mean_count
from spikeglot.masking.schemes import SCHEMES
from spikeglot.models.factors import Factors
from spikeglot.models.unit_prior import UnitPrior
from spikeglot.randomness import generator
from spikeglot.settings import FactorSettings
from spikeglot.training.closed_form.analysis import factor_analysis
from spikeglot.training.closed_form.past import fit_past
from spikeglot.training.closed_form.poisson import Fitted, Prior
from spikeglot.training.closed_form.weights import fit_weights, gather_evidence


@dataclass(frozen=True, eq=False)
class SessionFit:
    """What the fit of one session found; the prior of other animals is learned from it."""

    n_factors: int
    weights: Fitted


@torch.no_grad()
def fit_factors(
    factors: Factors, session: SessionTensors, prior: UnitPrior, settings: FactorSettings, schemes: Sequence[str]
) -> SessionFit:
    """Set the parameters of ``factors`` from the trials of ``session``, starting from the prior of a unit."""
    counts, start_s = session.counts.float(), session.start_s
    n_trials, n_bins, _ = counts.shape
    reset(factors)
    factors.log_mean.copy_(mean_count(counts).log())
    factors.span_s.copy_(torch.stack([start_s.min(), start_s.max()]))
    everything, both_ways = torch.ones_like(counts), torch.zeros(n_trials, dtype=torch.bool)
    for s in range(len(factors.center)):
        x = factors.features(counts, everything, both_ways)[s]
        factors.center[s].copy_(x.mean((0, 1)))
        factors.scale[s].copy_(x.std((0, 1)).clamp_min(1e-3))
    n_factors = factors.loading.shape[2]
    for s, x in enumerate(factors.features(counts, everything, both_ways)):
        # the window mean is the same in all bins of a trial: its samples are trials
        shrunk_with = n_bins * settings.prior_trials if s == 0 else settings.prior_bins
        loading, private = factor_analysis(x.flatten(0, 1), n_factors, shrunk_with)
        factors.loading[s].copy_(loading)
        factors.log_private[s].copy_(private.log())
    its = prior.predictors(n_factors)
    evidence = gather_evidence(
        factors, counts, any(SCHEMES[name].hides_units for name in schemes), generator(0, "hidden bins")
    )
    fitted = fit_weights(factors, evidence, counts, start_s, Prior(prior.mean[its], prior.precision[its].diag()))
    if any(SCHEMES[name].hides_bins for name in schemes):
        fit_past(factors, session.session_id, counts, start_s, settings.past_ridge)
    return SessionFit(n_factors, fitted)


def reset(factors: Factors) -> None:
    """Forget an earlier fit: it would enter the features and the known rates of this one."""
    for value in (factors.psth, factors.drift, factors.center, factors.intercept, factors.weight):
        value.zero_()
    for value in (factors.past_intercept, factors.past_weight, factors.past_private):
        value.zero_()
    factors.scale.fill_(1.0)


@torch.no_grad()
def learn_unit_prior(prior: UnitPrior, fits: Sequence[SessionFit]) -> None:
    """Set the prior of a unit to what the units of all these sessions are like (in place).

    Per predictor the mean over units, and the precision of their weights around it, their own uncertainty included
    (one step of EM). A predictor that no session has keeps what the settings say.
    """
    n, total, square = (torch.zeros_like(prior.mean) for _ in range(3))
    for fit in fits:
        its, fitted = prior.predictors(fit.n_factors), fit.weights
        n[its] += len(fitted.weight)
        total[its] += fitted.weight.sum(0)
        square[its] += (fitted.weight**2).sum(0) + fitted.spread.diagonal()
    known = n > 0
    known[0] = False  # the intercept stays free
    mean = total[known] / n[known]
    prior.mean[known] = mean
    prior.precision[known] = 1 / (square[known] / n[known] - mean**2).clamp_min(1e-6)
    prior.n_units.fill_(sum(len(fit.weights.weight) for fit in fits))
