"""A transformer over the bins of a window, and the patches of a bin: what NDT1 and NDT2 have in common.

Sources: Ye and Pandarinath 2021 (NDT, arXiv 2108.01210); Zhang et al. 2024 (MtM, arXiv 2407.14668), section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spikeglot.models.architecture import Architecture, Coded
from spikeglot.models.dropout import Dropout
from spikeglot.models.layers import Layer, allowed_pairs, attention_bias, rotary_angles, scale_like_tfixup
from spikeglot.settings import ModelSettings


class Transformer(Architecture):
    """Embed the channels of every (bin, patch), prepend the prefix, attend, return the states of the bins."""

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
        bins = self.placed(self.embed(channels))
        tokens = self.embed_dropout(torch.cat([prefix, bins.flatten(1, 2)], dim=1))
        bias, rotation = self._pattern(prefix.shape[1], bins, causal)
        for layer in self.layers:
            tokens = layer(tokens, bias, rotation)
        return self._states(tokens, bins)

    def shared(self, channels: Tensor, which: Tensor, prefix: Tensor, causal: Tensor) -> Coded:
        """See `Architecture.shared`: all before the first attention is done once for tokens that are the same."""
        bins = self.placed(self.embed(channels)[which])
        own, n_prefix = prefix.flatten(0, 1), prefix.shape[1]
        one_of = torch.empty(len(channels), dtype=torch.int64, device=which.device)
        one_of[which.flatten()] = torch.arange(which.numel(), device=which.device)
        projected = self.layers[0].project(torch.cat([own, bins.flatten(0, 2)[one_of]]))  # type: ignore[operator]
        place = torch.arange(len(own), device=which.device).unflatten(0, (-1, n_prefix))
        qkv = projected[torch.cat([place, len(own) + which.flatten(1)], dim=1)]
        tokens = torch.cat([prefix, bins.flatten(1, 2)], dim=1)
        bias, rotation = self._pattern(n_prefix, bins, causal)
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            if number == 0:
                tokens = layer.finish(tokens, layer.attention.mix(qkv, bias, rotation))
            else:
                tokens = layer(tokens, bias, rotation)
        return self._states(tokens, bins)

    def placed(self, tokens: Tensor) -> Tensor:
        """Return tokens (trial, time, patch, width) that know where they stand, as far as that is added to them."""
        return tokens if self.positions is None else tokens + self.positions.weight[:, None]

    def _pattern(
        self, n_prefix: int, bins: Tensor, causal: Tensor
    ) -> tuple[Tensor | None, tuple[Tensor, Tensor] | None]:
        """Return which token attends to which, and the rotary positions, each None where the model has none."""
        n_patches = bins.shape[2]
        allowed = allowed_pairs(causal, n_prefix, self.n_bins, n_patches)
        bias = None if allowed is None else attention_bias(allowed, bins.dtype)
        if self.positions is not None:
            return bias, None
        head_width = self.settings.width // self.settings.heads
        return bias, rotary_angles(n_prefix, self.n_bins, n_patches, head_width, bins.device)

    def _states(self, tokens: Tensor, bins: Tensor) -> Coded:
        n_bins, n_patches = bins.shape[1:3]
        return Coded(self.norm(tokens[:, -n_bins * n_patches :].unflatten(1, (n_bins, n_patches))))
