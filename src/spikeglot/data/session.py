"""One recording of one subject: spike times, units, trials, behaviour, and where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from spikeglot.data.stored_array import may_be_stored
from spikeglot.errors import DataError

UNKNOWN_REGION = ""


@dataclass(frozen=True)
class Dropped:
    """One thing that was left out (or mended), and why: nothing is dropped in silence.

    ``kind`` is "unit", "trial", "window", "spike", "trace" or "session"; ``id`` names the thing.
    """

    kind: str
    id: str
    reason: str


@may_be_stored("times_s", "values")
@dataclass(frozen=True, eq=False)
class Trace:
    """A continuous behaviour: ``values`` (sample,) or (sample, channel) at ``times_s`` (sample,), ascending.

    Of a prepared session they stay in its file until they are asked for, as its spikes do.
    """

    times_s: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        times, values = (vars(self)[name].shape for name in ("times_s", "values"))
        if len(times) != 1 or times != values[:1]:
            raise DataError(f"A trace needs one value per time; got times {times} and values {values}.")


@dataclass(frozen=True)
class Provenance:
    """Where a session came from: the kind of source, the file or folder, and free facts about it."""

    source: str
    path: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@may_be_stored("spike_times_s", "spike_unit")
@dataclass(frozen=True, eq=False)
class Session:
    """One recording of one subject.

    Attributes
    ----------
    session_id, subject_id:
        Names; everything per session is keyed by ``session_id``.
    spike_times_s:
        (spike,) float64, seconds on the session clock, ascending.
    spike_unit:
        (spike,) int32, the row of ``units`` that fired each spike.
    units:
        One row per unit, indexed by ``unit_id`` (unique strings), with at least the column ``region``
        (acronym; ``""`` where unknown). Sources add what they know: ``probe``, ``depth_um``, ...
    trials:
        One row per trial; columns keep the names of the source, times are in seconds. May be empty.
    behaviour:
        Continuous traces by name.
    recorded_s:
        (interval, 2) start and stop of what was recorded, or None where the file does not say.
        A window that reaches outside holds "not recorded", not "silent".
    provenance:
        Source, path and facts.
    dropped:
        What the source left out or mended, and why.

    Build one with `make_session`, which validates. Spikes of a prepared session stay in its file: they are mapped,
    read-only, every time they are asked for.
    """

    session_id: str
    subject_id: str
    spike_times_s: np.ndarray
    spike_unit: np.ndarray
    units: pd.DataFrame
    trials: pd.DataFrame
    behaviour: Mapping[str, Trace]
    recorded_s: np.ndarray | None
    provenance: Provenance
    dropped: tuple[Dropped, ...] = ()

    @property
    def n_units(self) -> int:
        return len(self.units)

    @property
    def n_spikes(self) -> int:
        return len(self.spike_times_s)

    @property
    def n_trials(self) -> int:
        return len(self.trials)

    @property
    def has_regions(self) -> bool:
        return bool((self.units["region"] != UNKNOWN_REGION).any())

    def __repr__(self) -> str:
        regions = self.units["region"].nunique() if self.has_regions else 0
        return (
            f"Session({self.session_id!r}, subject {self.subject_id!r}, {self.n_units} units in {regions} regions, "
            f"{self.n_spikes:,} spikes, {self.n_trials} trials, from {self.provenance.source})"
        )


def make_session(
    *,
    session_id: str,
    subject_id: str,
    spike_times_s: np.ndarray,
    spike_unit: np.ndarray,
    units: pd.DataFrame,
    trials: pd.DataFrame | None = None,
    behaviour: Mapping[str, Trace] | None = None,
    recorded_s: np.ndarray | None = None,
    provenance: Provenance | None = None,
    dropped: tuple[Dropped, ...] = (),
) -> Session:
    """Validate the parts of a recording and return a `Session`.

    Spikes may come in any order: they are sorted by time, which loses nothing. Negative times are legal.

    Raises
    ------
    DataError
        No units; duplicated unit ids; NaN or infinite spike times; spikes of a unit that is not in the
        table; a recorded interval that ends before it starts. Every problem of the session is named in one message.
    """
    where = f"session '{session_id}'" + (f" ({provenance.path})" if provenance and provenance.path else "")
    spike_times_s = np.asarray(spike_times_s, dtype=np.float64)
    spike_unit = np.asarray(spike_unit)
    units = units.copy()
    units.index = pd.Index([str(u) for u in units.index.to_numpy(object)], name="unit_id", dtype=object)
    if "region" not in units:
        units["region"] = UNKNOWN_REGION
    units["region"] = units["region"].fillna(UNKNOWN_REGION).astype(str).astype(object)

    problems = _problems(spike_times_s, spike_unit, units, recorded_s)
    if problems:
        raise DataError(f"Cannot use {where}: " + " ".join(problems))

    if spike_times_s.size and np.any(np.diff(spike_times_s) < 0):
        order = np.argsort(spike_times_s, kind="stable")
        spike_times_s, spike_unit = spike_times_s[order], spike_unit[order]
    return Session(
        session_id=str(session_id),
        subject_id=str(subject_id),
        spike_times_s=spike_times_s,
        spike_unit=spike_unit.astype(np.int32, copy=False),
        units=units,
        trials=pd.DataFrame() if trials is None else trials.reset_index(drop=True),
        behaviour=dict(behaviour or {}),
        recorded_s=None if recorded_s is None else np.asarray(recorded_s, dtype=np.float64).reshape(-1, 2),
        provenance=provenance or Provenance("arrays"),
        dropped=dropped,
    )


def _problems(
    spike_times_s: np.ndarray, spike_unit: np.ndarray, units: pd.DataFrame, recorded_s: np.ndarray | None
) -> list[str]:
    """Every reason why these parts are not a session, each a sentence that says what to do."""
    problems = []
    if len(units) == 0:
        problems.append("it has no units. Give a file with a units table (spike-sorted data).")
    if spike_times_s.ndim != 1 or spike_times_s.shape != spike_unit.shape:
        problems.append(
            f"spike times {spike_times_s.shape} and spike units {spike_unit.shape} must be two equally long vectors."
        )
        return problems
    duplicated = units.index[units.index.duplicated()].unique()
    if len(duplicated):
        problems.append(
            f"unit ids must be unique, but {len(duplicated)} occur more than once (first: '{duplicated[0]}'). "
            "Rename them, for instance with the probe in front."
        )
    inside = (spike_unit >= 0) & (spike_unit < len(units))
    if not inside.all():
        problems.append(
            f"{int((~inside).sum())} spikes belong to no unit of the table (rows 0 to {len(units) - 1}). "
            "Number spike units by their row in the units table."
        )
    bad = ~np.isfinite(spike_times_s)
    if bad.any():
        owners = np.unique(spike_unit[bad & inside])[:5]
        names = ", ".join(f"'{units.index[u]}'" for u in owners)
        problems.append(
            f"{int(bad.sum())} spike times are NaN or infinite (units {names}). Remove those spikes and load again."
        )
    if recorded_s is not None and np.any(np.diff(np.asarray(recorded_s, float).reshape(-1, 2)) < 0):
        problems.append("a recorded interval ends before it starts. Give (start, stop) pairs in seconds.")
    return problems
