"""Settings of the transfer study, with their real defaults."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from spikeglot.settings import Method, Settings


class TransferSettings(Settings):
    """What is compared on animals that no model has seen."""

    pretrain_on: tuple[Annotated[int, Field(ge=1)], ...] = (1, 3, 10)
    """Numbers of sessions to pretrain on; all that are left are always added."""
    trials: tuple[Annotated[int, Field(ge=1)], ...] = (20, 50)
    """Numbers of training trials of a new session; all are always added."""
    method: Method | None = None
    """How a pretrained model is adapted; by default as finetune does."""
    also_masks: tuple[str, ...] = ()
    """Masking schemes to train on alone too, for instance temporal: on all sessions, and adapted with all trials."""
    target: str = ""
    """Behaviour to decode with the paper's linear decoder, for instance choice; empty: none."""
    target_trials: str = ""
    """A pandas query on the trials table: trials to decode, for instance "choice_source == 'movement'"."""
    baselines: tuple[str, ...] = ("mean-rate", "ridge")
    """Baselines fitted on the same trials; none are left out by giving none."""
    seed: int = Field(default=0, ge=0)
    """Seed of the runs and of the order in which sessions are taken to pretrain on."""
