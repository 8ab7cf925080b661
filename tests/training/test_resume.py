"""Same seed, same numbers; and a resumed run equals an uninterrupted one bit for bit, in its log too."""

import csv
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from spikeglot.checkpoint import load_checkpoint
from spikeglot.errors import CheckpointError
from spikeglot.events import StepDone, Stopped, Validated

STEPS = 12
"""37 training trials in batches of 8 are epochs of 5 steps; validations are at 0, 4, 8 and 12."""


needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="torch.compile needs a C++ compiler"
)


class Killed(Exception):
    """The process dies here."""


def log_rows(folder):
    with (folder / "log.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "trials_per_s"} for row in csv.DictReader(file)]


def tensors_of(folder):
    return {
        f"{path.parent.name}/{path.stem}/{name}": value
        for path in sorted(folder.rglob("*.safetensors"))
        for name, value in load_file(path).items()
    }


def assert_same_run(one, other):
    a, b = tensors_of(one), tensors_of(other)
    assert a.keys() == b.keys()
    assert any("optimiser" in name for name in a)
    for name, value in a.items():
        assert torch.equal(value, b[name]), name
    assert log_rows(one) == log_rows(other)
    assert (one / "validation.csv").read_text() == (other / "validation.csv").read_text()
    assert (one / "last" / "position.json").read_text() == (other / "last" / "position.json").read_text()


@pytest.fixture(scope="module")
def recipe(factories):
    return factories.small_recipe(model={"start": "factors", "dropout": 0.3}, mask={"masks_per_trial": 2})


@pytest.fixture(scope="module")
def whole(factories, recipe, tmp_path_factory):
    """A run that nobody interrupts."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert factories.train_run(folder, recipe)
    return folder


def interrupt_after(step, how):
    """Listen until ``step`` is done, then stop the run: by Ctrl-C, or as a kill would."""

    def listen(event):
        if isinstance(event, StepDone) and event.step == step:
            if how == "killed":
                raise Killed
            os.kill(os.getpid(), signal.SIGINT)

    return listen


def test_the_same_seed_gives_the_same_numbers(factories, recipe, whole, tmp_path):
    assert factories.train_run(tmp_path / "run", recipe)
    assert_same_run(whole, tmp_path / "run")
    assert [row["step"] for row in log_rows(whole)] == [str(step) for step in range(STEPS + 1)]


def test_another_seed_gives_other_numbers(factories, recipe, whole, tmp_path):
    assert factories.train_run(tmp_path / "run", recipe.model_copy(update={"seed": 1}))
    a, b = tensors_of(whole), tensors_of(tmp_path / "run")
    differ = {name for name, value in a.items() if not torch.equal(value, b[name])}
    assert "last/model/architecture.embed.0.weight" in differ
    assert "last/model/stitchers.session b/2.read_in.weight" in differ
    assert [row["loss"] for row in log_rows(whole)] != [row["loss"] for row in log_rows(tmp_path / "run")]


@pytest.mark.parametrize("step", [1, 4, 6, 11])
def test_going_on_after_ctrl_c_equals_never_stopping(factories, recipe, whole, tmp_path, step):
    """Step 6 is in the middle of an epoch and of two validations, step 4 at a validation."""
    events = []
    listen = interrupt_after(step, "asked")
    assert not factories.train_run(tmp_path / "run", recipe, listen=lambda e: (events.append(e), listen(e)))
    assert events[-1] == Stopped(step, STEPS)
    assert [row["step"] for row in log_rows(tmp_path / "run")] == [str(s) for s in range(step + 1)]
    assert factories.train_run(tmp_path / "run", recipe, resume=True)
    assert_same_run(whole, tmp_path / "run")


@pytest.mark.parametrize("step", [1, 3, 5, 7])
def test_going_on_after_a_kill_equals_never_stopping(factories, recipe, whole, tmp_path, step):
    """A kill loses the steps since the last validation, and the run does them again."""
    with pytest.raises(Killed):
        factories.train_run(tmp_path / "run", recipe, listen=interrupt_after(step, "killed"))
    events = []
    assert factories.train_run(tmp_path / "run", recipe, resume=True, listen=events.append)
    assert next(e for e in events if isinstance(e, StepDone)).step == 4 * (step // 4) + 1
    assert_same_run(whole, tmp_path / "run")


@pytest.mark.parametrize("train", [
    {"session_exponent": 0.0},
    {"precision": "bfloat16"},
    pytest.param({"compile": "on"}, marks=[pytest.mark.slow, needs_compiler]),
])  # fmt: skip
def test_going_on_is_exact_under_other_settings_too(factories, recipe, whole, tmp_path, train):
    other = recipe.model_copy(update={"train": recipe.train.model_copy(update=train)})
    assert factories.train_run(tmp_path / "whole", other)
    usual, own = tensors_of(whole), tensors_of(tmp_path / "whole")
    assert any(not torch.equal(value, own[name]) for name, value in usual.items()), "the setting has a say"
    assert torch.bfloat16 not in {value.dtype for value in own.values()}, "what is kept is not rounded"
    assert not factories.train_run(tmp_path / "run", other, listen=interrupt_after(6, "asked"))
    assert factories.train_run(tmp_path / "run", other, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "run")


def test_stopping_again_and_again_changes_nothing(factories, recipe, whole, tmp_path):
    assert not factories.train_run(tmp_path / "run", recipe, listen=interrupt_after(2, "asked"))
    for step in (3, 7):
        assert not factories.train_run(tmp_path / "run", recipe, resume=True, listen=interrupt_after(step, "asked"))
    assert factories.train_run(tmp_path / "run", recipe, resume=True)
    assert_same_run(whole, tmp_path / "run")


def test_ctrl_c_in_the_last_step_finishes(factories, recipe, whole, tmp_path):
    assert factories.train_run(tmp_path / "run", recipe, listen=interrupt_after(STEPS, "asked"))
    assert_same_run(whole, tmp_path / "run")


def test_resuming_a_finished_run_changes_nothing(factories, recipe, whole):
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    events = []
    assert factories.train_run(whole, recipe, resume=True, listen=events.append)
    assert events == []
    assert before == {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}


def test_resuming_with_other_settings_changes_nothing(factories, recipe, whole):
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    other = recipe.model_copy(update={"train": recipe.train.model_copy(update={"steps": 20})})
    with pytest.raises(CheckpointError, match=r"train.steps was 12, now 20"):
        factories.train_run(whole, other, resume=True)
    with pytest.raises(CheckpointError, match="already holds a run"):
        factories.train_run(whole, recipe)
    assert before == {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}


def test_other_draws_of_torch_in_between_have_no_say(factories, recipe, whole, tmp_path):
    """All randomness comes from the seed, none from the state that the process happens to be in."""
    torch.manual_seed(99)
    assert factories.train_run(tmp_path / "run", recipe, listen=lambda event: torch.rand(3))
    assert_same_run(whole, tmp_path / "run")


SCRIPT = """
import sys
import torch
torch.set_num_threads(1)
import spikeglot as sg
from spikeglot.data.simulate import SimulationSettings
from spikeglot.events import StepDone
from spikeglot.settings import make_recipe

sessions = sg.simulate_sessions(
    SimulationSettings(n_subjects=2, n_trials=30, regions=("TH", "CA1"), min_units=6, max_units=8), seed=1
)
recipe = make_recipe({
    "window": {"align": "stim_on_time", "stop_s": 0.2},
    "quality": {"min_rate_hz": 0.0, "min_units_per_region": 1},
    "model": {"width": 16, "heads": 2, "mlp_width": 16, "stitch_width": 8, "factors": {"n_factors": 2}},
    "train": {"steps": 9, "batch_size": 8, "validate_every": 4, "validation_questions": 1, "device": "cpu"},
})

def pretrain(out, resume=False, wait=False, sessions=sessions):
    def listen(event):
        if wait and isinstance(event, StepDone) and event.step == 3:
            print("step 3", flush=True)
            sys.stdin.readline()
    sg.pretrain(sessions, out=out, recipe=recipe, resume=resume, listen=listen)
"""


def test_ctrl_c_in_a_process_of_its_own(tmp_path):
    """The whole way, from `pretrain` to the signal, the exit and the resumed run."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    script = SCRIPT + f"pretrain({str(tmp_path / 'stopped')!r}, wait=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "step 3\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate("\n", timeout=60)
    assert process.returncode not in (0, None)
    assert "KeyboardInterrupt" in errors
    assert [row["step"] for row in log_rows(tmp_path / "stopped")] == ["0", "1", "2", "3"]

    scope: dict = {}
    exec(SCRIPT, scope)
    pretrain, sessions = scope["pretrain"], scope["sessions"]
    with pytest.raises(CheckpointError, match=sessions[1].session_id):
        pretrain(tmp_path / "stopped", resume=True, sessions=sessions[:1])
    pretrain(tmp_path / "stopped", resume=True, sessions=sessions[::-1])
    pretrain(tmp_path / "whole")
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")


def test_the_best_is_the_best(whole):
    scores = {row["step"]: row["val mean"] for row in log_rows(whole) if row["val mean"]}
    assert list(scores) == ["0", "4", "8", "12"]
    best_step = max(scores, key=lambda step: float(scores[step]))
    assert f'"best_step": {best_step}' in (whole / "last" / "position.json").read_text()
    best, last = (load_checkpoint(whole / name).model.state_dict() for name in ("best", "last"))
    same = all(torch.equal(best[name], last[name]) for name in best)
    assert same == (best_step == "12")


def test_validated_and_stopped_are_told(factories, recipe, tmp_path):
    events = []
    factories.train_run(tmp_path / "run", recipe, listen=events.append)
    assert [e.step for e in events if isinstance(e, Validated)] == [0, 4, 8, 12]
    assert not any(isinstance(e, Stopped) for e in events)
    assert Path(tmp_path / "run" / "best" / "config.json").exists()
