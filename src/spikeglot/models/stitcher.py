"""What belongs to one session: its units' way into the shared model and out of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spikeglot.batch import Group
from spikeglot.models.factors import Factors
from spikeglot.settings import ModelSettings

UNITS_PER_FACTOR = 10
"""A session has at most one factor per time scale for this many units: more of them would be noise."""
FEW_FACTORS = 3
"""Sessions of few units may have this many all the same, if they have three times as many units."""


class Stitcher(nn.Module):
    """Read-in and readout of one session, and (unless ``start`` is "zero") what is known of its rates in closed form.

    The published model reads raw counts, hidden ones as 0. Otherwise counts enter scaled per unit: (count - mean) /
    sqrt(mean), hidden ones as 0, that is, as the mean; and the readout adds to the mean log-rate or to the factors'.
    """

    mean_count: Tensor

    def __init__(self, n_units: int, n_bins: int, bin_size_s: float, settings: ModelSettings) -> None:
        super().__init__()
        self.start = settings.start
        self.read_in = nn.Linear(n_units, settings.stitch_width)
        self.readout = nn.Linear(settings.width, n_units)
        nn.init.zeros_(self.readout.bias)
        self.token = nn.Parameter(0.02 * torch.randn(settings.width))
        self.register_buffer("mean_count", torch.ones(n_units))
        self.factors: Factors | None = None
        if settings.start == "factors":
            known = settings.factors
            n_factors = min(known.n_factors, max(1, n_units // UNITS_PER_FACTOR, min(FEW_FACTORS, n_units // 3)))
            smooth_bins = tuple(width_s / bin_size_s for width_s in known.timescales_s)
            self.factors = Factors(n_units, n_bins, n_factors, smooth_bins, known.drift_waves)
            self.factors.requires_grad_(False)
            self.read_factors = nn.Linear(self.factors.n_latent, settings.stitch_width, bias=False)
            nn.init.zeros_(self.readout.weight)

    def stitch(self, group: Group) -> tuple[Tensor, Tensor | None]:
        """Return channels (trial, time, stitch_width) and the log-rates known in closed form, if any."""
        channels = self.read_in(self.scaled(group.counts) * group.mask.visible)
        if self.start == "zero":
            return channels, None
        if self.factors is None:
            return channels, self.mean_count.log()
        known, latent = self.factors(group)
        return channels + self.read_factors(latent), known

    def scaled(self, counts: Tensor) -> Tensor:
        """Return counts (trial, time, unit) as they enter the read-in, before any are hidden."""
        return counts if self.start == "zero" else (counts - self.mean_count) / self.mean_count.sqrt()

    def read_out(self, states: Tensor, known: Tensor | None) -> Tensor:
        """Return log-rates (trial, time, unit) from states (trial, time, width)."""
        learned = self.readout(states)
        return learned if known is None else known + learned
