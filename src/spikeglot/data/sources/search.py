"""Find recordings in files and folders, by what is in them rather than by their names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from spikeglot.data.session import Dropped
from spikeglot.data.sources.alf_files import has_spikes, is_alf_session
from spikeglot.data.sources.hdf5 import open_hdf5
from spikeglot.data.sources.npz import COUNTS, SPIKES, npz_keys
from spikeglot.errors import DataError

HDF5_SUFFIXES = (".nwb", ".h5", ".hdf5")
SUFFIXES = (*HDF5_SUFFIXES, ".npz")
"""Files that are looked into when a folder is searched."""

PathLike = str | os.PathLike[str]


class Recording(NamedTuple):
    """One recording on disk: the name of its source ("nwb", "alf", "brainset", "npz"), and where it is."""

    source: str
    path: Path


class Found(NamedTuple):
    """What a search found: recordings, files of other kinds that were passed over, and what cannot be used."""

    recordings: tuple[Recording, ...]
    skipped: tuple[Dropped, ...]
    unusable: tuple[Dropped, ...]


class NotARecording(DataError):
    """A sound file or folder of a kind that no source reads."""


def find_recordings(paths: PathLike | Iterable[PathLike]) -> list[Recording]:
    """Return the recordings in files and folders; see `search`.

    Raises
    ------
    DataError
        Every problem of every path, in one message.
    """
    found = search(paths)
    if found.unusable:
        raise DataError(joined(problem.reason for problem in found.unusable))
    return list(found.recordings)


def search(paths: PathLike | Iterable[PathLike]) -> Found:
    """Search files and folders for recordings.

    Folders are searched with their subfolders, in order of names, for NWB and brainset files, ``.npz`` files
    and ALF session folders; hidden folders and links to folders are passed over. A recording that is found
    twice counts once.
    """
    paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    found = [_search_one(Path(path)) for path in paths]
    recordings: dict[str, Recording] = {}
    for recording in (recording for part in found for recording in part.recordings):
        recordings.setdefault(os.path.abspath(recording.path), recording)
    unusable = [problem for part in found for problem in part.unusable]
    if not paths:
        unusable.append(unusable_at("", "Nothing to load: give at least one file or folder with recordings."))
    skipped = tuple(dropped for part in found for dropped in part.skipped)
    return Found(tuple(recordings.values()), skipped, tuple(unusable))


def unusable_at(path: PathLike, problem: object) -> Dropped:
    """Return what cannot be used, and why; ``problem`` is an error or its message."""
    return Dropped("session", str(path), str(problem))


def joined(problems: Iterable[str]) -> str:
    """Return one message for one or several problems."""
    problems = list(problems)
    if len(problems) == 1:
        return problems[0]
    return f"{len(problems)} problems:\n" + "\n".join(f"- {problem}" for problem in problems)


def source_of(path: PathLike) -> Recording:
    """Return the recording at ``path``, a file or an ALF session folder, and the source that reads it.

    Raises
    ------
    DataError
        Nothing there, a damaged file, or (`NotARecording`) a kind that no source reads.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(_missing(path))
    if path.is_dir():
        if not is_alf_session(path) or not has_spikes(path):
            raise NotARecording(f"{path} is not an ALF session folder (subject/yyyy-mm-dd/001) with spikes.times.")
        return Recording("alf", path)
    source = _of_npz(path) if path.suffix == ".npz" else _of_hdf5(path)
    return Recording(source, path)


def _search_one(path: Path) -> Found:
    if not path.is_dir() or is_alf_session(path):
        try:
            return Found((source_of(path),), (), ())
        except DataError as problem:
            return Found((), (), (unusable_at(path, problem),))
    recordings, skipped, unusable = [], [], []
    for candidate in _candidates(path):
        try:
            recordings.append(source_of(candidate))
        except NotARecording as reason:
            skipped.append(Dropped("session", str(candidate), str(reason)))
        except DataError as problem:
            unusable.append(unusable_at(candidate, problem))
    if not recordings and not unusable:
        unusable.append(unusable_at(path, _empty(path, skipped)))
    return Found(tuple(recordings), tuple(skipped), tuple(unusable))


def _candidates(folder: Path) -> Iterator[Path]:
    """Every file with a known suffix and every ALF session folder below ``folder``, in order of names."""
    for place, folders, files in os.walk(folder):
        if is_alf_session(Path(place)):
            folders.clear()
            yield Path(place)
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(files) if name.endswith(SUFFIXES) and name[0] != ".")


def _of_hdf5(path: Path) -> str:
    import h5py

    if path.suffix not in HDF5_SUFFIXES and not h5py.is_hdf5(path):
        raise NotARecording(
            f"{path} is not a recording that spikeglot reads: give NWB (.nwb), brainsets HDF5 (.h5), an ALF "
            "session folder or .npz. For other formats use spikeglot.from_spike_times or from_counts."
        )
    with open_hdf5(path) as file:
        if "nwb_version" in file.attrs:
            return "nwb"
        if file.attrs.get("object") == "Data":
            return "brainset"
        holds = ", ".join(list(file)[:8]) or "nothing"
    raise NotARecording(f"{path} is HDF5, but neither NWB nor a brainset (temporaldata); it holds {holds}.")


def _of_npz(path: Path) -> str:
    keys = npz_keys(path)
    if set(SPIKES) <= set(keys) or set(COUNTS) <= set(keys):
        return "npz"
    raise NotARecording(
        f"{path} holds {', '.join(keys[:8]) or 'nothing'}; a recording needs {' and '.join(SPIKES)}, or "
        f"{' and '.join(COUNTS)}."
    )


def _missing(path: Path) -> str:
    if path.is_symlink():
        return f"{path} links to a file that is not here. Fetch it first (for DANDI sets: datalad get)."
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    return f"There is no file or folder {path}; the last folder of that path that exists is {folder}."


def _empty(path: Path, skipped: list[Dropped]) -> str:
    others = f" {len(skipped)} files are of other kinds; the first: {skipped[0].reason}" if skipped else ""
    return (
        f"There are no recordings in {path} or its subfolders: no NWB (.nwb), brainsets (.h5, .hdf5), "
        f".npz with spikes or counts, and no ALF session folders (subject/yyyy-mm-dd/001).{others}"
    )
