"""Time on a machine that others use too: repeats in turn, medians, and ratios within one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

import torch


def clock_s() -> float:
    """Return seconds: of this thread's own computing where that is all there is, otherwise of the wall clock.

    With one thread on a CPU the two agree on an idle machine, and others on the machine do not slow the first.
    """
    if is_alone():
        return time.thread_time()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def is_alone() -> bool:
    """Whether one thread does all the computing."""
    return torch.get_num_threads() == 1 and not torch.cuda.is_available()


def in_turn(ways: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median seconds of every way, after one run of each that does not count: A B A B ..., not A A B B."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            began = clock_s()
            way()
            if repeat > 0:
                seconds[name].append(clock_s() - began)
    return {name: median(of) for name, of in seconds.items()}
