"""Hide random units in all bins: co-smoothing."""

from __future__ import annotations

from torch import Generator

from spikeglot.masking.drawing import Layout, Scheme, draw_hidden, hide_units
from spikeglot.masking.mask import Mask


def draw(layout: Layout, ratio: float, generator: Generator) -> Mask:
    """Hide every unit with probability ``ratio``."""
    return hide_units(draw_hidden(layout.n_trials, layout.n_units, ratio, generator), layout.n_bins, "neuron")


SCHEME = Scheme(draw, hides_units=True)
