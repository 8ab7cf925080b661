"""Translation: some units are given, others are asked for, and nobody else is seen (Zhang et al. 2024, figures 6-7)."""

from __future__ import annotations

import torch
from torch import Tensor

from spikeglot.errors import DataError, SettingsError, did_you_mean
from spikeglot.masking.tasks import Questions
from spikeglot.settings import TRANSLATE

TRANSLATION_PROMPTS = ("intra-region", "inter-region", "none")
"""What a model can be told. No scheme of training is just this: ``intra-region`` shows one region and nothing else,
as here, but asks for units inside it; ``inter-region`` asks for a region of which nothing is seen, as here, but shows
all others."""


def translation(source: Tensor, target: Tensor, prompt: str = "intra-region") -> Questions:
    """Return the one question of a translation: the units ``target`` from the units ``source``, both (unit,) bool.

    What a model predicts does not depend on what it is asked for, so ``target`` may hold many regions at once.

    Raises
    ------
    DataError
        A unit on both sides, or no unit on one of them.
    SettingsError
        The prompt is not one of `TRANSLATION_PROMPTS`.
    """
    _check_prompt(prompt)
    if not source.any() or not target.any():
        raise DataError("A translation needs at least one unit to predict from and one to predict.")
    if (source & target).any():
        raise DataError(
            f"{int((source & target).sum())} units are both source and target, and no unit can be asked for what it "
            "is given. Leave them out of one side."
        )
    return Questions(TRANSLATE, source[None], target[None], prompt=prompt)


def from_nothing(n_units: int, prompt: str = "intra-region") -> Questions:
    """Return the question of all units from no count at all: what a model knows before it sees anything.

    Raises
    ------
    SettingsError
        The prompt is not one of `TRANSLATION_PROMPTS`.
    """
    _check_prompt(prompt)
    nobody = torch.zeros((1, n_units), dtype=torch.bool)
    return Questions(TRANSLATE, nobody, ~nobody, prompt=prompt)


def _check_prompt(prompt: str) -> None:
    if prompt not in TRANSLATION_PROMPTS:
        raise SettingsError(f"There is no prompt '{prompt}'.{did_you_mean(prompt, TRANSLATION_PROMPTS)}")
