"""``spikeglot decode``: behaviour from a run, next to raw counts, chance and a shuffle control."""

from __future__ import annotations

from spikeglot.cli.arguments import Decode
from spikeglot.cli.data import read_data
from spikeglot.cli.output import Output, check_writable
from spikeglot.cli.progress import ProgressBars
from spikeglot.cli.settings_flags import dump


def run(arguments: Decode, output: Output) -> None:
    """Decode, write the table, print its summary and what was left out."""
    from spikeglot.api.common import load_run
    from spikeglot.api.decode import decode
    from spikeglot.evaluation.decoding.summary import left_out_lines, summary_frame, summary_table
    from spikeglot.evaluation.scores import check_scores_path, write_table

    check_scores_path(arguments.out)
    check_writable(arguments.out, suffix=arguments.out.suffix)
    checkpoint = load_run(arguments.run)
    with ProgressBars(output.stderr) as bars:
        sessions = read_data(arguments.data, bars)
        table = decode(
            checkpoint,
            sessions,
            target=arguments.target,
            device=arguments.device,
            listen=bars,
            **dump(arguments.settings),
        )
    write_table(table, arguments.out)
    left_out = left_out_lines(table)
    data = {
        "decoding": str(arguments.out),
        "n_rows": len(table),
        "summary": summary_frame(table).to_dict(orient="records"),
        "left_out": left_out,
    }
    output.result(summary_table(table), data=data)
    for line in left_out:
        output.hint(line)
    output.hint(f"Wrote {arguments.out} ({len(table):,} rows).")
