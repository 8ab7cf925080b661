"""Losses of training next to those of the plain reference: same weights, same masks, no dropout."""

from __future__ import annotations

import random
from dataclasses import replace

import torch

from benchmarks.reference import Reference, draw_masks, reference_optimiser, reference_step
from benchmarks.rows import Row
from benchmarks.sizes import Size, model_of, recipe_of, session_of
from spikeglot.batch import Group
from spikeglot.masking.mask import Mask
from spikeglot.precision import PRECISIONS, fast_products
from spikeglot.settings import Recipe
from spikeglot.training.loop import training_step
from spikeglot.training.optimiser import make_optimiser

N_STEPS = 30
LEARNING_RATE = 1e-3
"""Ten times the published rate: in so few steps the losses are to move."""
MOST = {"n_units": 24, "n_bins": 20, "width": 64, "mlp_width": 128, "stitch_width": 64, "heads": 4, "depth": 2}
"""A small model: where there are no units for it, bfloat16 takes minutes for a step of a large one."""


def curve_rows(size: Size, device: torch.device) -> list[Row]:
    """Return the largest difference between losses, as a share of the reference's loss, by precision."""
    size = replace(size, **{name: min(most, getattr(size, name)) for name, most in MOST.items()})
    plain, fast = reference_losses(size, device), {name: product_losses(size, device, name) for name in PRECISIONS}
    fallen = f"in {N_STEPS} steps, in which the reference falls from {plain[0]:.3f} to {plain[-1]:.3f}"
    what = "largest difference to the reference"
    worst = {name: float(((of - plain) / plain).abs().max()) for name, of in fast.items()}
    return [Row("loss curve", what, name, value, "of the loss", note=fallen) for name, value in worst.items()]


def reference_losses(size: Size, device: torch.device) -> torch.Tensor:
    """Return the losses of the reference, step by step."""
    recipe, session = _recipe(size), session_of(size)
    reference = Reference(model_of(recipe, {"0": session}), "0").to(device).train()
    optimiser = reference_optimiser(reference, LEARNING_RATE, recipe.train.weight_decay)
    losses = []
    for step in range(N_STEPS):
        group = _group(size, step).to(device)
        mask = group.mask
        masks = (mask.visible, mask.target, mask.prompt, mask.causal)
        losses.append(reference_step(reference, optimiser, group.counts, masks, recipe.train.clip_norm))
    return torch.tensor(losses)


def product_losses(size: Size, device: torch.device, precision: str) -> torch.Tensor:
    """Return the losses of `spikeglot.training.loop.training_step`, step by step."""
    recipe, session = _recipe(size), session_of(size)
    model = model_of(recipe, {"0": session}).to(device).train()
    optimiser = make_optimiser(model, recipe.train)
    with fast_products(), model.computing_in(PRECISIONS[precision]):
        losses = [
            training_step(model, optimiser, [_group(size, step).to(device)], recipe, step).item()
            for step in range(N_STEPS)
        ]
    return torch.tensor(losses)


def _recipe(size: Size) -> Recipe:
    recipe = recipe_of(size, dropout=0.0)
    train = recipe.train.model_copy(update={"learning_rate": LEARNING_RATE, "warmup": 0.0, "steps": 10**6})
    return recipe.model_copy(update={"train": train})


def _group(size: Size, step: int) -> Group:
    session = session_of(size)
    masks = draw_masks(size.batch_size, size.n_bins, session.region, random.Random(step))
    trials = slice(0, size.batch_size)
    return Group("0", session.counts[trials].float(), session.start_s[trials], Mask(*masks))
