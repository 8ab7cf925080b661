"""Score rows: metrics against scikit-learn, gains over counts, intervals against scipy, what was left out."""

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, r2_score

from spikeglot.evaluation.decoding.scores import (
    COLUMNS,
    decoding_metrics,
    decoding_table,
    left_out_row,
    left_out_rows,
    score_rows,
)
from spikeglot.evaluation.decoding.summary import left_out_lines, summary_frame
from spikeglot.evaluation.decoding.targets import Target


def test_metrics_of_classes():
    rng = np.random.default_rng(0)
    truth, said = rng.choice(list("abc"), 50).astype(object), rng.choice(list("abc"), 50).astype(object)
    found = decoding_metrics(truth, said)
    assert found["accuracy"] == np.mean(truth == said)
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth.astype(str), said.astype(str)))


def test_a_class_that_no_test_trial_has_needs_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = decoding_metrics(np.array(["a", "b"], object), np.array(["a", "c"], object))
    assert found == {"accuracy": 0.5, "balanced_accuracy": 0.5}


def test_metrics_of_traces():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(9, 5, 2)) * [1, 10]
    said = truth + rng.normal(size=(9, 5, 2))
    expected = np.mean([r2_score(truth[..., c].ravel(), said[..., c].ravel()) for c in (0, 1)])
    assert decoding_metrics(truth, said)["r2"] == pytest.approx(expected)
    assert np.isnan(decoding_metrics(np.ones((3, 2, 1)), np.zeros((3, 2, 1)))["r2"])


@pytest.fixture
def table():
    rows = []
    for name, model, counts in (("s1", 0.9, 0.8), ("s2", 0.8, 0.75), ("s3", 0.95, 0.7)):
        names = {"target": "choice", "session_id": name, "subject_id": name[0], "n_fit": 40, "n_test": 10}
        for features, value in (("log-rates", model), ("counts", counts)):
            kind = {"decoder": "linear", "features": features, "prompt": "", **names}
            rows += score_rows({"accuracy": value}, labels="true", **kind)
            rows += score_rows({"accuracy": 0.5}, labels="shuffled", **kind)
    target = Target(np.zeros(4, object), np.array(["", "why", "why", "else"], object))
    names = {"target": "choice", "session_id": "s1", "subject_id": "s"}
    rows += left_out_rows(target, **names)
    rows.append(left_out_row("too few", 10, decoder="few-shot-99", **names))
    return decoding_table(rows)


def test_the_table(table):
    assert tuple(table.columns) == COLUMNS
    mean = table.query("aggregation == 'mean' and labels == 'true' and null == '' and features == 'log-rates'")
    assert mean["value"].item() == pytest.approx(np.mean([0.9, 0.8, 0.95]))
    assert mean["n_test"].item() == 30
    assert mean["session_id"].item() == ""
    assert mean["subject_id"].item() == "s"


def test_intervals_over_sessions(table):
    rows = table.query("features == 'log-rates' and labels == 'true' and null == 'counts'").set_index("aggregation")
    gains = np.array([0.1, 0.05, 0.25])
    low, high = stats.t.interval(0.95, 2, loc=gains.mean(), scale=stats.sem(gains))
    np.testing.assert_allclose(rows.loc["session", "value"], gains)
    assert rows.loc["mean", "value"] == pytest.approx(gains.mean())
    assert rows.loc["ci_low", "value"] == pytest.approx(low)
    assert rows.loc["ci_high", "value"] == pytest.approx(high)
    assert table.query("null == 'counts' and (features == 'counts' or labels == 'shuffled')").empty


def test_one_session_has_no_interval():
    names = {"target": "t", "session_id": "s", "subject_id": "m", "decoder": "chance", "labels": "true"}
    table = decoding_table(score_rows({"accuracy": 0.5}, **names))
    assert list(table["aggregation"]) == ["session", "mean"]


def test_what_was_left_out_is_recorded(table):
    left_out = table[table["metric"] == "n_left_out"]
    assert list(left_out["reason"]) == ["else", "why", "too few"]
    assert list(left_out["value"]) == [1, 2, 10]
    assert left_out_lines(table)[1:] == [
        "Left out: 2 trials of s1: why",
        "Left out: few-shot-99: 10 trials of s1: too few",
    ]


def test_the_summary(table):
    frame = summary_frame(table).set_index("features")
    assert frame.loc["log-rates", "accuracy over counts"] == pytest.approx(0.4 / 3)
    assert frame.loc["counts", "accuracy shuffled"] == 0.5
    assert frame.loc["counts", "accuracy ci_low"] < frame.loc["counts", "accuracy"]
