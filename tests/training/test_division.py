"""Trials of a step are divided evenly, all of them, in order, and no rank stands idle that could work."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from spikeglot.training.distributed import ALONE, Ranks
from spikeglot.training.division import divide, own_share, trial_costs


@given(costs=st.lists(st.integers(1, 50), min_size=1, max_size=60), n_parts=st.integers(1, 9))
@limits(max_examples=200, deadline=None)
def test_parts_are_all_trials_once_even_and_not_empty(costs, n_parts):
    parts = divide(costs, n_parts)
    assert len(parts) == n_parts
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(len(costs)))
    if len(costs) >= n_parts:
        assert all(part.start < part.stop for part in parts)
    else:
        assert [part.stop - part.start for part in parts] == [1] * len(costs) + [0] * (n_parts - len(costs))


def test_many_trials_are_divided_to_within_one_trial():
    rng = np.random.default_rng(0)
    costs = rng.uniform(1, 3, 400)
    work = [costs[part].sum() for part in divide(costs, 8)]
    assert max(work) - min(work) < 2 * costs.max()


def test_a_dear_session_is_cut_and_cheap_ones_stay_together():
    parts = divide([10.0] * 4 + [1.0] * 20, 3)
    assert [part.stop for part in parts] == [2, 4, 24]


N_TRIALS = {"a": 3, "b": 4}
COSTS = {"a": 3.0, "b": 1.0}


def test_a_session_with_more_units_costs_more(factories):
    sessions = {"a": factories.make_session("a", 12), "b": factories.make_session("b", 9, ("VISp",) * 5)}
    costs = trial_costs(factories.make_model(factories.small_recipe(), sessions))
    assert costs["a"] > costs["b"] > 0


@pytest.mark.parametrize("n_ranks", [1, 2, 3, 7])
def test_shares_are_the_step_in_order(n_ranks):
    shares = [own_share(N_TRIALS, COSTS, Ranks(rank, n_ranks)) for rank in range(n_ranks)]
    assert sum(share.weight for share in shares) == pytest.approx(1)
    for session_id, n in N_TRIALS.items():
        parts = [list(range(n))[share.parts[session_id]] for share in shares if session_id in share.parts]
        assert [trial for part in parts for trial in part] == list(range(n))


def test_trials_of_one_cost_are_divided_into_as_many_for_each():
    for n_ranks in (2, 3, 4, 6):
        shares = [own_share({"a": 5, "b": 7}, {"a": 1.0, "b": 1.0}, Ranks(rank, n_ranks)) for rank in range(n_ranks)]
        assert [sum(part.stop - part.start for part in s.parts.values()) for s in shares] == [12 // n_ranks] * n_ranks


def test_ranks_without_a_trial_compute_one_that_does_not_count():
    shares = [own_share(N_TRIALS, COSTS, Ranks(rank, 9)) for rank in range(9)]
    assert [share.weight for share in shares] == [pytest.approx(1 / 7)] * 7 + [0.0] * 2
    assert [sum(part.stop - part.start for part in share.parts.values()) for share in shares] == [1] * 9


def test_alone_all_is_done():
    assert own_share(N_TRIALS, COSTS, ALONE) == ({"a": slice(None), "b": slice(None)}, 1.0)
