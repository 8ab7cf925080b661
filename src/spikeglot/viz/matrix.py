"""The region matrix as a heat map: the model, the baseline, and what seeing the source adds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spikeglot.errors import DataError
from spikeglot.viz.panels import STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

NOT_DEFINED = "0.75"
"""Grey of a pair without a score."""
MAX_NUMBERED = 16
"""Regions up to which every cell holds its number."""
CELL_IN, SMALL_CELL_IN, NAMES_IN = 0.27, 0.16, 1.1
"""Size of a cell with and without its number, and room for the names of regions, in inches."""


def plot_region_matrix(
    matrix: pd.DataFrame,
    path: str | Path,
    *,
    null: str = "test",
    aggregation: str = "mean",
    session_id: str | None = None,
    title: str = "",
) -> Path:
    """Draw bits per spike of every target from every source, and save the figure as PNG.

    Panels: the model; ridge regression; the model less what is known without spikes (`without_spikes`). Red is better
    than the unit's mean rate (in the last panel: than no spikes), blue worse, grey not defined; all on one scale,
    whose middle is 0. Cells on the diagonal, where each unit is predicted from the others of its region, are framed.

    Parameters
    ----------
    matrix:
        Rows of `region_matrix`.
    null, aggregation:
        Which number of a pair: null "test" or "train", aggregation "mean" (over units) or "pooled".
    session_id:
        The session; by default the rows over all sessions, or those of the only one.

    Raises
    ------
    DataError
        No row of the model for this number and session.
    """
    panels = _panels(matrix, null, aggregation, session_id)
    model = panels["model"]
    n = len(model)
    limit = max(0.01, *(np.nanmax(np.abs(one), initial=0.0) for one in (p.to_numpy() for p in panels.values())))

    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    side_in = max((CELL_IN if n <= MAX_NUMBERED else SMALL_CELL_IN) * n, 1.6)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(len(panels) * (side_in + 0.25) + NAMES_IN + 0.6, side_in + 1.75), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        images = [_panel(ax, name, one, limit) for ax, (name, one) in zip(axes, panels.items(), strict=True)]
        axes[0].set_ylabel("predicted from (units)")
        n_units = one_session(matrix, session_id).groupby("source")["n_source_units"].first()
        axes[0].set_yticks(range(n), [f"{name} ({n_units[name]})" for name in model.index])
        bar = figure.colorbar(images[0], ax=list(axes), aspect=30, pad=0.01, shrink=0.9)
        bar.set_label("bits per spike")
        notes = f"{_words(null, aggregation)}; framed: each unit from the others of its region"
        if any(one.isna().to_numpy().any() for one in panels.values()):
            notes += "; grey: not defined"
        figure.suptitle("\n".join(filter(None, [title, notes])), fontsize=8.5, x=0.01, ha="left")
        path = Path(path)
        figure.savefig(path, dpi=200, format="png")
    return path


def square(matrix: pd.DataFrame, model: str, null: str, aggregation: str) -> pd.DataFrame:
    """Return one number of every pair as a table: sources in rows, targets in columns, all regions in both."""
    wanted = (matrix["model"] == model) & (matrix["null"] == null) & (matrix["aggregation"] == aggregation)
    rows = matrix.loc[wanted]
    names = sorted({*matrix["source"], *matrix["target"]})
    return rows.pivot(index="source", columns="target", values="value").reindex(index=names, columns=names)


def one_session(matrix: pd.DataFrame, session_id: str | None = None) -> pd.DataFrame:
    """Return the rows of a session; by default those over all sessions, or those of the only one."""
    if session_id is None:
        session_id = "" if "" in set(matrix["session_id"]) else next(iter(matrix["session_id"]), "")
    return matrix.loc[matrix["session_id"] == session_id]


def without_spikes(matrix: pd.DataFrame, null: str, aggregation: str) -> pd.DataFrame:
    """Return the better of what is known without a spike of the test trials: the blind model, or time alone.

    A model that never saw nothing while it was trained may be worse than time alone when it sees nothing.
    """
    blind, drift = (square(matrix, name, null, aggregation) for name in ("mtm-blind", "drift"))
    return blind.where(blind >= drift, drift)


def _panels(matrix: pd.DataFrame, null: str, aggregation: str, session_id: str | None) -> dict[str, pd.DataFrame]:
    """Every panel's numbers, sources in rows and targets in columns."""
    rows = one_session(matrix, session_id)
    model = square(rows, "mtm", null, aggregation)
    if model.isna().to_numpy().all():
        raise DataError(
            f"There is nothing to draw: the matrix has no bits per spike of the model for null '{null}', aggregation "
            f"'{aggregation}'" + (f" and session '{session_id}'." if session_id else ".")
        )
    panels = {"model": model}
    known = set(rows["model"])
    if "ridge" in known:
        panels["ridge regression"] = square(rows, "ridge", null, aggregation)
    if {"mtm-blind", "drift"} <= known:
        panels["what seeing the source adds"] = model - without_spikes(rows, null, aggregation)
    return panels


def _panel(ax: Axes, name: str, values: pd.DataFrame, limit: float) -> AxesImage:
    from matplotlib.patches import Rectangle

    numbers = values.to_numpy(dtype=np.float64)
    ax.set_facecolor(NOT_DEFINED)
    image = ax.imshow(np.ma.masked_invalid(numbers), cmap="RdBu_r", vmin=-limit, vmax=limit)
    ax.set_title(name, loc="left")
    ax.set_xlabel("predicted region")
    ax.set_xticks(range(len(values)), list(values.columns), rotation=90)
    ax.tick_params(length=0)
    for i in range(len(values)):
        ax.add_patch(Rectangle((i - 0.5, i - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=0.7))
    if len(values) <= MAX_NUMBERED:
        for (row, column), value in np.ndenumerate(numbers):
            _number(ax, row, column, value, limit)
    return image


def _number(ax: Axes, row: int, column: int, value: float, limit: float) -> None:
    if np.isfinite(value):
        text: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 5.5}
        shown = f"{value:.2f}".replace("-0.00", "0.00").replace("0.", ".", 1)
        ax.text(column, row, shown, color="white" if abs(value) > 0.6 * limit else "black", **text)


def _words(null: str, aggregation: str) -> str:
    averaged = "mean over units" if aggregation == "mean" else "units pooled"
    return f"{averaged}, against the {'test' if null == 'test' else 'training'} mean"
