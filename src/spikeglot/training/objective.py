"""What training minimises: the loss of the targets, every trial with the same say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from spikeglot.batch import Group


def poisson_loss(log_rate: Tensor, counts: Tensor) -> Tensor:
    """Return exp(log_rate) - counts * log_rate: the Poisson negative log-likelihood without its constant."""
    return log_rate.exp() - counts * log_rate


def mse_loss(log_rate: Tensor, counts: Tensor) -> Tensor:
    """Return the squared error of the expected count, as one description of the method has it."""
    return (log_rate.exp() - counts) ** 2


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"poisson": poisson_loss, "mse": mse_loss}


def objective(groups: Sequence[Group], log_rates: Sequence[Tensor], loss: str) -> Tensor:
    """Return the mean over trials of the mean loss over a trial's targets.

    Dividing by the targets of each trial keeps sessions with more units from having larger gradients.
    """
    per_trial = []
    for group, log_rate in zip(groups, log_rates, strict=True):
        target = group.mask.target
        total = (LOSSES[loss](log_rate, group.counts) * target).sum((1, 2))
        per_trial.append(total / target.sum((1, 2)))
    return torch.cat(per_trial).mean()
