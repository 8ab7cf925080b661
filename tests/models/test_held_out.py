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


@pytest.mark.parametrize("architecture", ["ndt1", "ndt2", "lfads"])
@pytest.mark.parametrize(("start", "mask_token"), [("zero", False), ("zero", True), ("rates", False), ("rates", True)])
@pytest.mark.parametrize("task", ["co-smoothing", "inter-region", "intra-region"])
def test_it_does_so_for_every_architecture_and_input(factories, architecture, start, mask_token, task):
    """Twelve units make three patches of ndt2, one of them not full; not in every bin does every unit spike."""
    session = factories.make_session(rate=0.3)
    settings = {"architecture": architecture, "start": start, "mask_token": mask_token, "patch_units": 5}
    model = factories.make_model(factories.small_recipe(model=settings), {"a": session}, loud=True)
    asked = questions(task, session.region, session.counts.shape[1])
    index = torch.tensor([3, 17, 4])
    with torch.no_grad():
        fast, slow = (
            predict(model, session, index, asked, True, MEMORY, quiet)
            for predict in (predict_hidden_units, predict_hidden_bins)
        )
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-5, equal_nan=True)
    assert fast.nan_to_num().std() > 0.01, "readouts have a say"


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
    n_passed, encode = [], model.encode
    monkeypatch.setattr(model, "encode", lambda x, to, *rest: n_passed.append(len(to)) or encode(x, to, *rest))
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


def test_tokens_of_bins_in_which_a_hidden_unit_is_silent_are_read_in_once(factories, monkeypatch):
    """As many as differ, counted here one by one."""
    session = factories.make_session(rate=0.2)
    model = factories.make_model(factories.small_recipe(model={"start": "zero"}), {"a": session}, loud=True)
    asked = questions("co-smoothing", session.region, session.counts.shape[1])
    n_read, embed = [], model.architecture.embed.forward
    monkeypatch.setattr(model.architecture.embed, "forward", lambda x: n_read.append(len(x)) or embed(x))
    with torch.no_grad():
        predict_hidden_units(model, session, torch.tensor([3]), asked, True, MEMORY, quiet)
    shown = {
        (time, tuple((counts * visible).tolist()))
        for time, counts in enumerate(session.counts[3])
        for visible in asked.visible
    }
    assert n_read == [len(shown)]
    assert len(shown) < session.counts.shape[1] * len(asked) / 2


def test_what_is_hidden_has_no_say_where_tokens_are_shared(factories):
    """More spikes of a unit leave predictions of that unit as they are, to rounding, and change the others."""
    session = factories.make_session(rate=0.3)
    model = factories.make_model(factories.small_recipe(model={"start": "zero"}), {"a": session}, loud=True)
    asked = questions("co-smoothing", session.region, session.counts.shape[1])
    counts = session.counts.clone()
    counts[:, ::2, 3] += 5
    other = type(session)("a", counts, session.start_s, session.region)
    index = torch.arange(6)
    with torch.no_grad():
        before, after = (predict_hidden_units(model, s, index, asked, True, MEMORY, quiet) for s in (session, other))
    moved = (before - after).abs().amax((0, 1))
    assert moved[3] < 1e-6
    assert moved[torch.arange(12) != 3].min() > 1e-3


@pytest.mark.parametrize("model_settings", [{"start": "rates"}, {"start": "zero", "mask_token": True}])
def test_where_hiding_what_is_silent_matters_every_pair_has_a_pass(factories, monkeypatch, model_settings):
    session = factories.make_session(rate=0.05)
    model = factories.make_model(factories.small_recipe(model=model_settings), {"a": session}, loud=True)
    asked = questions("co-smoothing", session.region, session.counts.shape[1])
    n_passed = passed(model, monkeypatch)
    with torch.no_grad():
        predict_hidden_units(model, session, torch.arange(8), asked, True, MEMORY, quiet)
    assert sum(n_passed) == 8 * len(asked)
