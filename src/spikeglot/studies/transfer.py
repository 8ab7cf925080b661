"""The transfer study: animals held out, models pretrained on 1, 3, ... sessions, adapted with few trials, scored.

Every number is compared with a model trained from scratch on the same trials of the same session (Zhang et al. 2024,
section 5, hold out animals likewise). Each run has a folder, and its scores are a file in it: a study that is killed
loses the run in flight, and repeats none that is done.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spikeglot.api.decode import decode
from spikeglot.api.evaluate import evaluate
from spikeglot.api.finetune import finetune
from spikeglot.api.pretrain import pretrain
from spikeglot.checkpoint import Checkpoint, write_json
from spikeglot.data.prepare import prepare_session
from spikeglot.data.session import Session
from spikeglot.data.sessions import Sessions
from spikeglot.errors import CheckpointError, DataError
from spikeglot.evaluation.scores import write_table
from spikeglot.events import LeftOut, Listener, Progress, silent
from spikeglot.randomness import derive_seed
from spikeglot.settings import Recipe, load_recipe, make_settings
from spikeglot.studies.transfer_settings import TransferSettings
from spikeglot.viz.scaling import plot_scaling

ALL = 0
"""Number of trials that stands for all of them."""
MTM = "mtm"
KEEP = ("model", "task", "metric", "null", "aggregation", "session_id", "subject_id", "n_spikes", "value")


@dataclass(frozen=True)
class Cell:
    """One run on a held-out session: from scratch (``n_pretrained`` 0) or adapted, with some of its trials."""

    masks: str
    n_pretrained: int
    session_id: str
    n_trials: int

    @property
    def name(self) -> str:
        source = f"{self.masks}-{self.n_pretrained}" if self.n_pretrained else f"{self.masks}-scratch"
        return f"{source}/{self.session_id}-{self.n_trials or 'all'}"


def transfer(
    sessions: Iterable[Session],
    *,
    hold_out: Sequence[str],
    out: str | Path,
    recipe: Recipe | str = "mtm-ndt1",
    listen: Listener = silent,
    **settings: Any,
) -> pd.DataFrame:
    """Hold out animals, pretrain on the others, adapt, score the four tasks and a decoder; from scratch beside it.

    Writes ``transfer.csv`` (all rows) and ``transfer.png`` (score against the number of pretraining sessions) into
    ``out``, and returns the rows: those of `evaluate` over units, with ``masks``, ``n_pretrained`` (sessions, 0 from
    scratch) and ``n_trials`` (0: all).

    Parameters
    ----------
    hold_out:
        Subjects that no model is pretrained on: animals, never days.
    out:
        Folder of the study; runs that are done there are not repeated.
    settings:
        Fields of `spikeglot.studies.transfer_settings.TransferSettings`.

    Raises
    ------
    SpikeglotError
        A subject is unknown; the folder holds a study of other settings; data cannot be used.
    """
    wanted = make_settings(TransferSettings, settings, where="settings of transfer")
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    recipe = recipe.model_copy(update={"seed": wanted.seed})
    known, unseen = Sessions(sessions).hold_out_subjects(hold_out)
    out = Path(out)
    claim_folder(out, recipe, wanted, known, unseen)
    numbers = sorted({n for n in wanted.pretrain_on if n < len(known)} | {len(known)})
    cells = list(plan(unseen, recipe, wanted, numbers, listen))
    frames = []
    for done, cell in enumerate(cells, start=1):
        listen(Progress("study", done - 1, len(cells), cell.name))
        frames.append(score_cell(cell, known, unseen[cell.session_id], recipe, wanted, out, listen))
        listen(Progress("study", done, len(cells), cell.name))
    table = pd.concat(frames, ignore_index=True)
    write_table(table, out / "transfer.csv")
    plot_scaling(table, out / "transfer.png")
    return table


def plan(
    unseen: Sessions, recipe: Recipe, settings: TransferSettings, numbers: Sequence[int], listen: Listener
) -> Iterator[Cell]:
    """Yield the cells of the study, and tell of sessions that have fewer trials than asked for."""
    for session in unseen:
        n_train = len(prepare_session(session, recipe).split.train)
        for n_trials in (*sorted(settings.trials), ALL):
            if n_trials >= n_train:
                listen(LeftOut(session.session_id, f"{n_trials} trials are not fewer than its {n_train}; see all"))
                continue
            for n_pretrained in (0, *numbers):
                yield Cell(MTM, n_pretrained, session.session_id, n_trials)
        for masks in settings.also_masks:
            for n_pretrained in (0, numbers[-1]):
                yield Cell(masks, n_pretrained, session.session_id, ALL)


def score_cell(
    cell: Cell,
    known: Sessions,
    session: Session,
    recipe: Recipe,
    settings: TransferSettings,
    out: Path,
    listen: Listener,
) -> pd.DataFrame:
    """Return the rows of one cell: read where they are done, otherwise made and written."""
    done = out / cell.name / "scores.csv"
    if done.exists():
        return pd.read_csv(done, keep_default_na=False, na_values=["nan", ""]).fillna({"null": ""})
    recipe = with_masks(recipe, cell.masks)
    folder = out / cell.name / "run"
    shutil.rmtree(folder, ignore_errors=True)
    few = cell.n_trials or None
    if cell.n_pretrained:
        base = pretrained(cell, known, recipe, settings, out, listen)
        checkpoint = finetune(
            base, session, out=folder, method=settings.method, trials=few, seed=settings.seed, listen=listen
        )
    else:
        split = recipe.split.model_copy(update={"train_trials": few})
        checkpoint = pretrain([session], out=folder, recipe=recipe.model_copy(update={"split": split}), listen=listen)
    baselines = settings.baselines if cell.masks == MTM and not cell.n_pretrained else ()
    scores = evaluate(checkpoint, [session], baselines=baselines, listen=listen)
    rows = [scores.loc[scores["aggregation"].isin(["mean", "pooled"]), list(KEEP)]]
    if settings.target:
        rows.append(decoded(checkpoint, session, settings, listen))
    frame = pd.concat([part for part in rows if len(part)], ignore_index=True)
    frame = frame.assign(masks=cell.masks, n_pretrained=cell.n_pretrained, n_trials=cell.n_trials)
    write_table(frame, done)
    return frame


def pretrained(
    cell: Cell, known: Sessions, recipe: Recipe, settings: TransferSettings, out: Path, listen: Listener
) -> Path:
    """Return the folder of the model that a cell adapts, trained if it is not there yet."""
    folder = out / f"{cell.masks}-{cell.n_pretrained}" / "pretrained"
    if not (folder / "done.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        chosen = nested_order(known, settings.seed)[: cell.n_pretrained]
        pretrain([known[name] for name in chosen], out=folder, recipe=recipe, listen=listen)
        write_json(folder / "done.json", {"session_ids": chosen})
    return folder


def nested_order(known: Sessions, seed: int) -> list[str]:
    """Return all session ids in an order drawn from the seed: more sessions are always the fewer ones and others."""
    rng = np.random.default_rng(derive_seed(seed, "transfer"))
    return [str(name) for name in rng.permutation(sorted(known.session_ids))]


def with_masks(recipe: Recipe, masks: str) -> Recipe:
    """Return the recipe, with one scheme in the place of its mixture where ``masks`` names one."""
    if masks == MTM:
        return recipe
    return Recipe.model_validate({**recipe.model_dump(), "mask": {**recipe.mask.model_dump(), "schemes": (masks,)}})


def decoded(checkpoint: Checkpoint, session: Session, settings: TransferSettings, listen: Listener) -> pd.DataFrame:
    """Return the scores of the linear decoder on log-rates, on counts, and of chance, as rows of the study.

    A session that cannot be decoded (too few trials of a class, for instance) is told and has no rows.
    """
    try:
        table = decode(
            checkpoint,
            [session],
            target=settings.target,
            trials=settings.target_trials,
            decoders=("linear",),
            prompts=("neuron",) if "neuron" in checkpoint.recipe.mask.schemes else (),
            shuffles=0,
            seed=settings.seed,
            listen=listen,
        )
    except DataError as problem:
        listen(LeftOut(session.session_id, str(problem)))
        return pd.DataFrame(columns=list(KEEP))
    rows = table.loc[(table["aggregation"] == "session") & (table["null"] == "")]
    names = {"log-rates": MTM, "hidden-states": "mtm hidden states"}
    model = [names.get(row.features, row.features or row.decoder) for row in rows.itertuples()]
    frame = rows.loc[:, ["metric", "null", "aggregation", "session_id", "subject_id", "value"]]
    return frame.assign(model=model, task=f"decode {settings.target}", n_spikes=0).loc[:, list(KEEP)]


def claim_folder(out: Path, recipe: Recipe, settings: TransferSettings, known: Sessions, unseen: Sessions) -> None:
    """Write what the study is into its folder, or make sure that it is the study that is there.

    Raises
    ------
    CheckpointError
        The folder holds another study, or other things.
    """
    what = {
        "recipe": recipe.model_dump(mode="json"),
        "settings": settings.model_dump(mode="json"),
        "known": list(known.session_ids),
        "unseen": list(unseen.session_ids),
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
    if not known or not unseen:
        raise DataError("A transfer study needs sessions to pretrain on and sessions to hold out.")
    out.mkdir(parents=True, exist_ok=True)
    write_json(path, what)
