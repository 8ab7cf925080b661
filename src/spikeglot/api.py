"""The verbs in Python; the shell has the same words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from spikeglot.batch import SessionTensors, to_tensors
from spikeglot.checkpoint import Checkpoint, SessionCard, build_model, check_same_data, load_checkpoint
from spikeglot.data.prepare import Prepared, prepare_session
from spikeglot.data.session import Session
from spikeglot.device import pick_device
from spikeglot.errors import CheckpointError, DataError, SettingsError, did_you_mean
from spikeglot.evaluation.baselines import BASELINES, run_baselines
from spikeglot.evaluation.exact import oracle_predictions, predict_tasks
from spikeglot.evaluation.scores import score_predictions, summarise_sessions
from spikeglot.events import Event, Listener, Progress, silent
from spikeglot.masking.tasks import questions
from spikeglot.settings import TASKS, Recipe, load_recipe
from spikeglot.training.log import CsvLog
from spikeglot.training.loop import train
from spikeglot.training.run_folder import RunFolder
from spikeglot.training.start import start_sessions
from spikeglot.viz.raster import plot_raster


def pretrain(
    sessions: Iterable[Session],
    *,
    out: str | Path,
    recipe: Recipe | str = "mtm-ndt1",
    resume: bool = False,
    listen: Listener = silent,
) -> Checkpoint:
    """Train one model on all sessions by multi-task masking and return the best checkpoint.

    Parameters
    ----------
    sessions:
        What to train on, for instance ``load_sessions("data/")``.
    out:
        Folder of the run: checkpoints ``best`` and ``last``, ``log.csv``.
    recipe:
        All settings; a `Recipe`, the name of an embedded one, or a TOML file.
    resume:
        Go on with the run in ``out``; the result equals an uninterrupted run bit for bit.
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
    run = RunFolder(Path(out), resume)
    checkpoint, position = run.load_last(recipe) if resume else (None, None)
    prepared = prepare_all(sessions, recipe)
    if checkpoint is not None:
        prepared = _as_started(checkpoint, prepared, f"'{out}'")
    cards = {name: SessionCard.of(one) for name, one in prepared.items()}
    train_sessions = {name: part_tensors(one, "train") for name, one in prepared.items()}
    val_sessions = {name: part_tensors(one, "val") for name, one in prepared.items()}
    if checkpoint is None:
        model = build_model(recipe, {name: one.counts.n_units for name, one in prepared.items()})
        checkpoint = Checkpoint(model, recipe, cards)
        start_sessions(model, train_sessions, listen)

    with CsvLog(run.log_path, keep_until=position.step if position else 0) as log:

        def tell(event: Event) -> None:
            log(event)
            listen(event)

        finished = train(checkpoint, train_sessions, val_sessions, run, tell, position)
    if not finished:
        raise KeyboardInterrupt
    return load_checkpoint(run.path / "best")


def evaluate(
    run: str | Path | Checkpoint,
    sessions: Iterable[Session],
    *,
    tasks: Sequence[str] = TASKS,
    baselines: Sequence[str] = tuple(BASELINES),
    memory_mb: int = 256,
    device: str = "auto",
    listen: Listener = silent,
) -> pd.DataFrame:
    """Score a model on the test trials of the sessions, exactly, next to the baselines.

    Returns one row per number: ``model, task, metric, null, aggregation, session_id, subject_id, unit_id, region,
    n_spikes, value``. Simulated sessions also get the model "oracle", which knows the true rates. A task that has
    nothing to ask of a session (one without regions, for the tasks on regions) has no rows for it.

    Raises
    ------
    SpikeglotError
        The run cannot be read; a session is unknown to it, or is not the one that it was trained on; a task or
        baseline is not known, or no task has anything to ask.
    """
    _check_names(tasks, baselines)
    checkpoint = run if isinstance(run, Checkpoint) else load_run(run)
    where = "the run" if isinstance(run, Checkpoint) else f"'{run}'"
    prepared = prepare_all(sessions, checkpoint.recipe)
    _check_same_sessions(checkpoint, prepared, where)
    checkpoint.model.to(pick_device(device))
    frames = []
    for session_id, one in prepared.items():
        counts, split = one.counts, one.split
        tensors = to_tensors(counts)
        asked = [task for task in tasks if len(questions(task, tensors.region, counts.n_bins))]
        if not asked:
            continue
        predictions = {
            "mtm": predict_tasks(
                checkpoint.model,
                tensors,
                split.test,
                tasks=asked,
                prompted=checkpoint.recipe.mask.prompted,
                memory_mb=memory_mb,
                listen=listen,
            )
        }
        if counts.rates is not None:
            predictions["oracle"] = oracle_predictions(counts.rates[split.test], tensors, asked)

        def tell(done: int, total: int, name: str, session_id: str = session_id) -> None:
            listen(Progress("baselines", done, total, f"{session_id} {name}"))

        for name, by_task in run_baselines(counts, split, baselines, progress=tell).items():
            predictions[name] = {task: by_task[task] for task in asked if task in by_task}
        for model, by_task in predictions.items():
            frames.append(score_predictions(by_task, counts, split.train, split.test, model))
    if not frames:
        raise DataError(
            f"Nothing to score in {', '.join(tasks)}: no session has units of enough regions. "
            "Name the regions in the units table, or choose co-smoothing or forward."
        )
    return summarise_sessions(pd.concat(frames, ignore_index=True))


def check_out(out: str | Path, resume: bool = False) -> None:
    """Make sure that a run can be started (or resumed) in ``out``, before data are read.

    Raises
    ------
    CheckpointError
        The folder holds a run or other things; nothing to resume.
    """
    RunFolder(Path(out), resume)


def load_run(path: str | Path) -> Checkpoint:
    """Read the best checkpoint of a run folder, or the checkpoint folder itself."""
    path = Path(path)
    if path.is_dir() and not (path / "config.json").exists() and not (path / "best").exists():
        raise CheckpointError(
            f"The folder '{path}' holds no run. Give the folder that `spikeglot pretrain --out` wrote."
        )
    return load_checkpoint(path if (path / "config.json").exists() else path / "best")


def prepare_all(sessions: Iterable[Session], recipe: Recipe) -> dict[str, Prepared]:
    """Prepare every session as the recipe says, keyed by session id and in its order: files in another order make
    the same model.

    Raises
    ------
    DataError
        No session; two with the same id; sessions that cannot be used, all of them in one message.
    """
    prepared: dict[str, Prepared] = {}
    problems = []
    for session in sessions:
        if session.session_id in prepared:
            problems.append(f"Two sessions are called '{session.session_id}'. Give each file once.")
            continue
        try:
            prepared[session.session_id] = prepare_session(session, recipe)
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    if not prepared:
        raise DataError("There is no session to work on. Give files or folders of recordings.")
    return dict(sorted(prepared.items()))


def part_tensors(prepared: Prepared, part: str) -> SessionTensors:
    """Return the trials of one part of the split ("train", "val" or "test") as tensors."""
    return to_tensors(prepared.counts.take_trials(getattr(prepared.split, part)))


def _check_names(tasks: Sequence[str], baselines: Sequence[str]) -> None:
    """Make sure that every task and baseline exists, before any of them takes its time."""
    for kind, names, known in (("task", tasks, TASKS), ("baseline", baselines, tuple(BASELINES))):
        for name in names:
            if name not in known:
                raise SettingsError(f"There is no {kind} '{name}'.{did_you_mean(name, known)}")
    if not tasks:
        raise SettingsError(f"No task to score. Name some of: {', '.join(TASKS)}.")


def _as_started(checkpoint: Checkpoint, prepared: dict[str, Prepared], where: str) -> dict[str, Prepared]:
    """Return the sessions in the order in which a run was started with them; the batches depend on it."""
    _check_same_sessions(checkpoint, prepared, where)
    missing = [name for name in checkpoint.sessions if name not in prepared]
    if missing:
        raise CheckpointError(
            f"The run in {where} was started with more sessions: {', '.join(missing)}. Resume with the same data."
        )
    return {name: prepared[name] for name in checkpoint.sessions}


def _check_same_sessions(checkpoint: Checkpoint, prepared: dict[str, Prepared], where: str) -> None:
    """Make sure that the model knows each session, and by the same units and trials."""
    for session_id, one in prepared.items():
        checkpoint.model.stitcher(session_id)
        check_same_data(checkpoint.sessions[session_id], one, where)


def draw_raster(checkpoint: Checkpoint, session: Session, path: str | Path, listen: Listener = silent) -> Path:
    """Draw the test trials of a session next to the model's co-smoothing prediction of them, as PNG."""
    one = prepare_session(session, checkpoint.recipe)
    _check_same_sessions(checkpoint, {session.session_id: one}, "the run")
    counts, window = one.counts.take_trials(one.split.test), checkpoint.recipe.window
    predicted = predict_tasks(
        checkpoint.model,
        to_tensors(counts),
        np.arange(counts.n_trials),
        tasks=["co-smoothing"],
        prompted=checkpoint.recipe.mask.prompted,
        listen=listen,
    )["co-smoothing"]
    return plot_raster(
        counts.counts,
        predicted,
        counts.regions,
        path,
        bin_size_s=window.bin_size_s,
        start_s=window.start_s,
        align=window.align or "",
        title=f"{session.session_id}: every unit predicted from all others, test trials",
    )
