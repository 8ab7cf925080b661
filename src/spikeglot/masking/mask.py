"""A mask is a value: which counts the model may see, and which predictions are scored."""

from __future__ import annotations

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
        return Mask(self.visible[trials], self.target[trials], self.prompt[trials], self.causal[trials])

    def unprompted(self) -> Mask:
        """Return the same mask without telling the model which scheme or task it is."""
        return replace(self, prompt=torch.zeros_like(self.prompt))

    def to(self, device: torch.device | str) -> Mask:
        """Return the mask on another device."""
        return Mask(*(part.to(device) for part in (self.visible, self.target, self.prompt, self.causal)))


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
