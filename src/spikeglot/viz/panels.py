"""Pieces of figures in which every row is a unit: colours of rates, names of regions, order of units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

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
STYLE: dict[Any, Any] = {
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


def smooth(mean_rate: np.ndarray) -> np.ndarray:
    """Return a rate (time, unit) smoothed over time as averages over trials are."""
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(mean_rate, SMOOTHING_BINS, axis=0, mode="nearest")


def draw_rates(
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


def region_colours(regions: np.ndarray, distinct: bool = False) -> dict[str, str]:
    """Return a colour per region, in the order of names; they repeat unless they must be ``distinct``."""
    names = sorted(set(regions), key=lambda name: (name == "", name))
    if distinct and len(names) > len(REGION_COLOURS):
        from matplotlib import colormaps
        from matplotlib.colors import to_hex

        places = np.linspace(0.05, 0.95, len(names))
        return {name: to_hex(colormaps["turbo"](at)) for name, at in zip(names, places, strict=True)}
    return {name: REGION_COLOURS[i % len(REGION_COLOURS)] for i, name in enumerate(names)}


def label_panels(
    axes: np.ndarray, regions: np.ndarray, span_s: tuple[float, float], align: str, *, grouped: bool = True
) -> None:
    """Label the axes, name the regions, and draw the event.

    ``grouped``: the units of a region stand together, with its name beside them and a line below; otherwise a legend
    below the figure names them.
    """
    first = np.flatnonzero(np.r_[True, regions[1:] != regions[:-1]])
    for ax in axes.flat:
        for edge in first[1:] if grouped else ():
            ax.axhline(edge, color="black", linewidth=0.3)
        if span_s[0] < 0 < span_s[1]:
            ax.axvline(0, color="black", linewidth=0.6, linestyle=(0, (3, 2)))
        ax.set(xlim=span_s, ylim=(len(regions), 0), yticks=[])
        ax.locator_params(axis="x", nbins=5)
    colours = region_colours(regions, distinct=not grouped)
    for ax in axes[:, 0]:
        _region_strip(ax, regions, first, colours)
        if grouped and ax is axes[0, 0]:
            _name_regions(ax, regions, first, colours)
        ax.set_ylabel(f"{len(regions)} units", labelpad=44 if grouped else 12)
    for ax in axes[-1]:
        ax.set_xlabel(f"time from {align} (s)" if align else "time in window (s)")
    if not grouped:
        _region_legend(axes[0, 0].figure, colours)


def _region_strip(axes: Axes, regions: np.ndarray, first: np.ndarray, colours: dict[str, str]) -> None:
    """Draw a strip in the colours of the regions left of the panel, from each unit in ``first`` to the next."""
    beside = axes.get_yaxis_transform()  # x as a share of the panel, y in units
    for start, stop in zip(first, np.append(first[1:], len(regions)), strict=True):
        axes.plot(
            [-0.02, -0.02],
            [start, stop],
            transform=beside,
            color=colours[str(regions[start])],
            linewidth=4,
            solid_capstyle="butt",
            clip_on=False,
        )


def _name_regions(axes: Axes, regions: np.ndarray, first: np.ndarray, colours: dict[str, str]) -> None:
    """Write the names of the regions beside their strips, apart enough to read."""
    beside = axes.get_yaxis_transform()
    names = [str(regions[u]) for u in first]
    middle = (first + np.append(first[1:], len(regions))) / 2
    for name, at, text_at in zip(names, middle, apart(middle, LABEL_GAP * len(regions)), strict=True):
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


def _region_legend(figure: Figure, colours: dict[str, str]) -> None:
    """Name the colours of the regions below the figure."""
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=colour, linewidth=4) for colour in colours.values()]
    names = [name or "(none)" for name in colours]
    figure.legend(lines, names, loc="outside lower center", ncols=min(len(names), 8), frameon=False)


def apart(at: np.ndarray, gap: float) -> np.ndarray:
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


def colour_bar(figure: Figure, image: AxesImage, axes: Axes | np.ndarray, label: str) -> None:
    """Draw the colours of relative rates beside the panels, with ticks at the ends and in the middle."""
    bar = figure.colorbar(image, ax=axes, aspect=30, pad=0.02, extend="both", extendfrac=0.03)
    low, high = image.get_clim()
    bar.set_ticks([low, 1, high], labels=[f"{low:.2f}", "1", f"{high:.2f}"])
    bar.minorticks_off()
    bar.set_label(label)
