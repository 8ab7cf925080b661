"""``spikeglot check``, and the verbs that leave out what it finds."""

import json

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def recipe(recordings, tmp_path_factory):
    return recordings.write_recipe(tmp_path_factory.mktemp("recipe") / "tiny.toml")


@pytest.fixture
def folder(recordings, tmp_path):
    """One good recording and two with trouble; brackets in a name are no markup."""
    data = tmp_path / "data"
    data.mkdir()
    recordings.write_npz(data / "good.npz", session_id="good")
    recordings.write_npz(data / "bad.npz", session_id="bad[red]", trial_stim_on_time=None)
    (data / "damaged.nwb").write_bytes(b"\x89HDF\r\n\x1a\n")
    return data


def test_sessions_that_are_all_usable(shell, folder, recipe):
    said = shell("check", folder / "good.npz", "--recipe", recipe)
    assert said.status == 0
    assert said.out.splitlines()[1].split() == ["good", "mouse", "12", "2", "28", "4", "8", "ok"]
    assert said.err.splitlines()[-1] == "Next: spikeglot pretrain with the same DATA and flags, and --out RUN"


def test_every_problem_is_listed_and_the_status_says_so(shell, folder, recipe):
    said = shell("check", folder, "--recipe", recipe)
    assert said.status == 1
    assert sum(line.rstrip().endswith(" ok") for line in said.out.splitlines()) == 1
    assert said.out.count("cannot be used (below)") == 2
    assert "\nbad[red]: The trials of session 'bad[red]' have no column 'stim_on_time'" in said.out
    assert f"\n{folder / 'damaged.nwb'}: Cannot read" in said.out
    assert said.err.splitlines()[-1].startswith("error: 2 of 3 sessions cannot be used.")
    said = shell("check", folder / "bad.npz", "--recipe", recipe, "--quiet")
    assert "leave" not in said.err, "there is nothing to train on without it"


def test_json_has_the_same(shell, folder, recipe):
    said = shell("check", folder, "--recipe", recipe, "--json")
    assert said.status == 1
    facts = json.loads(said.out)
    assert facts["n_usable"] == 1
    assert [one["is_usable"] for one in facts["sessions"]] == [True, False, False]
    assert facts["sessions"][0]["n_train"] == 28


def test_flags_are_those_of_pretrain(shell, folder, recipe):
    said = shell("check", folder / "good.npz", "--recipe", recipe, "--quality.min-rate-hz", "1000")
    assert said.status == 1
    assert "Change quality.min_rate_hz" in said.out
    assert shell("check", folder / "good.npz", "--train.steps", "-3").status == 1


def test_pretrain_leaves_out_what_cannot_be_used_and_evaluate_knows(shell, folder, recipe, tmp_path):
    run = tmp_path / "run"
    said = shell("pretrain", folder, "--recipe", recipe, "--out", run)
    assert said.status == 1
    assert said.err.splitlines()[1].startswith("error: 2 problems:")
    assert not run.exists()
    said = shell("pretrain", folder, "--recipe", recipe, "--out", run, "--leave-out-unusable")
    assert said.status == 0
    assert "left out bad[red]: The trials of session 'bad[red]'" in said.err
    assert said.err.index("left out bad[red]") < said.err.index("closed-form start")
    assert "Left out 2 that cannot be used" in said.err
    config = json.loads((run / "best" / "config.json").read_text())
    assert [one["id"] for one in config["left_out"]] == [str(folder / "damaged.nwb"), "bad[red]"]

    table = tmp_path / "scores.csv"
    said = shell("evaluate", run, folder, "--out", table, "--baselines", "mean-rate")
    assert said.status == 0, said.err
    assert "The run left out 2 sessions; they have no scores." in said.err
    (folder / "new.nwb").write_bytes(b"\x89HDF\r\n\x1a\n")
    said = shell("evaluate", run, folder, "--out", table, "--baselines", "mean-rate")
    assert said.status == 1
    assert "new.nwb" in said.err
    assert "damaged.nwb" not in said.err
