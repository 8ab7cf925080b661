"""The whole benchmark at tiny sizes: every part runs, and the table and the file say what they should."""

import json
import math

from benchmarks.__main__ import main
from benchmarks.timing import in_turn


def test_everything_runs_and_is_kept(tmp_path, capsys):
    parts = ("training", "shares", "curve", "evaluation", "memory", "data", "scaling")
    out = main(["--quick", "--device", "cpu", "--out", str(tmp_path / "quick.json"), "--parts", *parts])
    result = json.loads(out.read_text())
    assert {"commit", "device", "torch", "n_threads", "date"} <= result["machine"].keys()
    rows = result["rows"]
    parts = [row["part"] for row in rows]
    measured = {
        "ceiling",
        "training step",
        "share of a step",
        "loss curve",
        "evaluation",
        "data",
        "fine-tuning",
        "import",
        "scaling",
    }
    assert set(parts) - {"evaluation memory"} == measured
    assert len([row for row in rows if row["part"] == "evaluation memory" and row["value"] >= 0]) in (0, 2)
    assert all(math.isfinite(row["value"]) for row in rows)
    may_be_zero = ("import", "share of a step", "evaluation memory")
    assert all(row["value"] > 0 for row in rows if row["part"] not in may_be_zero)
    for row in rows:
        if row["part"] in ("training step", "evaluation"):
            assert row["times_reference"] > 0
            assert row["of_ceiling"] > 0
            assert row["what"].endswith("reference") == (row["times_reference"] == 1)
    curves = {row["precision"]: row["value"] for row in rows if row["part"] == "loss curve"}
    assert curves["float32"] < 1e-4
    assert 0 < curves["bfloat16"] < 0.01
    shown = capsys.readouterr().out
    assert "training step" in shown
    assert str(out.name) in shown


def test_ways_take_turns_and_the_first_run_does_not_count():
    order = []
    seconds = in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, repeats=3)
    assert order == ["a", "b"] * 4
    assert seconds.keys() == {"a", "b"}
