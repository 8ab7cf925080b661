"""AdamW and its learning rate."""

import itertools
import math

import pytest

from spikeglot.settings import TrainSettings
from spikeglot.training.optimiser import learning_rate, make_optimiser


def rates(**settings):
    settings = TrainSettings(learning_rate=1e-3, **settings)
    return [learning_rate(step, settings) for step in range(settings.steps)]


def test_it_rises_over_the_warm_up_and_falls_to_nothing():
    values = rates(steps=1000, warmup=0.15)
    peak = values.index(max(values))
    assert peak == 150
    assert max(values) == pytest.approx(1e-3)
    assert values[:150] == sorted(values[:150])
    assert values[150:] == sorted(values[150:], reverse=True)
    assert 0 < values[0] < 1e-6
    assert 0 < values[-1] < 1e-8
    assert values[575] == pytest.approx(0.5e-3, rel=1e-6), "half way down the cosine"


def test_it_is_smooth():
    values = rates(steps=400, warmup=0.15)
    steps = [abs(b - a) for a, b in itertools.pairwise(values)]
    assert max(steps) < 1e-3 * math.pi / 2 / 60 * 1.1


@pytest.mark.parametrize(("steps", "warmup"), [(1, 0.15), (2, 0.5), (10, 0.0), (7, 0.99), (3, 0.15)])
def test_short_runs_have_a_positive_rate_at_every_step(steps, warmup):
    values = rates(steps=steps, warmup=warmup)
    assert all(0 < value <= 1e-3 * (1 + 1e-9) for value in values)
    if warmup == 0:
        assert values[0] == 1e-3


def test_weight_decay_is_on_matrices_only_and_what_is_known_does_not_train(factories):
    session = factories.make_session()
    model = factories.make_model(factories.small_recipe(model={"start": "factors"}), {"a": session})
    optimiser = make_optimiser(model, TrainSettings(weight_decay=0.2))
    decayed, plain = optimiser.param_groups
    assert decayed["weight_decay"] == 0.2
    assert plain["weight_decay"] == 0
    assert {p.ndim for p in decayed["params"]} == {2}
    assert {p.ndim for p in plain["params"]} == {1}
    trained = {id(p) for group in optimiser.param_groups for p in group["params"]}
    frozen = {id(p) for p in model.stitcher("a").factors.parameters()}
    assert not trained & frozen
    assert trained | frozen == {id(p) for p in model.parameters()}
