"""Prepared sessions: a session as one brainsets / temporaldata HDF5 file, and back again with nothing lost."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np
import pandas as pd

from spikeglot.data.session import Dropped, Provenance, Session, Trace, make_session
from spikeglot.data.sources.hdf5 import array_in, open_hdf5, read_array
from spikeglot.data.sources.tables import decoded
from spikeglot.data.stored_array import StoredArray
from spikeglot.data.stored_tables import (
    free_keys,
    read_table,
    span_s,
    write_arrays,
    write_data,
    write_domain,
    write_series,
    write_table,
)
from spikeglot.errors import DataError

FORMAT = 1
"""Number of the layout of what is ours in the file; another number is refused."""
OURS = "spikeglot"
"""Group with what temporaldata has no place for: where the session came from, what was left out, exact names."""
ENDS = (("start", "end"), ("start_time", "stop_time"), ("intervals_0", "intervals_1"))
"""Columns that may be the start and end of a trial; the first pair that is known for all trials."""
PREPARED = "prepared"
"""Fact of the provenance of a session that was read back: the prepared file."""


def file_name(session_id: str) -> str:
    """Return the name of the file of a session.

    >>> file_name("lab/mouse 1/2020-01-31/001")
    'lab_mouse_1_2020-01-31_001.h5'
    """
    return re.sub(r"[^\w.+-]", "_", session_id) + ".h5"


def write_session(session: Session, path: str | Path) -> Path:
    """Write a session as a brainset file, which is there complete or not at all; return its path.

    `torch_brain.data.Data` opens it, and `spikeglot.load_sessions` returns an equal session. Units are an
    ``ArrayDict``; trials an ``Interval`` where `ENDS` are known, else an ``ArrayDict``; every trace is the series
    ``values`` in ``behaviour``. Where the session does not say what was recorded, the domain is from the first to the
    last spike.

    Raises
    ------
    DataError
        A column of a table holds neither numbers nor text.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with h5py.File(part, "w") as file:
            _write(file, session)
        os.replace(part, path)
    except DataError as problem:
        raise DataError(f"Cannot store session '{session.session_id}': {problem}") from problem
    finally:
        part.unlink(missing_ok=True)
    return path


def _write(file: Any, session: Session) -> None:
    recorded_s = span_s(session.spike_times_s) if session.recorded_s is None else session.recorded_s
    write_data(file)
    write_domain(file, recorded_s)
    write_data(file.create_group("session"), id=session.session_id)
    write_data(file.create_group("subject"), id=session.subject_id)
    write_series(file.create_group("spikes"), session.spike_times_s, recorded_s, unit_index=session.spike_unit)
    ids = {"id": session.units.index.to_numpy(object)}
    about = {
        "format": FORMAT,
        "source": session.provenance.source,
        "path": session.provenance.path,
        "facts": {name: fact for name, fact in session.provenance.facts.items() if name != PREPARED},
        "recorded": session.recorded_s is not None,
        "units": write_table(file.create_group("units"), "ArrayDict", session.units, ids),
        "trials": _write_trials(file, session.trials),
        "behaviour": _write_behaviour(file, session),
    }
    ours = write_data(file.create_group(OURS))
    ours.create_dataset("about", data=[json.dumps(about)], dtype=h5py.string_dtype())
    fields = ("kind", "id", "reason")
    dropped = {name: np.array([getattr(one, name) for one in session.dropped], dtype=object) for name in fields}
    write_arrays(ours.create_group("dropped"), "ArrayDict", dropped)


def _write_trials(file: Any, trials: pd.DataFrame) -> list[dict[str, Any]]:
    if trials.columns.empty:
        return []
    group = file.create_group("trials")
    ends = next((pair for pair in ENDS if set(pair) <= set(trials) and _are_known(trials.loc[:, list(pair)])), None)
    if ends is None:
        return write_table(group, "ArrayDict", trials, {})
    times = {key: trials[name].to_numpy(np.float64) for key, name in zip(("start", "end"), ends, strict=True)}
    return write_table(group, "Interval", trials, times, times)


def _are_known(columns: pd.DataFrame) -> bool:
    numbers = columns.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return bool(np.isfinite(numbers).all())


def _write_behaviour(file: Any, session: Session) -> dict[str, str]:
    """Write every trace, and return their keys by name."""
    keys = free_keys(session.behaviour)
    if keys:
        group = write_data(file.create_group("behaviour"))
        spans = [span_s(trace.times_s) for trace in session.behaviour.values()]
        write_domain(group, np.array([[min(s[0, 0] for s in spans), max(s[0, 1] for s in spans)]]))
        for name, trace in session.behaviour.items():
            write_series(group.create_group(keys[name]), trace.times_s, span_s(trace.times_s), values=trace.values)
    return keys


def read_stored(file: Any, path: Path) -> Session:
    """Return the session of an open file that `write_session` wrote; its fact `PREPARED` is the file.

    Spikes and traces are not read but stay in the file (`StoredArray`) until they are asked for.

    Raises
    ------
    DataError
        A file of another format, or one that lacks parts.
    """
    about = _about(file, path)
    try:
        times_s, unit = array_in(file, "spikes/timestamps"), array_in(file, "spikes/unit_index")
        are_ours = _are_mapped_spikes(times_s, unit)
        session = make_session(
            session_id=str(file["session"].attrs["id"]),
            subject_id=str(file["subject"].attrs["id"]),
            spike_times_s=np.zeros(0) if are_ours else read_array(file, "spikes/timestamps"),
            spike_unit=np.zeros(0, np.int32) if are_ours else read_array(file, "spikes/unit_index"),
            units=read_table(file["units"], about["units"], decoded(read_array(file, "units/id"))),
            trials=read_table(file["trials"], about["trials"]) if about["trials"] else None,
            behaviour={
                name: Trace(array_in(file, f"behaviour/{key}/timestamps"), array_in(file, f"behaviour/{key}/values"))
                for name, key in about["behaviour"].items()
            },
            recorded_s=_intervals(file["spikes/domain"]) if about["recorded"] else None,
            provenance=Provenance(
                about["source"], about["path"], MappingProxyType(about["facts"] | {PREPARED: str(path)})
            ),
            dropped=_dropped(file),
        )
    except KeyError as error:
        raise DataError(f"{path} is not complete ({error}). Prepare the session again.") from error
    return replace(session, spike_times_s=times_s, spike_unit=unit) if are_ours else session


def _are_mapped_spikes(times_s: Any, unit: Any) -> bool:
    """Whether spikes can stay in the file as they are.

    They were a session's when they were written, and `spikeglot.data.binning.bin_spikes` checks them when it counts
    them: here they are not looked at.
    """
    return (
        isinstance(times_s, StoredArray)
        and isinstance(unit, StoredArray)
        and times_s.shape == unit.shape
        and (times_s.dtype, unit.dtype) == (np.float64, np.int32)
    )


def _intervals(group: Any) -> np.ndarray:
    return np.column_stack([read_array(group, "start"), read_array(group, "end")])


def stored_id_and_source(path: Path) -> tuple[str, str] | None:
    """Return the session id and the original path of a prepared file; None where it is not one."""
    with open_hdf5(path) as opened:
        file: Any = opened
        return (str(file["session"].attrs["id"]), _about(file, path)["path"]) if OURS in file else None


def stored_dropped(path: Path) -> tuple[str, tuple[Dropped, ...]]:
    """Return the session id of a prepared file, and what its session left out."""
    with open_hdf5(path) as opened:
        file: Any = opened
        return str(file["session"].attrs["id"]), _dropped(file)


def _about(file: Any, path: Path) -> dict[str, Any]:
    about = json.loads(read_array(file, f"{OURS}/about")[0])
    if about["format"] != FORMAT:
        raise DataError(
            f"{path} was written by another version of spikeglot (format {about['format']}, this one reads {FORMAT}). "
            "Prepare the session again, or use that version."
        )
    return about


def _dropped(file: Any) -> tuple[Dropped, ...]:
    columns = (decoded(read_array(file, f"{OURS}/dropped/{name}")) for name in ("kind", "id", "reason"))
    return tuple(Dropped(*map(str, row)) for row in zip(*columns, strict=True))
