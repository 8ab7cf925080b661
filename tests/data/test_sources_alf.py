"""ALF session folders: real ones against ONE-api in local mode, small ones made here."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from spikeglot.data.sources.alf import read_alf
from spikeglot.data.sources.alf_files import is_alf_session
from spikeglot.data.sources.alf_probe import choose_sortings
from spikeglot.errors import DataError

SESSIONS = {  # folder, id, units, trials
    "steinmetzlab/Subjects/Lederberg/2017-12-09/001": ("steinmetzlab/Lederberg/2017-12-09/001", 474, 280),
    "steinmetzlab/Subjects/Lederberg/2017-12-10/001": ("steinmetzlab/Lederberg/2017-12-10/001", 565, 224),
    "brodylab/Subjects/X087/2021-07-30/001": ("brodylab/X087/2021-07-30/001", 47, 386),
}


@pytest.mark.parametrize("folder", SESSIONS)
def test_the_sessions_are_those_of_their_readme(shared_data: Path, folder: str) -> None:
    session = read_alf(shared_data / "alf" / folder)
    assert (session.session_id, session.n_units, session.n_trials) == SESSIONS[folder]
    assert session.subject_id == folder.split("/")[2]
    assert (session.units["label"] == 1).all()
    assert session.recorded_s is None
    assert not session.behaviour


def test_a_session_holds_what_one_reads(shared_data: Path, tmp_path: Path) -> None:
    shutil.copytree(shared_data / "alf", tmp_path / "alf")  # ONE may write beside its tables
    session = read_alf(shared_data / "alf" / "steinmetzlab/Subjects/Lederberg/2017-12-10/001")
    from one.api import One

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ONE warns of a missing default revision
        one = One(cache_dir=tmp_path / "alf", mode="local")
        (eid,) = one.search(subject="Lederberg", date="2017-12-10")
        trials = one.load_object(eid, "trials", collection="alf").to_df()
        probes = {
            probe: one.load_object(eid, "spikes", collection=f"alf/{probe}/pykilosort", attribute=["times", "clusters"])
            for probe in ("probe00", "probe01")
        }
        uuids = one.load_object(eid, "clusters", collection="alf/probe01/pykilosort", attribute=["uuids"])["uuids"]
    assert session.n_spikes == sum(len(spikes["times"]) for spikes in probes.values())
    for probe, spikes in probes.items():
        for cluster in (0, 3, 40):
            row = session.units.index.get_loc(f"{probe}:{cluster}")
            ours = session.spike_times_s[session.spike_unit == row]
            assert np.array_equal(ours, np.sort(spikes["times"][spikes["clusters"] == cluster]))
    for column in trials:
        assert np.array_equal(session.trials[column], trials[column], equal_nan=True)
    assert session.units.loc["probe01:7", "uuid"] == uuids[7]


def test_a_session_agrees_with_the_nwb_file_of_the_same_recording(shared_data: Path) -> None:
    session = read_alf(shared_data / "alf" / "steinmetzlab/Subjects/Lederberg/2017-12-09/001")
    with h5py.File(shared_data / "steinmetz2019" / "sub-Lederberg_ses-20171209_ecephys.nwb") as file:
        regions = pd.Series(file["units/location"].asstr()[:]).value_counts().to_dict()
        stim_on = file["intervals/trials/stim_on_time"][:]
        n_spikes = len(file["units/spike_times"])
    assert session.units["region"].value_counts().to_dict() == regions
    assert regions == {"TH": 159, "SSs": 120, "MB": 77, "LGd": 73, "SSp": 24, "CA3": 21}
    assert np.allclose(session.trials["stimOn_times"], stim_on)
    assert session.n_spikes == n_spikes


def test_clusters_without_spikes_are_units(shared_data: Path) -> None:
    session = read_alf(shared_data / "alf" / "steinmetzlab/Subjects/Lederberg/2017-12-10/001")
    n_spikes = np.bincount(session.spike_unit, minlength=session.n_units)
    assert np.array_equal(n_spikes, session.units["spike_count"])
    assert (n_spikes == 0).sum() > 0


def test_reading_writes_nothing_and_needs_no_tables(shared_data: Path, tmp_path: Path) -> None:
    source = "brodylab/Subjects/X087/2021-07-30/001"
    folder = tmp_path / "data" / source
    shutil.copytree(shared_data / "alf" / source, folder)
    before = sorted((tmp_path / "data").rglob("*"))
    home = tmp_path / "home"
    home.mkdir()
    code = f"from spikeglot.data.sources.alf import read_alf; assert read_alf({str(folder)!r}).n_units == 47"
    env = {**os.environ, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    assert sorted((tmp_path / "data").rglob("*")) == before
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Lederberg/2017-12-09/001", True),
        ("lab/Subjects/Lederberg/2017-12-09/1", True),
        ("Lederberg/2017-12-09", False),
        ("Lederberg/2017-12-09/001/alf", False),
        ("Lederberg/17-12-09/001", False),
        ("/2017-12-09/001", False),
    ],
)
def test_session_folders_are_known_by_their_names(path: str, expected: bool) -> None:
    assert is_alf_session(Path("data") / path) is expected


# Folders made here


def save(folder: Path, **arrays: np.ndarray) -> None:
    """Save ``spikes__times=...`` as ``spikes.times.npy``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in arrays.items():
        np.save(folder / f"{name.replace('__', '.')}.npy", values)


@pytest.fixture
def session_folder(tmp_path: Path) -> Path:
    """A session with one probe of three clusters, the last without spikes, and nothing else."""
    folder = tmp_path / "mouse_1" / "2024-05-06" / "002"
    save(
        folder / "alf" / "probe00" / "pykilosort",
        spikes__times=np.array([0.1, 0.2, 0.4]),
        spikes__clusters=np.array([1, 0, 1]),
        clusters__channels=np.array([0, 1, 1]),
        channels__brainLocationIds_ccf_2017=np.array([385, -382]),
    )
    return folder


def test_a_session_without_lab_trials_and_metrics(session_folder: Path) -> None:
    session = read_alf(session_folder)
    assert session.session_id == "mouse_1/2024-05-06/002"
    assert session.subject_id == "mouse_1"
    assert session.units.index.tolist() == ["probe00:0", "probe00:1", "probe00:2"]
    assert session.units["region"].tolist() == ["VISp", "CA1", "CA1"]
    assert session.spike_unit.tolist() == [1, 0, 1]
    assert session.n_trials == 0


def test_probes_are_merged_in_order_of_time(session_folder: Path) -> None:
    save(
        session_folder / "alf" / "probe01",
        spikes__times=np.array([0.3, 0.15]),
        spikes__clusters=np.array([0, 1]),
    )
    session = read_alf(session_folder)
    assert session.units.index.tolist()[3:] == ["probe01:0", "probe01:1"]
    assert session.units["region"].tolist()[3:] == ["", ""]
    assert session.spike_times_s.tolist() == [0.1, 0.15, 0.2, 0.3, 0.4]
    assert session.spike_unit.tolist() == [1, 4, 0, 3, 1]


def test_of_two_sortings_one_is_read_and_the_other_is_listed(session_folder: Path) -> None:
    save(session_folder / "alf/probe00", spikes__times=np.array([0.5]), spikes__clusters=np.array([0]))
    session = read_alf(session_folder)
    assert session.n_spikes == 3
    assert [(dropped.kind, dropped.id) for dropped in session.dropped] == [("unit", "alf/probe00")]
    chosen, _ = choose_sortings(["alf/probe00/pykilosort", "alf/probe00/iblsorter", "alf"])
    assert chosen == {"probe00": "alf/probe00/iblsorter", "": "alf"}


def test_the_last_revision_of_each_file_is_read(session_folder: Path) -> None:
    probe = session_folder / "alf" / "probe00" / "pykilosort"
    save(probe / "#2023-01-01#", spikes__times=np.array([1.1, 1.2, 1.4]))
    save(probe / "#2024-01-01#", spikes__times=np.array([2.1, 2.2, 2.4]))
    session = read_alf(session_folder)
    assert session.spike_times_s.tolist() == [2.1, 2.2, 2.4]
    assert session.spike_unit.tolist() == [1, 0, 1]


def test_metrics_are_joined_by_cluster_id(session_folder: Path) -> None:
    metrics = pd.DataFrame({"cluster_id": [2, 0], "label": [1.0, 0.5]})
    metrics.to_parquet(session_folder / "alf/probe00/pykilosort/clusters.metrics.pqt")
    labels = read_alf(session_folder).units["label"]
    assert labels["probe00:0"] == 0.5
    assert np.isnan(labels["probe00:1"])
    assert labels["probe00:2"] == 1.0


def test_trials_come_from_the_table_and_from_files_of_their_own(session_folder: Path) -> None:
    table = pd.DataFrame({"choice": [1, -1], "intervals_0": [0.0, 1.0], "intervals_1": [0.9, 1.9], "ok": [True, False]})
    table.to_parquet(session_folder / "alf" / "_ibl_trials.table.pqt")
    save(
        session_folder / "alf",
        _ibl_trials__goCueTrigger_times=np.array([0.1, 1.1]),
        _ibl_trials__intervals_bpod=np.array([[5.0, 6.0], [7.0, 8.0]]),
    )
    trials = read_alf(session_folder).trials
    assert trials["goCueTrigger_times"].tolist() == [0.1, 1.1]
    assert trials["intervals_bpod_1"].tolist() == [6.0, 8.0]
    assert trials["ok"].dtype == bool
    assert trials.columns[:4].tolist() == ["choice", "intervals_0", "intervals_1", "ok"]


def test_several_tables_of_trials_are_told_apart(session_folder: Path) -> None:
    for task in ("task_00", "task_01"):
        (session_folder / "alf" / task).mkdir()
        pd.DataFrame({"choice": [1, -1]}).to_parquet(session_folder / "alf" / task / "_ibl_trials.table.pqt")
    trials = read_alf(session_folder).trials
    assert trials["table"].tolist() == ["alf/task_00"] * 2 + ["alf/task_01"] * 2


def test_wheel_and_motion_energy_are_traces(session_folder: Path) -> None:
    times_s = np.array([0.0, 0.5, 1.0])
    save(
        session_folder / "alf",
        _ibl_wheel__position=np.array([0.0, 0.1, 0.3]),
        _ibl_wheel__timestamps=np.array([[0, 10.0], [2, 12.0]]),
        _ibl_leftCamera__times=times_s,
        leftCamera__ROIMotionEnergy=np.array([3.0, 4.0, 5.0]),
        _ibl_rightCamera__times=times_s[:2],
        rightCamera__ROIMotionEnergy=np.array([3.0, 4.0, 5.0]),
        bodyCamera__ROIMotionEnergy=np.array([3.0, 4.0, 5.0]),
    )
    session = read_alf(session_folder)
    assert sorted(session.behaviour) == ["motion_energy_left", "wheel_position", "wheel_speed"]
    assert session.behaviour["wheel_position"].times_s.tolist() == [10.0, 11.0, 12.0]
    assert session.behaviour["wheel_position"].values.tolist() == [0.0, 0.1, 0.3]
    assert session.behaviour["motion_energy_left"].values.tolist() == [3.0, 4.0, 5.0]
    reasons = {dropped.id: dropped.reason for dropped in session.dropped}
    assert reasons == {
        "motion_energy_right": "2 times for 3 values",
        "motion_energy_body": "0 times for 3 values",
    }


def test_a_wheel_without_a_speed_is_listed(session_folder: Path) -> None:
    save(session_folder / "alf", _ibl_wheel__position=np.array([0.0, np.nan]), _ibl_wheel__timestamps=np.arange(2.0))
    session = read_alf(session_folder)
    assert list(session.behaviour) == ["wheel_position"]
    assert [(dropped.kind, dropped.id) for dropped in session.dropped] == [("trace", "wheel_speed")]


def test_files_that_are_named_are_read_and_no_others(session_folder: Path) -> None:
    probe = session_folder / "alf" / "probe00" / "pykilosort"
    files = sorted(probe.glob("*.npy"))
    save(probe / "#2024-01-01#", spikes__times=np.array([2.1, 2.2, 2.4]))
    save(session_folder / "alf" / "probe01", spikes__times=np.array([0.3]), spikes__clusters=np.array([0]))
    session = read_alf(session_folder, files)
    assert session.spike_times_s.tolist() == [0.1, 0.2, 0.4]
    assert set(session.units["probe"]) == {"probe00"}


def test_a_session_without_spikes_is_an_error(tmp_path: Path) -> None:
    save(tmp_path / "m/2024-01-01/001/alf", _ibl_wheel__position=np.zeros(3))
    with pytest.raises(DataError, match="has no spikes"):
        read_alf(tmp_path / "m/2024-01-01/001")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"spikes__clusters": np.array([1, 0, 7])}, "spikes.clusters goes from 0 to 7, but there are 3"),
        ({"spikes__clusters": np.array([1, 0, -1])}, "spikes.clusters goes from -1 to 1, but there are 3"),
        ({"clusters__channels": np.array([1, 0, 2])}, "clusters.channels goes from 0 to 2, but there are 2"),
        ({"clusters__depths": np.zeros(2)}, "clusters.depths has 2 rows for 3 clusters"),
        ({"spikes__times": np.array([0.1, np.nan, 0.2])}, r"NaN or infinite \(units 'probe00:0'\)"),
        ({"spikes__times": np.array([0.1])}, "equally long"),
        ({"channels__brainLocationIds_ccf_2017": np.array([385, 123456789])}, "123456789"),
    ],
)
def test_files_that_do_not_fit_are_errors(session_folder: Path, arrays: dict, message: str) -> None:
    save(session_folder / "alf/probe00/pykilosort", **arrays)
    with pytest.raises(DataError, match=message):
        read_alf(session_folder)


def test_other_folders_are_refused(session_folder: Path) -> None:
    with pytest.raises(DataError, match="not an ALF session folder"):
        read_alf(session_folder / "alf" / "probe00" / "pykilosort")


def test_a_damaged_file_is_an_error_that_names_it(session_folder: Path) -> None:
    path = session_folder / "alf/probe00/pykilosort/spikes.times.npy"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match=r"spikes\.times\.npy"):
        read_alf(session_folder)


def test_pickles_are_not_run(session_folder: Path) -> None:
    path = session_folder / "alf/probe00/pykilosort/spikes.times.npy"
    path.write_bytes(pickle.dumps(np.zeros(3)))
    with pytest.raises(DataError, match=r"spikes\.times\.npy"):
        read_alf(session_folder)


def test_trials_of_different_lengths_are_an_error(session_folder: Path) -> None:
    save(session_folder / "alf", _ibl_trials__choice=np.zeros(3), _ibl_trials__stimOn_times=np.zeros(2))
    with pytest.raises(DataError, match="not equally long"):
        read_alf(session_folder)


def test_without_one_the_error_says_what_to_install(session_folder: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "one.alf.path", None)
    with pytest.raises(DataError, match=r"pip install 'spikeglot\[ibl\]'"):
        read_alf(session_folder)
