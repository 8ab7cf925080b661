"""The summary of a decoding table: decoders in rows, metrics and their intervals in columns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from spikeglot.evaluation.decoding.scores import LEFT_OUT

if TYPE_CHECKING:
    from rich.table import Table

NAMES = ["decoder", "features", "prompt"]
SHUFFLED = "shuffled"


def summary_frame(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per decoder, features and prompt: means over the sessions.

    The columns are, per metric, "<metric>", its interval "<metric> ci_low" and "<metric> ci_high" (from two sessions
    on), "<metric> over counts" (the gain over the same decoder on raw counts) and "<metric> shuffled" (the control).
    """
    rows = table.loc[table["aggregation"].isin(["mean", "ci_low", "ci_high"])]
    kinds = zip(rows["metric"], rows["labels"], rows["aggregation"], rows["null"], strict=True)
    rows = rows.assign(column=[_column(*kind) for kind in kinds]).dropna(subset="column")
    frame = rows.pivot(index=NAMES, columns="column", values="value").rename_axis(columns=None)
    order = rows.drop_duplicates(NAMES).set_index(NAMES).index
    return frame.reindex(index=order, columns=list(dict.fromkeys(rows["column"]))).reset_index()


def _column(metric: str, labels: str, aggregation: str, null: str) -> str | None:
    """The column of the summary that a row over sessions stands in."""
    if labels == SHUFFLED:
        return f"{metric} shuffled" if aggregation == "mean" else None
    if null == "counts":
        return f"{metric} over counts" if aggregation == "mean" else None
    return metric if aggregation == "mean" else f"{metric} {aggregation}"


def summary_table(table: pd.DataFrame) -> Table:
    """Return the `summary_frame` for the terminal: value, interval, gain over counts and control of every metric."""
    from rich.table import Table

    frame = summary_frame(table)
    metrics = [name for name in ("accuracy", "balanced_accuracy", "r2") if name in frame]
    n_sessions = table.loc[table["aggregation"] == "session", "session_id"].nunique()
    title = f"{table['target'].iloc[0]}, {n_sessions} session{'s' if n_sessions > 1 else ''}"
    shown = Table(box=None, pad_edge=False)
    shown.add_column(title, no_wrap=True)
    for metric in metrics:
        for head in (metric.replace("_", " "), "95 % interval", "over counts", "shuffled"):
            shown.add_column(head, justify="right")
    for row in frame.to_dict(orient="records"):
        cells = [" ".join(row[name] for name in NAMES if row[name])]
        for metric in metrics:
            value, low, high, gain, control = (
                _number(row.get(metric + end)) for end in ("", " ci_low", " ci_high", " over counts", " shuffled")
            )
            cells += [value, f"{low} {high}" if low else "", gain, control]
        shown.add_row(*cells)
    return shown


def left_out_lines(table: pd.DataFrame) -> list[str]:
    """Return a line per reason why trials have no score: of which decoder, how many, in which sessions."""
    rows = table.loc[table["metric"] == LEFT_OUT].to_dict(orient="records")
    lines: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for row in rows:
        lines.setdefault((row["decoder"], row["reason"]), []).append((int(row["value"]), row["session_id"]))
    return [
        f"Left out: {f'{decoder}: ' if decoder else ''}{sum(n for n, _ in where)} trials of "
        f"{', '.join(session_id for _, session_id in where)}: {reason}"
        for (decoder, reason), where in lines.items()
    ]


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.3f}"
