from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spikeglot.data.counts import Counts
from spikeglot.data.splits import Split
from spikeglot.errors import SettingsError
from spikeglot.evaluation.baselines import BASELINES, run_baselines
from spikeglot.metrics import PoissonScores
from spikeglot.settings import TASKS, WindowSettings, n_forward_bins

REGIONS = ["A"] * 5 + ["B"] * 6 + ["alone", ""]
N_TRIALS, N_BINS = 60, 10
SPLIT = Split(np.arange(0, 40), np.arange(40, 48), np.arange(48, 60))
SEES_OTHERS = ("smoothed-counts", "ridge", "poisson-pcr", "reduced-rank")


def make_counts(seed: int = 0) -> Counts:
    """Units that share a gain of the trial and a slow latent; the last one is silent in training."""
    rng = np.random.default_rng(seed)
    n_units = len(REGIONS)
    gain = rng.normal(0, 0.7, (N_TRIALS, 1, 1))
    latent = np.cumsum(rng.normal(0, 0.4, (N_TRIALS, N_BINS, 1)), axis=1)
    rate = np.exp(-0.5 + gain + latent * rng.normal(0.5, 0.5, n_units))
    drawn = rng.poisson(np.minimum(rate, 20)).astype(np.uint8)
    drawn[:48, :, -1] = 0
    units = pd.DataFrame({"region": pd.array(REGIONS, dtype=object)}, index=[f"u{i}" for i in range(n_units)])
    trials = pd.DataFrame({"window_start_s": 3.0 * np.arange(N_TRIALS)})
    window = WindowSettings(align="start_time", start_s=0.0, stop_s=0.2, bin_size_s=0.02)
    return Counts("s1", "mouse", drawn, units, trials, window)


@pytest.fixture(scope="module")
def counts() -> Counts:
    return make_counts()


@pytest.fixture(scope="module")
def predictions(counts) -> dict[str, dict[str, np.ndarray]]:
    return run_baselines(counts, SPLIT)


def with_test_counts(counts: Counts, trials: slice | np.ndarray, bins: slice, units: np.ndarray) -> Counts:
    """The session with other counts in these test trials, bins and units."""
    changed = counts.counts.copy()
    block = changed[np.ix_(SPLIT.test[trials], np.arange(N_BINS)[bins], units)]
    changed[np.ix_(SPLIT.test[trials], np.arange(N_BINS)[bins], units)] = 9 - np.minimum(block, 9)
    return replace(counts, counts=changed)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("task", TASKS)
def test_predictions_are_where_the_task_scores_and_nowhere_else(predictions, name, task):
    log_rate = predictions[name][task]
    expected = np.ones((12, N_BINS, len(REGIONS)), dtype=bool)
    if task == "forward":
        expected[:, : N_BINS - n_forward_bins(N_BINS)] = False
    if task == "inter-region":
        expected[:, :, -1] = False
    if task == "intra-region":
        expected[:, :, -2:] = False
    np.testing.assert_array_equal(np.isfinite(log_rate), expected)
    assert log_rate.dtype == np.float32


@pytest.mark.parametrize("name", BASELINES)
def test_hidden_test_counts_do_not_leak(counts, predictions, name):
    inside = np.flatnonzero(np.array(REGIONS) == "A")
    unit, everyone = inside[2:3], np.arange(len(REGIONS))
    all_trials, all_bins = slice(None), slice(None)
    before = predictions[name]

    after = BASELINES[name](with_test_counts(counts, all_trials, all_bins, unit), SPLIT)
    for task in ("co-smoothing", "intra-region"):
        np.testing.assert_allclose(after[task][:, :, unit], before[task][:, :, unit], atol=2e-5)
        if name in SEES_OTHERS:
            assert np.nanmax(np.abs(after[task] - before[task])) > 1e-3, "the change was too small to show a leak"

    after = BASELINES[name](with_test_counts(counts, all_trials, all_bins, inside), SPLIT)
    np.testing.assert_allclose(after["inter-region"][:, :, inside], before["inter-region"][:, :, inside], atol=2e-5)
    after = BASELINES[name](with_test_counts(counts, all_trials, all_bins, np.setdiff1d(everyone, inside)), SPLIT)
    np.testing.assert_allclose(after["intra-region"][:, :, inside], before["intra-region"][:, :, inside], atol=2e-5)
    hidden_bins = slice(N_BINS - n_forward_bins(N_BINS), None)
    after = BASELINES[name](with_test_counts(counts, all_trials, hidden_bins, everyone), SPLIT)
    np.testing.assert_array_equal(after["forward"], before["forward"])


@pytest.mark.parametrize("name", BASELINES)
def test_trials_do_not_see_each_other(counts, predictions, name):
    after = BASELINES[name](with_test_counts(counts, np.arange(6), slice(None), np.arange(len(REGIONS))), SPLIT)
    for task in TASKS:
        np.testing.assert_allclose(after[task][6:], predictions[name][task][6:], atol=2e-5)


@pytest.mark.parametrize("name", SEES_OTHERS)
@pytest.mark.parametrize("task", TASKS)
def test_a_shared_latent_is_found(counts, predictions, name, task):
    def pooled(name: str) -> float:
        score = PoissonScores().update(predictions[name][task][:, :, :-1], counts.counts[SPLIT.test][:, :, :-1])
        return score.pooled_bits_per_spike()

    assert pooled(name) > pooled("mean-rate") + 0.1
    assert pooled(name) > pooled("psth") + 0.05


def test_drift_is_found():
    rng = np.random.default_rng(1)
    rate = np.exp(-0.5 + np.linspace(-1, 1, N_TRIALS))[:, None, None] * np.ones((1, N_BINS, len(REGIONS)))
    base = make_counts()
    drifting = replace(base, counts=rng.poisson(rate).astype(np.uint8))
    order = rng.permutation(N_TRIALS)
    split = Split(order[:40], order[40:48], order[48:])
    found = run_baselines(drifting, split, ["drift"])["drift"]["co-smoothing"]
    error = np.abs(found - np.log(rate[split.test]))
    assert error.mean() < 0.2


def test_a_silent_unit_gets_a_finite_low_rate(predictions):
    for name in BASELINES:
        log_rate = predictions[name]["co-smoothing"][:, :, -1]
        assert np.isfinite(log_rate).all()
        assert (log_rate < -3).all(), name


def test_same_numbers_twice(counts, predictions):
    again = run_baselines(counts, SPLIT, ["reduced-rank"])
    for task in TASKS:
        np.testing.assert_array_equal(again["reduced-rank"][task], predictions["reduced-rank"][task])


def test_nothing_edits_its_input(counts):
    before = counts.counts.copy()
    run_baselines(counts, SPLIT, ["ridge", "smoothed-counts"])
    np.testing.assert_array_equal(counts.counts, before)


def test_progress_names_each_baseline(counts):
    seen = []
    found = run_baselines(counts, SPLIT, ["psth", "mean-rate"], lambda *event: seen.append(event))
    assert list(found) == ["psth", "mean-rate"]
    assert seen == [(1, 2, "psth"), (2, 2, "mean-rate")]


def test_an_unknown_baseline_is_refused(counts):
    with pytest.raises(SettingsError, match="Did you mean 'ridge'"):
        run_baselines(counts, SPLIT, ["rigde"])


def test_a_session_without_regions_has_no_region_predictions(counts):
    bare = replace(counts, units=counts.units.assign(region=""))
    for name in ("mean-rate", "ridge", "poisson-pcr"):
        found = BASELINES[name](bare, SPLIT)
        assert np.isfinite(found["co-smoothing"]).all()
        assert np.isnan(found["inter-region"]).all()
        assert np.isnan(found["intra-region"]).all()
