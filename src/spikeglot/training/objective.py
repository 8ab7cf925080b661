"""What training minimises: the loss of the targets, every trial with the same say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from spikeglot.batch import Group
from spikeglot.models.mtm import Prediction


def poisson_loss(log_rate: Tensor, counts: Tensor) -> Tensor:
    """Return exp(log_rate) - counts * log_rate: the Poisson negative log-likelihood without its constant."""
    return log_rate.exp() - counts * log_rate


def mse_loss(log_rate: Tensor, counts: Tensor) -> Tensor:
    """Return the squared error of the expected count, as one description of the method has it."""
    return (log_rate.exp() - counts) ** 2


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"poisson": poisson_loss, "mse": mse_loss}


def objective(
    groups: Sequence[Group], predictions: Sequence[Prediction], loss: str, penalty_weight: float = 1.0
) -> Tensor:
    """Return the mean over trials of the mean loss over a trial's targets.

    Dividing by the targets of each trial keeps sessions with more units from having larger gradients. The penalty of
    a variational architecture is per trial and is divided by all counts of a trial: with ``penalty_weight`` 1 the sum
    is the evidence lower bound per count, the targets standing for all of them.
    """
    per_trial = []
    for group, prediction in zip(groups, predictions, strict=True):
        target = group.mask.target
        total = (LOSSES[loss](prediction.log_rate, group.counts) * target).sum((1, 2))
        mean = total / target.sum((1, 2))
        if prediction.penalty is not None:
            mean = mean + penalty_weight * prediction.penalty / target[0].numel()
        per_trial.append(mean)
    return torch.cat(per_trial).mean()
