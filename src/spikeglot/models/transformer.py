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
        bias, rotation = self._pattern(prefix.shape[1], channels.shape[2], causal)
        states = self.states if self.compiled is None else self.compiled
        return Coded(states(channels, prefix, bias, rotation))

    def states(
        self, channels: Tensor, prefix: Tensor, bias: Tensor | None, rotation: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """Return the states of the bins (trial, time, patch, width): all that a compiler is given, no branch on data.

        ``bias`` and ``rotation`` are those of `spikeglot.models.layers.Attention`.
        """
        bins = self.placed(self.embed(channels))
        tokens = self.embed_dropout(torch.cat([prefix, bins.flatten(1, 2)], dim=1))
        bias = None if bias is None else bias.to(bins.dtype)
        for layer in self.layers:
            tokens = layer(tokens, bias, rotation)
        return self._of_bins(tokens, bins)

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
        bias, rotation = self._pattern(n_prefix, which.shape[2], causal)
        bias = None if bias is None else bias.to(bins.dtype)
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            if number == 0:
                tokens = layer.finish(tokens, layer.attention.mix(qkv, bias, rotation))
            else:
                tokens = layer(tokens, bias, rotation)
        return Coded(self._of_bins(tokens, bins))

    def placed(self, tokens: Tensor) -> Tensor:
        """Return tokens (trial, time, patch, width) that know where they stand, as far as that is added to them."""
        return tokens if self.positions is None else tokens + self.positions.weight[:, None]

    def _pattern(
        self, n_prefix: int, n_patches: int, causal: Tensor
    ) -> tuple[Tensor | None, tuple[Tensor, Tensor] | None]:
        """Return which token attends to which, and the rotary positions, each None where the model has none."""
        allowed = allowed_pairs(causal, n_prefix, self.n_bins, n_patches)
        bias = None if allowed is None else attention_bias(allowed)
        if self.positions is not None:
            return bias, None
        head_width = self.settings.width // self.settings.heads
        return bias, rotary_angles(n_prefix, self.n_bins, n_patches, head_width, causal.device)

    def _of_bins(self, tokens: Tensor, bins: Tensor) -> Tensor:
        """Return the states of the tokens after the prefix, in the shape of ``bins``."""
        n_bins, n_patches = bins.shape[1:3]
        return self.norm(tokens[:, -n_bins * n_patches :].unflatten(1, (n_bins, n_patches)))
