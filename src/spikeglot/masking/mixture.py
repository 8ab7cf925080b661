"""Multi-task masking: every trial of a batch gets a scheme of its own, drawn uniformly (METHOD, section 2)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Generator

from spikeglot.masking.drawing import Layout
from spikeglot.masking.mask import Mask, stacked
from spikeglot.masking.schemes import SCHEMES, draw
from spikeglot.settings import MaskSettings


def usable_schemes(settings: MaskSettings, layout: Layout) -> tuple[str, ...]:
    """Return the schemes of the mixture that a session allows: some need regions."""
    return tuple(name for name in settings.schemes if SCHEMES[name].usable(layout))


def draw_mixture(settings: MaskSettings, layout: Layout, generator: Generator) -> Mask:
    """Draw one mask per trial of a session, each trial (or the whole stack) from a scheme of its own.

    With ``settings.draw == "trial"`` schemes are drawn per trial; with ``"batch"`` all trials share one.
    An unprompted model gets the prompt "none" for every scheme.
    """
    names = usable_schemes(settings, layout)
    n_draws = layout.n_trials if settings.draw == "trial" else 1
    choice = torch.randint(len(names), (n_draws,), generator=generator)
    choice = choice.expand(layout.n_trials)
    sizes = choice.bincount(minlength=len(names)).tolist()
    parts = [
        draw(name, replace(layout, n_trials=n), settings.ratio.of(name), generator)
        for name, n in zip(names, sizes, strict=True)
        if n > 0
    ]
    # parts[0] has the trials that chose the first scheme, in order, and so on: back to the places that they came from
    mask = stacked(parts)
    if len(parts) > 1:
        mask = mask.take(choice.argsort(stable=True).argsort())
    return mask if settings.prompted else mask.unprompted()
