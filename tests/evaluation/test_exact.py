"""Exact evaluation equals a plain loop over questions and trials, and looks at nothing that it hides."""

import numpy as np
import pytest
import torch

from spikeglot.batch import Group
from spikeglot.evaluation.exact import oracle_predictions, pairs, predict_tasks, scored_entries
from spikeglot.events import Progress
from spikeglot.masking.tasks import ask, questions
from spikeglot.settings import TASKS

TRIALS = np.array([7, 2, 30, 11])


@pytest.fixture(scope="module")
def session(factories):
    return factories.make_session(n_trials=40, rate=1.0)


@pytest.fixture(scope="module", params=["rates", "factors"])
def model(request, factories, session):
    recipe = factories.small_recipe(model={"start": request.param})
    return factories.make_model(recipe, {"a": session}, loud=True)


@pytest.fixture(scope="module")
def predictions(model, session):
    return predict_tasks(model, session, TRIALS)


def with_counts(session, counts):
    return type(session)(session.session_id, counts, session.start_s, session.region)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("prompted", [True, False])
def test_it_equals_a_plain_loop(model, session, task, prompted):
    n_bins, n_units = session.counts.shape[1:]
    expected = np.full((len(TRIALS), n_bins, n_units), np.nan, np.float32)
    asked = questions(task, session.region, n_bins)
    for row in range(len(asked)):
        for i, trial in enumerate(TRIALS.tolist()):
            mask = ask(asked, torch.tensor([row]), n_bins)
            mask = mask if prompted else mask.unprompted()
            counts = session.counts[trial : trial + 1].float()
            with torch.no_grad():
                predicted = model([Group("a", counts, session.start_s[trial : trial + 1], mask)])[0][0].numpy()
            target = mask.target[0].numpy()
            expected[i][target] = predicted[target]
    found = predict_tasks(model, session, TRIALS, tasks=[task], prompted=prompted)
    assert list(found) == [task]
    assert found[task].dtype == np.float32
    np.testing.assert_allclose(found[task], expected, atol=1e-5)


def test_memory_changes_nothing_but_the_size_of_batches(model, session, predictions):
    for memory_mb, more_batches in ((0, True), (1, False)):
        events = []
        again = predict_tasks(model, session, TRIALS, memory_mb=memory_mb, listen=events.append)
        assert (len(events) > len(TASKS)) == more_batches
        for task in TASKS:
            np.testing.assert_allclose(again[task], predictions[task], atol=1e-5)


def test_a_larger_budget_is_used(model, session):
    sizes = []
    for memory_mb in (0, 1, 16):
        events = []
        many = np.tile(np.arange(40), 10)
        predict_tasks(model, session, many, tasks=["co-smoothing"], memory_mb=memory_mb or 1, listen=events.append)
        sizes.append(len(events))
    assert sizes[0] == sizes[1] > sizes[2]


@pytest.mark.parametrize("task", TASKS)
def test_what_is_asked_for_is_what_is_predicted(session, predictions, task):
    scored = scored_entries(task, session)
    assert np.array_equal(~np.isnan(predictions[task]), np.broadcast_to(scored, predictions[task].shape))


def test_the_entries_of_each_task(factories, session):
    region = np.array(factories.REGIONS)
    known = region != ""
    last = np.arange(factories.N_BINS) >= factories.N_BINS - 1
    everything = np.ones((factories.N_BINS, len(region)), bool)
    assert np.array_equal(scored_entries("co-smoothing", session), everything)
    assert np.array_equal(scored_entries("inter-region", session), everything & known)
    assert np.array_equal(scored_entries("intra-region", session), everything & known & (region != "TH"))
    assert np.array_equal(scored_entries("forward", session), everything & last[:, None])


def test_a_task_that_asks_for_nothing_predicts_nothing(factories):
    session = factories.make_session(regions=("",) * 5)
    model = factories.make_model(factories.small_recipe(), {"a": session})
    found = predict_tasks(model, session, np.arange(3))
    assert np.isnan(found["inter-region"]).all()
    assert np.isnan(found["intra-region"]).all()
    assert not scored_entries("inter-region", session).any()
    assert np.isfinite(found["co-smoothing"]).all()


def test_no_trials_give_no_predictions(model, session):
    found = predict_tasks(model, session, np.array([], dtype=np.int64))
    assert all(log_rate.shape == (0, *session.counts.shape[1:]) for log_rate in found.values())


def test_order_of_trials_is_kept(model, session, predictions):
    turned = predict_tasks(model, session, TRIALS[::-1].copy())
    for task in TASKS:
        np.testing.assert_allclose(turned[task][::-1], predictions[task], atol=1e-5)


def test_progress_counts_every_pair(model, session):
    events = []
    predict_tasks(model, session, TRIALS, memory_mb=0, tasks=("co-smoothing", "forward"), listen=events.append)
    assert all(isinstance(event, Progress) for event in events)
    assert [event.done for event in events] == list(range(1, 4 * 12 + 4 + 1))
    assert {event.total for event in events} == {4 * 12 + 4}


def test_pairs_are_every_question_of_every_trial_once():
    asked = questions("co-smoothing", torch.zeros(5, dtype=torch.int64), 10)
    found = [(r, t) for row, trial in pairs(asked, 3, 4) for r, t in zip(row.tolist(), trial.tolist(), strict=True)]
    assert sorted(found) == [(r, t) for r in range(5) for t in range(3)]
    assert max(len(row) for row, _ in pairs(asked, 3, 4)) == 4


def test_predicting_leaves_model_and_session_as_they_were(model, session):
    model.train()
    counts, state = (
        session.counts.clone(),
        {name: value.clone() for name, value in model.state_dict().items()},
    )
    predict_tasks(model, session, TRIALS)
    assert model.training
    model.eval()
    assert torch.equal(counts, session.counts)
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())


def test_co_smoothing_of_a_unit_does_not_read_that_unit(model, session, predictions):
    counts = session.counts.clone()
    counts[:, :, 3] += 5
    again = predict_tasks(model, with_counts(session, counts), TRIALS, tasks=["co-smoothing"])["co-smoothing"]
    same = (again == predictions["co-smoothing"]).all((0, 1))
    assert same.tolist() == [unit == 3 for unit in range(len(same))]


def test_inter_region_does_not_read_the_region(factories, model, session, predictions):
    inside = torch.tensor([name == "CA1" for name in factories.REGIONS])
    counts = session.counts + 5 * inside.to(torch.uint8)
    again = predict_tasks(model, with_counts(session, counts), TRIALS, tasks=["inter-region"])["inter-region"]
    same = (again == predictions["inter-region"]).all((0, 1))
    assert same.tolist() == [name == "CA1" for name in factories.REGIONS]


def test_intra_region_reads_the_region_alone(factories, model, session, predictions):
    inside = torch.tensor([name == "CA1" for name in factories.REGIONS])
    counts = session.counts + 5 * (~inside).to(torch.uint8)
    again = predict_tasks(model, with_counts(session, counts), TRIALS, tasks=["intra-region"])["intra-region"]
    same = (again == predictions["intra-region"]).all((0, 1))
    assert same.tolist() == [name == "CA1" for name in factories.REGIONS]


def test_forward_does_not_read_the_end(model, session, predictions):
    counts = session.counts.clone()
    counts[:, -1] += 5
    again = predict_tasks(model, with_counts(session, counts), TRIALS, tasks=["forward"])["forward"]
    assert np.array_equal(again, predictions["forward"], equal_nan=True)
    counts[:, -2] += 5
    other = predict_tasks(model, with_counts(session, counts), TRIALS, tasks=["forward"])["forward"]
    assert not np.array_equal(other, again, equal_nan=True)


def test_the_oracle_predicts_the_true_rates_where_a_task_asks(session):
    rates = np.random.default_rng(0).gamma(1.0, size=(4, *session.counts.shape[1:]))
    rates[0, 0, 0] = 0
    found = oracle_predictions(rates, session)
    for task in TASKS:
        scored = np.broadcast_to(scored_entries(task, session), rates.shape)
        assert np.array_equal(~np.isnan(found[task]), scored)
        assert np.isfinite(found[task][scored]).all()
    np.testing.assert_allclose(np.exp(found["co-smoothing"]), np.maximum(rates, 1e-9), rtol=1e-5)


def test_bfloat16_is_near_and_float32_is_what_it_was(model, session, predictions):
    near = predict_tasks(model, session, TRIALS, precision="bfloat16")
    again = predict_tasks(model, session, TRIALS, precision="float32")
    for task in TASKS:
        assert np.array_equal(again[task], predictions[task], equal_nan=True)
        assert not np.array_equal(near[task], predictions[task], equal_nan=True)
        np.testing.assert_allclose(near[task], predictions[task], atol=0.1)
