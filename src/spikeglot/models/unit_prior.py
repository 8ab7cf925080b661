"""What is known of a unit before its spikes are seen: a Gaussian prior of its weights, learned from other animals.

The closed-form start regresses each unit on drift, window time and factors (`spikeglot.training.closed_form`). At a
few dozen trials the prior decides. It starts from the settings; pretraining replaces it by what the units of all its
sessions are like, and a new animal starts from that.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spikeglot.settings import FactorSettings

INTERCEPT_PRECISION = 1.0
COURSE_HZ = 1.25
"""Frequency of window time from which on the prior of the trial average holds back more."""


class UnitPrior(nn.Module):
    """Mean and precision of the weights of a unit, as buffers.

    ``mean`` and ``precision`` (predictor,): intercept, cosines of session time, cosines of window time, factors
    (scale x factor).
    ``n_units`` is how many units they were learned from; 0 where they come from the settings.
    """

    mean: Tensor
    precision: Tensor
    n_units: Tensor

    def __init__(self, settings: FactorSettings, n_bins: int, bin_size_s: float) -> None:
        super().__init__()
        self.n_factors, self.n_scales = settings.n_factors, 1 + len(settings.timescales_s)
        self.n_drift, self.n_course = settings.drift_waves, n_course_waves(settings, n_bins, bin_size_s)
        n_weights = self.n_scales * self.n_factors
        course_hz = torch.arange(1, self.n_course + 1) / (2 * n_bins * bin_size_s)
        precision = [
            torch.tensor([INTERCEPT_PRECISION]),
            settings.drift_ridge * torch.arange(1, self.n_drift + 1) ** 2,
            settings.psth_ridge * (1 + (course_hz / COURSE_HZ) ** 2),
            torch.full((n_weights,), settings.ridge),
        ]
        self.register_buffer("precision", torch.cat(precision))
        self.register_buffer("mean", torch.zeros_like(self.precision))
        self.register_buffer("n_units", torch.zeros((), dtype=torch.int64))

    def predictors(self, n_factors: int) -> Tensor:
        """Return the positions in ``mean`` that a session with only ``n_factors`` per scale has."""
        n_time = 1 + self.n_drift + self.n_course
        weights = torch.arange(self.n_scales)[:, None] * self.n_factors + torch.arange(n_factors)
        return torch.cat([torch.arange(n_time), n_time + weights.flatten()])


def n_course_waves(settings: FactorSettings, n_bins: int, bin_size_s: float) -> int:
    """Return how many cosines of window time resolve the trial average to ``psth_resolution_s``."""
    return min(n_bins - 1, round(n_bins * bin_size_s / settings.psth_resolution_s))
