"""The training schemes: each draws one mask per trial, vectorised over trials.

Sources: Zhang et al. 2024 (arXiv 2407.14668), section 3 and its official code; Ye and Pandarinath 2021 for
``temporal``. An empty target set never happens: at least one bin, unit or token is hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeglot.errors import DataError, did_you_mean
from spikeglot.masking.mask import Mask, make_mask
from spikeglot.settings import n_forward_bins


@dataclass(frozen=True, eq=False)
class Layout:
    """The shape of a stack of trials: how many, how long, and the region code (unit,) of every unit (-1: none)."""

    n_trials: int
    n_bins: int
    region: Tensor

    @property
    def n_units(self) -> int:
        return len(self.region)


Scheme = Callable[[Layout, float, Generator], Mask]
SCHEMES: dict[str, Scheme] = {}
NEEDS_REGIONS = frozenset({"inter-region", "intra-region"})


def scheme(name: str) -> Callable[[Scheme], Scheme]:
    """Register a function ``(layout, ratio, generator) -> Mask`` as the scheme ``name``."""

    def register(function: Scheme) -> Scheme:
        SCHEMES[name] = function
        return function

    return register


def draw(name: str, layout: Layout, ratio: float, generator: Generator) -> Mask:
    """Draw one mask per trial from the scheme ``name``.

    Raises
    ------
    DataError
        The scheme is not known, or needs regions where there are none.
    """
    if name not in SCHEMES:
        raise DataError(f"There is no masking scheme '{name}'.{did_you_mean(name, SCHEMES)}")
    if name in NEEDS_REGIONS and not (layout.region >= 0).any():
        raise DataError(
            f"The scheme '{name}' needs a region for the units, and this session has none. "
            "Leave it out of mask.schemes, or name the regions in the units table."
        )
    return SCHEMES[name](layout, ratio, generator)


def draw_hidden(n_rows: int, n_items: int, ratio: float, generator: Generator, among: Tensor | None = None) -> Tensor:
    """Draw Bernoulli(ratio) per item and return (row, item) bool with at least one True per row.

    A row where nothing was drawn hides the item that came closest. ``among`` (row, item) limits the choice;
    every row of it must allow something.
    """
    lottery = torch.rand((n_rows, n_items), generator=generator, device=generator.device)
    if among is not None:
        lottery = lottery.masked_fill(~among, 2.0)
    hidden = lottery < ratio
    closest = torch.zeros_like(hidden).scatter_(1, lottery.argmin(1, keepdim=True), True)
    return torch.where(hidden.any(1, keepdim=True), hidden, closest)


def draw_region(layout: Layout, generator: Generator, min_units: int = 1) -> Tensor:
    """Draw a region per trial, uniformly over regions, and return (trial, unit) bool: the units inside it."""
    codes, sizes = layout.region[layout.region >= 0].unique(return_counts=True)
    large = codes[sizes >= min_units]
    codes = large if len(large) else codes
    choice = torch.randint(len(codes), (layout.n_trials,), generator=generator, device=generator.device)
    return layout.region == codes[choice][:, None]


def hide_bins(hidden: Tensor, n_units: int, prompt: str, causal: bool = False) -> Mask:
    """Turn (trial, time) hidden bins into a mask over all units."""
    hidden = hidden[:, :, None].expand(-1, -1, n_units)
    return make_mask(~hidden, hidden, prompt, causal)


def hide_units(hidden: Tensor, n_bins: int, prompt: str) -> Mask:
    """Turn (trial, unit) hidden units into a mask over all bins."""
    hidden = hidden[:, None, :].expand(-1, n_bins, -1)
    return make_mask(~hidden, hidden, prompt)


@scheme("temporal")
def temporal(layout: Layout, ratio: float, generator: Generator) -> Mask:
    """Hide random bins of all units, attention in both directions (the baseline of NDT)."""
    return hide_bins(draw_hidden(layout.n_trials, layout.n_bins, ratio, generator), layout.n_units, "temporal")


@scheme("neuron")
def neuron(layout: Layout, ratio: float, generator: Generator) -> Mask:
    """Hide random units in all bins: co-smoothing."""
    return hide_units(draw_hidden(layout.n_trials, layout.n_units, ratio, generator), layout.n_bins, "neuron")


@scheme("causal")
def causal(layout: Layout, ratio: float, generator: Generator) -> Mask:
    """Hide random bins of all units, with lower-triangular attention (official code)."""
    hidden = draw_hidden(layout.n_trials, layout.n_bins, ratio, generator)
    return hide_bins(hidden, layout.n_units, "causal", causal=True)


@scheme("forecast")
def forecast(layout: Layout, ratio: float, generator: Generator) -> Mask:
    """Hide the last bins of all units, as the task does (the paper's wording; ``ratio`` is not used)."""
    hidden = torch.zeros((layout.n_trials, layout.n_bins), dtype=torch.bool, device=layout.region.device)
    hidden[:, -n_forward_bins(layout.n_bins) :] = True
    return hide_bins(hidden, layout.n_units, "causal", causal=True)


@scheme("inter-region")
def inter_region(layout: Layout, ratio: float, generator: Generator) -> Mask:
    """Hide all units of one region, drawn per trial (``ratio`` is not used)."""
    return hide_units(draw_region(layout, generator), layout.n_bins, "inter-region")


@scheme("intra-region")
def intra_region(layout: Layout, ratio: float, generator: Generator) -> Mask:
    """Show one region only, drawn per trial, and hide some of its units: those are the targets."""
    inside = draw_region(layout, generator, min_units=2)
    hidden = draw_hidden(layout.n_trials, layout.n_units, ratio, generator, among=inside)
    shape = (-1, layout.n_bins, -1)
    return make_mask((inside & ~hidden)[:, None].expand(shape), hidden[:, None].expand(shape), "intra-region")


@scheme("random-token")
def random_token(layout: Layout, ratio: float, generator: Generator) -> Mask:
    """Hide random (bin, unit) entries (the baseline of NDT2, with tokens of one unit)."""
    shape = (layout.n_trials, layout.n_bins, layout.n_units)
    hidden = draw_hidden(layout.n_trials, layout.n_bins * layout.n_units, ratio, generator).reshape(shape)
    return make_mask(~hidden, hidden, "random-token")
