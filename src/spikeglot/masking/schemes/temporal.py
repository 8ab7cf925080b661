"""Hide random bins of all units, attention in both directions: the baseline of NDT (Ye and Pandarinath 2021)."""

from __future__ import annotations

from torch import Generator

from spikeglot.masking.drawing import Layout, Scheme, draw_hidden, hide_bins
from spikeglot.masking.mask import Mask


def draw(layout: Layout, ratio: float, generator: Generator) -> Mask:
    """Hide every bin with probability ``ratio``."""
    return hide_bins(draw_hidden(layout.n_trials, layout.n_bins, ratio, generator), layout.n_units, "temporal")


SCHEME = Scheme(draw, hides_bins=True)
