"""Exact evaluation as `spikeglot evaluate` does it, next to the plain reference: same questions, same trials."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from benchmarks.flops import pass_flops
from benchmarks.reference import Reference, reference_held_out
from benchmarks.rows import Row, ceiling_flops
from benchmarks.sizes import ALL_CLUSTERS, Size, model_of, recipe_of, session_of
from benchmarks.timing import in_turn
from spikeglot.batch import SessionTensors
from spikeglot.evaluation.exact import predict_questions
from spikeglot.masking.tasks import Questions, ask, questions
from spikeglot.models.mtm import MtM
from spikeglot.precision import PRECISIONS
from spikeglot.settings import TASKS


def evaluation_rows(size: Size, device: torch.device, known: list[Row]) -> list[Row]:
    """Return milliseconds per (trial, question) pair by task and precision; co-smoothing also where many are silent."""
    rows = []
    for task in TASKS:
        rows += _task_rows(size, device, known, task, session_of(size))
    return rows + _task_rows(
        size, device, known, "co-smoothing", session_of(size, rates=ALL_CLUSTERS), ", all clusters"
    )


def _task_rows(
    size: Size, device: torch.device, known: list[Row], task: str, session: SessionTensors, of_what: str = ""
) -> list[Row]:
    model = model_of(recipe_of(size), {session.session_id: session}).to(device).eval()
    reference = Reference(model, session.session_id).to(device).eval()
    counts = session.counts[: size.n_tested].float().to(device)
    asked = asked_of(task, session, size)
    n_pairs = len(asked) * size.n_tested
    ways: dict[str, Callable[[], object]] = {"reference": lambda: ask_reference(reference, counts, asked)}
    for precision in PRECISIONS:
        ways[precision] = partial(ask_product, model, session, asked, size, precision)
    seconds = in_turn(ways, max(1, size.repeats // 2))
    rows = []
    for name, of in seconds.items():
        is_ours = name in PRECISIONS
        precision = name if is_ours else "float32"
        share = pass_flops(size, n_pairs) / of / ceiling_flops(known, precision)
        note = _note(model, session, asked, size, precision) if is_ours else ""
        what = f"{task}{of_what}" + ("" if is_ours else ", reference")
        rows.append(
            Row(
                "evaluation", what, precision, 1e3 * of / n_pairs, "ms per pair", share, seconds["reference"] / of, note
            )
        )
    return rows


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


def _note(model: MtM, session: SessionTensors, asked: Questions, size: Size, precision: str) -> str:
    """Say how many pairs need no pass of their own, or what rounding costs."""
    if precision == "bfloat16":
        return f"{bits_lost(model, session, asked, size):+.1e} bits/spike by rounding"
    if asked.n_hidden_bins:
        return ""
    spiking = session.counts[: size.n_tested].any(1)
    shown = sum(len(torch.unique(asked.visible & its, dim=0)) for its in spiking)
    return f"{1 - shown / (len(asked) * size.n_tested):.0%} of the pairs share a pass"


def bits_lost(model: MtM, session: SessionTensors, asked: Questions, size: Size) -> float:
    """Return by how much bfloat16 changes the pooled bits per spike."""
    exact, near = (ask_product(model, session, asked, size, precision) for precision in PRECISIONS)
    counts = session.counts[: size.n_tested].numpy().astype(np.float64)
    scored = ~np.isnan(exact)
    loss = [float((np.exp(r[scored]) - counts[scored] * r[scored]).sum()) for r in (exact, near)]
    return (loss[0] - loss[1]) / (max(1.0, counts[scored].sum()) * math.log(2))
