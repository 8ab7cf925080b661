"""NDT2 with a patch as wide as the population and one bin long has the tokens of NDT1, and trains as NDT1 does."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spikeglot.batch import masked_groups
from spikeglot.randomness import derive_seed
from spikeglot.training.loop import batches, training_step
from spikeglot.training.optimiser import make_optimiser
from spikeglot.training.validation import Validation, mean_score

torch.set_num_threads(1)
SEEDS = (0, 1, 2, 3)
REGIONS = ("VISp",) * 12 + ("CA1",) * 12 + ("TH",) * 6


def part_of(session, trials):
    return replace(session, counts=session.counts[trials], start_s=session.start_s[trials])


def trained_score(factories, architecture, seed):
    """Validation bits per spike, mean over the four tasks, after 150 steps from mean rates."""
    recipe = factories.small_recipe(
        seed,
        model={"architecture": architecture, "patch_units": len(REGIONS), "width": 32, "stitch_width": 32},
        train={"steps": 150, "batch_size": 32, "learning_rate": 3e-3, "validation_questions": 4},
    )
    whole = factories.make_session(n_trials=400, regions=REGIONS)
    train, val = ({"a": part_of(whole, trials)} for trials in (slice(0, 300), slice(300, 400)))
    model = factories.make_model(recipe, train, seed)
    optimiser = make_optimiser(model, recipe.train)
    model.train()
    for step, batch in batches(recipe, train, start=0):
        groups = masked_groups(train, batch, recipe.mask, derive_seed(seed, "masks", step), model.token_units)
        training_step(model, optimiser, groups, recipe, step)
    return mean_score(Validation(train, val, recipe).score(model, torch.device("cpu")))


@pytest.mark.slow
def test_they_train_to_within_the_noise_of_seeds(factories):
    one, two = (np.array([trained_score(factories, name, seed) for seed in SEEDS]) for name in ("ndt1", "ndt2"))
    noise = np.sqrt((one.var(ddof=1) + two.var(ddof=1)) / len(SEEDS))
    assert min(one.mean(), two.mean()) > 0.05, "both must have learned something to be compared"
    assert abs(one.mean() - two.mean()) < max(2 * noise, 0.005)
