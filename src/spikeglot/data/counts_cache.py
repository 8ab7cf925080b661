"""Counts are made once: those of a prepared session are kept in a file beside it, and mapped from there.

The file lies in the folder ``.counts`` beside the prepared session, one for each choice of windows and filters. The
folder may be deleted whenever nothing runs; what is missing, damaged or out of date is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from spikeglot.data.counts import Counts
from spikeglot.data.session import Dropped, Session
from spikeglot.data.sources.hdf5 import array_in, read_array
from spikeglot.data.stored_array import StoredArray
from spikeglot.settings import QualitySettings, WindowSettings
from spikeglot.version import __version__

FOLDER = ".counts"
"""Folder of the caches; searches for recordings pass over it, since its name begins with a dot."""
FORMAT = 1
"""To be raised when the same session and settings make other counts, or when the file looks different."""


def kept_counts(
    session: Session, window: WindowSettings, quality: QualitySettings, make: Callable[[], Counts]
) -> Counts:
    """Return the counts of a session: those that are kept, or what ``make`` returns, which is then kept.

    Only counts of a session whose spikes are still in its prepared file are kept; others, and all where the folder
    cannot be written, are made anew every time and held in memory. Both ways give equal counts.
    """
    path = cache_path(session, window, quality)
    if path is None:
        return make()
    kept = _read(path, session, window)
    if kept is not None:
        return kept
    made = make()
    if not _write(path, made, session):
        return made
    return _read(path, session, window) or made


def cache_path(session: Session, window: WindowSettings, quality: QualitySettings) -> Path | None:
    """Return where the counts of a session are kept, None for a session that is not a prepared file.

    The name stands for all that counts are made of: the prepared file as it is, the tables of the session, which Python
    may have changed since it was read, and the settings.
    """
    spikes = vars(session)["spike_times_s"]
    if not isinstance(spikes, StoredArray):
        return None
    stamp, file = tuple(spikes.stamp), Path(spikes.path)
    known = [FORMAT, __version__, stamp, window.model_dump(mode="json"), quality.model_dump(mode="json")]
    made_of = hashlib.sha256(json.dumps(known).encode())
    for part in _tables(session):
        made_of.update(part)
    return file.parent / FOLDER / f"{file.stem}-{made_of.hexdigest()[:24]}.h5"


def _tables(session: Session) -> Iterator[bytes]:
    """The content of everything but the spikes that counts are made of."""
    yield repr(None if session.recorded_s is None else session.recorded_s.tolist()).encode()
    for table in (session.units, session.trials):
        yield repr((len(table), list(table.columns))).encode()
        for column in (table.index, *(table[name] for name in table.columns)):
            values = column.to_numpy()
            yield str(values.dtype).encode()
            yield values.tobytes() if values.dtype.kind in "biuf" else repr(values.tolist()).encode()


def _read(path: Path, session: Session, window: WindowSettings) -> Counts | None:
    """The counts that are kept at ``path``; None where there are none, or a file that is not whole."""
    try:
        with h5py.File(path, "r") as opened:
            file: Any = opened
            counts = array_in(file, "counts", may_change=True)
            about = json.loads(read_array(file, "about").item())
    except (OSError, KeyError, ValueError):
        return None
    trial_id = np.array(about["trial_id"], np.int64)
    trials = pd.DataFrame(index=pd.RangeIndex(len(trial_id)))
    if window.align is not None:
        trials = session.trials.loc[trial_id]
    return Counts(
        session_id=session.session_id,
        subject_id=session.subject_id,
        counts=counts,
        units=session.units.iloc[about["unit"]],
        trials=trials.assign(window_start_s=about["window_start_s"], trial_id=trial_id).reset_index(drop=True),
        window=window,
        dropped=(*session.dropped, *(Dropped(*one) for one in about["dropped"])),
    )


def _write(path: Path, counts: Counts, session: Session) -> bool:
    """Keep counts at ``path``: whole or not at all, whoever else does the same; return whether that could be done."""
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    about = {
        "unit": session.units.index.get_indexer(counts.units.index).tolist(),
        "trial_id": counts.trials["trial_id"].tolist(),
        "window_start_s": counts.trials["window_start_s"].tolist(),
        "dropped": [(one.kind, one.id, one.reason) for one in counts.dropped[len(session.dropped) :]],
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(part, "w") as file:
            file["counts"] = counts.counts
            file["about"] = json.dumps(about)
        os.replace(part, path)
    except OSError:  # a folder that is not ours, a full disk
        return False
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return True
