"""Which units of a session are meant by the names of regions and units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from spikeglot.data.counts import Counts
from spikeglot.data.session import UNKNOWN_REGION, Session
from spikeglot.errors import DataError, did_you_mean


def choose_units(counts: Counts, session: Session, names: str | Sequence[str], what: str) -> np.ndarray:
    """Return the indices (unit,), ascending, of the units of ``counts`` in these regions or with these ids.

    ``counts`` are those of ``session``. A name that is both a region and a unit is the region. ``what`` is what the
    units are for, for messages: "source" or "target".

    Raises
    ------
    DataError
        No name; a region or unit that the session lacks, or whose units were left out (with the reason).
    """
    names = [names] if isinstance(names, str) else [str(name) for name in names]
    if not names:
        raise DataError(f"No {what} given. Name regions or units. {_regions_of(counts)}")
    regions, unit_ids = counts.regions, np.asarray(counts.unit_ids, dtype=object)
    chosen = np.zeros(counts.n_units, dtype=bool)
    problems = []
    for name in names:
        found = (regions == name) if name != UNKNOWN_REGION and (regions == name).any() else (unit_ids == name)
        chosen |= found
        if not found.any():
            problems.append(_absent(name, counts, session, what))
    if problems:
        raise DataError("\n".join(problems))
    return np.flatnonzero(chosen)


def _absent(name: str, counts: Counts, session: Session, what: str) -> str:
    """Why ``name`` means no unit of ``counts``, and what could have been meant."""
    dropped = {one.id: one.reason for one in counts.dropped if one.kind == "unit"}
    if name in dropped:
        return f"The {what} '{name}' is a unit of session '{counts.session_id}' that was left out: {dropped[name]}."
    inside = session.units.index[session.units["region"].to_numpy() == name]
    if name != UNKNOWN_REGION and len(inside):
        reason, n = Counter(dropped.get(unit_id, "left out by the source") for unit_id in inside).most_common(1)[0]
        return f"All {len(inside)} units of the {what} '{name}' in session '{counts.session_id}' were left out" + (
            f": {reason}." if n == len(inside) else f", {n} of them because: {reason}."
        )
    meant = did_you_mean(name, [*_regions(counts), *counts.unit_ids])
    hint = meant if meant.startswith(" Did") else f" {_regions_of(counts)}"
    return f"Session '{counts.session_id}' has no region or unit '{name}' to be the {what}.{hint}"


def _regions(counts: Counts) -> list[str]:
    return sorted(set(counts.regions) - {UNKNOWN_REGION})


def _regions_of(counts: Counts) -> str:
    regions = _regions(counts)
    return f"Its regions: {', '.join(regions)}." if regions else "Its units have no regions."
