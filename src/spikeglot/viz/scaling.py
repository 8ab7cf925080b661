"""The scaling curve: held-out sessions against the number of sessions that a model was pretrained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spikeglot.viz.panels import STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KEYS = ["task", "n_trials", "session_id"]


def plot_scaling(table: pd.DataFrame, path: str | Path, *, aggregation: str = "mean") -> Path:
    """Draw a panel per task with a curve per number of trials, and below it the gain over from scratch; save as PNG.

    Points are means over sessions, bars standard errors; those of the gain are paired. ``table`` has the rows of
    `spikeglot.studies.transfer.transfer`: bits per spike against the test mean, averaged as ``aggregation`` says
    ("mean" over units or "pooled"), or balanced accuracy or R2. Pretrained on 0 is from scratch.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = _with_gain(table, aggregation)
    tasks = list(dict.fromkeys(rows["task"]))
    numbers = sorted(rows["n_pretrained"].unique())
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.6 * len(tasks) + 0.6, 5.4), layout="constrained")
        axes = figure.subplots(2, len(tasks), squeeze=False, sharex=True)
        for column, task in enumerate(tasks):
            its = rows.loc[rows["task"] == task]
            _curves(axes[0, column], its, "value", numbers)
            _curves(axes[1, column], its, "gain", numbers)
            axes[0, column].set_title(task)
            axes[1, column].axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
            axes[1, column].set_xticks(range(len(numbers)), [str(n) if n else "scratch" for n in numbers])
        unit = "bits per spike" + (", balanced accuracy, R2" if any(t.startswith("decode") for t in tasks) else "")
        axes[0, 0].set_ylabel(unit)
        axes[1, 0].set_ylabel("gain over from scratch")
        figure.supxlabel("pretrained on sessions of other animals", fontsize="medium")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
    return path


def _with_gain(table: pd.DataFrame, aggregation: str) -> pd.DataFrame:
    """Return one row per task, session and run of the mixture of masks, with ``gain`` over from scratch."""
    is_bits = (table["metric"] == "bits_per_spike") & (table["null"] == "test") & (table["aggregation"] == aggregation)
    rows = table.loc[is_bits | table["metric"].isin(["balanced_accuracy", "r2"])]
    rows = rows.loc[(rows["model"] == "mtm") & (rows["masks"] == "mtm")]
    scratch = rows.loc[rows["n_pretrained"] == 0, [*KEYS, "value"]].rename(columns={"value": "scratch"})
    rows = rows.merge(scratch, on=KEYS, how="left")
    return rows.assign(gain=rows["value"] - rows["scratch"])


def _curves(axes: Axes, rows: pd.DataFrame, column: str, numbers: list[int]) -> None:
    import matplotlib as mpl

    all_trials = sorted(rows["n_trials"].unique(), key=lambda n: n or np.inf)
    for shade, n_trials in zip(np.linspace(0.75, 0.15, len(all_trials)), all_trials, strict=True):
        found = rows.loc[rows["n_trials"] == n_trials].groupby("n_pretrained")[column].agg(["mean", "sem"])
        found = found.reindex(numbers)
        axes.errorbar(
            range(len(numbers)),
            found["mean"],
            yerr=found["sem"].fillna(0.0),
            color=mpl.colormaps["viridis"](shade),
            marker="o",
            markersize=3,
            capsize=2,
            label=f"{n_trials} trials" if n_trials else "all trials",
        )
