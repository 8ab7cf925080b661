"""A folder of prepared sessions: all sources, several processes, what is done stays, and every reason is written."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from spikeglot.data.prepared import DROPPED, prepare
from spikeglot.data.sessions import load_sessions
from spikeglot.data.simulate import simulate_sessions
from spikeglot.errors import DataError, SettingsError
from spikeglot.events import LeftOut, Progress


@pytest.fixture
def data(recordings, tmp_path: Path) -> Path:
    """Two good recordings, a damaged one, and a file of another kind."""
    folder = tmp_path / "data"
    folder.mkdir()
    recordings.write_npz(folder / "a.npz", session_id="a")
    recordings.write_nwb(folder / "b.nwb")
    (folder / "c.nwb").write_bytes(b"\x89HDF\r\n\x1a\n")
    recordings.write_npz(folder / "d.npz", spike_unit=None)
    return folder


def states(outcomes) -> dict[str, str]:
    return {Path(one.name).name: one.state for one in outcomes}


@pytest.mark.parametrize("workers", [1, 2])
def test_recordings_become_files_and_reasons_become_rows(data: Path, tmp_path: Path, workers: int) -> None:
    out, told = tmp_path / "out", []
    outcomes = prepare(data, out=out, workers=workers, listen=told.append)
    assert states(outcomes) == {"a": "prepared", "b": "prepared", "c.nwb": "failed"}
    assert sorted(path.name for path in out.iterdir()) == ["a.h5", "b.h5", DROPPED]
    assert load_sessions(out).session_ids == ("a", "b")
    assert [event.session_id for event in told if isinstance(event, LeftOut)] == [str(data / "c.nwb")]
    assert [event.done for event in told if isinstance(event, Progress)] == [2, 3]
    table = pd.read_csv(out / DROPPED)
    assert [Path(name).name for name in table["id"]] == ["c.nwb", "d.npz"]
    assert table["reason"].str.contains("Cannot read").tolist() == [True, False]


def test_what_is_done_is_not_read_again_unless_it_changed(data: Path, recordings, tmp_path: Path, monkeypatch) -> None:
    out = tmp_path / "out"
    prepare(data, out=out)
    monkeypatch.chdir(tmp_path)
    assert states(prepare("data/a.npz", data / "b.nwb", out=out)) == {"a": "was there", "b": "was there"}
    old = load_sessions(out / "a.h5")[0]
    recordings.write_npz(data / "a.npz", session_id="a", subject_id="another")
    os.utime(data / "a.npz", (2**31, 2**31))
    assert states(prepare(data / "a.npz", out=out)) == {"a": "prepared"}
    assert (old.subject_id, load_sessions(out / "a.h5")[0].subject_id) == ("mouse", "another")


def test_the_folder_itself_is_passed_over(data: Path) -> None:
    prepare(data / "a.npz", out=data / "out")
    assert states(prepare(data, out=data / "out")) == {"a": "was there", "b": "prepared", "c.nwb": "failed"}


def test_sessions_in_memory_and_paths_together(data: Path, tmp_path: Path) -> None:
    sessions = simulate_sessions()[:2]
    outcomes = prepare(sessions, [data / "a.npz"], out=tmp_path / "out")
    assert [one.state for one in outcomes] == ["prepared"] * 3
    assert load_sessions(tmp_path / "out").session_ids == ("a", *(one.session_id for one in sessions))
    assert [one.state for one in prepare(sessions, out=tmp_path / "out")] == ["prepared"] * 2


def test_two_recordings_of_one_name_do_not_replace_each_other(data: Path, recordings, tmp_path: Path) -> None:
    recordings.write_npz(data / "e.npz", session_id="a", subject_id="another")
    outcomes = prepare(data / "a.npz", data / "e.npz", out=tmp_path / "out")
    assert states(outcomes) == {"a": "prepared", "e.npz": "failed"}
    assert "Two recordings would be" in outcomes[1].reason
    assert load_sessions(tmp_path / "out")[0].subject_id == "mouse"


def test_a_file_of_someone_else_is_not_replaced(data: Path, recordings, tmp_path: Path) -> None:
    recordings.write_nwb(tmp_path / "theirs.nwb").rename(tmp_path / "a.h5")
    before = (tmp_path / "a.h5").read_bytes()
    (outcome,) = prepare(data / "a.npz", out=tmp_path)
    assert outcome.state == "failed"
    assert "no prepared session: it is not replaced" in outcome.reason
    assert (tmp_path / "a.h5").read_bytes() == before


def test_an_interruption_keeps_what_is_done(data: Path, tmp_path: Path) -> None:
    def interrupt(event) -> None:
        if isinstance(event, Progress) and event.detail == "a":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(data, out=tmp_path / "out", listen=interrupt)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.h5", DROPPED]
    assert states(prepare(data, out=tmp_path / "out"))["a"] == "was there"


def test_what_cannot_be_asked_for(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="number of processes"):
        prepare(data, out=tmp_path / "out", workers=0)
    with pytest.raises(DataError, match="Nothing to prepare"):
        prepare([], out=tmp_path / "out")
