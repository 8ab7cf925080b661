"""An evaluation in parts that know nothing of each other: some trials of a session for the model, or a baseline.

The parts are the same on any number of workers, and so, to the bit, is what comes of them where every worker has one
thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from spikeglot.batch import to_tensors
from spikeglot.data.counts import Counts
from spikeglot.data.splits import Split
from spikeglot.device import pick_device
from spikeglot.evaluation.baselines import run_baselines
from spikeglot.evaluation.exact import predict_tasks
from spikeglot.events import Event, Listener, Progress, silent
from spikeglot.models.mtm import MtM
from spikeglot.workers import fan_out, one_thread

TRIALS = 16
"""Trials of a part: few enough that one session is work for several workers."""

Work = Callable[[Listener], dict[str, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Part:
    """What a worker does: ``work`` predicts for ``model`` and reports its progress.

    It is number ``before`` to ``before + size`` of ``total`` in its ``stage`` of the session. ``is_last`` is the last
    part of a session.
    """

    session_id: str
    model: str
    stage: str
    before: int
    size: int
    total: int
    work: Work
    is_last: bool = False

    def told(self, done: int, detail: str) -> Progress:
        """Return the event that ``done`` of this part is done."""
        return Progress(self.stage, self.before + done, self.total, f"{self.session_id} {detail}")


def session_parts(
    name: str,
    model: MtM,
    counts: Counts,
    split: Split,
    n_questions: int,
    baselines: Sequence[str],
    **options: Any,
) -> Iterator[Part]:
    """Yield the parts of a session: its test trials for ``model``, in order, called ``name``, then each baseline.

    ``n_questions`` are asked of every trial; ``options`` are those of `predict_part`.
    """
    own, n_trials = model.only(counts.session_id), len(split.test)
    parts = []
    for start in range(0, n_trials, TRIALS):
        some = split.test[start : start + TRIALS]
        work = partial(predict_part, own, counts.take_trials(some), **options)
        sizes = (start * n_questions, len(some) * n_questions, n_trials * n_questions)
        parts.append(Part(counts.session_id, name, "evaluate", *sizes, work))
    for number, baseline in enumerate(baselines):
        work = partial(baseline_part, counts, split, baseline)
        parts.append(Part(counts.session_id, baseline, "baselines", number, 1, len(baselines), work))
    yield from parts[:-1]
    yield replace(parts[-1], is_last=True)


def predict_part(
    model: MtM, counts: Counts, listen: Listener, *, device: str = "auto", group: Tensor | None = None, **options: Any
) -> dict[str, np.ndarray]:
    """Return what `predict_tasks` does of all trials of ``counts``."""
    model.to(pick_device(device))
    trials = np.arange(counts.n_trials)
    return predict_tasks(model, to_tensors(counts), trials, group=group, listen=listen, **options)


def baseline_part(counts: Counts, split: Split, name: str, listen: Listener) -> dict[str, np.ndarray]:
    """Return the predictions of a baseline by task."""
    found = run_baselines(counts, split, [name])[name]
    listen(Progress("baselines", 1, 1, f"{counts.session_id} {name}"))
    return found


def do_parts(
    parts: Iterable[Part], workers: int | str | None, listen: Listener
) -> Iterator[tuple[Part, dict[str, np.ndarray]]]:
    """Yield every part with what it predicts by task, in order.

    Without ``workers`` they are done here, on all threads; 1: here, on one; more, or "ray": as in
    `spikeglot.workers.fan_out`.
    """
    if workers in (None, 1):
        with one_thread() if workers else nullcontext():
            yield from ((part, do_part(part, listen)) for part in parts)
        return
    for part, found in fan_out(do_alone, parts, workers, in_order=True):  # type: ignore[arg-type]
        listen(part.told(part.size, part.model))
        yield part, found


def do_part(part: Part, listen: Listener) -> dict[str, np.ndarray]:
    """Do a part and report its progress as that of the session."""

    def tell(event: Event) -> None:
        assert isinstance(event, Progress)
        listen(replace(event, done=part.before + event.done, total=part.total))

    return part.work(tell)


def do_alone(part: Part) -> tuple[Part, dict[str, np.ndarray]]:
    """Do a part in a process of its own; the work itself does not travel back."""
    with one_thread():
        return replace(part, work=_nothing), part.work(silent)


def _nothing(listen: Listener) -> dict[str, np.ndarray]:
    return {}
