"""The repeated site of the IBL: from a fake server that fails, dies and is not there, and from a real local tree."""

from __future__ import annotations

import os
import shutil
import stat
import warnings
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from spikeglot.data.ibl.release import TAG, Released, connect, released_sessions
from spikeglot.data.ibl.repeated_site import choose_sessions, prepare_ibl_repeated_site, usable_part
from spikeglot.data.sessions import load_sessions
from spikeglot.data.sources.alf import read_alf
from spikeglot.errors import DataError
from spikeglot.events import Event, LeftOut, Progress

SUBJECTS = ("mouse_a", "mouse_b", "mouse_c")
IDS = [f"lab1/{subject}/2020-01-02/001" for subject in SUBJECTS]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, fake_one: ModuleType) -> Path:
    """Three sessions; the second with a probe whose quality is critical."""
    folder = tmp_path_factory.mktemp("server")
    for seed, subject in enumerate(SUBJECTS):
        probes = ("probe00", "probe01") if subject == "mouse_b" else ("probe00",)
        fake_one.write_session(folder / "lab1/Subjects" / subject / "2020-01-02/001", seed, probes)
    return folder


@pytest.fixture
def make_one(fake_one: ModuleType, server: Path, tmp_path: Path):
    return lambda **how: fake_one.FakeOne(server, tmp_path / "cache", **how)


def states(outcomes) -> list[tuple[str, str]]:
    return [(one.name, one.state) for one in outcomes]


def reasons(folder: Path) -> set[tuple[str, str, str]]:
    table = pd.read_csv(folder / "dropped.csv")
    assert list(table) == ["session_id", "kind", "id", "reason"]
    assert table["reason"].notna().all()
    return set(table[["session_id", "kind", "id"]].itertuples(index=False, name=None))


def test_every_session_becomes_a_file_that_holds_what_was_downloaded(make_one, tmp_path: Path) -> None:
    one, told = make_one(), list[Event]()
    outcomes = prepare_ibl_repeated_site(out=tmp_path / "out", one=one, listen=told.append)
    assert one.loaded_tag == TAG
    assert states(outcomes) == [(session_id, "prepared") for session_id in IDS]
    assert told[-1] == Progress("prepare", 3, 3, IDS[-1])
    sessions = load_sessions(tmp_path / "out")
    assert list(sessions.session_ids) == IDS
    assert sessions.subject_ids == SUBJECTS
    first = sessions[0]
    assert first.units["region"].tolist() == ["VISp"] * 6 + ["CA1"] * 5
    assert sorted(first.behaviour) == ["motion_energy_left", "motion_energy_right", "wheel_position", "wheel_speed"]
    assert first.trials["probabilityLeft"].nunique() == 3
    assert (first.provenance.facts["release"], first.provenance.facts["eid"]) == (TAG, "eid-mouse_a")
    raw = usable_part(read_alf(one.cache / "lab1/Subjects/mouse_a/2020-01-02/001"))
    assert np.array_equal(first.spike_times_s, raw.spike_times_s)
    assert np.array_equal(first.spike_unit, raw.spike_unit)
    pd.testing.assert_frame_equal(first.trials, raw.trials, check_dtype=False)


def test_only_what_is_needed_is_downloaded(make_one, tmp_path: Path) -> None:
    one = make_one()
    prepare_ibl_repeated_site(out=tmp_path / "out", one=one, sessions=1)
    names = {Path(path).name for path in one.asked}
    assert {"spikes.times.npy", "_ibl_trials.table.pqt", "leftCamera.ROIMotionEnergy.npy"} <= names
    assert not names & {"spikes.amps.npy", "leftCamera.features.npy"}


def test_what_is_left_out_is_listed(make_one, tmp_path: Path) -> None:
    prepare_ibl_repeated_site(out=tmp_path / "out", one=make_one(critical=["alf/probe01/pykilosort"]))
    listed = reasons(tmp_path / "out")
    assert (IDS[0], "unit", "probe00:11") in listed
    assert (IDS[0], "trial", "7") in listed
    assert (IDS[1], "unit", "alf/probe01/pykilosort") in listed
    assert len(listed) == 7
    assert load_sessions(tmp_path / "out")[1].units["probe"].unique().tolist() == ["probe00"]


def test_probes_that_are_on_disk_but_not_in_the_release_are_not_read(make_one, fake_one, tmp_path: Path) -> None:
    one = make_one()
    fake_one.write_session(one.cache / "lab1/Subjects/mouse_a/2020-01-02/001", 9, ("probe05",))
    prepare_ibl_repeated_site(out=tmp_path / "out", one=one, sessions=1)
    assert load_sessions(tmp_path / "out")[0].units["probe"].unique().tolist() == ["probe00"]


def test_what_is_done_is_not_downloaded_again(make_one, tmp_path: Path) -> None:
    prepare_ibl_repeated_site(out=tmp_path / "out", one=make_one(), sessions=["eid-mouse_b"])
    one = make_one()
    outcomes = prepare_ibl_repeated_site(out=tmp_path / "out", one=one)
    assert states(outcomes) == [(IDS[0], "prepared"), (IDS[1], "was there"), (IDS[2], "prepared")]
    assert not any("mouse_b" in path for path in one.asked)
    assert {session_id for session_id, _, _ in reasons(tmp_path / "out")} == set(IDS)


def test_one_that_fails_is_listed_and_the_next_call_gets_it(make_one, tmp_path: Path) -> None:
    told = list[Event]()
    outcomes = prepare_ibl_repeated_site(out=tmp_path / "out", one=make_one(failing=["mouse_b"]), listen=told.append)
    assert states(outcomes) == [(IDS[0], "prepared"), (IDS[1], "failed"), (IDS[2], "prepared")]
    assert outcomes[1].reason == "ConnectionError: the server hung up"
    assert LeftOut(IDS[1], outcomes[1].reason) in told
    assert (IDS[1], "session", IDS[1]) in reasons(tmp_path / "out")
    outcomes = prepare_ibl_repeated_site(out=tmp_path / "out", one=make_one())
    assert states(outcomes) == [(IDS[0], "was there"), (IDS[1], "prepared"), (IDS[2], "was there")]
    assert (IDS[1], "session", IDS[1]) not in reasons(tmp_path / "out")


def test_an_interruption_loses_the_session_in_flight_only(make_one, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare_ibl_repeated_site(out=tmp_path / "out", one=make_one(dies_at="mouse_b"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "dropped.csv",
        "lab1_mouse_a_2020-01-02_001.h5",
    ]
    one = make_one()
    assert states(prepare_ibl_repeated_site(out=tmp_path / "out", one=one))[0] == (IDS[0], "was there")
    assert not any("mouse_a" in path for path in one.asked)


def test_a_session_without_the_needed_data_is_left_out(make_one, server: Path, tmp_path: Path) -> None:
    shutil.copytree(server, tmp_path / "poor")
    folder = tmp_path / "poor/lab1/Subjects"
    (folder / "mouse_a/2020-01-02/001/alf/_ibl_trials.table.pqt").unlink()
    (folder / "mouse_b/2020-01-02/001/alf/probe01/pykilosort/spikes.times.npy").unlink()
    shutil.rmtree(folder / "mouse_c/2020-01-02/001/alf/probe00")
    one = make_one()
    one.__init__(tmp_path / "poor", tmp_path / "cache")
    outcomes = prepare_ibl_repeated_site(out=tmp_path / "out", one=one)
    assert states(outcomes) == [(IDS[0], "left out"), (IDS[1], "prepared"), (IDS[2], "left out")]
    assert "no trials" in outcomes[0].reason
    assert "no spikes" in outcomes[2].reason
    assert (IDS[1], "unit", "alf/probe01/pykilosort") in reasons(tmp_path / "out")
    assert not any("mouse_c" in path for path in one.asked)


def test_a_server_that_cannot_be_reached_is_one_error_and_nothing_is_written(make_one, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"The tables of release {TAG} cannot be loaded"):
        prepare_ibl_repeated_site(out=tmp_path / "out", one=make_one(is_reachable=False))
    assert not (tmp_path / "out").exists()


def test_the_error_of_a_server_that_is_not_there_says_what_was_tried_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError) as problem:
        connect("http://127.0.0.1:9", tmp_path / "cache", timeout_s=2)
    for part in ("http://127.0.0.1:9 cannot be reached", "refused", "2 s", "VPN", "--base-url", "prepare FOLDER"):
        assert part in str(problem.value)
    assert not (tmp_path / "cache").exists()


def test_sessions_are_chosen_by_number_or_by_either_id() -> None:
    released = [Released("e1", "lab/a/2020-01-02/001"), Released("e2", "lab/b/2020-01-02/001")]
    assert choose_sessions(released, None) == released
    assert choose_sessions(released, 1) == released[:1]
    assert choose_sessions(released, ["lab/b/2020-01-02/001", "e2"]) == released[1:]
    with pytest.raises(DataError, match=r"no session 'lab/c/2020-01-02/001'; it has 2.* Did you mean"):
        choose_sessions(released, ["lab/c/2020-01-02/001"])
    with pytest.raises(DataError, match="0 sessions are none"):
        choose_sessions(released, 0)


def test_a_session_of_which_nothing_is_left_is_an_error(server: Path) -> None:
    session = read_alf(server / "lab1/Subjects/mouse_a/2020-01-02/001")
    with pytest.raises(DataError, match="No unit has a region"):
        usable_part(replace(session, units=session.units.assign(region="")))
    with pytest.raises(DataError, match="no column stimOn_times"):
        usable_part(replace(session, trials=session.trials.drop(columns="stimOn_times")))


@pytest.fixture
def local_one(shared_data: Path, tmp_path: Path):
    """The real ONE, in local mode, on a copy of the real tree."""
    from one.api import One

    shutil.copytree(shared_data / "alf", tmp_path / "alf")
    for path in [tmp_path / "alf", *(tmp_path / "alf").rglob("*")]:
        os.chmod(path, path.stat().st_mode | stat.S_IWUSR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return One(cache_dir=tmp_path / "alf", mode="local")


def test_the_real_one_in_local_mode(local_one, shared_data: Path, tmp_path: Path) -> None:
    """One session of it: ONE takes a quarter of a second to check a file."""
    outcomes = prepare_ibl_repeated_site(out=tmp_path / "out", one=local_one, sessions=1)
    assert [one.state for one in outcomes] == ["prepared"]
    for session in load_sessions(tmp_path / "out"):
        raw = read_alf(session.provenance.path)
        assert session.session_id == raw.session_id
        assert np.array_equal(session.spike_times_s, raw.spike_times_s)
        assert session.units.index.tolist() == raw.units.index.tolist()
        assert session.units["region"].tolist() == raw.units["region"].tolist()
    listed = reasons(tmp_path / "out")
    assert {name for _, kind, name in listed if kind == "trace"} == {"wheel", "leftCamera", "rightCamera"}
    again = prepare_ibl_repeated_site(out=tmp_path / "out", one=local_one, sessions=1)
    assert [one.state for one in again] == ["was there"]


def test_the_real_one_without_tables(tmp_path: Path) -> None:
    from one.api import One

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = One(cache_dir=tmp_path, mode="local")
        with pytest.raises(DataError, match="has no tables"):
            released_sessions(one)
