"""The units of an NWB file: spikes, regions, probes, and when they were observed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spikeglot.data.session import UNKNOWN_REGION, Dropped
from spikeglot.data.sources.intervals import union_of_intervals
from spikeglot.data.sources.tables import REGION_COLUMNS, decoded, find_regions, region_names
from spikeglot.errors import DataError


def read_spikes(nwb: Any, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return (spike,) times of all spikes in seconds, and (spike,) rows of the units that fired them.

    The flat columns of the file are read once, so that the time does not depend on the number of units.
    """
    units = nwb.units
    if units is None or len(units) == 0 or "spike_times" not in units.colnames:
        what = "no units table" if units is None else "no units" if len(units) == 0 else "units without spike times"
        raise DataError(
            f"{path} has {what}. Give a file with spike-sorted units; in a DANDI set those are the files "
            "whose name holds 'ecephys'."
        )
    ends = np.asarray(units.spike_times_index.data[:], dtype=np.int64)
    n_spikes = np.diff(ends, prepend=0)
    return np.asarray(units.spike_times.data[:], dtype=np.float64), np.repeat(np.arange(len(ends)), n_spikes)


def read_recorded(nwb: Any) -> tuple[np.ndarray | None, tuple[Dropped, ...]]:
    """Return the union of all ``obs_intervals`` (interval, 2) in seconds, and a note where units differ."""
    units = nwb.units
    if "obs_intervals" not in units.colnames:
        return None, ()
    intervals = np.asarray(units.obs_intervals.data[:], dtype=np.float64).reshape(-1, 2)
    n_each = np.diff(np.asarray(units.obs_intervals_index.data[:], dtype=np.int64), prepend=0)
    if len(intervals) == 0:
        return None, ()
    if (n_each == n_each[0]).all():
        per_unit = intervals.reshape(len(n_each), n_each[0], 2)
        if (per_unit == per_unit[0]).all():
            return union_of_intervals(per_unit[0]), ()
    reason = "units were observed at different times; the session counts as recorded whenever one of them was"
    return union_of_intervals(intervals), (Dropped("unit", "obs_intervals", reason),)


def read_units(nwb: Any) -> pd.DataFrame:
    """Return the table of units, indexed by the ids of the file, with its columns of one value per unit."""
    units = nwb.units
    columns = _plain_columns(units)
    sources = (columns, _of_electrodes(nwb), _of_groups(units))
    regions = next((found for source in sources if (found := find_regions(source)) is not None), None)
    probes = next((source["probe"] for source in sources if "probe" in source), None)
    if probes is not None:
        columns["probe"] = probes
    columns["region"] = np.full(len(units), UNKNOWN_REGION, dtype=object) if regions is None else regions
    return pd.DataFrame(columns, index=units.id.data[:])


def _plain_columns(units: Any) -> dict[str, np.ndarray]:
    """The columns with one number or text per unit: no lists, no links, no waveforms."""
    from hdmf.common import DynamicTableRegion, VectorIndex

    columns = {}
    for name in units.colnames:
        column = units[name]
        if name == "electrode_group" or isinstance(column, (VectorIndex, DynamicTableRegion)):
            continue
        values = decoded(np.asarray(column[:]))
        if values.ndim == 1:
            columns[name] = values
    return columns


def _of_groups(units: Any) -> dict[str, np.ndarray]:
    """Location and name of each unit's electrode group."""
    if "electrode_group" not in units.colnames:
        return {}
    groups = list(units["electrode_group"].data[:])
    return {
        "location": np.array([group.location for group in groups], dtype=object),
        "probe": np.array([group.name for group in groups], dtype=object),
    }


def _of_electrodes(nwb: Any) -> dict[str, np.ndarray]:
    """What the electrodes of each unit say about its region and probe: per unit the most frequent value."""
    owners, rows = _electrodes_of_units(nwb)
    if len(owners) == 0:
        return {}
    electrodes = nwb.electrodes
    names = [name for name in (*REGION_COLUMNS, "group_name") if name in electrodes.colnames]
    found = {n: _most_frequent(owners, region_names(electrodes[n][:])[rows], len(nwb.units)) for n in names}
    if "group_name" in found:
        found["probe"] = found.pop("group_name")
    return found


def _electrodes_of_units(nwb: Any) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of (row of a unit, row of one of its electrodes), as two (pair,) arrays."""
    from hdmf.common import VectorIndex

    units, nothing = nwb.units, np.array([], dtype=np.int64)
    if nwb.electrodes is None:
        return nothing, nothing
    if "electrodes" in units.colnames:
        column = units["electrodes"]
        if not isinstance(column, VectorIndex):
            return np.arange(len(units)), np.asarray(column.data[:])
        n_each = np.diff(np.asarray(column.data[:], dtype=np.int64), prepend=0)
        return np.repeat(np.arange(len(units)), n_each), np.asarray(column.target.data[:])
    if "peak_channel_id" in units.colnames:  # the Allen Institute's files
        rows = pd.Index(nwb.electrodes.id.data[:]).get_indexer(units["peak_channel_id"][:])
        return np.flatnonzero(rows >= 0), rows[rows >= 0]
    return nothing, nothing


def _most_frequent(owners: np.ndarray, values: np.ndarray, n_units: int) -> np.ndarray:
    """(unit,) the most frequent known value among the pairs of each unit; of equals the first."""
    pairs = pd.DataFrame({"unit": owners, "value": values})
    known = pairs[pairs["value"] != UNKNOWN_REGION]
    n = known.groupby(["unit", "value"], sort=False).size().to_frame("n").reset_index()
    top = n.sort_values("n", ascending=False, kind="stable").drop_duplicates("unit").set_index("unit")
    return top["value"].reindex(range(n_units), fill_value=UNKNOWN_REGION).to_numpy(dtype=object)
