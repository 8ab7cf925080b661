"""A mask is a value: which counts the model may see, and which predictions are scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spikeglot.settings import SCHEMES

PROMPTS = ("none", *SCHEMES)
"""What a model can be told about the mask, a learned token each; the position is the id in `Mask.prompt`."""


@dataclass(frozen=True, eq=False)
class Mask:
    """What is given and what is asked, for a stack of trials of one session.

    The same value trains a model (drawn by a scheme, `spikeglot.masking.schemes`) and defines a metric
    (enumerated by a task, `spikeglot.masking.tasks`).

    Attributes
    ----------
    visible:
        (trial, time, unit) bool; a count that is not visible is hidden *before* tokenisation.
    target:
        (trial, time, unit) bool; the predictions that are scored. A target is never visible.
    prompt:
        (trial,) int64, position in `PROMPTS`.
    causal:
        (trial,) bool; attention is lower-triangular, so that no bin sees a later one.
    """

    visible: Tensor
    target: Tensor
    prompt: Tensor
    causal: Tensor

    def __len__(self) -> int:
        return len(self.prompt)

    def take(self, trials: Tensor | slice) -> Mask:
        """Return the mask of some of the trials."""
        return Mask(*(rows(part, trials) for part in (self.visible, self.target, self.prompt, self.causal)))

    def unprompted(self) -> Mask:
        """Return the same mask without telling the model which scheme or task it is."""
        return replace(self, prompt=torch.zeros_like(self.prompt))

    def pinned(self) -> Mask:
        """Return the mask in memory that a GPU can fetch it from by itself."""
        return Mask(*(pinned(part) for part in (self.visible, self.target, self.prompt, self.causal)))

    def to(self, device: torch.device | str) -> Mask:
        """Return the mask on another device; a GPU that is still at work is not waited for."""
        return Mask(*(moved(part, device) for part in (self.visible, self.target, self.prompt, self.causal)))


def pinned(values: Tensor) -> Tensor:
    """Return values in memory that a GPU can fetch them from by itself."""
    return values.contiguous().pin_memory()


def rows(values: Tensor, chosen: Tensor | slice) -> Tensor:
    """Return some rows; by number with ``index_select``, which copies whole rows and not entry by entry."""
    return values[chosen] if isinstance(chosen, slice) else values.index_select(0, chosen)


def moved(values: Tensor, device: torch.device | str) -> Tensor:
    """Return values on another device; from memory that a GPU fetches them from itself, when it comes to it."""
    if torch.device(device).type == "cuda" and values.device.type == "cpu":
        return pinned(values).to(device, non_blocking=True)
    return values.to(device)


def stacked(masks: Sequence[Mask]) -> Mask:
    """Return one mask with the trials of all, in order."""
    return Mask(
        torch.cat([m.visible for m in masks]),
        torch.cat([m.target for m in masks]),
        torch.cat([m.prompt for m in masks]),
        torch.cat([m.causal for m in masks]),
    )


def make_mask(visible: Tensor, target: Tensor, prompt: str, causal: bool = False) -> Mask:
    """Return a `Mask` whose trials all have the same prompt and attention."""
    n_trials = len(visible)
    return Mask(
        visible,
        target,
        prompt=torch.full((n_trials,), PROMPTS.index(prompt), device=visible.device),
        causal=torch.full((n_trials,), causal, device=visible.device),
    )


def unmasked(n_trials: int, n_bins: int, n_units: int, prompt: str = "none") -> Mask:
    """Return the mask that shows everything and asks for nothing.

    A prompt comes with the attention that it was trained with: causal for "causal", full for all others.
    """
    shape = (n_trials, n_bins, n_units)
    visible, target = torch.ones(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
    return make_mask(visible, target, prompt, causal=prompt == "causal")
