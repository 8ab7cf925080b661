"""Counted floating-point operations of the matrix products of the model, the only place where they are counted.

A product of (m, k) and (k, n) counts 2 m k n. A test holds the counts against `torch.utils.flop_counter`.
"""

from __future__ import annotations

from benchmarks.sizes import Size

N_PREFIX = 2
"""Prompt and session token."""


def forward_flops(size: Size, n_trials: int) -> int:
    """Return the operations of predicting all units of ``n_trials`` trials."""
    return n_trials * (_stitcher(size) + _architecture(size))


def pass_flops(size: Size, n_pairs: int) -> int:
    """Return the operations of ``n_pairs`` passes of the architecture: what held-out units cannot do without."""
    return n_pairs * _architecture(size)


def step_flops(size: Size) -> int:
    """Return the operations of a training step: backwards twice those of forwards, but none for gradients of counts."""
    read_in = 2 * size.n_bins * size.n_units * size.stitch_width
    return 3 * forward_flops(size, size.batch_size) - size.batch_size * read_in


def _stitcher(size: Size) -> int:
    return 2 * size.n_bins * size.n_units * (size.stitch_width + size.width)


def _architecture(size: Size) -> int:
    n_tokens = N_PREFIX + size.n_bins
    embed = size.n_bins * 2 * size.stitch_width * (size.stitch_width + size.width)
    projections = n_tokens * 4 * size.width**2
    attention = 2 * n_tokens**2 * size.width
    mlp = n_tokens * 2 * size.width * size.mlp_width
    return 2 * (embed + size.depth * (projections + attention + mlp))
