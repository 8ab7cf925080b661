"""Pretrain one model on all sessions."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from spikeglot.api.common import check_same_sessions, part_tensors
from spikeglot.api.usable import prepare_to_train
from spikeglot.checkpoint import Checkpoint, SessionCard, build_model, load_checkpoint
from spikeglot.data.prepare import Prepared
from spikeglot.data.session import Session
from spikeglot.errors import CheckpointError
from spikeglot.events import LeftOut, Listener, silent
from spikeglot.settings import Recipe, load_recipe
from spikeglot.training.distributed import join_ranks
from spikeglot.training.log import logged
from spikeglot.training.loop import train
from spikeglot.training.run_folder import Resume, RunFolder
from spikeglot.training.start import start_model


def pretrain(
    sessions: Iterable[Session],
    *,
    out: str | Path,
    recipe: Recipe | str = "mtm-ndt1",
    resume: Resume = False,
    leave_out_unusable: bool = False,
    listen: Listener = silent,
) -> Checkpoint:
    """Train one model on all sessions by multi-task masking and return the best checkpoint.

    Where the environment speaks of several ranks (torchrun, Ray Train, SLURM), they train the model together: each
    calls this with the same sessions, and the first of them writes and listens.

    Parameters
    ----------
    sessions:
        What to train on, for instance ``load_sessions("data/")``.
    out:
        Folder of the run: checkpoints ``best`` and ``last``, ``log.csv``.
    recipe:
        All settings; a `Recipe`, the name of an embedded one, or a TOML file.
    resume:
        Go on with the run in ``out``; on a CPU the result equals an uninterrupted run bit for bit (on as many ranks as
        before).
        "if-begun": go on if there is a run, otherwise start it, for launchers that start lost ranks again.
    leave_out_unusable:
        Train without the sessions that cannot be used, each told as `LeftOut` and kept in the ``left_out`` of the
        checkpoint. Otherwise they stop the run before it starts.
    listen:
        Called with every event (`spikeglot.events`).

    Raises
    ------
    SpikeglotError
        Data, settings or the folder cannot be used; the message names every session with a problem.
    KeyboardInterrupt
        The run was interrupted; ``last`` holds the state.
    """
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    ranks = join_ranks(recipe.train.device)
    if not ranks.is_main:
        listen = silent
    run = RunFolder(Path(out), resume, ranks)
    checkpoint, position = run.load_last(recipe) if run.resumes else (None, None)
    prepared, left_out = prepare_to_train(sessions, recipe, leave_out_unusable)
    for one in left_out:
        listen(LeftOut(one.id, one.reason))
    if checkpoint is not None:
        prepared = _as_started(checkpoint, prepared, f"'{out}'")
    cards = {name: SessionCard.of(one) for name, one in prepared.items()}
    train_sessions = {name: part_tensors(one, "train") for name, one in prepared.items()}
    val_sessions = {name: part_tensors(one, "val") for name, one in prepared.items()}
    if checkpoint is None:
        model = build_model(recipe, {name: one.counts.n_units for name, one in prepared.items()})
        checkpoint = Checkpoint(model, recipe, cards, left_out)
        start_model(model, train_sessions, recipe.mask.schemes, listen, ranks)

    with logged(run, position, listen) as tell:
        finished = train(checkpoint, train_sessions, val_sessions, run, tell, position, ranks=ranks)
    if not finished:
        raise KeyboardInterrupt
    return load_checkpoint(run.path / "best")


def _as_started(checkpoint: Checkpoint, prepared: dict[str, Prepared], where: str) -> dict[str, Prepared]:
    """Return the sessions in the order in which a run was started with them; the batches depend on it."""
    check_same_sessions(checkpoint, prepared, where)
    missing = [name for name in checkpoint.sessions if name not in prepared]
    if missing:
        raise CheckpointError(
            f"The run in {where} was started with more sessions: {', '.join(missing)}. Resume with the same data."
        )
    return {name: prepared[name] for name in checkpoint.sessions}
