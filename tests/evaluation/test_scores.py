from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spikeglot.data.counts import Counts
from spikeglot.errors import DataError, SettingsError
from spikeglot.evaluation.scores import (
    COLUMNS,
    read_scores,
    score_predictions,
    summarise_sessions,
    write_scores,
)
from spikeglot.metrics import bits_per_spike, mean_rate, pooled_bits_per_spike
from spikeglot.settings import WindowSettings

TRAIN, TEST = np.arange(20), np.arange(20, 30)


def make_counts(session_id: str = "s1", seed: int = 0) -> Counts:
    """Six units of two regions; unit "004" never fires in the test trials, "005" has no region."""
    rng = np.random.default_rng(seed)
    drawn = rng.poisson(0.6, (30, 10, 6)).astype(np.uint8)
    drawn[20:, :, 4] = 0
    units = pd.DataFrame(
        {"region": pd.array(["NA", "NA", "VISp", "VISp", "VISp", ""], dtype=object)},
        index=pd.Index([f"00{i}" for i in range(6)], name="unit_id"),
    )
    trials = pd.DataFrame({"choice": rng.choice([-1, 1], 30), "feedback": 1.0})
    window = WindowSettings(start_s=0.0, stop_s=0.2, bin_size_s=0.02)
    return Counts(session_id, "mouse", drawn, units, trials, window)


def predict(counts: Counts, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    log_rate = np.log(0.6) + rng.normal(0, 0.2, counts.counts[TEST].shape)
    inter = log_rate.copy()
    inter[:, :, 5] = np.nan
    forward = log_rate.copy()
    forward[:, :9] = np.nan
    return {"co-smoothing": log_rate, "inter-region": inter, "forward": forward}


@pytest.fixture
def counts() -> Counts:
    return make_counts()


@pytest.fixture
def frame(counts) -> pd.DataFrame:
    return score_predictions(predict(counts), counts, TRAIN, TEST, "ours")


def value(frame: pd.DataFrame, **where: str) -> float:
    """The value of the only row with these entries."""
    for column, entry in where.items():
        frame = frame[frame[column] == entry]
    assert len(frame) == 1
    return float(frame["value"].iloc[0])


def test_columns_and_types(frame):
    assert tuple(frame.columns) == COLUMNS
    assert frame["value"].dtype == np.float64
    assert frame["n_spikes"].dtype == np.int64
    assert all(isinstance(entry, str) for name in COLUMNS[:-2] for entry in frame[name])
    assert set(frame["model"]) == {"ours"}
    assert set(frame["session_id"]) == {"s1"}
    assert set(frame["subject_id"]) == {"mouse"}


def test_one_row_per_unit_and_metric(frame, counts):
    units = frame[(frame["aggregation"] == "unit") & (frame["task"] == "co-smoothing")]
    kinds = units.groupby(["metric", "null"]).size()
    assert kinds.to_dict() == {
        ("bits_per_spike", "test"): 6,
        ("bits_per_spike", "train"): 6,
        ("poisson_d2", "test"): 6,
        ("psth_r2", ""): 6,
        ("trial_r2", ""): 6,
    }
    row = units[(units["metric"] == "bits_per_spike") & (units["null"] == "test") & (units["unit_id"] == "002")]
    assert row["region"].item() == "VISp"
    assert row["n_spikes"].item() == counts.counts[TEST][:, :, 2].sum()


def test_values_are_those_of_the_metrics(frame, counts):
    log_rate, truth = predict(counts)["co-smoothing"], counts.counts[TEST]
    null = mean_rate(counts.counts[TRAIN])
    task = {"task": "co-smoothing", "metric": "bits_per_spike"}
    for name, rate in (("test", None), ("train", null)):
        per_unit = bits_per_spike(log_rate, truth, rate)
        assert value(frame, **task, null=name, aggregation="mean") == pytest.approx(np.nanmean(per_unit))
        pooled = value(frame, **task, null=name, aggregation="pooled")
        assert pooled == pytest.approx(pooled_bits_per_spike(log_rate, truth, rate))
        assert value(frame, **task, null=name, unit_id="001") == pytest.approx(per_unit[1])


def test_summary_rows_name_no_unit_and_no_region(frame):
    summary = frame[frame["aggregation"] != "unit"]
    assert set(summary["aggregation"]) == {"mean", "pooled", "count"}
    assert set(summary["unit_id"]) == set(summary["region"]) == {""}


def test_units_left_out_are_counted(frame, counts):
    def both(task: str) -> tuple[float, float]:
        return value(frame, task=task, metric="n_units"), value(frame, task=task, metric="n_units_left_out")

    assert both("co-smoothing") == (5, 1)
    assert both("inter-region") == (4, 2)
    silent_at_the_end = int((counts.counts[TEST][:, 9:].sum((0, 1)) == 0).sum())
    assert both("forward") == (6 - silent_at_the_end, silent_at_the_end)
    left_out = frame[(frame["unit_id"] == "004") & (frame["metric"] == "bits_per_spike")]
    assert left_out["value"].isna().all()
    assert (left_out["n_spikes"] == 0).all()


def test_forward_counts_only_spikes_of_scored_bins(frame, counts):
    rows = frame[(frame["task"] == "forward") & (frame["metric"] == "n_units")]
    assert rows["n_spikes"].item() == counts.counts[TEST][:, 9:].sum()


def test_no_predictions_make_no_rows(counts):
    frame = score_predictions({}, counts, TRAIN, TEST, "ours")
    assert frame.empty
    assert tuple(frame.columns) == COLUMNS


def test_an_unknown_task_is_refused(counts):
    with pytest.raises(SettingsError, match="Did you mean 'co-smoothing'"):
        score_predictions({"cosmoothing": np.zeros((10, 10, 6))}, counts, TRAIN, TEST, "ours")


def test_predictions_of_other_trials_are_refused(counts):
    with pytest.raises(DataError, match="all test trials"):
        score_predictions({"forward": np.zeros((30, 10, 6))}, counts, TRAIN, TEST, "ours")


def test_one_session_needs_no_summary(frame):
    pd.testing.assert_frame_equal(summarise_sessions(frame), frame)


def test_sessions_are_averaged_and_counts_added(frame):
    other = make_counts("s2", seed=5)
    both = pd.concat([frame, score_predictions(predict(other, 6), other, TRAIN, TEST, "ours")])
    found = summarise_sessions(both)
    rows = found[found["session_id"] == ""]
    assert len(found) == len(both) + len(rows)
    assert set(rows["aggregation"]) == {"mean", "pooled", "count"}
    kind = {"task": "co-smoothing", "metric": "bits_per_spike", "null": "test", "aggregation": "mean"}
    each = [value(both, **kind, session_id=name) for name in ("s1", "s2")]
    assert value(rows, **kind) == pytest.approx(np.mean(each))
    assert value(rows, task="inter-region", metric="n_units") == 8
    assert set(rows["subject_id"]) == {"mouse"}
    pd.testing.assert_frame_equal(summarise_sessions(found), found)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_comes_back_as_it_was(frame, tmp_path, suffix):
    path = write_scores(frame, tmp_path / "deep" / f"scores{suffix}")
    pd.testing.assert_frame_equal(read_scores(path), frame)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_table_is_replaced_whole_or_not_at_all(frame, tmp_path):
    path = write_scores(frame, tmp_path / "scores.csv")
    before = path.read_bytes()
    with pytest.raises(KeyError):
        write_scores(frame.drop(columns="value"), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["scores.csv"]


def test_another_suffix_is_refused(frame, tmp_path):
    with pytest.raises(SettingsError, match=r"csv or \.parquet"):
        write_scores(frame, tmp_path / "scores.xlsx")
    with pytest.raises(SettingsError, match=r"csv or \.parquet"):
        read_scores(tmp_path / "scores.txt")


def test_what_is_no_score_table_is_refused(tmp_path):
    with pytest.raises(DataError, match="no score table"):
        read_scores(tmp_path / "absent.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no column model"):
        read_scores(tmp_path / "other.csv")
