"""What belongs to one session: how its units are read in and out, its token, and what is known in closed form.

The published model reads raw counts, hidden ones as 0 (start "zero"). Otherwise counts enter scaled per unit:
(count - mean) / sqrt(mean), hidden ones as 0, that is, as the mean; and the readout adds to the mean log-rate or to
the factors'.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spikeglot.batch import Group
from spikeglot.models.factors import Factors
from spikeglot.settings import ModelSettings

UNITS_PER_FACTOR = 10
"""A session has at most one factor per time scale for this many units: more of them would be noise."""
FEW_FACTORS = 3
"""Sessions of few units may have this many all the same, if they have three times as many units."""


class Stitcher(nn.Module):
    """Read-in and readout of one session of N units in P patches of U neighbours (one of N where U is None)."""

    mean_count: Tensor

    def __init__(
        self,
        n_units: int,
        n_bins: int,
        bin_size_s: float,
        settings: ModelSettings,
        state_width: int,
        patch_units: int | None = None,
    ) -> None:
        super().__init__()
        self.start = settings.start
        self.patch_units = patch_units or n_units
        self.read_in = nn.Linear(n_units, settings.stitch_width)
        self.read_mask = nn.Linear(n_units, settings.stitch_width, bias=False) if settings.mask_token else None
        self.readout = nn.Linear(state_width, n_units)
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

    @property
    def n_patches(self) -> int:
        return -(-len(self.mean_count) // self.patch_units)

    @property
    def silence_is_hidden(self) -> bool:
        """Whether a unit without a spike looks to the model as if it were hidden."""
        return self.start == "zero" and self.read_mask is None

    def stitch(self, group: Group) -> tuple[Tensor, Tensor | None]:
        """Return channels (trial, time, patch, stitch_width) and the log-rates known in closed form, if any."""
        visible = group.mask.visible
        channels = self.by_patch(self.scaled(group.counts) * visible, self.read_in.weight) + self.read_in.bias
        if self.read_mask is not None:
            channels = channels + self.by_patch((~visible).to(channels.dtype), self.read_mask.weight)
        if self.start == "zero":
            return channels, None
        if self.factors is None:
            return channels, self.mean_count.log()
        known, latent = self.factors(group)
        return channels + self.read_factors(latent)[:, :, None], known

    def scaled(self, counts: Tensor) -> Tensor:
        """Return counts (trial, time, unit) as they enter the read-in, before any are hidden."""
        return counts if self.start == "zero" else (counts - self.mean_count) / self.mean_count.sqrt()

    def by_patch(self, values: Tensor, weight: Tensor) -> Tensor:
        """Return (..., patch, channel): ``values`` (..., unit) times ``weight`` (channel, unit), patch by patch."""
        parts = zip(values.split(self.patch_units, dim=-1), weight.split(self.patch_units, dim=1), strict=True)
        return torch.stack([F.linear(part, its) for part, its in parts], dim=-2)

    def read_out(self, states: Tensor, known: Tensor | None) -> Tensor:
        """Return log-rates (trial, time, unit) from states (trial, time, patch, state width)."""
        weights, biases = (of.split(self.patch_units) for of in (self.readout.weight, self.readout.bias))
        parts = zip(states.unbind(-2), weights, biases, strict=True)
        learned = torch.cat([F.linear(state, weight, bias) for state, weight, bias in parts], dim=-1)
        return learned if known is None else known + learned

    def read_units(self, states: Tensor, units: Tensor) -> Tensor:
        """Return what states (..., patch, state width) add to the log-rates of some ``units`` only."""
        if states.shape[-2] == 1:
            return F.linear(states[..., 0, :], self.readout.weight[units], self.readout.bias[units])
        own = states[..., units // self.patch_units, :]
        return (own * self.readout.weight[units]).sum(-1) + self.readout.bias[units]
