"""AdamW and its one-cycle learning rate (METHOD, section 4)."""

from __future__ import annotations

import math

from torch import nn
from torch.optim import AdamW

from spikeglot.settings import TrainSettings


def make_optimiser(model: nn.Module, settings: TrainSettings) -> AdamW:
    """Return AdamW over the parameters that train; weight decay on matrices only."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
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
