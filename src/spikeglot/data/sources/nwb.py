"""NWB files: any file with a units table, read through pynwb."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from spikeglot.data.session import Provenance, Session, make_session
from spikeglot.data.sources.hdf5 import open_hdf5
from spikeglot.data.sources.nwb_behaviour import read_behaviour
from spikeglot.data.sources.nwb_units import read_recorded, read_spikes, read_units
from spikeglot.data.sources.tables import decoded_table
from spikeglot.errors import DataError

NOT_TRIALS = ("epochs", "invalid_times")
"""Interval tables that are no trials, whatever else is in the file."""


def read_nwb(path: str | Path) -> Session:
    """Return the session of an NWB file.

    - ``session_id``: the name of the file without what DANDI appends to it (``_ecephys``,
      ``_behavior+ecephys``, ...).
    - ``subject_id``: ``subject.subject_id``, else the ``sub-`` of the file name, else the session id.
    - ``units``: the ids of the table, its columns of one value per unit, ``region`` and, where known,
      ``probe``. The region comes from the first of these that knows any: a column of the units table (see
      `spikeglot.data.sources.tables.REGION_COLUMNS`), the electrodes of the unit (the most frequent
      location), its ``peak_channel_id``, its electrode group. Else it is unknown.
    - ``trials``: the trials table. Where there is none, all other interval tables but ``epochs`` and
      ``invalid_times``, one below the other in order of ``start_time``, with their name in the column
      ``table``.
    - ``recorded_s``: the union of ``obs_intervals`` over units, or None.
    - ``behaviour``: see `spikeglot.data.sources.nwb_behaviour`.
    - ``provenance.facts``: lab, species and the like, interval tables that were not used, and pynwb's
      warnings.

    Raises
    ------
    DataError
        A damaged file, one that pynwb cannot read, one without units, or whatever `make_session` refuses.
    """
    from pynwb import NWBHDF5IO

    path = Path(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with open_hdf5(path) as file, NWBHDF5IO(file=file, mode="r") as io:
            nwb = _read(io, path)
            spike_times_s, spike_unit = read_spikes(nwb, path)
            recorded_s, mended = read_recorded(nwb)
            behaviour, not_traces = read_behaviour(nwb)
            units, trials, facts = read_units(nwb), _trials(nwb), _facts(nwb)
            subject = nwb.subject.subject_id if nwb.subject is not None else None
    if caught:
        facts["warnings"] = "; ".join(dict.fromkeys(str(w.message).splitlines()[0] for w in caught))
    session_id = session_id_of(path)
    return make_session(
        session_id=session_id,
        subject_id=subject or _subject_in(path) or session_id,
        spike_times_s=spike_times_s,
        spike_unit=spike_unit,
        units=units,
        trials=trials,
        behaviour=behaviour,
        recorded_s=recorded_s,
        provenance=Provenance("nwb", str(path), MappingProxyType(facts)),
        dropped=mended + not_traces,
    )


def session_id_of(path: Path) -> str:
    """Return the name of an NWB file without its kinds of data.

    >>> session_id_of(Path("sub-4_ses-4_ecephys+image.nwb"))
    'sub-4_ses-4'
    """
    kinds = "behavior|ecephys|icephys|image|ogen|ophys"
    return re.sub(rf"_(?:{kinds})(?:\+(?:{kinds}))*$", "", path.stem)


def _subject_in(path: Path) -> str:
    found = re.match(r"sub-([^_]+)", path.stem)
    return found.group(1) if found else ""


def _read(io: Any, path: Path) -> Any:
    try:
        return io.read()
    except Exception as error:  # pynwb raises whatever its builders run into, on files that break the schema
        raise DataError(
            f"pynwb cannot read {path}: {str(error).splitlines()[0]}. Check the file with `pynwb-validate`."
        ) from error


def _trials(nwb: Any) -> pd.DataFrame:
    if nwb.trials is not None:
        return _table(nwb.trials)
    names = _other_tables(nwb)
    if not names:
        return pd.DataFrame()
    tables = [_table(nwb.intervals[name]).assign(table=name) for name in names]
    return pd.concat(tables, ignore_index=True).sort_values("start_time", kind="stable", ignore_index=True)


def _table(intervals: Any) -> pd.DataFrame:
    """An interval table without its links to time series, which would read those whole."""
    return decoded_table(intervals.to_dataframe(exclude={"timeseries", "timeseries_index"})).reset_index(drop=True)


def _other_tables(nwb: Any) -> list[str]:
    return [name for name in (nwb.intervals or {}) if name != "trials" and name not in NOT_TRIALS]


def _facts(nwb: Any) -> dict[str, str]:
    """What a reader of a report wants to know about the recording."""
    facts = {
        "identifier": nwb.identifier,
        "description": nwb.session_description,
        "lab": nwb.lab,
        "institution": nwb.institution,
        "start": nwb.session_start_time,
        "species": nwb.subject.species if nwb.subject is not None else None,
    }
    unused = [name for name in (nwb.intervals or {}) if name in NOT_TRIALS]
    if nwb.trials is not None:
        unused += _other_tables(nwb)
    facts["interval tables not used"] = ", ".join(unused)
    return {name: str(value) for name, value in facts.items() if value}
