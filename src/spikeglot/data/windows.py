"""Windows of a session, aligned to an event of its trials or tiled over time, and their counts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from spikeglot.data.binning import bin_spikes
from spikeglot.data.counts import Counts
from spikeglot.data.session import Dropped, Session
from spikeglot.errors import DataError, did_you_mean
from spikeglot.settings import WindowSettings

RECORDED_TOLERANCE_S = 1e-6
"""A window may reach this far over the end of what was recorded: files round their times."""


@runtime_checkable
class KnowsRates(Protocol):
    """A session whose true rates are known, because it was simulated."""

    def expected_counts(self, window_start_s: np.ndarray, n_bins: int, bin_size_s: float) -> np.ndarray:
        """Return the (window, bin, unit) expected number of spikes."""
        ...


def cut_windows(session: Session, window: WindowSettings) -> Counts:
    """Cut a session into windows and count the spikes in their bins.

    With ``window.align`` there is one window per trial, ``window.start_s`` to ``window.stop_s`` around that
    event. Without it, windows stand side by side over each recorded interval (from the first to the last
    spike, where the session does not say what was recorded). A window that is not wholly inside one recorded
    interval (to `RECORDED_TOLERANCE_S`), and a trial without the event, is left out and listed in
    ``dropped``.

    Returns
    -------
    Counts of all units; ``rates`` is filled for simulated sessions.

    Raises
    ------
    DataError
        No trials, no such column or not a column of times, no window left, or no spike in any window.
    """
    recorded_s = _recorded_intervals(session)
    if window.align is None:
        start_s, trials = _tiles(session, window, recorded_s)
        dropped: list[Dropped] = []
    else:
        start_s, trials, dropped = _aligned(session, window, window.align, recorded_s)

    counts = bin_spikes(
        session.spike_times_s, session.spike_unit, session.n_units, start_s, window.n_bins, window.bin_size_s
    )
    if not counts.any():
        raise DataError(
            f"No spike of session '{session.session_id}' lies in any of its {len(start_s)} windows. Windows: "
            f"{_range(start_s, window.duration_s)}; spikes: {_range(session.spike_times_s)}. "
            "Are trials and spikes on the same clock, in seconds?"
        )
    rates = None
    if isinstance(session, KnowsRates):
        rates = session.expected_counts(start_s, window.n_bins, window.bin_size_s)
    return Counts(
        session_id=session.session_id,
        subject_id=session.subject_id,
        counts=counts,
        units=session.units,
        trials=trials.assign(window_start_s=start_s, trial_id=trials.index).reset_index(drop=True),
        window=window,
        dropped=(*session.dropped, *dropped),
        rates=rates,
    )


def _aligned(
    session: Session, window: WindowSettings, align: str, recorded_s: np.ndarray | None
) -> tuple[np.ndarray, pd.DataFrame, list[Dropped]]:
    """Return start (window,), trials (one row per window) and what was left out."""
    event_s = _event_times(session, align)
    start_s = event_s + window.start_s
    missing = ~np.isfinite(event_s)
    outside = ~missing & ~_inside(start_s, window.duration_s, recorded_s)
    dropped = [Dropped("window", str(i), f"{align} is missing") for i in session.trials.index[missing]]
    dropped += [Dropped("window", str(i), "reaches outside what was recorded") for i in session.trials.index[outside]]
    kept = ~missing & ~outside
    if not kept.any():
        raise DataError(
            f"No window of session '{session.session_id}' is left of {len(kept)} trials: {align} is missing "
            f"in {missing.sum()}, and {outside.sum()} windows reach outside what was recorded. Windows of "
            f"{window.duration_s:g} s: {_range(start_s[outside], window.duration_s)}; recorded: "
            f"{_recorded(recorded_s)}. Change window.align, window.start_s or window.stop_s."
        )
    return start_s[kept], session.trials.iloc[np.flatnonzero(kept)], dropped


def _event_times(session: Session, align: str) -> np.ndarray:
    """(trial,) times of the event that windows are aligned to; NaN where it is missing."""
    where = f"session '{session.session_id}'"
    trials = session.trials
    if len(trials.columns) and align not in trials:
        raise DataError(f"The trials of {where} have no column '{align}'.{did_you_mean(align, trials.columns)}")
    if len(trials) == 0:
        raise DataError(
            f"Cannot align windows to '{align}': {where} has no trials. "
            "Leave window.align out to tile windows over the recorded time."
        )
    column = trials[align]
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        raise DataError(
            f"Cannot align windows to '{align}': the trials of {where} hold {column.dtype} there, not times "
            f"in seconds.{_suggest_align(trials)}"
        )
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _tiles(session: Session, window: WindowSettings, recorded_s: np.ndarray | None) -> tuple[np.ndarray, pd.DataFrame]:
    """Return start (window,) and one row per window, for windows side by side in each recorded interval."""
    intervals = session.spike_times_s[[[0, -1]]] if recorded_s is None and session.n_spikes else recorded_s
    starts = [np.empty(0)]
    for begin_s, end_s in () if intervals is None else intervals:
        n_windows = int((end_s - begin_s + RECORDED_TOLERANCE_S) // window.duration_s)
        starts.append(begin_s + np.arange(n_windows) * window.duration_s)
    start_s = np.concatenate(starts)
    if not len(start_s):
        longest_s = 0.0 if intervals is None else np.diff(intervals).max(initial=0)
        raise DataError(
            f"No window of {window.duration_s:g} s fits into session '{session.session_id}': the longest "
            f"recorded interval has {longest_s:.4g} s. Shorten the window (window.stop_s), or align windows "
            f"to an event of the trials (window.align).{_suggest_align(session.trials)}"
        )
    return start_s, pd.DataFrame(index=pd.RangeIndex(len(start_s)))


def _recorded_intervals(session: Session) -> np.ndarray | None:
    """(interval, 2) what was recorded, ascending, with intervals that touch or overlap made one."""
    if session.recorded_s is None:
        return None
    merged: list[list[float]] = []
    for begin_s, end_s in session.recorded_s[np.argsort(session.recorded_s[:, 0], kind="stable")]:
        if merged and begin_s <= merged[-1][1] + RECORDED_TOLERANCE_S:
            merged[-1][1] = max(merged[-1][1], end_s)
        else:
            merged.append([begin_s, end_s])
    return np.array(merged).reshape(-1, 2)


def _inside(start_s: np.ndarray, duration_s: float, recorded_s: np.ndarray | None) -> np.ndarray:
    """(window,) whether each window lies in one recorded interval."""
    if recorded_s is None:
        return np.ones(len(start_s), bool)
    if not len(recorded_s):
        return np.zeros(len(start_s), bool)
    interval = np.searchsorted(recorded_s[:, 0], start_s + RECORDED_TOLERANCE_S, side="right") - 1
    stop_s = recorded_s[interval.clip(0), 1]
    return (interval >= 0) & (start_s + duration_s <= stop_s + RECORDED_TOLERANCE_S)


def _suggest_align(trials: pd.DataFrame) -> str:
    """Return a sentence that names the columns which look like times of events, if there are any."""
    columns = _event_columns(trials)
    if not columns:
        return ""
    return f" Columns of times: {', '.join(columns)} (for instance --window.align {columns[0]})."


def _event_columns(trials: pd.DataFrame) -> list[str]:
    floats: Iterable[str] = trials.select_dtypes("floating").columns
    return [str(c) for c in floats if re.search(r"time|start|(^|_)on(_|$|set)", str(c), re.IGNORECASE)]


def _range(times_s: np.ndarray, duration_s: float = 0.0) -> str:
    if not len(times_s):
        return "none"
    return f"{np.min(times_s):.3f} to {np.max(times_s) + duration_s:.3f} s"


def _recorded(recorded_s: np.ndarray | None) -> str:
    if recorded_s is None or not len(recorded_s):
        return "not known" if recorded_s is None else "nothing"
    longest_s = np.diff(recorded_s).max()
    return f"{_range(recorded_s.ravel())} in {len(recorded_s)} intervals, the longest of {longest_s:.4g} s"
