"""Hide all units of one region."""

from __future__ import annotations

from torch import Generator

from spikeglot.masking.drawing import Layout, Scheme, draw_region, hide_units
from spikeglot.masking.mask import Mask


def draw(layout: Layout, ratio: float, generator: Generator) -> Mask:
    """Hide a region, drawn per trial; ``ratio`` is not used."""
    return hide_units(draw_region(layout, generator), layout.n_bins, "inter-region")


def usable(layout: Layout) -> bool:
    """Whether there is a region, and something beside it."""
    return len(layout.regions) >= 1 and not layout.regions.is_all


SCHEME = Scheme(draw, hides_units=True, usable=usable)
