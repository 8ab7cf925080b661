"""Every trial is in one part, and the random split is the permutation of the reference protocol."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeglot.data.splits import N_STRETCHES, split_trials
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
