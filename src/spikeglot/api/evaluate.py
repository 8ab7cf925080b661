"""Score a model exactly, next to the baselines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from spikeglot.api.common import check_prompt, check_same_sessions, load_run, prepare_all
from spikeglot.batch import to_tensors
from spikeglot.checkpoint import Checkpoint
from spikeglot.data.session import Session
from spikeglot.device import pick_device
from spikeglot.errors import DataError, SettingsError, did_you_mean
from spikeglot.evaluation.baselines import BASELINES, run_baselines
from spikeglot.evaluation.exact import oracle_predictions, predict_tasks
from spikeglot.evaluation.scores import score_predictions, summarise_sessions
from spikeglot.events import Listener, Progress, silent
from spikeglot.masking.tasks import questions
from spikeglot.settings import TASKS


def evaluate(
    run: str | Path | Checkpoint,
    sessions: Iterable[Session],
    *,
    tasks: Sequence[str] = TASKS,
    baselines: Sequence[str] = tuple(BASELINES),
    prompt: str | None = None,
    memory_mb: int = 256,
    precision: str = "float32",
    device: str = "auto",
    listen: Listener = silent,
) -> pd.DataFrame:
    """Score a model on the test trials of the sessions, exactly, next to the baselines.

    Returns one row per number: ``model, task, metric, null, aggregation, session_id, subject_id, unit_id, region,
    n_spikes, value``. Simulated sessions also get the model "oracle", which knows the true rates. A task that has
    nothing to ask of a session (one without regions, for the tasks on regions) has no rows for it.

    With ``prompt`` the model is told this one in every task, in the place of the task's own: one of the prompts that it
    was trained with, or "none".

    ``memory_mb`` bounds a batch. ``precision`` "bfloat16" is faster on some devices and less exact; "auto" takes it
    where it pays.

    Raises
    ------
    SpikeglotError
        The run cannot be read; a session is unknown to it, or is not the one that it was trained on; a task, baseline
        or prompt is not known, or no task has anything to ask.
    """
    _check_names(tasks, baselines)
    checkpoint = run if isinstance(run, Checkpoint) else load_run(run)
    where = "the run" if isinstance(run, Checkpoint) else f"'{run}'"
    prepared = prepare_all(sessions, checkpoint.recipe)
    check_same_sessions(checkpoint, prepared, where)
    if prompt is not None:
        check_prompt(prompt, checkpoint.recipe)
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
                prompt=prompt or "",
                memory_mb=memory_mb,
                precision=precision,
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


def _check_names(tasks: Sequence[str], baselines: Sequence[str]) -> None:
    """Make sure that every task and baseline exists, before any of them takes its time."""
    for kind, names, known in (("task", tasks, TASKS), ("baseline", baselines, tuple(BASELINES))):
        for name in names:
            if name not in known:
                raise SettingsError(f"There is no {kind} '{name}'.{did_you_mean(name, known)}")
    if not tasks:
        raise SettingsError(f"No task to score. Name some of: {', '.join(TASKS)}.")
