from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from spikeglot.errors import DataError
from spikeglot.evaluation.scores import COLUMNS
from spikeglot.evaluation.summary import summary_frame, summary_table


def rows(model: str, task: str, session_id: str, mean: float, pooled: float, left_out: int) -> list[tuple]:
    """Score rows of one model, task and session; against the training mean everything is 0.1 higher."""
    head, tail = (model, task), (session_id, "mouse", "", "", 100)
    return [
        (*head, "bits_per_spike", "test", "mean", *tail, mean),
        (*head, "bits_per_spike", "test", "pooled", *tail, pooled),
        (*head, "bits_per_spike", "train", "mean", *tail, mean + 0.1),
        (*head, "bits_per_spike", "train", "pooled", *tail, pooled + 0.1),
        (*head, "poisson_d2", "test", "mean", *tail, 9.0),
        (*head, "n_units_left_out", "", "count", *tail, left_out),
    ]


def make_frame(*parts: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame([row for part in parts for row in part], columns=list(COLUMNS))


@pytest.fixture
def frame() -> pd.DataFrame:
    return make_frame(
        rows("ours", "forward", "s1", 0.3, 0.2, 1),
        rows("ours", "co-smoothing", "s1", 0.5, 0.3, 0),
        rows("ridge", "forward", "s1", 0.1, 0.25, 1),
    )


def test_models_in_rows_and_tasks_in_columns(frame):
    table = summary_frame(frame)
    assert table.index.tolist() == ["ours", "ridge"]
    assert table.columns.tolist() == [
        f"{task} {what}"
        for task in ("co-smoothing", "forward")
        for what in ("test mean", "test pooled", "train mean", "train pooled", "left out")
    ]
    assert table.loc["ours", "forward test mean"] == 0.3
    assert table.loc["ours", "forward train pooled"] == pytest.approx(0.3)
    assert table.loc["ridge", "forward left out"] == 1
    assert np.isnan(table.loc["ridge", "co-smoothing test mean"])


def test_several_sessions_are_averaged(frame):
    both = pd.concat([frame, make_frame(rows("ours", "forward", "s2", 0.5, 0.4, 2))], ignore_index=True)
    table = summary_frame(both)
    assert table.loc["ours", "forward test mean"] == pytest.approx(0.4)
    assert table.loc["ours", "forward left out"] == 3


def test_a_model_scored_twice_is_refused(frame):
    with pytest.raises(DataError, match="'ours', 'ridge' twice"):
        summary_frame(pd.concat([frame, frame], ignore_index=True))


def cells(view, column):
    return [cell for cell in view.columns[column].cells if cell]


def test_the_best_of_every_column_is_bold(frame):
    view = summary_table(frame)
    assert cells(view, -1) == [
        "[bold green] 0.300[/]  0.200",
        " 0.100 [bold green] 0.250[/]",
        "[bold green] 0.400[/]  0.300",
        " 0.200 [bold green] 0.350[/]",
        "1",
        "1",
    ]
    assert cells(view, 1)[1] == "     -      -"
    assert cells(view, 1)[-2:] == ["0", "-"]
    assert cells(view, 0) == [
        *("[dim]vs test mean[/]", "  ours", "  ridge", "[dim]vs training mean[/]", "  ours", "  ridge"),
        *("[dim]units left out[/]", "  ours", "  ridge"),
    ]


def test_the_oracle_does_not_compete(frame):
    view = summary_table(pd.concat([frame, make_frame(rows("oracle", "forward", "s1", 0.9, 0.9, 1))]))
    forward = cells(view, -1)
    assert forward[0] == "[bold green] 0.300[/]  0.200"
    assert forward[2] == " 0.900  0.900"


def test_the_view_fits_a_terminal(frame):
    parts = [
        rows(m, t, "s1", -0.2, 0.1, 12)
        for m in ("ours", "smoothed-counts")
        for t in ("co-smoothing", "inter-region", "intra-region", "forward")
    ]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(summary_table(make_frame(*parts)))
    text = console.export_text()
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert any("smoothed-counts" in line and line.count("-0.200  0.100") == 4 for line in lines)
    assert "…" not in text
    assert lines[-1].split() == ["every", "model", "12", "12", "12", "12"]
