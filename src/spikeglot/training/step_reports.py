"""Telling of training steps without waiting for each: on a GPU, reading a loss waits for all that is under way."""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

from spikeglot.errors import SpikeglotError
from spikeglot.events import Listener, StepDone
from spikeglot.settings import TrainSettings
from spikeglot.training.optimiser import learning_rate

AT_ONCE = {"cpu": 1}
"""Steps that are told together, by type of device; nothing is under way on a CPU."""
AT_ONCE_ELSEWHERE = 20


class StepReports:
    """Tells ``listen`` of every step, in order, at the latest when `tell` is called."""

    def __init__(self, listen: Listener, settings: TrainSettings, device: torch.device) -> None:
        self._listen, self._settings = listen, settings
        self._at_once = AT_ONCE.get(device.type, AT_ONCE_ELSEWHERE)
        self._waiting: list[tuple[int, Tensor, int]] = []
        self._since = 0.0

    def begin(self) -> None:
        """Note that a step begins, with the making of its batch."""
        if not self._waiting:
            self._since = time.perf_counter()

    def add(self, step: int, loss: Tensor, n_trials: int) -> None:
        """Note what step ``step`` (from 0) came to."""
        self._waiting.append((step, loss, n_trials))
        if len(self._waiting) >= self._at_once:
            self.tell()

    def tell(self) -> None:
        """Tell of all steps that have not been told of; they share the mean speed.

        Raises
        ------
        SpikeglotError
            A loss is not finite.
        """
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        losses = torch.stack([loss for _, loss, _ in waiting]).tolist()
        trials_per_s = sum(n for _, _, n in waiting) / (time.perf_counter() - self._since)
        for (step, _, _), loss in zip(waiting, losses, strict=True):
            check_finite(loss, step, self._settings)
            rate = learning_rate(step, self._settings)
            self._listen(StepDone(step + 1, self._settings.steps, loss, rate, trials_per_s))


def check_finite(loss: float, step: int, settings: TrainSettings) -> None:
    """Make sure that a loss is a number.

    Raises
    ------
    SpikeglotError
        It is infinite, or not a number.
    """
    if not math.isfinite(loss):
        raise SpikeglotError(
            f"The loss is {loss} at step {step + 1}. Lower train.learning_rate (now "
            f"{settings.learning_rate:g}); the checkpoint `last` holds the state of the last validation."
        )
