"""The page of a study: the table, what it says next to the paper, and by what it was made."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from spikeglot.settings import Recipe
from spikeglot.studies.engine.run import Plan
from spikeglot.studies.engine.study import Asked, Study, known_studies
from spikeglot.studies.engine.summary import markdown


def write_page(
    out: Path,
    name: str,
    study: Study,
    asked: Asked,
    plan: Plan,
    rows: pd.DataFrame,
    about: pd.DataFrame,
    command: str,
) -> Path:
    """Write ``NAME.md`` and return its path; numbers come from the rows, published ones from the study."""
    table = study.table(rows)
    parts = [
        f"# Study {name}",
        known_studies()[name],
        f"```\n{command}\n```",
        "\n".join(how_made(asked, plan, about)),
        f"## Table\n\n{study.how_to_read}",
        markdown(study.show(table)),
    ]
    if study.draw is not None:
        parts.append(f"![{name}]({name}.png)")
    parts.append("## What it says next to the paper\n\n" + bullets(study.findings(rows)))
    parts.append(f"## Published\n\n{study.published}")
    left_out = [*(f"{one.id}: {one.reason}" for one in plan.left_out), *without_score(rows)]
    if left_out:
        parts.append("## Left out\n\n" + bullets(left_out))
    path = out / f"{name}.md"
    path.write_text("\n\n".join(parts) + "\n")
    return path


def without_score(rows: pd.DataFrame) -> list[str]:
    """Return what could not be decoded and why, each reason once."""
    reasons = rows.loc[rows["reason"] != "", ["session_id", "task", "reason"]].drop_duplicates()
    return [f"{row['session_id']}, {row['task']}: {row['reason']}" for row in reasons.to_dict(orient="records")]


def how_made(asked: Asked, plan: Plan, about: pd.DataFrame) -> list[str]:
    """Return what was run, by what, and how long it took, a line each."""
    seconds = about["train_s"] + about["score_s"]
    sessions = asked.sessions
    return [
        f"- {date.today().isoformat()}; spikeglot {'; '.join(about['version'].unique())}.",
        f"- {'; '.join(about['machine'].unique())}; one thread per run.",
        f"- {len(about)} of {len(plan.runs)} runs, {seconds.sum():.0f} s of computing in all; a run took "
        f"{seconds.min():.0f} to {seconds.max():.0f} s, median {seconds.median():.0f} s (training "
        f"{about['train_s'].median():.0f} s).",
        f"- Seeds {', '.join(str(seed) for seed in asked.seeds)}; {len(sessions)} session"
        f"{'s' if len(sessions) > 1 else ''} of {len(sessions.subject_ids)} subject"
        f"{'s' if len(sessions.subject_ids) > 1 else ''}: {', '.join(sessions.session_ids)}.",
        f"- {describe(asked.recipe)} The study varies some of these.",
    ]


def describe(recipe: Recipe) -> str:
    """Return windows, split, sizes and training of a recipe in a line."""
    window, model, train = recipe.window, recipe.model, recipe.train
    align = f"{window.start_s:g} to {window.stop_s:g} s from {window.align}" if window.align else "tiled over time"
    return (
        f"Windows {align}, bins of {window.bin_size_s:g} s; split {recipe.split.kind}; {model.architecture}, depth "
        f"{model.depth}, width {model.width}, dropout {model.dropout:g}, start {model.start}; {train.steps} steps of "
        f"{train.batch_size} trials, {recipe.mask.masks_per_trial} masks each, learning rate {train.learning_rate:g}; "
        "the checkpoint of the best validation over the tasks."
    )


def bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
