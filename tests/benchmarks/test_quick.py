"""The whole benchmark at tiny sizes: every part runs, and the table and the file say what they should."""

import json
import math

import pytest

from benchmarks.__main__ import main
from benchmarks.timing import in_turn


def measured(parts, tmp_path):
    """Return the rows of some parts at tiny sizes, and what is kept beside them."""
    out = main(["--quick", "--device", "cpu", "--out", str(tmp_path / "quick.json"), "--parts", *parts])
    result = json.loads(out.read_text())
    assert all(math.isfinite(row["value"]) for row in result["rows"])
    return result["rows"], result["machine"], out


def test_what_is_computed_here_is_measured_and_kept(tmp_path, capsys):
    rows, machine, out = measured(("training", "shares", "curve", "evaluation"), tmp_path)
    assert {"commit", "device", "torch", "n_threads", "date"} <= machine.keys()
    parts = {row["part"] for row in rows}
    assert parts == {"ceiling", "training step", "share of a step", "loss curve", "evaluation", "fine-tuning"}
    assert all(row["value"] > 0 for row in rows if row["part"] != "share of a step")
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


@pytest.mark.slow
def test_what_takes_processes_of_its_own_is_measured(tmp_path):
    rows, _, _ = measured(("memory", "data", "scaling", "ranks"), tmp_path)
    parts = [row["part"] for row in rows]
    assert set(parts) - {"evaluation memory"} == {"ceiling", "data", "fine-tuning", "import", "ranks", "scaling"}
    assert parts.count("evaluation memory") in (0, 2), "not every system tells"
    assert all(row["value"] > 0 for row in rows if row["part"] not in ("import", "evaluation memory"))


def test_ways_take_turns_and_the_first_run_does_not_count():
    order = []
    seconds = in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, repeats=3)
    assert order == ["a", "b"] * 4
    assert seconds.keys() == {"a", "b"}
