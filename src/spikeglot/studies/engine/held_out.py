"""Animals that no model is pretrained on: models of the others, adapted to their sessions, next to from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from spikeglot.data.sessions import Sessions
from spikeglot.errors import SettingsError
from spikeglot.settings import FinetuneSettings, Method, Recipe
from spikeglot.studies.engine.behaviour import TargetSettings, decoded
from spikeglot.studies.engine.run import Run, change
from spikeglot.studies.engine.study import Asked
from spikeglot.studies.masking import SINGLE, VARIANTS

MTM = "mtm"
"""Name of the masks of the recipe, next to the names of single schemes."""
ALL = 0
"""Number of trials that stands for all of them."""


class HeldOutSettings(TargetSettings):
    """Which animals are held out, and how models are adapted to them."""

    hold_out: tuple[str, ...] = ()
    """Subjects that no model is pretrained on: animals, never days."""
    pretrain_on: tuple[int, ...] = (1, 3, 10)
    """Numbers of sessions to pretrain on; all that are left are always added."""
    method: Method | None = None
    """How a pretrained model is adapted; by default as finetune does."""


def hold_out(asked: Asked) -> tuple[Sessions, Sessions]:
    """Return the sessions to pretrain on, and those of the animals that are held out.

    Raises
    ------
    SettingsError
        Nobody is held out, or a number of sessions is not positive.
    DataError
        A subject is unknown, or nobody would be left.
    """
    settings: HeldOutSettings = asked.settings
    if not settings.hold_out:
        subjects = ", ".join(asked.sessions.subject_ids)
        raise SettingsError(
            f"Name the animals that no model is pretrained on: hold_out, in the shell --hold-out. There are {subjects}."
        )
    if any(n < 1 for n in settings.pretrain_on):
        raise SettingsError("pretrain_on are numbers of sessions from 1 on; from scratch is always there.")
    return asked.sessions.hold_out_subjects(settings.hold_out)


def numbers_of(known: Sessions, settings: HeldOutSettings) -> list[int]:
    """Return the numbers of sessions to pretrain on: those asked for that are fewer than all, and all."""
    return sorted({n for n in settings.pretrain_on if n < len(known)} | {len(known)})


def nested_order(session_ids: Sequence[str], seed: int) -> list[str]:
    """Return all session ids in an order drawn from the seed: more sessions are always the fewer ones and others."""
    from spikeglot.randomness import derive_seed

    rng = np.random.default_rng(derive_seed(seed, "transfer"))
    return [str(name) for name in rng.permutation(sorted(session_ids))]


def with_masks(recipe: Recipe, masks: str) -> Recipe:
    """Return the recipe, with a single scheme in the place of its mixture where ``masks`` names one."""
    if masks == MTM:
        return recipe
    alone = VARIANTS[masks] if masks in SINGLE else {"mask": {"schemes": (masks,), "prompted": False}}
    return change(recipe, **alone)


def pretrain_run(asked: Asked, known: Sessions, masks: str, n_sessions: int, seed: int) -> Run:
    """Return the run that only makes a model of some of the known sessions, for others to adapt."""
    return Run(
        key=f"pretrained/{masks}-{n_sessions}/seed-{seed}",
        labels={},
        recipe=with_masks(change(asked.recipe, seed=seed), masks),
        session_ids=tuple(nested_order(known.session_ids, seed)[:n_sessions]),
        tasks=(),
    )


def cell_run(
    asked: Asked,
    masks: str,
    n_pretrained: int,
    session_id: str,
    n_trials: int,
    seed: int,
    baselines: Sequence[str] = (),
) -> Run:
    """Return the run on a held-out session: from scratch (``n_pretrained`` 0) or adapted, with some of its trials.

    An adapted model trains for as many steps as one from scratch. Few trials are adapted to here, so the best
    checkpoint by validation is scored.
    """
    settings: HeldOutSettings = asked.settings
    few = n_trials or None
    recipe = with_masks(change(asked.recipe, seed=seed, split={"train_trials": few}), masks)
    source = f"{masks}-{n_pretrained}" if n_pretrained else f"{masks}-scratch"
    questions: dict[str, Any] = decoded(settings)
    return Run(
        key=f"{source}/{session_id}-{n_trials or 'all'}/seed-{seed}",
        labels={"masks": masks, "n_pretrained": n_pretrained, "n_trials": n_trials, "seed": seed},
        recipe=recipe,
        session_ids=(session_id,),
        adapts=f"pretrained/{masks}-{n_pretrained}/seed-{seed}" if n_pretrained else "",
        finetune=FinetuneSettings(
            method=settings.method,
            trials=few,
            steps=recipe.train.steps,
            learning_rate=recipe.train.learning_rate,
            validate_every=max(1, recipe.train.steps // 4),
            seed=seed,
        ),
        baselines=tuple(baselines),
        **questions,
    )
