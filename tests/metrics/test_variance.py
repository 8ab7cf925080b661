from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score

from spikeglot.metrics import conditions, psth_r2, trial_r2


@pytest.fixture
def session():
    """Log-rates that follow the condition of the trial, counts drawn from them, and the condition."""
    rng = np.random.default_rng(0)
    condition = np.repeat([0, 1, 2], 40)
    log_rate = rng.normal(0, 0.6, (3, 8, 4))[condition]
    return log_rate, rng.poisson(np.exp(log_rate)), condition


def test_trial_r2_is_that_of_scikit_learn(session):
    log_rate, counts, _ = session
    expected = r2_score(counts.reshape(-1, 4), np.exp(log_rate).reshape(-1, 4), multioutput="raw_values")
    np.testing.assert_allclose(trial_r2(log_rate, counts), expected)


def test_psth_r2_is_that_of_the_averages(session):
    log_rate, counts, condition = session
    true = np.concatenate([counts[condition == c].mean(0) for c in range(3)])
    rate = np.concatenate([np.exp(log_rate)[condition == c].mean(0) for c in range(3)])
    found = psth_r2(log_rate, counts, condition)
    np.testing.assert_allclose(found, r2_score(true, rate, multioutput="raw_values"))
    assert (found > 0.7).all()
    assert (found > trial_r2(log_rate, counts)).all()


def test_a_condition_of_one_trial_is_not_averaged(session):
    log_rate, counts, condition = session
    lonely = condition.copy()
    lonely[0] = 7
    np.testing.assert_allclose(psth_r2(log_rate, counts, lonely), psth_r2(log_rate[1:], counts[1:], condition[1:]))
    assert np.isnan(psth_r2(log_rate[:1], counts[:1], condition[:1])).all()


def test_only_predicted_bins_count(session):
    log_rate, counts, condition = session
    masked = log_rate.copy()
    masked[:, :5] = np.nan
    np.testing.assert_allclose(trial_r2(masked, counts), trial_r2(log_rate[:, 5:], counts[:, 5:]))
    np.testing.assert_allclose(psth_r2(masked, counts, condition), psth_r2(log_rate[:, 5:], counts[:, 5:], condition))


def test_undefined_units_are_nan(session):
    log_rate, counts, condition = session
    log_rate, counts = log_rate.copy(), counts.copy()
    counts[:, :, 0] = 0
    log_rate[:, :, 1] = np.nan
    assert np.isnan(trial_r2(log_rate, counts)).tolist() == [True, True, False, False]
    assert np.isnan(psth_r2(log_rate, counts, condition)).tolist() == [True, True, False, False]


def test_conditions_are_choice_by_reward_by_block():
    trials = pd.DataFrame(
        {
            "choice": [1, 1, -1, -1, 1],
            "feedbackType": [1, -1, 1, 1, 1],
            "probabilityLeft": [0.5, 0.5, 0.5, 0.8, 0.5],
            "contrast": [0.0, 0.1, 0.2, 0.3, 0.4],
        }
    )
    found = conditions(trials)
    assert found[0] == found[4]
    assert len(set(found)) == 4


@pytest.mark.parametrize(
    ("trials", "n_conditions"),
    [
        (pd.DataFrame({"start_time": [0.0, 1.0]}), 1),
        (pd.DataFrame({"choice": [np.nan, np.nan]}), 1),
        (pd.DataFrame({"choice": [1.0, np.nan], "block": [0.5, 0.5]}), 2),
    ],
)
def test_missing_columns_make_fewer_conditions(trials, n_conditions):
    assert len(set(conditions(trials))) == n_conditions
