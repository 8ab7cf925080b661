"""AdamW and its one-cycle learning rate (METHOD, section 4)."""

from __future__ import annotations

import math

from torch import nn
from torch.optim import AdamW

from spikeglot.settings import TrainSettings
from spikeglot.training.sharding import is_sharded


def make_optimiser(model: nn.Module, settings: TrainSettings) -> AdamW:
    """Return AdamW over the parameters that train; weight decay on matrices only."""
    groups = []
    for n_axes, weight_decay in (("many", settings.weight_decay), ("one", 0.0)):
        some = [p for p in model.parameters() if p.requires_grad and (p.ndim >= 2) == (n_axes == "many")]
        # weights that lie in parts on several ranks need a group of their own. They come first in a model, so that
        # parameters have the same numbers, by which checkpoints know their moments, on any number of ranks
        for sharded in (True, False):
            alike = [p for p in some if is_sharded(p) == sharded]
            if alike or not sharded:
                groups.append({"params": alike, "weight_decay": weight_decay})
    return AdamW(groups, lr=settings.learning_rate, fused=True)


def learning_rate(step: int, settings: TrainSettings) -> float:
    """Return the rate of optimiser step ``step`` (from 0): a cosine rise over the warm-up, then a cosine to zero."""
    rise = settings.warmup * settings.steps
    if step < rise:
        return settings.learning_rate * 0.5 * (1 - math.cos(math.pi * (step + 1) / (rise + 1)))
    share = (step - rise) / max(1.0, settings.steps - rise)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def penalty_weight(step: int, settings: TrainSettings) -> float:
    """Return the weight of an architecture's penalty at optimiser step ``step``: a line up to 1 over its warm-up."""
    rise = settings.penalty_warmup * settings.steps
    return min(1.0, (step + 1) / rise) if rise > 0 else 1.0
