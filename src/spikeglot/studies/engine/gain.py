"""What pretraining is worth on held-out sessions: means, and the gain over training from scratch."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from spikeglot.settings import TASKS
from spikeglot.studies.engine.summary import MTM, pick

CONFIDENCE = 0.95
CELL = ["masks", "n_pretrained", "n_trials", "model"]
HOW_TO_READ = (
    "Bits per spike against the test mean, mean over units (decoding: balanced accuracy, of traces R2); mean over "
    "held-out sessions and seeds; in brackets the paired gain over from scratch on the same trials, with its 95 % "
    "interval over sessions."
)


def with_gain(rows: pd.DataFrame, aggregation: str = "mean") -> pd.DataFrame:
    """Return a row per cell, model, task and session, means over seeds, with ``gain`` over from scratch.

    Only adapted models have a gain: over the model with the same masks, trials, session and seed.
    """
    picked = pick(rows, aggregation)
    keys = ["masks", "n_trials", "task", "session_id", "seed"]
    scratch = picked.loc[(picked["n_pretrained"] == 0) & (picked["model"] == MTM), [*keys, "value"]]
    picked = picked.merge(scratch.rename(columns={"value": "scratch"}), on=keys, how="left")
    is_adapted = (picked["n_pretrained"] > 0) & (picked["model"] == MTM)
    picked["gain"] = (picked["value"] - picked["scratch"]).where(is_adapted)
    groups = picked.groupby([*CELL, "task", "session_id"], sort=False, as_index=False)
    return groups.agg(value=("value", "mean"), gain=("gain", "mean"))


def gain_table(rows: pd.DataFrame, aggregation: str = "mean") -> pd.DataFrame:
    """Return per cell, model and task the mean over sessions and the gain over from scratch on the same trials.

    Columns: masks, n_pretrained, n_trials, model, task, value, n_sessions; gain with ci_low and ci_high (95 %, paired
    over sessions, Student's t) for adapted models.
    """
    out = []
    names = [*CELL, "task"]
    for _, group in with_gain(rows, aggregation).groupby(names, sort=False):
        low, high = interval(group["gain"].to_numpy())
        values = group["value"].to_numpy()
        out.append(
            {
                **group.loc[:, names].to_dict(orient="records")[0],
                "value": float(np.nanmean(values)) if np.isfinite(values).any() else float("nan"),
                "n_sessions": int(np.isfinite(values).sum()),
                "gain": float(group["gain"].to_numpy().mean()),
                "ci_low": low,
                "ci_high": high,
            }
        )
    return pd.DataFrame(out)


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the interval that holds the mean of ``values`` with 95 % confidence; NaN for fewer than two."""
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return float("nan"), float("nan")
    half = student_t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def both_tables(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the `gain_table` of means over units, and that of pooled scores, one below the other."""
    tables = {aggregation: gain_table(rows, aggregation) for aggregation in ("mean", "pooled")}
    found = [table.assign(aggregation=aggregation) for aggregation, table in tables.items() if len(table)]
    return pd.concat(found, ignore_index=True)


def show_gain(table: pd.DataFrame) -> pd.DataFrame:
    """Return the means over units as text: cells in rows, tasks in columns, the gain in brackets."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for row in table.loc[table["aggregation"] == "mean"].to_dict(orient="records"):
        name = (str(row["n_trials"] or "all"), row_name(row["masks"], row["n_pretrained"], row["model"]))
        rows.setdefault(name, {})[row["task"]] = _cell(row["value"], row["gain"], row["ci_low"], row["ci_high"])
    tasks = list(dict.fromkeys(table["task"]))
    shown = [
        {"trials": n_trials, "model": name, **{task: cells.get(task, "") for task in tasks}}
        for (n_trials, name), cells in rows.items()
    ]
    return pd.DataFrame(shown)


def row_name(masks: str, n_pretrained: int, model: str) -> str:
    """Return what a row is: a baseline, a model from scratch, or one pretrained on some sessions."""
    if not model.startswith(MTM):
        return model
    which = model.replace(MTM, masks, 1)
    return f"{which}, pretrained on {n_pretrained}" if n_pretrained else f"{which}, from scratch"


def _cell(value: float, gain: float, low: float, high: float) -> str:
    if np.isnan(gain):
        return f"{value:.3f}"
    bounds = "" if np.isnan(low) else f" [{low:+.3f}, {high:+.3f}]"
    return f"{value:.3f} ({gain:+.3f}{bounds})"


def say_gains(rows: pd.DataFrame, masks: str, n_trials: int) -> str:
    """Return the gain of every number of pretraining sessions in words, for one kind of masks and number of trials."""
    table = gain_table(rows)
    is_it = (table["masks"] == masks) & (table["n_trials"] == n_trials) & (table["model"] == MTM)
    adapted = table.loc[is_it & (table["n_pretrained"] > 0)]
    parts = []
    for n_pretrained, group in adapted.groupby("n_pretrained"):
        gains = ", ".join(f"{row['task']} {row['gain']:+.3f}" for row in group.to_dict(orient="records"))
        parts.append(f"pretrained on {n_pretrained}: {gains}")
    return f"{masks}, {n_trials or 'all'} trials, gain over from scratch: {'; '.join(parts) or 'none'}."


def mean_gain(rows: pd.DataFrame, masks: str, n_trials: int) -> pd.Series:
    """Return by number of pretraining sessions the gain in the mean over the four tasks."""
    table = gain_table(rows)
    is_it = (table["masks"] == masks) & (table["n_trials"] == n_trials) & (table["model"] == MTM)
    adapted = table.loc[is_it & (table["n_pretrained"] > 0) & table["task"].isin(TASKS)]
    return adapted.groupby("n_pretrained")["gain"].mean()
