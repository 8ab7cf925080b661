"""Decode behaviour from a model, next to raw counts, chance and a shuffle control."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from spikeglot.api.common import check_prompt, check_same_sessions, load_run, prepare_all, trained_prompts
from spikeglot.batch import SessionTensors, to_tensors
from spikeglot.checkpoint import Checkpoint
from spikeglot.data.prepare import Prepared
from spikeglot.data.session import Session, Trace
from spikeglot.data.splits import Split
from spikeglot.device import pick_device
from spikeglot.errors import DataError
from spikeglot.evaluation.decoding.attempts import Attempt, few_shot_attempts, linear_attempts
from spikeglot.evaluation.decoding.features import COUNTS, HIDDEN_STATES, all_features
from spikeglot.evaluation.decoding.few_shot import most_per_class
from spikeglot.evaluation.decoding.scores import decoding_table, left_out_row, left_out_rows
from spikeglot.evaluation.decoding.session import decode_session, used_trials, why_not
from spikeglot.evaluation.decoding.targets import Target, find_target
from spikeglot.evaluation.decoding.trials import keep_frequent_classes, keep_query, keep_reactions
from spikeglot.events import Listener, Progress, silent
from spikeglot.models.mtm import MtM
from spikeglot.settings import DecodeSettings, Recipe, make_settings
from spikeglot.training.head import CountsEncoder, ModelEncoder, decode_with_head


def decode(
    run: str | Path | Checkpoint,
    sessions: Iterable[Session],
    *,
    target: str = "choice",
    device: str = "auto",
    listen: Listener = silent,
    **settings: Any,
) -> pd.DataFrame:
    """Decode a behaviour from whole test trials of the sessions, in several ways, each also from raw counts.

    Parameters
    ----------
    run:
        Folder of a run, or its checkpoint. It stays as it is.
    sessions:
        Sessions that the model knows.
    target:
        A column of the trials table, "choice", "feedback" or "stimulus-side" (classes); a trace of the behaviour; or
        "accumulated:SERIES", the running sum of two kinds of events.
    settings:
        Fields of `spikeglot.settings.DecodeSettings`, for instance ``trials="choice_source == 'movement'"``.

    Returns
    -------
    One row per number: ``target, decoder, features, prompt, labels, metric, null, aggregation, session_id,
    subject_id, n_fit, n_test, value, reason``. Trials, sessions and few-shot decoders without a score are rows with
    the metric ``n_left_out`` and a reason.

    Raises
    ------
    SpikeglotError
        The run cannot be read; a session is unknown to it; a setting is not valid; no session can be decoded.
    """
    chosen = make_settings(DecodeSettings, settings, "settings of decoding")
    checkpoint = run if isinstance(run, Checkpoint) else load_run(run)
    prompts = told_prompts(chosen, checkpoint.recipe)
    sessions = tuple(sessions)
    prepared = prepare_all(sessions, checkpoint.recipe)
    check_same_sessions(checkpoint, prepared, "the run" if isinstance(run, Checkpoint) else f"'{run}'")
    checkpoint.model.to(pick_device(device))
    behaviour = {session.session_id: session.behaviour for session in sessions}
    rows: list[dict[str, Any]] = []
    problems = []
    for session_id, one in prepared.items():
        names = {"target": target, "session_id": session_id, "subject_id": one.counts.subject_id}
        try:
            found = _decodable(target, one, behaviour[session_id], chosen)
        except DataError as error:
            problems.append(str(error))
            rows.append(left_out_row(str(error), one.counts.n_trials, **names))
            continue
        rows += left_out_rows(found, **names)
        used = used_trials(found, one.split)
        reason = why_not(found, used)
        if reason:
            problems.append(f"'{target}' of session '{session_id}' cannot be decoded: {reason}.")
            rows.append(left_out_row(reason, int(found.used.sum()), **names))
            continue
        attempts, left_out = _attempts(checkpoint, one, found, used, prompts, chosen)
        rows += [left_out_row(why, len(used.test), decoder=decoder, **names) for decoder, why in left_out.items()]
        if not attempts:
            problems.append(f"Session '{session_id}' cannot be decoded: {'; '.join(left_out.values())}.")
            continue

        def tell(done: int, total: int, name: str, session_id: str = session_id) -> None:
            listen(Progress("decode", done, total, f"{session_id} {name}"))

        rows += decode_session(found, used, attempts, names, chosen, tell)
    if len(problems) == len(prepared):
        raise DataError("\n".join(problems))
    return decoding_table(rows)


def told_prompts(settings: DecodeSettings, recipe: Recipe) -> tuple[str, ...]:
    """Return the prompts that a model is told: those asked for, or all that it was trained on.

    Raises
    ------
    SettingsError
        A prompt that the model was not trained on.
    """
    for prompt in settings.prompts:
        check_prompt(prompt, recipe)
    return settings.prompts or trained_prompts(recipe)


def _decodable(name: str, one: Prepared, behaviour: Mapping[str, Trace], settings: DecodeSettings) -> Target:
    """Return the target of a session without the trials that are not decoded; raises what its parts raise."""
    target = keep_query(find_target(name, one.counts, behaviour), one.counts, settings.trials)
    if settings.reaction_rule:
        target = keep_reactions(target, one.counts)
    return keep_frequent_classes(target, np.concatenate([one.split.train, one.split.val]))


def _attempts(
    checkpoint: Checkpoint,
    one: Prepared,
    target: Target,
    used: Split,
    prompts: Sequence[str],
    settings: DecodeSettings,
) -> tuple[list[Attempt], dict[str, str]]:
    """Return all ways to decode a session, and by decoder why it is left out."""
    tensors = to_tensors(one.counts)
    fit = np.concatenate([used.train, used.val])
    attempts: list[Attempt] = []
    left_out: dict[str, str] = {}
    if {"linear", "few-shot"} & set(settings.decoders):
        features = all_features(checkpoint.model, tensors, prompts)
        if "linear" in settings.decoders:
            attempts += linear_attempts(features, fit, used.test, settings)
        most = most_per_class(target, fit)
        for k in settings.k if "few-shot" in settings.decoders else ():
            if k <= most:
                attempts += few_shot_attempts(features, fit, used.test, k, settings)
                continue
            whose = "there are" if target.is_trace else "the rarest class has"
            left_out[f"few-shot-{k}"] = f"{whose} {most} trials to fit on, fewer than k = {k}"
    if "fine-tuned" in settings.decoders:
        attempts += head_attempts(checkpoint.model, tensors, used, prompts, settings)
    return attempts, left_out


def head_attempts(
    model: MtM, session: SessionTensors, used: Split, prompts: Sequence[str], settings: DecodeSettings
) -> list[Attempt]:
    """Return the attempts with heads that are trained end to end with a copy of the model; and on counts, alone."""
    device = next(model.parameters()).device

    def predict(encoder: Callable[[], nn.Module], prompt: str, target: Target) -> list[np.ndarray]:
        said = decode_with_head(
            encoder(),
            session,
            target.values,
            used.train,
            used.val,
            used.test,
            prompt=prompt,
            settings=settings.head,
            seed=settings.seed,
            device=device,
        )
        return [said]

    ways = [(HIDDEN_STATES, prompt, partial(ModelEncoder, model)) for prompt in prompts] + [(COUNTS, "", CountsEncoder)]
    return [
        Attempt("fine-tuned", name, prompt, partial(predict, encoder, prompt or "none"))
        for name, prompt, encoder in ways
    ]
