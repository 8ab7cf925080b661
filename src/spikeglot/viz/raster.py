"""Recorded activity next to predicted rates, of all units of a session: trial averages and single trials."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spikeglot.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

REGION_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C7B00", "#555555")
"""Colours that people with any colour vision tell apart (Okabe and Ito 2008, the yellow darkened)."""
SMOOTHING_BINS = 1.5
"""Standard deviation of the Gaussian that smooths averages over trials, in bins."""
LABEL_GAP = 0.032
"""Least distance of two region names, as a share of the panel's height."""


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
    _check(counts, log_rates, regions)
    unit_mean = np.maximum(counts.mean(axis=(0, 1)), 1e-12)
    predicted = np.exp(log_rates.astype(np.float64)) / unit_mean
    mean_data, mean_predicted = _smooth(counts.mean(axis=0) / unit_mean), _smooth(predicted.mean(axis=0))
    order = _unit_order(mean_data, mean_predicted, regions)
    n_single = min(n_single_trials, len(counts))
    trials = np.linspace(0, len(counts) - 1, n_single + 2).round().astype(int)[1:-1]
    span_s = (start_s, start_s + counts.shape[1] * bin_size_s)

    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 3.4 + 1.5 * n_single), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(
            1 + n_single, 2, sharex=True, sharey=True, squeeze=False, height_ratios=[2.6] + [1.0] * n_single
        )
        means = (mean_data[:, order], mean_predicted[:, order])
        images = _images(axes[0], means, span_s)
        _colour_bar(figure, images[0], axes[0, 1], "average rate / mean rate")
        if n_single:
            images = _images(axes[1:, 1], predicted[trials][:, :, order], span_s)
            _colour_bar(figure, images[0], axes[1:, 1], "rate / mean rate")
        for row, trial in zip(axes[1:], trials, strict=True):
            _spikes(row[0], counts[trial][:, order], regions[order], span_s)
        smoothed_ms = SMOOTHING_BINS * bin_size_s * 1000
        axes[0, 0].set_title(f"data: mean of {len(counts)} trials, smoothed ({smoothed_ms:g} ms)", loc="left")
        axes[0, 1].set_title("prediction: mean of the same trials, smoothed", loc="left")
        for row, trial in zip(axes[1:], trials, strict=True):
            row[0].set_title(f"spikes in trial {trial}", loc="left")
            row[1].set_title(f"predicted rates in trial {trial}", loc="left")
        _label(axes, regions[order], span_s, align)
        if title:
            figure.suptitle(title, fontsize=9.5, fontweight="bold", x=0.01, ha="left")
        path = Path(path)
        figure.savefig(path, dpi=220, format="png")
    return path


_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 7.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
}


def _check(counts: np.ndarray, log_rates: np.ndarray, regions: np.ndarray) -> None:
    if counts.ndim != 3 or counts.shape != log_rates.shape or regions.shape != counts.shape[2:]:
        raise DataError(
            f"A raster needs counts and log-rates (trial, time, unit) of one size and a region per unit; got "
            f"{counts.shape}, {log_rates.shape} and {regions.shape}. Use the same trials and units for all."
        )
    if 0 in counts.shape:
        raise DataError(f"There is nothing to draw in counts of {counts.shape} (trial, time, unit).")


def _unit_order(data: np.ndarray, predicted: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Order of units by region, then by the angle of their mean responses in the plane of most variance."""
    shape = np.concatenate([_standard(data), _standard(predicted)])  # (2 time, unit)
    order = []
    for region in sorted(set(regions), key=lambda r: (r == "", r)):
        units = np.flatnonzero(regions == region)
        _, size, direction = np.linalg.svd(shape[:, units], full_matrices=False)
        x, y = (size[:, None] * direction)[[0, min(1, len(size) - 1)]]
        order.append(units[np.argsort(np.arctan2(y, x), kind="stable")])
    return np.concatenate(order)


def _standard(profile: np.ndarray) -> np.ndarray:
    spread = profile.std(axis=0)
    return (profile - profile.mean(axis=0)) / np.where(spread > 0, spread, 1)


def _smooth(mean_rate: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(mean_rate, SMOOTHING_BINS, axis=0, mode="nearest")


def _images(
    axes: np.ndarray, relative: Sequence[np.ndarray] | np.ndarray, span_s: tuple[float, float]
) -> list[AxesImage]:
    """Draw rates relative to units' means, one (time, unit) per panel, on one logarithmic colour scale."""
    from matplotlib.colors import LogNorm

    clipped = np.clip(np.stack(list(relative)), 0.02, 50)
    factor = float(np.clip(np.exp(np.percentile(np.abs(np.log(clipped)), 97)), 1.2, 8))
    return [
        ax.imshow(
            one.T,
            extent=(*span_s, one.shape[1], 0),
            aspect="auto",
            interpolation="antialiased",
            interpolation_stage="rgba",
            cmap="RdBu_r",
            norm=LogNorm(1 / factor, factor),
        )
        for ax, one in zip(axes, clipped, strict=True)
    ]


def _spikes(axes: Axes, counts: np.ndarray, regions: np.ndarray, span_s: tuple[float, float]) -> None:
    """Draw a dash over each bin (time, unit) with spikes, in the colour of the unit's region."""
    time, unit = np.nonzero(counts)
    colour = _region_colours(regions)
    edges_s = np.linspace(*span_s, len(counts) + 1)
    axes.hlines(
        unit + 0.5,
        edges_s[time],
        edges_s[time + 1],
        colors=[colour[regions[u]] for u in unit],
        linewidth=np.clip(75 / counts.shape[1], 0.35, 3.0),
    )


def _region_colours(regions: np.ndarray) -> dict[str, str]:
    names = dict.fromkeys(regions)
    return {name: REGION_COLOURS[i % len(REGION_COLOURS)] for i, name in enumerate(names)}


def _label(axes: np.ndarray, regions: np.ndarray, span_s: tuple[float, float], align: str) -> None:
    """Label the axes, name the regions, and draw the lines between them and at the event."""
    first = np.flatnonzero(np.r_[True, regions[1:] != regions[:-1]])
    for ax in axes.flat:
        for edge in first[1:]:
            ax.axhline(edge, color="black", linewidth=0.3)
        if span_s[0] < 0 < span_s[1]:
            ax.axvline(0, color="black", linewidth=0.6, linestyle=(0, (3, 2)))
        ax.set(xlim=span_s, ylim=(len(regions), 0), yticks=[])
        ax.locator_params(axis="x", nbins=5)
    for ax in axes[:, 0]:
        _name_regions(ax, regions, first, named=ax is axes[0, 0])
        ax.set_ylabel(f"{len(regions)} units", labelpad=44)
    for ax in axes[-1]:
        ax.set_xlabel(f"time from {align} (s)" if align else "time in window (s)")


def _name_regions(axes: Axes, regions: np.ndarray, first: np.ndarray, named: bool) -> None:
    """Draw a coloured strip per region left of the panel, and their names, apart enough to read."""
    colours = _region_colours(regions)
    last = np.append(first[1:], len(regions))
    names = [str(regions[u]) for u in first]
    beside = axes.get_yaxis_transform()  # x as a share of the panel, y in units
    for name, start, stop in zip(names, first, last, strict=True):
        axes.plot(
            [-0.02, -0.02],
            [start, stop],
            transform=beside,
            color=colours[name],
            linewidth=4,
            solid_capstyle="butt",
            clip_on=False,
        )
    if not named:
        return
    middle = (first + last) / 2
    for name, at, text_at in zip(names, middle, _apart(middle, LABEL_GAP * len(regions)), strict=True):
        axes.annotate(
            name or "(none)",
            xy=(-0.03, at),
            xytext=(-0.09, text_at),
            xycoords=beside,
            textcoords=beside,
            ha="right",
            va="center",
            fontsize=7.5,
            color=colours[name],
            fontweight="bold",
            arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": "0.5", "shrinkA": 1, "shrinkB": 0},
            annotation_clip=False,
        )


def _apart(at: np.ndarray, gap: float) -> np.ndarray:
    """Move ascending positions until neighbours are ``gap`` apart, each group around its own middle."""
    groups = [[float(x)] for x in at]
    i = 1
    while i < len(groups):
        if _spread(groups[i], gap)[0] - _spread(groups[i - 1], gap)[-1] < gap:
            groups[i - 1 : i + 1] = [groups[i - 1] + groups[i]]
            i = max(i - 1, 1)
        else:
            i += 1
    return np.concatenate([_spread(group, gap) for group in groups])


def _spread(group: list[float], gap: float) -> np.ndarray:
    return np.mean(group) + gap * (np.arange(len(group)) - (len(group) - 1) / 2)


def _colour_bar(figure: Figure, image: AxesImage, axes: Axes | np.ndarray, label: str) -> None:
    """Draw the colours of relative rates beside the panels, with ticks at the ends and in the middle."""
    bar = figure.colorbar(image, ax=axes, aspect=30, pad=0.02, extend="both", extendfrac=0.03)
    low, high = image.get_clim()
    bar.set_ticks([low, 1, high], labels=[f"{low:.2f}", "1", f"{high:.2f}"])
    bar.minorticks_off()
    bar.set_label(label)
