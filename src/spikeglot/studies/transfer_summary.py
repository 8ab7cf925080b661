"""What a transfer study says: means over held-out sessions, and the gain over training from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

if TYPE_CHECKING:
    from rich.table import Table

CONFIDENCE = 0.95
CELL = ["masks", "n_pretrained", "n_trials", "model"]


def pick(table: pd.DataFrame, aggregation: str = "mean") -> pd.DataFrame:
    """Return one row per cell, model, task and session: bits per spike (null "test"), or balanced accuracy or R2."""
    is_bits = (table["metric"] == "bits_per_spike") & (table["null"] == "test") & (table["aggregation"] == aggregation)
    return table.loc[is_bits | table["metric"].isin(["balanced_accuracy", "r2"])]


def transfer_summary(table: pd.DataFrame, aggregation: str = "mean") -> pd.DataFrame:
    """Return per cell, model and task the mean over sessions and the gain over from scratch on the same trials.

    Columns: masks, n_pretrained, n_trials, model, task, value, n_sessions; gain with ci_low and ci_high (95 %, paired
    over sessions, Student's t) for adapted models.
    """
    rows = pick(table, aggregation)
    scratch = rows.loc[(rows["n_pretrained"] == 0) & (rows["model"] == "mtm")]
    keys = ["masks", "n_trials", "task", "session_id"]
    rows = rows.merge(scratch.loc[:, [*keys, "value"]].rename(columns={"value": "scratch"}), on=keys, how="left")
    rows["gain"] = (rows["value"] - rows["scratch"]).where((rows["n_pretrained"] > 0) & (rows["model"] == "mtm"))
    out = []
    for _, group in rows.groupby([*CELL, "task"], sort=False):
        low, high = interval(group["gain"].to_numpy())
        out.append(
            {
                **group.iloc[0][[*CELL, "task"]].to_dict(),
                "value": float(np.nanmean(group["value"].to_numpy())),
                "n_sessions": int(np.isfinite(group["value"].to_numpy()).sum()),
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


def transfer_table(table: pd.DataFrame, aggregation: str = "mean") -> Table:
    """Return the summary for people: models in rows, tasks in columns, the gain over from scratch in brackets."""
    from rich.table import Table

    summary = transfer_summary(table, aggregation)
    tasks = list(dict.fromkeys(summary["task"]))
    shown = Table(title=f"held-out sessions, {aggregation} over units; in brackets the gain over from scratch")
    for head in ("trials", "model", *tasks):
        shown.add_column(head, justify="left" if head == "model" else "right")
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for row in summary.to_dict(orient="records"):
        name = (str(row["n_trials"] or "all"), row_name(row["masks"], row["n_pretrained"], row["model"]))
        rows.setdefault(name, {})[row["task"]] = _cell(row["value"], row["gain"])
    for (n_trials, name), cells in rows.items():
        shown.add_row(n_trials, name, *(cells.get(task, "") for task in tasks))
    return shown


def row_name(masks: str, n_pretrained: int, model: str) -> str:
    """Return what a row is: a baseline, a model from scratch, or one pretrained on some sessions."""
    if not model.startswith("mtm"):
        return model
    which = model.replace("mtm", masks, 1)
    return f"{which}, pretrained on {n_pretrained}" if n_pretrained else f"{which}, from scratch"


def _cell(value: float, gain: float) -> str:
    return f"{value:.3f}" if np.isnan(gain) else f"{value:.3f} ({gain:+.3f})"
