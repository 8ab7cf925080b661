"""Put kept results into the documentation: ``python -m benchmarks.page`` writes the tables of docs/explain/speed.md.

A table stands between the comments ``<!-- table of NAME ...: PART, ... -->`` and ``<!-- end of table -->``. Names are
files of benchmarks/results without their ending, each a group of columns; one alone is shown with its notes. Parts are
shown in the order in which they are named, all if none is. A test holds that the page is what this writes: no number
in a table is typed by hand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT

PAGE = ROOT / "docs" / "explain" / "speed.md"
RESULTS = ROOT / "benchmarks" / "results"
TABLE = re.compile(r"(<!-- table of ([^>]*?) -->\n).*?(<!-- end of table -->)", re.DOTALL)
SPEAKING = ("ceiling", "data", "evaluation", "import", "ranks", "scaling", "share of a step")
"""Parts whose rows say of themselves what they are."""
RATIOS = {"of_ceiling": "of the ceiling", "times_reference": "x reference"}

Rows = dict[tuple[str, str, str], dict[str, Any]]


def filled(page: str, results: Path = RESULTS) -> str:
    """Return the page with its tables made anew."""
    return TABLE.sub(lambda found: found[1] + table(found[2], results) + found[3], page)


def table(of: str, results: Path = RESULTS) -> str:
    """Return rows as Markdown, results side by side, as ``of`` names them; what one of them lacks is empty there."""
    files, _, parts = of.partition(":")
    chosen = [part.strip() for part in parts.split(",") if part.strip()]
    loaded = [json.loads((results / f"{name}.json").read_text()) for name in files.split()]
    machines = [title(one["machine"]) for one in loaded]
    all_rows = [rows_of(one, chosen) for one in loaded]
    ratios = [name for name in RATIOS if any(row[name] is not None for rows in all_rows for row in rows.values())]
    with_notes = len(loaded) == 1 and any(row["note"] for row in all_rows[0].values())
    keys = list(dict.fromkeys(key for rows in all_rows for key in rows))
    keys.sort(key=lambda key: chosen.index(key[0]) if chosen else 0)
    heads = ["what", "precision"]
    for machine in machines:
        heads += [machine, *(RATIOS[name] for name in ratios)]
    lines = [heads + ["note"] * with_notes, ["---"] * (len(heads) + with_notes)]
    for key in keys:
        part, what, precision = key
        line = [what if part in SPEAKING else f"{part}, {what}", precision]
        for rows in all_rows:
            line += cells(rows.get(key), ratios)
        lines.append([*line, all_rows[0][key]["note"]] if with_notes else line)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def rows_of(result: dict[str, Any], parts: list[str]) -> Rows:
    """Return the rows of some parts (of all if none is named) by what they measure."""
    kept = [row for row in result["rows"] if not parts or row["part"] in parts]
    return {(row["part"], row["what"], row["precision"]): row for row in kept}


def title(machine: dict[str, Any]) -> str:
    """Return the name of a machine as the head of a column."""
    instructions = machine.get("instructions", "with bfloat16 units" if machine["bfloat16_units"] else "")
    known = f"{machine['device']} {instructions}".strip()
    return f"{known}, {machine['n_threads']} thread" + ("s" if machine["n_threads"] != 1 else "")


def cells(row: dict[str, Any] | None, ratios: list[str]) -> list[str]:
    """Return value, and those of share of the ceiling and ratio that are shown."""
    if row is None:
        return ["-"] + [""] * len(ratios)
    ways = {"of_ceiling": "{:.0%}", "times_reference": "{:.2f}"}
    return [f"{number(row['value'])} {row['unit']}"] + [
        "" if row[name] is None else ways[name].format(row[name]) for name in ratios
    ]


def number(value: float) -> str:
    """Return a number with three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def main() -> None:
    """Write the page."""
    PAGE.write_text(filled(PAGE.read_text()))


if __name__ == "__main__":
    main()
