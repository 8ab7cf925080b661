"""The order of units in a figure: by region, by depth, or by the shape of their average responses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from spikeglot.data.session import UNKNOWN_REGION
from spikeglot.errors import DataError, SettingsError, did_you_mean


def sort_units(profile: np.ndarray, units: pd.DataFrame, by: str) -> np.ndarray:
    """Return the indices of units in the order ``by``, one of `SORTS`.

    ``profile`` (sample, unit) are average responses, ``units`` the table of the units. "region" sorts by the name of
    the region, and in a region by similarity; "depth" by the column ``depth_um``, small to large, unknown depths
    last; "similarity" by the angle of the responses in the plane of their first two principal components, so that
    units that respond alike, or at neighbouring times, are neighbours.

    Raises
    ------
    SettingsError
        An order that is not known.
    DataError
        Depths are asked for, and the table has none.
    """
    if by not in SORTS:
        raise SettingsError(f"Units cannot be sorted by '{by}'.{did_you_mean(by, SORTS)}")
    return SORTS[by](profile, units)


def by_region(profile: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Return the order of units by region (unit,), those without one last, and in a region by similarity."""
    names = sorted(set(regions), key=lambda name: (name == UNKNOWN_REGION, name))
    inside = [np.flatnonzero(regions == name) for name in names]
    return np.concatenate([units[by_similarity(profile[:, units])] for units in inside])


def by_similarity(profile: np.ndarray) -> np.ndarray:
    """Return the order of units by the angle of ``profile`` (sample, unit) in the plane of most variance."""
    _, size, direction = np.linalg.svd(standard(profile), full_matrices=False)
    x, y = (size[:, None] * direction)[[0, min(1, len(size) - 1)]]
    return np.argsort(np.arctan2(y, x), kind="stable")


def standard(profile: np.ndarray) -> np.ndarray:
    """Return ``profile`` (sample, unit) with mean 0 and standard deviation 1 per unit, 0 where it is flat."""
    spread = profile.std(axis=0)
    return (profile - profile.mean(axis=0)) / np.where(spread > 0, spread, 1)


def _by_depth(profile: np.ndarray, units: pd.DataFrame) -> np.ndarray:
    given = units["depth_um"] if "depth_um" in units else pd.Series(np.nan, units.index)
    depth_um = np.asarray(pd.to_numeric(given, errors="coerce"), dtype=np.float64)
    if np.isnan(depth_um).all():
        raise DataError(
            "Units cannot be sorted by depth: their table has no column 'depth_um' with numbers. Sort by region or "
            "similarity, or give the source this column."
        )
    return np.argsort(depth_um, kind="stable")


SORTS: dict[str, Callable[[np.ndarray, pd.DataFrame], np.ndarray]] = {
    "region": lambda profile, units: by_region(profile, units["region"].to_numpy(dtype=object)),
    "depth": _by_depth,
    "similarity": lambda profile, units: by_similarity(profile),
}
"""By name."""
