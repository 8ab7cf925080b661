"""``spikeglot show``: what people read, what programs read, and what a model would see."""

import json

import pytest


@pytest.fixture(scope="module")
def folder(recordings, tmp_path_factory):
    """Two recordings, one as NWB and one as arrays, and a file of another kind."""
    folder = tmp_path_factory.mktemp("data")
    recordings.write_nwb(folder / "sub-m1_ses-a_ecephys.nwb")
    recordings.write_npz(folder / "b.npz", session_id="m2_b", subject_id="m2", trial_choice=[1, -1] * 20)
    return folder


def test_a_folder_for_people(shell, folder):
    said = shell("show", folder)
    assert said.status == 0
    lines = [line.split() for line in said.out.splitlines()]
    assert ["m2", "m2_b", "npz", "12", "2", "4,286", "8.90", "40"] in lines
    assert ["m1", "sub-m1_ses-a", "nwb", "12", "2", "4,286", "8.90", "40"] in lines
    assert ["2", "subjects", "2", "sessions", "24", "8,572", "80"] in lines
    assert ["choice", "int64", "0", "-1:", "20,", "1:", "20"] in lines
    assert "reading: 2 of 2" in said.err
    assert "--window.align EVENT" in said.err


def test_json_is_alone_on_stdout(shell, folder):
    said = shell("show", folder, "--json")
    sessions = json.loads(said.out)["sessions"]
    assert [s["session_id"] for s in sessions] == ["m2_b", "sub-m1_ses-a"]
    assert [s["n_spikes"] for s in sessions] == [4286, 4286]
    assert sessions[1]["regions"][0]["region"] == "CA1"
    assert "prepared" not in json.loads(said.out)


def test_quiet_leaves_stderr_empty(shell, folder):
    said = shell("show", folder, "--quiet")
    assert said.err == ""
    assert "m2_b" in said.out
    said = shell("show", folder, "--quiet", "--json")
    assert said.err == ""
    assert json.loads(said.out)


def test_with_windows_it_shows_what_a_model_would_see(shell, folder):
    flags = ("--window.align", "stim_on_time", "--window.stop-s", "0.4", "--quality.min-rate-hz", "10")
    said = shell("show", folder / "b.npz", *flags)
    assert "40 windows (0 to 0.4 s around stim_on_time), 20 bins of 0.02 s" in said.out
    assert "rate is below 10 Hz" in said.out
    assert said.err.splitlines()[1:] == []
    prepared = json.loads(shell("show", folder / "b.npz", *flags, "--json").out)["prepared"]
    assert prepared[0]["n_windows"] == 40
    assert prepared[0]["n_bins"] == 20
    assert prepared[0]["n_units"] + sum(d["n"] for d in prepared[0]["dropped"]) == 12


def test_a_recipe_asks_for_windows_too(shell, folder, recordings, tmp_path):
    path = recordings.write_recipe(tmp_path / "tiny.toml")
    assert "40 windows (0 to 0.2 s around stim_on_time)" in shell("show", folder / "b.npz", "--recipe", path).out


def test_problems_of_all_sessions_come_together(shell, folder):
    said = shell("show", folder, "--window.align", "stim_on")
    assert said.status == 1
    assert said.out == ""
    assert said.err.count("no column 'stim_on'. Did you mean 'stim_on_time'?") == 2


def test_files_that_were_passed_over_are_named(shell, folder, tmp_path, recordings):
    recordings.write_npz(tmp_path / "a.npz")
    recordings.np.savez(tmp_path / "other.npz", weights=recordings.np.ones(3))
    said = shell("show", tmp_path)
    assert said.status == 0
    assert "1 files were passed over" in said.err
    assert "other.npz" in said.err


def test_the_simulated_data_set(shell):
    said = shell("show", "simulated", "--quiet")
    assert said.status == 0
    assert ["4", "subjects", "4", "sessions"] in [line.split()[:4] for line in said.out.splitlines()]


def test_lines_are_not_cut_where_there_is_no_terminal(shell, folder):
    for line in shell("show", folder, "--window.align", "stim_on_time").out.splitlines():
        assert "…" not in line
