"""``spikeglot pretrain``: train one model on all sessions."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from spikeglot.cli.arguments import Finetune, Pretrain
from spikeglot.cli.data import read_data
from spikeglot.cli.output import Output, check_writable
from spikeglot.cli.progress import ProgressBars
from spikeglot.cli.ranks import launched, rank

if TYPE_CHECKING:
    from spikeglot.checkpoint import Checkpoint


def run(arguments: Pretrain, output: Output) -> None:
    """Read the data, train, and say what was written."""
    if arguments.launch == "here":
        checkpoint = trained(arguments, output)
        if rank() != 0:
            return
    else:
        check_folder(arguments)
        there = replace(arguments, launch="here", resume=False, resume_if_begun=True)
        if not launched(arguments, partial(train_there, there, output.command), output):
            return
        from spikeglot.api.common import load_run

        checkpoint = load_run(arguments.out)
    data = " ".join(shlex.quote(path) for path in arguments.data)
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


def trained(arguments: Pretrain, output: Output) -> Checkpoint:
    """Read the data and train here, alone or as one of several ranks."""
    from spikeglot.api.pretrain import pretrain

    if rank() == 0:
        check_folder(arguments)
    with ProgressBars(output.stderr) as bars:
        # what cannot be read joins what cannot be prepared: one list of all problems
        sessions = read_data(arguments.data, bars, leave_out_unusable=True)
        try:
            return pretrain(
                sessions,
                out=arguments.out,
                recipe=arguments.settings,
                resume="if-begun" if arguments.resume_if_begun else arguments.resume,
                leave_out_unusable=arguments.leave_out_unusable,
                listen=bars,
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(how_to_go_on(arguments, output)) from None


def train_there(arguments: Pretrain, command: str) -> None:
    """Train as one of the ranks that a launcher has started, the first of which shows its progress."""
    trained(arguments, Output(arguments.quiet or rank() != 0, False, command))


def check_folder(arguments: Pretrain) -> None:
    """Make sure that the run can be written, before data are read."""
    from spikeglot.api.common import check_out

    check_writable(arguments.out)
    check_out(arguments.out, "if-begun" if arguments.resume_if_begun else arguments.resume)


def how_to_go_on(arguments: Pretrain | Finetune, output: Output) -> str:
    """Say what an interrupted run has left, and the command that goes on with it."""
    if not (arguments.out / "last").exists():
        return "Nothing was trained yet; start again with the same command."
    goes_on = arguments.resume or (isinstance(arguments, Pretrain) and arguments.resume_if_begun)
    resume = "" if goes_on else " --resume"
    return f"The run so far is in {arguments.out}. Go on with: {output.command}{resume}"
