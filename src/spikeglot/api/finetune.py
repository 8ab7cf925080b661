"""Adapt a trained model to sessions that it has not seen: a new model, the given one stays as it was."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spikeglot.api.common import check_same_sessions, load_run, part_tensors
from spikeglot.api.usable import prepare_to_train
from spikeglot.checkpoint import Adapted, Checkpoint, SessionCard, build_model, load_checkpoint, weights_digest
from spikeglot.data.prepare import Prepared
from spikeglot.data.session import Session
from spikeglot.errors import CheckpointError, SettingsError
from spikeglot.events import LeftOut, Listener, silent
from spikeglot.models.adapt import start_from_regions, take_over
from spikeglot.settings import FinetuneSettings, Recipe, make_settings
from spikeglot.training.distributed import join_ranks
from spikeglot.training.freezing import frozen_backbone
from spikeglot.training.log import logged
from spikeglot.training.loop import train
from spikeglot.training.run_folder import Resume, RunFolder
from spikeglot.training.start import start_sessions


def finetune(
    run: str | Path | Checkpoint,
    sessions: Session | Iterable[Session],
    *,
    out: str | Path,
    resume: Resume = False,
    leave_out_unusable: bool = False,
    listen: Listener = silent,
    **settings: Any,
) -> Checkpoint:
    """Adapt a trained model to sessions that it has not seen and return the best checkpoint of the new model.

    The new sessions start in closed form, with the prior of a unit that pretraining has learned from other animals;
    then training goes on as ``method`` says. Windows, filters and masks are those of the given model.

    Parameters
    ----------
    run:
        A folder that `pretrain` wrote, or a checkpoint; it is not changed.
    sessions:
        One session, or several: they share the new model.
    out:
        Folder of the new run, as in `pretrain`.
    settings:
        Fields of `spikeglot.settings.FinetuneSettings`, for instance ``method="stitchers", trials=20``.

    Raises
    ------
    SpikeglotError
        A session that the model knows already; more trials asked for than a session has; data, settings or the folder
        cannot be used.
    KeyboardInterrupt
        The run was interrupted; ``last`` holds the state.
    """
    wanted = make_settings(FinetuneSettings, settings, where="settings of finetune")
    trained = run if isinstance(run, Checkpoint) else load_run(run)
    wanted = with_method(wanted, trained.recipe)
    check_keeping(wanted)
    recipe = adapted_recipe(trained.recipe, wanted)
    ranks = join_ranks(recipe.train.device)
    if not ranks.is_main:
        listen = silent
    folder = RunFolder(Path(out), resume, ranks)
    checkpoint, position = folder.load_last(recipe) if folder.resumes else (None, None)
    given = [sessions] if isinstance(sessions, Session) else sessions
    prepared, left_out = prepare_to_train(given, recipe, leave_out_unusable)
    for one in left_out:
        listen(LeftOut(one.id, one.reason))
    train_sessions = {name: part_tensors(one, "train") for name, one in prepared.items()}
    val_sessions = {name: part_tensors(one, "val") for name, one in prepared.items()}
    origin = Adapted(
        "" if isinstance(run, Checkpoint) else str(run), weights_digest(trained.model), tuple(prepared), wanted
    )
    if checkpoint is None:
        checkpoint = Checkpoint(*new_model(trained, prepared, recipe, wanted), left_out, origin)
        start_sessions(checkpoint.model, train_sessions, recipe.mask.schemes, listen, ranks)
    else:
        check_same_adaptation(checkpoint, origin, str(out))
        check_same_sessions(checkpoint, prepared, f"'{out}'")

    with logged(folder, position, listen) as tell:
        freeze = frozen_backbone(checkpoint.model, wanted)
        finished = train(checkpoint, train_sessions, val_sessions, folder, tell, position, freeze, ranks)
    if not finished:
        raise KeyboardInterrupt
    return load_checkpoint(folder.path / "best")


def with_method(settings: FinetuneSettings, recipe: Recipe) -> FinetuneSettings:
    """Return the settings with the method that suits a model where none is named.

    Raises
    ------
    SettingsError
        The closed form alone is asked of a model that has none: new units would be read out at random.
    """
    has_closed_form = recipe.model.start == "factors"
    if settings.method == "closed-form" and not has_closed_form:
        raise SettingsError(
            f"method closed-form needs a model that starts from factors; this one has model.start "
            f"{recipe.model.start!r}. Use method stitchers, gradual or everything."
        )
    return settings.model_copy(update={"method": settings.method or ("closed-form" if has_closed_form else "gradual")})


def adapted_recipe(recipe: Recipe, settings: FinetuneSettings) -> Recipe:
    """Return the recipe of the adapted model: that of the given one, with its training, seed and trials replaced."""
    steps = 0 if settings.method == "closed-form" else settings.steps
    train_settings = recipe.train.model_copy(
        update={
            "steps": steps,
            "learning_rate": settings.learning_rate,
            "validate_every": settings.validate_every,
            # what is frozen is said of whole parameters, and a model that is adapted is small beside its sessions
            "sharding": "none",
        }
    )
    split = recipe.split.model_copy(update={"train_trials": settings.trials})
    return recipe.model_copy(update={"seed": settings.seed, "train": train_settings, "split": split})


def new_model(
    trained: Checkpoint, prepared: dict[str, Prepared], recipe: Recipe, settings: FinetuneSettings
) -> tuple[Any, Recipe, dict[str, SessionCard]]:
    """Return the model for the new sessions before any fit, its recipe, and the cards of its sessions.

    Raises
    ------
    CheckpointError
        The given model knows one of the sessions.
    """
    known = [name for name in prepared if name in trained.sessions]
    if known:
        raise CheckpointError(
            f"The model has been trained on {', '.join(known)}: adapting to what it has seen would tell nothing. "
            "Evaluate it there as it is, or adapt to other sessions."
        )
    kept = dict(trained.sessions) if settings.keep_sessions else {}
    cards = {**kept, **{name: SessionCard.of(one) for name, one in prepared.items()}}
    model = build_model(recipe, {name: len(card.unit_ids) for name, card in cards.items()})
    take_over(model, trained.model, settings.unit_prior)
    if settings.from_regions:
        start_from_regions(
            model,
            trained.model,
            {name: cards[name].regions for name in prepared},
            {name: card.regions for name, card in trained.sessions.items()},
        )
    return model, recipe, cards


def check_keeping(settings: FinetuneSettings) -> None:
    """Make sure that sessions are kept only where the adaptation leaves their predictions as they were.

    Raises
    ------
    SettingsError
        The backbone would change, or the kept sessions would be taken for ones with few trials.
    """
    if settings.keep_sessions and settings.method not in ("closed-form", "stitchers"):
        raise SettingsError(
            f"keep_sessions with method {settings.method}: the backbone changes, and with it what the model predicts "
            "for the sessions that it knows. Use method closed-form or stitchers, or leave keep_sessions out."
        )
    if settings.keep_sessions and settings.trials is not None:
        raise SettingsError("keep_sessions needs all trials of the new sessions. Leave trials out.")


def check_same_adaptation(checkpoint: Checkpoint, origin: Adapted, out: str) -> None:
    """Make sure that a run that is resumed adapts the same model to the same sessions in the same way.

    Raises
    ------
    CheckpointError
        It does not.
    """
    before = checkpoint.adapted
    if before is None:
        raise CheckpointError(f"The run in '{out}' was not started by finetune. Resume it with pretrain.")
    for name in ("weights_sha256", "session_ids", "settings"):
        if getattr(before, name) != getattr(origin, name):
            raise CheckpointError(
                f"The run in '{out}' was started with another {name} ({getattr(before, name)}). Resume with the same "
                "model, sessions and settings, or start a new run."
            )
