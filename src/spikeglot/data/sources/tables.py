"""Columns of foreign tables: bytes as text, and which column names a unit's region."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from spikeglot.data.session import UNKNOWN_REGION

REGION_COLUMNS = ("region", "location", "brain_region", "brain_area", "area", "structure", "acronym")
"""Columns that may hold the region of a unit or electrode; the first that is not all unknown is taken."""

UNKNOWN_NAMES = frozenset({"", "unknown", "none", "nan", "n/a", "na", "unassigned"})
"""What files write (in any case) where a region is not known."""


def decoded(values: np.ndarray) -> np.ndarray:
    """Return ``values`` with bytes as str (UTF-8); numbers and text come back as they are."""
    values = np.asarray(values)
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8").astype(object)
    if values.dtype.kind == "O":
        text = (v.decode("utf-8") if isinstance(v, bytes) else v for v in values.ravel())
        return np.fromiter(text, dtype=object, count=values.size).reshape(values.shape)
    return values


def decoded_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return ``table`` with the bytes of its text columns as str."""
    text = {str(name): decoded(column.to_numpy()) for name, column in table.items() if column.dtype == object}
    return table.assign(**text)


def region_names(values: np.ndarray) -> np.ndarray:
    """Return (name,) region names as str, with every way of writing "unknown" as ``""``."""
    names = [str(v).strip() for v in decoded(values)]
    return np.array([UNKNOWN_REGION if n.lower() in UNKNOWN_NAMES else n for n in names], dtype=object)


def find_regions(columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Return the regions from the first of `REGION_COLUMNS` that knows any, or None."""
    for name in REGION_COLUMNS:
        if name in columns:
            regions = region_names(columns[name])
            if (regions != UNKNOWN_REGION).any():
                return regions
    return None
