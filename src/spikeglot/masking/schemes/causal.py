"""Hide random bins of all units, with lower-triangular attention (the official code of MtM)."""

from __future__ import annotations

from torch import Generator

from spikeglot.masking.drawing import Layout, Scheme, draw_hidden, hide_bins
from spikeglot.masking.mask import Mask


def draw(layout: Layout, ratio: float, generator: Generator) -> Mask:
    """Hide every bin with probability ``ratio``; no bin sees a later one."""
    hidden = draw_hidden(layout.n_trials, layout.n_bins, ratio, generator)
    return hide_bins(hidden, layout.n_units, "causal", causal=True)


SCHEME = Scheme(draw, hides_bins=True)
