"""ALF session folders, as ONE keeps them: ``[lab/Subjects/]subject/yyyy-mm-dd/001``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from spikeglot.data.session import Dropped, Provenance, Session, Trace, make_session
from spikeglot.data.sources.alf_files import Objects, is_alf_session, list_objects, load_object
from spikeglot.data.sources.alf_probe import choose_sortings, read_probe
from spikeglot.data.sources.traces import checked_traces
from spikeglot.data.sources.wheel import wheel_speed
from spikeglot.errors import DataError

WHEEL = "wheel_position"
TRACES = {
    "wheel": (WHEEL, "position", "timestamps"),
    "leftCamera": ("motion_energy_left", "ROIMotionEnergy", "times"),
    "rightCamera": ("motion_energy_right", "ROIMotionEnergy", "times"),
    "bodyCamera": ("motion_energy_body", "ROIMotionEnergy", "times"),
}
"""ALF objects that are continuous behaviour: name of the trace, attribute of its values and of its times."""


def read_alf(path: str | Path, files: Iterable[Path] | None = None) -> Session:
    """Return the session in an ALF session folder; with ``files``, from these files of it only.

    - ``session_id``: ``lab/subject/yyyy-mm-dd/001`` (without the lab where the path does not name it).
    - ``units``: the clusters of all probes, also those without spikes, as ``probe00:12``; with ``region``
      (the Allen acronym of the cluster's channel), ``probe``, ``channel``, ``depth_um`` along the probe,
      ``uuid``, and the columns of ``clusters.metrics``. Of a probe that was sorted more than once one sorting
      is read; the others are listed in ``dropped``.
    - ``trials``: the trials table with the names of ALF (``stimOn_times``, ``intervals_0``, ...); several
      tables come one below the other, with their collection in the column ``table``.
    - ``behaviour``: ``wheel_position`` in rad and ``wheel_speed`` in rad/s (`wheel_speed`), and
      ``motion_energy_left``, ``_right``, ``_body``, where they are.
    - ``recorded_s``: None, as ALF does not say.

    Raises
    ------
    DataError
        ONE-api or iblatlas is not installed, no spikes, files that do not fit together, or whatever
        `make_session` refuses.
    """
    path = Path(os.path.abspath(path))
    if not is_alf_session(path):
        raise DataError(f"{path} is not an ALF session folder: its name must end in subject/yyyy-mm-dd/001.")
    objects = list_objects(path, files)
    chosen, not_used = choose_sortings([collection for collection, name in objects if name == "spikes"])
    if not chosen:
        raise DataError(
            f"{path} has no spikes. Download spikes, clusters and channels of this session, or leave it out."
        )
    probes = [read_probe(name, where, objects) for name, where in chosen.items()]
    first_row = np.cumsum([0] + [len(units) for _, _, units in probes])
    behaviour, dropped = checked_traces(_behaviour(objects))
    speeds, no_speeds = _wheel_speeds(behaviour)
    session_parts = _session_parts(path)
    return make_session(
        session_id="/".join(session_parts),
        subject_id=session_parts[-3],
        spike_times_s=np.concatenate([times_s for times_s, _, _ in probes]),
        spike_unit=np.concatenate([rows + first for (_, rows, _), first in zip(probes, first_row, strict=False)]),
        units=pd.concat([units for _, _, units in probes]),
        trials=_trials(objects, path),
        behaviour=behaviour | speeds,
        provenance=Provenance("alf", str(path), MappingProxyType({"sortings": ", ".join(chosen.values())})),
        dropped=(*(Dropped("unit", where, reason) for where, reason in not_used.items()), *dropped, *no_speeds),
    )


def _session_parts(path: Path) -> tuple[str, ...]:
    from one.alf.path import ALFPath

    return tuple(part for part in ALFPath(path).session_parts if part)


def _trials(objects: Objects, path: Path) -> pd.DataFrame | None:
    found = {where: load_object(files) for (where, name), files in objects.items() if name == "trials"}
    tables = {where: _table(trials, path / where) for where, trials in found.items()}
    if len(tables) > 1:
        return pd.concat([t.assign(table=where) for where, t in tables.items()], ignore_index=True)
    return next(iter(tables.values()), None)


def _table(trials: dict[str, Any], folder: Path) -> pd.DataFrame:
    """The trials table and the attributes in files of their own; (trial, k) arrays as ``name_0``, ..."""
    table = trials.get("table", pd.DataFrame())
    columns = {str(name): column.to_numpy() for name, column in table.items()}
    for name, values in trials.items():
        values = np.asarray(values)
        if name == "table" or f"{name}_0" in columns:
            continue
        parts = {name: values} if values.ndim == 1 else {f"{name}_{k}": v for k, v in enumerate(values.T)}
        for part, column in parts.items():
            columns.setdefault(part, column)
    if len({len(values) for values in columns.values()}) > 1:
        lengths = ", ".join(f"{name} {len(values)}" for name, values in columns.items())
        raise DataError(f"The trials in {folder} are not equally long ({lengths}). Download them again.")
    return pd.DataFrame(columns)


def _wheel_speeds(behaviour: Mapping[str, Trace]) -> tuple[dict[str, Trace], list[Dropped]]:
    """The speed of every wheel, and of which there is none."""
    speeds, dropped = {}, []
    for name in behaviour:
        if name.endswith(WHEEL):
            speed_name = name.removesuffix(WHEEL) + "wheel_speed"
            speed = wheel_speed(behaviour[name])
            if speed is None:
                dropped.append(Dropped("trace", speed_name, f"{name} is NaN somewhere, or too short or too long"))
            else:
                speeds[speed_name] = speed
    return speeds, dropped


def _behaviour(objects: Objects) -> Iterator[tuple[str, Any, Any]]:
    """Every trace as (name, times in seconds, values); a second of its kind with its collection in front."""
    from one.alf.io import ts2vec

    seen: set[str] = set()
    for (collection, kind), files in objects.items():
        if kind not in TRACES:
            continue
        name, attribute, clock = TRACES[kind]
        found = load_object(files, {attribute, clock})
        if attribute in found:
            times_s = ts2vec(found.get(clock, np.array([])), len(found[attribute]))  # two rows are two sync points
            yield f"{collection}.{name}" if name in seen else name, times_s, found[attribute]
            seen.add(name)
