"""Prepared sessions: what is written is read back, torch_brain opens it, and nothing is left half-written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from torch_brain.data import Data, Interval

from spikeglot.data.session import Dropped, Provenance, Session, Trace, make_session
from spikeglot.data.sessions import load_sessions
from spikeglot.data.simulate import simulate_sessions
from spikeglot.data.store import PREPARED, file_name, stored_dropped, stored_id_and_source, write_session
from spikeglot.errors import DataError


def assert_equal(ours: Session, back: Session) -> None:
    assert (back.session_id, back.subject_id, back.dropped) == (ours.session_id, ours.subject_id, ours.dropped)
    assert np.array_equal(back.spike_times_s, ours.spike_times_s)
    assert np.array_equal(back.spike_unit, ours.spike_unit)
    pd.testing.assert_frame_equal(back.units, ours.units, check_dtype=False)
    pd.testing.assert_frame_equal(back.trials, ours.trials, check_dtype=False)
    assert list(back.behaviour) == list(ours.behaviour)
    for name, trace in ours.behaviour.items():
        assert np.array_equal(back.behaviour[name].times_s, trace.times_s)
        assert np.array_equal(back.behaviour[name].values, trace.values, equal_nan=True)
    assert (back.recorded_s is None) == (ours.recorded_s is None)
    if ours.recorded_s is not None:
        assert np.array_equal(back.recorded_s, ours.recorded_s)
    assert (back.provenance.source, back.provenance.path) == (ours.provenance.source, ours.provenance.path)
    assert {k: v for k, v in back.provenance.facts.items() if k != PREPARED} == dict(ours.provenance.facts)


@pytest.fixture
def session() -> Session:
    """A session with everything that could be lost: odd names, text with holes, all kinds of columns."""
    units = pd.DataFrame(
        {
            "region": ["CA1", "", "Größe"],
            "id": [7, 8, 9],
            "depth_um": [1.5, np.nan, 3.0],
            "good": [True, False, True],
            "label": ["a", None, "b"],
            "n": pd.array([1, None, 3], dtype="Int64"),
            "layer": pd.Categorical(["L2", "L5", "L2"]),
        },
        index=["p:0", "p:1", "p:2"],
    )
    trials = pd.DataFrame(
        {
            "intervals_0": [0.0, 2.0],
            "intervals_1": [1.5, 3.5],
            "stimOn_times": [0.5, np.nan],
            "choice": [-1, 1],
            "start": ["x", "y"],
            "a/b": [1, 2],
            "a.b": [3, 4],
        }
    )
    behaviour = {
        "clicks.side": Trace(np.array([0.1, 0.2]), np.array([1.0, np.nan])),
        "clicks": Trace(np.array([0.0]), np.array([[1, 2]], dtype=np.float32)),
        "nothing": Trace(np.zeros(0), np.zeros(0)),
    }
    return make_session(
        session_id="lab/m 1/2020-01-31/001",
        subject_id="m 1",
        spike_times_s=np.array([-0.5, 0.25, 0.25, 3.0]),
        spike_unit=np.array([2, 0, 1, 0]),
        units=units,
        trials=trials,
        behaviour=behaviour,
        provenance=Provenance("alf", "data/m 1", {"lab": "ü", "n": "3"}),
        dropped=(Dropped("unit", "p:3", "was noise"), Dropped("trace", "pupil", "ä")),
    )


def test_everything_comes_back(session: Session, tmp_path: Path) -> None:
    path = write_session(session, tmp_path / "new" / file_name(session.session_id))
    back = load_sessions(path)[0]
    units = session.units.assign(n=[1.0, np.nan, 3.0], layer=session.units["layer"].astype(object))
    assert_equal(replace(session, units=units), back)
    assert back.units["good"].dtype == bool
    assert back.units["label"].isna().tolist() == [False, True, False]
    assert back.provenance.facts[PREPARED] == str(path)
    again = load_sessions(write_session(back, tmp_path / "again.h5"))[0]
    assert_equal(replace(back, provenance=session.provenance), again)


def test_a_session_with_only_spikes(tmp_path: Path) -> None:
    session = make_session(
        session_id="s", subject_id="s", spike_times_s=[], spike_unit=np.array([], int), units=pd.DataFrame(index=["a"])
    )
    path = write_session(session, tmp_path / "s.h5")
    assert_equal(session, load_sessions(path)[0])
    assert len(Data.load(path, lazy=False).spikes.timestamps) == 0


def test_torch_brain_opens_it(session: Session, tmp_path: Path) -> None:
    data = Data.load(write_session(session, tmp_path / "s.h5"), lazy=False)
    assert (data.session.id, data.subject.id) == (session.session_id, session.subject_id)
    assert data.spikes.timestamps.tolist() == [-0.5, 0.25, 0.25, 3.0]
    assert data.spikes.unit_index.tolist() == [2, 0, 1, 0]
    assert data.units.id.tolist() == ["p:0", "p:1", "p:2"]
    assert isinstance(data.trials, Interval)
    assert data.trials.start.tolist() == [0.0, 2.0]
    assert data.trials.start_2.tolist() == ["x", "y"]
    assert data.behaviour.clicks.values.tolist() == [[1, 2]]
    assert (data.domain.start[0], data.domain.end[-1]) == (-0.5, 3.0)


def test_torch_brain_slices_it_as_its_own(tmp_path: Path) -> None:
    session = simulate_sessions()[0]
    path = write_session(session, tmp_path / "s.h5")
    start_s, stop_s = 20.25, 31.5
    inside = (session.spike_times_s >= start_s) & (session.spike_times_s < stop_s)
    (name, trace) = next(iter(session.behaviour.items()))
    for lazy in (True, False):
        data = Data.load(path, lazy=lazy).slice(start_s, stop_s)
        assert np.allclose(data.spikes.timestamps, session.spike_times_s[inside] - start_s)
        assert np.array_equal(data.spikes.unit_index, session.spike_unit[inside])
        expected = trace.values[(trace.times_s >= start_s) & (trace.times_s < stop_s)]
        assert np.array_equal(getattr(data.behaviour, name).values, expected)
        assert data.trials.start.min() < stop_s - start_s, "times of trials count from the start of the slice"


def test_what_torch_brain_reads_and_writes_again_loses_only_what_is_ours(session: Session, tmp_path: Path) -> None:
    data = Data.load(write_session(session, tmp_path / "s.h5"), lazy=False)
    del data.spikeglot
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        data.to_hdf5(file)
    back = load_sessions(tmp_path / "theirs.h5")[0]
    assert np.array_equal(back.spike_times_s, session.spike_times_s)
    assert back.units.index.tolist() == session.units.index.tolist()
    assert back.units["region"].tolist() == session.units["region"].tolist()


@pytest.mark.parametrize(
    "name",
    [
        "alf/steinmetzlab/Subjects/Lederberg/2017-12-10/001",
        "steinmetz2019/sub-Cori_ses-20161214_ecephys.nwb",
        "luo2025/T274_2020_12_10.h5",
        "human_mtl/sub-4_ses-4_ecephys+image.nwb",
        "chronic_npx",
    ],
)
def test_real_sessions_come_back(shared_data: Path, tmp_path: Path, name: str) -> None:
    if name == "chronic_npx":
        with np.load(shared_data / name / "T219_2019_12_03_bank0.npz") as file:
            units = pd.DataFrame({"region": file["cell_area"]}, index=range(len(file["cell_area"])))
            times_s, unit = file["spike_times_100us"] * 1e-4, file["spike_clusters"]
        session = make_session(
            session_id="c", subject_id="r", spike_times_s=times_s, spike_unit=unit, units=units, recorded_s=[[0, 600]]
        )
    else:
        session = load_sessions(shared_data / name)[0]
    path = write_session(session, tmp_path / "s.h5")
    assert_equal(session, load_sessions(path)[0])
    assert np.array_equal(Data.load(path).spikes.timestamps, session.spike_times_s)


def test_ids_and_reasons_are_read_without_the_spikes(session: Session, tmp_path: Path) -> None:
    path = write_session(session, tmp_path / "s.h5")
    assert stored_id_and_source(path) == (session.session_id, "data/m 1")
    assert stored_dropped(path) == (session.session_id, session.dropped)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        Data(domain=Interval(0.0, 1.0)).to_hdf5(file)
    assert stored_id_and_source(tmp_path / "other.h5") is None


def test_a_column_that_cannot_be_stored_leaves_no_file(session: Session, tmp_path: Path) -> None:
    lists = replace(session, units=session.units.assign(waveform=[[1, 2], [3], []]))
    with pytest.raises(DataError, match="Cannot store session 'lab/m 1/2020-01-31/001': Column 'waveform' holds lists"):
        write_session(lists, tmp_path / "s.h5")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_the_old_file(session: Session, tmp_path: Path, monkeypatch) -> None:
    path = write_session(session, tmp_path / "s.h5")
    old = path.read_bytes()

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("spikeglot.data.store.write_table", die)
    with pytest.raises(KeyboardInterrupt):
        write_session(session, path)
    assert [one.name for one in tmp_path.iterdir()] == ["s.h5"]
    assert path.read_bytes() == old


def test_another_format_is_refused(session: Session, tmp_path: Path) -> None:
    path = write_session(session, tmp_path / "s.h5")
    with h5py.File(path, "r+") as file:
        about = json.loads(file["spikeglot/about"].asstr()[0])
        file["spikeglot/about"][0] = json.dumps(about | {"format": 99})
    with pytest.raises(DataError, match=r"format 99, this one reads 1.* Prepare the session again"):
        load_sessions(path)


def test_a_file_that_lacks_a_part_is_refused(session: Session, tmp_path: Path) -> None:
    path = write_session(session, tmp_path / "s.h5")
    with h5py.File(path, "r+") as file:
        del file["behaviour/clicks"]
    with pytest.raises(DataError, match="is not complete"):
        load_sessions(path)


def test_two_prepared_files_of_one_session_are_told_apart(session: Session, tmp_path: Path) -> None:
    paths = [write_session(session, tmp_path / name) for name in ("a.h5", "b.h5")]
    with pytest.raises(DataError, match=r"a\.h5 and .*b\.h5"):
        load_sessions(paths)
