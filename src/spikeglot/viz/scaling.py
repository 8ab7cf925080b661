"""The scaling curve: scores of held-out sessions against the number of sessions that a model was pretrained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from spikeglot.viz.panels import STYLE


def plot_scaling(table: pd.DataFrame, path: str | Path, *, aggregation: str = "mean") -> Path:
    """Draw a panel per task and a curve per number of trials, mean and standard error over sessions; save as PNG.

    ``table`` has the rows of `spikeglot.studies.transfer.transfer`: bits per spike against the test mean, averaged as
    ``aggregation`` says ("mean" over units or "pooled"), or balanced accuracy or R2. Pretrained on 0 is from scratch.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    is_bits = (table["metric"] == "bits_per_spike") & (table["null"] == "test") & (table["aggregation"] == aggregation)
    rows = table.loc[is_bits | table["metric"].isin(["balanced_accuracy", "r2"])]
    rows = rows.loc[(rows["model"] == "mtm") & (rows["masks"] == "mtm")]
    tasks = list(dict.fromkeys(rows["task"]))
    numbers = sorted(rows["n_pretrained"].unique())
    all_trials = sorted(rows["n_trials"].unique(), key=lambda n: n or np.inf)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.6 * len(tasks) + 0.6, 2.9), layout="constrained")
        for panel, task in enumerate(tasks):
            axes = figure.add_subplot(1, len(tasks), panel + 1)
            for shade, n_trials in zip(np.linspace(0.25, 0.85, len(all_trials)), all_trials, strict=True):
                its = rows.loc[(rows["task"] == task) & (rows["n_trials"] == n_trials)]
                found = its.groupby("n_pretrained")["value"].agg(["mean", "sem"]).reindex(numbers)
                axes.errorbar(
                    range(len(numbers)),
                    found["mean"],
                    yerr=found["sem"].fillna(0.0),
                    color=mpl.colormaps["viridis"](1 - shade),
                    marker="o",
                    markersize=3,
                    capsize=2,
                    label=f"{n_trials} trials" if n_trials else "all trials",
                )
            axes.set_xticks(range(len(numbers)), [str(n) if n else "scratch" for n in numbers])
            axes.set_title(task)
            axes.set_ylabel("balanced accuracy, R2" if task.startswith("decode") else "bits per spike")
            axes.set_xlabel("pretrained on sessions")
            if panel == 0:
                axes.legend(frameon=False)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
    return path
