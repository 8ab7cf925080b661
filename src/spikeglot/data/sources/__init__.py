"""Where recordings come from: each source turns a foreign file, folder or object into a `Session`."""

from __future__ import annotations

from spikeglot.data.session import Session
from spikeglot.data.sources.search import Found, PathLike, Recording, find_recordings, search, source_of

__all__ = ["Found", "Recording", "find_recordings", "read_recording", "read_session", "search"]


def read_session(path: PathLike) -> Session:
    """Return the session in one file or ALF session folder.

    Raises
    ------
    DataError
        Nothing there, a file of unknown kind, a damaged file, or whatever its source refuses.
    """
    return read_recording(source_of(path))


def read_recording(recording: Recording) -> Session:
    """Return the session of a recording that a search has found; raises what its source raises."""
    from spikeglot.data.sources.alf import read_alf
    from spikeglot.data.sources.brainset import read_brainset
    from spikeglot.data.sources.npz import read_npz
    from spikeglot.data.sources.nwb import read_nwb

    readers = {"nwb": read_nwb, "alf": read_alf, "brainset": read_brainset, "npz": read_npz}
    return readers[recording.source](recording.path)
