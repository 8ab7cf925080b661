"""The plain reference and the product give the same numbers: what is compared in speed is the same maths."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.evaluation import ask_product, ask_reference, asked_of
from benchmarks.reference import (
    Reference,
    draw_masks,
    reference_counts,
    reference_loss,
    reference_optimiser,
    reference_step,
)
from benchmarks.sizes import QUICK, model_of, recipe_of, session_of
from spikeglot.batch import Group
from spikeglot.data.binning import bin_spikes
from spikeglot.masking.mask import Mask
from spikeglot.settings import TASKS
from spikeglot.training.loop import training_step
from spikeglot.training.objective import objective
from spikeglot.training.optimiser import make_optimiser

SIZE = replace(QUICK, n_asked=QUICK.n_units)


@pytest.fixture(scope="module")
def session():
    return session_of(SIZE)


def both(session):
    """Return a model without dropout, and the reference with its weights."""
    recipe = recipe_of(SIZE, dropout=0.0)
    model = model_of(recipe, {"0": session})
    return recipe, model, Reference(model, "0")


def group_of(session, seed=0):
    visible, target, prompt, causal = draw_masks(12, SIZE.n_bins, session.region, random.Random(seed))
    return Group("0", session.counts[:12].float(), session.start_s[:12], Mask(visible, target, prompt, causal))


def test_loops_draw_masks_of_all_schemes_with_something_to_ask(session):
    mask = group_of(session).mask
    assert set(mask.prompt.tolist()) == set(mask.prompt.unique().tolist())
    assert len(mask.prompt.unique()) == 4
    assert mask.causal.any()
    assert not mask.causal.all()
    assert mask.target.flatten(1).any(1).all()
    assert not (mask.target & mask.visible).any()


def test_predictions_and_gradients_are_the_same(session):
    _, model, reference = both(session)
    group = group_of(session)
    mask = group.mask
    ours, theirs = model([group])[0], reference(group.counts, mask.visible, mask.prompt, mask.causal)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    assert ours.std() > 0.05, "readouts have a say"
    objective([group], model.predict([group]), "poisson").backward()
    reference_loss(theirs, group.counts, mask.target).backward()
    fused = model.architecture.layers[0].attention.qkv.weight.grad
    layer = reference.layers[0]
    parts = torch.cat([layer.q.weight.grad, layer.k.weight.grad, layer.v.weight.grad])
    torch.testing.assert_close(fused, parts, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        model.stitcher("0").read_in.weight.grad, reference.read_in.weight.grad, atol=1e-5, rtol=1e-4
    )


def test_ten_steps_lose_the_same(session):
    """With all that the product does faster: one projection, a fused optimiser, no mask where none is needed."""
    recipe, model, reference = both(session)
    ours = make_optimiser(model.train(), recipe.train)
    theirs = reference_optimiser(reference.train(), 0.0, recipe.train.weight_decay)
    for step in range(10):
        group = group_of(session, seed=step)
        mask = group.mask
        loss = training_step(model, ours, [group], recipe, step)
        for one, other in zip(theirs.param_groups, ours.param_groups, strict=True):
            one["lr"] = other["lr"]
        plain = reference_step(
            reference,
            theirs,
            group.counts,
            (mask.visible, mask.target, mask.prompt, mask.causal),
            recipe.train.clip_norm,
        )
        assert loss.item() == pytest.approx(plain, abs=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_exact_evaluation_is_the_same(session, task):
    _, model, reference = both(session)
    asked = asked_of(task, session, SIZE)
    ours = ask_product(model, session, asked, SIZE)
    theirs = ask_reference(reference.eval(), session.counts[: SIZE.n_tested].float(), asked)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert not np.isnan(ours[:, -1]).all()


def test_counts_are_the_same():
    rng = np.random.default_rng(0)
    times_s, unit = np.sort(rng.uniform(0, 3, 2_000)), rng.integers(0, 7, 2_000)
    sizes = (7, np.array([1.3, 0.2]), 10, 0.05)
    assert np.array_equal(bin_spikes(times_s, unit, *sizes), reference_counts(times_s, unit, *sizes))
