"""Validation: fixed masks, the metric by hand, and tasks that a session does not allow."""

import math

import pytest
import torch

from spikeglot.masking.tasks import ask, questions
from spikeglot.metrics import PoissonScores
from spikeglot.settings import TASKS
from spikeglot.training.validation import Validation, mean_score

CPU = torch.device("cpu")


@pytest.fixture
def sessions(factories):
    """Training and validation part of one session."""
    whole = factories.make_session(n_trials=60, rate=1.0)
    part = type(whole)
    return (
        {"a": part("a", whole.counts[:40], whole.start_s[:40], whole.region)},
        {"a": part("a", whole.counts[40:], whole.start_s[40:], whole.region)},
    )


@pytest.mark.parametrize("start", ["zero", "rates", "factors"])
def test_asking_everything_gives_the_pooled_bits_per_spike_against_the_training_mean(factories, sessions, start):
    train, val = sessions
    recipe = factories.small_recipe(train={"validation_questions": 100}, model={"start": start})
    model = factories.make_model(recipe, train, loud=True)
    scores = Validation(train, val, recipe).score(model, CPU)
    session = val["a"]
    null = train["a"].counts.float().mean((0, 1)).numpy()
    for task in TASKS:
        asked = questions(task, session.region, factories.N_BINS)
        sums = PoissonScores()
        for row in range(len(asked)):
            mask = ask(asked, torch.full((session.n_trials,), row), factories.N_BINS)
            predicted = factories.predict(model, session, mask).masked_fill(~mask.target, math.nan)
            sums.update(predicted.numpy(), session.counts.numpy())
        assert scores[task] == pytest.approx(sums.pooled_bits_per_spike(null), abs=1e-5)


def test_the_same_seed_asks_the_same_and_another_seed_something_else(factories, sessions):
    train, val = sessions
    model = factories.make_model(factories.small_recipe(), train, loud=True)
    first, again, other = (
        Validation(train, val, factories.small_recipe(seed=seed)).score(model, CPU) for seed in (1, 1, 2)
    )
    assert first == again
    assert first["co-smoothing"] != other["co-smoothing"]


def test_scoring_leaves_the_model_as_it_was(factories, sessions):
    train, val = sessions
    model = factories.make_model(factories.small_recipe(), train).train()
    validation = Validation(train, val, factories.small_recipe())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    assert validation.score(model, CPU) == validation.score(model, CPU), "dropout must be off"
    assert model.training
    assert torch.equal(random_state, torch.get_rng_state())
    for name, value in model.state_dict().items():
        assert torch.equal(before[name], value)


def test_the_mean_is_over_the_tasks_that_a_session_allows(factories):
    session = factories.make_session(regions=("",) * 8)
    recipe = factories.small_recipe()
    model = factories.make_model(recipe, {"a": session}, loud=True)
    validation = Validation({"a": session}, {"a": session}, recipe)
    assert set(validation.score_sessions(model, CPU)["a"]) == {"co-smoothing", "forward"}
    scores = validation.score(model, CPU)
    assert math.isnan(scores["inter-region"])
    assert math.isnan(scores["intra-region"])
    assert mean_score(scores) == pytest.approx((scores["co-smoothing"] + scores["forward"]) / 2)
    assert math.isnan(mean_score({"forward": math.nan}))


def test_sessions_count_the_same_whatever_their_spikes(factories):
    few, many = factories.make_session("few", rate=0.2), factories.make_session("many", rate=3.0, n_trials=80)
    recipe = factories.small_recipe()
    both = {"few": few, "many": many}
    model = factories.make_model(recipe, both, loud=True)
    together = Validation(both, both, recipe).score(model, CPU)
    alone = [Validation({n: s}, {n: s}, recipe).score(model, CPU) for n, s in both.items()]
    by_session = Validation(both, both, recipe).score_sessions(model, CPU)
    for task in TASKS:
        assert together[task] == pytest.approx((alone[0][task] + alone[1][task]) / 2, abs=1e-6)
        assert [by_session[name][task] for name in both] == pytest.approx([one[task] for one in alone])


@pytest.mark.parametrize("start", ["rates", "factors"])
@pytest.mark.parametrize("prompted", [True, False])
def test_a_run_is_validated_with_the_prompts_that_it_is_trained_with(factories, sessions, start, prompted):
    train, val = sessions
    recipe = factories.small_recipe(mask={"prompted": prompted}, model={"start": start})
    model = factories.make_model(recipe, train, loud=True)
    validation = Validation(train, val, recipe)
    before = validation.score(model, CPU)
    with torch.no_grad():
        model.prompts.tokens.weight[1:] += torch.randn(model.settings.width)  # all but "none"
    after = validation.score(model, CPU)
    assert all((before[task] == after[task]) != prompted for task in TASKS)
