"""Sessions as points: one model against another, on every task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from spikeglot.viz.panels import REGION_COLOURS, STYLE


def plot_scatter(rows: pd.DataFrame, path: str | Path, *, x: str, y: str) -> Path:
    """Draw a panel per task with a point per session, the mean over seeds; above the diagonal ``y`` is better.

    ``rows`` have the columns name, task, session_id, subject_id and value (bits per spike, or of decoding balanced
    accuracy or R2); ``x`` and ``y`` are two of the names. A colour is a subject. Saved as PNG.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    of_both = rows.loc[rows["name"].isin([x, y])]
    wide = of_both.pivot_table(
        index=["task", "subject_id", "session_id"], columns="name", values="value", sort=False
    ).dropna()
    tasks = list(dict.fromkeys(wide.index.get_level_values("task")))
    subjects = sorted(set(wide.index.get_level_values("subject_id")))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.3 * len(tasks) + 0.4, 2.8), layout="constrained")
        for axes, task in zip(figure.subplots(1, len(tasks), squeeze=False)[0], tasks, strict=True):
            its = wide.xs(task, level="task")
            for number, subject in enumerate(subjects):
                of_subject = its.loc[its.index.get_level_values("subject_id") == subject]
                colour = REGION_COLOURS[number % len(REGION_COLOURS)]
                axes.scatter(of_subject[x], of_subject[y], s=14, color=colour, label=subject)
            low, high = float(np.min(its.to_numpy())), float(np.max(its.to_numpy()))
            margin = 0.08 * (high - low) or 0.01
            axes.axline((low, low), slope=1, color="0.6", linewidth=0.8, zorder=0)
            axes.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin), aspect="equal")
            axes.set(title=task, xlabel=x)
        figure.axes[0].set_ylabel(y)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
    return path
