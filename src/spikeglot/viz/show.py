"""What `spikeglot show` says about recordings, as plain values for --json and as tables for a terminal."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from spikeglot.data.counts import Counts
from spikeglot.data.session import UNKNOWN_REGION, Dropped, Session

FEW_VALUES = 6
"""A column of trials with at most this many different values is described by them, others by their range."""


def session_dict(session: Session) -> dict[str, Any]:
    """Describe a session with plain values, fit for JSON: rates in Hz, times in seconds, None for unknown."""
    rate_hz = _session_rates_hz(session)
    return {
        "session_id": session.session_id,
        "subject_id": session.subject_id,
        "source": session.provenance.source,
        "path": session.provenance.path,
        "n_units": session.n_units,
        "n_regions": len(_known_regions(session.units)),
        "n_spikes": session.n_spikes,
        "n_trials": session.n_trials,
        "recorded_s": _round(_recorded_s(session)),
        "median_rate_hz": _round(np.median(rate_hz)),
        "regions": _regions(session.units, rate_hz),
        "trial_columns": [_column(str(name), column) for name, column in session.trials.items()],
        "behaviour": [
            {"name": name, "n_samples": len(t.times_s), "rate_hz": _sample_rate_hz(t.times_s)}
            for name, t in session.behaviour.items()
        ],
        "dropped": dropped_reasons(session.dropped),
    }


def counts_dict(counts: Counts) -> dict[str, Any]:
    """Describe prepared counts with plain values, fit for JSON; rates are those in the windows."""
    n_spikes = counts.counts.sum(axis=(0, 1), dtype=np.int64)
    rate_hz = n_spikes / (counts.n_trials * counts.window.duration_s)
    return {
        "session_id": counts.session_id,
        "subject_id": counts.subject_id,
        "window": counts.window.model_dump(),
        "n_windows": counts.n_trials,
        "n_bins": counts.n_bins,
        "n_units": counts.n_units,
        "n_regions": len(_known_regions(counts.units)),
        "n_spikes": int(n_spikes.sum()),
        "median_rate_hz": _round(np.median(rate_hz)),
        "regions": _regions(counts.units, rate_hz),
        "dropped": dropped_reasons(counts.dropped),
    }


def dropped_reasons(dropped: Iterable[Dropped]) -> list[dict[str, Any]]:
    """Count what was left out by kind and reason, the most frequent first; the rates of units are cut out."""
    reasons = Counter((d.kind, re.sub(r"^rate \S+ Hz is", "rate is", d.reason)) for d in dropped)
    return [{"kind": kind, "reason": reason, "n": n} for (kind, reason), n in reasons.most_common()]


def sessions_table(sessions: Iterable[Session]) -> Table:
    """Return a table with one row per session, and their sum where there is more than one."""
    table = _table("subject", "session", "source", "units", "regions", "spikes", "median Hz", "trials")
    rows = [session_dict(s) for s in sessions]
    for row in rows:
        table.add_row(Text(row["subject_id"]), Text(row["session_id"]), Text(row["source"]), *_numbers(row, "n_trials"))
    if len(rows) > 1:
        table.add_section()
        subjects = {row["subject_id"] for row in rows}
        n = {key: sum(row[key] for row in rows) for key in ("n_units", "n_spikes", "n_trials")}
        table.add_row(
            f"{len(subjects)} subjects",
            f"{len(rows)} sessions",
            "",
            f"{n['n_units']:,}",
            "",
            f"{n['n_spikes']:,}",
            "",
            f"{n['n_trials']:,}",
        )
    return table


def session_details(session: Session) -> RenderableType:
    """Return what a session holds: units per region, columns of trials, behaviour, what was left out."""
    facts = session_dict(session)
    parts: list[RenderableType] = [
        _title(facts, f"{facts['recorded_s']:,g} s recorded"),
        _region_table(facts["regions"]),
    ]
    if facts["trial_columns"]:
        table = _table("trials", "type", "missing", "values", left=2)
        table.columns[3].justify = "left"
        for c in facts["trial_columns"]:
            table.add_row(Text(c["name"]), c["type"], f"{c['n_missing']:,}", Text(_values_text(c)))
        parts.append(table)
    for trace in facts["behaviour"]:
        rate = "" if trace["rate_hz"] is None else f", about {trace['rate_hz']:g} Hz"
        parts.append(Text(f"behaviour {trace['name']}: {trace['n_samples']:,} samples{rate}"))
    return Group(*parts, *_dropped_table(facts["dropped"]))


def counts_details(counts: Counts) -> RenderableType:
    """Return what was prepared of one session: windows, units per region, and what was left out."""
    facts = counts_dict(counts)
    w = counts.window
    where = f"{w.start_s:g} to {w.stop_s:g} s around {w.align}" if w.align else f"tiles of {w.duration_s:g} s"
    size = f"{counts.n_trials:,} windows ({where}), {counts.n_bins} bins of {w.bin_size_s:g} s"
    parts = [_title(facts, size), _region_table(facts["regions"])]
    return Group(*parts, *_dropped_table(facts["dropped"]))


def _title(facts: Mapping[str, Any], more: str) -> Text:
    title = Text(facts["session_id"], style="bold")
    return title.append(f"  {facts['n_units']:,} units, {facts['n_spikes']:,} spikes, {more}", style="not bold")


def _region_table(regions: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("region", "units", "median Hz", "lowest Hz", "highest Hz", left=1)
    for r in regions:
        rates = (f"{r[key]:.2f}" for key in ("median_rate_hz", "min_rate_hz", "max_rate_hz"))
        table.add_row(Text(r["region"] or "(unknown)"), f"{r['n_units']:,}", *rates)
    return table


def _dropped_table(reasons: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    if not reasons:
        return []
    table = _table("left out or mended", "number", "why", left=1)
    table.columns[2].justify = "left"
    for r in reasons:
        table.add_row(r["kind"], f"{r['n']:,}", Text(r["reason"]))
    return [table]


def _table(*columns: str, left: int = 3) -> Table:
    """A plain table whose first ``left`` columns are names, and the others numbers."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < left else "right", no_wrap=i == 0)
    return table


def _numbers(row: Mapping[str, Any], last: str) -> list[str]:
    counted = [f"{row[key]:,}" for key in ("n_units", "n_regions", "n_spikes")]
    return [*counted, f"{row['median_rate_hz']:.2f}", f"{row[last]:,}"]


def _regions(units: pd.DataFrame, rate_hz: np.ndarray) -> list[dict[str, Any]]:
    """Units and rates per region, the largest region first, the units without a region last."""
    rates = pd.Series(rate_hz, index=units.index).groupby(units["region"])
    rows = [
        {
            "region": str(region),
            "n_units": len(r),
            "median_rate_hz": _round(r.median()),
            "min_rate_hz": _round(r.min()),
            "max_rate_hz": _round(r.max()),
        }
        for region, r in rates
    ]
    return sorted(rows, key=lambda row: (row["region"] == UNKNOWN_REGION, -row["n_units"], row["region"]))


def _known_regions(units: pd.DataFrame) -> set[str]:
    return set(units["region"]) - {UNKNOWN_REGION}


def _session_rates_hz(session: Session) -> np.ndarray:
    n_spikes = np.bincount(session.spike_unit, minlength=session.n_units)
    return n_spikes / max(_recorded_s(session), 1e-9)


def _recorded_s(session: Session) -> float:
    """Seconds that were recorded; from the first to the last spike where the session does not say."""
    if session.recorded_s is not None:
        return float(np.diff(session.recorded_s).sum())
    return float(np.ptp(session.spike_times_s)) if session.n_spikes else 0.0


def _sample_rate_hz(times_s: np.ndarray) -> float | None:
    return _round(1 / np.median(np.diff(times_s))) if len(times_s) > 1 and np.ptp(times_s) > 0 else None


def _column(name: str, column: pd.Series) -> dict[str, Any]:
    """Name, type, number of missing values, and either the few different values or the range of a column."""
    known = column.dropna()
    facts: dict[str, Any] = {"name": name, "type": str(column.dtype), "n_missing": int(column.isna().sum())}
    different = known.map(str).value_counts() if known.dtype == object else known.value_counts()
    if len(different) <= FEW_VALUES:
        facts["values"] = {str(value): int(n) for value, n in different.sort_index().items()}
    elif pd.api.types.is_numeric_dtype(known):
        facts["min"], facts["max"] = _round(known.min()), _round(known.max())
    else:
        facts["n_different"] = len(different)
    return facts


def _values_text(column: Mapping[str, Any]) -> str:
    if "values" in column:
        return ", ".join(f"{value}: {n}" for value, n in column["values"].items())
    if "min" in column:
        return f"{column['min']:g} to {column['max']:g}"
    return f"{column['n_different']:,} different"


def _round(value: Any) -> float | None:
    """A float with six digits, which JSON can hold; None where it is not finite."""
    value = float(value)
    return float(f"{value:.6g}") if math.isfinite(value) else None
