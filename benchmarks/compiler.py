"""What torch.compile takes and gives in training: `train.compile`, next to the same step without it."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from benchmarks.machine import precisions
from benchmarks.rows import Row
from benchmarks.sizes import Size
from benchmarks.timing import in_turn
from benchmarks.training import ProductWay
from spikeglot.events import DoneWithout, Event
from spikeglot.training.compiling import compiled


def compiler_rows(size: Size, device: torch.device, known: list[Row]) -> list[Row]:
    """Return a step with and without, and the steps after which compiling has paid."""
    rows = []
    for precision in precisions(size, device):
        plain, fast = (ProductWay(size, device, precision) for _ in range(2))
        told: list[Event] = []
        recipe = fast.recipe.model_copy(update={"train": fast.recipe.train.model_copy(update={"compile": "on"})})
        with compiled(fast.model, recipe, device, told.append):
            began = time.perf_counter()
            fast()
            first_s = time.perf_counter() - began
            ways: dict[str, Callable[[], object]] = {"off": plain, "on": fast}
            seconds = in_turn(ways, size.repeats)
        rows += _rows(seconds, first_s, precision, [event for event in told if isinstance(event, DoneWithout)])
    return rows


def _rows(seconds: dict[str, float], first_s: float, precision: str, failed: list[DoneWithout]) -> list[Row]:
    saved_s = seconds["off"] - seconds["on"]
    if failed:
        note = f"it failed: {failed[0].reason}"
    elif saved_s > 0:
        note = f"pays after {(first_s - seconds['on']) / saved_s:,.0f} steps"
    else:
        note = "never pays"
    return [
        Row("compiler", "step without", precision, 1e3 * seconds["off"], "ms"),
        Row("compiler", "step compiled", precision, 1e3 * seconds["on"], "ms", note=note),
        Row("compiler", "first step, compiling", precision, first_s, "s of the wall clock"),
    ]
