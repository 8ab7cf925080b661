"""The files of ALF session folders: which there are, and what they hold.

The folder itself is read, with ONE-api's own parser of names and files (`one.alf`): ONE's tables are not
needed, and nothing is written. Of a dataset with several revisions the last is read, which is ONE's rule
where none is the default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from spikeglot.errors import DataError

Objects = dict[tuple[str, str], list[Any]]
"""The files of every (collection, object), for instance of ("alf/probe00/pykilosort", "spikes")."""


def is_alf_session(path: Path) -> bool:
    """Whether a path is named like an ALF session folder: ``subject/yyyy-mm-dd/001``.

    >>> is_alf_session(Path("Lederberg/2017-12-09/001"))
    True
    """
    last = "/".join(Path(os.path.abspath(path)).parts[-3:])
    return bool(re.fullmatch(r"[\w.-]+/\d{4}-\d{2}-\d{2}/\d{1,3}", last))


def has_spikes(path: Path) -> bool:
    """Whether there are spike times anywhere below an ALF session folder."""
    return next(Path(path).rglob("*spikes.times*.npy"), None) is not None


def list_objects(path: Path, files: Iterable[Path] | None = None) -> Objects:
    """The files below a session folder, or ``files`` of it only; empty files count as absent.

    Of each dataset it is the last revision.
    """
    try:
        from one.alf.path import ALFPath
    except ImportError as error:
        raise DataError("ALF folders need ONE-api. Install it: pip install 'spikeglot[ibl]'.") from error
    newest = {}
    found: Iterable[Any] = ALFPath(path).iter_datasets(recursive=True) if files is None else map(ALFPath, files)
    for file in found:
        if file.stat().st_size:
            dataset = (file.collection, file.without_uuid().name)
            newest[dataset] = max(newest.get(dataset, file), file, key=lambda f: f.revision)
    objects: Objects = {}
    for (collection, _), file in newest.items():
        objects.setdefault((collection, file.object), []).append(file)
    return objects


def load_object(files: list[Any], attributes: set[str] | None = None) -> dict[str, Any]:
    """Return the content of an object's files by attribute (with timescale), of these ``attributes`` or all.

    Arrays are (row,) or (row, column); tables are data frames. Pickles in arrays are refused.

    Raises
    ------
    DataError
        A file that cannot be read.
    """
    wanted = [file for file in files if attributes is None or file.attribute in attributes]
    return {"_".join(filter(None, (file.attribute, file.timescale))): _content(file) for file in wanted}


def _content(file: Any) -> Any:
    from one.alf import io

    try:
        if file.suffix != ".npy":
            return io.load_file_content(file)
        values = np.load(file, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"Cannot read {file}: {error}. Download it again.") from error
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
