"""Do a study: plan it, do what is not done, write table, figure and page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from spikeglot.data.session import Dropped, Session
from spikeglot.data.sessions import Sessions
from spikeglot.data.sources.search import joined
from spikeglot.errors import DataError, SettingsError
from spikeglot.evaluation.scores import write_table
from spikeglot.events import LeftOut, Listener, Progress, silent
from spikeglot.settings import Recipe, load_recipe, make_settings
from spikeglot.studies.engine.budgets import with_budget
from spikeglot.studies.engine.fan_out import fan_out
from spikeglot.studies.engine.folder import claim, is_done, read_about, read_rows
from spikeglot.studies.engine.page import write_page
from spikeglot.studies.engine.run import Plan, Run
from spikeglot.studies.engine.study import Asked, load_study
from spikeglot.workers import check_workers

BASELINES = ("mean-rate", "psth", "ridge", "reduced-rank")


def study(
    name: str,
    sessions: Iterable[Session],
    *,
    out: str | Path,
    recipe: Recipe | str = "mtm-ndt1",
    budget: str | None = "small",
    seeds: int = 1,
    workers: int | str | None = None,
    baselines: Sequence[str] = BASELINES,
    command: str = "",
    listen: Listener = silent,
    **settings: Any,
) -> pd.DataFrame:
    """Do one of the paper's experiments as a grid of runs, and compare what comes out with what was published.

    Writes ``scores.csv`` (all rows), ``NAME.csv`` (the table), ``NAME.png`` (where the study has a figure) and
    ``NAME.md`` (a page for people) into ``out``, and a folder per run. Runs that are done there are not repeated.

    Parameters
    ----------
    name:
        A file of `spikeglot.studies`, for instance "masking" (Zhang et al. 2024, arXiv 2407.14668, table 1).
    out:
        Folder of the study.
    recipe:
        Windows, filters, split and masks; a `Recipe`, the name of an embedded one, or a TOML file.
    budget:
        Sizes and steps, "small", "medium" or "paper", in the place of those of the recipe; None: as in the recipe.
    seeds:
        Number of seeds, from that of the recipe on.
    workers:
        Number of processes, by default one per core; or "ray".
    baselines:
        Baselines to score beside the models.
    command:
        What the page says that it was made by; by default this call.
    listen:
        Called with every event (`spikeglot.events`).
    settings:
        Settings that only this study has, for instance ``hold_out=["Cori"]``.

    Returns
    -------
    The score rows of all runs: ``model, prompt, task, metric, null, aggregation, session_id, subject_id, n_spikes,
    value, reason``, and before them the labels of the run, such as ``seed``.

    Raises
    ------
    SpikeglotError
        There is no such study or setting; the folder holds another study; no run could be done.
    KeyboardInterrupt
        The study was interrupted; the same call goes on with it.
    """
    chosen = load_study(name)
    workers = check_workers(workers)
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    recipe = with_budget(recipe, budget) if budget is not None else recipe
    if seeds < 1:
        raise SettingsError(f"A study needs a seed or more, not {seeds}.")
    asked = Asked(
        Sessions(sorted(sessions, key=lambda session: session.session_id)),
        recipe,
        tuple(range(recipe.seed, recipe.seed + seeds)),
        tuple(baselines),
        make_settings(chosen.settings, settings, where=f"settings of the study {name}"),
    )
    plan = chosen.plan(asked)
    out = Path(out)
    claim(out, name, asked)
    for one in plan.left_out:
        listen(LeftOut(one.id, one.reason))
    failed = do_all(plan.runs, asked.sessions, out, workers, listen)
    rows = read_rows(plan.runs, out)
    if rows.empty:
        raise DataError(joined(dict.fromkeys(one.reason for one in failed)))
    write_table(rows, out / "scores.csv")
    write_table(chosen.table(rows), out / f"{name}.csv")
    if chosen.draw is not None:
        chosen.draw(rows, out / f"{name}.png")
    command = command or f'sg.study("{name}", ..., budget={budget!r}, seeds={seeds})'
    plan = Plan(plan.runs, (*plan.left_out, *failed))
    write_page(out, name, chosen, asked, plan, rows, read_about(plan.runs, out), command)
    return rows


def do_all(
    runs: Sequence[Run], sessions: Sessions, out: Path, workers: int | str, listen: Listener
) -> tuple[Dropped, ...]:
    """Do the runs that are not done, models that others adapt first, and return those that could not be."""
    failed = []
    over = sum(is_done(run, out) for run in runs)
    listen(Progress("study", over, len(runs), "done before" if over else ""))
    for is_second_wave in (False, True):
        wave = [run for run in runs if bool(run.adapts) == is_second_wave and not is_done(run, out)]
        for outcome in fan_out(wave, sessions, out, workers):
            over += 1
            listen(Progress("study", over, len(runs), outcome.key))
            if outcome.problem:
                failed.append(Dropped("run", outcome.key, outcome.problem))
                listen(LeftOut(outcome.key, outcome.problem))
    return tuple(failed)
