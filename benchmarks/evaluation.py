"""Exact evaluation as `spikeglot evaluate` does it, next to the plain reference: same questions, same trials."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from benchmarks.ceilings import ceiling_ways, peaks
from benchmarks.flops import pass_flops
from benchmarks.machine import precisions
from benchmarks.reference import Reference, reference_held_out
from benchmarks.rows import Row
from benchmarks.sizes import ALL_CLUSTERS, Size, model_of, recipe_of, session_of
from benchmarks.timing import in_turn
from spikeglot.batch import SessionTensors
from spikeglot.evaluation.exact import passes, predict_questions
from spikeglot.masking.tasks import Questions, ask, questions
from spikeglot.models.mtm import MtM
from spikeglot.precision import PRECISIONS
from spikeglot.settings import TASKS


def evaluation_rows(size: Size, device: torch.device) -> list[Row]:
    """Return milliseconds per (trial, question) pair by task and precision; co-smoothing also where many are silent."""
    rows = []
    for task in TASKS:
        rows += _task_rows(size, device, task, session_of(size))
    return rows + _task_rows(size, device, "co-smoothing", session_of(size, rates=ALL_CLUSTERS), ", all clusters")


def _task_rows(size: Size, device: torch.device, task: str, session: SessionTensors, of_what: str = "") -> list[Row]:
    """Measure some questions, and say what a pair costs where all are asked.

    A pass costs the same wherever it is asked for; how many passes all questions of the same trials need is counted.
    """
    model = model_of(recipe_of(size), {session.session_id: session}).to(device).eval()
    reference = Reference(model, session.session_id).to(device).eval()
    counts = session.counts[: size.n_tested].float().to(device)
    everything = questions(task, session.region, size.n_bins)
    asked = asked_of(task, session, size)
    made, needed = (n_passes(its, session, size) for its in (asked, everything))
    n_pairs = len(everything) * size.n_tested
    ways: dict[str, Callable[[], object]] = {"reference": lambda: ask_reference(reference, counts, asked)}
    ways |= ceiling_ways(size, device)
    for precision in precisions(size, device):
        ways[precision] = partial(ask_product, model, session, asked, size, precision)
    seconds = in_turn(ways, max(1, size.repeats // 2))
    peak = peaks(size, device, seconds)
    plain = seconds["reference"] / (len(asked) * size.n_tested)
    share = pass_flops(size, 1) / plain / peak["float32"]
    rows = [Row("evaluation", f"{task}{of_what}, reference", "float32", 1e3 * plain, "ms per pair", share, 1.0)]
    for precision in precisions(size, device):
        a_pass = seconds[precision] / made
        a_pair = a_pass * needed / n_pairs
        share = pass_flops(size, 1) / a_pass / peak[precision]
        note = f"{needed:,} passes of {1e3 * a_pass:.3g} ms for {n_pairs:,} pairs"
        if precision == "bfloat16":
            note = f"{note}; {bits_lost(model, session, asked, size):+.1e} bits/spike by rounding"
        rows.append(
            Row("evaluation", f"{task}{of_what}", precision, 1e3 * a_pair, "ms per pair", share, plain / a_pair, note)
        )
    return rows


def n_passes(asked: Questions, session: SessionTensors, size: Size) -> int:
    """Return how many passes of the model the questions take on the tested trials, in a model that starts from zero."""
    if asked.n_hidden_bins:
        return len(asked) * size.n_tested
    spiking = session.counts[: size.n_tested].any(1)
    return sum(len(targets) for its in spiking for _, targets, _ in passes(asked, its, len(asked)))


def asked_of(task: str, session: SessionTensors, size: Size) -> Questions:
    """Return the questions of a task, evenly spread ones where there are more than ``size.n_asked``."""
    asked = questions(task, session.region, size.n_bins)
    some = torch.linspace(0, len(asked) - 1, min(size.n_asked, len(asked))).round().long()
    return replace(asked, visible=asked.visible[some], target=asked.target[some])


def ask_product(
    model: MtM, session: SessionTensors, asked: Questions, size: Size, precision: str = "float32"
) -> np.ndarray:
    """Return the log-rates (trial, time, unit) of the product path."""
    return predict_questions(model, session, np.arange(size.n_tested), asked, precision=precision)


def ask_reference(reference: Reference, counts: torch.Tensor, asked: Questions) -> np.ndarray:
    """Return the same from the reference."""
    mask = ask(asked, torch.arange(len(asked)), counts.shape[1])
    device = counts.device
    found = reference_held_out(
        reference, counts, (~mask.visible).to(device), mask.target.to(device), asked.told, bool(mask.causal[0])
    )
    return found.cpu().numpy()


def bits_lost(model: MtM, session: SessionTensors, asked: Questions, size: Size) -> float:
    """Return by how much bfloat16 changes the pooled bits per spike."""
    exact, near = (ask_product(model, session, asked, size, precision) for precision in PRECISIONS)
    counts = session.counts[: size.n_tested].numpy().astype(np.float64)
    scored = ~np.isnan(exact)
    loss = [float((np.exp(r[scored]) - counts[scored] * r[scored]).sum()) for r in (exact, near)]
    return (loss[0] - loss[1]) / (max(1.0, counts[scored].sum()) * math.log(2))
