"""What the paper varies is a setting of a recipe, for every architecture: each trains on it and predicts every task."""

import pytest
import torch

from spikeglot.batch import masked_groups
from spikeglot.evaluation.exact import predict_tasks
from spikeglot.masking.schemes import SCHEMES
from spikeglot.randomness import derive_seed
from spikeglot.settings import ARCHITECTURES, TASKS
from spikeglot.training.loop import batches, training_step
from spikeglot.training.optimiser import make_optimiser

PLAIN = {"model": {"patch_units": 5}, "mask": {"schemes": tuple(SCHEMES)}}
CHANGES = {
    "rotary": {"model": {"position": "rotary"}},
    "mask token": {"model": {"mask_token": True}},
    "no session token": {"model": {"session_token": False}},
    "unprompted": {"mask": {"prompted": False}},
    "a scheme per batch": {"mask": {"draw": "batch"}},
    "a ratio of its own": {"mask": {"ratio": {"neuron": 0.8, "causal": 0.1, "intra_region": 0.9}}},
    "random tokens": {"mask": {"schemes": ("random-token",)}},
    "mse": {"train": {"objective": "mse"}},
}
SAME = {("lfads", "rotary")}
"""LFADS has no positions: its bins follow one another."""


def trained(factories, architecture, changes):
    """Return the losses of a few steps, and the model."""
    sections = {name: {**PLAIN.get(name, {}), **changes.get(name, {})} for name in ("model", "mask", "train")}
    recipe = factories.small_recipe(**{**sections, "model": {**sections["model"], "architecture": architecture}})
    sessions = {"a": factories.make_session(n_trials=40)}
    model = factories.make_model(recipe, sessions, loud=True).train()
    optimiser = make_optimiser(model, recipe.train)
    losses = []
    for step, batch in batches(recipe, sessions, start=0):
        groups = masked_groups(sessions, batch, recipe.mask, derive_seed(0, "masks", step), model.token_units)
        losses.append(training_step(model, optimiser, groups, recipe, step))
    return losses, model.eval(), sessions["a"]


@pytest.fixture(scope="module")
def plain(factories):
    return {name: trained(factories, name, {})[0] for name in ARCHITECTURES}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_recipe_says_it_and_it_changes_what_is_learned(factories, plain, architecture, change):
    losses, model, session = trained(factories, architecture, CHANGES[change])
    assert torch.tensor(losses).isfinite().all()
    assert (losses == plain[architecture]) == ((architecture, change) in SAME)
    predicted = predict_tasks(model, session, torch.tensor([1, 2]).numpy())
    assert set(predicted) == set(TASKS)
