"""The region matrix: who shares latents predicts whom, nobody else does, and nothing leaks."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spikeglot.batch import to_tensors
from spikeglot.data.splits import split_trials
from spikeglot.evaluation.exact import predict_tasks
from spikeglot.evaluation.region_matrix import (
    COLUMNS,
    average_sessions,
    predict_from_regions,
    region_names,
    ridge_from_regions,
    score_source,
)
from spikeglot.metrics import PoissonScores, mean_rate
from spikeglot.settings import SplitSettings

REGIONS = ("A",) * 8 + ("B",) * 7 + ("shuffled",) * 8 + ("",) + ("lone",)
N_TRIALS = 160


def shuffled_counts(factories):
    """All units share two latents; the trials of one region are shuffled, so that it has them at other times."""
    counts = factories.make_counts(n_trials=N_TRIALS, regions=REGIONS, rate=1.5)
    values = counts.counts.copy()
    inside = np.array(REGIONS) == "shuffled"
    values[:, :, inside] = values[np.random.default_rng(1).permutation(N_TRIALS)][:, :, inside]
    return replace(counts, counts=values)


@pytest.fixture(scope="module")
def counts(factories):
    return shuffled_counts(factories)


@pytest.fixture(scope="module")
def split():
    return split_trials(N_TRIALS, SplitSettings(train=0.6, val=0.1))


@pytest.fixture(scope="module")
def model(factories, counts, split):
    recipe = factories.small_recipe(model={"start": "factors"}, split={"train": 0.6, "val": 0.1})
    session = to_tensors(counts.take_trials(split.train))
    return factories.make_model(recipe, {"a": session})


@pytest.fixture(scope="module")
def predictions(model, counts, split):
    return dict(predict_from_regions(model, to_tensors(counts), counts.regions, split.test))


@pytest.fixture(scope="module")
def of_ridge(counts, split):
    return dict(ridge_from_regions(counts, split))


def cell(predictions, counts, split, source, target):
    units = counts.regions == target
    scores = PoissonScores().update(predictions[source][:, :, units], counts.counts[split.test][:, :, units])
    return scores.pooled_bits_per_spike()


@pytest.mark.parametrize("of", ["predictions", "of_ridge"])
def test_regions_that_share_latents_predict_each_other_and_a_shuffled_one_only_itself(request, counts, split, of):
    found = request.getfixturevalue(of)
    for source, target in (("A", "B"), ("B", "A"), ("A", "A"), ("B", "B"), ("shuffled", "shuffled")):
        assert cell(found, counts, split, source, target) > 0.1, (source, target)
    for source, target in (("A", "shuffled"), ("B", "shuffled"), ("shuffled", "A"), ("shuffled", "B")):
        assert cell(found, counts, split, source, target) < 0.03, (source, target)


@pytest.mark.parametrize("of", ["predictions", "of_ridge"])
def test_who_is_predicted(request, counts, of):
    found = request.getfixturevalue(of)
    assert list(found) == region_names(counts.regions) == ["A", "B", "lone", "shuffled"]
    for source, log_rate in found.items():
        finite = np.isfinite(log_rate)
        expected = (counts.regions != "") & ~((counts.regions == "lone") & (source == "lone"))
        assert (finite == expected).all(), "no unit without a region, and none from itself"


def test_the_diagonal_is_the_task_intra_region(model, counts, split, predictions):
    within = predict_tasks(model, to_tensors(counts), split.test, tasks=["intra-region"])["intra-region"]
    for name in ("A", "B"):
        units = counts.regions == name
        np.testing.assert_array_equal(predictions[name][:, :, units], within[:, :, units])


@pytest.mark.parametrize("of", ["model", "ridge"])
def test_hidden_counts_change_no_prediction(model, counts, split, predictions, of_ridge, of):
    values = counts.counts.copy()
    outside = np.array([name != "A" for name in counts.regions])
    values[np.ix_(split.test, np.arange(counts.n_bins), np.flatnonzero(outside))] += 3
    changed = replace(counts, counts=values)
    if of == "model":
        before, after = predictions, dict(predict_from_regions(model, to_tensors(changed), counts.regions, split.test))
    else:
        before, after = of_ridge, dict(ridge_from_regions(changed, split))
    np.testing.assert_allclose(after["A"], before["A"], atol=1e-5)
    assert np.nanmax(np.abs(after["B"] - before["B"])) > 0.01, "what is seen has a say"


def test_a_prompt_changes_nothing_on_the_diagonal(factories, counts, split):
    loud = factories.make_model(factories.small_recipe(), {"a": to_tensors(counts)}, loud=True)
    one, other = (
        dict(predict_from_regions(loud, to_tensors(counts), counts.regions, split.test, prompt=prompt))
        for prompt in ("intra-region", "inter-region")
    )
    units = counts.regions == "A"
    np.testing.assert_array_equal(one["A"][:, :, units], other["A"][:, :, units])
    assert (one["A"] != other["A"])[:, :, counts.regions == "B"].any()


def test_rows_of_a_source(counts, split, predictions):
    rows = score_source("mtm", "A", predictions["A"], counts, split)
    assert tuple(rows.columns) == COLUMNS
    assert len(rows) == 4 * 2 * 2
    row = rows.query("target == 'B' and null == 'train' and aggregation == 'pooled'").iloc[0]
    units = counts.regions == "B"
    truth = counts.counts[split.test][:, :, units]
    null_rate = mean_rate(counts.counts[split.train][:, :, units])
    scores = PoissonScores().update(predictions["A"][:, :, units], truth)
    assert row["value"] == pytest.approx(scores.pooled_bits_per_spike(null_rate))
    assert (row["n_source_units"], row["n_units"], row["n_spikes"]) == (8, 7, truth.sum())
    assert set(rows["session_id"]) == {"a"}


def test_a_pair_without_a_prediction_is_a_row_without_a_value(counts, split, predictions):
    rows = score_source("mtm", "lone", predictions["lone"], counts, split).query("target == 'lone'")
    assert rows["value"].isna().all()
    assert rows["n_units"].eq(0).all()
    assert rows["n_units_left_out"].eq(1).all()


def test_sessions_are_averaged_where_a_pair_is_defined(counts, split, predictions):
    one = score_source("mtm", "A", predictions["A"], counts, split)
    two = one.assign(session_id="b", subject_id="other", value=one["value"] + 0.2)
    two = two[two["target"] != "lone"]
    three = one.assign(session_id="c", value=np.nan)
    rows = average_sessions(pd.concat([one, two, three], ignore_index=True))
    over = rows[rows["session_id"] == ""].set_index(["target", "null", "aggregation"])
    mine = one.set_index(["target", "null", "aggregation"])
    key = ("B", "test", "mean")
    assert over.loc[key, "value"] == pytest.approx(mine.loc[key, "value"] + 0.1)
    assert over.loc[key, "n_sessions"] == 2
    assert over.loc[key, "n_source_units"] == 24
    assert over.loc[("lone", "test", "mean"), "n_sessions"] == 1
    assert over["subject_id"].eq("").all()
    assert average_sessions(one) is one
