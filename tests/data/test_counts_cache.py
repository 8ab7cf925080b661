"""Counts are made once and kept beside the prepared session; kept ones equal those that are made, to the bit."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from spikeglot.data import counts_cache
from spikeglot.data.counts import Counts
from spikeglot.data.counts_cache import FOLDER, cache_path
from spikeglot.data.prepare import prepare
from spikeglot.data.session import Session
from spikeglot.data.sessions import load_sessions
from spikeglot.data.simulate import SimulationSettings, simulate_sessions
from spikeglot.data.store import write_session
from spikeglot.data.stored_array import StoredArray
from spikeglot.errors import DataError
from spikeglot.settings import QualitySettings, WindowSettings

SMALL = SimulationSettings(n_subjects=1, n_trials=30, regions=("TH", "CA1"), min_units=6, max_units=8)
WINDOW = WindowSettings(align="stim_on_time", stop_s=0.4)
QUALITY = QualitySettings(min_rate_hz=3.0, min_units_per_region=2, trials="choice == 1")


@pytest.fixture(scope="module")
def simulated() -> Session:
    return simulate_sessions(SMALL)[0]


@pytest.fixture
def session(simulated, tmp_path) -> Session:
    return load_sessions(write_session(simulated, tmp_path / "s.h5"))[0]


def in_memory(session: Session) -> Session:
    """The same session with its spikes in memory: its counts are not kept."""
    return replace(session, spike_times_s=session.spike_times_s.copy(), spike_unit=session.spike_unit.copy())


def is_kept(counts: Counts) -> bool:
    return isinstance(counts.as_given, StoredArray)


def caches(session: Session) -> list[Path]:
    return sorted((Path(vars(session)["spike_times_s"].path).parent / FOLDER).glob("*"))


def assert_same(ours: Counts, other: Counts) -> None:
    assert ours.counts.dtype == other.counts.dtype
    np.testing.assert_array_equal(ours.counts, other.counts)
    pd.testing.assert_frame_equal(ours.units, other.units)
    pd.testing.assert_frame_equal(ours.trials, other.trials)
    assert (ours.session_id, ours.subject_id, ours.window) == (other.session_id, other.subject_id, other.window)
    assert ours.dropped == other.dropped
    assert ours.rates is None
    assert other.rates is None


def count_calls(monkeypatch) -> list[int]:
    """Count how often windows are cut: the list gets an entry each time."""
    calls = []
    from spikeglot.data import prepare as place

    original = place.cut_windows
    monkeypatch.setattr(place, "cut_windows", lambda *given: calls.append(1) or original(*given))
    return calls


@pytest.mark.parametrize(
    ("window", "quality"),
    [
        (WINDOW, QUALITY),
        (WindowSettings(align="start_time", start_s=0.2, stop_s=0.6, bin_size_s=0.01), QualitySettings()),
        (WindowSettings(stop_s=2.0), QualitySettings(min_rate_hz=0, units="region == 'TH'")),
    ],
)
def test_kept_counts_are_those_that_are_made(session, window, quality, monkeypatch):
    made = prepare(in_memory(session), window, quality)
    assert caches(session) == []
    first = prepare(session, window, quality)
    calls = count_calls(monkeypatch)
    second = prepare(load_sessions(Path(session.provenance.facts["prepared"]))[0], window, quality)
    assert calls == []
    assert (is_kept(made), is_kept(first), is_kept(second)) == (False, True, True)
    for kept in (first, second):
        assert_same(kept, made)
        index = np.array([3, 0, 2])
        assert_same(kept.take_trials(index), made.take_trials(index))
        assert is_kept(kept.take_trials(index)), "a part is not a copy"
        assert_same(kept.take_units(np.array([1, 0])), made.take_units(np.array([1, 0])))
    assert len(caches(session)) == 1


def test_other_windows_and_filters_are_other_counts(session, monkeypatch):
    calls = count_calls(monkeypatch)
    for _ in range(2):
        for window, quality in [
            (WINDOW, QUALITY),
            (WINDOW.model_copy(update={"stop_s": 0.8}), QUALITY),
            (WINDOW, QUALITY.model_copy(update={"min_rate_hz": 5.0})),
        ]:
            assert_same(prepare(session, window, quality), prepare(in_memory(session), window, quality))
    assert len(calls) == 3 + 6
    assert len(caches(session)) == 3


def test_a_file_that_was_prepared_again_is_counted_again(session, simulated, monkeypatch):
    path = Path(session.provenance.facts["prepared"])
    before = prepare(session, WINDOW, QUALITY)
    write_session(replace(simulated, spike_times_s=simulated.spike_times_s + 0.1), path)
    calls = count_calls(monkeypatch)
    again = load_sessions(path)[0]
    after = prepare(again, WINDOW, QUALITY)
    assert len(calls) == 1
    assert_same(after, prepare(in_memory(again), WINDOW, QUALITY))
    assert after.counts.shape[0] == before.counts.shape[0]
    assert not np.array_equal(after.counts[:, :, :2], before.counts[:, :, :2])
    with pytest.raises(DataError, match="has changed since it was opened"):
        session.spike_times_s  # noqa: B018


def test_tables_that_python_has_changed_are_counted_as_they_are(session, monkeypatch):
    prepare(session, WINDOW, QUALITY)
    calls = count_calls(monkeypatch)
    session.trials["stim_on_time"] += 0.1
    assert_same(prepare(session, WINDOW, QUALITY), prepare(in_memory(session), WINDOW, QUALITY))
    assert len(calls) == 2
    session.units.loc[session.units.index[0], "region"] = "root"
    assert_same(prepare(session, WINDOW, QUALITY), prepare(in_memory(session), WINDOW, QUALITY))
    assert len(calls) == 4
    other = replace(session, trials=session.trials.iloc[:20])
    assert cache_path(other, WINDOW, QUALITY) is None, "no longer what is in the file"
    assert not is_kept(prepare(other, WINDOW, QUALITY))


@pytest.mark.parametrize("damage", ["cut", "emptied", "other file", "lacks a part"])
def test_a_damaged_file_is_made_again(session, damage, monkeypatch):
    made = prepare(in_memory(session), WINDOW, QUALITY)
    prepare(session, WINDOW, QUALITY)
    (kept,) = caches(session)
    if damage == "lacks a part":
        with h5py.File(kept, "r+") as file:
            del file["about"]
    else:
        whole = kept.read_bytes()
        kept.write_bytes({"cut": whole[:-100], "emptied": b"", "other file": b"x" * len(whole)}[damage])
    calls = count_calls(monkeypatch)
    assert_same(prepare(session, WINDOW, QUALITY), made)
    assert_same(prepare(session, WINDOW, QUALITY), made)
    assert len(calls) == 1


def test_a_folder_that_cannot_be_written_is_done_without(session, monkeypatch):
    made = prepare(in_memory(session), WINDOW, QUALITY)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    found = prepare(session, WINDOW, QUALITY)
    assert_same(found, made)
    assert not is_kept(found)


def test_an_interrupted_or_failed_write_leaves_nothing(session, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(counts_cache.os, "replace", full)
    assert not is_kept(prepare(session, WINDOW, QUALITY))
    assert caches(session) == []

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(counts_cache.os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        prepare(session, WINDOW, QUALITY)
    assert caches(session) == []


WRITER = """
import sys, time
from pathlib import Path
from spikeglot.data import counts_cache
from spikeglot.data.prepare import prepare
from spikeglot.data.sessions import load_sessions
from spikeglot.settings import QualitySettings, WindowSettings

session = load_sessions(sys.argv[1])[0]
window, quality = WindowSettings.model_validate_json(sys.argv[2]), QualitySettings.model_validate_json(sys.argv[3])
read, n_asked = counts_cache._read, 0

def read_every_second_time(*given):
    global n_asked
    n_asked += 1
    return read(*given) if n_asked % 2 == 0 else None

counts_cache._read = read_every_second_time
while not Path(sys.argv[1]).with_name("go").exists():
    time.sleep(0.001)
for _ in range(15):
    counts = prepare(session, window, quality)
    print(type(counts.as_given).__name__, int(counts.counts.sum(dtype=int)), counts.counts.shape)
"""


def test_two_processes_that_write_the_same_one(session):
    """Each finds nothing at first, 15 times, and so puts its file in the place of the other's, which is in use."""
    path = Path(session.provenance.facts["prepared"])
    words = [sys.executable, "-c", WRITER, str(path), WINDOW.model_dump_json(), QUALITY.model_dump_json()]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ) for _ in range(2)]
    (path.parent / "go").touch()
    made = prepare(in_memory(session), WINDOW, QUALITY)
    expected = f"StoredArray {int(made.counts.sum(dtype=int))} {made.counts.shape}"
    for process in running:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert set(said.splitlines()) == {expected}
    assert not list((path.parent / FOLDER).glob("*.part"))
