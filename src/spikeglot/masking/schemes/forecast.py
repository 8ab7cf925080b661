"""Hide the last bins of all units, as forward prediction does (the wording of the paper)."""

from __future__ import annotations

import torch
from torch import Generator

from spikeglot.masking.drawing import Layout, Scheme, hide_bins
from spikeglot.masking.mask import Mask
from spikeglot.settings import n_forward_bins


def draw(layout: Layout, ratio: float, generator: Generator) -> Mask:
    """Hide the end of the window; ``ratio`` is not used."""
    hidden = torch.zeros((layout.n_trials, layout.n_bins), dtype=torch.bool)
    hidden[:, -n_forward_bins(layout.n_bins) :] = True
    return hide_bins(hidden, layout.n_units, "causal", causal=True)


SCHEME = Scheme(draw, hides_bins=True)
