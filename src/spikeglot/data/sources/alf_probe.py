"""One probe of an ALF session: spikes, clusters and channels as spikes and units."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from spikeglot.data.regions import acronyms_of_ids
from spikeglot.data.sources.alf_files import Objects, load_object
from spikeglot.errors import DataError

SORTERS = ("iblsorter", "pykilosort")
"""Of a probe that was sorted more than once, the sorter that is read, best first: IBL's order."""

ALLEN_IDS = "brainLocationIds_ccf_2017"


def choose_sortings(collections: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the collection to read by name of probe, and why each other one is not read.

    A collection that names no probe is the probe ``""``.

    >>> choose_sortings(["alf/probe00", "alf/probe00/pykilosort"])[0]
    {'probe00': 'alf/probe00/pykilosort'}
    """
    by_probe: dict[str, list[str]] = {}
    for collection in sorted(collections):
        named = re.search(r"probe[^/]*", collection)
        by_probe.setdefault(named.group() if named else "", []).append(collection)
    chosen = {probe: min(found, key=_rank) for probe, found in by_probe.items()}
    not_used = {
        other: f"another sorting of {probe or 'the same units'} is read: {chosen[probe]}"
        for probe, found in by_probe.items()
        for other in found
        if other != chosen[probe]
    }
    return chosen, not_used


def _rank(collection: str) -> int:
    last = collection.rsplit("/", 1)[-1]
    return SORTERS.index(last) if last in SORTERS else len(SORTERS)


def read_probe(probe: str, collection: str, objects: Objects) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Return (spike,) times in seconds, (spike,) rows of the units, and the table of units of one probe."""
    spikes = load_object(objects[collection, "spikes"], {"times", "clusters"})
    files = objects.get((collection, "clusters"), [])
    clusters = load_object(files, {"channels", "depths", "uuids"})
    metrics = load_object(files, {"metrics"}).get("metrics")  # apart: it may have fewer rows than the other files
    channels = load_object(objects.get((collection, "channels"), []), {"brainLocationIds"})
    missing = {"times", "clusters"} - set(spikes)
    if missing:
        raise DataError(f"{collection} lacks spikes.{missing.pop()}. Download it, or leave the session out.")
    rows = np.asarray(spikes["clusters"], dtype=np.int64)
    n_units = _n_units(rows, clusters)
    _check_fit(collection, n_units, rows, clusters, channels)
    units = _units(probe, n_units, clusters, channels, metrics)
    return np.asarray(spikes["times"], dtype=np.float64), rows, units


def _n_units(rows: np.ndarray, clusters: Mapping[str, Any]) -> int:
    """Clusters without spikes count; only where no file lists the clusters, the spikes have to."""
    lengths = [len(clusters[name]) for name in ("channels", "depths", "uuids") if name in clusters]
    return lengths[0] if lengths else int(rows.max(initial=-1)) + 1


def _check_fit(
    collection: str, n_units: int, rows: np.ndarray, clusters: Mapping[str, Any], channels: Mapping[str, Any]
) -> None:
    """The numbers of clusters and channels that files refer to are there in the others."""
    problems = [
        f"clusters.{name} has {len(values)} rows for {n_units} clusters"
        for name, values in clusters.items()
        if len(values) != n_units
    ]
    references = [("spikes.clusters", rows, n_units)]
    if "channels" in clusters and ALLEN_IDS in channels:
        references.append(("clusters.channels", np.asarray(clusters["channels"]), len(channels[ALLEN_IDS])))
    for name, values, n in references:
        if values.size and (values.min() < 0 or values.max() >= n):
            problems.append(f"{name} goes from {values.min()} to {values.max()}, but there are {n}")
    if problems:
        raise DataError(
            f"{collection}: {'; '.join(problems)}. The files are of different sortings: download them again."
        )


def _units(
    probe: str,
    n_units: int,
    clusters: Mapping[str, Any],
    channels: Mapping[str, Any],
    metrics: pd.DataFrame | None,
) -> pd.DataFrame:
    prefix = f"{probe}:" if probe else ""
    columns: dict[str, Any] = {"probe": [probe] * n_units}
    if "channels" in clusters:
        columns["channel"] = clusters["channels"]
        if ALLEN_IDS in channels:
            columns["region"] = acronyms_of_ids(channels[ALLEN_IDS])[clusters["channels"]]
    if "depths" in clusters:
        columns["depth_um"] = clusters["depths"]
    if "uuids" in clusters:
        columns["uuid"] = np.asarray(clusters["uuids"], dtype=object)
    more = _metrics(metrics, n_units)
    more = more.drop(columns=[name for name in more if name in columns])
    units = pd.concat([pd.DataFrame(columns, index=range(n_units)), more], axis=1)
    return units.set_axis([f"{prefix}{k}" for k in range(n_units)])


def _metrics(metrics: pd.DataFrame | None, n_units: int) -> pd.DataFrame:
    """One row of metrics per cluster; a cluster that ``cluster_id`` does not name has none (NaN)."""
    if metrics is None:
        return pd.DataFrame(index=range(n_units))
    if "cluster_id" in metrics:
        return metrics.set_index("cluster_id").reindex(range(n_units))
    return metrics.reset_index(drop=True).reindex(range(n_units))
