"""The scaling curve: held-out sessions against the number of sessions that a model was pretrained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spikeglot.viz.panels import STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_scaling(rows: pd.DataFrame, path: str | Path, *, curve: str) -> Path:
    """Draw a panel per task with a curve per value of a column, and below it the gain over from scratch; save as PNG.

    Points are means over sessions, bars standard errors; those of the gain are paired. ``rows`` have the columns task,
    session_id, n_pretrained (sessions; 0 is from scratch), value (bits per spike, or of decoding balanced accuracy or
    R2), gain, and the column ``curve``: "n_trials" (0 stands for all) or "masks".
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    tasks = list(dict.fromkeys(rows["task"]))
    numbers = sorted(rows["n_pretrained"].unique())
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.6 * len(tasks) + 0.6, 5.4), layout="constrained")
        axes = figure.subplots(2, len(tasks), squeeze=False, sharex=True)
        for column, task in enumerate(tasks):
            its = rows.loc[rows["task"] == task]
            _curves(axes[0, column], its, "value", numbers, curve)
            _curves(axes[1, column], its, "gain", numbers, curve)
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


def _curves(axes: Axes, rows: pd.DataFrame, column: str, numbers: list[int], curve: str) -> None:
    import matplotlib as mpl

    values = sorted(rows[curve].unique(), key=lambda value: (value == 0, value))
    for shade, value in zip(np.linspace(0.75, 0.15, len(values)), values, strict=True):
        found = rows.loc[rows[curve] == value].groupby("n_pretrained")[column].agg(["mean", "sem"])
        found = found.reindex(numbers)
        axes.errorbar(
            range(len(numbers)),
            found["mean"],
            yerr=found["sem"].fillna(0.0),
            color=mpl.colormaps["viridis"](shade),
            marker="o",
            markersize=3,
            capsize=2,
            label=(f"{value} trials" if value else "all trials") if curve == "n_trials" else str(value),
        )
