"""``spikeglot pretrain``: train one model on all sessions."""

from __future__ import annotations

import shlex

from spikeglot.cli.arguments import Finetune, Pretrain
from spikeglot.cli.data import read_data
from spikeglot.cli.output import Output, check_writable
from spikeglot.cli.progress import ProgressBars


def run(arguments: Pretrain, output: Output) -> None:
    """Read the data, train, and say what was written."""
    from spikeglot.api.common import check_out
    from spikeglot.api.pretrain import pretrain

    check_writable(arguments.out)
    check_out(arguments.out, arguments.resume)
    data = " ".join(shlex.quote(path) for path in arguments.data)
    with ProgressBars(output.stderr) as bars:
        # what cannot be read joins what cannot be prepared: one list of all problems
        sessions = read_data(arguments.data, bars, leave_out_unusable=True)
        try:
            checkpoint = pretrain(
                sessions,
                out=arguments.out,
                recipe=arguments.settings,
                resume=arguments.resume,
                leave_out_unusable=arguments.leave_out_unusable,
                listen=bars,
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(how_to_go_on(arguments, output)) from None
    n_units = sum(len(card.unit_ids) for card in checkpoint.sessions.values())
    n_parameters = sum(p.numel() for p in checkpoint.model.parameters())
    n_sessions = len(checkpoint.sessions)
    output.result(
        f"Model of {n_sessions} {'session' if n_sessions == 1 else 'sessions'}, {n_units:,} units, "
        f"{n_parameters:,} parameters: {arguments.out / 'best'}",
        data={
            "run": str(arguments.out),
            "checkpoint": str(arguments.out / "best"),
            "n_sessions": n_sessions,
            "n_units": n_units,
            "n_parameters": n_parameters,
            "left_out": [{"session_id": one.id, "reason": one.reason} for one in checkpoint.left_out],
        },
    )
    if checkpoint.left_out:
        output.hint(
            f"Left out {len(checkpoint.left_out)} that cannot be used; config.json of the checkpoints says why."
        )
    output.hint(f"Wrote {arguments.out} (checkpoints best and last, log.csv).")
    output.hint(f"Next: spikeglot evaluate {shlex.quote(str(arguments.out))} {data} --out scores.csv")


def how_to_go_on(arguments: Pretrain | Finetune, output: Output) -> str:
    """Say what an interrupted run has left, and the command that goes on with it."""
    if not (arguments.out / "last").exists():
        return "Nothing was trained yet; start again with the same command."
    resume = "" if arguments.resume else " --resume"
    return f"The run so far is in {arguments.out}. Go on with: {output.command}{resume}"
