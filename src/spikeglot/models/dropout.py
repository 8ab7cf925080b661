"""Dropout whose random numbers are cheap on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LANES = 2**16
"""A decision takes 16 random bits; probabilities are rounded to them."""
RANDOM_WORDS = "spikeglot::random_words"


class Dropout(nn.Module):
    """Inverted dropout (Srivastava et al. 2014, JMLR 15:1929), with a quarter of a random number per entry on a CPU.

    There `torch.nn.Dropout` draws a number of its own for every entry, one after the other: a tenth of a training
    step at the published size. Elsewhere it is what is used.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        return x * keep_mask(x, self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}"


def keep_mask(x: Tensor, p: float) -> Tensor:
    """Return in the shape and type of ``x``: 0 with probability ``p``, otherwise what keeps the expected value."""
    n_dropped = min(max(round(p * LANES), 1), LANES - 1)
    n_words = -(-x.numel() // 4)
    compiling = torch.compiler.is_compiling()
    words = torch.ops.spikeglot.random_words(x, n_words) if compiling else random_words(x, n_words)
    lanes = words.view(torch.int16)[: x.numel()].view(x.shape)
    return (lanes >= n_dropped - LANES // 2).to(x.dtype).mul_(LANES / (LANES - n_dropped))


def random_words(like: Tensor, n: int) -> Tensor:
    """Return ``n`` numbers of 64 random bits on the device of ``like``.

    To the compiler it is an operation that it knows nothing of, so that compiled code draws the same numbers.
    """
    return torch.empty(n, dtype=torch.int64, device=like.device).random_(-(2**63), None)


def _tell_compiler() -> None:
    """Register `random_words` as an operation; once in a process, also where this file is read a second time."""
    if hasattr(torch.ops.spikeglot, "random_words"):
        return
    torch.library.define(RANDOM_WORDS, "(Tensor like, int n) -> Tensor", tags=torch.Tag.nondeterministic_seeded)
    torch.library.impl(RANDOM_WORDS, "CPU", random_words)
    shape_only = torch.library.register_fake(RANDOM_WORDS)
    shape_only(lambda like, n: torch.empty(n, dtype=torch.int64, device=like.device))


_tell_compiler()
