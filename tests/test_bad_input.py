"""Bad input through the shell: one clear error that says what, where and what to do; nothing is written or lost."""

import json
import shutil

import numpy as np
import pytest
import torch

from spikeglot.cli import main
from spikeglot.evaluation.scores import read_scores

torch.set_num_threads(1)
FEW = ("--baselines", "mean-rate", "ridge", "--quiet")


@pytest.fixture(scope="module")
def recipe(recordings, tmp_path_factory):
    return recordings.write_recipe(tmp_path_factory.mktemp("recipe") / "tiny.toml")


@pytest.fixture
def nwb(recordings, tmp_path):
    """Write a recording of mouse m1; arguments as those of `recordings.write_nwb`."""

    def write(times_s=None, name="sub-m1_ses-day1_ecephys.nwb", **parts):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        return recordings.write_nwb(tmp_path / name, times_s, **parts)

    return write


@pytest.fixture
def refused(shell, recipe, tmp_path):
    """Pretrain on data that must be refused, and return the error, which is a single one."""

    def run(*data, flags=()):
        before = sorted(tmp_path.rglob("*"))
        said = shell("pretrain", *data, "--recipe", recipe, "--out", tmp_path / "run", "--quiet", *flags)
        assert said.status == 1
        assert said.out == ""
        assert said.err.startswith("error: ")
        assert "Traceback" not in said.err
        assert sorted(tmp_path.rglob("*")) == before, "nothing may be written"
        return said.err

    return run


@pytest.fixture(scope="module")
def trained(recordings, recipe, tmp_path_factory):
    """A run on a good recording: (run folder, data)."""
    folder = tmp_path_factory.mktemp("trained")
    data = recordings.write_nwb(folder / "sub-m1_ses-day1_ecephys.nwb")
    assert main(["pretrain", str(data), "--recipe", str(recipe), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run", data


@pytest.fixture
def scored(shell, recipe, tmp_path):
    """Pretrain and evaluate on one recording; return the score rows and what was said on stderr."""

    def run(data, name="scored", flags=()):
        run_folder, table = tmp_path / name, tmp_path / f"{name}.csv"
        said = shell("pretrain", data, "--recipe", recipe, "--out", run_folder, "--quiet", *flags)
        assert said.status == 0, said.err
        said = shell("evaluate", run_folder, data, "--out", table, "--baselines", "mean-rate", "ridge")
        assert said.status == 0, said.err
        return read_scores(table), said.err

    return run


# Recordings that cannot be used


def test_no_data(refused):
    assert "No DATA given. Name files or folders" in refused()


def test_nothing_there(refused, tmp_path):
    says = refused(tmp_path / "nowhere.nwb")
    assert "There is no file or folder" in says
    assert str(tmp_path) in says


def test_an_nwb_without_units(refused, nwb):
    path = nwb([])
    says = refused(path)
    assert f"{path} has no units table" in says
    assert "spike-sorted units" in says


def test_nan_times(refused, nwb, recordings):
    times_s = recordings.spike_times()
    times_s[3][5] = np.nan
    says = refused(nwb(times_s))
    assert "1 spike times are NaN or infinite (units '3')" in says
    assert "Remove those spikes" in says


def test_spikes_outside_all_windows(refused, nwb, recordings):
    says = refused(nwb([times_s + 1e4 for times_s in recordings.spike_times()]))
    assert "No spike of session 'sub-m1_ses-day1' lies in any of its 40 windows" in says
    assert "Windows: 0.300 to 39.500 s; spikes: 100" in says
    assert "same clock, in seconds?" in says


def test_empty_trials(refused, nwb, recordings):
    empty = {name: np.array([]) for name in recordings.EVENTS}
    says = refused(nwb(trials=empty))
    assert "Cannot align windows to 'stim_on_time'" in says
    assert "has no trials. Leave window.align out to tile windows" in says


def test_events_that_are_all_missing(refused, nwb, recordings):
    events = {**recordings.EVENTS, "stim_on_time": np.full(recordings.N_TRIALS, np.nan)}
    says = refused(nwb(trials=events))
    assert "stim_on_time is missing in 40" in says


def test_too_few_trials_to_split(refused, nwb, recordings):
    few = {name: values[:2] for name, values in recordings.EVENTS.items()}
    says = refused(nwb(trials=few))
    assert "Cannot split the 2 trials" in says
    assert "split.train" in says


def test_units_that_are_all_too_slow(refused, nwb):
    says = refused(nwb(), flags=("--quality.min-rate-hz", "1000"))
    assert "No unit of session 'sub-m1_ses-day1' is left: of 12, dropped were 12 by quality.min_rate_hz" in says
    assert "Change quality.min_rate_hz" in says


def test_duplicated_unit_ids(refused, nwb):
    says = refused(nwb(unit_ids=[7] * 12))
    assert "unit ids must be unique" in says
    assert "first: '7'" in says
    assert "Rename them" in says


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_truncated_file(refused, nwb, share):
    path = nwb()
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    says = refused(path)
    assert f"Cannot read {path}: the HDF5 file is damaged or not complete" in says
    assert "Copy or download it again" in says


def test_a_text_file(refused, tmp_path):
    (tmp_path / "notes.txt").write_text("monday: rig broken")
    assert "is not a recording that spikeglot reads: give NWB (.nwb)" in refused(tmp_path / "notes.txt")


def test_a_folder_without_recordings(refused, tmp_path):
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    (tmp_path / "empty" / "notes.txt").write_text("monday: rig broken")
    says = refused(tmp_path / "empty")
    assert f"There are no recordings in {tmp_path / 'empty'} or its subfolders" in says


def test_the_same_file_twice_counts_once_and_two_of_a_name_are_refused(refused, nwb, shell):
    path, twin = nwb(), nwb(name="copy/sub-m1_ses-day1_ecephys.nwb")
    assert len(json.loads(shell("show", path, path, "--json").out)["sessions"]) == 1
    says = refused(path, twin)
    assert "Two recordings are called 'sub-m1_ses-day1'" in says
    assert str(path) in says
    assert str(twin) in says


def test_problems_of_all_files_come_together(refused, nwb, tmp_path):
    good, damaged = nwb(), nwb(name="b.nwb")
    damaged.write_bytes(damaged.read_bytes()[:5000])
    says = refused(good, nwb([], name="c.nwb"), damaged, tmp_path / "nowhere.nwb")
    assert says.startswith("error: 3 problems:\n")
    assert len(says.splitlines()) == 1 + 3 + 1
    assert says.splitlines()[-1].endswith(
        "--leave-out-unusable, leaves out what cannot be used and records it (1 can be used)."
    )
    for part in ("c.nwb has no units table", "Cannot read", "nowhere.nwb"):
        assert part in says


def test_sessions_that_cannot_be_prepared_are_all_named(refused, nwb, recordings):
    late = [times_s + 1e4 for times_s in recordings.spike_times()]
    says = refused(nwb(late, name="a.nwb"), nwb(), nwb(name="b.nwb", trials=None))
    assert "No spike of session 'a'" in says
    assert "session 'b' has no trials" in says


# Recordings that are unusual, and fine


def test_without_regions_everything_but_the_tasks_on_regions_works(scored, nwb):
    scores, said = scored(nwb(regions=None))
    assert set(scores["task"]) == {"co-smoothing", "forward"}
    assert set(scores["model"]) == {"mtm", "mean-rate", "ridge"}
    assert np.isfinite(scores.query("metric == 'bits_per_spike' and aggregation == 'mean'")["value"]).all()
    notes = [line for line in said.splitlines() if "No scores for" in line]
    assert notes == [
        "No scores for inter-region and intra-region in sub-m1_ses-day1: its units have no regions, or not enough "
        "of them."
    ]


def test_where_only_tasks_on_regions_are_wanted_the_lack_of_them_is_an_error(shell, nwb, recipe, tmp_path):
    path = nwb(regions=None)
    assert shell("pretrain", path, "--recipe", recipe, "--out", tmp_path / "run", "--quiet").status == 0
    said = shell("evaluate", tmp_path / "run", path, "--tasks", "inter-region", "--out", tmp_path / "s.csv", *FEW)
    assert said.status == 1
    assert "Nothing to score in inter-region" in said.err
    assert not (tmp_path / "s.csv").exists()


def test_masks_on_regions_only_need_regions(refused, nwb):
    says = refused(nwb(regions=None), flags=("--mask.schemes", "inter-region", "intra-region"))
    assert "does not have the regions that all of mask.schemes" in says


def test_one_region_has_no_inter_region(scored, nwb):
    scores, said = scored(nwb(regions=["CA1"] * 12))
    assert set(scores["task"]) == {"co-smoothing", "intra-region", "forward"}
    assert "No scores for inter-region in sub-m1_ses-day1" in said


def test_sessions_with_and_without_regions_together(shell, nwb, recipe, tmp_path):
    data = [nwb(), nwb(name="b.nwb", regions=None)]
    assert shell("pretrain", *data, "--recipe", recipe, "--out", tmp_path / "run", "--quiet").status == 0
    said = shell("evaluate", tmp_path / "run", *data, "--out", tmp_path / "s.csv", "--baselines", "mean-rate")
    assert said.err.count("No scores for") == 1
    assert "inter-region and intra-region in b:" in said.err
    scores = read_scores(tmp_path / "s.csv")
    assert set(scores.query("session_id == 'b'")["task"]) == {"co-smoothing", "forward"}
    assert len(scores.query("session_id == '' and task == 'inter-region'")) > 0


def test_unsorted_spikes_give_the_scores_of_sorted_ones(scored, nwb, recordings):
    rng = np.random.default_rng(0)
    expected, _ = scored(nwb(), "sorted")
    scores, _ = scored(nwb([rng.permutation(times_s) for times_s in recordings.spike_times()]), "unsorted")
    assert scores.equals(expected)


def test_negative_times_give_the_scores_of_positive_ones(scored, nwb, recordings):
    expected, _ = scored(nwb(), "positive")
    events = {name: values - 24.0 for name, values in recordings.EVENTS.items()}
    scores, _ = scored(nwb([times_s - 24.0 for times_s in recordings.spike_times()], trials=events), "negative")
    assert scores.drop(columns="value").equals(expected.drop(columns="value"))
    np.testing.assert_allclose(scores["value"], expected["value"], rtol=1e-3, atol=1e-4)


def test_without_trials_windows_are_tiled(scored, nwb, recipe, tmp_path):
    tiled = tmp_path / "tiled.toml"
    tiled.write_text(recipe.read_text().replace('align = "stim_on_time"\n', ""))
    scores, _ = scored(nwb(trials=None), flags=("--recipe", tiled))
    assert set(scores["task"]) == {"co-smoothing", "inter-region", "intra-region", "forward"}


def test_a_silent_unit_is_left_out_and_counted(scored, nwb, recordings):
    times_s = recordings.spike_times()
    times_s[0] = np.array([0.05])
    scores, _ = scored(nwb(times_s), flags=("--quality.min-rate-hz", "0"))
    left_out = scores.query("metric == 'n_units_left_out' and model == 'mtm' and task == 'co-smoothing'")
    assert left_out["value"].item() == 1
    silent = scores.query("unit_id == '0' and metric == 'bits_per_spike'")
    assert len(silent) > 0
    assert silent["value"].isna().all()
    assert np.isfinite(scores.query("metric == 'bits_per_spike' and aggregation == 'mean'")["value"]).all()


# Runs


def test_an_output_folder_that_holds_a_run(shell, trained, recipe):
    run, data = trained
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    said = shell("pretrain", data, "--recipe", recipe, "--out", run)
    assert said.status == 1
    assert said.err == (
        f"error: '{run}' already holds a run. Continue it with --resume, or choose another folder; not touched.\n"
    )
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_an_output_folder_that_holds_something_else(refused, nwb, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("mine")
    assert "is not empty and holds no run" in refused(nwb())
    assert (tmp_path / "run" / "thesis.tex").read_text() == "mine"


@pytest.fixture
def unread(shell, tmp_path):
    """Evaluate what must be refused, and return the error."""

    def run(folder, *data):
        said = shell("evaluate", folder, *data, "--out", tmp_path / "scores.csv", "--quiet")
        assert (said.status, said.out) == (1, "")
        assert said.err.startswith("error: ")
        assert "Traceback" not in said.err
        assert not (tmp_path / "scores.csv").exists()
        return said.err

    return run


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of the run, to be damaged."""
    return shutil.copytree(trained[0], tmp_path / "copy")


def test_a_checkpoint_of_another_version(unread, trained, copy):
    config = json.loads((copy / "best" / "config.json").read_text())
    (copy / "best" / "config.json").write_text(json.dumps({**config, "format": 99, "spikeglot": "9.0.0"}))
    says = unread(copy, trained[1])
    assert "has format 99 (written by spikeglot 9.0.0); this spikeglot reads format" in says
    assert "Use the version that wrote it, or pretrain again." in says


def test_a_damaged_checkpoint(unread, trained, copy):
    weights = copy / "best" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    assert "cannot be read" in unread(copy, trained[1])
    shutil.rmtree(copy / "best")
    assert "holds no run" in unread(copy, trained[1])


def test_no_run(unread, trained, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "holds no run. Give the folder that `spikeglot pretrain --out` wrote" in unread(
        tmp_path / "empty", trained[1]
    )
    assert "There is no checkpoint in" in unread(tmp_path / "nowhere", trained[1])


def test_evaluating_no_data(unread, trained):
    assert "No DATA given" in unread(trained[0])


def test_an_unknown_session(unread, trained, nwb):
    says = unread(trained[0], nwb(name="sub-m1_ses-day2_ecephys.nwb"))
    assert "The model has no stitcher for session 'sub-m1_ses-day2'. Did you mean 'sub-m1_ses-day1'?" in says
    assert "adapt it to this one with finetune" in says


def test_a_session_that_has_changed(unread, trained, nwb, recordings):
    says = unread(trained[0], nwb(recordings.spike_times()[:11]))
    assert "Session 'sub-m1_ses-day1' is not the one that the run was trained on: its unit_ids differ" in says
    assert "(12 then, 11 now)" in says


def test_resuming_with_other_data(shell, trained, nwb, recipe):
    said = shell("pretrain", nwb(name="other.nwb"), "--recipe", recipe, "--out", trained[0], "--resume")
    assert said.status == 1
    assert "no stitcher for session 'other'" in said.err
