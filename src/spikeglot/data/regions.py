"""Region names: Allen ids and acronyms, and the coarser Beryl and Cosmos maps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from spikeglot.data.session import UNKNOWN_REGION
from spikeglot.errors import DataError, did_you_mean

ATLASES = ("Allen", "Beryl", "Cosmos")
"""Maps from fine to coarse: every Allen structure, about 300 areas and nuclei, 10 divisions of the brain."""


def acronyms_of_ids(ids: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return the Allen acronym of every Allen id, as (id,) strings.

    Negative ids (the left hemisphere in IBL files) have the acronym of their positive twin.

    Raises
    ------
    DataError
        An id that is not in the Allen structure tree, or iblatlas is not installed.

    >>> acronyms_of_ids([385, -382, 0]).tolist()
    ['VISp', 'CA1', 'void']
    """
    atlas = _atlas()
    ids = np.asarray(ids, dtype=np.int64)
    rows = pd.Index(atlas.id).get_indexer(ids)
    if (rows < 0).any():
        unknown = np.unique(ids[rows < 0])
        raise DataError(
            f"{len(unknown)} region ids are not in the Allen structure tree (first: {unknown[0]}). "
            "Check that the file holds Allen CCF 2017 ids."
        )
    return atlas.acronym[rows].astype(object)


def ids_of_acronyms(acronyms: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return the Allen id (positive) of every Allen acronym, as (acronym,) int64.

    Raises
    ------
    DataError
        A name that is no Allen acronym, or iblatlas is not installed.

    >>> ids_of_acronyms(["VISp", "CA1"]).tolist()
    [385, 382]
    """
    return _atlas().id[_rows_of_acronyms(acronyms)].astype(np.int64)


def map_regions(acronyms: Sequence[str] | np.ndarray, to: str) -> np.ndarray:
    """Return the region that holds each Allen acronym in a coarser map, as (acronym,) strings.

    A structure that is coarser than the map becomes ``root``; an unknown region (``""``) stays unknown.

    Parameters
    ----------
    acronyms:
        (acronym,) Allen acronyms.
    to:
        "Allen" (no change), "Beryl" or "Cosmos"; the maps of the IBL brain-wide map, from iblatlas.

    Raises
    ------
    DataError
        A map or a name that is not known, or iblatlas is not installed.

    >>> map_regions(["VISp5", "CA1", ""], "Beryl").tolist()
    ['VISp', 'CA1', '']
    """
    if to not in ATLASES:
        raise DataError(f"There is no region map '{to}'.{did_you_mean(to, ATLASES)}")
    acronyms = np.asarray(acronyms, dtype=object)
    known = acronyms != UNKNOWN_REGION
    mapped = np.full(len(acronyms), UNKNOWN_REGION, dtype=object)
    if known.any():
        atlas = _atlas()
        mapped[known] = atlas.acronym[atlas.mappings[to][_rows_of_acronyms(acronyms[known])]]
    return mapped


def _rows_of_acronyms(acronyms: Sequence[str] | np.ndarray) -> np.ndarray:
    """Row of the atlas for each acronym; of the two hemispheres the right one, whose ids are positive."""
    atlas = _atlas()
    right = np.flatnonzero(atlas.id >= 0)
    acronyms = np.asarray(acronyms, dtype=object)
    rows = pd.Index(atlas.acronym[right]).get_indexer(pd.Index(acronyms))
    if (rows < 0).any():
        unknown = sorted({str(a) for a in acronyms[rows < 0]})
        raise DataError(
            f"These regions are no Allen acronyms: {', '.join(map(repr, unknown[:10]))}. "
            "Region maps work only for sessions whose regions are named after the Allen atlas."
        )
    return right[rows]


@lru_cache(maxsize=1)
def _atlas() -> Any:
    try:
        from iblatlas.regions import BrainRegions
    except ImportError as error:
        raise DataError("Allen regions need iblatlas. Install it: pip install 'spikeglot[ibl]'.") from error
    return BrainRegions()
