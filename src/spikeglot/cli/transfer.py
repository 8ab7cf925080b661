"""``spikeglot transfer``: what pretraining on other animals is worth to an animal that no model has seen."""

from __future__ import annotations

from spikeglot.cli.arguments import Transfer
from spikeglot.cli.data import read_data
from spikeglot.cli.output import Output, check_writable
from spikeglot.cli.progress import ProgressBars


def run(arguments: Transfer, output: Output) -> None:
    """Do the study (what is left of it), write its table and figure, print the summary."""
    from spikeglot.studies.transfer import transfer
    from spikeglot.studies.transfer_summary import transfer_summary, transfer_table

    check_writable(arguments.out)
    with ProgressBars(output.stderr) as bars:
        sessions = read_data(arguments.data, bars)
        table = transfer(
            sessions,
            hold_out=arguments.hold_out,
            out=arguments.out,
            recipe=arguments.settings,
            listen=bars,
            **arguments.study.model_dump(),
        )
    rows = transfer_summary(table).to_dict(orient="records")
    output.result(
        transfer_table(table),
        transfer_table(table, "pooled"),
        data={"table": str(arguments.out / "transfer.csv"), "summary": rows},
    )
    output.hint(f"Wrote {arguments.out / 'transfer.csv'} ({len(table):,} rows) and {arguments.out / 'transfer.png'}.")
