"""What a unit's own past says about the bins that follow: the part of forward prediction that factors leave over."""

from __future__ import annotations

import torch
from torch import Tensor

from spikeglot.batch import Group
from spikeglot.masking.mask import Mask, make_mask
from spikeglot.models.factors import Factors
from spikeglot.settings import n_forward_bins
from spikeglot.training.closed_form.poisson import Prior, regress_units

INTERCEPT_PRECISION = 30.0
N_ENDS = 5
"""Stretches of the window, one before the other, that are hidden and predicted from what was before."""


def fit_past(factors: Factors, session_id: str, counts: Tensor, start_s: Tensor, ridge: float) -> None:
    """Fit the weights of every unit that count where the unit is seen in other bins (in place).

    There the factors are inferred with the unit itself, but from fewer bins: the regression says how much more or less
    they then mean (``past_weight``), and what is private to the unit (``past_private``). ``ridge`` is a precision times
    trials: the fewer trials, the more have the factors been fitted to the noise of these very trials.
    """
    n_bins = counts.shape[1]
    last = n_forward_bins(n_bins)
    ends = list(range(n_bins - last, 0, -last))[:N_ENDS]
    if not ends:
        return
    shared, private, offset, target = (
        torch.cat(parts, dim=1)
        for parts in zip(*(_stretch(factors, session_id, counts, start_s, end, last) for end in ends), strict=True)
    )
    shared = torch.cat([torch.ones(1, shared.shape[1], 1), shared], dim=-1)
    n_scales, n_factors, _ = factors.weight.shape
    precision = torch.full((shared.shape[2] + n_scales,), ridge / len(counts))
    precision[-n_scales:] /= 2
    precision[0] = INTERCEPT_PRECISION
    weight = regress_units(
        lambda units: torch.cat([shared.expand(len(units), -1, -1), private[units]], dim=-1),
        target,
        offset,
        shared.shape[1],
        Prior(torch.zeros_like(precision), precision.diag()),
    ).weight
    factors.past_intercept.copy_(weight[:, 0])
    factors.past_weight.copy_(weight[:, 1:-n_scales].T.unflatten(0, (n_scales, n_factors)))
    factors.past_private.copy_(weight[:, -n_scales:].T)


def _stretch(
    factors: Factors, session_id: str, counts: Tensor, start_s: Tensor, end: int, last: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Hide all from bin ``end`` on and look at the first ``last`` hidden bins.

    Returns factors (1, sample, scale x factor), private parts (unit, sample, scale), known log-rates and counts
    (unit, sample).
    """
    group = Group(session_id, counts, start_s, _hidden_from(end, counts))
    features = factors.features(counts, group.mask.visible.float(), group.mask.causal)
    everyone = torch.ones(len(counts), counts.shape[2])
    shared, private = [], []
    for s, x in enumerate(features):
        mean, _ = factors.posterior(s, x, everyone)
        shared.append(mean)
        private.append(x - mean @ factors.loading[s].T)
    known, _ = factors(group)
    bins = slice(end, end + last)
    return (
        torch.cat(shared, dim=-1)[:, bins].flatten(0, 1)[None],
        torch.stack(private, dim=-1)[:, bins].flatten(0, 1).transpose(0, 1),
        known[:, bins].flatten(0, 1).T,
        counts[:, bins].flatten(0, 1).T,
    )


def _hidden_from(end: int, counts: Tensor) -> Mask:
    hidden = (torch.arange(counts.shape[1]) >= end)[None, :, None].expand(counts.shape)
    return make_mask(~hidden, hidden, "causal", causal=True)
