"""Brainsets / temporaldata HDF5, the format of torch_brain: read with h5py alone, only what is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np
import pandas as pd

from spikeglot.data.session import Provenance, Session, make_session
from spikeglot.data.sources.hdf5 import open_hdf5
from spikeglot.data.sources.tables import decoded, find_regions
from spikeglot.data.sources.traces import checked_traces
from spikeglot.data.store import OURS, read_stored
from spikeglot.errors import DataError

NOT_BEHAVIOUR = ("spikes", "units", "trials", "session", "subject", "device", "brainset", "domain")
"""Groups of a brainset that never hold behaviour."""


def read_brainset(path: str | Path) -> Session:
    """Return the session of a brainset file.

    - ``session_id``: ``session.id``, else the name of the file; ``subject_id``: ``subject.id``, else the
      session id.
    - ``units``: the arrays of ``units`` with one value per unit, indexed by ``units.id``; ``region`` from the
      first known column of `spikeglot.data.sources.tables.REGION_COLUMNS`.
    - ``trials``: the columns of the interval ``trials`` (``start``, ``end``, ...); empty without it.
    - ``recorded_s``: the domain of ``spikes``, else of the file.
    - ``behaviour``: every array of every time series but the spikes, named ``series.array``
      (``cursor.velocity``). Samples in the gaps of a regular series are left out. Text is coded as the number
      of its category in alphabetical order; ``provenance.facts`` has the categories.

    A file that `spikeglot.data.store.write_session` wrote gives the session that it was written from.

    Raises
    ------
    DataError
        A damaged file, one without units or spikes, or whatever `make_session` refuses.
    """
    path = Path(path)
    with open_hdf5(path) as opened:
        file: Any = opened
        if OURS in file:
            return read_stored(file, path)
        _check_parts(file, path)
        session_id = str(_attribute(file, "session", "id") or path.stem)
        series, categories = _coded(_series(file))
        behaviour, dropped = checked_traces(series)
        return make_session(
            session_id=session_id,
            subject_id=str(_attribute(file, "subject", "id") or session_id),
            spike_times_s=file["spikes/timestamps"][:],
            spike_unit=file["spikes/unit_index"][:],
            units=_units(file["units"]),
            trials=_trials(file),
            behaviour=behaviour,
            recorded_s=_recorded(file),
            provenance=Provenance("brainset", str(path), MappingProxyType(_facts(file) | categories)),
            dropped=dropped,
        )


def _check_parts(file: Any, path: Path) -> None:
    missing = [part for part in ("units", "spikes/timestamps", "spikes/unit_index") if part not in file]
    if missing:
        raise DataError(
            f"{path} has no {' and no '.join(missing)}; it holds {', '.join(file)}. "
            "Give a brainset with spike-sorted units."
        )


def _units(group: Any) -> pd.DataFrame:
    """The arrays with one value per unit; without ids the units are numbered."""
    columns = {name: decoded(data[:]) for name, data in _arrays(group) if data.ndim == 1}
    ids = columns.pop("id", None)
    units = pd.DataFrame(columns, index=ids)
    regions = find_regions(columns)
    return units if regions is None else units.assign(region=regions)


def _trials(file: Any) -> pd.DataFrame:
    """The interval ``trials``, with one column per column of its two-dimensional arrays."""
    if "trials" not in file:
        return pd.DataFrame()
    columns = {}
    for name, data in _arrays(file["trials"]):
        values = decoded(data[:])
        if values.ndim == 1:
            columns[name] = values
        elif values.ndim == 2:
            columns |= {f"{name}_{k}": values[:, k] for k in range(values.shape[1])}
    return pd.DataFrame({"start": columns.pop("start"), "end": columns.pop("end")} | columns)


def _recorded(file: Any) -> np.ndarray | None:
    for place in ("spikes/domain", "domain"):
        if place in file:
            return np.column_stack([file[place]["start"][:], file[place]["end"][:]])
    return None


def _series(group: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every array of every time series below ``group`` as (name, times in seconds, open dataset)."""
    for name, thing in group.items():
        if not isinstance(thing, h5py.Group) or (not prefix and name in NOT_BEHAVIOUR):
            continue
        kind = thing.attrs.get("object")
        if kind == "Data":
            yield from _series(thing, f"{prefix}{name}.")
        elif kind == "IrregularTimeSeries":
            yield from ((f"{prefix}{name}.{key}", thing["timestamps"], data) for key, data in _arrays(thing))
        elif kind == "RegularTimeSeries":
            yield from (
                (f"{prefix}{name}.{key}", _regular_times(thing, len(data)), data) for key, data in _arrays(thing)
            )


def _arrays(group: Any) -> Iterator[tuple[str, Any]]:
    """The arrays of a temporaldata object, without its time axis and index."""
    for name, data in group.items():
        if isinstance(data, h5py.Dataset) and name != "timestamps" and not name.startswith("timestamp_indices"):
            yield name, data


def _regular_times(group: Any, n: int) -> np.ndarray:
    """(sample,) times in seconds, NaN for samples that only fill a gap between intervals of the domain."""
    start, end = group["domain"]["start"][:], group["domain"]["end"][:]
    step = 1.0 / group.attrs["sampling_rate"]
    times_s = start[0] + np.arange(n) * step
    middle = times_s + step / 2  # intervals begin and end on samples; half a sample away rounding cannot matter
    inside = middle < end[np.maximum(np.searchsorted(start, middle, side="right") - 1, 0)]
    return np.where(inside, times_s, np.nan)


def _coded(series: Iterator[tuple[str, Any, Any]]) -> tuple[list[tuple[str, Any, Any]], dict[str, str]]:
    """Text arrays as numbers of their categories, and by name what the numbers mean."""
    out, categories = [], {}
    for name, times_s, values in series:
        if values.dtype.kind in "SO":
            names, values = np.unique(decoded(values[:]).astype(str), return_inverse=True)
            categories[name] = ", ".join(f"{code} = {label}" for code, label in enumerate(names))
        out.append((name, times_s, values))
    return out, categories


def _attribute(file: Any, group: str, name: str) -> Any:
    return file[group].attrs.get(name) if group in file else None


def _facts(file: Any) -> dict[str, str]:
    """Every attribute of the descriptions, as ``subject.species`` and the like."""
    return {
        f"{group}.{name}": str(value)
        for group in ("brainset", "subject", "session", "device")
        if group in file
        for name, value in file[group].attrs.items()
        if name not in ("object", "absolute_start", "temporaldata_version")
    }
