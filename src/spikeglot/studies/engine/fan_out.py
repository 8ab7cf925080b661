"""Runs fan out over the workers at hand; what is done is done, whatever happens next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from spikeglot import workers as workers_file
from spikeglot.data.sessions import Sessions
from spikeglot.errors import SpikeglotError
from spikeglot.studies.engine.do_run import do_run
from spikeglot.studies.engine.run import Run


class Outcome(NamedTuple):
    """A run that is over; ``problem`` says why it has no scores, "" where it has."""

    key: str
    problem: str = ""


def fan_out(runs: Sequence[Run], sessions: Sessions, out: Path, workers: int | str) -> Iterator[Outcome]:
    """Do the runs, in any order, and yield each when it is over; ``workers`` as in `spikeglot.workers.fan_out`."""
    work = ((run, [sessions[name] for name in run.session_ids]) for run in runs)
    return workers_file.fan_out(partial(attempt, out=out), work, workers)


def attempt(work: tuple[Run, Sequence[Any]], out: Path) -> Outcome:
    """Do a run; what a user can mend is its outcome, and the other runs go on."""
    run, sessions = work
    try:
        do_run(run, sessions, out)
    except SpikeglotError as problem:
        return Outcome(run.key, str(problem))
    return Outcome(run.key)
