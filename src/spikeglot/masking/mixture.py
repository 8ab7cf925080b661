"""Multi-task masking: every trial of a batch gets a scheme of its own, drawn uniformly (METHOD, section 2)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Generator

from spikeglot.masking.drawing import Layout
from spikeglot.masking.mask import Mask
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
    choice = torch.randint(len(names), (n_draws,), generator=generator, device=generator.device)
    choice = choice.expand(layout.n_trials)
    parts, order = [], []
    for position, name in enumerate(names):
        trials = (choice == position).nonzero()[:, 0]
        if len(trials):
            some = replace(layout, n_trials=len(trials))
            parts.append(draw(name, some, settings.ratio.of(name), generator))
            order.append(trials)
    mask = _concatenate(parts).take(torch.cat(order).argsort())
    return mask if settings.prompted else mask.unprompted()


def _concatenate(parts: list[Mask]) -> Mask:
    return Mask(
        torch.cat([p.visible for p in parts]),
        torch.cat([p.target for p in parts]),
        torch.cat([p.prompt for p in parts]),
        torch.cat([p.causal for p in parts]),
    )
