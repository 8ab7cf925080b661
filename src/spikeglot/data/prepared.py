"""A folder of prepared sessions: recordings of any source are turned into files once, and what is done stays done."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd

from spikeglot.data.session import Dropped, Session
from spikeglot.data.sources import read_recording, search
from spikeglot.data.sources.search import PathLike, Recording
from spikeglot.data.store import file_name, stored_dropped, stored_id_and_source, write_session
from spikeglot.errors import DataError, SettingsError
from spikeglot.events import LeftOut, Listener, Progress, silent
from spikeglot.workers import RAY, check_workers, fan_out

DROPPED = "dropped.csv"
"""Table beside the prepared sessions: what was left out of them, and which could not be prepared, with reasons."""
SLURM = "slurm"


@dataclass(frozen=True)
class Outcome:
    """What became of one recording.

    ``name`` is its session id, or its path where it could not be read. ``state`` is "prepared", "was there" (done
    before), "left out" (it does not hold what is needed) or "failed" (try again); the last two have a ``reason``.
    """

    name: str
    state: Literal["prepared", "was there", "left out", "failed"]
    path: Path | None = None
    reason: str = ""


def prepare(
    *recordings: Session | PathLike | Iterable[Session | PathLike],
    out: PathLike,
    workers: int | str = 1,
    slurm: Mapping[str, str | int] | None = None,
    listen: Listener = silent,
) -> tuple[Outcome, ...]:
    """Write every session as one brainset file ``SESSION_ID.h5`` in the folder ``out``.

    A recording whose prepared file is there and not older than itself is not read again. One that cannot be prepared
    is told to ``listen`` (`LeftOut`) and does not stop the others. ``out/dropped.csv`` lists what was left out of all
    sessions in the folder, and the recordings and files of this call that were not prepared.

    Parameters
    ----------
    recordings:
        Sessions, files and folders, one by one or as lists. Sessions are written in any case.
    out:
        Folder of the prepared sessions; those that are in it are not prepared again.
    workers:
        What reads files and folders: a number of processes; "ray", tasks on the cluster of RAY_ADDRESS or on all cores
        of this machine; or "slurm", an array of jobs, which are waited for. Recordings and ``out`` must then be on a
        disk that all machines see.
    slurm:
        What submitit is told of a job, for instance ``{"timeout_min": 60}``; logs are in the folder ``out`` + ".slurm".

    Raises
    ------
    SettingsError
        No such ``workers``, or ``slurm`` for others; Ray or submitit is not installed.
    DataError
        Nothing to prepare.
    SpikeglotError
        A process was killed.
    """
    workers = check_prepare_workers(workers, slurm)
    folder = Path(os.path.abspath(out))
    given = list(_flat(recordings))
    sessions = [one for one in given if isinstance(one, Session)]
    found = search([one for one in given if not isinstance(one, Session)]) if len(sessions) < len(given) else None
    outcomes = [Outcome(one.id, "failed", reason=one.reason) for one in found.unusable] if found else []
    for one in outcomes:
        listen(LeftOut(one.name, one.reason))
    todo, was_there = _what_is_left(found.recordings if found else (), folder)
    outcomes += was_there
    if not (outcomes or todo or sessions):
        raise DataError("Nothing to prepare: give at least one session, file or folder with recordings.")
    total = len(outcomes) + len(todo) + len(sessions)

    def note(outcome: Outcome) -> None:
        outcomes.append(outcome)
        tell(outcome, len(outcomes), total, listen)

    try:
        for session in sessions:
            note(store(lambda session=session: session, session.session_id, folder))
        with closing(_store_all(todo, folder, workers, slurm)) as others:
            for outcome in others:
                note(outcome)
    finally:
        write_dropped(folder, outcomes, found.skipped if found else ())
    return tuple(outcomes)


def tell(outcome: Outcome, done: int, total: int, listen: Listener) -> None:
    """Tell that a recording is through, and why it was not prepared."""
    if outcome.reason:
        listen(LeftOut(outcome.name, outcome.reason))
    listen(Progress("prepare", done, total, outcome.name))


def write_dropped(folder: Path, outcomes: Iterable[Outcome], skipped: Iterable[Dropped] = ()) -> None:
    """Write `DROPPED`: ``session_id, kind, id, reason`` of all sessions in the folder and of what is not there.

    ``skipped`` are files of other kinds.
    """
    rows = [
        (session_id, one.kind, one.id, one.reason)
        for path in _stored(folder)
        for session_id, dropped in [stored_dropped(path)]
        for one in dropped
    ]
    rows += [(one.name, "session", one.name, one.reason) for one in outcomes if one.reason]
    rows += [("", one.kind, one.id, one.reason) for one in skipped]
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{DROPPED}.part"
    pd.DataFrame(rows, columns=["session_id", "kind", "id", "reason"]).to_csv(part, index=False)
    os.replace(part, folder / DROPPED)


def store(read: Callable[[], Session], name: str, folder: Path) -> Outcome:
    """Read a session and write it into the folder; what is wrong with it is the outcome.

    Another session's file is never replaced.
    """
    try:
        session = read()
        path = folder / file_name(session.session_id)
        _check_free(path, session)
        return Outcome(session.session_id, "prepared", write_session(session, path))
    except (DataError, OSError) as problem:
        return Outcome(name, "failed", reason=str(problem))


def check_prepare_workers(workers: int | str, slurm: Mapping[str, str | int] | None) -> int | str:
    """Return the number of processes, "ray" or "slurm".

    Raises
    ------
    SettingsError
        None of them; options of SLURM for other workers.
    """
    if slurm and workers != SLURM:
        raise SettingsError(f"Options of SLURM ({', '.join(slurm)}) need workers {SLURM}, not {workers}.")
    return check_workers(workers, (RAY, SLURM))


def _store_all(
    todo: Sequence[Recording], folder: Path, workers: int | str, slurm: Mapping[str, str | int] | None
) -> Generator[Outcome, None, None]:
    """Yield what becomes of every recording as soon as it is known."""
    work = partial(_store_recording, folder=folder)
    if workers != SLURM:
        yield from fan_out(work, todo, 1 if len(todo) < 2 else workers, use_gpus=False, lost=_lost)
    elif todo:
        from spikeglot.launch.on_slurm import slurm_map

        logs = folder.with_name(f"{folder.name}.slurm")
        yield from slurm_map(work, todo, _lost, folder=logs, options=slurm)


def _store_recording(recording: Recording, folder: Path) -> Outcome:
    return store(lambda: read_recording(recording), str(recording.path), folder)


def _lost(recording: Recording, reason: str) -> Outcome:
    return Outcome(str(recording.path), "failed", reason=f"{recording.path}: {reason}")


def _what_is_left(recordings: Iterable[Recording], folder: Path) -> tuple[list[Recording], list[Outcome]]:
    """The recordings to read, by their absolute paths, and the outcomes of those that are done."""
    stored = _stored(folder)
    done = {}
    for path in stored:
        session_id, source = stored_id_and_source(path) or ("", "")
        done[source] = Outcome(session_id, "was there", path)
    todo, was_there = [], []
    for one in recordings:
        path = Path(os.path.abspath(one.path))
        if path in stored:
            continue
        before = done.get(str(path))
        if before is not None and before.path is not None and os.path.getmtime(path) <= os.path.getmtime(before.path):
            was_there.append(before)
        else:
            todo.append(Recording(one.source, path))
    return todo, was_there


def _stored(folder: Path) -> list[Path]:
    """The prepared sessions of a folder; files of others are passed over."""
    return [path for path in sorted(folder.glob("*.h5")) if _is_stored(path)]


def _is_stored(path: Path) -> bool:
    try:
        return stored_id_and_source(path) is not None
    except DataError:
        return False


def _check_free(path: Path, session: Session) -> None:
    if not path.exists():
        return
    there = stored_id_and_source(path)
    if there is None:
        raise DataError(f"{path} is there and no prepared session: it is not replaced. Choose another folder.")
    sources = (there[1], session.provenance.path)
    if there[0] != session.session_id or (all(sources) and sources[0] != sources[1]):
        raise DataError(
            f"Two recordings would be {path}: '{there[0]}' from {there[1] or 'memory'} and '{session.session_id}' from "
            f"{session.provenance.path or 'memory'}. Rename one, leave one out, or choose another folder."
        )


def _flat(recordings: Iterable[Session | PathLike | Iterable[Session | PathLike]]) -> Iterator[Session | PathLike]:
    for one in recordings:
        if isinstance(one, Session | str | os.PathLike):
            yield one
        else:
            yield from one
