"""Measure, print one table, and keep it: ``python -m benchmarks [--quick] [--parts PART ...] [--out FILE]``.

Every result holds the ceilings of the machine, measured in the same run. `benchmarks.page` puts kept results into the
documentation.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.ceilings import ceilings
from benchmarks.compiler import compiler_rows
from benchmarks.curve import curve_rows
from benchmarks.data import data_rows
from benchmarks.evaluation import evaluation_rows
from benchmarks.machine import ROOT, describe, name_of
from benchmarks.memory import memory_rows
from benchmarks.ranks import ranks_rows
from benchmarks.rows import Row
from benchmarks.scaling import scaling_rows
from benchmarks.shares import share_rows
from benchmarks.sizes import PAPER, QUICK
from benchmarks.training import training_rows
from spikeglot.device import pick_device

PARTS = {
    "training": lambda size, device, rows: training_rows(size, device),
    "shares": lambda size, device, rows: share_rows(size, device),
    "curve": lambda size, device, rows: curve_rows(size, device),
    "evaluation": lambda size, device, rows: evaluation_rows(size, device),
    "memory": lambda size, device, rows: memory_rows(size),
    "data": lambda size, device, rows: data_rows(size, rows),
    "scaling": scaling_rows,
    "compiler": compiler_rows,
    "ranks": lambda size, device, rows: ranks_rows(size),
}
USUAL = ("training", "shares", "curve", "evaluation", "memory", "data")


def main(words: list[str] | None = None) -> Path:
    """Run, and return the file that was written."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, seconds: shows that everything runs")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--out", type=Path, help="JSON file (default: benchmarks/results/MACHINE.json)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=USUAL, help=f"default: {' '.join(USUAL)}")
    given = parser.parse_args(words)
    device, size = pick_device(given.device), QUICK if given.quick else PAPER
    rows = ceilings(size, device)
    for part in given.parts:
        rows += PARTS[part](size, device, rows)
    machine = describe(device)
    own = () if tuple(given.parts) == USUAL else given.parts
    name = "quick" if given.quick else "-".join((name_of(device), *own))
    out = given.out or ROOT / "benchmarks" / "results" / f"{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    result = {"machine": machine, "size": asdict(size), "rows": [asdict(row) for row in rows]}
    out.write_text(json.dumps(result, indent=1) + "\n")
    console = Console(width=140)
    console.print(table(rows))
    console.print(", ".join(f"{key} {value}" for key, value in machine.items()))
    console.print(f"Written: {out}")
    return out


def table(rows: list[Row]) -> Table:
    """Return all rows as one table."""
    shown = Table("part", "what", "precision", "value", "unit", "of ceiling", "x reference", "note", box=None)
    for row in rows:
        share = "" if row.of_ceiling is None else f"{row.of_ceiling:.0%}"
        ratio = "" if row.times_reference is None else f"{row.times_reference:.2f}"
        shown.add_row(row.part, row.what, row.precision, f"{row.value:.4g}", row.unit, share, ratio, row.note)
    return shown


if __name__ == "__main__":
    main()
