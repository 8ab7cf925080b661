"""Builders of small counts, masks and models for the tests of the torch half; reached through `factories`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from spikeglot.batch import Group, SessionTensors, region_codes, to_tensors
from spikeglot.checkpoint import Checkpoint, SessionCard, build_model
from spikeglot.data.counts import Counts
from spikeglot.data.prepare import Prepared
from spikeglot.data.splits import split_trials
from spikeglot.events import Event, Listener, silent
from spikeglot.masking.drawing import Layout, Regions
from spikeglot.masking.mask import Mask, make_mask
from spikeglot.models.mtm import MtM
from spikeglot.settings import Recipe, make_recipe
from spikeglot.training.log import CsvLog
from spikeglot.training.loop import train
from spikeglot.training.run_folder import RunFolder
from spikeglot.training.start import start_model

torch.set_num_threads(1)

N_BINS = 10
BIN_SIZE_S = 0.02
REGIONS = ("VISp",) * 5 + ("CA1",) * 4 + ("",) * 2 + ("TH",)
"""Twelve units: two regions of several units, two units without a region, and one alone in its region."""
SMALL_MODEL = {
    "start": "rates",
    "width": 16,
    "depth": 2,
    "heads": 2,
    "mlp_width": 32,
    "stitch_width": 16,
    "dropout": 0.1,
    "embed_dropout": 0.1,
    "factors": {"n_factors": 3, "drift_waves": 3},
}
SMALL_TRAIN = {"steps": 12, "batch_size": 8, "validate_every": 4, "validation_questions": 2, "device": "cpu"}


def small_recipe(seed: int = 0, **sections: Mapping[str, Any]) -> Recipe:
    """Return a recipe of a model that trains in a second; ``sections`` override: model={"start": "zero"}."""
    defaults = {
        "window": {"stop_s": N_BINS * BIN_SIZE_S, "bin_size_s": BIN_SIZE_S},
        "model": SMALL_MODEL,
        "train": SMALL_TRAIN,
    }
    values = {name: {**defaults.get(name, {}), **sections.get(name, {})} for name in {*defaults, *sections}}
    return make_recipe({"seed": seed, **values})


def shared_counts(
    n_trials: int, n_units: int, seed: int = 0, rate: float = 0.5, strength: float = 0.8, n_bins: int = N_BINS
) -> np.ndarray:
    """Draw Poisson counts (trial, time, unit) whose log-rates share one value per trial and one slow wave."""
    rng = np.random.default_rng(seed)
    trial, phase = rng.normal(size=(n_trials, 1)), rng.uniform(0, 2 * np.pi, (n_trials, 1))
    wave = np.sqrt(2) * np.sin(2 * np.pi * np.arange(n_bins) / n_bins + phase)
    latents = np.stack([np.broadcast_to(trial, wave.shape), wave], axis=-1)
    loadings = strength * rng.choice([-1.0, 1.0], size=(2, n_units)) * rng.uniform(0.5, 1.0, (2, n_units))
    log_rate = np.log(rate) + latents @ loadings - (loadings**2).sum(0) / 2
    return rng.poisson(np.exp(log_rate)).astype(np.uint8)


def make_counts(
    session_id: str = "a",
    n_trials: int = 40,
    regions: tuple[str, ...] = REGIONS,
    seed: int = 0,
    **shared: float,
) -> Counts:
    """Return `Counts` of `shared_counts`, one trial every two seconds."""
    recipe = small_recipe()
    units = pd.DataFrame({"region": np.array(regions, dtype=object)}, index=[f"u{i}" for i in range(len(regions))])
    trials = pd.DataFrame({"window_start_s": 2.0 * np.arange(n_trials), "trial_id": np.arange(n_trials)})
    counts = shared_counts(n_trials, len(regions), seed, **shared)  # type: ignore[arg-type]
    return Counts(session_id, "mouse", counts, units, trials, recipe.window)


def make_session(
    session_id: str = "a",
    n_trials: int = 40,
    regions: tuple[str, ...] = REGIONS,
    seed: int = 0,
    **shared: float,
) -> SessionTensors:
    """Return the tensors of `make_counts`."""
    return to_tensors(make_counts(session_id, n_trials, regions, seed, **shared))


def make_model(recipe: Recipe, sessions: Mapping[str, SessionTensors], seed: int = 1, *, loud: bool = False) -> MtM:
    """Return a model that starts from ``sessions``; ``loud`` draws readouts and tokens that have a say."""
    torch.manual_seed(seed)
    model = build_model(recipe, {name: session.counts.shape[2] for name, session in sessions.items()})
    start_model(model, sessions, recipe.mask.schemes, silent)
    if loud:
        with torch.no_grad():
            for name in sessions:
                stitcher = model.stitcher(name)
                stitcher.readout.weight.normal_(std=0.3)
                stitcher.token.normal_()
                if stitcher.factors is not None:
                    stitcher.factors.past_private.normal_(std=0.3)
    return model.eval()


def make_checkpoint(recipe: Recipe | None = None, all_counts: tuple[Counts, ...] | None = None) -> Checkpoint:
    """Return an untrained checkpoint with the cards of its sessions."""
    recipe = recipe or small_recipe()
    prepared = [Prepared(c, split_trials(c.n_trials, recipe.split)) for c in all_counts or (make_counts(),)]
    sessions = {p.counts.session_id: to_tensors(p.counts) for p in prepared}
    cards = {p.counts.session_id: SessionCard.of(p) for p in prepared}
    return Checkpoint(make_model(recipe, sessions), recipe, cards)


def layout_of(regions: tuple[str, ...] = REGIONS, n_trials: int = 30, n_bins: int = N_BINS) -> Layout:
    """Return the layout of a stack of trials of a session with these regions."""
    return Layout(n_trials, n_bins, Regions(region_codes(np.array(regions, dtype=object))))


def predict(model: MtM, session: SessionTensors, mask: Mask, counts: Tensor | None = None) -> Tensor:
    """Return the log-rates of the first trials of a session, with other counts if they are given."""
    n = len(mask)
    counts = session.counts[:n].float() if counts is None else counts.float()
    with torch.no_grad():
        return model([Group(session.session_id, counts, session.start_s[:n], mask)])[0]


def two_sessions() -> tuple[Counts, ...]:
    """Return two small sessions of unlike size; a batch of 8 neither divides an epoch nor one session."""
    return make_counts("a.1", 30, seed=1), make_counts("b/2", 23, ("VISp",) * 4 + ("CA1",) * 3, seed=2)


def train_run(folder: Path, recipe: Recipe, *, resume: bool = False, listen: Listener = silent) -> bool:
    """Train on `two_sessions` as `spikeglot.pretrain` does; return False if it was interrupted."""
    run = RunFolder(folder, resume)
    prepared = {c.session_id: Prepared(c, split_trials(c.n_trials, recipe.split)) for c in two_sessions()}
    parts = [
        {name: to_tensors(p.counts.take_trials(getattr(p.split, part))) for name, p in prepared.items()}
        for part in ("train", "val")
    ]
    if resume:
        checkpoint, position = run.load_last(recipe)
    else:
        cards = {name: SessionCard.of(p) for name, p in prepared.items()}
        checkpoint, position = Checkpoint(make_model(recipe, parts[0], recipe.seed), recipe, cards), None
    with CsvLog(run.log_path, keep_until=position.step if position else 0) as log:

        def tell(event: Event) -> None:
            log(event)
            listen(event)

        return train(checkpoint, parts[0], parts[1], run, tell, position)


def hide_first_unit(session: SessionTensors, n_trials: int) -> Mask:
    """Return a mask that hides the first unit and asks for it."""
    target = torch.zeros((n_trials, *session.counts.shape[1:]), dtype=torch.bool)
    target[:, :, 0] = True
    return make_mask(~target, target, "neuron")
