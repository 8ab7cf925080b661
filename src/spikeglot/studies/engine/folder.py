"""The folder of a study: it belongs to one study, and every run that is done is a file of scores in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from spikeglot.checkpoint import write_json
from spikeglot.errors import CheckpointError
from spikeglot.evaluation.scores import write_table
from spikeglot.studies.engine.run import Run
from spikeglot.studies.engine.study import Asked

COLUMNS = {
    "model": str,
    "prompt": str,
    "task": str,
    "metric": str,
    "null": str,
    "aggregation": str,
    "session_id": str,
    "subject_id": str,
    "n_spikes": int,
    "value": float,
    "reason": str,
}
"""Score rows of a run; those of a study have the labels of their run before them."""
SCORES = "scores.csv"
ABOUT = "run.json"


def claim(out: Path, name: str, asked: Asked) -> None:
    """Write what the study is into its folder, or make sure that it is the study that is there.

    More seeds may be asked for than before: the runs that are done stay what they were.

    Raises
    ------
    CheckpointError
        The folder holds another study, or other things.
    """
    what = {
        "study": name,
        "recipe": asked.recipe.model_dump(mode="json", exclude={"seed"}),
        "settings": asked.settings.model_dump(mode="json"),
        "baselines": list(asked.baselines),
        "sessions": list(asked.sessions.session_ids),
    }
    path = out / "study.json"
    if path.exists():
        if json.loads(path.read_text()) != what:
            raise CheckpointError(
                f"'{out}' holds a study of other sessions or settings (study.json). Go on with the same, or choose "
                "another folder."
            )
        return
    if out.exists() and any(out.iterdir()):
        raise CheckpointError(f"The folder '{out}' is not empty and holds no study. Choose a new or empty folder.")
    out.mkdir(parents=True, exist_ok=True)
    write_json(path, what)


def is_done(run: Run, out: Path) -> bool:
    """Whether the scores of a run are there: they are the last thing that it writes."""
    return (out / run.key / SCORES).exists()


def write_run(run: Run, out: Path, rows: pd.DataFrame, about: dict[str, Any]) -> None:
    """Write what a run was and took, and then its scores, which appear only when they are whole."""
    folder = out / run.key
    folder.mkdir(parents=True, exist_ok=True)
    settings = {name: getattr(run, name).model_dump(mode="json") for name in ("recipe", "finetune", "decoding")}
    write_json(folder / ABOUT, {**asdict(run), **settings, **about})
    write_table(rows.loc[:, list(COLUMNS)], folder / SCORES)


def read_rows(runs: Iterable[Run], out: Path) -> pd.DataFrame:
    """Return the score rows of the runs that are done, in their order, with their labels as columns."""
    frames = []
    for run in runs:
        if is_done(run, out):
            # as text, so that a session "007" or an empty null stays what it is
            frame = pd.read_csv(out / run.key / SCORES, dtype=str, keep_default_na=False).replace(
                {"value": {"": "nan"}}
            )
            frames.append(frame.astype(COLUMNS).assign(**run.labels))
    # a model that is only made for others has no rows, and no labels
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return pd.DataFrame(columns=list(COLUMNS))
    rows = pd.concat(frames, ignore_index=True)
    labels = [name for name in rows if name not in COLUMNS]
    return rows.loc[:, [*labels, *COLUMNS]]


def read_about(runs: Iterable[Run], out: Path) -> pd.DataFrame:
    """Return what the runs that are done took and were made by: key, train_s, score_s, version, machine."""
    names = ("key", "train_s", "score_s", "version", "machine")
    found = [json.loads((out / run.key / ABOUT).read_text()) for run in runs if is_done(run, out)]
    return pd.DataFrame([{name: one[name] for name in names} for one in found], columns=list(names))
