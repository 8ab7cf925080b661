"""What `spikeglot translate` says in a terminal: scores of a translation, and the region matrix in short."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from rich.markup import escape
from rich.table import Table

from spikeglot.viz.matrix import one_session, square, without_spikes

NULLS = {"test": "test mean", "train": "training mean"}
BEST = "\n "
HEADS = (
    "\nunits",
    "from\nitself",
    "from best\nother",
    BEST,
    "ridge,\nthe same",
    "median of\nothers",
    "without\nspikes",
)
"""Columns of the short matrix; `BEST` has the name of the best source."""


def translation_table(all_scores: Iterable[pd.DataFrame]) -> Table:
    """Return bits per spike of every session's translation: mean over units and pooled, against both nulls."""
    table = Table(box=None, pad_edge=False)
    table.add_column("bits per spike", no_wrap=True)
    for name in NULLS.values():
        table.add_column(f"vs {name}\n  mean pooled", justify="right", no_wrap=True)
    table.add_column("units\nscored", justify="right")
    for scores in all_scores:
        table.add_row(f"[dim]{escape(scores['session_id'].iloc[0])}[/]")
        summary = scores.loc[scores["aggregation"] != "unit"]
        keys = zip(summary["model"], summary["metric"], summary["null"], summary["aggregation"], strict=True)
        values = dict(zip(keys, summary["value"], strict=True))
        for model in dict.fromkeys(scores["model"]):
            pairs = [
                " ".join(_number(values[model, "bits_per_spike", null, name]) for name in ("mean", "pooled"))
                for null in NULLS
            ]
            n_units = values[model, "n_units", "", "count"]
            n_left_out = values[model, "n_units_left_out", "", "count"]
            table.add_row(f"  {escape(model)}", *pairs, f"{n_units:.0f} of {n_units + n_left_out:.0f}")
    return table


def matrix_table(matrix: pd.DataFrame) -> Table:
    """Return the matrix in short, one row per target: from itself, from the best other region, and without spikes.

    Bits per spike against the test mean, mean over units.
    """
    rows = one_session(matrix)
    model, ridge, known = (
        square(rows, "mtm", "test", "mean"),
        square(rows, "ridge", "test", "mean"),
        without_spikes(rows, "test", "mean"),
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("bits per spike\npredicted", no_wrap=True)
    for head in HEADS:
        table.add_column(head, justify="left" if head == BEST else "right", no_wrap=True)
    n_units = rows.groupby("source")["n_source_units"].first()
    for place, target in enumerate(map(str, model.columns)):
        values, of_ridge = model[target].to_numpy(), ridge[target].to_numpy()
        others = np.delete(values, place)
        name, best = "", place
        if np.isfinite(others).any():
            best = int(np.nanargmax(np.where(np.arange(len(values)) == place, np.nan, values)))
            name = f"from {escape(str(model.index[best]))}"
        table.add_row(
            escape(target),
            str(n_units[target]),
            _number(values[place]),
            _number(values[best] if name else np.nan),
            name,
            _number(of_ridge[best] if name else np.nan),
            _number(np.nanmedian(others) if name else np.nan),
            _number(known[target].to_numpy()[place]),
        )
    return table


def _number(value: float) -> str:
    return "     -" if np.isnan(value) else f"{value:6.3f}".replace("-0.000", " 0.000")
