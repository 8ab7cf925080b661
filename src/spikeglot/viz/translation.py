"""What `spikeglot translate` says in a terminal: scores of a translation, and the region matrix in short."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from rich.markup import escape
from rich.table import Table

from spikeglot.viz.matrix import one_session, square

NULLS = {"test": "test mean", "train": "training mean"}


def translation_table(all_scores: Iterable[pd.DataFrame]) -> Table:
    """Return bits per spike of every session's translation: mean over units and pooled, against both nulls."""
    table = Table(box=None, pad_edge=False)
    table.add_column("bits per spike", no_wrap=True)
    for name in NULLS.values():
        table.add_column(f"vs {name}\n  mean pooled", justify="right", no_wrap=True)
    table.add_column("units\nscored", justify="right")
    for scores in all_scores:
        table.add_row(f"[dim]{escape(scores['session_id'].iloc[0])}[/]")
        values = scores[scores["aggregation"] != "unit"].set_index(["model", "metric", "null", "aggregation"])["value"]
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
    """Return the matrix in short, one row per target: from itself, from the best other region, and from nothing.

    Bits per spike against the test mean, mean over units.
    """
    rows = one_session(matrix)
    model, ridge, blind = (square(rows, name, "test", "mean") for name in ("mtm", "ridge", "mtm-blind"))
    table = Table(box=None, pad_edge=False)
    table.add_column("bits per spike\npredicted", no_wrap=True)
    for head in (
        "\nunits",
        "from\nitself",
        "from best\nother",
        "\n ",
        "ridge,\nthe same",
        "median of\nothers",
        "from\nnothing",
    ):
        table.add_column(head, justify="left" if head == "\n " else "right", no_wrap=True)
    n_units = rows.groupby("source")["n_source_units"].first()
    for target in model.columns:
        others = model[target].drop(target)
        best = others.idxmax() if others.notna().any() else None
        table.add_row(
            escape(target),
            str(n_units[target]),
            _number(model.loc[target, target]),
            _number(others[best]) if best else "-",
            f"from {escape(best)}" if best else "",
            _number(ridge.loc[best, target]) if best else "-",
            _number(others.median()),
            _number(blind.loc[target, target]),
        )
    return table


def _number(value: float) -> str:
    return "     -" if np.isnan(value) else f"{value:6.3f}".replace("-0.000", " 0.000")
