"""Processes that train together, each a rank, with a hard time limit; reached through the fixture `together`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

SCRIPT = """
import os, sys
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

def pretrain(out, resume=False, listen=lambda event: None, **train):
    return sg.pretrain(sessions, out=out, recipe=recipe(**train), resume=resume, listen=listen)
"""
"""Four sessions of unlike size with 64 training trials together: step 8, the last of an epoch, has a single trial."""


def environments(n_ranks: int) -> list[dict[str, str]]:
    """Return what torchrun would set for each rank."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = str(place.getsockname()[1])
    shared = {"WORLD_SIZE": str(n_ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    return [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(n_ranks)]


def start(command: list[str], n_ranks: int) -> list[subprocess.Popen[str]]:
    """Start a command once per rank, each in a process group of its own."""
    return [
        subprocess.Popen(
            command, env=os.environ | own, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )
        for own in environments(n_ranks)
    ]  # fmt: skip


def finish(processes: list[subprocess.Popen[str]], limit_s: float) -> list[tuple[int, str, str]]:
    """Return status, stdout and stderr of each process.

    Those that run after ``limit_s`` are killed with all their children; Python then says on stderr where they were.
    """
    until = time.monotonic() + limit_s
    for process in processes:
        try:
            process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            for one in processes:
                if one.poll() is None:
                    os.killpg(one.pid, signal.SIGABRT)
                    one.wait()
    return [(process.returncode, *process.communicate()) for process in processes]


def run_script(code: str, n_ranks: int, limit_s: float = 60.0) -> list[tuple[int, str, str]]:
    """Run ``code`` after `SCRIPT` on several ranks."""
    return finish(start([sys.executable, "-X", "faulthandler", "-W", "error", "-c", SCRIPT + code], n_ranks), limit_s)


def scope() -> dict:
    """Return the names that `SCRIPT` defines, to train alone in this process."""
    names: dict = {}
    exec(SCRIPT, names)
    return names
