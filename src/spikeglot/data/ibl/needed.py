"""Which datasets of a session are needed, and what is missing among those that the release has."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from spikeglot.data.session import Dropped
from spikeglot.data.sources.alf_probe import ALLEN_IDS, choose_sortings

OF_PROBES = {
    "spikes": ("times", "clusters"),
    "clusters": ("channels", "depths", "uuids", "metrics"),
    "channels": ("brainLocationIds",),
}
OF_SESSIONS = {
    "wheel": ("position", "timestamps"),
    "leftCamera": ("ROIMotionEnergy", "times"),
    "rightCamera": ("ROIMotionEnergy", "times"),
}
"""Attributes that are needed of ALF objects; of ``trials`` it is all of them, as old releases have no table."""


class Dataset(NamedTuple):
    """One dataset of a session: its collection (``alf/probe00/pykilosort``), the name of its file, its attribute."""

    collection: str
    name: str
    attribute: str


Found = dict[tuple[str, str], tuple[Dataset, ...]]
"""Datasets by collection and ALF object."""


class Needed(NamedTuple):
    """The datasets to download, what is left out of the session, and ("" if nothing) why it cannot be used at all."""

    datasets: tuple[Dataset, ...]
    dropped: tuple[Dropped, ...]
    problem: str


def needed_datasets(paths: Iterable[str]) -> Needed:
    """Choose among the paths of datasets, relative to the session (``alf/probe00/pykilosort/spikes.times.npy``).

    Revisions of one dataset count once. Of a probe that was sorted more than once, one sorting is chosen.
    """
    found = _by_object(paths)
    probes = {where for where, kind in found if kind == "spikes" and _has(found, where, kind, OF_PROBES[kind])}
    chosen, not_used = choose_sortings(sorted(probes))
    dropped = [Dropped("unit", where, reason) for where, reason in not_used.items()]
    half = {where for where, kind in found if kind in OF_PROBES} - probes
    dropped += [
        Dropped("unit", where, "the release has no spikes of this probe")
        for where in sorted(half)
        if not any(_same_probe(where, probe) for probe in probes)
    ]
    datasets = [
        dataset
        for where in chosen.values()
        for kind, attributes in OF_PROBES.items()
        for dataset in _of(found, where, kind, attributes)
    ]
    for kind, attributes in OF_SESSIONS.items():
        complete = [where for where, one in found if one == kind and _has(found, where, kind, attributes)]
        datasets += [dataset for where in complete for dataset in _of(found, where, kind, attributes)]
        if not complete:
            dropped.append(Dropped("trace", kind, f"the release has no {' and '.join(attributes)} of {kind}"))
    trials = [dataset for (_, kind), of_kind in found.items() if kind == "trials" for dataset in of_kind]
    return Needed((*datasets, *trials), tuple(dropped), _problem(found, chosen.values(), bool(trials)))


def _problem(found: Found, chosen: Collection[str], has_trials: bool) -> str:
    if not chosen:
        return "the release has no spikes of this session"
    if not has_trials:
        return "the release has no trials of this session"
    if not any(_has(found, where, "channels", OF_PROBES["channels"]) for where in chosen):
        return f"the release has no regions of this session (channels.{ALLEN_IDS})"
    return ""


def _by_object(paths: Iterable[str]) -> Found:
    """Datasets by collection and object; files that are no datasets are passed over."""
    from one.alf.path import ALFPath
    from one.alf.spec import is_valid

    found: dict[tuple[str, str], dict[str, Dataset]] = {}
    for path in map(ALFPath, sorted(paths)):
        if is_valid(path.name):
            where = "/".join(part for part in path.parent.parts if not part.startswith("#"))
            found.setdefault((where, path.object), {})[path.name] = Dataset(where, path.name, path.attribute)
    return {key: tuple(by_name.values()) for key, by_name in found.items()}


def _of(found: Found, where: str, kind: str, attributes: tuple[str, ...]) -> list[Dataset]:
    return [dataset for dataset in found.get((where, kind), ()) if dataset.attribute in attributes]


def _has(found: Found, where: str, kind: str, attributes: tuple[str, ...]) -> bool:
    return {dataset.attribute for dataset in _of(found, where, kind, attributes)} == set(attributes)


def _same_probe(one: str, other: str) -> bool:
    """Whether ``alf/probe00`` and ``alf/probe00/pykilosort`` are of one probe."""
    return one.split("/")[:2] == other.split("/")[:2]
