"""What schemes are made of: the shape of the trials, what a scheme says of itself, and random choices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator, Tensor

from spikeglot.masking.mask import Mask, make_mask


@dataclass(frozen=True, eq=False)
class Regions:
    """Where the units of a session lie: ``of_unit`` (unit,), a code per region, -1 where it is not known."""

    of_unit: Tensor

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def codes(self) -> Tensor:
        """The codes of the regions (region,)."""
        return self._counted[0]

    @property
    def sizes(self) -> Tensor:
        """How many units lie in each (region,)."""
        return self._counted[1]

    @cached_property
    def is_all(self) -> bool:
        """Whether all units lie in one region: hiding it would show nothing."""
        return len(self) == 1 and int(self.sizes) == len(self.of_unit)

    @cached_property
    def _counted(self) -> tuple[Tensor, Tensor]:
        return self.of_unit[self.of_unit >= 0].unique(return_counts=True)


@dataclass(frozen=True, eq=False)
class Layout:
    """The shape of a stack of trials: how many, how long, and where their units lie.

    ``token_units`` is how many neighbouring units share a token (the patches of NDT2).
    """

    n_trials: int
    n_bins: int
    regions: Regions
    token_units: int = 1

    @property
    def n_units(self) -> int:
        return len(self.regions.of_unit)


def everywhere(layout: Layout) -> bool:
    """Any session will do."""
    return True


@dataclass(frozen=True)
class Scheme:
    """A way to draw masks, as the value ``SCHEME`` of a file in `spikeglot.masking.schemes`.

    Attributes
    ----------
    draw:
        ``(layout, ratio, generator) -> Mask``, one mask per trial, none of which may have an empty target.
    hides_units, hides_bins:
        What a count is hidden with: its unit in all bins, its bin in all units, or both. The closed-form start fits
        what such masks ask for.
    usable:
        Whether a session allows the scheme; those on regions need regions.
    """

    draw: Callable[[Layout, float, Generator], Mask]
    hides_units: bool = False
    hides_bins: bool = False
    usable: Callable[[Layout], bool] = everywhere


def draw_hidden(n_rows: int, n_items: int, ratio: float, generator: Generator, among: Tensor | None = None) -> Tensor:
    """Draw Bernoulli(ratio) per item and return (row, item) bool with at least one True per row.

    A row where nothing was drawn hides the item that came closest. ``among`` (row, item) limits the choice;
    every row of it must allow something.
    """
    lottery = torch.rand((n_rows, n_items), generator=generator)
    if among is not None:
        lottery = lottery.masked_fill(~among, 2.0)
    hidden = lottery < ratio
    closest = torch.zeros_like(hidden).scatter_(1, lottery.argmin(1, keepdim=True), True)
    return torch.where(hidden.any(1, keepdim=True), hidden, closest)


def draw_region(layout: Layout, generator: Generator, min_units: int = 1) -> Tensor:
    """Draw a region per trial, uniformly over regions, and return (trial, unit) bool: the units inside it."""
    regions = layout.regions
    large = regions.codes[regions.sizes >= min_units]
    codes = large if len(large) else regions.codes
    choice = torch.randint(len(codes), (layout.n_trials,), generator=generator)
    return regions.of_unit == codes[choice][:, None]


def hide_bins(hidden: Tensor, n_units: int, prompt: str, causal: bool = False) -> Mask:
    """Turn (trial, time) hidden bins into a mask over all units."""
    hidden = hidden[:, :, None].expand(-1, -1, n_units)
    return make_mask(~hidden, hidden, prompt, causal)


def hide_units(hidden: Tensor, n_bins: int, prompt: str) -> Mask:
    """Turn (trial, unit) hidden units into a mask over all bins."""
    hidden = hidden[:, None, :].expand(-1, n_bins, -1)
    return make_mask(~hidden, hidden, prompt)
