"""Hide random tokens: the baseline of NDT2 (Ye et al. 2023, arXiv 2305.16283)."""

from __future__ import annotations

from torch import Generator

from spikeglot.masking.drawing import Layout, Scheme, draw_hidden
from spikeglot.masking.mask import Mask, make_mask


def draw(layout: Layout, ratio: float, generator: Generator) -> Mask:
    """Hide every token with probability ``ratio``: a bin of the units that share it, or of one unit."""
    n_patches = -(-layout.n_units // layout.token_units)
    hidden = draw_hidden(layout.n_trials, layout.n_bins * n_patches, ratio, generator)
    hidden = hidden.unflatten(1, (layout.n_bins, n_patches)).repeat_interleave(layout.token_units, dim=2)
    hidden = hidden[:, :, : layout.n_units]
    return make_mask(~hidden, hidden, "random-token")


SCHEME = Scheme(draw, hides_units=True, hides_bins=True)
