"""The repeated site of the IBL as prepared sessions: downloaded and stored one by one, and resumable."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from spikeglot.data.ibl.release import BASE_URL, TAG, Released, connect, download, needed_of, released_sessions
from spikeglot.data.prepared import Outcome, store, tell, write_dropped
from spikeglot.data.session import UNKNOWN_REGION, Dropped, Session
from spikeglot.data.sources.alf import read_alf
from spikeglot.data.sources.search import PathLike
from spikeglot.data.store import file_name, stored_id_and_source
from spikeglot.errors import DataError, did_you_mean
from spikeglot.events import Listener, Progress, silent

STIMULUS = "stimOn_times"
NO_REGION = (UNKNOWN_REGION, "void")
"""Of a unit whose place is not known, and of one outside the brain."""


def prepare_ibl_repeated_site(
    *,
    out: PathLike,
    one: Any = None,
    sessions: int | Sequence[str] | None = None,
    base_url: str = BASE_URL,
    cache_dir: PathLike | None = None,
    listen: Listener = silent,
) -> tuple[Outcome, ...]:
    """Download the sessions of the repeated site through ONE, and write each as one brainset file in ``out``.

    Only what is needed is downloaded: spikes, clusters, channels, trials, wheel, and the motion energy of the side
    cameras, of the probes that the release `TAG` has. Sessions that are there are skipped; one that fails does not stop
    the others. Units without a region and trials without a stimulus onset are left out. ``out/dropped.csv`` lists all
    that was left out, with the reason.

    Parameters
    ----------
    out:
        Folder of the prepared sessions, named ``lab_subject_yyyy-mm-dd_001.h5``.
    one:
        A ONE instance to use, remote or local; else one for ``base_url`` that keeps its files in ``cache_dir``
        (default: where ONE keeps them).
    sessions:
        How many, in order of their ids; or which, by the ids of ONE or of spikeglot. Default: all.

    Raises
    ------
    DataError
        The server cannot be reached; it does not have the release; a session that the release does not have.
    """
    one = connect(base_url, None if cache_dir is None else Path(cache_dir)) if one is None else one
    chosen = choose_sessions(released_sessions(one), sessions)
    folder = Path(os.path.abspath(out))
    outcomes: list[Outcome] = []
    try:
        for n, released in enumerate(chosen):
            listen(Progress("prepare", n, len(chosen), released.session_id))
            outcomes.append(_one_session(one, released, folder))
            tell(outcomes[-1], n + 1, len(chosen), listen)
    finally:
        write_dropped(folder, outcomes)
    return tuple(outcomes)


def choose_sessions(released: Sequence[Released], wanted: int | Sequence[str] | None) -> list[Released]:
    """Return the first ``wanted`` sessions, or those with these ids; raises DataError for an id that is not there."""
    if wanted is None:
        return list(released)
    if isinstance(wanted, int):
        if wanted < 1:
            raise DataError(f"{wanted} sessions are none: give 1 or more, or their ids.")
        return list(released[:wanted])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    by_id = {name: session for session in released for name in session}
    for name in wanted:
        if name not in by_id:
            close = did_you_mean(name, by_id) if len(by_id) <= 20 else did_you_mean(name, by_id).partition(" Known")[0]
            raise DataError(f"The release {TAG} has no session '{name}'; it has {len(released)} sessions.{close}")
    return list(dict.fromkeys(by_id[name] for name in wanted))


def _one_session(one: Any, released: Released, folder: Path) -> Outcome:
    path = folder / file_name(released.session_id)
    try:
        if path.exists() and (stored_id_and_source(path) or ("",))[0] == released.session_id:
            return Outcome(released.session_id, "was there", path)
        needed = needed_of(one, released.eid)
        if needed.problem:
            return Outcome(released.session_id, "left out", reason=needed.problem)
        files = download(one, released.eid, needed)
    except Exception as error:  # ONE raises whatever the server or a broken file makes it run into
        return Outcome(released.session_id, "failed", reason=f"{type(error).__name__}: {error}")
    return store(lambda: usable_part(_read(files, released, needed.dropped)), released.session_id, folder)


def _read(files: Sequence[Path], released: Released, dropped: Sequence[Dropped]) -> Session:
    from one.alf.path import ALFPath

    folder: Any = ALFPath(files[0]).session_path()
    session = read_alf(folder, files)
    facts = {**session.provenance.facts, "release": TAG, "eid": released.eid}
    return replace(
        session,
        session_id=released.session_id,
        provenance=replace(session.provenance, facts=MappingProxyType(facts)),
        dropped=(*dropped, *session.dropped),
    )


def usable_part(session: Session) -> Session:
    """Return the session without units that have no region and trials that have no stimulus onset, all listed.

    Raises
    ------
    DataError
        No unit or no trial is left.
    """
    has_region = ~session.units["region"].isin(NO_REGION).to_numpy()
    if STIMULUS not in session.trials:
        raise DataError(f"The trials have no column {STIMULUS}; they have {', '.join(map(str, session.trials))}.")
    has_stimulus = session.trials[STIMULUS].notna().to_numpy()
    if not has_region.any() or not has_stimulus.any():
        raise DataError(f"No {'unit has a region' if not has_region.any() else 'trial has a stimulus onset'}.")
    spike_kept = has_region[session.spike_unit]
    new_row = np.cumsum(has_region) - 1
    dropped = [
        Dropped("unit", str(name), "no region, or outside the brain") for name in session.units.index[~has_region]
    ]
    dropped += [Dropped("trial", str(n), f"no {STIMULUS}") for n in np.flatnonzero(~has_stimulus)]
    return replace(
        session,
        spike_times_s=session.spike_times_s[spike_kept],
        spike_unit=new_row[session.spike_unit[spike_kept]].astype(np.int32),
        units=session.units[has_region],
        trials=session.trials[has_stimulus].reset_index(drop=True),
        dropped=(*session.dropped, *dropped),
    )
