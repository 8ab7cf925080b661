"""Open HDF5 files with errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from spikeglot.errors import DataError


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
