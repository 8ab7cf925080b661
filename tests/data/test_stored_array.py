"""Arrays in files: mapped when they are looked at, never written to, and never taken for those of another file."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

from spikeglot.data.sources.hdf5 import array_in
from spikeglot.data.stored_array import StoredArray, may_be_stored
from spikeglot.errors import DataError

VALUES = np.arange(24, dtype=np.float64).reshape(4, 3, 2)


@pytest.fixture
def stored(tmp_path: Path) -> StoredArray:
    return in_file(tmp_path / "a.h5", VALUES)


def in_file(path: Path, values: np.ndarray, **how: object) -> StoredArray:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, **how)
    with h5py.File(path, "r") as file:
        return array_in(file, "x")


def test_it_is_what_was_written_and_rows_of_it(stored):
    assert np.array_equal(stored.array(), VALUES)
    assert (stored.shape, len(stored), stored.dtype) == ((4, 3, 2), 4, np.float64)
    assert np.array_equal(stored.take(np.array([3, 0, 3])), VALUES[[3, 0, 3]])
    assert np.array_equal(stored.take(slice(1, 3)), VALUES[1:3])
    part = stored.choose(np.array([2, 0, 1]))
    assert (part.shape, len(part)) == ((3, 3, 2), 3)
    assert np.array_equal(part.array(), VALUES[[2, 0, 1]])
    assert np.array_equal(part.take(np.array([0, 2])), VALUES[[2, 1]])
    assert np.array_equal(part.choose(np.array([1])).array(), VALUES[[0]])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.float32, bool])
def test_every_kind_of_number(tmp_path, kind):
    values = np.array([[0, 1], [1, 1]], kind)
    found = in_file(tmp_path / "k.h5", values)
    found = found.array() if isinstance(found, StoredArray) else found
    assert found.dtype == kind
    assert np.array_equal(found, values)


@pytest.mark.parametrize("how", [{"chunks": (2, 3, 2)}, {"compression": "gzip"}])
def test_what_cannot_be_mapped_is_read(tmp_path, how):
    found = in_file(tmp_path / "c.h5", VALUES, **how)
    assert isinstance(found, np.ndarray)
    assert np.array_equal(found, VALUES)
    assert in_file(tmp_path / "e.h5", np.zeros((0, 2))).shape == (0, 2)


def test_nothing_reaches_the_file(stored):
    before = Path(stored.path).read_bytes()
    with pytest.raises(ValueError, match="read-only"):
        stored.array()[0] = 1
    private = stored.array(writable=True)
    private[:] = -1
    stored.take(slice(None))[:] = -1
    assert np.array_equal(stored.array(), VALUES)
    assert Path(stored.path).read_bytes() == before


def test_it_is_small_and_keeps_no_file_open(stored):
    assert len(pickle.dumps(stored)) < 1000
    assert np.array_equal(pickle.loads(pickle.dumps(stored)).array(), VALUES)
    n_open = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    arrays = [stored.choose(np.array([i])) for i in range(4)]
    assert [array.array()[0, 0, 0] for array in arrays] == [0, 6, 12, 18]
    assert n_open == (len(os.listdir("/proc/self/fd")) if n_open else 0)


def test_another_file_in_its_place_is_refused(stored):
    path = Path(stored.path)
    os.utime(path, (1, 1))
    with pytest.raises(DataError, match="has changed since it was opened"):
        stored.array()
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match="has changed"):
        stored.take(np.array([0]))
    path.unlink()
    with pytest.raises(DataError, match="cannot be read any more"):
        stored.array()


def test_a_path_does_not_depend_on_where_the_process_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stored = in_file(Path("a.h5"), VALUES)
    monkeypatch.chdir("/")
    assert np.array_equal(stored.array(), VALUES)


def test_a_field_takes_either_and_gives_an_array(stored):
    @may_be_stored("x")
    @dataclass(frozen=True)
    class Thing:
        name: str
        x: np.ndarray

    for given in (VALUES, stored):
        thing = Thing("a", given)
        assert type(thing.x) is np.ndarray
        assert np.array_equal(thing.x, VALUES)
        assert vars(thing)["x"] is given
    with pytest.raises(AttributeError):
        thing.name = "b"
