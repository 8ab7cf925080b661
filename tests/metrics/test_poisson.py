from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from spikeglot.errors import DataError
from spikeglot.metrics import (
    PoissonScores,
    bits_per_spike,
    mean_rate,
    poisson_d2,
    poisson_nll,
    pooled_bits_per_spike,
)


@pytest.fixture(scope="module")
def nlb():
    """The evaluation module of nlb_tools, which warns on import under newer libraries."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("nlb_tools.evaluation")


@pytest.fixture(scope="module")
def bwb():
    """The metrics of BrainWideBench's scorer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("ibl_bwb_eval.metrics")


def draw(seed: int, n_trials: int = 12, n_bins: int = 7, n_units: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Log-rates and counts (trial, time, unit) that have little to do with each other."""
    rng = np.random.default_rng(seed)
    log_rate = rng.normal(-1, 0.7, (n_trials, n_bins, n_units))
    return log_rate, rng.poisson(np.exp(log_rate + rng.normal(0, 0.4, log_rate.shape))).astype(np.uint8)


def test_nll_is_that_of_scipy():
    log_rate, counts = draw(0)
    np.testing.assert_allclose(
        poisson_nll(log_rate, counts), -stats.poisson.logpmf(counts, np.exp(log_rate)), rtol=1e-9
    )


def test_nll_is_nan_where_nothing_is_predicted():
    assert np.isnan(poisson_nll(np.array([0.0, np.nan]), np.array([1, 1]))).tolist() == [False, True]


def test_bits_per_spike_is_the_difference_of_scipy_likelihoods():
    log_rate, counts = draw(1)
    null = counts.mean((0, 1))
    gain = stats.poisson.logpmf(counts, np.exp(log_rate)) - stats.poisson.logpmf(counts, null)
    expected = gain.sum((0, 1)) / counts.sum((0, 1)) / np.log(2)
    np.testing.assert_allclose(bits_per_spike(log_rate, counts), expected, rtol=1e-9)
    np.testing.assert_allclose(
        pooled_bits_per_spike(log_rate, counts), gain.sum() / counts.sum() / np.log(2), rtol=1e-9
    )


def test_bits_per_spike_against_a_training_rate():
    log_rate, counts = draw(2)
    null = np.full(5, 0.3)
    gain = stats.poisson.logpmf(counts, np.exp(log_rate)) - stats.poisson.logpmf(counts, 0.3)
    expected = gain.sum((0, 1)) / counts.sum((0, 1)) / np.log(2)
    np.testing.assert_allclose(bits_per_spike(log_rate, counts, null), expected, rtol=1e-9)


def test_the_null_itself_scores_zero():
    _, counts = draw(3)
    null = np.broadcast_to(np.log(counts.mean((0, 1))), counts.shape)
    np.testing.assert_allclose(bits_per_spike(null, counts), 0, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_pooled_bits_per_spike_is_that_of_nlb_tools(nlb, seed):
    log_rate, counts = draw(seed)
    expected = nlb.bits_per_spike(np.exp(log_rate), counts.astype(float))
    assert pooled_bits_per_spike(log_rate, counts) == pytest.approx(expected, abs=1e-6)
    for unit in range(counts.shape[2]):
        one = slice(unit, unit + 1)
        expected = nlb.bits_per_spike(np.exp(log_rate[..., one]), counts[..., one].astype(float))
        assert bits_per_spike(log_rate, counts)[unit] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_the_brainwidebench_scorer(bwb, seed):
    import torch

    log_rate, counts = draw(seed)
    counts[:, :, 2] = 0  # the scorer leaves a unit without spikes out, as we do
    flat = torch.tensor(log_rate).reshape(-1, 5), torch.tensor(counts).reshape(-1, 5)
    bps, d2 = bwb.BPS(), bwb.PoissonD2Score()
    bps.update(*flat)
    d2.update(*flat)
    assert pooled_bits_per_spike(log_rate, counts) == pytest.approx(bps.compute().item(), abs=2e-6)
    assert np.nanmean(poisson_d2(log_rate, counts)) == pytest.approx(d2.compute().item(), abs=2e-6)


def test_pooled_d2_is_the_ratio_of_deviances():
    from sklearn.metrics import d2_tweedie_score

    log_rate, counts = draw(4, n_units=1)
    score = PoissonScores().update(log_rate, counts)
    expected = d2_tweedie_score(counts.ravel(), np.exp(log_rate).ravel(), power=1)
    assert score.pooled_d2() == pytest.approx(expected, abs=1e-9)
    assert score.d2()[0] == pytest.approx(expected, abs=1e-9)


def test_a_unit_without_a_test_spike_is_nan_left_out_and_counted():
    log_rate, counts = draw(5)
    counts[:, :, 1] = 0
    score = PoissonScores().update(log_rate, counts)
    assert np.isnan(score.bits_per_spike()).tolist() == [False, True, False, False, False]
    assert np.isnan(score.d2()).tolist() == [False, True, False, False, False]
    rest = [0, 2, 3, 4]
    assert score.pooled_bits_per_spike() == pytest.approx(pooled_bits_per_spike(log_rate[..., rest], counts[..., rest]))
    found = score.compute()
    assert (found["n_units"], found["n_units_left_out"]) == (4, 1)
    assert found["mean"] == pytest.approx(bits_per_spike(log_rate[..., rest], counts[..., rest]).mean())


def test_nothing_to_score_is_nan():
    score = PoissonScores().update(np.full((2, 3, 1), np.nan), np.ones((2, 3, 1)))
    assert np.isnan(score.pooled_bits_per_spike())
    assert np.isnan(score.pooled_d2())
    assert np.isnan(score.compute()["mean"])
    assert score.n_entries.tolist() == [0]


def test_nan_entries_are_not_scored_and_do_not_enter_the_null():
    log_rate, counts = draw(6)
    masked = log_rate.copy()
    masked[:, :5] = np.nan
    np.testing.assert_allclose(bits_per_spike(masked, counts), bits_per_spike(log_rate[:, 5:], counts[:, 5:]))
    np.testing.assert_allclose(poisson_d2(masked, counts), poisson_d2(log_rate[:, 5:], counts[:, 5:]))


def test_batches_add_up_and_reset_forgets():
    log_rate, counts = draw(7)
    streamed = PoissonScores()
    for part in np.array_split(np.arange(12), 5):
        streamed.update(log_rate[part], counts[part])
    whole = PoissonScores().update(log_rate, counts)
    np.testing.assert_allclose(streamed.bits_per_spike(), whole.bits_per_spike(), rtol=1e-12)
    np.testing.assert_allclose(streamed.d2(), whole.d2(), rtol=1e-12)
    assert streamed.n_spikes.tolist() == counts.sum((0, 1), dtype=int).tolist()
    streamed.reset()
    with pytest.raises(DataError, match="update"):
        streamed.bits_per_spike()


def test_nothing_edits_its_input():
    log_rate, counts = draw(8)
    log_rate[0] = np.nan
    before = log_rate.copy(), counts.copy()
    PoissonScores().update(log_rate, counts).compute()
    np.testing.assert_array_equal(log_rate, before[0])
    np.testing.assert_array_equal(counts, before[1])


def test_mean_rate_has_a_floor_for_silent_units():
    counts = np.zeros((4, 5, 2), dtype=np.uint8)
    counts[0, 0, 0] = 4
    np.testing.assert_allclose(mean_rate(counts), [4 / 20, 0.5 / 20])


def test_uint8_sums_do_not_wrap():
    assert mean_rate(np.full((10, 10, 1), 200, dtype=np.uint8)).tolist() == [200.0]


@pytest.mark.parametrize(
    ("log_rate", "counts", "says"),
    [
        (np.zeros((2, 3, 4)), np.zeros((2, 3, 5)), "same shape"),
        (np.full((2, 3, 4), -np.inf), np.zeros((2, 3, 4)), "infinite"),
    ],
)
def test_what_cannot_be_scored_is_refused(log_rate, counts, says):
    with pytest.raises(DataError, match=says):
        PoissonScores().update(log_rate, counts)


def test_batches_of_different_sessions_are_refused():
    score = PoissonScores().update(np.zeros((1, 1, 2)), np.zeros((1, 1, 2)))
    with pytest.raises(DataError, match="one score per session"):
        score.update(np.zeros((1, 1, 3)), np.zeros((1, 1, 3)))
