"""``spikeglot finetune``: a new model from a trained one, its words, a way back in, and bad input."""

import json
import os
import shlex
import signal

import pytest
import torch

from spikeglot.checkpoint import load_checkpoint
from spikeglot.cli import main
from spikeglot.events import StepDone
from spikeglot.training.loop import train

torch.set_num_threads(1)
SHORT = ("--steps", "4", "--validate-every", "2")


@pytest.fixture(scope="module")
def data(recordings, tmp_path_factory):
    """What the given model has been trained on."""
    return recordings.write_npz(tmp_path_factory.mktemp("data") / "day1.npz")


@pytest.fixture(scope="module")
def new(recordings, tmp_path_factory):
    """A recording that it has not seen."""
    return recordings.write_npz(tmp_path_factory.mktemp("new") / "day 2.npz", session_id="day2")


@pytest.fixture(scope="module")
def run(recordings, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    recipe = recordings.write_recipe(folder / "tiny.toml", train={"steps": 2})
    assert main(["pretrain", str(data), "--recipe", str(recipe), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


def test_a_new_run_and_what_comes_next(shell, run, new, tmp_path):
    out = tmp_path / "out"
    said = shell("finetune", run, new, "--method", "stitchers", "--trials", "10", "--out", out, *SHORT)
    assert said.status == 0, said.err
    assert said.out == f"Model of {run} adapted (stitchers) to day2 (10 training trials): {out / 'best'}\n"
    assert f"Wrote {out} (checkpoints best and last, log.csv)." in said.err
    then = said.err.splitlines()[-1].removeprefix("Next: ")
    assert then == f"spikeglot evaluate {out} '{new}' --out scores.csv"
    words = [*shlex.split(then)[1:-1], tmp_path / "scores.csv"]
    assert shell(*words, "--baselines", "mean-rate").status == 0
    assert (tmp_path / "scores.csv").exists()


def test_json(shell, run, new, tmp_path):
    out = tmp_path / "out"
    said = shell("finetune", run, new, "--method", "closed-form", "--out", out, "--json", "--quiet")
    assert json.loads(said.out) == {
        "run": str(out),
        "checkpoint": str(out / "best"),
        "adapted_from": str(run),
        "method": "closed-form",
        "n_train_trials": {"day2": 28},
        "left_out": [],
    }
    assert said.err == ""


def test_flags_reach_the_adaptation(shell, run, new, tmp_path):
    flags = ("--method", "closed-form", "--keep-sessions", "True", "--unit-prior", "False", "--seed", "5")
    assert shell("finetune", run, new, *flags, "--out", tmp_path / "out").status == 0
    checkpoint = load_checkpoint(tmp_path / "out" / "best")
    assert list(checkpoint.sessions) == ["day1", "day2"]
    assert not checkpoint.adapted.settings.unit_prior
    assert checkpoint.recipe.seed == 5


def test_what_cannot_be_used_is_left_out_only_when_asked(shell, run, new, tmp_path):
    broken = tmp_path / "broken.npz"
    broken.write_bytes(new.read_bytes()[:1000])
    words = ("finetune", run, new, broken, "--method", "closed-form", "--out", tmp_path / "out")
    said = shell(*words)
    assert said.status == 1
    assert "broken.npz" in said.err
    assert not (tmp_path / "out").exists()
    left_out = json.loads(shell(*words, "--leave-out-unusable", "--json", "--quiet").out)["left_out"]
    assert [one["session_id"] for one in left_out] == [str(broken)]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--trials", "29"), "28 training trials, fewer than the 29"),
        (("--trials", "0"), "trials"),
        (("--method", "gradual", "--keep-sessions", "True"), "the backbone changes"),
        (("--unfreeze-at", "1.5"), "unfreeze_at"),
    ],
)
def test_bad_settings_are_one_error(shell, run, new, tmp_path, flags, says):
    said = shell("finetune", run, new, "--out", tmp_path / "out", "--quiet", *flags)
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("error: ")
    assert says in said.err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_no_run(shell, new, tmp_path):
    said = shell("finetune", tmp_path, new, "--out", tmp_path / "out", "--quiet")
    assert said.status == 1
    assert said.err.startswith(f"error: The folder '{tmp_path}' holds no run.")


def test_a_session_that_the_model_knows(shell, run, data, tmp_path):
    said = shell("finetune", run, data, "--out", tmp_path / "out", "--quiet")
    assert said.status == 1
    assert said.err.startswith("error: The model has been trained on day1: ")
    assert not (tmp_path / "out").exists()


def test_the_given_run_is_no_place_for_the_new_one(shell, run, new):
    before = (run / "best" / "model.safetensors").read_bytes()
    said = shell("finetune", run, new, "--out", run, "--quiet")
    assert said.status == 1
    assert (run / "best" / "model.safetensors").read_bytes() == before


def test_an_interrupted_run_says_how_to_go_on(shell, run, new, tmp_path, monkeypatch):
    def interrupted_after_a_step(checkpoint, sessions, val_sessions, folder, listen, *more):
        def tell(event):
            listen(event)
            if isinstance(event, StepDone) and event.step == 1:
                os.kill(os.getpid(), signal.SIGINT)

        return train(checkpoint, sessions, val_sessions, folder, tell, *more)

    words = ["finetune", str(run), str(new), "--out", str(tmp_path / "out"), "--method", "gradual", *SHORT]
    with monkeypatch.context() as patch:
        patch.setattr("spikeglot.api.finetune.train", interrupted_after_a_step)
        said = shell(*words)
    assert (said.status, said.out) == (130, "")
    go_on = shlex.join(["spikeglot", *words, "--resume"])
    assert said.err.splitlines()[-1] == (f"interrupted. The run so far is in {tmp_path / 'out'}. Go on with: {go_on}")
    assert shell(*shlex.split(go_on)[1:]).status == 0
    steps = [line.split(",")[0] for line in (tmp_path / "out" / "log.csv").read_text().splitlines()]
    assert steps == ["step", "0", "1", "2", "3", "4"]
