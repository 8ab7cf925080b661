"""pynapple objects in memory: TsGroup, IntervalSet, Tsd and TsdFrame."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spikeglot.data.session import Provenance, Session, make_session
from spikeglot.data.sources.tables import find_regions
from spikeglot.data.sources.traces import checked_traces

if TYPE_CHECKING:
    import pynapple as nap


def from_pynapple(
    spikes: nap.TsGroup,
    *,
    session_id: str,
    subject_id: str | None = None,
    trials: nap.IntervalSet | pd.DataFrame | None = None,
    behaviour: Mapping[str, nap.Tsd | nap.TsdFrame] | None = None,
) -> Session:
    """Return a session from pynapple objects.

    Parameters
    ----------
    spikes:
        One unit per member, whose keys become the unit ids. Its metadata become columns of the units table,
        the region among them (`spikeglot.data.sources.tables.REGION_COLUMNS`); its time support becomes
        ``recorded_s``.
    session_id, subject_id:
        Names; without a subject the session stands for itself.
    trials:
        An IntervalSet gives the columns ``start`` and ``end`` in seconds and its metadata.
    behaviour:
        Continuous traces by name.

    Raises
    ------
    DataError
        What `make_session` refuses.
    """
    times_s: list[Any] = [spikes[key].t for key in spikes.index]
    traces, dropped = checked_traces((name, one.t, np.asarray(one.values)) for name, one in (behaviour or {}).items())
    return make_session(
        session_id=session_id,
        subject_id=subject_id or session_id,
        spike_times_s=np.concatenate(times_s) if times_s else np.array([]),
        spike_unit=np.repeat(np.arange(len(times_s)), [len(t) for t in times_s]),
        units=_units(spikes),
        trials=trials if trials is None or isinstance(trials, pd.DataFrame) else trials.as_dataframe(),
        behaviour=traces,
        recorded_s=np.asarray(spikes.time_support.values),
        provenance=Provenance("pynapple", facts=MappingProxyType({"object": "TsGroup"})),
        dropped=dropped,
    )


def _units(spikes: nap.TsGroup) -> pd.DataFrame:
    """The metadata but the rate, which pynapple computes itself."""
    units = pd.DataFrame(spikes.metadata).drop(columns="rate", errors="ignore")
    regions = find_regions({str(name): column.to_numpy() for name, column in units.items()})
    return units if regions is None else units.assign(region=regions)
