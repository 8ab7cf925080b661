"""Arrays that stay in their file: they are mapped when somebody looks at them, and take no memory until then."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from spikeglot.errors import DataError

T = TypeVar("T")
GO_ON = "Load the sessions again; a run goes on with --resume."


class Stamp(NamedTuple):
    """By what a file is known to be the same: its size in bytes, and when it was last changed (None: never mind)."""

    size: int
    changed_ns: int | None = None


def stamp_of(path: str | Path | int) -> Stamp:
    """Return the stamp of a file, or of an open one by its number; raises OSError where there is none."""
    about = os.stat(path)
    return Stamp(about.st_size, about.st_mtime_ns)


@dataclass(frozen=True, eq=False)
class StoredArray:
    """An array in a file, or some of its rows: where it lies, and which.

    It is a few hundred bytes, also where it is sent to another process. Nothing is kept open: a limit on open files
    (256 on some systems) would be a limit on sessions.
    """

    path: str
    offset: int
    stored_shape: tuple[int, ...]
    dtype: np.dtype
    stamp: Stamp
    rows: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stored_shape if self.rows is None else (len(self.rows), *self.stored_shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def choose(self, rows: np.ndarray) -> StoredArray:
        """Return some rows, in this order, without reading them."""
        return replace(self, rows=np.arange(len(self))[rows] if self.rows is None else self.rows[rows])

    def take(self, rows: np.ndarray | slice) -> np.ndarray:
        """Return a copy of some rows; no others are read."""
        chosen = self.choose(rows).rows  # type: ignore[arg-type]
        return self._mapped("r")[chosen]

    def array(self, *, writable: bool = False) -> np.ndarray:
        """Return all rows: mapped, and read when they are looked at; of chosen rows a copy.

        A mapped array is read-only. What is written into a ``writable`` one stays in this process, and leaves the file
        as it is.

        Raises
        ------
        DataError
            The file is gone, or another one by now.
        """
        return self._mapped("c" if writable else "r") if self.rows is None else self.take(slice(None))

    def _mapped(self, mode: Any) -> np.ndarray:
        try:
            now = stamp_of(self.path)
            if now.size != self.stamp.size or self.stamp.changed_ns not in (None, now.changed_ns):
                raise DataError(f"{self.path} has changed since it was opened. {GO_ON}")
            return np.memmap(self.path, self.dtype, mode, self.offset, self.stored_shape).view(np.ndarray)
        except OSError as error:
            raise DataError(f"{self.path} cannot be read any more: {error}. {GO_ON}") from error


class ArrayField:
    """A field that was given an array or a `StoredArray`, and is an array either way.

    A stored one is mapped anew every time it is asked for. ``vars(thing)["name"]`` is what was given.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None:
            return self
        given = vars(instance)[self.name]
        return given.array() if isinstance(given, StoredArray) else given

    def __set__(self, instance: object, value: Any) -> None:
        vars(instance)[self.name] = value


def may_be_stored(*names: str, field: type[ArrayField] = ArrayField) -> Callable[[type[T]], type[T]]:
    """Let the fields ``names`` of a frozen dataclass be given a `StoredArray` in the place of an array."""

    def decorate(cls: type[T]) -> type[T]:
        for name in names:
            setattr(cls, name, field(name))
        return cls

    return decorate
