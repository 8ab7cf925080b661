"""``spikeglot pretrain``: train one model on all sessions."""

from __future__ import annotations

import shlex

from spikeglot.cli.arguments import Pretrain
from spikeglot.cli.data import read_data
from spikeglot.cli.output import Output
from spikeglot.cli.progress import ProgressBars


def run(arguments: Pretrain, output: Output) -> None:
    """Read the data, train, and say what was written."""
    from spikeglot.api import pretrain

    data = " ".join(shlex.quote(path) for path in arguments.data)
    with ProgressBars(output.stderr) as bars:
        sessions = read_data(arguments.data, bars)
        try:
            checkpoint = pretrain(
                sessions, out=arguments.out, recipe=arguments.settings, resume=arguments.resume, listen=bars
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"The run so far is in {arguments.out}. Go on with the same command and --resume."
                if (arguments.out / "last").exists()
                else "Nothing was trained yet; start again with the same command."
            ) from None
    n_units = sum(len(card.unit_ids) for card in checkpoint.sessions.values())
    n_parameters = sum(p.numel() for p in checkpoint.model.parameters())
    output.result(
        f"Model of {len(checkpoint.sessions)} sessions, {n_units:,} units, {n_parameters:,} parameters: "
        f"{arguments.out / 'best'}",
        data={
            "run": str(arguments.out),
            "checkpoint": str(arguments.out / "best"),
            "n_sessions": len(checkpoint.sessions),
            "n_units": n_units,
            "n_parameters": n_parameters,
        },
    )
    output.hint(f"Wrote {arguments.out} (checkpoints best and last, log.csv).")
    output.hint(f"Next: spikeglot evaluate {shlex.quote(str(arguments.out))} {data} --out scores.csv")
