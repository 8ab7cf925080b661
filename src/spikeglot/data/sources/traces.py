"""Foreign time series as behaviour: what cannot be a trace is listed with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from spikeglot.data.session import Dropped, Trace

MAX_VALUES = 100_000_000
"""Longer series are raw signals rather than behaviour; reading them would fill the memory."""


def checked_traces(series: Iterable[tuple[str, Any, Any]]) -> tuple[dict[str, Trace], tuple[Dropped, ...]]:
    """Return traces by name from ``(name, times_s, values)``, and what was left out or mended.

    ``times_s`` (sample,) and ``values`` (sample,) or (sample, channel) are arrays or open HDF5 datasets,
    which are read only when they can be a trace. Samples without a time are left out, and samples are sorted
    by time.
    """
    traces: dict[str, Trace] = {}
    dropped: list[Dropped] = []
    for name, times_s, values in series:
        reason = _why_not(times_s, values)
        if reason:
            dropped.append(Dropped("trace", name, reason))
            continue
        trace, mended = _mended(np.asarray(times_s[:], dtype=np.float64), np.asarray(values[:]))
        traces[name] = trace
        dropped += [Dropped("trace", name, reason) for reason in mended]
    return traces, tuple(dropped)


def _why_not(times_s: Any, values: Any) -> str:
    if values.dtype.kind not in "bifu":
        return f"not numeric ({values.dtype})"
    if values.ndim not in (1, 2) or times_s.ndim != 1:
        return f"not (sample,) or (sample, channel): times {times_s.shape}, values {values.shape}"
    if len(times_s) != len(values):
        return f"{len(times_s)} times for {len(values)} values"
    if len(values) == 0:
        return "no samples"
    if values.size > MAX_VALUES:
        return f"{values.size:,} values: a raw signal, not behaviour"
    return ""


def _mended(times_s: np.ndarray, values: np.ndarray) -> tuple[Trace, list[str]]:
    """The trace in order of time, and what had to be done to it."""
    mended = []
    if values.dtype.kind != "f":
        values = values.astype(np.float64)
    timed = np.isfinite(times_s)
    if not timed.all():
        mended.append(f"{int((~timed).sum())} samples without a time were left out")
        times_s, values = times_s[timed], values[timed]
    if np.any(np.diff(times_s) < 0):
        mended.append("its samples were not in order of time and were sorted")
        order = np.argsort(times_s, kind="stable")
        times_s, values = times_s[order], values[order]
    return Trace(times_s, values), mended
