"""Settings of the training loop."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from spikeglot.settings.base import Settings


class TrainSettings(Settings):
    """The training loop."""

    steps: int = Field(default=600, ge=0)
    """Optimiser steps; 0 keeps the closed-form start."""
    batch_size: int = Field(default=32, ge=1)
    """Trials per step, of all sessions together."""
    session_exponent: float = Field(default=1.0, ge=0, le=1)
    """Share of a session: its trials to this power. 1: every trial once per epoch; 0: every session the same."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak of the one-cycle cosine."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Weight decay of AdamW, on matrices only."""
    warmup: float = Field(default=0.15, ge=0, lt=1)
    """Share of the steps over which the learning rate rises."""
    clip_norm: float = Field(default=1.0, gt=0)
    """Gradients are clipped to this norm."""
    objective: Literal["poisson", "mse"] = "poisson"
    """What is minimised: the Poisson negative log-likelihood, or the squared error of the counts."""
    penalty_warmup: float = Field(default=0.3, ge=0, le=1)
    """Share of the steps over which what an architecture adds to the objective (lfads: the KL) rises to all of it."""
    validate_every: int = Field(default=100, ge=1)
    """Steps between validations; each saves the checkpoint "last" and, when better, "best"."""
    validation_questions: int = Field(default=8, ge=1)
    """Masks per task and validation trial, drawn once."""
    sharding: Literal["none", "full"] = "none"
    """What ranks that train together hold: none: each the whole model; full: a part of the architecture (FSDP2)."""
    device: str = "auto"
    """Where to compute: auto (a GPU where there is one), cpu or cuda."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Numbers inside the architecture: auto is bfloat16 for models at least 256 wide on devices with units for it."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether torch.compile translates the transformer for training: auto does for long runs on a GPU."""
