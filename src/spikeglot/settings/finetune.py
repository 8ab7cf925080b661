"""Settings of adapting a model to new sessions, with their real defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from spikeglot.settings.base import Settings

Method = Literal["closed-form", "stitchers", "gradual", "everything"]
"""What is trained after the closed-form start: nothing, the new stitchers, those and later all, or all at once."""


class FinetuneSettings(Settings):
    """How a trained model is adapted to sessions that it has not seen."""

    method: Method | None = None
    """closed-form: nothing is trained, usable within seconds; stitchers: the backbone stays; gradual: stitchers first,
    then everything; everything: all from the first step. The best validated step is kept, step 0 included. By default
    closed-form for a model that starts from factors, gradual for others."""
    trials: int | None = Field(default=None, ge=1)
    """Training trials per session, drawn at random, and validation trials in proportion; without it all."""
    steps: int = Field(default=200, ge=0)
    """Optimiser steps (none for closed-form)."""
    learning_rate: float = Field(default=3e-4, gt=0)
    """Peak of the one-cycle cosine."""
    unfreeze_at: float = Field(default=0.5, gt=0, lt=1)
    """Share of the steps after which gradual trains the backbone too."""
    unit_prior: bool = True
    """Start new units from the prior that the model has learned; False uses that of the settings, as from scratch."""
    from_regions: bool = True
    """New read-ins start from the mean of the model's units in the same region; False draws them at random."""
    keep_sessions: bool = False
    """Keep the sessions of the given model too (closed-form and stitchers, whose backbone stays as it was)."""
    validate_every: int = Field(default=50, ge=1)
    """Steps between validations."""
    seed: int = Field(default=0, ge=0)
    """Seed of new weights, order of trials, masks and dropout."""
