"""The transformer layers of the backbone: pre-norm attention with a full or a causal pattern per trial."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spikeglot.models.dropout import Dropout

PLAIN_TOKENS = {torch.float32: 128, torch.bfloat16: 512}
"""Up to so many tokens the plain products are the faster attention on a CPU, by type (docs/explain/speed.md)."""


class Attention(nn.Module):
    """Multi-head attention with one fused q/k/v projection.

    ``forward(x, bias, rotation)``: x (trial, token, width); bias (trial, 1, token, token) is added to the logits, None
    for attention to everything; rotation is None or the (cos, sin) of rotary positions.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor | None, rotation: tuple[Tensor, Tensor] | None) -> Tensor:
        return self.mix(self.qkv(x), bias, rotation)

    def mix(self, qkv: Tensor, bias: Tensor | None, rotation: tuple[Tensor, Tensor] | None) -> Tensor:
        """Return what ``forward`` does, from the projection (trial, token, 3 width)."""
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if rotation is not None:
            q, k = rotate(q, *rotation).to(v.dtype), rotate(k, *rotation).to(v.dtype)
        mixed = attend(q, k, v, bias)
        return self.out(mixed.transpose(1, 2).flatten(2))


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """Return softmax(q k' / sqrt(head_width) + bias) v for (trial, head, token, head_width), the faster way."""
    if v.device.type == "cpu" and v.shape[2] <= PLAIN_TOKENS.get(v.dtype, 0):
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        return (logits if bias is None else logits + bias).softmax(-1) @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


class Layer(nn.Module):
    """One pre-norm transformer layer: attention, then an MLP with GELU."""

    def __init__(self, width: int, heads: int, mlp_width: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, mlp_width), nn.GELU(), nn.Linear(mlp_width, width))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor | None, rotation: tuple[Tensor, Tensor] | None) -> Tensor:
        return self.finish(x, self.attention(self.attention_norm(x), bias, rotation))

    def project(self, x: Tensor) -> Tensor:
        """Return what attention mixes, (..., 3 width) of tokens (..., width): each by itself."""
        return self.attention.qkv(self.attention_norm(x))

    def finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Return the tokens x after the layer, given what attention adds to them."""
        x = x + self.dropout(mixed)
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


def scale_like_tfixup(layers: nn.ModuleList) -> None:
    """Shrink the weights that write into the residual stream by 0.67 depth^(-1/4).

    As NDT1 does, after T-Fixup (Huang et al. 2020): the deeper the stack, the smaller each layer's first say.
    """
    factor = 0.67 * len(layers) ** -0.25
    with torch.no_grad():
        for layer in layers:
            assert isinstance(layer, Layer)
            width = layer.attention.out.out_features
            layer.attention.qkv.weight[2 * width :] *= factor
            for module in (layer.attention.out, layer.mlp[0], layer.mlp[2]):
                module.weight.mul_(factor)  # type: ignore[union-attr, operator]


def allowed_pairs(causal: Tensor, n_prefix: int, n_bins: int, n_patches: int = 1) -> Tensor | None:
    """Return (trial, 1, token, token) bool, which token may attend to which; None if all may in every trial.

    On a GPU, where asking whether any trial is causal would wait for all that is under way, it is never None.

    Tokens are the prefix, then the patches of each bin. In causal trials bins see the prefix and bins up to their
    own, and the prefix sees the prefix only: otherwise it would carry future bins into past ones over two layers.
    """
    if causal.device.type == "cpu" and not causal.any():
        return None
    bin_of = torch.arange(n_bins, device=causal.device).repeat_interleave(n_patches)
    bin_of = torch.cat([torch.full((n_prefix,), -1, device=causal.device), bin_of])
    earlier = bin_of <= bin_of[:, None]
    return (earlier | ~causal[:, None, None])[:, None]


def attention_bias(allowed: Tensor) -> Tensor:
    """Return 0 where attention is allowed and -inf where it is not."""
    return torch.zeros(allowed.shape, device=allowed.device).masked_fill_(~allowed, -math.inf)


def rotary_angles(
    n_prefix: int, n_bins: int, n_patches: int, head_width: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return (cos, sin) (token, head_width / 2) of rotary positions (Su et al. 2021, base 10,000).

    The patches of a bin have the same place in time.
    """
    frequency = 10_000.0 ** (-torch.arange(0, head_width, 2, device=device) / head_width)
    bins = n_prefix + torch.arange(n_bins, device=device).repeat_interleave(n_patches)
    angle = torch.cat([torch.arange(n_prefix, device=device), bins])[:, None] * frequency
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the halves of (trial, head, token, head_width) by the angles of their positions."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)
