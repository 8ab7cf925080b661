"""``spikeglot finetune``: adapt a trained model to sessions that it has not seen."""

from __future__ import annotations

import shlex

from spikeglot.cli.arguments import Finetune
from spikeglot.cli.data import read_data
from spikeglot.cli.output import Output, check_writable
from spikeglot.cli.pretrain import how_to_go_on
from spikeglot.cli.progress import ProgressBars
from spikeglot.cli.ranks import rank


def run(arguments: Finetune, output: Output) -> None:
    """Read the run and the data, adapt, and say what was written."""
    from spikeglot.api.common import check_out, load_run
    from spikeglot.api.finetune import finetune

    if rank() == 0:
        check_writable(arguments.out)
        check_out(arguments.out, arguments.resume)
    load_run(arguments.run)  # before the data are read, which may take long
    with ProgressBars(output.stderr) as bars:
        sessions = read_data(arguments.data, bars, leave_out_unusable=True)
        try:
            checkpoint = finetune(
                arguments.run,
                sessions,
                out=arguments.out,
                resume=arguments.resume,
                leave_out_unusable=arguments.leave_out_unusable,
                listen=bars,
                **arguments.settings.model_dump(),
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(how_to_go_on(arguments, output)) from None
    if rank() != 0:
        return
    assert checkpoint.adapted is not None
    adapted = checkpoint.adapted
    n_trials = {name: len(checkpoint.sessions[name].train_trials) for name in adapted.session_ids}
    trials = ", ".join(f"{name} ({n} training trials)" for name, n in n_trials.items())
    output.result(
        f"Model of {arguments.run} adapted ({adapted.settings.method}) to {trials}: {arguments.out / 'best'}",
        data={
            "run": str(arguments.out),
            "checkpoint": str(arguments.out / "best"),
            "adapted_from": str(arguments.run),
            "method": adapted.settings.method,
            "n_train_trials": n_trials,
            "left_out": [{"session_id": one.id, "reason": one.reason} for one in checkpoint.left_out],
        },
    )
    data = " ".join(shlex.quote(path) for path in arguments.data)
    output.hint(f"Wrote {arguments.out} (checkpoints best and last, log.csv).")
    output.hint(f"Next: spikeglot evaluate {shlex.quote(str(arguments.out))} {data} --out scores.csv")
