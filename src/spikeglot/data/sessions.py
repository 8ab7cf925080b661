"""Several recordings: load them, look at them, hold out subjects."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import overload

from spikeglot.data.session import Dropped, Session
from spikeglot.data.sources import read_recording, search
from spikeglot.data.sources.search import PathLike, joined, unusable_at
from spikeglot.data.store import PREPARED
from spikeglot.errors import DataError, did_you_mean

MAX_NOTES = 10
"""Reasons that a printed table lists below it."""


class Sessions(Sequence[Session]):
    """An immutable sequence of sessions with different ids, which prints as a table.

    ``sessions[0]`` and ``sessions["sub-Cori_ses-20161214"]`` are sessions, ``sessions[:3]`` are sessions
    again.

    Attributes
    ----------
    dropped:
        Files that were passed over when the sessions were loaded, and why: they are of other kinds.
    unusable:
        Recordings that were left out because they could not be read, and why.

    Raises
    ------
    DataError
        Two sessions with the same id.
    """

    def __init__(
        self, sessions: Iterable[Session], dropped: Iterable[Dropped] = (), unusable: Iterable[Dropped] = ()
    ) -> None:
        self._sessions = tuple(sessions)
        self.dropped = tuple(dropped)
        self.unusable = tuple(unusable)
        twins = _twins(self._sessions)
        if twins:
            raise DataError(joined(twins.values()))

    @property
    def session_ids(self) -> tuple[str, ...]:
        return tuple(session.session_id for session in self._sessions)

    @property
    def subject_ids(self) -> tuple[str, ...]:
        """Every subject once, in order of appearance."""
        return tuple(dict.fromkeys(session.subject_id for session in self._sessions))

    def __len__(self) -> int:
        return len(self._sessions)

    @overload
    def __getitem__(self, key: int | str) -> Session: ...
    @overload
    def __getitem__(self, key: slice) -> Sessions: ...
    def __getitem__(self, key: int | str | slice) -> Session | Sessions:
        if isinstance(key, slice):
            return Sessions(self._sessions[key], self.dropped, self.unusable)
        if isinstance(key, str):
            if key not in self.session_ids:
                raise DataError(f"There is no session '{key}'.{did_you_mean(key, self.session_ids)}")
            key = self.session_ids.index(key)
        return self._sessions[key]

    def hold_out_subjects(self, subject_ids: Iterable[str]) -> tuple[Sessions, Sessions]:
        """Return the sessions of all other subjects, and the sessions of these.

        Raises
        ------
        DataError
            A subject that has no session here, or nobody left on one of the sides.
        """
        held_out = [subject_ids] if isinstance(subject_ids, str) else list(subject_ids)
        for subject in held_out:
            if subject not in self.subject_ids:
                raise DataError(f"There is no subject '{subject}'.{did_you_mean(subject, self.subject_ids)}")
        left = [subject for subject in self.subject_ids if subject not in held_out]
        if not left or not held_out:
            raise DataError(
                f"Holding out {', '.join(held_out) or 'nobody'} leaves {', '.join(left) or 'nobody'}: "
                "name some of the subjects, not none and not all."
            )
        return (
            Sessions((s for s in self if s.subject_id in left), self.dropped, self.unusable),
            Sessions((s for s in self if s.subject_id not in left), self.dropped, self.unusable),
        )

    def __repr__(self) -> str:
        head = ("subject", "session", "units", "regions", "spikes", "trials")
        rows = [head, *(_row(session) for session in self._sessions)]
        widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
        lines = ["  ".join(_fit(*cell) for cell in zip(row, widths, head, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, self._total(), *self._notes()])

    def _total(self) -> str:
        n = {of: sum(getattr(session, f"n_{of}") for session in self) for of in ("units", "spikes", "trials")}
        counted = ", ".join(f"{number:,} {of}" for of, number in n.items())
        return f"{len(self)} sessions of {len(self.subject_ids)} subjects: {counted}"

    def _notes(self) -> list[str]:
        """What was left out, each reason once: the most frequent first."""
        reasons = Counter((d.kind, d.reason) for session in self for d in session.dropped).most_common()
        notes = [f"left out or mended: {n} x {kind}: {why}" for (kind, why), n in reasons[:MAX_NOTES]]
        if len(reasons) > MAX_NOTES:
            notes.append(f"... and {len(reasons) - MAX_NOTES} more reasons, in the `dropped` of the sessions")
        if self.dropped:
            notes.append(f"{len(self.dropped)} files passed over; the first: {self.dropped[0].reason}")
        if self.unusable:
            notes.append(f"{len(self.unusable)} could not be read; the first: {self.unusable[0].reason}")
        return notes


def load_sessions(
    *paths: PathLike | Iterable[PathLike],
    leave_out_unusable: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Sessions:
    """Return the sessions in files and folders of any source.

    Sessions come in the order of ``paths``, those of a folder in order of names; see
    `spikeglot.data.sources.search.search` for what is found there.

    Parameters
    ----------
    paths:
        Files and folders, one by one or as lists: NWB, ALF session folders, brainsets HDF5, ``.npz``.
    leave_out_unusable:
        Do not raise for what cannot be read, but list it in the ``unusable`` of the sessions. Of recordings with the
        same session id, all are left out: nobody knows which is meant.
    progress:
        Called as ``progress(n_done, n_total, name)`` after each recording.

    Raises
    ------
    DataError
        All problems of all files in one message: nothing there, no recordings, damaged files, files without
        units, two files with the same session id, ...
    """
    found = search(_flat(paths))
    sessions, unusable = [], list(found.unusable)
    for n, recording in enumerate(found.recordings, start=1):
        try:
            sessions.append(read_recording(recording))
        except DataError as problem:
            unusable.append(unusable_at(recording.path, problem))
        if progress is not None:
            progress(n, len(found.recordings), recording.path.name)
    twins = _twins(sessions)
    unusable += [unusable_at(session_id, problem) for session_id, problem in twins.items()]
    if unusable and not leave_out_unusable:
        raise DataError(joined(one.reason for one in unusable))
    return Sessions((s for s in sessions if s.session_id not in twins), found.skipped, unusable)


def _flat(paths: Iterable[PathLike | Iterable[PathLike]]) -> list[PathLike]:
    flat: list[PathLike] = []
    for one in paths:
        flat += [one] if isinstance(one, str | os.PathLike) else one
    return flat


def _twins(sessions: Sequence[Session]) -> dict[str, str]:
    """A sentence for every session id that several sessions share."""
    by_id: dict[str, list[str]] = {}
    for session in sessions:
        by_id.setdefault(session.session_id, []).append(_where(session))
    return {
        session_id: f"{_number(len(places))} recordings are called '{session_id}': {' and '.join(places)}. "
        "Rename one, or leave one out."
        for session_id, places in by_id.items()
        if len(places) > 1
    }


def _number(n: int) -> str:
    return "Two" if n == 2 else str(n)


def _where(session: Session) -> str:
    return session.provenance.facts.get(PREPARED) or session.provenance.path or "one in memory"


def _row(session: Session) -> tuple[str, ...]:
    n_regions = session.units["region"].nunique() if session.has_regions else 0
    return (
        session.subject_id,
        session.session_id,
        f"{session.n_units:,}",
        str(n_regions),
        f"{session.n_spikes:,}",
        f"{session.n_trials:,}",
    )


def _fit(text: str, width: int, column: str) -> str:
    """Names to the left, numbers to the right."""
    return text.ljust(width) if column in ("subject", "session") else text.rjust(width)
