"""Every session starts from its own training trials, and from nothing else."""

import pytest
import torch

from spikeglot.checkpoint import build_model
from spikeglot.events import Progress, silent
from spikeglot.training.start import start_model


@pytest.mark.parametrize("start", ["rates", "factors"])
def test_each_session_starts_from_its_own_counts(factories, start):
    sessions = {name: factories.make_session(name, seed=i) for i, name in enumerate("ab")}
    events = []
    recipe = factories.small_recipe(model={"start": start})
    model = build_model(recipe, {name: session.counts.shape[2] for name, session in sessions.items()})
    start_model(model, sessions, recipe.mask.schemes, events.append)
    assert events == [Progress("fit", 1, 2, "a"), Progress("fit", 2, 2, "b")]
    for name, session in sessions.items():
        torch.testing.assert_close(model.stitcher(name).mean_count, session.counts.float().mean((0, 1)))
        alone = factories.make_model(recipe, {name: session})
        for key, value in alone.stitcher(name).state_dict().items():
            if key.startswith(("mean_count", "factors")):
                assert torch.equal(value, model.stitcher(name).state_dict()[key]), key


def test_the_published_start_looks_at_no_data(factories):
    session = factories.make_session()
    model = factories.make_model(factories.small_recipe(model={"start": "zero"}), {"a": session})
    before = {name: value.clone() for name, value in model.state_dict().items()}
    start_model(model, {"a": session}, ("neuron",), silent)
    for name, value in model.state_dict().items():
        assert torch.equal(before[name], value)
