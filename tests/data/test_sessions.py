"""Several sessions together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikeglot.data.session import Dropped, Session
from spikeglot.data.sessions import Sessions, load_sessions
from spikeglot.data.sources.arrays import from_spike_times
from spikeglot.errors import DataError


def make(session_id: str, subject_id: str, **more: object) -> Session:
    return from_spike_times([np.array([0.1, 0.2])], session_id=session_id, subject_id=subject_id, **more)


def save(path: Path, **more: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, spike_times_s=np.array([0.1]), spike_unit=np.array([0]), **more)
    return path


@pytest.fixture
def sessions() -> Sessions:
    return Sessions([make("a1", "Anna"), make("b1", "Bert"), make("a2", "Anna"), make("c1", "Cleo")])


def test_they_are_a_sequence(sessions: Sessions) -> None:
    assert len(sessions) == 4
    assert [session.session_id for session in sessions] == ["a1", "b1", "a2", "c1"]
    assert sessions[1].session_id == sessions[-3].session_id == "b1"
    assert sessions["a2"] is sessions[2]
    assert isinstance(sessions[1:3], Sessions)
    assert sessions[1:3].session_ids == ("b1", "a2")
    assert sessions.subject_ids == ("Anna", "Bert", "Cleo")
    with pytest.raises(IndexError):
        sessions[4]


def test_they_cannot_be_changed(sessions: Sessions) -> None:
    with pytest.raises(TypeError):
        sessions[0] = sessions[1]  # pyright: ignore


def test_an_unknown_session_is_an_error_with_a_suggestion(sessions: Sessions) -> None:
    with pytest.raises(DataError, match=r"no session 'a3'\. Known: a1, b1, a2, c1"):
        sessions["a3"]


def test_holding_out_subjects_parts_the_sessions(sessions: Sessions) -> None:
    train, held_out = sessions.hold_out_subjects(["Anna"])
    assert (train.session_ids, held_out.session_ids) == (("b1", "c1"), ("a1", "a2"))
    train, held_out = sessions.hold_out_subjects(["Cleo", "Bert"])
    assert (train.session_ids, held_out.session_ids) == (("a1", "a2"), ("b1", "c1"))
    assert sessions.hold_out_subjects("Bert")[1].session_ids == ("b1",)
    assert len(sessions) == 4


@pytest.mark.parametrize(
    ("subject_ids", "message"),
    [
        (["Ana"], "no subject 'Ana'. Did you mean 'Anna'"),
        (["Anna", "Bert", "Cleo"], "leaves nobody"),
        ([], "Holding out nobody"),
    ],
)
def test_what_cannot_be_held_out_is_an_error(sessions: Sessions, subject_ids: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        sessions.hold_out_subjects(subject_ids)


def test_two_sessions_of_one_name_are_an_error() -> None:
    with pytest.raises(DataError, match="Two recordings are called 'a1'"):
        Sessions([make("a1", "Anna"), make("a1", "Bert")])


def test_they_print_as_a_table() -> None:
    note = Dropped("session", "x.h5", "x.h5 is something else")
    more = from_spike_times(
        {"u": np.arange(1500.0), "v": np.array([])},
        session_id="day 2",
        regions=["CA1", "DG"],
        subject_id="Al",
    )
    assert repr(Sessions([make("a1", "Anna"), more], [note])).splitlines() == [
        "subject  session  units  regions  spikes  trials",
        "Anna     a1           1        0       2       0",
        "Al       day 2        2        2   1,500       0",
        "2 sessions of 2 subjects: 3 units, 1,502 spikes, 0 trials",
        "1 files passed over; the first: x.h5 is something else",
    ]


def test_the_table_names_what_sources_left_out(shared_data: Path) -> None:
    text = repr(load_sessions(shared_data / "human_mtl"))
    assert "left out or mended: 2 x trace: a plain time series in 'acquisition'" in text
    assert "/" not in text.splitlines()[1]


# Loading


def test_the_mouse_data_load(shared_data: Path) -> None:
    seen = []
    sessions = load_sessions(shared_data / "steinmetz2019", progress=lambda *step: seen.append(step))
    assert len(sessions) == 14
    assert sum(session.n_units for session in sessions) == 12_331
    assert sum(session.n_trials for session in sessions) == 3_870
    regions = {region for session in sessions for region in session.units["region"]}
    assert len(regions - {"root"}) == 51
    assert [step[:2] for step in seen] == [(k, 14) for k in range(1, 15)]
    assert seen[0][2] == "sub-Cori_ses-20161214_ecephys.nwb"
    train, held_out = sessions.hold_out_subjects(["Lederberg"])
    assert (len(train), len(held_out)) == (7, 7)


def test_the_rat_data_load(shared_data: Path) -> None:
    sessions = load_sessions(shared_data / "luo2025")
    assert len(sessions) == 62
    assert sessions.subject_ids == ("T176", "T212", "T219", "T274")
    assert sum(session.n_units for session in sessions) == 3_191
    assert sum(session.n_trials for session in sessions) == 29_113


def test_paths_come_one_by_one_or_as_lists(tmp_path: Path) -> None:
    a, b, c = (save(tmp_path / f"{name}.npz") for name in "abc")
    assert load_sessions(a, str(b), [c]).session_ids == ("a", "b", "c")
    assert load_sessions([c, a]).session_ids == ("c", "a")
    assert load_sessions(str(tmp_path)).session_ids == ("a", "b", "c")


def test_files_that_were_passed_over_are_kept(tmp_path: Path) -> None:
    save(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", x=np.zeros(1))
    assert [Path(dropped.id).name for dropped in load_sessions(tmp_path).dropped] == ["b.npz"]


def test_two_files_with_one_session_id_are_an_error_that_names_both(tmp_path: Path) -> None:
    paths = save(tmp_path / "mouse1" / "day1.npz"), save(tmp_path / "mouse2" / "day1.npz")
    with pytest.raises(DataError, match="Two recordings are called 'day1'") as error:
        load_sessions(tmp_path)
    assert all(str(path) in str(error.value) for path in paths)
    with pytest.raises(DataError, match=r"^2 problems:(?s:.*)gone(?s:.*)are called 'day1'"):
        load_sessions(tmp_path, tmp_path / "gone")


def test_the_problems_of_all_files_come_in_one_error(tmp_path: Path) -> None:
    save(tmp_path / "good.npz")
    save(tmp_path / "key.npz", regions=np.array(["CA1"]))
    np.savez(tmp_path / "nan.npz", spike_times_s=np.array([np.nan]), spike_unit=np.array([0]))
    (tmp_path / "cut.nwb").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(DataError, match=r"^4 problems:") as error:
        load_sessions(tmp_path, tmp_path / "gone")
    named = [name for name in ("key", "nan", "cut", "gone", "good") if f"/{name}" in str(error.value)]
    assert named == ["key", "nan", "cut", "gone"]


def test_one_problem_of_one_file_comes_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^There is no file or folder .*gone"):
        load_sessions(tmp_path / "gone")
    with pytest.raises(DataError, match="Nothing to load"):
        load_sessions()
