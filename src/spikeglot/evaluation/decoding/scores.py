"""Score rows of decoding: one table with a row per number, and what was left out, with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student_t
from sklearn.metrics import accuracy_score, r2_score, recall_score

from spikeglot.evaluation.decoding.targets import Target

COLUMNS = (
    "target",
    "decoder",
    "features",
    "prompt",
    "labels",
    "metric",
    "null",
    "aggregation",
    "session_id",
    "subject_id",
    "n_fit",
    "n_test",
    "value",
    "reason",
)
KIND = ["target", "decoder", "features", "prompt", "labels", "metric", "null"]
LEFT_OUT = "n_left_out"
CONFIDENCE = 0.95


def decoding_metrics(truth: np.ndarray, said: np.ndarray) -> dict[str, float]:
    """Return accuracy and balanced accuracy of labels (trial,), or R2 of traces (trial, time, channel).

    Balanced accuracy is the mean over the classes in ``truth`` of the share that is recognised. R2 compares with the
    mean over all entries of ``truth``, per channel, and is averaged over channels; NaN where ``truth`` is constant.
    """
    if truth.ndim == 1:
        true_labels, said_labels = truth.astype(str), said.astype(str)
        recall = recall_score(true_labels, said_labels, labels=np.unique(true_labels), average="macro")
        return {
            "accuracy": float(accuracy_score(true_labels, said_labels)),
            "balanced_accuracy": float(recall),
        }
    n_channels = truth.shape[-1]
    flat = truth.reshape(-1, n_channels)
    if np.any(np.ptp(flat, axis=0) == 0):
        return {"r2": float("nan")}
    return {"r2": float(r2_score(flat, said.reshape(-1, n_channels)))}


def score_rows(metrics: dict[str, float], /, **names: Any) -> list[dict[str, Any]]:
    """Return one row per metric of a decoder on a session."""
    return [{"metric": metric, "aggregation": "session", "value": value, **names} for metric, value in metrics.items()]


def left_out_rows(target: Target, /, **names: Any) -> list[dict[str, Any]]:
    """Return one row per reason why trials of a session are not decoded, with their number."""
    reasons, n_trials = np.unique(target.left_out[~target.used].astype(str), return_counts=True)
    return [left_out_row(reason, n, **names) for reason, n in zip(reasons, n_trials, strict=True)]


def left_out_row(reason: str, n_trials: int, /, **names: Any) -> dict[str, Any]:
    """Return the row that says why ``n_trials`` trials of a session (or of one of its decoders) have no score."""
    return {"metric": LEFT_OUT, "aggregation": "count", "value": float(n_trials), "reason": reason, **names}


def decoding_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the score table: rows of sessions, their gain over counts, and means over sessions with their interval.

    A row with null "counts" is the value less that of the same decoder on the raw counts of the same session. Rows
    over sessions (aggregation "mean", "ci_low", "ci_high") have an empty ``session_id``; the interval holds the mean
    with 95 % confidence (Student's t over sessions) and needs two sessions.
    """
    frame = _typed(pd.DataFrame(rows))
    frame = pd.concat([frame, _over_counts(frame)], ignore_index=True)
    return _typed(pd.concat([frame, _over_sessions(frame)], ignore_index=True))


def _over_counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of model features less those of the same decoder on the counts of the same session, true labels only."""
    scored = frame.query("aggregation == 'session' and labels == 'true'")
    same = ["decoder", "metric", "session_id"]
    is_counts = scored["features"] == "counts"
    counts = scored.loc[is_counts, [*same, "value"]]
    both = scored.loc[~is_counts].merge(counts, on=same, suffixes=("", "_counts"))
    return both.assign(value=both["value"] - both["value_counts"], null="counts").drop(columns="value_counts")


def _over_sessions(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean over the sessions that have a value, and its interval; trials are added up."""
    scored = frame.query("aggregation == 'session'").dropna(subset="value")
    groups = scored.groupby(KIND, sort=False, dropna=False)
    over = groups.agg(
        mean=("value", "mean"),
        sd=("value", "std"),
        n_sessions=("value", "size"),
        n_fit=("n_fit", "sum"),
        n_test=("n_test", "sum"),
    ).reset_index()
    subjects = list(dict.fromkeys(scored["subject_id"]))
    over = over.assign(session_id="", subject_id=subjects[0] if len(subjects) == 1 else "")
    quantile = student_t.ppf((1 + CONFIDENCE) / 2, (over["n_sessions"] - 1).clip(lower=1))
    half = quantile * over["sd"] / np.sqrt(over["n_sessions"])
    ends = {"mean": over["mean"], "ci_low": over["mean"] - half, "ci_high": over["mean"] + half}
    rows = pd.concat([over.assign(aggregation=name, value=value) for name, value in ends.items()])
    return rows.dropna(subset="value")


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Text as text, trials as int64, values as float64."""
    number = {"n_fit": np.int64, "n_test": np.int64, "value": np.float64}
    frame = frame.reindex(columns=list(COLUMNS)).reset_index(drop=True)
    for name in COLUMNS:
        column = frame[name].astype(object)
        if name in number:
            frame[name] = column.where(column.notna(), np.nan if name == "value" else 0).astype(number[name])
        else:
            frame[name] = column.where(column.notna(), "").astype(str)
    return frame
