"""The summary of a score table: models and baselines in rows, tasks in columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spikeglot.errors import DataError
from spikeglot.evaluation.scores import KIND, summarise_sessions
from spikeglot.settings import TASKS

if TYPE_CHECKING:
    from rich.table import Table

NULLS = {"test": "test mean", "train": "training mean"}
AGGREGATIONS = ("mean", "pooled")
LEFT_OUT = "left out"
ORACLE = "oracle"
"""Name of the model that knows the true rates of simulated sessions."""


def summary_frame(scores: pd.DataFrame) -> pd.DataFrame:
    """Return bits per spike of every model in ``scores``: over all sessions, or of the only one.

    One row per model, in the order of ``scores``. The columns are, per task, "<task> <null> <aggregation>"
    with null "test" or "train" and aggregation "mean" (over units) or "pooled", and "<task> left out": the
    number of units without a score.

    Raises
    ------
    DataError
        A model is scored twice on a session.
    """
    twice = scores.duplicated([*KIND, "session_id", "unit_id"])
    if twice.any():
        names = ", ".join(f"'{name}'" for name in dict.fromkeys(scores.loc[twice, "model"]))
        raise DataError(f"The table scores {names} twice on the same session. Give every model its own name.")
    scores = summarise_sessions(scores)
    if "" in set(scores["session_id"]):
        scores = scores.loc[scores["session_id"] == ""]
    column = {}
    for task in TASKS:
        for null in NULLS:
            for aggregation in AGGREGATIONS:
                column[task, "bits_per_spike", null, aggregation] = f"{task} {null} {aggregation}"
        column[task, "n_units_left_out", "", "count"] = f"{task} {LEFT_OUT}"
    kinds = zip(scores["task"], scores["metric"], scores["null"], scores["aggregation"], strict=True)
    rows = scores.assign(column=[column.get(kind) for kind in kinds]).dropna(subset="column")
    table = rows.pivot(index="model", columns="column", values="value").rename_axis(columns=None)
    wanted = [name for (task, *_), name in column.items() if task in set(rows["task"])]
    return table.reindex(index=list(dict.fromkeys(rows["model"])), columns=wanted).rename_axis("model")


def summary_table(scores: pd.DataFrame) -> Table:
    """Return the `summary_frame` of ``scores`` for the terminal, in 80 characters.

    Every cell holds the mean over units and the pooled value, the best of a column in bold; the oracle of simulated
    data does not compete. Raises what `summary_frame` raises.
    """
    from rich.markup import escape
    from rich.table import Table

    frame = summary_frame(scores)
    tasks = [task for task in TASKS if f"{task} {LEFT_OUT}" in frame]
    table = Table(box=None, pad_edge=False)
    table.add_column("bits per spike", no_wrap=True)
    for task in tasks:
        table.add_column(f"{task}\n  mean pooled", justify="right", no_wrap=True)
    rivals = frame.drop(index=ORACLE, errors="ignore")
    for null, name in NULLS.items():
        table.add_row(f"[dim]vs {name}[/]")
        for model in frame.index:
            columns = [[f"{task} {null} {aggregation}" for aggregation in AGGREGATIONS] for task in tasks]
            cells = [_cell(frame.loc[model, pair], rivals[pair].max(), model != ORACLE) for pair in columns]
            table.add_row(f"  {escape(model)}", *cells)
    table.add_row("[dim]units left out[/]")
    left_out = frame[[f"{task} {LEFT_OUT}" for task in tasks]]
    if len(left_out.drop_duplicates()) == 1:
        left_out = left_out.iloc[:1].set_axis(["every model"])
    for model, numbers in left_out.iterrows():
        table.add_row(f"  {escape(str(model))}", *("-" if np.isnan(n) else f"{n:.0f}" for n in numbers))
    return table


def _cell(values: pd.Series, best: pd.Series, competes: bool) -> str:
    """Two values of one model, each in bold where no model has a better one."""
    return " ".join(_value(value, competes and value == top) for value, top in zip(values, best, strict=True))


def _value(value: float, is_best: bool) -> str:
    if np.isnan(value):
        return "     -"
    text = f"{value:6.3f}".replace("-0.000", " 0.000")
    return f"[bold green]{text}[/]" if is_best else text
