"""Many sessions in one run: memory that does not grow with the steps, batches larger than any session."""

import json
import os
import subprocess
import sys

import pytest
import torch

from spikeglot.batch import epoch_batches

torch.set_num_threads(1)

N_SESSIONS, N_TRIALS, STEPS = 60, 40, 60
SEEN_STEP = 20
"""By then every session has been in a batch (64 of 1,680 training trials each): what it needs has been allocated."""
SCRIPT = f"""
import json, resource, sys
import torch
torch.set_num_threads(1)
import spikeglot as sg
from spikeglot.data.simulate import SimulationSettings
from spikeglot.events import StepDone, Validated

sessions = sg.simulate_sessions(
    SimulationSettings(n_subjects={N_SESSIONS}, n_trials={N_TRIALS}, regions=("TH", "CA1"), min_units=5, max_units=60)
)
recipe = sg.load_recipe(
    "mtm-ndt1",
    window={{"align": "stim_on_time", "stop_s": 1.0}},
    quality={{"min_rate_hz": 0.0}},
    model={{"start": "rates"}},
    train={{"steps": {STEPS}, "batch_size": 64, "validate_every": 20, "validation_questions": 1, "device": "cpu"}},
)
peak_mb = {{}}

def listen(event):
    if isinstance(event, StepDone | Validated):
        peak_mb[event.step] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
checkpoint = sg.pretrain(sessions, out=sys.argv[1], recipe=recipe, listen=listen)
n_units = [len(card.unit_ids) for card in checkpoint.sessions.values()]
json.dump({{"before_mb": before_mb, "peak_mb": peak_mb, "n_units": n_units}}, sys.stdout)
"""


@pytest.mark.slow
def test_sixty_sessions_train_in_memory_that_steps_do_not_fill(tmp_path):
    """Measured: 600 MB for the first steps with twice this batch, then 8 MB in 80 steps. A leak of the tokens of a
    batch alone (64 trials x 2 masks x 52 tokens x 128 x 4 bytes) would be 3 MB per step, of all activations 200 MB.
    """
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=True,
        timeout=1200,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    facts = json.loads(done.stdout)
    peak_mb = {int(step): value for step, value in facts["peak_mb"].items()}
    assert len(facts["n_units"]) == N_SESSIONS
    assert len(set(facts["n_units"])) > 20, "sessions must differ in units"
    assert peak_mb[STEPS] - facts["before_mb"] < 1000
    assert peak_mb[STEPS] - peak_mb[SEEN_STEP] < 60


def test_a_batch_larger_than_any_session_mixes_them_all():
    sizes = {f"s{i}": 3 + i % 5 for i in range(60)}
    (whole,) = epoch_batches(sizes, 1000, torch.Generator().manual_seed(0))
    assert {name: sorted(trials.tolist()) for name, trials in whole.items()} == {
        name: list(range(n)) for name, n in sizes.items()
    }


def test_a_run_with_a_batch_larger_than_all_its_trials_has_an_epoch_per_step(factories, tmp_path):
    recipe = factories.small_recipe(train={"batch_size": 500, "steps": 3})
    assert factories.train_run(tmp_path / "run", recipe)
    assert len((tmp_path / "run" / "log.csv").read_text().splitlines()) == 1 + 1 + 3
