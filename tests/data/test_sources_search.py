"""Finding recordings: by content, in folders, with clear errors."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from spikeglot.data.sources import find_recordings, read_session, search
from spikeglot.errors import DataError


def save_spikes(path: Path, **more: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, spike_times_s=np.array([0.1, 0.2]), spike_unit=np.array([0, 1]), **more)
    return path


def save_hdf5(path: Path, **attributes: object) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
        file["data"] = np.arange(1000)
    return path


@pytest.mark.parametrize(
    ("path", "source", "n_units"),
    [
        ("steinmetz2019/sub-Lederberg_ses-20171209_ecephys.nwb", "nwb", 474),
        ("luo2025/T274_2020_12_10.h5", "brainset", 4),
        ("alf/brodylab/Subjects/X087/2021-07-30/001", "alf", 47),
        ("human_mtl/sub-4_ses-4_ecephys+image.nwb", "nwb", 35),
    ],
)
def test_every_source_is_recognised(shared_data: Path, path: str, source: str, n_units: int) -> None:
    assert find_recordings(shared_data / path) == [(source, shared_data / path)]
    session = read_session(shared_data / path)
    assert (session.provenance.source, session.n_units) == (source, n_units)


def test_all_of_the_data_is_found_and_the_rest_is_listed(shared_data: Path) -> None:
    found = search(shared_data)
    assert found.unusable == ()
    sources = [recording.source for recording in found.recordings]
    assert {source: sources.count(source) for source in set(sources)} == {"nwb": 15, "brainset": 62, "alf": 3}
    skipped = {Path(dropped.id).parent.name: dropped.reason for dropped in found.skipped}
    assert set(skipped) == {"chronic_npx", "lorenz"}
    assert "a recording needs spike_times_s and spike_unit" in skipped["chronic_npx"]


@pytest.mark.parametrize("below", ["", "steinmetzlab", "steinmetzlab/Subjects/Lederberg", "brodylab/Subjects"])
def test_alf_sessions_are_found_below_any_folder(shared_data: Path, below: str) -> None:
    n_sessions = {"": 3, "brodylab/Subjects": 1}.get(below, 2)
    found = find_recordings(shared_data / "alf" / below)
    assert [source for source, _ in found] == ["alf"] * n_sessions
    assert found == sorted(found)


def test_files_are_recognised_by_content(tmp_path: Path, shared_data: Path) -> None:
    brainset = tmp_path / "copy.nwb"
    brainset.write_bytes((shared_data / "luo2025" / "T274_2020_12_10.h5").read_bytes())
    assert find_recordings([brainset])[0].source == "brainset"
    unnamed = tmp_path / "without_suffix"
    unnamed.write_bytes(brainset.read_bytes())
    assert find_recordings([unnamed])[0].source == "brainset"


def test_folders_are_searched_in_order_and_arguments_keep_theirs(tmp_path: Path) -> None:
    for name in ("b/2.npz", "b/10.npz", "a/x.npz", ".hidden/y.npz", "a/.z.npz"):
        save_spikes(tmp_path / name)
    names = [path.relative_to(tmp_path).as_posix() for _, path in find_recordings(tmp_path)]
    assert names == ["a/x.npz", "b/10.npz", "b/2.npz"]
    last_first = find_recordings([tmp_path / "b" / "2.npz", tmp_path])
    assert [path.name for _, path in last_first] == ["2.npz", "x.npz", "10.npz"]


def test_a_recording_given_twice_counts_once(tmp_path: Path, monkeypatch) -> None:
    path = save_spikes(tmp_path / "a.npz")
    monkeypatch.chdir(tmp_path)
    assert len(find_recordings([path, tmp_path, "a.npz"])) == 1
    assert len(find_recordings(["a.npz", "."])) == 1


def test_a_session_folder_is_known_from_inside_its_parent(shared_data: Path, monkeypatch) -> None:
    monkeypatch.chdir(shared_data / "alf/brodylab/Subjects/X087/2021-07-30")
    assert read_session("001").session_id == "brodylab/X087/2021-07-30/001"


def test_a_missing_path_is_an_error_that_names_it_and_where_it_stops(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file or folder .*gone/x\.nwb") as error:
        read_session(tmp_path / "gone" / "x.nwb")
    assert str(error.value).endswith(f"exists is {tmp_path}.")


def test_a_link_to_a_file_that_was_not_fetched_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.nwb").symlink_to(tmp_path / "annex")
    with pytest.raises(DataError, match=r"a\.nwb links to a file that is not here"):
        find_recordings(tmp_path)


@pytest.mark.parametrize("name", ["notes.txt", "data.mat", "spikes.npy"])
def test_a_file_of_unknown_kind_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("nothing")
    with pytest.raises(DataError, match="is not a recording that spikeglot reads"):
        read_session(tmp_path / name)


def test_hdf5_and_npz_of_other_kinds_are_errors_that_say_what_they_hold(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither NWB nor a brainset .* it holds data"):
        read_session(save_hdf5(tmp_path / "other.h5"))
    np.savez(tmp_path / "other.npz", x=np.zeros(2))
    with pytest.raises(DataError, match="holds x; a recording needs"):
        read_session(tmp_path / "other.npz")


@pytest.mark.parametrize("keep", [0, 100, 3000])
@pytest.mark.parametrize("suffix", [".nwb", ".h5"])
def test_a_truncated_file_is_an_error_that_says_to_copy_it_again(tmp_path: Path, suffix: str, keep: int) -> None:
    path = save_hdf5(tmp_path / f"cut{suffix}", nwb_version="2.7")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=rf"cut\{suffix}.* Copy or download it again"):
        read_session(path)


def test_a_folder_without_recordings_is_an_error_that_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no recordings in .* NWB \(\.nwb\).* ALF session folders"):
        find_recordings(tmp_path)
    save_hdf5(tmp_path / "other.h5")
    with pytest.raises(DataError, match=r"1 files are of other kinds; the first: .*other\.h5 is HDF5"):
        find_recordings(tmp_path)


def test_an_alf_session_without_spikes_is_skipped_in_a_folder_and_refused_alone(tmp_path: Path) -> None:
    save_spikes(tmp_path / "a.npz")
    folder = tmp_path / "m" / "2024-01-01" / "001"
    (folder / "alf").mkdir(parents=True)
    found = search(tmp_path)
    assert [path.name for _, path in found.recordings] == ["a.npz"]
    assert [dropped.id for dropped in found.skipped] == [str(folder)]
    with pytest.raises(DataError, match="not an ALF session folder"):
        find_recordings(folder)


def test_files_inside_an_alf_session_are_part_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "m" / "2024-01-01" / "001"
    save_spikes(folder / "alf" / "probe00" / "copy.npz")
    np.save(folder / "alf" / "probe00" / "spikes.times.npy", np.zeros(1))
    assert find_recordings(tmp_path) == [("alf", folder)]


def test_nothing_to_search_is_an_error() -> None:
    with pytest.raises(DataError, match="at least one file or folder"):
        find_recordings([])


def test_all_problems_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("nothing")
    paths = [save_spikes(tmp_path / "a.npz"), tmp_path / "empty", tmp_path / "notes.txt", tmp_path / "gone"]
    with pytest.raises(DataError, match=r"^3 problems:") as error:
        find_recordings(paths)
    assert [name in str(error.value) for name in ("empty", "notes.txt", "gone")] == [True] * 3
