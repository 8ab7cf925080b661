"""Open HDF5 files with errors that say what to do, and read what is in them, or leave it there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spikeglot.data.stored_array import Stamp, StoredArray, stamp_of
from spikeglot.errors import DataError

MAPPED_KINDS = "iufb"
"""Kinds of numbers that lie in a file as they lie in memory; HDF5 has a form of its own for all others."""


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file to read.

    Raises
    ------
    DataError
        The file cannot be read: no permission, locked, truncated, or not HDF5 at all; also when the damage
        only shows while the file is being read.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (PermissionError, BlockingIOError) as error:
        raise DataError(f"Cannot open {path}: {error}. Check its permissions, and who has it open.") from error
    except OSError as error:
        raise DataError(
            f"Cannot read {path}: the HDF5 file is damaged or not complete ({error}). Copy or download it again."
        ) from error


def read_array(group: Any, key: str) -> np.ndarray:
    """Return a whole dataset below an open file or group, text as bytes; raises KeyError where there is none.

    The same as ``group[key][:]`` by h5py's lower half: three times as fast, which counts where there are hundreds of
    files with tens of small tables.
    """
    dataset = h5py.h5d.open(group.id, key.encode())
    values = np.empty(dataset.shape, dataset.dtype)
    if values.size:
        dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return values


def array_in(file: Any, key: str, *, may_change: bool = False) -> Any:
    """Return a dataset of an open HDF5 file: where it lies (`StoredArray`), or its array where it cannot be mapped.

    Empty, chunked and compressed datasets, and those that are no numbers, cannot. A file that ``may_change`` is one
    that only ever gives way to another with the same content.
    """
    dataset = h5py.h5d.open(file.id, key.encode())
    offset = dataset.get_offset()
    if offset is None or dataset.dtype.kind not in MAPPED_KINDS:
        return read_array(file, key)
    stamp = stamp_of(file.id.get_vfd_handle())
    stamp = Stamp(stamp.size) if may_change else stamp
    return StoredArray(os.path.abspath(file.filename), offset, dataset.shape, dataset.dtype, stamp)
