"""``spikeglot study``: one of the paper's experiments, on any data."""

from __future__ import annotations

from typing import Any

from spikeglot.cli.arguments import Study
from spikeglot.cli.data import read_data
from spikeglot.cli.output import Output, check_writable
from spikeglot.cli.progress import ProgressBars


def run(arguments: Study, output: Output) -> None:
    """Do what is left of the study, print its table and what it says next to the paper."""
    from spikeglot.studies.engine.conduct import study
    from spikeglot.studies.engine.study import load_study

    check_writable(arguments.out)
    own: Any = arguments.own  # type: ignore[attr-defined]
    with ProgressBars(output.stderr) as bars:
        sessions = read_data(arguments.data, bars)
        try:
            rows = study(
                arguments.name,
                sessions,
                out=arguments.out,
                recipe=arguments.settings,
                budget=None,  # the flags are on top of it already
                seeds=arguments.seeds,
                workers=arguments.workers,
                baselines=arguments.baselines,
                command=output.command,
                listen=bars,
                **own.model_dump(),
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"Runs that are done stay. Go on with: {output.command}") from None
    chosen = load_study(arguments.name)
    table = chosen.table(rows)
    page = arguments.out / f"{arguments.name}.md"
    findings = chosen.findings(rows)
    output.result(
        as_rich(chosen.show(table)),
        "\n".join(findings),
        data={"page": str(page), "table": table.to_dict(orient="records"), "findings": findings},
    )
    output.hint(f"Wrote {page}, {arguments.name}.csv and scores.csv ({len(rows):,} rows) beside it.")


def as_rich(table: Any) -> Any:
    """Return a table of text for the terminal."""
    from rich.markup import escape
    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    for head in table.columns:
        shown.add_column(escape(str(head)))
    for row in table.astype(str).to_numpy().tolist():
        shown.add_row(*(escape(cell) for cell in row))
    return shown
