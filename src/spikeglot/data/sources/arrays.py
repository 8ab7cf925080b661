"""Plain arrays: spike times per unit, or counts that another pipeline has binned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from spikeglot.data.session import Provenance, Session, Trace, make_session
from spikeglot.errors import DataError

Ids = Sequence[str] | Sequence[int] | np.ndarray


def from_spike_times(
    spike_times_s: Mapping[str, np.ndarray] | Sequence[np.ndarray] | np.ndarray,
    spike_unit: np.ndarray | None = None,
    *,
    session_id: str,
    subject_id: str | None = None,
    unit_ids: Ids | None = None,
    regions: Sequence[str] | np.ndarray | None = None,
    trials: pd.DataFrame | None = None,
    behaviour: Mapping[str, Trace] | None = None,
    recorded_s: np.ndarray | None = None,
    provenance: Provenance | None = None,
) -> Session:
    """Return a session from spike times.

    Parameters
    ----------
    spike_times_s:
        Seconds, in any order: a mapping from unit id to (spike,) times; a sequence with the (spike,) times of
        each unit; or, with ``spike_unit``, the (spike,) times of all units.
    spike_unit:
        (spike,) the number of the unit of each spike, counted from 0, where ``spike_times_s`` is flat.
    session_id, subject_id:
        Names; without a subject the session stands for itself.
    unit_ids, regions:
        (unit,) names of the units (default: the keys of the mapping, or their numbers) and region acronyms.
    trials, behaviour, recorded_s, provenance:
        As in `Session`.

    Raises
    ------
    DataError
        Names or regions whose number is not that of the units, or what `make_session` refuses.

    >>> import numpy as np
    >>> from_spike_times({"a": np.array([0.2, 0.1]), "b": np.array([])}, session_id="s1")
    Session('s1', subject 's1', 2 units in 0 regions, 2 spikes, 0 trials, from arrays)
    """
    if spike_unit is None:
        if isinstance(spike_times_s, Mapping):
            unit_ids = list(spike_times_s) if unit_ids is None else unit_ids
            spike_times_s = list(spike_times_s.values())
        times = [np.asarray(t, dtype=np.float64).ravel() for t in spike_times_s]
        flat = np.concatenate(times) if times else np.array([])
        spike_unit, n_units = np.repeat(np.arange(len(times)), [len(t) for t in times]), len(times)
    else:
        flat, spike_unit = np.asarray(spike_times_s, dtype=np.float64), np.asarray(spike_unit)
        named = unit_ids if unit_ids is not None else regions
        n_units = len(named) if named is not None else int(spike_unit.max(initial=-1)) + 1
    return make_session(
        session_id=session_id,
        subject_id=subject_id or session_id,
        spike_times_s=flat,
        spike_unit=spike_unit,
        units=_units(n_units, unit_ids, regions, session_id),
        trials=trials,
        behaviour=behaviour,
        recorded_s=recorded_s,
        provenance=provenance,
    )


def from_counts(
    counts: np.ndarray,
    bin_size_s: float,
    *,
    session_id: str,
    subject_id: str | None = None,
    unit_ids: Ids | None = None,
    regions: Sequence[str] | np.ndarray | None = None,
    trials: pd.DataFrame | None = None,
    behaviour: Mapping[str, np.ndarray] | None = None,
    provenance: Provenance | None = None,
) -> Session:
    """Return a session whose spikes give back ``counts`` exactly.

    The m spikes of a unit in a bin are spread evenly over it: spike k, from 0, lies at (k + 1/2) / m of the
    bin. Trials follow one another in time with one bin, not recorded, between them. Windows aligned to the
    column ``start_s`` that is added to ``trials``, with bins of ``bin_size_s``, hold the counts again; with
    other bins the times within a bin, which were never measured, would show.

    Parameters
    ----------
    counts:
        (trial, time, unit) whole numbers, of any dtype.
    bin_size_s:
        Width of a bin in seconds.
    session_id, subject_id, unit_ids, regions, provenance:
        As in `from_spike_times`.
    trials:
        One row per trial; the columns ``start_s`` and ``stop_s`` are added.
    behaviour:
        By name (trial, time) or (trial, time, channel) values, which become traces sampled at the middle of
        bins.

    Raises
    ------
    DataError
        Counts that are no whole numbers or not three-dimensional; trials, behaviour, names or regions that do
        not fit them; or what `make_session` refuses.
    """
    counts = _whole(counts, bin_size_s, session_id)
    n_trials, n_bins, n_units = counts.shape
    start_s = np.arange(n_trials) * (n_bins + 1) * bin_size_s
    recorded_s = np.column_stack([start_s, start_s + n_bins * bin_size_s])
    trial, time, unit = np.nonzero(counts)
    m = counts[trial, time, unit]
    k = np.arange(m.sum()) - np.repeat(np.cumsum(m) - m, m)
    within = np.repeat(time, m) + (k + 0.5) / np.repeat(m, m)
    centres_s = start_s[:, None] + (np.arange(n_bins) + 0.5) * bin_size_s
    return make_session(
        session_id=session_id,
        subject_id=subject_id or session_id,
        spike_times_s=start_s[np.repeat(trial, m)] + within * bin_size_s,
        spike_unit=np.repeat(unit, m),
        units=_units(n_units, unit_ids, regions, session_id),
        trials=_with_times(trials, recorded_s, session_id),
        behaviour={name: _trace(name, centres_s, v, session_id) for name, v in (behaviour or {}).items()},
        recorded_s=recorded_s,
        provenance=provenance,
    )


def _units(n_units: int, unit_ids: Ids | None, regions: Ids | None, session_id: str) -> pd.DataFrame:
    for what, values in (("unit_ids", unit_ids), ("regions", regions)):
        if values is not None and len(values) != n_units:
            raise DataError(f"Session '{session_id}': {what} has {len(values)} entries for {n_units} units.")
    units = pd.DataFrame(index=pd.Index(range(n_units) if unit_ids is None else list(unit_ids), dtype=object))
    return units if regions is None else units.assign(region=[str(r) for r in regions])


def _whole(counts: np.ndarray, bin_size_s: float, session_id: str) -> np.ndarray:
    """The counts as int64, or an error that says why they are none."""
    counts = np.asarray(counts)
    where = f"Session '{session_id}': counts"
    if counts.ndim != 3:
        raise DataError(f"{where} must be (trial, time, unit); got shape {counts.shape}.")
    if not bin_size_s > 0:
        raise DataError(f"{where} need a bin size above 0 s; got {bin_size_s}.")
    with np.errstate(invalid="ignore"):
        whole = counts.astype(np.int64)
    wrong = (whole != counts) | (whole < 0)
    if wrong.any():
        raise DataError(
            f"{where} must be whole numbers from 0; {int(wrong.sum()):,} of {counts.size:,} are not "
            f"(first: {counts[wrong][0]}). Give spike counts, not rates."
        )
    return whole


def _with_times(trials: pd.DataFrame | None, recorded_s: np.ndarray, session_id: str) -> pd.DataFrame:
    trials = pd.DataFrame(index=range(len(recorded_s))) if trials is None else trials.reset_index(drop=True)
    if len(trials) != len(recorded_s):
        raise DataError(f"Session '{session_id}': {len(trials)} rows of trials for counts of {len(recorded_s)} trials.")
    taken = [name for name in ("start_s", "stop_s") if name in trials]
    if taken:
        raise DataError(
            f"Session '{session_id}': trials already have the column '{taken[0]}', which from_counts makes. Rename it."
        )
    return trials.assign(start_s=recorded_s[:, 0], stop_s=recorded_s[:, 1])


def _trace(name: str, centres_s: np.ndarray, values: np.ndarray, session_id: str) -> Trace:
    values = np.asarray(values, dtype=np.float64)
    if values.shape[:2] != centres_s.shape or values.ndim not in (2, 3):
        raise DataError(
            f"Session '{session_id}': behaviour '{name}' must be (trial, time) or (trial, time, channel) "
            f"with {centres_s.shape[0]} trials and {centres_s.shape[1]} bins; got {values.shape}."
        )
    return Trace(centres_s.ravel(), values.reshape(centres_s.size, *values.shape[2:]))
