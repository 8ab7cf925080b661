"""One run of a study: train a model or adapt one, ask what is asked of it, write the scores."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from spikeglot.api.common import load_run
from spikeglot.api.decode import decode
from spikeglot.api.evaluate import evaluate
from spikeglot.api.finetune import finetune
from spikeglot.api.pretrain import pretrain
from spikeglot.checkpoint import Checkpoint
from spikeglot.data.session import Session
from spikeglot.errors import DataError
from spikeglot.events import Listener, silent
from spikeglot.studies.engine.folder import COLUMNS, write_run
from spikeglot.studies.engine.machine import describe_machine, describe_version
from spikeglot.studies.engine.run import Run
from spikeglot.workers import one_thread

MTM = "mtm"
MODEL = "model"
FEATURES = {"log-rates": MTM, "hidden-states": f"{MTM} hidden states", "": "chance"}
"""Model in score rows, by what is decoded from."""
UNSCORED = {"n_spikes": 0, "prompt": "", "reason": "", "subject_id": "", "null": "", "aggregation": ""}


def do_run(run: Run, sessions: Sequence[Session], out: Path, listen: Listener = silent) -> None:
    """Do a run on one thread and write its scores into its folder in ``out``; raises what its verbs raise.

    A run that was interrupted goes on from its last checkpoint.
    """
    began_s = time.monotonic()
    with one_thread():
        checkpoint = train_model(run, sessions, out, listen)
        trained_s = time.monotonic()
        rows = [*ask_tasks(run, checkpoint, sessions, listen), *ask_behaviour(run, checkpoint, sessions, listen)]
    about = {
        "train_s": round(trained_s - began_s, 1),
        "score_s": round(time.monotonic() - trained_s, 1),
        "version": describe_version(),
        "machine": describe_machine(),
    }
    table = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(COLUMNS))
    write_run(run, out, table, about)


def train_model(run: Run, sessions: Sequence[Session], out: Path, listen: Listener) -> Checkpoint:
    """Return the checkpoint of a run, trained from scratch or adapted; where training stopped, it goes on."""
    folder = out / run.key / MODEL
    resume = (folder / "last").exists() or (folder / "last.old").exists()
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    if run.adapts:
        settings = run.finetune.model_dump()
        finetune(out / run.adapts / MODEL, sessions, out=folder, resume=resume, listen=listen, **settings)
    else:
        pretrain(sessions, out=folder, recipe=run.recipe, resume=resume, listen=listen)
    return load_run(folder)


def ask_tasks(
    run: Run, checkpoint: Checkpoint, sessions: Sequence[Session], listen: Listener
) -> Iterator[pd.DataFrame]:
    """Yield the scores of the tasks, with each prompt that is asked for; without rows of single units."""
    if not run.tasks:
        return
    for number, prompt in enumerate(run.prompts or ("",)):
        baselines = () if number else run.baselines
        device = checkpoint.recipe.train.device
        scores = evaluate(
            checkpoint,
            sessions,
            tasks=run.tasks,
            baselines=baselines,
            prompt=prompt or None,
            device=device,
            listen=listen,
        )
        scores = scores.loc[(scores["aggregation"] != "unit") & (scores["session_id"] != "")]
        if number:  # the oracle of simulated data is told no prompt
            scores = scores.loc[scores["model"] == MTM]
        yield scores.assign(prompt=scores["model"].map({MTM: prompt}).fillna(""), reason="")


def ask_behaviour(
    run: Run, checkpoint: Checkpoint, sessions: Sequence[Session], listen: Listener
) -> Iterator[pd.DataFrame]:
    """Yield the scores of decoding each behaviour; one that cannot be decoded has a row that says why."""
    for target in run.targets:
        settings = {**run.decoding.model_dump(), "seed": run.recipe.seed}
        mask = checkpoint.recipe.mask
        if not settings["prompts"] and mask.prompted and "neuron" in mask.schemes:
            settings["prompts"] = ("neuron",)
        device = checkpoint.recipe.train.device
        try:
            table = decode(checkpoint, sessions, target=target, device=device, listen=listen, **settings)
        except DataError as problem:
            names = {"model": MTM, "task": f"decode {target}", "metric": "n_left_out", "value": float("nan")}
            why = [{**UNSCORED, **names, "session_id": s.session_id, "reason": str(problem)} for s in sessions]
            yield pd.DataFrame(why)
            continue
        yield decoding_rows(table)


def decoding_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of `decode` as rows of a study: what is decoded from is the model, and so is chance."""
    rows = table.loc[table["aggregation"].isin(["session", "count"]) & (table["null"] == "")]
    control = rows["labels"].map({"shuffled": ", shuffled labels"}).fillna("")
    model = rows["features"].map(FEATURES).fillna(rows["features"]) + control
    model = model.where(rows["aggregation"] != "count", MTM)
    return rows.assign(model=model, task="decode " + rows["target"], n_spikes=0).loc[:, list(COLUMNS)]
