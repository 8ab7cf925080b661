"""Memory is bounded by the setting: measured in processes of their own, as what they hold at most beyond the start."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from pathlib import Path

import numpy as np
import torch

from spikeglot.batch import SessionTensors
from spikeglot.checkpoint import build_model
from spikeglot.evaluation import exact
from spikeglot.settings import load_recipe

torch.set_num_threads(1)
task, start, memory_mb = sys.argv[1], sys.argv[2], int(sys.argv[3])
exact.CACHE_FLOATS = 2**40  # what is tested is the setting alone
n_trials, n_bins, n_units = 40, 100, 200
counts = torch.poisson(torch.full((n_trials, n_bins, n_units), 0.1)).to(torch.uint8)
region = torch.arange(n_units) % 4
session = SessionTensors("a", counts, torch.arange(n_trials, dtype=torch.float64), region)
model = {"start": start, "width": 64, "stitch_width": 64, "depth": 1, "mlp_width": 128}
recipe = load_recipe("mtm-ndt1", window={"stop_s": 2.0, "bin_size_s": 0.02}, model=model)
model = build_model(recipe, {"a": n_units})
torch.nn.init.normal_(model.stitcher("a").readout.weight)


def most_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


def ask(n, memory_mb):
    exact.predict_tasks(model, session, np.arange(n), tasks=[task], memory_mb=memory_mb)


ask(1, 1)
Path("/proc/self/clear_refs").write_text("5")
before = most_mb()
ask(n_trials if task == "forward" else 4, memory_mb)
print(most_mb() - before)
"""
SLACK_MB = 12
"""For predictions (up to 3 MB), and for what libraries keep."""


def peak_mb(task: str, start: str, memory_mb: int) -> float:
    words = [sys.executable, "-c", SCRIPT, task, start, str(memory_mb)]
    return float(subprocess.run(words, capture_output=True, text=True, check=True, timeout=300).stdout)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="asks Linux what a process holds at most")
@pytest.mark.parametrize("start", ["zero", "rates", "factors"])
@pytest.mark.parametrize("task", ["co-smoothing", "forward"])
def test_the_setting_bounds_it(task, start):
    small, large = (peak_mb(task, start, memory_mb) for memory_mb in (16, 128))
    assert small < 16 + SLACK_MB
    assert 16 + SLACK_MB < large < 128 + SLACK_MB, "more is used where it may be, so that the bound above could fail"
