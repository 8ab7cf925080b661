"""Processes that train together, each a rank, with a hard time limit; reached through the fixture `together`."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from safetensors.torch import load_file

SCRIPT = """
import dataclasses, os, sys
import torch
torch.set_num_threads(1)
import spikeglot as sg
from spikeglot.data.simulate import SimulationSettings
from spikeglot.events import StepDone
from spikeglot.settings import make_recipe

sessions = sg.simulate_sessions(
    SimulationSettings(n_subjects=4, n_trials=23, regions=("TH", "CA1"), min_units=4, max_units=12), seed=1
)

def recipe(**train):
    return make_recipe({
        "window": {"align": "stim_on_time", "stop_s": 0.2},
        "quality": {"min_rate_hz": 0.0, "min_units_per_region": 1},
        "model": {"width": 16, "depth": 2, "heads": 2, "mlp_width": 16, "stitch_width": 8, "dropout": 0.0,
                  "embed_dropout": 0.0, "factors": {"n_factors": 2}},
        "train": {"steps": 9, "batch_size": 9, "validate_every": 4, "validation_questions": 1, "device": "cpu"} | train,
    })

def finetune(run, out, **settings):
    new = sg.simulate_sessions(
        SimulationSettings(n_subjects=2, n_trials=20, regions=("TH", "CA1"), min_units=4, max_units=9), seed=2
    )
    new = [dataclasses.replace(one, session_id=f"new {n}") for n, one in enumerate(new)]
    return sg.finetune(run, new, out=out, method="gradual", steps=5, validate_every=2, **settings)

def pretrain(out, resume=False, listen=lambda event: None, **train):
    return sg.pretrain(sessions, out=out, recipe=recipe(**train), resume=resume, listen=listen)
"""
"""Four sessions of unlike size with 64 training trials together: step 8, the last of an epoch, has a single trial."""


LOSE_A_RANK = """
import threading, time
from pathlib import Path

out = Path(sys.argv[1])

def die_once():
    marker = out.with_name("a rank was lost")
    while not (out / "log.csv").exists() or len((out / "log.csv").read_text().splitlines()) < 7:
        time.sleep(0.01)
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), 9)

def work():
    if os.environ["RANK"] == "1":
        threading.Thread(target=die_once, daemon=True).start()
    pretrain(out, resume="if-begun", listen=lambda event: time.sleep(0.1))
"""
"""``work`` trains in the folder that the script is given; once, after some steps, rank 1 is killed."""

TOLERANCE = 1e-5
FILES = ("last/model", "best/model", "last/optimiser")


LIMIT_S = 200.0
"""Everything here takes seconds, minutes on a machine that has other things to do, and for ever where it hangs."""
SECONDS_TO_END = 40.0
"""What torchrun grants its ranks, and some more."""


def assert_equal_runs(one: Path, other: Path) -> None:
    """Weights, moments, losses and validation scores are the same to float tolerance, and so are the steps."""
    for name in FILES:
        a, b = (load_file(run / f"{name}.safetensors") for run in (one, other))
        assert a.keys() == b.keys()
        for key, value in a.items():
            assert value.numpy() == pytest.approx(b[key].numpy(), abs=TOLERANCE), f"{name} {key}"
    for name in ("log.csv", "validation.csv"):
        rows, others = (list(csv.DictReader((run / name).read_text().splitlines())) for run in (one, other))
        assert len(rows) == len(others) > 3
        for row, its in zip(rows, others, strict=True):
            for column in row.keys() - {"trials_per_s"}:
                assert row[column] == its[column] or float(row[column]) == pytest.approx(float(its[column]), abs=2e-5)


def environments(n_ranks: int) -> list[dict[str, str]]:
    """Return what torchrun would set for each rank."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = str(place.getsockname()[1])
    shared = {"WORLD_SIZE": str(n_ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    return [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(n_ranks)]


def start(command: list[str], n_ranks: int) -> list[subprocess.Popen[str]]:
    """Start a command once per rank, each in a process group of its own."""
    return [begin(command, own) for own in environments(n_ranks)]


def begin(command: list[str], environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a command in a process group of its own."""
    pipe = subprocess.PIPE
    own = os.environ | dict(environment or {})
    return subprocess.Popen(command, env=own, text=True, stdout=pipe, stderr=pipe, start_new_session=True)


def finish(processes: list[subprocess.Popen[str]], limit_s: float = LIMIT_S) -> list[tuple[int, str, str]]:
    """Return status, stdout and stderr of each process.

    Those that run after ``limit_s`` are asked to end, as a launcher passes on to its ranks, and then killed: Python
    says on stderr where they were.
    """
    until = time.monotonic() + limit_s
    said = []
    for process in processes:
        try:
            words = process.communicate(timeout=max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            _end(processes)
            words = process.communicate(timeout=10)
        said.append((process.returncode, *words))
    return said


def _end(processes: list[subprocess.Popen[str]]) -> None:
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.terminate()
    patience = time.monotonic() + SECONDS_TO_END
    while any(process.poll() is None for process in running) and time.monotonic() < patience:
        time.sleep(0.1)
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGABRT)


def run_script(code: str, n_ranks: int) -> list[tuple[int, str, str]]:
    """Run ``code`` after `SCRIPT` on several ranks."""
    return finish(start([sys.executable, "-X", "faulthandler", "-W", "error", "-c", SCRIPT + code], n_ranks))


def scope() -> dict:
    """Return the names that `SCRIPT` defines, to train alone in this process."""
    names: dict = {}
    exec(SCRIPT, names)
    return names
