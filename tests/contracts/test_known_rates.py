"""LFADS and NDT1, trained on masks, recover rates that they have never seen: spikes of a Lorenz system.

It runs `results/lorenz.py` with one seed.
"""

import importlib.util
from pathlib import Path

import h5py
import pytest
import torch

torch.set_num_threads(1)
SCRIPT = Path(__file__).resolve().parents[2] / "results" / "lorenz.py"


@pytest.fixture(scope="module")
def lorenz():
    spec = importlib.util.spec_from_file_location("lorenz", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def recording(shared_data):
    with h5py.File(shared_data / "lorenz" / "lfads_lorenz.h5") as file:
        return {name: file[name][:] for name in ("train_data", "valid_data", "valid_truth")}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LFADS", "MtM-NDT1"])
def test_rates_of_validation_trials_are_recovered(lorenz, recording, name):
    model = lorenz.trained(name, 0, recording["train_data"])
    predicted = lorenz.predicted_rate_hz(model, recording["valid_data"])
    pooled, _ = lorenz.r2(predicted, recording["valid_truth"])
    assert pooled >= 0.8


def test_r2_is_that_of_scikit_learn(lorenz):
    from sklearn.metrics import r2_score

    draws = torch.Generator().manual_seed(0)
    true, predicted = (torch.rand(7, 5, 3, generator=draws).numpy() for _ in range(2))
    flat = (true.reshape(-1, 3), predicted.reshape(-1, 3))
    pooled, per_unit = lorenz.r2(predicted, true)
    assert pooled == pytest.approx(r2_score(*flat, multioutput="variance_weighted"), abs=1e-6)
    assert per_unit == pytest.approx(r2_score(*flat), abs=1e-6)
