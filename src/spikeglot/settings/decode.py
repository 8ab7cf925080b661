"""Settings of decoding, with their real defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spikeglot.settings.base import Settings

Decoder = Literal["linear", "few-shot", "fine-tuned"]
"""How behaviour is decoded: on frozen features, on those of a few trials, or with the model trained further."""


class HeadSettings(Settings):
    """The head that is trained together with a copy of the model, end to end."""

    steps: int = Field(default=100, ge=1)
    """Optimiser steps at most; the step with the least validation loss is kept."""
    batch_size: int = Field(default=32, ge=1)
    """Trials per step."""
    learning_rate: float = Field(default=3e-4, gt=0)
    """Learning rate of AdamW, constant."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Weight decay of AdamW."""
    validate_every: int = Field(default=5, ge=1)
    """Steps between looks at the validation trials."""


class DecodeSettings(Settings):
    """How behaviour is decoded from a trained model."""

    trials: str = ""
    """A pandas query on the trials table, for instance "choice_source == 'movement'"; other trials are left out."""
    reaction_rule: bool = False
    """Leave out trials with a missing event or a reaction time outside 0.08-2.0 s (the rule of the IBL)."""
    decoders: tuple[Decoder, ...] = ("linear", "few-shot", "fine-tuned")
    """Ways to decode; each is also applied to the raw counts."""
    prompts: tuple[str, ...] = ()
    """Prompts that the model is told, each scored; empty: those of the schemes that it was trained on."""
    k: tuple[Annotated[int, Field(ge=1)], ...] = (5, 10)
    """Trials per class (of a trace: trials) that the few-shot decoder is given."""
    draws: int = Field(default=5, ge=1)
    """Times that few trials are drawn; scores are averaged over them."""
    folds: int = Field(default=4, ge=2)
    """Folds of the cross-validation inside the fitted trials, which chooses the shrinkage."""
    shuffles: int = Field(default=1, ge=0)
    """Shuffle controls per decoder; scores are averaged over them."""
    seed: int = Field(default=0, ge=0)
    """Seed of folds, draws, shuffles and the head."""
    head: HeadSettings = HeadSettings()
