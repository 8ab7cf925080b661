"""Every trial is in one part, and the random split is the permutation of the reference protocol."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeglot.data.splits import N_STRETCHES, few_trials, split_trials
from spikeglot.errors import DataError
from spikeglot.settings import SplitSettings


def test_the_random_split_is_the_one_of_the_protocol():
    order = np.random.default_rng(0).permutation(300)
    split = split_trials(300, SplitSettings())
    np.testing.assert_array_equal(split.train, order[:210])
    np.testing.assert_array_equal(split.val, order[210:240])
    np.testing.assert_array_equal(split.test, order[240:])


@settings(deadline=None)
@given(
    n_trials=st.integers(10, 700),
    seed=st.integers(0, 5),
    kind=st.sampled_from(["random", "blocked"]),
    shares=st.sampled_from([(0.7, 0.1), (0.5, 0.25), (0.8, 0.1)]),
)
def test_every_trial_is_in_one_part(n_trials, seed, kind, shares):
    train, val = shares
    split = split_trials(n_trials, SplitSettings(kind=kind, seed=seed, train=train, val=val))
    together = np.sort(np.concatenate([split.train, split.val, split.test]))
    np.testing.assert_array_equal(together, np.arange(n_trials))
    assert (len(split.train), len(split.val)) == (round(train * n_trials), round(val * n_trials))


def test_blocks_are_consecutive_and_cover_the_session():
    split = split_trials(300, SplitSettings(kind="blocked"))
    for part in (split.train, split.val, split.test):
        n_blocks = 1 + int((np.diff(part) > 1).sum())
        assert n_blocks <= N_STRETCHES
        assert np.unique(part // (300 // N_STRETCHES)).tolist() == list(range(N_STRETCHES))


@pytest.mark.parametrize("kind", ["random", "blocked"])
def test_the_seed_decides(kind):
    same = [split_trials(100, SplitSettings(kind=kind, seed=3)).test.tolist() for _ in range(2)]
    assert same[0] == same[1]
    assert split_trials(100, SplitSettings(kind=kind, seed=4)).test.tolist() != same[0]


@pytest.mark.parametrize("kind", ["random", "blocked"])
def test_too_few_trials_are_an_error(kind):
    with pytest.raises(DataError, match=r"4 trials of session 'tiny': 3 train, 0 val and 1 test"):
        split_trials(4, SplitSettings(kind=kind), "tiny")


@pytest.mark.parametrize("kind", ["random", "blocked"])
def test_few_trials_are_some_of_the_training_and_validation_trials(kind):
    whole = split_trials(300, SplitSettings(kind=kind))
    few = split_trials(300, SplitSettings(kind=kind, train_trials=20))
    assert len(np.unique(few.train)) == 20
    assert set(few.train) < set(whole.train)
    assert len(np.unique(few.val)) == 3, "20 of 210 training trials, so as large a share of 30"
    assert set(few.val) < set(whole.val)
    np.testing.assert_array_equal(few.test, whole.test)


@pytest.mark.parametrize("kind", ["random", "blocked"])
def test_fewer_trials_are_the_first_of_more(kind):
    """So that a curve over numbers of trials adds trials, and is not one draw after another."""
    more, fewer = (split_trials(300, SplitSettings(kind=kind, train_trials=n)) for n in (50, 10))
    np.testing.assert_array_equal(fewer.train, more.train[:10])
    np.testing.assert_array_equal(fewer.val, more.val[: len(fewer.val)])


def test_few_trials_of_blocks_come_from_the_whole_session():
    """The first of a blocked split in the order of time would all be from its first stretch."""
    few = split_trials(300, SplitSettings(kind="blocked", train_trials=40))
    assert np.unique(few.train // (300 // N_STRETCHES)).tolist() == list(range(N_STRETCHES))


@pytest.mark.parametrize("kind", ["random", "blocked"])
def test_the_seed_decides_which_few(kind):
    whole = split_trials(100, SplitSettings(kind=kind))
    draws = [few_trials(whole, SplitSettings(kind=kind, seed=seed, train_trials=10)) for seed in (0, 0, 1)]
    assert draws[0].train.tolist() == draws[1].train.tolist()
    assert set(draws[0].train) != set(draws[2].train)


def test_few_trials_keep_one_to_validate_on():
    assert len(split_trials(40, SplitSettings(train_trials=1)).val) == 1


def test_all_trials_may_be_asked_for_and_no_more():
    whole = split_trials(100, SplitSettings())
    every = split_trials(100, SplitSettings(train_trials=70))
    assert set(every.train) == set(whole.train)
    assert set(every.val) == set(whole.val)
    with pytest.raises(DataError, match="Session 'tiny' has 70 training trials, fewer than the 71"):
        split_trials(100, SplitSettings(train_trials=71), "tiny")
