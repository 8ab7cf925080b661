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
    frame = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    frame = pd.concat([frame, _over_counts(frame)], ignore_index=True)
    return _typed(pd.concat([frame, _over_sessions(frame)], ignore_index=True))


def _over_counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of model features less those of the same decoder on the counts of the same session, true labels only."""
    scored = frame[(frame["aggregation"] == "session") & (frame["labels"] == "true")]
    same = ["decoder", "metric", "session_id"]
    counts = scored[scored["features"] == "counts"].set_index(same)["value"]
    model = scored[~scored["features"].isin(["counts", ""])]
    base = counts.reindex(pd.MultiIndex.from_frame(model[same])).to_numpy()
    return model.assign(value=model["value"] - base, null="counts")[np.isfinite(base)]


def _over_sessions(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean over the sessions that have a value, and its interval; trials are added up."""
    scored = frame[(frame["aggregation"] == "session") & frame["value"].notna()].fillna({"null": ""})
    rows = []
    for kind, group in scored.groupby(KIND, sort=False):
        values, n_sessions = group["value"].to_numpy(float), len(group)
        subjects = group["subject_id"].unique()
        names = dict(zip(KIND, kind, strict=True)) | {
            "session_id": "",
            "subject_id": subjects[0] if len(subjects) == 1 else "",
            "n_fit": group["n_fit"].sum(),
            "n_test": group["n_test"].sum(),
        }
        rows.append(names | {"aggregation": "mean", "value": values.mean()})
        if n_sessions > 1:
            error = values.std(ddof=1) / np.sqrt(n_sessions)
            half = student_t.ppf((1 + CONFIDENCE) / 2, n_sessions - 1) * error
            rows.append(names | {"aggregation": "ci_low", "value": values.mean() - half})
            rows.append(names | {"aggregation": "ci_high", "value": values.mean() + half})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Text as text, trials as int64, values as float64."""
    numbers = {"n_fit": np.int64, "n_test": np.int64, "value": np.float64}
    text = [name for name in COLUMNS if name not in numbers]
    frame = frame.fillna(dict.fromkeys(text, "") | {"n_fit": 0, "n_test": 0})
    return frame.astype({**dict.fromkeys(text, str), **numbers}).reset_index(drop=True)
