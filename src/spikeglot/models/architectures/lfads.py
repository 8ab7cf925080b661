"""LFADS: a generator whose factors explain the counts (Pandarinath et al. 2018, Nat Methods 15:805).

Two bidirectional encoders read the stitched counts. One gives the posterior of the generator's first state, the other
feeds a controller that, bin by bin, looks at the last factors and gives the posterior of what enters the generator.
In training both are drawn, and their KL from the priors is the penalty; otherwise their means are used. Masks enter as
hidden counts, so that multi-task masking trains LFADS as it trains the others. Prompt and session tokens are added to
what the encoders read. In causal trials nothing runs backwards: the first state comes from no count at all, and the
controller sees earlier bins only.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn

from spikeglot.models.architecture import Architecture, Coded
from spikeglot.settings import ModelSettings, Settings

MIN_LOG_VARIANCE = -9.2
"""Posterior variances stay above 1e-4, as in the published model."""


class Options(Settings):
    """``model.options`` of lfads; ``model.width`` is the width of the generator. Depth and heads are not used."""

    n_factors: int = Field(default=24, ge=1)
    """Factors that log-rates are read from."""
    encoder_width: int = Field(default=64, ge=1)
    """Width of each direction of both encoders."""
    controller_width: int = Field(default=64, ge=1)
    """Width of the controller."""
    n_first: int = Field(default=32, ge=1)
    """Dimensions of the posterior of the generator's first state."""
    n_inputs: int = Field(default=4, ge=1)
    """Dimensions of what the controller sends into the generator in every bin."""
    first_variance: float = Field(default=0.1, gt=0)
    """Prior variance of the first state."""
    input_variance: float = Field(default=0.1, gt=0)
    """Variance that the prior of the inputs starts with; it is learned, as is how slowly they change."""
    input_timescale: float = Field(default=10.0, gt=0)
    """Bins over which the prior expects inputs to last, at the start."""
    kl: float = Field(default=1.0, ge=0)
    """Weight of the KL in the evidence lower bound."""
    clip: float = Field(default=5.0, gt=0)
    """Bound on every unit of the generator and of the controller."""


class LFADS(Architecture):
    """Encoders, controller, generator, factors."""

    def __init__(self, settings: ModelSettings, n_bins: int) -> None:
        super().__init__(settings, n_bins)
        own = self.own = self.options(Options)
        self.state_width = own.n_factors
        n_channels, encoded = settings.stitch_width, 2 * own.encoder_width
        self.told = nn.Linear(settings.width, n_channels)
        self.input_dropout = nn.Dropout(settings.embed_dropout)
        self.dropout = nn.Dropout(settings.dropout)
        self.first_encoder = nn.GRU(n_channels, own.encoder_width, batch_first=True, bidirectional=True)
        self.first_posterior = nn.Linear(encoded, 2 * own.n_first)
        self.first_prior = nn.Parameter(torch.zeros(own.n_first))
        self.first_state = nn.Linear(own.n_first, settings.width)
        self.generator = nn.GRUCell(own.n_inputs, settings.width)
        self.factors = nn.Linear(settings.width, own.n_factors, bias=False)
        self.input_encoder = nn.GRU(n_channels, own.encoder_width, batch_first=True, bidirectional=True)
        self.controller = nn.GRUCell(encoded + own.n_factors, own.controller_width)
        self.input_posterior = nn.Linear(own.controller_width, 2 * own.n_inputs)
        for posterior, variance in (
            (self.first_posterior, own.first_variance),
            (self.input_posterior, own.input_variance),
        ):
            # as sure as the prior at first: drawn with variance 1 they would drown what they say
            nn.init.constant_(posterior.bias.chunk(2)[1], math.log(variance))
        self.log_timescale = nn.Parameter(torch.full((own.n_inputs,), math.log(own.input_timescale)))
        self.log_variance = nn.Parameter(torch.full((own.n_inputs,), math.log(own.input_variance)))

    def forward(self, channels: Tensor, prefix: Tensor, causal: Tensor) -> Coded:
        heard = self.input_dropout(channels[:, :, 0] + self.told(prefix.sum(1))[:, None])
        both_ways = (~causal).to(heard.dtype)[:, None]
        first, penalty = self._first(heard, both_ways)
        state = self.first_state(first)
        encoded = self.input_encoder(heard)[0]
        forward, backward = encoded.chunk(2, dim=-1)
        encoded = self.dropout(torch.cat([forward, backward * both_ways[:, None]], dim=-1))
        controller = encoded.new_zeros(len(encoded), self.own.controller_width)
        factors = self._factors(state)
        means, log_variances, inputs, all_factors = [], [], [], []
        for read in encoded.unbind(1):
            controller = self.controller(torch.cat([read, factors], dim=-1), controller)
            controller = controller.clamp(-self.own.clip, self.own.clip)
            mean, log_variance = self.input_posterior(self.dropout(controller)).chunk(2, dim=-1)
            log_variance = log_variance.clamp_min(MIN_LOG_VARIANCE)
            given = self._drawn(mean, log_variance)
            state = self.generator(given, state).clamp(-self.own.clip, self.own.clip)
            factors = self._factors(self.dropout(state))
            for values, value in (
                (means, mean), (log_variances, log_variance), (inputs, given), (all_factors, factors),
            ):  # fmt: skip
                values.append(value)
        if penalty is not None:
            drawn = [torch.stack(values, dim=1) for values in (means, log_variances, inputs)]
            penalty = penalty + self.own.kl * self._input_kl(*drawn)
        return Coded(torch.stack(all_factors, dim=1)[:, :, None], penalty)

    def _first(self, heard: Tensor, both_ways: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the first state's code (trial, n_first), and in training its KL (trial,) from the prior."""
        last = self.first_encoder(heard)[1]
        seen = self.dropout(torch.cat([last[0], last[1]], dim=-1) * both_ways)
        mean, log_variance = self.first_posterior(seen).chunk(2, dim=-1)
        log_variance = log_variance.clamp_min(MIN_LOG_VARIANCE)
        if not self.training:
            return mean, None
        prior = math.log(self.own.first_variance)
        distance = (log_variance.exp() + (mean - self.first_prior) ** 2) / self.own.first_variance
        kl = 0.5 * (prior - log_variance + distance - 1).sum(-1)
        return self._drawn(mean, log_variance), self.own.kl * kl

    def _factors(self, state: Tensor) -> Tensor:
        """Return factors (trial, factor): the state times rows of length 1."""
        weight = self.factors.weight
        return nn.functional.linear(state, weight / weight.norm(dim=1, keepdim=True))

    def _drawn(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Return a draw from a posterior in training, its mean otherwise."""
        return mean + (0.5 * log_variance).exp() * torch.randn_like(mean) if self.training else mean

    def _input_kl(self, mean: Tensor, log_variance: Tensor, drawn: Tensor) -> Tensor:
        """Return (trial,) the KL of inputs (trial, time, input) from an autoregressive prior, by their draws.

        The prior's inputs last about a time scale and have a variance, both learned.
        """
        keeps = torch.exp(-torch.exp(-self.log_timescale))
        stationary = self.log_variance.exp()
        before = torch.cat([torch.zeros_like(drawn[:, :1]), drawn[:, :-1]], dim=1) * keeps
        variance = (stationary * (1 - keeps**2)).expand_as(drawn).clone()
        variance[:, 0] = stationary
        log_prior = -0.5 * (variance.log() + (drawn - before) ** 2 / variance)
        log_posterior = -0.5 * (log_variance + (drawn - mean) ** 2 / log_variance.exp())
        return (log_posterior - log_prior).sum((1, 2))


ARCHITECTURE = LFADS
