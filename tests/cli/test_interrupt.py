"""Ctrl-C in the shell: the run stays, says how to go on, and ends as if nothing had happened."""

import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
import torch

torch.set_num_threads(1)
STEPS = 200


@pytest.fixture
def command(recordings, tmp_path):
    """The words of a run of some seconds; its folder is the last of them."""
    data = recordings.write_npz(tmp_path / "my day.npz")
    recipe = recordings.write_recipe(tmp_path / "tiny.toml", train={"steps": STEPS, "validate_every": 50})
    return ["pretrain", str(data), "--recipe", str(recipe), "--out"]


def start(words):
    return subprocess.Popen(
        [sys.executable, "-m", "spikeglot", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait_for_rows(path, n, process):
    deadline = time.monotonic() + 60
    while not path.exists() or len(path.read_text().splitlines()) < n:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(shell, command, tmp_path, number):
    words = [*command, str(tmp_path / "stopped")]
    process = start(words)
    wait_for_rows(tmp_path / "stopped" / "log.csv", 5, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    go_on = shlex.join(["spikeglot", *words, "--resume"])
    assert last == f"interrupted. The run so far is in {tmp_path / 'stopped'}. Go on with: {go_on}"
    assert f"of {STEPS}" in err.splitlines()[-2]

    said = shell(*shlex.split(go_on)[1:])
    assert said.status == 0
    assert shell(*command, tmp_path / "whole", "--quiet").status == 0
    for name in ("last/model.safetensors", "last/optimiser.safetensors", "best/model.safetensors"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    steps = [
        [line.split(",")[0] for line in (tmp_path / name / "log.csv").read_text().splitlines()]
        for name in ("stopped", "whole")
    ]
    assert steps[0] == steps[1] == ["step", *map(str, range(STEPS + 1))]


def test_before_the_first_step_nothing_is_left(shell, command, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("spikeglot.api.pretrain.start_model", interrupted)
    said = shell(*command, tmp_path / "run")
    assert said.status == 130
    assert said.err.splitlines()[-1] == ("interrupted. Nothing was trained yet; start again with the same command.")
    assert not (tmp_path / "run").exists()


def test_elsewhere_it_says_no_more_than_it_knows(shell, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("spikeglot.cli.show.read_data", interrupted)
    assert shell("show", "simulated") == (130, "", "interrupted.\n")
