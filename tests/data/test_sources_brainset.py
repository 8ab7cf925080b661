"""Brainsets: real ones against torch_brain, small ones written by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from torch_brain.data import ArrayDict, Data, Interval, IrregularTimeSeries, RegularTimeSeries

from spikeglot.data.sources.brainset import read_brainset
from spikeglot.errors import DataError

SESSIONS = {  # subject, units, trials, regions, from the files themselves and the data's README
    "T176_2018_06_14": ("T176", 132, 658, {"dmFC", "mPFC"}),
    "T212_2019_08_20": ("T212", 34, 561, {"dmFC", "mPFC"}),
    "T219_2019_12_30": ("T219", 31, 496, {"vStr", "dStr", "M1"}),
    "T274_2020_12_10": ("T274", 4, 424, {"dStr"}),
}


@pytest.mark.parametrize("session_id", SESSIONS)
def test_a_session_holds_what_torch_brain_reads(shared_data: Path, session_id: str) -> None:
    path = shared_data / "luo2025" / f"{session_id}.h5"
    session = read_brainset(path)
    subject_id, n_units, n_trials, regions = SESSIONS[session_id]
    assert (session.session_id, session.subject_id) == (session_id, subject_id)
    assert (session.n_units, session.n_trials) == (n_units, n_trials)
    assert set(session.units["region"]) == regions
    with h5py.File(path) as file:
        data = Data.from_hdf5(file, lazy=False)
    assert np.array_equal(session.spike_times_s, data.spikes.timestamps)
    assert np.array_equal(session.spike_unit, data.spikes.unit_index)
    assert session.units.index.tolist() == data.units.id.tolist()
    assert session.units["region"].tolist() == data.units.brain_region.tolist()
    for column in ("start", "end", "choice", "photostim", "photostim_on_time", "gamma"):
        assert np.array_equal(session.trials[column], getattr(data.trials, column), equal_nan=True)
    assert session.recorded_s is not None
    assert np.array_equal(session.recorded_s, np.column_stack([data.domain.start, data.domain.end]))
    clicks = session.behaviour["clicks.side"]
    assert np.array_equal(clicks.times_s, data.clicks.timestamps)
    assert np.array_equal(clicks.values, (data.clicks.side == "R").astype(float))
    assert session.provenance.facts["clicks.side"] == "0 = L, 1 = R"
    assert session.dropped == ()


# Files written by torch_brain here


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a brainset of two units and three spikes, and what the test adds or (None) removes."""

    def write(**parts: object) -> Path:
        everything = {
            "spikes": IrregularTimeSeries(
                timestamps=np.array([0.1, 0.2, 0.9]),
                unit_index=np.array([1, 0, 1]),
                domain=Interval(0.0, 1.0),
            ),
            "units": ArrayDict(id=np.array(["a", "b"]), brain_region=np.array(["M1", "unknown"])),
            "domain": Interval(0.0, 2.0),
        } | parts
        with h5py.File(tmp_path / "rec.h5", "w") as file:
            Data(**{name: part for name, part in everything.items() if part is not None}).to_hdf5(file)
        return tmp_path / "rec.h5"

    return write


def test_a_file_without_trials_session_and_subject(write: Callable) -> None:
    session = read_brainset(write())
    assert (session.session_id, session.subject_id, session.n_trials) == ("rec", "rec", 0)
    assert session.units["region"].tolist() == ["M1", ""]
    assert session.recorded_s is not None
    assert session.recorded_s.tolist() == [[0.0, 1.0]]


def test_the_names_of_session_and_subject_come_from_the_file(write: Callable) -> None:
    session = read_brainset(write(session=Data(id="s1"), subject=Data(id="monkey C", species="Macaca")))
    assert (session.session_id, session.subject_id) == ("s1", "monkey C")
    assert session.provenance.facts["subject.species"] == "Macaca"


def test_units_without_ids_and_regions_are_numbered(write: Callable) -> None:
    session = read_brainset(write(units=ArrayDict(depth=np.array([3.0, 4.0]), waveform=np.zeros((2, 9)))))
    assert session.units.index.tolist() == ["0", "1"]
    assert session.units["region"].tolist() == ["", ""]
    assert sorted(session.units.columns) == ["depth", "region"]


def test_time_series_are_traces_also_in_groups(write: Callable) -> None:
    cursor = RegularTimeSeries(
        velocity=np.arange(6.0).reshape(3, 2), index=np.arange(3), sampling_rate=10.0, domain_start=5.0
    )
    gaze = IrregularTimeSeries(timestamps=np.array([0.0, 0.4]), x=np.array([1.5, 2.5]), domain="auto")
    session = read_brainset(write(cursor=cursor, eye=Data(gaze=gaze, domain=Interval(0.0, 1.0))))
    assert sorted(session.behaviour) == ["cursor.index", "cursor.velocity", "eye.gaze.x"]
    assert np.allclose(session.behaviour["cursor.velocity"].times_s, cursor.timestamps)
    assert session.behaviour["cursor.velocity"].values.tolist() == cursor.velocity.tolist()
    assert session.behaviour["cursor.index"].values.dtype == np.float64
    assert session.behaviour["eye.gaze.x"].values.tolist() == [1.5, 2.5]


def test_samples_in_the_gaps_of_a_regular_series_are_left_out(write: Callable) -> None:
    wheel = RegularTimeSeries.from_gappy_timeseries(
        np.array([0.0, 0.01, 0.03, 0.04, 0.06]), sampling_rate=100.0, position=np.arange(5.0)
    )
    session = read_brainset(write(wheel=wheel))
    trace = session.behaviour["wheel.position"]
    assert np.allclose(trace.times_s, wheel.to_irregular().timestamps)
    assert trace.values.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert [dropped.id for dropped in session.dropped] == ["wheel.position"]


def test_arrays_that_are_no_traces_are_listed(write: Callable) -> None:
    video = RegularTimeSeries(frames=np.zeros((2, 3, 4)), sampling_rate=1.0)
    session = read_brainset(write(video=video))
    assert not session.behaviour
    assert "(2, 3, 4)" in session.dropped[0].reason


def test_trials_keep_two_dimensional_columns(write: Callable) -> None:
    trials = Interval(start=np.array([0.0, 1.0]), end=np.array([0.5, 1.5]), target=np.array([[1, 2], [3, 4]]))
    session = read_brainset(write(trials=trials))
    assert session.trials.columns.tolist() == ["start", "end", "target_0", "target_1"]
    assert session.trials["target_1"].tolist() == [2, 4]


def test_a_file_without_units_is_an_error_that_names_it(write: Callable) -> None:
    with pytest.raises(DataError, match=r"rec\.h5 has no units; it holds"):
        read_brainset(write(units=None))


def test_spikes_of_no_unit_are_an_error(write: Callable) -> None:
    spikes = IrregularTimeSeries(timestamps=np.array([0.1]), unit_index=np.array([2]), domain="auto")
    with pytest.raises(DataError, match=r"1 spikes belong to no unit"):
        read_brainset(write(spikes=spikes))


def test_a_truncated_file_is_an_error_that_says_to_copy_it_again(write: Callable) -> None:
    path = write()
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"rec\.h5.* Copy or download it again"):
        read_brainset(path)
