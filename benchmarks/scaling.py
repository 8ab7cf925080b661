"""How time and memory of a training step, and of exact evaluation, grow with the data: ours next to the reference.

Both are timed in turn, in one fresh process per point. Memory is measured in a process of its own for each, because
what a process has once held may stay with it: the most that it held, above what it held after importing: weights,
optimiser, counts of the sessions, and the step itself.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

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
QUICK_REPEATS = 3
"""Fewer repeats are those of a quick run."""
STATUS = Path("/proc/self/status")

Way = Callable[[], object]
Maker = Callable[[Size, torch.device], Way]


def scaling_rows(size: Size, device: torch.device, known: list[Row]) -> list[Row]:
    """Return milliseconds, with memory and the reference's numbers as a note, along each axis."""
    apart = size.repeats >= QUICK_REPEATS
    size = replace(size, n_trials=size.batch_size, repeats=min(size.repeats, 3), n_asked=8, n_tested=2, n_mixed=1)
    peak = ceiling_flops(known, "float32")
    n_pairs = size.n_asked * size.n_tested
    rows = []
    for axis, changes in (AXES if apart else QUICK_AXES).items():
        for changed in (replace(size, **change) for change in changes):
            n_of = {"units": changed.n_units, "bins": changed.n_bins, "trials": changed.batch_size}
            what = f"{n_of.get(axis, changed.n_mixed):,} {axis}"
            # of the reference, which knows one session, there is nothing to see along sessions
            makers = [product_step] if axis == "sessions" else [product_step, reference_step]
            point = measure(makers, changed, device, apart=apart)
            rows.append(_row(f"step, {what}", "ms", 1, *point, step_flops(changed) / peak))
            if axis == "units":
                point = measure([product_ask, reference_ask], changed, device, apart=apart)
                floor_s = pass_flops(changed, n_pairs) / peak
                rows.append(_row(f"co-smoothing, {what}", "ms per pair", n_pairs, *point, floor_s))
    return rows


def _row(what: str, unit: str, per: int, seconds: list[float], n_bytes: list[int | None], floor_s: float) -> Row:
    names = ("", "reference ")
    notes = [f"{name}{held / 2**20:,.0f} MiB" for name, held in zip(names, n_bytes, strict=False) if held is not None]
    ours, ratio = seconds[0], seconds[1] / seconds[0] if len(seconds) > 1 else None
    return Row("scaling", what, "float32", 1e3 * ours / per, unit, floor_s / ours, ratio, ", ".join(notes))


def measure(
    makers: list[Maker], size: Size, device: torch.device, *, apart: bool
) -> tuple[list[float], list[int | None]]:
    """Return the seconds and the most bytes (None where the system does not tell) of what each of ``makers`` makes."""
    call = in_fresh_process if apart else lambda work, *given: work(*given)
    return call(_seconds, makers, size, device), [call(_most_held, maker, size, device) for maker in makers]


def in_fresh_process(work: Callable[..., Any], *given: object) -> Any:
    """Return what ``work`` returns in a process that has done nothing else."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(work, *given).result()


def _seconds(makers: list[Maker], size: Size, device: torch.device) -> list[float]:
    ways = {str(number): maker(size, device) for number, maker in enumerate(makers)}
    return list(in_turn(ways, size.repeats).values())


def _most_held(maker: Maker, size: Size, device: torch.device) -> int | None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    before = _held("VmRSS")
    way = maker(size, device)
    for _ in range(2):
        way()  # from the second on there are moments all the way
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    most = _held("VmHWM")
    return None if before is None or most is None else most - before


def _held(what: str) -> int | None:
    """Return bytes of memory that this process holds (VmRSS), or has held at most (VmHWM), where Linux tells."""
    if not STATUS.exists():
        return None
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return 1024 * int(lines[what].split()[0])


def product_step(size: Size, device: torch.device) -> Way:
    """Return what does a training step, after all sessions have had one but the last."""
    way = ProductWay(size, device, "float32", size.n_mixed)
    for _ in range(len(way.sessions) // way.at_once - 1):
        way()
    return way


def reference_step(size: Size, device: torch.device) -> Way:
    """Return what does a training step of the reference."""
    return reference_way(size, device)


def product_ask(size: Size, device: torch.device) -> Way:
    """Return what asks questions of co-smoothing."""
    session = session_of(size)
    model = model_of(recipe_of(size), {"0": session}).to(device).eval()
    asked = asked_of("co-smoothing", session, size)
    return lambda: ask_product(model, session, asked, size)


def reference_ask(size: Size, device: torch.device) -> Way:
    """Return what asks the reference the same questions."""
    session = session_of(size)
    reference = Reference(model_of(recipe_of(size), {"0": session}), "0").to(device).eval()
    counts = session.counts[: size.n_tested].float().to(device)
    asked = asked_of("co-smoothing", session, size)
    return lambda: ask_reference(reference, counts, asked)
