"""The factor path: what is known in closed form about a session, as a module that obeys masks.

Per time scale a Gaussian factor model of the counts (loadings L, private variances psi) gives the posterior mean of
the factors from whatever is visible,

    z = (I + L_v' psi_v^-1 L_v)^-1 L_v' psi_v^-1 x_v,

and their posterior covariance S = (I + L_v' psi_v^-1 L_v)^-1. A unit with weights w fires at the expected rate

    E[exp(b + w'f)] = exp(b + w'z + w'S w / 2)

so that one set of weights serves every mask: one unit hidden, a region hidden, all but one region hidden, the end of
the window hidden. It is fitted by `spikeglot.training.closed_form`; the transformer learns what remains. (Factor
analysis: Everitt 1984; for spikes: Yu et al. 2009, J Neurophysiol 102:614.)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from spikeglot.batch import Group

BIN_PRIOR = 1.5
"""Bins' worth of the slower time scale that smoothed counts are shrunk with (hidden bins leave little evidence)."""
MAX_LOG_RATE = 3.0
"""Log-rates (per bin) above this grow no further: exp of an extrapolation must not ruin a score."""


class Factors(nn.Module):
    """Mean rates, trial average, drift, and factors of one session -> log-rates (trial, time, unit).

    Shapes: S time scales (the window mean first), K factors each, N units, T bins, W cosines.
    """

    span_s: Tensor

    def __init__(self, n_units: int, n_bins: int, n_factors: int, smooth_bins: tuple[float, ...], n_waves: int) -> None:
        super().__init__()
        n_scales = 1 + len(smooth_bins)
        self.n_bins = n_bins
        self.smooth_bins = smooth_bins
        self.register_buffer("span_s", torch.zeros(2, dtype=torch.float64))
        self.log_mean = nn.Parameter(torch.zeros(n_units))
        self.psth = nn.Parameter(torch.zeros(n_bins, n_units))
        self.drift = nn.Parameter(torch.zeros(n_waves, n_units))
        self.center = nn.Parameter(torch.zeros(n_scales, n_units))
        self.scale = nn.Parameter(torch.ones(n_scales, n_units))
        self.loading = nn.Parameter(torch.zeros(n_scales, n_units, n_factors))
        self.log_private = nn.Parameter(torch.zeros(n_scales, n_units))
        self.intercept = nn.Parameter(torch.zeros(n_units))
        self.weight = nn.Parameter(torch.zeros(n_scales, n_factors, n_units))
        self.past_intercept = nn.Parameter(torch.zeros(n_units))
        self.past_weight = nn.Parameter(torch.zeros(n_scales, n_factors, n_units))
        self.past_private = nn.Parameter(torch.zeros(n_scales, n_units))

    @property
    def n_latent(self) -> int:
        """Factors of all time scales together."""
        return self.weight.shape[0] * self.weight.shape[1]

    def forward(self, group: Group) -> tuple[Tensor, Tensor]:
        """Return log-rates (trial, time, unit) and the factors (trial, time, scale x factor)."""
        visible = group.mask.visible.to(self.log_mean.dtype)
        features = self.features(group.counts, visible, group.mask.causal)
        seen = visible.amax(1)
        log_rate = self.baseline(group.start_s) + self.intercept
        # a bin that is hidden of a unit that is seen in others: the unit has a past of its own
        past = self.past_intercept
        latent = []
        for s, x in enumerate(features):
            z, covariance = self.posterior(s, x, seen)
            log_rate = log_rate + z @ self.weight[s] + unsure(covariance, self.weight[s])[:, None]
            past = past + z @ self.past_weight[s] + (x - z @ self.loading[s].T) * self.past_private[s]
            latent.append(z)
        log_rate = log_rate + past * (seen[:, None] - visible)
        return log_rate.clamp_max(MAX_LOG_RATE), torch.cat(latent, dim=-1)

    def baseline(self, start_s: Tensor) -> Tensor:
        """Return log-rates (trial, time, unit) without any counts: mean, trial average and drift."""
        drift = cosines(start_s, self.span_s, len(self.drift)) @ self.drift
        return self.log_mean + self.psth + drift[:, None]

    def features(self, counts: Tensor, visible: Tensor, causal: Tensor) -> list[Tensor]:
        """Return standardised smoothed counts (trial, time, unit) per time scale, 0 where a unit is hidden.

        Each scale is the square root (which stabilises the variance of Poisson counts) of the counts smoothed over
        the visible bins, less that of the next slower scale. In causal trials a bin is smoothed over itself and
        earlier bins only.
        """
        shown = counts * visible
        slower = torch.exp(self.log_mean).expand_as(counts)
        out = []
        for s, width in enumerate((math.inf, *self.smooth_bins)):
            kernel = smoothing(self.n_bins, width, causal)
            amount = kernel @ visible
            smooth = (kernel @ shown + BIN_PRIOR * slower) / (amount + BIN_PRIOR)
            x = (smooth.sqrt() - slower.sqrt() - self.center[s]) / self.scale[s]
            out.append(x * (amount > 0))
            slower = smooth
        return out

    def posterior(self, s: int, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean (trial, time, factor), covariance (trial, factor, factor) of scale ``s`` given the units seen."""
        precise = self.precise_loading(s)
        evidence = (x * seen[:, None]) @ precise
        covariance = self.covariance(s, seen)
        return evidence @ covariance, covariance

    def precise_loading(self, s: int) -> Tensor:
        """Return the loadings (unit, factor) of scale ``s``, each weighted by how precise its unit is."""
        return self.loading[s] * torch.exp(-self.log_private[s])[:, None]

    def covariance(self, s: int, seen: Tensor) -> Tensor:
        """Return the covariance (row, factor, factor) of the factors of scale ``s``, given the units seen (row, unit).

        Identity plus a square has an inverse: it is not checked, since a GPU would have to be waited for.
        """
        outer = self.precise_loading(s)[:, :, None] * self.loading[s][:, None, :]
        n_factors = outer.shape[1]
        information = (seen @ outer.flatten(1)).unflatten(1, (n_factors, n_factors))
        identity = torch.eye(n_factors, device=seen.device, dtype=seen.dtype)
        return torch.linalg.inv_ex(information + identity).inverse


def unsure(covariance: Tensor, weight: Tensor) -> Tensor:
    """Return (trial, unit) w'S w / 2: what uncertain factors add to the log of an expected rate.

    ``covariance`` (trial, factor, factor), ``weight`` (factor, unit).
    """
    pairs = (weight[:, None] * weight[None]).flatten(0, 1)
    return 0.5 * covariance.flatten(1) @ pairs


def smoothing(n_bins: int, width_bins: float, causal: Tensor) -> Tensor:
    """Return Gaussian weights (trial, time, time), of earlier bins only in causal trials; an infinite width is flat."""
    bins = torch.arange(n_bins, device=causal.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * ((bins[:, None] - bins) / width_bins) ** 2)
    return torch.where(causal[:, None, None], kernel.tril(), kernel)


def cosines(start_s: Tensor, span_s: Tensor, n_waves: int) -> Tensor:
    """Return (trial, wave) cosines over the session; before and after the span they keep their end values."""
    length = (span_s[1] - span_s[0]).clamp_min(1e-9)
    share = ((start_s - span_s[0]) / length).clamp(0, 1).float()
    wave = torch.arange(1, n_waves + 1, device=start_s.device)
    return math.sqrt(2) * torch.cos(math.pi * share[:, None] * wave)
