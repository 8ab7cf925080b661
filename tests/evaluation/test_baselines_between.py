"""Ridge regression between units: equal to scikit-learn's, and blind for what it is not given."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from spikeglot.data.splits import Split
from spikeglot.evaluation.baselines.between import _Between, ridge_between, ridge_within
from spikeglot.evaluation.baselines.features import population_features, time_features
from spikeglot.evaluation.baselines.ridge import LOWEST_SHARE
from spikeglot.metrics import mean_rate

SPLIT = Split(np.arange(0, 40), np.arange(40, 48), np.arange(48, 60))
SOURCE, TARGET = np.arange(0, 5), np.arange(5, 9)


@pytest.fixture(scope="module")
def counts(factories):
    return factories.make_counts(n_trials=60, rate=1.0)


def test_it_is_ridge_regression(counts):
    asked = counts.take_units(TARGET)
    found = _Between(counts, SPLIT.train, SOURCE, asked).fit(0.03, 1.5, 3.0, 200.0)(SPLIT.test)
    time = time_features(counts, SPLIT.train)
    time = 3.0 * (time - time[SPLIT.train].mean(axis=(0, 1)))
    x = np.concatenate([population_features(counts.take_units(SOURCE), SPLIT.train, 0.03, 1.5), time], axis=2)
    rate = mean_rate(asked.counts[SPLIT.train])
    y = (asked.counts[SPLIT.train] - rate).reshape(-1, len(TARGET))
    theirs = Ridge(alpha=200.0, fit_intercept=False).fit(x[SPLIT.train].reshape(len(y), -1), y)
    expected = rate + theirs.predict(x[SPLIT.test].reshape(-1, x.shape[2])).reshape(found.shape)
    np.testing.assert_allclose(np.exp(found), np.maximum(expected, LOWEST_SHARE * rate), rtol=1e-3)


def test_only_the_source_has_a_say(counts):
    before = ridge_between(counts, SPLIT, SOURCE, TARGET)
    assert before.shape == (12, counts.n_bins, 4)
    for units, has_a_say in ((np.arange(5, 12), False), (SOURCE, True)):
        values = counts.counts.copy()
        values[np.ix_(SPLIT.test, np.arange(counts.n_bins), units)] += 2
        after = ridge_between(replace(counts, counts=values), SPLIT, SOURCE, TARGET)
        assert np.allclose(after, before, atol=1e-6) != has_a_say


def test_within_a_region_a_unit_does_not_see_itself(counts):
    before = ridge_within(counts, SPLIT, SOURCE)
    values = counts.counts.copy()
    values[SPLIT.test, :, 2] += 2
    after = ridge_within(replace(counts, counts=values), SPLIT, SOURCE)
    np.testing.assert_allclose(after[:, :, 2], before[:, :, 2], atol=2e-5)
    assert np.abs(after[:, :, 0] - before[:, :, 0]).max() > 1e-3
