"""Recorded activity next to predicted rates, of all units of a session: trial averages and single trials."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spikeglot.errors import DataError
from spikeglot.viz.panels import SMOOTHING_BINS, STYLE, colour_bar, draw_rates, label_panels, region_colours, smooth
from spikeglot.viz.unit_order import by_region, standard

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_raster(
    counts: np.ndarray,
    log_rates: np.ndarray,
    regions: Sequence[str] | np.ndarray,
    path: str | Path,
    *,
    bin_size_s: float,
    start_s: float = 0.0,
    align: str = "",
    title: str = "",
    n_single_trials: int = 2,
) -> Path:
    """Draw recorded next to predicted activity and save the figure as PNG.

    On top the average over trials, data left and prediction right on one colour scale, both smoothed alike;
    below some single trials, spikes left and predicted rates right. Colours are rates relative to the mean
    rate of the unit in the data. Rows are units, the same in all panels: by region, and in a region by the
    shape of the average response in data and prediction together.

    Parameters
    ----------
    counts:
        (trial, time, unit) spikes per bin.
    log_rates:
        (trial, time, unit) log of the predicted spikes per bin.
    regions:
        (unit,) region of every unit, ``""`` where unknown.
    path:
        The file to write.
    start_s, align:
        Time of the first edge relative to the event, and the event's name for the axis.
    n_single_trials:
        Number of single trials, evenly over the session.

    Raises
    ------
    DataError
        Counts, predictions and regions of different sizes, or no trial or unit.
    """
    regions = np.asarray(regions, object)
    check_sizes(counts, log_rates, regions)
    unit_mean = np.maximum(counts.mean(axis=(0, 1)), 1e-12)
    predicted = np.exp(log_rates.astype(np.float64)) / unit_mean
    mean_data, mean_predicted = smooth(counts.mean(axis=0) / unit_mean), smooth(predicted.mean(axis=0))
    order = by_region(np.concatenate([standard(mean_data), standard(mean_predicted)]), regions)
    n_single = min(n_single_trials, len(counts))
    trials = np.linspace(0, len(counts) - 1, n_single + 2).round().astype(int)[1:-1]
    span_s = (start_s, start_s + counts.shape[1] * bin_size_s)

    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.4 + 1.5 * n_single), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(
            1 + n_single, 2, sharex=True, sharey=True, squeeze=False, height_ratios=[2.6] + [1.0] * n_single
        )
        means = (mean_data[:, order], mean_predicted[:, order])
        images = draw_rates(axes[0], means, span_s)
        colour_bar(figure, images[0], axes[0, 1], "average rate / mean rate")
        if n_single:
            images = draw_rates(axes[1:, 1], predicted[trials][:, :, order], span_s)
            colour_bar(figure, images[0], axes[1:, 1], "rate / mean rate")
        for row, trial in zip(axes[1:], trials, strict=True):
            _spikes(row[0], counts[trial][:, order], regions[order], span_s)
        smoothed_ms = SMOOTHING_BINS * bin_size_s * 1000
        axes[0, 0].set_title(f"data: mean of {len(counts)} trials, smoothed ({smoothed_ms:g} ms)", loc="left")
        axes[0, 1].set_title("prediction: mean of the same trials, smoothed", loc="left")
        for row, trial in zip(axes[1:], trials, strict=True):
            row[0].set_title(f"spikes in trial {trial}", loc="left")
            row[1].set_title(f"predicted rates in trial {trial}", loc="left")
        label_panels(axes, regions[order], span_s, align)
        if title:
            figure.suptitle(title, fontsize=9.5, fontweight="bold", x=0.01, ha="left")
        path = Path(path)
        figure.savefig(path, dpi=220, format="png")
    return path


def check_sizes(counts: np.ndarray, log_rates: np.ndarray, regions: np.ndarray) -> None:
    """Make sure that there is something to draw, and that its sizes agree."""
    if counts.ndim != 3 or counts.shape != log_rates.shape or regions.shape != counts.shape[2:]:
        raise DataError(
            f"A raster needs counts and log-rates (trial, time, unit) of one size and a region per unit; got "
            f"{counts.shape}, {log_rates.shape} and {regions.shape}. Use the same trials and units for all."
        )
    if 0 in counts.shape:
        raise DataError(f"There is nothing to draw in counts of {counts.shape} (trial, time, unit).")


def _spikes(axes: Axes, counts: np.ndarray, regions: np.ndarray, span_s: tuple[float, float]) -> None:
    """Draw a dash over each bin (time, unit) with spikes, in the colour of the unit's region."""
    time, unit = np.nonzero(counts)
    colour = region_colours(regions)
    edges_s = np.linspace(*span_s, len(counts) + 1)
    axes.hlines(
        unit + 0.5,
        edges_s[time],
        edges_s[time + 1],
        colors=[colour[regions[u]] for u in unit],
        linewidth=np.clip(75 / counts.shape[1], 0.35, 3.0),
    )
