"""Which trials and units are kept, and the reason of every drop."""

from __future__ import annotations

import io
import re
import tokenize
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from spikeglot.data.counts import Counts
from spikeglot.data.session import UNKNOWN_REGION, Dropped, Session
from spikeglot.errors import DataError, SettingsError
from spikeglot.settings import QualitySettings


def keep_trials(session: Session, quality: QualitySettings) -> Session:
    """Return the session with the trials that satisfy ``quality.trials``; the rest is listed in ``dropped``.

    The index of the trials table keeps the number of each trial in the full table.

    Raises
    ------
    SettingsError
        The query cannot be evaluated on the trials table.
    DataError
        No trial satisfies it.
    """
    if not quality.trials:
        return session
    kept = satisfies_query(session.trials, quality.trials, "quality.trials", session.session_id)
    if not kept.any():
        raise DataError(
            f"None of the {session.n_trials} trials of session '{session.session_id}' satisfies "
            f"quality.trials = {quality.trials!r}. Change the query."
        )
    reason = f"does not satisfy quality.trials = {quality.trials!r}"
    dropped = [Dropped("trial", str(i), reason) for i in session.trials.index[~kept]]
    return replace(session, trials=session.trials[kept], dropped=(*session.dropped, *dropped))


def keep_units(counts: Counts, quality: QualitySettings) -> Counts:
    """Return the counts of the units that are good enough; the rest is listed in ``dropped``.

    In this order: ``exclude_regions``; the query ``units``; ``min_rate_hz``, on the mean rate over all
    windows (a unit at exactly that rate is kept); ``min_units_per_region``, on what is left (only where the
    session has regions; units without one count as one region of their own).

    Raises
    ------
    SettingsError
        The query cannot be evaluated on the units table.
    DataError
        No unit is left.
    """
    regions = counts.regions
    rate_hz = mean_rate_hz(counts)
    reason = np.full(counts.n_units, "", object)
    taken: dict[str, int] = {}

    def drop(setting: str, unit: np.ndarray, why: Callable[[int], str]) -> None:
        now = np.flatnonzero(unit & (reason == ""))
        reason[now] = [why(int(u)) for u in now]
        taken[setting] = len(now)

    excluded = np.isin(regions.astype(str), quality.exclude_regions)
    drop("exclude_regions", excluded, lambda u: f"region '{regions[u]}' is excluded")
    if quality.units:
        satisfies = satisfies_query(counts.units, quality.units, "quality.units", counts.session_id)
        drop("units", ~satisfies, lambda u: f"does not satisfy quality.units = {quality.units!r}")
    slow = rate_hz < quality.min_rate_hz
    drop("min_rate_hz", slow, lambda u: f"rate {rate_hz[u]:.4g} Hz is below {quality.min_rate_hz:g} Hz")
    if counts.has_regions:
        n_left = Counter(regions[reason == ""])
        needed = quality.min_units_per_region
        small = np.array([n_left[r] < needed for r in regions])
        drop("min_units_per_region", small, lambda u: _too_few(regions[u], n_left[regions[u]], needed))

    kept = reason == ""
    if not kept.any():
        raise DataError(_nothing_left(counts, taken, rate_hz))
    dropped = [Dropped("unit", str(counts.units.index[u]), reason[u]) for u in np.flatnonzero(~kept)]
    return replace(counts.take_units(np.flatnonzero(kept)), dropped=(*counts.dropped, *dropped))


def mean_rate_hz(counts: Counts) -> np.ndarray:
    """(unit,) mean rate over all windows, in spikes per second."""
    recorded_s = counts.n_trials * counts.n_bins * counts.window.bin_size_s
    return counts.counts.sum(axis=(0, 1), dtype=np.int64) / recorded_s


def _too_few(region: str, n_left: int, needed: int) -> str:
    name = f"region '{region}'" if region != UNKNOWN_REGION else "the group without a region"
    return f"{name} has {n_left} kept units, fewer than {needed}"


def _nothing_left(counts: Counts, taken: dict[str, int], rate_hz: np.ndarray) -> str:
    parts = ", ".join(f"{n} by quality.{setting}" for setting, n in taken.items() if n)
    most = max(taken, key=lambda setting: taken[setting])
    return (
        f"No unit of session '{counts.session_id}' is left: of {counts.n_units}, dropped were {parts}. "
        f"The highest rate of a unit is {rate_hz.max():.4g} Hz. Change quality.{most}."
    )


def satisfies_query(table: pd.DataFrame, query: str, setting: str, session_id: str) -> np.ndarray:
    """Return (row,) bool: whether each row of the table satisfies the query; ``setting`` names it in errors.

    Raises
    ------
    SettingsError
        The query cannot be evaluated on the table.
    """
    known = ", ".join(str(c) for c in [*table.columns, *filter(None, table.index.names)]) or "none"
    where = f"{setting} = {query!r} cannot be used on session '{session_id}'"
    try:
        _refuse_code(query)
        answer = table.eval(query, engine="python", local_dict={}, global_dict={})
    except Exception as error:  # pandas raises whatever the expression runs into
        raise SettingsError(f"{where}: {error}. Columns: {known}.") from error
    answer = np.asarray(answer)
    if answer.dtype != bool or answer.shape != (len(table),):
        raise SettingsError(f"{where}: it does not say true or false for every row. Columns: {known}.")
    return answer


def _refuse_code(query: str) -> None:
    """Refuse what could run code: a recipe may come from someone else, and pandas would call any method."""
    columns_named = re.sub(r"`[^`]*`", "column", query)
    for token in tokenize.generate_tokens(io.StringIO(columns_named).readline):
        if token.type == tokenize.OP and token.string in (".", "@"):
            raise ValueError(f"'{token.string}' is not allowed, only columns, comparisons, and, or, not, in")
