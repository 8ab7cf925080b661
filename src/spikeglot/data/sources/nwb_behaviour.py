"""The behaviour of an NWB file: which of its time series are continuous behaviour.

Read are ``SpatialSeries`` anywhere in acquisition and processing; time series inside
``BehavioralTimeSeries``, ``Position``, ``EyeTracking``, ``PupilTracking`` or ``CompassDirection``; and plain
``TimeSeries`` in a processing module whose name says behaviour. Plain series elsewhere and
``BehavioralEvents`` may be anything: they are listed as left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from spikeglot.data.session import Dropped, Trace
from spikeglot.data.sources.traces import checked_traces


def read_behaviour(nwb: Any) -> tuple[dict[str, Trace], tuple[Dropped, ...]]:
    """Return the continuous behaviour by name, and the series that were left out or mended.

    A trace has the name of its series, after the name of its container where two series have the same name.
    Values are in the unit of the file (conversion and offset applied), times in seconds.
    """
    series: dict[str, Any] = {}
    dropped: list[Dropped] = []
    for container, one, why_not in _series(nwb):
        name = f"{container}.{one.name}" if one.name in series else one.name
        if why_not:
            dropped.append(Dropped("trace", name, why_not))
        else:
            series[name] = one
    traces, mended = checked_traces((name, _times_s(one), one.data) for name, one in series.items())
    return {name: _scaled(trace, series[name]) for name, trace in traces.items()}, (*dropped, *mended)


def _times_s(series: Any) -> Any:
    if series.timestamps is not None:
        return series.timestamps
    return series.starting_time + np.arange(len(series.data)) / series.rate


def _scaled(trace: Trace, series: Any) -> Trace:
    """The values of the file in its unit: numbers in the file times ``conversion`` plus ``offset``."""
    if series.conversion == 1 and series.offset == 0:
        return trace
    return Trace(trace.times_s, trace.values * series.conversion + series.offset)


def _series(nwb: Any) -> Iterator[tuple[Any, Any, str]]:
    """Every candidate as (name of its container, series, why it is not behaviour or "")."""
    from pynwb.base import TimeSeries
    from pynwb.behavior import BehavioralEvents, SpatialSeries

    places = [("acquisition", nwb.acquisition.values())]
    places += [(name, module.data_interfaces.values()) for name, module in nwb.processing.items()]
    for place, things in places:
        for thing in things:
            inside = _inside(thing)
            if isinstance(thing, BehavioralEvents):
                yield from ((thing.name, one, "events, not a continuous trace") for one in inside)
            elif inside:
                yield from ((thing.name, one, "") for one in inside)
            elif isinstance(thing, SpatialSeries) or (type(thing) is TimeSeries and "behav" in place.lower()):
                yield place, thing, ""
            elif type(thing) is TimeSeries:
                yield (
                    place,
                    thing,
                    f"a plain time series in '{place}'; only a behaviour module says that it is behaviour",
                )


def _inside(thing: Any) -> list[Any]:
    """The series inside one of NWB's containers of behaviour; nothing for anything else."""
    from pynwb import behavior

    kinds = (
        "BehavioralTimeSeries",
        "BehavioralEvents",
        "Position",
        "EyeTracking",
        "PupilTracking",
        "CompassDirection",
    )
    if not isinstance(thing, tuple(getattr(behavior, kind) for kind in kinds)):
        return []
    series = thing.spatial_series if hasattr(thing, "spatial_series") else thing.time_series
    return list(series.values())
