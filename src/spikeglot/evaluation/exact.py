"""The four tasks, exactly: every unit held out in turn, batched over (trial, question) pairs in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from spikeglot.batch import SessionTensors
from spikeglot.events import Listener, Progress, silent
from spikeglot.masking.mask import PROMPTS, moved
from spikeglot.masking.tasks import Questions, ask, questions
from spikeglot.models.held_out import HeldOut
from spikeglot.models.layers import PLAIN_TOKENS
from spikeglot.models.mtm import MtM
from spikeglot.precision import fast_products, pick_precision
from spikeglot.settings import TASKS

USUAL_MB = 256
"""What a batch may keep alive if nobody says otherwise, on a CPU; there more would not be faster."""
USUAL_MB_ELSEWHERE = 4096
"""The same on a GPU; not a share of what is free, so that batches, and with them rounding, do not depend on others."""
ARRAYS_PER_PAIR = 16
"""About how many float32 arrays (time, unit) one pair keeps alive where bins are hidden."""
ARRAYS_PER_TRIAL = 16
"""The same of a trial for which whole units are hidden, however many questions it is asked."""
FLOATS_PER_TOKEN = 12
"""About how many times its width a token keeps alive inside the backbone."""
FLOATS_PER_CHANNEL = 4
"""About how many times the channels of a token are kept alive while it is read in."""
LOGITS = 2
"""About how many times the logits of attention are kept alive, where they are kept."""
CACHE_FLOATS = 10 * 2**20
"""Floats that a pass keeps alive on a CPU, at most: more of them leave the caches (docs/explain/speed.md)."""


def predict_tasks(
    model: MtM,
    session: SessionTensors,
    trials: np.ndarray,
    *,
    tasks: Sequence[str] = TASKS,
    prompted: bool = True,
    prompt: str = "",
    memory_mb: int | None = None,
    precision: str = "float32",
    group: Tensor | None = None,
    listen: Listener = silent,
) -> dict[str, np.ndarray]:
    """Predict what each task hides, on the given trials.

    Returns per task the log-rates (trial, time, unit) float32, natural logs of expected counts per bin, NaN where
    the task asks for nothing. The model sees the visible counts of each question only. It is told the prompt of the
    task, or ``prompt`` (of `spikeglot.masking.mask.PROMPTS`), or nothing where it is not ``prompted``. ``memory_mb``
    bounds the size of a batch (by default `USUAL_MB`, on a GPU `USUAL_MB_ELSEWHERE`). In ``precision`` "bfloat16"
    the architecture computes faster and less exactly; "auto" takes it for wide models on devices with units for it.
    With ``group`` (unit,), of `spikeglot.masking.tasks.held_out_groups`, units are not hidden one by one: that is an
    approximation.
    """
    n_bins = session.n_bins
    asked = {task: replace(questions(task, session.region, n_bins, group), prompt=prompt) for task in tasks}
    total = sum(len(q) for q in asked.values()) * len(trials)
    done, predictions = 0, {}
    for task, its_questions in asked.items():

        def tell(n_pairs: int, task: str = task) -> None:
            nonlocal done
            done += n_pairs
            listen(Progress("evaluate", done, total, f"{session.session_id} {task}"))

        predictions[task] = predict_questions(
            model,
            session,
            trials,
            its_questions,
            prompted=prompted,
            memory_mb=memory_mb,
            precision=precision,
            tell=tell,
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
    memory_mb: int | None = None,
    precision: str = "float32",
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
    device = next(model.parameters()).device
    kind = pick_precision(precision, device, model.settings.width)
    with fast_products(), model.computing_in(kind):
        log_rate = predict(model, session, index, asked, prompted, floats_at_most(memory_mb, device), tell)
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
    n_bins, n_units = session.n_bins, session.n_units
    log_rate = torch.full((len(index), n_bins, n_units), float("nan"), device=device)
    stitcher = model.stitcher(session.session_id)
    n_pairs = pairs_at_once(model, session, n_floats * 3 // 4)
    n_trials = max(1, min(n_pairs, n_floats // 4 // (ARRAYS_PER_TRIAL * n_bins * n_units)))
    if stitcher.silence_is_hidden:
        n_trials = 1
    for first in range(0, len(index), n_trials) if len(asked) else ():
        some = slice(first, min(first + n_trials, len(index)))
        counts, start_s = session.at(index[some]), session.start_s[index[some]]
        held_out = HeldOut(model, session.session_id, moved(counts, device), moved(start_s, device))
        spiking = counts[0].any(0) if stitcher.silence_is_hidden else None
        for visible, targets, n_asked in passes(asked, spiking, max(1, n_pairs // len(counts))):
            prompt = torch.full((len(visible),), PROMPTS.index(asked.told if prompted else "none"))
            targets = [moved(units, device) for units in targets]
            found = held_out.predict(moved(visible, device), targets, moved(prompt, device))
            for units, values in zip(targets, found, strict=True):
                log_rate[some, :, units] = values
            tell(n_asked * len(counts))
    return log_rate.cpu()


def passes(asked: Questions, spiking: Tensor | None, at_once: int) -> Iterator[tuple[Tensor, list[Tensor], int]]:
    """Yield what goes through the model together: ``visible`` (row, unit), the targets of each row, questions asked.

    With ``spiking`` (unit,) bool, of a trial in which silent units look hidden, questions that show the same spikes are
    one row, with the targets of all of them.
    """
    if spiking is None:
        row_of = torch.arange(len(asked))
    else:
        row_of = torch.unique(asked.visible & spiking, dim=0, return_inverse=True)[1]
    members = [row.nonzero()[:, 0] for row in row_of == torch.arange(int(row_of.max()) + 1)[:, None]]
    for start in range(0, len(members), at_once):
        some = members[start : start + at_once]
        visible = asked.visible[torch.stack([row[0] for row in some])]
        targets = [asked.target[row].any(0).nonzero()[:, 0] for row in some]
        yield visible, targets, sum(len(row) for row in some)


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
    n_bins, n_units = session.n_bins, session.n_units
    log_rate = torch.full((len(index), n_bins, n_units), float("nan"))
    for row, trial in pairs(asked, len(index), pairs_at_once(model, session, n_floats, ARRAYS_PER_PAIR)):
        mask = ask(asked, row, n_bins)
        group = session.group(index[trial], mask if prompted else mask.unprompted())
        predicted = model([group.to(device)])[0].cpu()
        pair, time, unit = mask.target.nonzero(as_tuple=True)
        log_rate[trial[pair], time, unit] = predicted[pair, time, unit]
        tell(len(row))
    return log_rate


def floats_at_most(memory_mb: int | None, device: torch.device) -> int:
    """Return how many floats a batch may keep alive."""
    if memory_mb is None:
        memory_mb = USUAL_MB if device.type == "cpu" else USUAL_MB_ELSEWHERE
    return memory_mb * 2**20 // 4


def pairs_at_once(model: MtM, session: SessionTensors, n_floats: int, arrays: int = 0) -> int:
    """Return how many pairs go through the model together, by what they keep alive beside ``arrays`` (time, unit)."""
    n_bins, n_units = session.n_bins, session.n_units
    n_tokens = n_bins * model.stitcher(session.session_id).n_patches
    at_most = n_floats // (floats_per_pair(model, session) + arrays * n_bins * n_units)
    if next(model.parameters()).device.type == "cpu":
        at_most = min(at_most, CACHE_FLOATS // (n_tokens * FLOATS_PER_TOKEN * model.settings.width))
    return max(1, at_most)


def floats_per_pair(model: MtM, session: SessionTensors) -> int:
    """Return about how many floats a pair keeps alive: its tokens, and what is multiplied to read it in."""
    settings, stitcher = model.settings, model.stitcher(session.session_id)
    n_tokens = session.n_bins * stitcher.n_patches
    n_latent = stitcher.factors.n_latent if stitcher.factors is not None else 0
    floats = n_tokens * (FLOATS_PER_TOKEN * settings.width + FLOATS_PER_CHANNEL * (settings.stitch_width + n_latent))
    floats += session.n_units * (settings.stitch_width + n_latent)
    if n_tokens <= max(PLAIN_TOKENS.values()):
        floats += LOGITS * settings.heads * n_tokens**2
    return floats


def pairs(asked: Questions, n_trials: int, at_once: int) -> list[tuple[Tensor, Tensor]]:
    """List (question, trial) number pairs in batches of ``at_once``: every question of every trial, once."""
    row = torch.arange(len(asked)).repeat_interleave(n_trials)
    trial = torch.arange(n_trials).repeat(len(asked))
    return list(zip(row.split(at_once), trial.split(at_once), strict=True))


def scored_entries(task: str, session: SessionTensors) -> np.ndarray:
    """Return (time, unit) bool: the entries of a window that a task asks for."""
    n_bins, n_units = session.n_bins, session.n_units
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
