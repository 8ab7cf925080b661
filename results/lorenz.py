"""Do LFADS and NDT1, both trained by multi-task masking, recover rates that are known? Spikes of a Lorenz system.

Writes ``lorenz.md`` and ``lorenz.csv`` beside itself. The recording has no regions, so that the mixture is neuron and
causal. Trained on the file's training trials; predicted on its validation trials with all counts visible, prompt
neuron; R2 of the expected counts against the true rates. No true rate reaches a model.
"""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import torch

from spikeglot.batch import SessionTensors
from spikeglot.checkpoint import Checkpoint, build_model
from spikeglot.events import silent
from spikeglot.models.mtm import MtM
from spikeglot.settings import Recipe, make_recipe
from spikeglot.training.loop import train
from spikeglot.training.run_folder import RunFolder
from spikeglot.training.start import start_model

COMMAND = "OMP_NUM_THREADS=1 .venv/bin/python results/lorenz.py"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "lorenz" / "lfads_lorenz.h5"
BIN_SIZE_S = 0.01
SEEDS = (0, 1, 2)
COMMON: dict[str, Any] = {
    "window": {"stop_s": 1.0, "bin_size_s": BIN_SIZE_S},
    "mask": {"schemes": ["neuron", "causal"]},
    "model": {"start": "rates", "width": 64, "depth": 2, "mlp_width": 128, "stitch_width": 64},
    "train": {"batch_size": 32, "device": "cpu", "validate_every": 10_000, "validation_questions": 1},
}
MODELS: dict[str, dict[str, Any]] = {
    "LFADS": {
        "model": {
            "architecture": "lfads",
            "dropout": 0.05,
            "embed_dropout": 0.0,
            "options": {"n_factors": 8, "kl": 0.3},
        },
        "train": {"steps": 1200, "learning_rate": 5e-3, "penalty_warmup": 0.5},
    },
    "MtM-NDT1": {
        "mask": {"masks_per_trial": 2},
        "model": {"architecture": "ndt1", "dropout": 0.2, "embed_dropout": 0.1, "position": "rotary"},
        "train": {"steps": 1000, "learning_rate": 3e-3},
    },
}


def recipe_of(name: str, seed: int) -> Recipe:
    """Return the recipe of one of the models."""
    own = MODELS[name]
    return make_recipe({"seed": seed, **{part: {**COMMON[part], **own.get(part, {})} for part in COMMON}})


def tensors_of(counts: np.ndarray) -> SessionTensors:
    """Return the tensors of counts (trial, time, unit) without regions, a trial per second."""
    start_s = torch.arange(len(counts), dtype=torch.float64)
    no_region = torch.full((counts.shape[2],), -1)
    return SessionTensors("lorenz", torch.from_numpy(counts.astype(np.uint8)), start_s, no_region)


def trained(name: str, seed: int, counts: np.ndarray) -> MtM:
    """Return one of the models after training on counts (trial, time, unit); its last step."""
    recipe = recipe_of(name, seed)
    session = {"lorenz": tensors_of(counts)}
    model = build_model(recipe, {"lorenz": counts.shape[2]})
    start_model(model, session, recipe.mask.schemes, silent)
    checkpoint = Checkpoint(model, recipe, {})
    with tempfile.TemporaryDirectory() as folder:
        # a few trials to validate on: the last step is taken whatever they say
        val = {"lorenz": tensors_of(counts[:8])}
        train(checkpoint, session, val, RunFolder(Path(folder) / "run", resume=False), silent)
    return model.eval()


def predicted_rate_hz(model: MtM, counts: np.ndarray) -> np.ndarray:
    """Return rates in Hz (trial, time, unit), given all counts."""
    session = tensors_of(counts)
    with torch.no_grad():
        log_rate = model([session.whole(torch.arange(len(counts)), "neuron")])[0]
    return log_rate.exp().numpy() / BIN_SIZE_S


def r2(predicted: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Return R2 of rates (trial, time, unit): pooled over units, and the mean over units of that of each."""
    error = ((predicted - true) ** 2).sum((0, 1))
    spread = ((true - true.mean((0, 1))) ** 2).sum((0, 1))
    return float(1 - error.sum() / spread.sum()), float((1 - error / spread).mean())


def smoothed_rate_hz(counts: np.ndarray, width_bins: float) -> np.ndarray:
    """Return the baseline: counts smoothed with a Gaussian of this s.d., in Hz."""
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(counts.astype(float), width_bins, axis=1, mode="nearest") / BIN_SIZE_S


def main() -> None:
    """Train and score everything, and write both files."""
    torch.set_num_threads(1)
    with h5py.File(DATA) as file:
        train_counts, val_counts, true = (file[name][:] for name in ("train_data", "valid_data", "valid_truth"))
        train_true = file["train_truth"][:]
    widths = (2.0, 4.0, 8.0, 16.0)
    best = max(widths, key=lambda width: r2(smoothed_rate_hz(train_counts, width), train_true)[0])
    rows = [
        {"model": f"counts smoothed over {best * BIN_SIZE_S * 1e3:.0f} ms (chosen by true rates)", "seed": -1}
        | dict(zip(("pooled", "per_unit"), r2(smoothed_rate_hz(val_counts, best), true), strict=True))
        | {"seconds": 0.0}
    ]
    for name in MODELS:
        for seed in SEEDS:
            began = time.perf_counter()
            model = trained(name, seed, train_counts)
            pooled, per_unit = r2(predicted_rate_hz(model, val_counts), true)
            seconds = round(time.perf_counter() - began)
            rows.append({"model": name, "seed": seed, "pooled": pooled, "per_unit": per_unit, "seconds": seconds})
            sys.stderr.write(f"{name}, seed {seed}: R2 {pooled:.3f} pooled, {per_unit:.3f} per unit, {seconds} s\n")
    table = pd.DataFrame(rows)
    here = Path(__file__)
    table.round(4).to_csv(here.with_suffix(".csv"), index=False)
    here.with_suffix(".md").write_text(page(table))


def page(table: pd.DataFrame) -> str:
    """Return the page for people."""
    lines = [
        f"| {row.model} | {'' if row.seed < 0 else row.seed} | {row.pooled:.3f} | {row.per_unit:.3f} | "
        f"{row.seconds:.0f} |"
        for row in table.itertuples()
    ]
    return "\n".join(
        [
            "# Known rates: spikes of a Lorenz system",
            "",
            "```",
            COMMAND,
            "```",
            "",
            f"On one thread ({platform.machine()}, torch {torch.__version__}) of a machine that others used too. "
            "640 training trials, 160 validation trials, 100 bins of 10 ms, 60 units, "
            "about one spike per bin in all units together. Both models are trained on masks (neuron and causal) and "
            "see all counts of a validation trial; R2 of their rates against the true ones:",
            "",
            "| model | seed | R2, pooled over units | R2, mean over units | seconds |",
            "|---|---|---|---|---|",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    main()
