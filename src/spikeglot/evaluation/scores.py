"""Score rows: one table from which every figure and table is made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from spikeglot.data.counts import Counts
from spikeglot.errors import DataError, SettingsError, did_you_mean
from spikeglot.metrics import PoissonScores, conditions, mean_rate, psth_r2, trial_r2
from spikeglot.settings import TASKS, TRANSLATE

COLUMNS = (
    "model",
    "task",
    "metric",
    "null",
    "aggregation",
    "session_id",
    "subject_id",
    "unit_id",
    "region",
    "n_spikes",
    "value",
)
SUFFIXES = (".csv", ".parquet")
KIND = ["model", "task", "metric", "null", "aggregation"]


def score_predictions(
    predictions: Mapping[str, np.ndarray],
    counts: Counts,
    train_index: np.ndarray,
    test_index: np.ndarray,
    model: str,
) -> pd.DataFrame:
    """Score a model's predictions of one session and return rows with `COLUMNS`.

    ``predictions`` has per task the log-rates (test trial, time, unit), log expected counts per bin, NaN
    where the task makes no prediction. Per task there are

    - a row per unit (aggregation "unit") of ``bits_per_spike`` against the mean over the scored test entries
      (null "test") and against the unit's mean over all bins of the training trials (null "train"), of
      ``poisson_d2`` (null "test"), ``psth_r2`` and ``trial_r2`` (null ""); NaN where undefined, above all
      without a test spike;
    - the mean over units where it is defined (aggregation "mean"), and all units together ("pooled"), with
      empty ``unit_id`` and ``region``;
    - ``n_units`` and ``n_units_left_out`` (aggregation "count"): units with and without bits per spike.

    ``n_spikes`` counts spikes in the scored test entries.

    Raises
    ------
    SettingsError
        A task is not known.
    DataError
        A prediction has another shape than the test counts, or is infinite.
    """
    truth = counts.counts[test_index]
    null_rate = mean_rate(counts.counts[train_index])
    condition = conditions(counts.trials.iloc[test_index])
    frames = []
    for task, log_rate in predictions.items():
        if task not in (*TASKS, TRANSLATE):
            raise SettingsError(f"There is no task '{task}'.{did_you_mean(task, (*TASKS, TRANSLATE))}")
        if log_rate.shape != truth.shape:
            raise DataError(
                f"The predictions of '{model}' for {task} in session '{counts.session_id}' are "
                f"{log_rate.shape}, but the test counts are {truth.shape} (trial, time, unit). Predict all "
                "test trials, in order."
            )
        sums = PoissonScores().update(log_rate, truth)
        per_unit = {
            ("bits_per_spike", "test"): sums.bits_per_spike(),
            ("bits_per_spike", "train"): sums.bits_per_spike(null_rate),
            ("poisson_d2", "test"): sums.d2(),
            ("psth_r2", ""): psth_r2(log_rate, truth, condition),
            ("trial_r2", ""): trial_r2(log_rate, truth),
        }
        pooled = {
            ("bits_per_spike", "test"): sums.pooled_bits_per_spike(),
            ("bits_per_spike", "train"): sums.pooled_bits_per_spike(null_rate),
            ("poisson_d2", "test"): sums.pooled_d2(),
        }
        frames += _task_rows(task, per_unit, pooled, sums.n_spikes, counts)
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(COLUMNS))
    return _typed(frame.assign(model=model, session_id=counts.session_id, subject_id=counts.subject_id))


def _task_rows(
    task: str,
    per_unit: Mapping[tuple[str, str], np.ndarray],
    pooled: Mapping[tuple[str, str], float],
    n_spikes: np.ndarray,
    counts: Counts,
) -> list[pd.DataFrame]:
    """Rows of one task without the names of model and session: units, and their summary."""
    units = {"unit_id": list(counts.unit_ids), "region": counts.regions, "n_spikes": n_spikes}
    frames = [
        pd.DataFrame({"task": task, "metric": metric, "null": null, "aggregation": "unit", **units, "value": value})
        for (metric, null), value in per_unit.items()
    ]
    means = {
        kind: value[np.isfinite(value)].mean() if np.isfinite(value).any() else np.nan
        for kind, value in per_unit.items()
    }
    scored = np.isfinite(per_unit["bits_per_spike", "test"])
    rows = [(metric, null, "mean", value) for (metric, null), value in means.items()]
    rows += [(metric, null, "pooled", value) for (metric, null), value in pooled.items()]
    rows += [("n_units", "", "count", scored.sum()), ("n_units_left_out", "", "count", (~scored).sum())]
    summary = pd.DataFrame(rows, columns=["metric", "null", "aggregation", "value"])
    return [*frames, summary.assign(task=task, unit_id="", region="", n_spikes=n_spikes[scored].sum())]


def summarise_sessions(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ``frame`` with rows over its sessions, where it has several: their ``session_id`` is empty.

    Means and pooled values are averaged over the sessions where they are defined; counts and spikes are added
    up.
    """
    frame = frame.loc[frame["session_id"] != ""]
    if len(set(frame["session_id"])) < 2:
        return frame.reset_index(drop=True)
    groups = frame[frame["aggregation"] != "unit"].groupby(KIND, sort=False)
    rows = groups.agg(value=("value", "mean"), total=("value", "sum"), n_spikes=("n_spikes", "sum")).reset_index()
    rows["value"] = rows["value"].where(rows["aggregation"] != "count", rows["total"])
    subjects = frame["subject_id"].unique()
    rows = rows.assign(session_id="", subject_id=subjects[0] if len(subjects) == 1 else "", unit_id="", region="")
    return _typed(pd.concat([frame, rows], ignore_index=True))


def write_scores(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write score rows to a .csv or .parquet file and return its path; raises what `write_table` raises."""
    return write_table(_typed(frame), path)


def write_table(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write any table to a .csv or .parquet file, which appears only when it is whole, and return its path.

    Raises
    ------
    SettingsError
        Another suffix.
    """
    path = Path(path)
    check_scores_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.suffix == ".csv":
            frame.to_csv(part, index=False)
        else:
            frame.to_parquet(part, index=False)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def read_scores(path: str | Path) -> pd.DataFrame:
    """Read score rows that `write_scores` wrote.

    Raises
    ------
    SettingsError
        Another suffix than .csv or .parquet.
    DataError
        There is no such file, or it lacks a column.
    """
    path = Path(path)
    check_scores_path(path)
    if not path.is_file():
        raise DataError(f"There is no score table {path}. Make one with: spikeglot evaluate")
    if path.suffix == ".csv":
        # as text, so that a unit "007" or a region "NA" stays what it is
        frame = pd.read_csv(path, dtype=str, keep_default_na=False).replace({"value": {"": "nan"}})
    else:
        frame = pd.read_parquet(path)
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise DataError(f"{path} is not a score table: it has no column {', '.join(missing)}.")
    return _typed(frame)


def check_scores_path(path: str | Path) -> None:
    """Make sure that scores can be written to, or read from, a file of this name.

    Raises
    ------
    SettingsError
        The suffix is neither .csv nor .parquet.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise SettingsError(f"Scores are written as {' or '.join(SUFFIXES)}, not '{path.name}'. Rename the file.")


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns in order, text as text, spikes as int64, values as float64."""
    text = dict.fromkeys(COLUMNS[:-2], str)
    return frame.loc[:, list(COLUMNS)].astype({**text, "n_spikes": np.int64, "value": np.float64})
