"""The fast exact predictions equal those of the model itself, question by question."""

import pytest
import torch

from spikeglot.evaluation.exact import predict_hidden_bins, predict_hidden_units
from spikeglot.masking.tasks import questions
from spikeglot.masking.translation import translation

MEMORY = 2**22


def quiet(n_pairs):
    pass


@pytest.mark.parametrize("start", ["zero", "rates", "factors"])
@pytest.mark.parametrize("position", ["learned", "rotary"])
@pytest.mark.parametrize("task", ["co-smoothing", "inter-region", "intra-region"])
@pytest.mark.parametrize("prompted", [True, False])
def test_it_equals_a_pass_of_the_model_for_every_pair(factories, start, position, task, prompted):
    session = factories.make_session()
    recipe = factories.small_recipe(model={"start": start, "position": position})
    model = factories.make_model(recipe, {"a": session}, loud=True)
    asked = questions(task, session.region, session.counts.shape[1])
    index = torch.tensor([3, 17, 4])
    with torch.no_grad():
        fast, slow = (
            predict(model, session, index, asked, prompted, MEMORY, quiet)
            for predict in (predict_hidden_units, predict_hidden_bins)
        )
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-5, equal_nan=True)


@pytest.mark.parametrize("memory", [1, 20_000, 10**9])
def test_the_size_of_batches_changes_nothing(factories, memory):
    session = factories.make_session()
    model = factories.make_model(factories.small_recipe(model={"start": "factors"}), {"a": session}, loud=True)
    asked = questions("co-smoothing", session.region, session.counts.shape[1])
    index = torch.arange(5)
    n_told = []
    with torch.no_grad():
        found = predict_hidden_units(model, session, index, asked, True, memory, n_told.append)
        expected = predict_hidden_units(model, session, index, asked, True, 10**6, quiet)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert sum(n_told) == 5 * len(asked)


def test_a_readout_without_a_say_costs_no_pass_of_the_architecture(factories, monkeypatch):
    session = factories.make_session()
    model = factories.make_model(factories.small_recipe(model={"start": "factors"}), {"a": session})
    asked = translation(session.region == 0, session.region == 1)
    index = torch.arange(4)
    with torch.no_grad():
        expected = predict_hidden_bins(model, session, index, asked, True, MEMORY, quiet)
        monkeypatch.setattr(model, "architecture", None)
        found = predict_hidden_units(model, session, index, asked, True, MEMORY, quiet)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5, equal_nan=True)


def passed(model, monkeypatch):
    """Return a list that collects how many pairs go through the architecture."""
    n_passed, forward = [], model.architecture.forward
    monkeypatch.setattr(model.architecture, "forward", lambda x, *rest: n_passed.append(len(x)) or forward(x, *rest))
    return n_passed


@pytest.mark.parametrize("task", ["co-smoothing", "inter-region", "intra-region"])
def test_hiding_what_is_silent_anyway_costs_no_pass_of_its_own(factories, monkeypatch, task):
    """As many passes as questions that show different spikes, counted here one by one."""
    session = factories.make_session(rate=0.05)
    model = factories.make_model(factories.small_recipe(model={"start": "zero"}), {"a": session}, loud=True)
    asked = questions(task, session.region, session.counts.shape[1])
    index = torch.arange(8)
    with torch.no_grad():
        slow = predict_hidden_bins(model, session, index, asked, True, MEMORY, quiet)
        n_passed = passed(model, monkeypatch)
        fast = predict_hidden_units(model, session, index, asked, True, MEMORY, quiet)
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-5, equal_nan=True)
    shown = {
        (i, tuple((session.counts[i] * visible).flatten().tolist()))
        for i in index.tolist()
        for visible in asked.visible
    }
    assert sum(n_passed) == len(shown) < len(index) * len(asked)


@pytest.mark.parametrize("model_settings", [{"start": "rates"}, {"start": "zero", "mask_token": True}])
def test_where_hiding_what_is_silent_matters_every_pair_has_a_pass(factories, monkeypatch, model_settings):
    session = factories.make_session(rate=0.05)
    model = factories.make_model(factories.small_recipe(model=model_settings), {"a": session}, loud=True)
    asked = questions("co-smoothing", session.region, session.counts.shape[1])
    n_passed = passed(model, monkeypatch)
    with torch.no_grad():
        predict_hidden_units(model, session, torch.arange(8), asked, True, MEMORY, quiet)
    assert sum(n_passed) == 8 * len(asked)
