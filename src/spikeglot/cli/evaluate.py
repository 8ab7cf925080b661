"""``spikeglot evaluate``: score a run on the four tasks, next to the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from spikeglot.cli.arguments import Evaluate, WindowFlags
from spikeglot.cli.data import read_data_of_run
from spikeglot.cli.output import Output, check_writable
from spikeglot.cli.progress import ProgressBars
from spikeglot.errors import SettingsError
from spikeglot.settings import WindowSettings


def run(arguments: Evaluate, output: Output) -> None:
    """Score, write the table, print its summary."""
    from spikeglot.api.common import load_run
    from spikeglot.api.evaluate import evaluate
    from spikeglot.api.raster import draw_raster
    from spikeglot.evaluation.scores import check_scores_path, write_scores

    check_scores_path(arguments.out)
    check_writable(arguments.out, suffix=arguments.out.suffix)
    if arguments.raster is not None:
        check_writable(arguments.raster, suffix=".png")
    checkpoint = load_run(arguments.run)
    check_window(arguments.window, checkpoint.recipe.window)
    with ProgressBars(output.stderr) as bars:
        sessions = read_data_of_run(arguments.data, bars, checkpoint.left_out)
        scores = evaluate(
            checkpoint,
            sessions,
            tasks=arguments.tasks,
            baselines=arguments.baselines,
            memory_mb=arguments.memory_mb,
            precision=arguments.precision,
            groups=arguments.groups,
            workers=arguments.workers,
            listen=bars,
        )
    write_scores(scores, arguments.out)
    show_summary(scores, output, arguments.out)
    say_what_is_absent(scores, arguments.tasks, output)
    if checkpoint.left_out:
        output.hint(f"The run left out {len(checkpoint.left_out)} sessions; they have no scores.")
    output.hint(f"Wrote {arguments.out} ({len(scores):,} rows).")
    if arguments.raster is None:
        output.hint("Next: the same with --raster raster.png draws data next to prediction.")
        return
    draw_raster(checkpoint, sessions[0], arguments.raster)
    output.hint(f"Wrote {arguments.raster} (session {sessions[0].session_id}, co-smoothing).")


def show_summary(scores: pd.DataFrame, output: Output, path: Path) -> None:
    """Print the summary table by task, with both null models and the number of units left out."""
    from spikeglot.evaluation.summary import summary_frame, summary_table

    rows = summary_frame(scores).reset_index().to_dict(orient="records")
    output.result(summary_table(scores), data={"scores": str(path), "n_rows": len(scores), "summary": rows})


def check_window(flags: WindowFlags, window: WindowSettings) -> None:
    """Make sure that window flags, where given, are those of the run.

    Raises
    ------
    SettingsError
        A flag differs: the model knows windows of one kind only.
    """
    for name, value in vars(flags).items():
        trained = getattr(window, name)
        if value is not None and value != trained:
            raise SettingsError(
                f"--window.{name.replace('_', '-')} is {value}, but the run was trained with {trained}. "
                "Leave the flag out, or pretrain with these windows."
            )


def say_what_is_absent(scores: pd.DataFrame, tasks: Sequence[str], output: Output) -> None:
    """Name the tasks that have nothing to ask of a session, which is why the table lacks them."""
    asked = scores[scores["session_id"] != ""].groupby("session_id", sort=False)["task"].unique()
    absent: dict[tuple[str, ...], list[str]] = {}
    for session_id, found in asked.items():
        absent.setdefault(tuple(task for task in tasks if task not in found), []).append(str(session_id))
    for lacking, session_ids in absent.items():
        if lacking:
            output.hint(
                f"No scores for {' and '.join(lacking)} in {', '.join(session_ids)}: its units have no regions, or "
                "not enough of them."
            )
