"""Do LFADS and NDT1, both trained by multi-task masking, recover rates that are known? Spikes of a Lorenz system.

Writes ``lorenz.md`` and ``lorenz.csv`` beside itself. The recording has no regions, so that the mixture is neuron and
causal. Trained on the file's training trials; predicted on its validation trials with all counts visible, prompt
neuron; R2 of the predicted rates against the true ones. No true rate reaches a model; baselines may be chosen by those
of training trials.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed, parallel_config
from scipy.ndimage import gaussian_filter1d

from spikeglot.batch import SessionTensors
from spikeglot.checkpoint import Checkpoint, build_model
from spikeglot.events import silent
from spikeglot.models.mtm import MtM
from spikeglot.settings import Recipe, make_recipe
from spikeglot.studies.engine.machine import describe_machine, describe_version
from spikeglot.studies.engine.summary import markdown
from spikeglot.training.loop import train
from spikeglot.training.run_folder import RunFolder
from spikeglot.training.start import start_model

COMMAND = "OMP_NUM_THREADS=1 .venv/bin/python results/lorenz.py"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "lorenz" / "lfads_lorenz.h5"
BIN_SIZE_S = 0.01
N_PER_CONDITION = 40
SEEDS = (0, 1, 2)
N_PROCESSES = 2
AIM = 0.8
"""The pooled R2 that says that rates are recovered."""
WIDTHS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
"""Bins, s.d. of the Gaussians that baselines smooth with; the best on the true rates of training trials is taken."""
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
        "train": {"steps": 600, "learning_rate": 5e-3, "penalty_warmup": 0.5},
    },
    "MtM-NDT1": {
        "mask": {"masks_per_trial": 2},
        "model": {"architecture": "ndt1", "dropout": 0.2, "embed_dropout": 0.1, "position": "rotary"},
        "train": {"steps": 600, "learning_rate": 3e-3},
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
    """Return R2 of rates (trial, time, unit): pooled over units, and the mean over units of that of each.

    Pooled, the squared errors of all units are summed and divided by the sum of their squared deviations from the
    unit's mean: a unit whose rate hardly changes hardly counts.
    """
    error = ((predicted - true) ** 2).sum((0, 1))
    spread = ((true - true.mean((0, 1))) ** 2).sum((0, 1))
    return float(1 - error.sum() / spread.sum()), float((1 - error / spread).mean())


class Recording(NamedTuple):
    """Counts and true rates in Hz (trial, time, unit), and the condition of every trial, of both parts of the file."""

    train: np.ndarray
    train_hz: np.ndarray
    train_condition: np.ndarray
    val: np.ndarray
    val_hz: np.ndarray
    val_condition: np.ndarray


def read() -> Recording:
    """Return the recording; trials of a condition begin in the same state, and have the same rates."""
    with h5py.File(DATA) as file:
        parts = [
            (file[f"{part}_data"][:], file[f"{part}_truth"][:], file[f"{part}_inds"][:] // N_PER_CONDITION)
            for part in ("train", "valid")
        ]
    return Recording(*parts[0], *parts[1])


def smoothed_rate_hz(counts: np.ndarray, width_bins: float) -> np.ndarray:
    """Return counts (..., time, unit) smoothed with a Gaussian of this s.d., in Hz."""
    return gaussian_filter1d(counts.astype(float), width_bins, axis=-2, mode="nearest") / BIN_SIZE_S


def components_rate_hz(recording: Recording, counts: np.ndarray, width_bins: float, n_components: int) -> np.ndarray:
    """Return smoothed counts, of which the first principal components of the training trials are kept, in Hz."""
    fitted = smoothed_rate_hz(recording.train, width_bins).reshape(-1, counts.shape[2])
    mean = fitted.mean(0)
    loading = np.linalg.svd(fitted - mean, full_matrices=False)[2][:n_components]
    return (smoothed_rate_hz(counts, width_bins) - mean) @ loading.T @ loading + mean


def psth_rate_hz(recording: Recording, condition: np.ndarray, width_bins: float) -> np.ndarray:
    """Return, for trials of which the condition is told, the smoothed mean of its training trials, in Hz."""
    kinds = range(recording.train_condition.max() + 1)
    means = np.stack([recording.train[recording.train_condition == kind].mean(0) for kind in kinds])
    return smoothed_rate_hz(means, width_bins)[condition]


def baseline_rows(recording: Recording) -> list[dict[str, Any]]:
    """Return a row per baseline, with the width that is the best on training trials."""
    found = []
    for name, predict in (
        ("counts smoothed", lambda part, w: smoothed_rate_hz(getattr(recording, part), w)),
        (
            "four principal components of counts smoothed",
            lambda part, w: components_rate_hz(recording, getattr(recording, part), w, 4),
        ),
        (
            "PSTH of the trial's condition, smoothed",
            lambda part, w: psth_rate_hz(recording, getattr(recording, f"{part}_condition"), w),
        ),
    ):
        best = max(WIDTHS, key=lambda w: r2(predict("train", w), recording.train_hz)[0])
        scores = r2(predict("val", best), recording.val_hz)
        found.append(row_of(f"{name} over {best * BIN_SIZE_S * 1e3:.0f} ms", scores))
    return found


def row_of(model: str, scores: tuple[float, float], seed: int | str = "", seconds: float = 0.0) -> dict[str, Any]:
    pooled, per_unit = scores
    return {"model": model, "seed": seed, "pooled": pooled, "per_unit": per_unit, "seconds": round(seconds)}


def model_row(name: str, seed: int, recording: Recording) -> dict[str, Any]:
    """Train one of the models and return its row, with the seconds of processor time that it took."""
    torch.set_num_threads(1)
    began_s = time.process_time()
    model = trained(name, seed, recording.train)
    scores = r2(predicted_rate_hz(model, recording.val), recording.val_hz)
    row = row_of(name, scores, seed, time.process_time() - began_s)
    sys.stderr.write(f"{row}\n")
    return row


def main() -> None:
    """Train and score everything, and write both files."""
    torch.set_num_threads(1)
    recording = read()
    describe_version()  # of the files that are used, whatever is changed while they run
    runs = [(name, seed) for seed in SEEDS for name in MODELS]
    with parallel_config(backend="loky", inner_max_num_threads=1):
        rows = list(Parallel(n_jobs=N_PROCESSES)(delayed(model_row)(name, seed, recording) for name, seed in runs))
    rows.sort(key=lambda row: list(MODELS).index(row["model"]))
    table = pd.DataFrame([*rows, *baseline_rows(recording)])
    table.round(4).to_csv(Path(__file__).with_suffix(".csv"), index=False)
    Path(__file__).with_suffix(".md").write_text(page(table))


def page(table: pd.DataFrame) -> str:
    """Return the page for people."""
    seconds = table["seconds"]
    lines = [
        "# Known rates: spikes of a Lorenz system",
        f"```\n{COMMAND}\n```",
        f"- {date.today().isoformat()}; spikeglot {describe_version()}.\n"
        f"- {describe_machine()}; two processes of one thread each; {seconds.sum()} s of processor time in all.\n"
        f"- Seeds {', '.join(map(str, SEEDS))}.",
        "640 training trials, 160 validation trials, 100 bins of 10 ms, 60 units, 1.8 spikes per second and unit. Both "
        "models are trained by masking on training trials (schemes neuron and causal: there are no regions), and see "
        "all counts of a validation trial. R2 of their rates against the true ones of the validation trials:",
        markdown(shown(table)),
        "Pooled: squared errors of all units, trials and bins, by squared deviations from each unit's mean rate; the "
        "other one is the plain mean of the R2 of each unit, in which a unit whose rate hardly changes counts as much "
        "as any. Mean over seeds ± SD over seeds. Widths of baselines are the best for true rates of training trials, "
        "which no model is given.",
        "## What it says",
        "\n".join(f"- {line}" for line in findings(table)),
    ]
    return "\n\n".join(lines) + "\n"


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as text: a row per model, mean and spread over seeds."""
    cells = []
    for name, rows in table.groupby("model", sort=False):
        cell: dict[str, Any] = {"model": name}
        for column, head in (("pooled", "R2, pooled"), ("per_unit", "R2, mean over units")):
            spread = f" ± {rows[column].std():.3f}" if len(rows) > 1 else ""
            cell[head] = f"{rows[column].mean():.3f}{spread}"
        cells.append({**cell, "seconds of a run": f"{rows['seconds'].mean():.0f}" if len(rows) > 1 else ""})
    return pd.DataFrame(cells)


def findings(table: pd.DataFrame) -> list[str]:
    """Say of each model whether it recovers the rates, and what the baselines have."""
    said = []
    for name in MODELS:
        pooled = table.loc[table["model"] == name, "pooled"]
        answer = "recovers the rates" if pooled.min() >= AIM else "does not recover the rates"
        values = ", ".join(f"{value:.3f}" for value in pooled)
        said.append(f"{name} {answer} (R2 of at least {AIM} with every seed): {values}.")
    said.append(
        "Trials of a condition begin in the same state and have the same true rates, and validation trials are of the "
        "20 conditions of the training trials. The PSTH is told which condition a trial is of; the models are not, and "
        "infer the rates of a trial from its own spikes."
    )
    return said


if __name__ == "__main__":
    main()
