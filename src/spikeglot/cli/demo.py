"""``spikeglot demo``: from simulated animals to a score table and a picture, in one go."""

from __future__ import annotations

import shutil

from spikeglot.cli.arguments import Demo
from spikeglot.cli.evaluate import show_summary
from spikeglot.cli.output import Output, check_writable
from spikeglot.cli.progress import ProgressBars
from spikeglot.data.sessions import Sessions
from spikeglot.data.simulate import simulate_sessions
from spikeglot.errors import CheckpointError
from spikeglot.settings import load_recipe
from spikeglot.viz.show import sessions_table

QUICK_BASELINES = ("mean-rate", "psth", "drift")
"""The baselines that take no time; `spikeglot evaluate` scores all of them."""


def run(arguments: Demo, output: Output) -> None:
    """Simulate, pretrain, evaluate, draw."""
    from spikeglot.api.evaluate import evaluate
    from spikeglot.api.pretrain import pretrain
    from spikeglot.api.raster import draw_raster
    from spikeglot.evaluation.scores import write_scores

    out = arguments.out
    check_writable(out)
    run_folder, scores_path, raster_path = out / "run", out / "scores.csv", out / "raster.png"
    is_demo = (run_folder / "last").exists()
    if out.exists() and not is_demo and not (out.is_dir() and not any(out.iterdir())):
        raise CheckpointError(f"'{out}' exists and is no demo. Choose another folder with --out.")
    shutil.rmtree(run_folder, ignore_errors=True)
    recipe = load_recipe("demo")
    if arguments.short:
        recipe = recipe.model_copy(
            update={"train": recipe.train.model_copy(update={"steps": max(1, recipe.train.steps // 10)})}
        )
    sessions = Sessions(simulate_sessions())
    if not output.as_json and not output.quiet:
        output.result(sessions_table(sessions), data={})
    with ProgressBars(output.stderr) as bars:
        checkpoint = pretrain(sessions, out=run_folder, recipe=recipe, listen=bars)
        scores = evaluate(checkpoint, sessions, baselines=QUICK_BASELINES, listen=bars)
    write_scores(scores, scores_path)
    draw_raster(checkpoint, sessions[0], raster_path)
    show_summary(scores, output, scores_path)
    output.hint("mtm is the trained model; oracle knows the true rates of the simulation: no model can do better.")
    output.hint(f"Wrote {run_folder} (the model), {scores_path} and {raster_path} (data next to prediction).")
    output.hint("Next: spikeglot show YOUR_FILES; then spikeglot pretrain YOUR_FILES --window.align EVENT --out run")
