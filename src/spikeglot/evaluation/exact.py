"""The four tasks, exactly: every unit held out in turn, batched over (trial, question) pairs in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from spikeglot.batch import SessionTensors
from spikeglot.events import Listener, Progress, silent
from spikeglot.masking.mask import PROMPTS
from spikeglot.masking.tasks import Questions, ask, questions
from spikeglot.models.held_out import HeldOut
from spikeglot.models.mtm import MtM
from spikeglot.settings import TASKS

ARRAYS_PER_PAIR = 16
"""About how many float32 arrays (time, unit) one pair keeps alive inside the model."""
FLOATS_PER_TOKEN = 12
"""About how many times its width a token keeps alive inside the backbone."""


def predict_tasks(
    model: MtM,
    session: SessionTensors,
    trials: np.ndarray,
    *,
    tasks: Sequence[str] = TASKS,
    prompted: bool = True,
    prompt: str = "",
    memory_mb: int = 256,
    listen: Listener = silent,
) -> dict[str, np.ndarray]:
    """Predict what each task hides, on the given trials.

    Returns per task the log-rates (trial, time, unit) float32, natural logs of expected counts per bin, NaN where
    the task asks for nothing. The model sees the visible counts of each question only. It is told the prompt of the
    task, or ``prompt`` (of `spikeglot.masking.mask.PROMPTS`), or nothing where it is not ``prompted``. ``memory_mb``
    bounds the size of a batch.
    """
    n_bins = session.counts.shape[1]
    asked = {task: replace(questions(task, session.region, n_bins), prompt=prompt) for task in tasks}
    total = sum(len(q) for q in asked.values()) * len(trials)
    done, predictions = 0, {}
    for task, its_questions in asked.items():

        def tell(n_pairs: int, task: str = task) -> None:
            nonlocal done
            done += n_pairs
            listen(Progress("evaluate", done, total, f"{session.session_id} {task}"))

        predictions[task] = predict_questions(
            model, session, trials, its_questions, prompted=prompted, memory_mb=memory_mb, tell=tell
        )
    return predictions


@torch.no_grad()
def predict_questions(
    model: MtM,
    session: SessionTensors,
    trials: np.ndarray,
    asked: Questions,
    *,
    prompted: bool = True,
    memory_mb: int = 256,
    tell: Callable[[int], None] = lambda n_pairs: None,
) -> np.ndarray:
    """Predict what some questions hide, no entry of which is asked for twice; see `predict_tasks`.

    Returns log-rates (trial, time, unit) float32. ``tell`` is called with the number of (trial, question) pairs of
    each batch.
    """
    was_training = model.training
    model.eval()
    index = torch.from_numpy(np.asarray(trials))
    predict = predict_hidden_bins if asked.n_hidden_bins else predict_hidden_units
    log_rate = predict(model, session, index, asked, prompted, memory_mb * 2**20 // 4, tell)
    model.train(was_training)
    return log_rate.numpy()


def predict_hidden_units(
    model: MtM,
    session: SessionTensors,
    index: Tensor,
    asked: Questions,
    prompted: bool,
    n_floats: int,
    tell: Callable[[int], None],
) -> Tensor:
    """Predict questions that hide whole units, many questions of all trials at once; ``n_floats`` bounds a batch."""
    device = next(model.parameters()).device
    n_bins, n_units = session.counts.shape[1:]
    log_rate = torch.full((len(index), n_bins, n_units), float("nan"))
    n_patches = model.stitcher(session.session_id).n_patches
    per_pair = n_bins * n_patches * FLOATS_PER_TOKEN * model.settings.width
    trials_at_once = max(1, min(len(index), n_floats // (4 * n_bins * n_units)))
    for some in torch.arange(len(index)).split(trials_at_once) if len(index) and len(asked) else ():
        counts, start_s = session.counts[index[some]].float(), session.start_s[index[some]]
        held_out = HeldOut(model, session.session_id, counts.to(device), start_s.to(device))
        for rows in torch.arange(len(asked)).split(max(1, n_floats // (per_pair * len(some)))):
            prompt = torch.full((len(rows),), PROMPTS.index(asked.told if prompted else "none"))
            targets = [asked.target[row].nonzero()[:, 0] for row in rows]
            found = held_out.predict(asked.visible[rows].to(device), [t.to(device) for t in targets], prompt.to(device))
            for units, values in zip(targets, found, strict=True):
                log_rate[some[:, None], :, units] = values.cpu().transpose(1, 2)
            tell(len(rows) * len(some))
    return log_rate


def predict_hidden_bins(
    model: MtM,
    session: SessionTensors,
    index: Tensor,
    asked: Questions,
    prompted: bool,
    n_floats: int,
    tell: Callable[[int], None],
) -> Tensor:
    """Predict questions that hide bins: one pass of the model per (trial, question) pair."""
    device = next(model.parameters()).device
    n_bins, n_units = session.counts.shape[1:]
    log_rate = torch.full((len(index), n_bins, n_units), float("nan"))
    for row, trial in pairs(asked, len(index), max(1, n_floats // (n_bins * n_units * ARRAYS_PER_PAIR))):
        mask = ask(asked, row, n_bins)
        group = session.group(index[trial], mask if prompted else mask.unprompted())
        predicted = model([group.to(device)])[0].cpu()
        pair, time, unit = mask.target.nonzero(as_tuple=True)
        log_rate[trial[pair], time, unit] = predicted[pair, time, unit]
        tell(len(row))
    return log_rate


def pairs(asked: Questions, n_trials: int, at_once: int) -> list[tuple[Tensor, Tensor]]:
    """List (question, trial) number pairs in batches of ``at_once``: every question of every trial, once."""
    row = torch.arange(len(asked)).repeat_interleave(n_trials)
    trial = torch.arange(n_trials).repeat(len(asked))
    return list(zip(row.split(at_once), trial.split(at_once), strict=True))


def scored_entries(task: str, session: SessionTensors) -> np.ndarray:
    """Return (time, unit) bool: the entries of a window that a task asks for."""
    n_bins, n_units = session.counts.shape[1:]
    asked = questions(task, session.region, n_bins)
    if len(asked) == 0:
        return np.zeros((n_bins, n_units), dtype=bool)
    return ask(asked, torch.arange(len(asked)), n_bins).target.any(0).numpy()


def oracle_predictions(
    rates: np.ndarray, session: SessionTensors, tasks: Sequence[str] = TASKS
) -> dict[str, np.ndarray]:
    """Return the log of the true expected counts (trial, time, unit) as predictions of every task (simulated data)."""
    return {
        task: np.where(scored_entries(task, session), np.log(np.maximum(rates, 1e-9)), np.nan).astype(np.float32)
        for task in tasks
    }
