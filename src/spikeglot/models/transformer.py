"""A transformer over the bins of a window, and the patches of a bin: what NDT1 and NDT2 have in common.

Sources: Ye and Pandarinath 2021 (NDT, arXiv 2108.01210); Zhang et al. 2024 (MtM, arXiv 2407.14668), section 3.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from spikeglot.models.architecture import Architecture, Coded
from spikeglot.models.dropout import Dropout
from spikeglot.models.layers import Layer, allowed_pairs, attention_bias, rotary_angles, scale_like_tfixup
from spikeglot.settings import ModelSettings


class Transformer(Architecture):
    """Embed the channels of every (bin, patch), prepend the prefix, attend, return the states of the bins.

    ``compiled``, where it is set, is what stands for `states`.
    """

    compiled: Callable[..., Tensor] | None = None

    def __init__(self, settings: ModelSettings, n_bins: int) -> None:
        super().__init__(settings, n_bins)
        width = self.state_width = settings.width
        self.embed = nn.Sequential(
            nn.Linear(settings.stitch_width, 2 * settings.stitch_width),
            nn.Softsign(),
            nn.Linear(2 * settings.stitch_width, width),
        )
        self.embed_dropout = Dropout(settings.embed_dropout)
        self.positions = nn.Embedding(n_bins, width) if settings.position == "learned" else None
        self.layers = nn.ModuleList(
            Layer(width, settings.heads, settings.mlp_width, settings.dropout) for _ in range(settings.depth)
        )
        self.norm = nn.LayerNorm(width)
        if self.positions is not None:
            nn.init.normal_(self.positions.weight, std=0.02)
        scale_like_tfixup(self.layers)

    def forward(self, channels: Tensor, prefix: Tensor, causal: Tensor) -> Coded:
        n_prefix, n_patches = prefix.shape[1], channels.shape[2]
        allowed = allowed_pairs(causal, n_prefix, self.n_bins, n_patches)
        bias = None if allowed is None else attention_bias(allowed, channels.dtype)
        rotation = None
        if self.positions is None:
            head_width = self.settings.width // self.settings.heads
            rotation = rotary_angles(n_prefix, self.n_bins, n_patches, head_width, channels.device)
        states = self.states if self.compiled is None else self.compiled
        return Coded(states(channels, prefix, bias, rotation))

    def states(
        self, channels: Tensor, prefix: Tensor, bias: Tensor | None, rotation: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """Return the states of the bins (trial, time, patch, width): all that a compiler is given, no branch on data.

        ``bias`` and ``rotation`` are those of `spikeglot.models.layers.Attention`.
        """
        n_prefix, n_patches = prefix.shape[1], channels.shape[2]
        bins = self.embedded(channels).flatten(1, 2)
        tokens = self.embed_dropout(torch.cat([prefix, bins], dim=1))
        bias = None if bias is None else bias.to(bins.dtype)
        for layer in self.layers:
            tokens = layer(tokens, bias, rotation)
        return self.norm(tokens[:, n_prefix:].unflatten(1, (self.n_bins, n_patches)))

    def embedded(self, channels: Tensor) -> Tensor:
        """Return the tokens (trial, time, patch, width) of channels (trial, time, patch, stitch_width)."""
        bins = self.embed(channels)
        return bins if self.positions is None else bins + self.positions.weight[:, None]
