"""Score a model exactly, next to the baselines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from torch import Tensor

from spikeglot.api.common import check_prompt, check_same_sessions, load_run, prepare_all
from spikeglot.batch import region_codes, to_tensors
from spikeglot.checkpoint import Checkpoint
from spikeglot.data.prepare import Prepared
from spikeglot.data.session import Session
from spikeglot.device import pick_device
from spikeglot.errors import DataError, SettingsError, did_you_mean
from spikeglot.evaluation.baselines import BASELINES
from spikeglot.evaluation.exact import oracle_predictions
from spikeglot.evaluation.parts import do_parts, session_parts
from spikeglot.evaluation.scores import score_predictions, summarise_sessions
from spikeglot.events import Listener, silent
from spikeglot.masking.tasks import held_out_groups, questions
from spikeglot.randomness import generator
from spikeglot.settings import TASKS
from spikeglot.workers import check_workers


def evaluate(
    run: str | Path | Checkpoint,
    sessions: Iterable[Session],
    *,
    tasks: Sequence[str] = TASKS,
    baselines: Sequence[str] = tuple(BASELINES),
    prompt: str | None = None,
    memory_mb: int | None = None,
    precision: str = "float32",
    device: str = "auto",
    groups: int | None = None,
    workers: int | str | None = None,
    listen: Listener = silent,
) -> pd.DataFrame:
    """Score a model on the test trials of the sessions, exactly, next to the baselines.

    Returns one row per number: ``model, task, metric, null, aggregation, session_id, subject_id, unit_id, region,
    n_spikes, value``. Simulated sessions also get the model "oracle", which knows the true rates. A task that has
    nothing to ask of a session (one without regions, for the tasks on regions) has no rows for it.

    With ``prompt`` the model is told this one in every task, in the place of the task's own: one of the prompts that it
    was trained with, or "none".

    ``memory_mb`` bounds a batch (by default 256 on a CPU, 4096 on a GPU). ``precision`` "bfloat16" is faster on some
    devices and less exact; "auto" takes it where it pays.

    With ``groups`` the units of each of so many groups are hidden together, in the place of every unit alone, for
    co-smoothing and intra-region: faster where a session has far more units, and only approximate. The model is then
    called "mtm-20-groups", in all tasks; the baselines stay exact.

    The work is done by this process on all its threads or, with ``workers``, by so many processes of one thread each,
    or on Ray ("ray"): then the scores are the same to the bit, whatever their number.

    Raises
    ------
    SpikeglotError
        The run cannot be read; a session is unknown to it, or is not the one that it was trained on; a task, baseline
        or prompt is not known, or no task has anything to ask; ``groups`` or ``workers`` that cannot be.
    """
    _check_names(tasks, baselines)
    workers = None if workers is None else check_workers(workers)
    checkpoint = run if isinstance(run, Checkpoint) else load_run(run)
    where = "the run" if isinstance(run, Checkpoint) else f"'{run}'"
    prepared = prepare_all(sessions, checkpoint.recipe)
    check_same_sessions(checkpoint, prepared, where)
    if prompt is not None:
        check_prompt(prompt, checkpoint.recipe)
    options: dict[str, Any] = {
        "prompted": checkpoint.recipe.mask.prompted,
        "prompt": prompt or "",
        "memory_mb": memory_mb,
        "precision": precision,
        "device": device,
    }
    # workers are given the model on the CPU, and move it to a device of their own
    checkpoint.model.to(pick_device(device) if workers in (None, 1) else "cpu")
    name = "mtm" if groups is None else f"mtm-{groups}-groups"
    asked = {session_id: _asked(tasks, one, groups, checkpoint.recipe.seed) for session_id, one in prepared.items()}
    parts = (
        part
        for session_id, its in asked.items()
        if its.tasks
        for part in session_parts(
            name,
            checkpoint.model,
            prepared[session_id].counts,
            prepared[session_id].split,
            its.n_questions,
            baselines,
            tasks=its.tasks,
            group=its.group,
            **options,
        )
    )
    frames: list[pd.DataFrame] = []
    found: dict[str, list[dict[str, np.ndarray]]] = {}
    for part, predicted in do_parts(parts, workers, listen):
        found.setdefault(part.model, []).append(predicted)
        if part.is_last:
            frames += _scored(found, prepared[part.session_id], asked[part.session_id].tasks)
            found = {}
    if not frames:
        raise DataError(
            f"Nothing to score in {', '.join(tasks)}: no session has units of enough regions. "
            "Name the regions in the units table, or choose co-smoothing or forward."
        )
    return summarise_sessions(pd.concat(frames, ignore_index=True))


class _Asked(NamedTuple):
    """What is asked of a session: the tasks that have something to ask, in how many questions, of which groups."""

    tasks: list[str]
    n_questions: int
    group: Tensor | None


def _asked(tasks: Sequence[str], one: Prepared, groups: int | None, seed: int) -> _Asked:
    """Return what is asked of a session; the groups are the same whenever it is asked with the same seed."""
    counts, region = one.counts, region_codes(one.counts.regions)
    draws = generator(seed, "held-out groups", counts.session_id)
    group = None if groups is None else held_out_groups(region, groups, draws)
    n_questions = {task: len(questions(task, region, counts.n_bins, group)) for task in tasks}
    return _Asked([task for task, n in n_questions.items() if n], sum(n_questions.values()), group)


def _scored(found: dict[str, list[dict[str, np.ndarray]]], one: Prepared, tasks: list[str]) -> Iterator[pd.DataFrame]:
    """Yield the rows of the models of a session, whose predictions come in parts, and of its oracle."""
    counts, split = one.counts, one.split
    models = {
        model: {task: np.concatenate([part[task] for part in parts]) for task in tasks if task in parts[0]}
        for model, parts in found.items()
    }
    if counts.rates is not None:
        own = next(iter(models))
        oracle = oracle_predictions(counts.rates[split.test], to_tensors(counts), tasks)
        models = {own: models[own], "oracle": oracle, **models}
    for model, by_task in models.items():
        yield score_predictions(by_task, counts, split.train, split.test, model)


def _check_names(tasks: Sequence[str], baselines: Sequence[str]) -> None:
    """Make sure that every task and baseline exists, before any of them takes its time."""
    for kind, names, known in (("task", tasks, TASKS), ("baseline", baselines, tuple(BASELINES))):
        for name in names:
            if name not in known:
                raise SettingsError(f"There is no {kind} '{name}'.{did_you_mean(name, known)}")
    if not tasks:
        raise SettingsError(f"No task to score. Name some of: {', '.join(TASKS)}.")
