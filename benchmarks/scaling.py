"""How time and memory of a training step, and of exact evaluation, grow with the data: ours next to the reference.

Every point is measured in a process of its own, because what a process has once held may stay with it. Memory is the
most that it held, above what it held after importing: weights, optimiser, counts of the sessions, and the step itself.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.evaluation import ask_product, ask_reference, asked_of
from benchmarks.flops import pass_flops, step_flops
from benchmarks.reference import Reference
from benchmarks.rows import Row, ceiling_flops
from benchmarks.sizes import Size, model_of, recipe_of, session_of
from benchmarks.timing import in_turn
from benchmarks.training import ProductWay, reference_way

AXES = {
    "units": [{"n_units": n} for n in (100, 300, 676, 1500, 3000)],
    "bins": [{"n_bins": n} for n in (20, 50, 100, 200, 400)],
    "trials": [{"batch_size": n, "n_trials": n} for n in (4, 16, 64)],
    "sessions": [{"n_mixed": n, "n_units": 200} for n in (1, 8, 40, 400)],
}
"""What is changed of the published size; batches hold as many sessions as they can, each step the next ones."""
QUICK_AXES = {
    "units": [{"n_units": n} for n in (16, 32)],
    "bins": [{"n_bins": n} for n in (5, 10)],
    "trials": [{"batch_size": n} for n in (2, 4)],
    "sessions": [{"n_mixed": n} for n in (1, 6)],
}
STATUS = Path("/proc/self/status")


class Point(NamedTuple):
    """Seconds, and bytes held at most (None where the system does not tell)."""

    seconds: float
    n_bytes: int | None


def scaling_rows(size: Size, device: torch.device, known: list[Row]) -> list[Row]:
    """Return milliseconds, with memory and the reference's numbers as a note, along each axis."""
    is_quick = size.repeats < 3
    size = replace(size, n_trials=size.batch_size, repeats=min(size.repeats, 2), n_asked=8, n_tested=2, n_mixed=1)
    peak = ceiling_flops(known, "float32")
    n_pairs = size.n_asked * size.n_tested
    rows = []
    for axis, changes in (QUICK_AXES if is_quick else AXES).items():
        for changed in (replace(size, **change) for change in changes):
            n_of = {"units": changed.n_units, "bins": changed.n_bins, "trials": changed.batch_size}
            what = f"{n_of.get(axis, changed.n_mixed):,} {axis}"
            floor_s = step_flops(changed) / peak
            ours = measure(product_step, changed, device, apart=not is_quick)
            plain = measure(reference_step, changed, device, apart=not is_quick) if axis != "sessions" else None
            rows.append(_row(f"step, {what}", "ms", 1, ours, plain, floor_s))
            if axis == "units":
                floor_s = pass_flops(changed, n_pairs) / peak
                ours = measure(product_ask, changed, device, apart=not is_quick)
                plain = measure(reference_ask, changed, device, apart=not is_quick)
                rows.append(_row(f"co-smoothing, {what}", "ms per pair", n_pairs, ours, plain, floor_s))
    return rows


def _row(what: str, unit: str, per: int, ours: Point, plain: Point | None, floor_s: float) -> Row:
    notes = [] if ours.n_bytes is None else [f"{ours.n_bytes / 2**20:,.0f} MiB"]
    if plain is not None and plain.n_bytes is not None:
        notes.append(f"reference {plain.n_bytes / 2**20:,.0f} MiB")
    ratio = None if plain is None else plain.seconds / ours.seconds
    value = 1e3 * ours.seconds / per
    return Row("scaling", what, "float32", value, unit, floor_s / ours.seconds, ratio, ", ".join(notes))


def measure(way: Callable[[Size, torch.device], float], size: Size, device: torch.device, *, apart: bool) -> Point:
    """Return what ``way`` takes; ``apart``: in a fresh process."""
    if not apart:
        return _measured(way, size, device)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(_measured, way, size, device).result()


def _measured(way: Callable[[Size, torch.device], float], size: Size, device: torch.device) -> Point:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return Point(way(size, device), torch.cuda.max_memory_allocated(device))
    before = _held("VmRSS")
    seconds = way(size, device)
    most = _held("VmHWM")
    return Point(seconds, None if before is None or most is None else most - before)


def _held(what: str) -> int | None:
    """Return bytes of memory that this process holds (VmRSS), or has held at most (VmHWM), where Linux tells."""
    if not STATUS.exists():
        return None
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return 1024 * int(lines[what].split()[0])


def product_step(size: Size, device: torch.device) -> float:
    """Return the seconds of a training step after all sessions have had one."""
    way = ProductWay(size, device, "float32", size.n_mixed)
    for _ in range(len(way.sessions) // way.at_once):
        way()
    return in_turn({"": way}, size.repeats)[""]


def reference_step(size: Size, device: torch.device) -> float:
    """Return the seconds of a training step of the reference."""
    return in_turn({"": reference_way(size, device)}, size.repeats)[""]


def product_ask(size: Size, device: torch.device) -> float:
    """Return the seconds of questions of co-smoothing."""
    session = session_of(size)
    model = model_of(recipe_of(size), {"0": session}).to(device).eval()
    asked = asked_of("co-smoothing", session, size)
    return in_turn({"": lambda: ask_product(model, session, asked, size)}, size.repeats)[""]


def reference_ask(size: Size, device: torch.device) -> float:
    """Return the seconds of the same questions, asked the reference."""
    session = session_of(size)
    reference = Reference(model_of(recipe_of(size), {"0": session}), "0").to(device).eval()
    counts = session.counts[: size.n_tested].float().to(device)
    asked = asked_of("co-smoothing", session, size)
    return in_turn({"": lambda: ask_reference(reference, counts, asked)}, size.repeats)[""]
