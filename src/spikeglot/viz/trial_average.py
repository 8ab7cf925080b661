"""Trial-averaged activity of all units, data beside prediction, by condition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from spikeglot.errors import DataError, did_you_mean
from spikeglot.viz.panels import SMOOTHING_BINS, STYLE, colour_bar, draw_rates, label_panels, smooth
from spikeglot.viz.raster import check_sizes
from spikeglot.viz.unit_order import sort_units

MAX_CONDITIONS = 8
"""Conditions that fit under each other."""


def plot_trial_average(
    counts: np.ndarray,
    log_rates: np.ndarray,
    units: pd.DataFrame,
    path: str | Path,
    *,
    trials: pd.DataFrame | None = None,
    by: str | None = None,
    sort: str = "region",
    bin_size_s: float,
    start_s: float = 0.0,
    align: str = "",
    title: str = "",
) -> Path:
    """Draw averages over trials, data left and prediction right, one row per condition, and save them as PNG.

    Colours are rates relative to the mean rate of the unit in the data, both smoothed alike, on one scale. Rows of a
    panel are units, in the same order everywhere; the order is found in the data, never in the prediction.

    Parameters
    ----------
    counts, log_rates:
        (trial, time, unit) spikes per bin, and the log of the predicted ones.
    units:
        One row per unit, with the column ``region``, and ``depth_um`` where sorted by it.
    path:
        The file to write.
    trials, by:
        One row per trial, and the column whose values are the conditions; trials without a value are left out, and
        the title says how many.
    sort:
        "region", "depth" or "similarity" (`spikeglot.viz.unit_order.sort_units`).
    start_s, align:
        Time of the first edge relative to the event, and the event's name for the axis.

    Raises
    ------
    DataError
        Sizes that differ, nothing to draw, no such column, too many conditions, or no depths.
    SettingsError
        No such order.
    """
    regions = units["region"].to_numpy(dtype=object)
    check_sizes(counts, log_rates, regions)
    groups, left_out = _conditions(len(counts), trials, by)
    unit_mean = np.maximum(counts.mean(axis=(0, 1)), 1e-12)
    data = [smooth(counts[index].mean(axis=0) / unit_mean) for index in groups.values()]
    predicted = [
        smooth(np.exp(log_rates[index].astype(np.float64)).mean(axis=0) / unit_mean) for index in groups.values()
    ]
    order = sort_units(np.concatenate(data), units, sort)
    span_s = (start_s, start_s + counts.shape[1] * bin_size_s)

    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        height = 3.2 if len(groups) == 1 else 0.6 + 1.9 * len(groups)
        figure = Figure(figsize=(7.2, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(groups), 2, sharex=True, sharey=True, squeeze=False)
        pairs = [one[:, order] for pair in zip(data, predicted, strict=True) for one in pair]
        images = draw_rates(axes.ravel(), pairs, span_s)
        colour_bar(figure, images[0], axes, "average rate / mean rate")
        for row, (name, index) in zip(axes, groups.items(), strict=True):
            row[0].set_title(f"data: {name}{len(index)} trials", loc="left")
            row[1].set_title("prediction: the same trials", loc="left")
        label_panels(axes, regions[order], span_s, align, grouped=sort == "region")
        smoothed_ms = SMOOTHING_BINS * bin_size_s * 1000
        notes = [f"sorted by {sort} of the data" if sort == "similarity" else f"sorted by {sort}"]
        notes += [f"smoothed ({smoothed_ms:g} ms)", *left_out]
        figure.suptitle("\n".join(filter(None, [title, ", ".join(notes)])), fontsize=8.5, x=0.01, ha="left")
        path = Path(path)
        figure.savefig(path, dpi=220, format="png")
    return path


def _conditions(n_trials: int, trials: pd.DataFrame | None, by: str | None) -> tuple[dict[str, np.ndarray], list[str]]:
    """Trials of every condition by its title, and what is left out, in words."""
    if by is None:
        return {"": np.arange(n_trials)}, []
    known = [] if trials is None else [str(name) for name in trials.columns]
    if trials is None or by not in known:
        raise DataError(f"The trials have no column '{by}' to average by.{did_you_mean(by, known)}")
    values = trials[by].reset_index(drop=True)
    groups = {f"{by} = {_shown(value)}, ": index.to_numpy() for value, index in values.groupby(values).groups.items()}
    if not 1 <= len(groups) <= MAX_CONDITIONS:
        raise DataError(
            f"The column '{by}' has {len(groups)} different values in these {n_trials} trials. Average by a column "
            f"with 1 to {MAX_CONDITIONS}."
        )
    n_missing = n_trials - sum(map(len, groups.values()))
    return groups, [f"{n_missing} trials without {by} left out"] if n_missing else []


def _shown(value: object) -> str:
    """The value of a condition without a needless decimal point."""
    return f"{value:g}" if isinstance(value, float) else str(value)
