"""Show one region only, and hide some of its units: those are the targets."""

from __future__ import annotations

from torch import Generator

from spikeglot.masking.drawing import Layout, Scheme, draw_hidden, draw_region
from spikeglot.masking.mask import Mask, make_mask


def draw(layout: Layout, ratio: float, generator: Generator) -> Mask:
    """Draw a region per trial, and hide every unit of it with probability ``ratio``."""
    inside = draw_region(layout, generator, min_units=2)
    hidden = draw_hidden(layout.n_trials, layout.n_units, ratio, generator, among=inside)
    shape = (-1, layout.n_bins, -1)
    return make_mask((inside & ~hidden)[:, None].expand(shape), hidden[:, None].expand(shape), "intra-region")


def usable(layout: Layout) -> bool:
    """Whether there is a region."""
    return len(layout.regions) >= 1


SCHEME = Scheme(draw, hides_units=True, usable=usable)
