"""Evaluation in parts: on any number of workers the same to the bit; and units hidden in groups."""

import numpy as np
import pandas as pd
import pytest
import torch

import spikeglot as sg
from spikeglot.errors import SettingsError
from spikeglot.events import Progress

torch.set_num_threads(1)
REGIONS = ("VISp",) * 6 + ("CA1",) * 5
N_TRIALS = 100
"""A fifth of them is tested: more than one part."""


@pytest.fixture(scope="module")
def sessions(factories):
    return [
        sg.from_counts(
            factories.shared_counts(N_TRIALS, len(REGIONS), seed=seed, rate=1.0), 0.02, session_id=name, regions=REGIONS
        )
        for seed, name in enumerate("ab")
    ]


@pytest.fixture(scope="module")
def run(factories, sessions, tmp_path_factory):
    recipe = factories.small_recipe(window={"align": "start_s"}, model={"start": "factors"}, train={"steps": 2})
    out = tmp_path_factory.mktemp("run") / "run"
    sg.pretrain(sessions, out=out, recipe=recipe)
    return out


def evaluate(run, sessions, **options):
    events = []
    scores = sg.evaluate(run, sessions, baselines=("mean-rate", "psth"), listen=events.append, **options)
    return scores, events


@pytest.fixture(scope="module")
def one_worker(run, sessions):
    return evaluate(run, sessions, workers=1)


def last_of_each(events):
    """Return how far each stage of each session came."""
    far = {}
    for event in events:
        assert isinstance(event, Progress)
        far[event.stage, event.detail.split()[0]] = (event.done, event.total)
    return far


@pytest.mark.parametrize("workers", [2, "3"])
def test_two_workers_give_the_same_to_the_bit(run, sessions, one_worker, workers):
    scores, events = evaluate(run, sessions, workers=workers)
    pd.testing.assert_frame_equal(scores, one_worker[0], check_exact=True)
    assert last_of_each(events) == last_of_each(one_worker[1])
    assert all(done == total > 0 for done, total in last_of_each(events).values())
    assert set(last_of_each(events)) == {(stage, name) for stage in ("evaluate", "baselines") for name in "ab"}


def test_so_does_this_process_where_it_has_one_thread(run, sessions, one_worker):
    scores, events = evaluate(run, sessions)
    pd.testing.assert_frame_equal(scores, one_worker[0], check_exact=True)
    assert [event.done for event in events] == [event.done for event in one_worker[1]]


@pytest.mark.slow
def test_so_does_ray(run, sessions, one_worker):
    ray = pytest.importorskip("ray")
    try:
        scores, events = evaluate(run, sessions, workers="ray")
    finally:
        ray.shutdown()
    pd.testing.assert_frame_equal(scores, one_worker[0], check_exact=True)
    assert last_of_each(events) == last_of_each(one_worker[1])


def test_parts_are_a_trial_apart_and_equal_the_whole(run, sessions, one_worker, monkeypatch):
    """The size of a part moves nothing but rounding errors."""
    monkeypatch.setattr("spikeglot.evaluation.parts.TRIALS", 1)
    scores, _ = evaluate(run, sessions)
    pd.testing.assert_frame_equal(scores, one_worker[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("workers", [0, "many", -2])
def test_workers_that_cannot_be(run, sessions, workers):
    with pytest.raises(SettingsError, match="number of processes"):
        evaluate(run, sessions, workers=workers)


def pooled(scores, model, task):
    """Return the pooled bits per spike over all sessions, against both nulls."""
    rows = scores[(scores["model"] == model) & (scores["task"] == task) & (scores["session_id"] == "")]
    return rows.query("metric == 'bits_per_spike' and aggregation == 'pooled'")["value"].to_numpy()


def test_groups_have_a_name_of_their_own_and_near_scores(run, sessions, one_worker):
    scores, events = evaluate(run, sessions, groups=4, tasks=("co-smoothing", "forward"))
    assert set(scores["model"]) == {"mtm-4-groups", "mean-rate", "psth"}
    assert max(event.total for event in events if event.stage == "evaluate") == 20 * (4 + 1)
    exact = one_worker[0]
    for task, is_exact in (("forward", True), ("co-smoothing", False)):
        near, same = pooled(scores, "mtm-4-groups", task), pooled(exact, "mtm", task)
        assert np.allclose(near, same, atol=1e-9) == is_exact
        assert (near < same + 1e-9).all(), "who is predicted from fewer is predicted worse"
        assert len(near) == 2
        assert (near > 0).all()


def test_as_many_groups_as_units_are_exact(run, sessions, one_worker):
    scores, _ = evaluate(run, sessions, groups=len(REGIONS))
    mine = scores[scores["model"] == "mtm-11-groups"].assign(model="mtm").reset_index(drop=True)
    exact = one_worker[0][one_worker[0]["model"] == "mtm"].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, exact, atol=1e-6, rtol=1e-6)


def test_one_group_leaves_nothing_to_see(run, sessions):
    with pytest.raises(SettingsError, match="2 or more groups"):
        evaluate(run, sessions, groups=1)
