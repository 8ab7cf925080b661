"""Several ranks on one machine, a thread each: how much faster they do a step than one does.

``python -m torch.distributed.run --nproc-per-node N -m benchmarks.ranks SIZE`` prints seconds as JSON. The first rank
does a step alone, then all do one together, in turn, so that the ratio is of one run. It is the wall clock: others on
the machine show.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from statistics import median

import torch
import torch.distributed as dist

from benchmarks.machine import ROOT
from benchmarks.rows import Row
from benchmarks.sizes import Size
from benchmarks.training import ProductWay
from spikeglot.training.distributed import join_ranks

CPU = torch.device("cpu")


def ranks_rows(size: Size) -> list[Row]:
    """Return what a step of mixed sessions takes one rank, and as many as this process may use cores (2 at least)."""
    n_ranks = max(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    n_ranks = min(n_ranks, size.batch_size)
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(n_ranks)]
    words += ["-m", "benchmarks.ranks", json.dumps(asdict(size))]
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    found = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    gain, sum_ms = found["alone"] / found["together"], 1e3 * found["sum"]
    note = f"{gain:.2f} x as fast as one; gradients are summed in {sum_ms:.0f} ms"
    return [
        Row("ranks", "step, 1 rank", "float32", 1e3 * found["alone"], "ms", note="wall clock, one thread each"),
        Row("ranks", f"step, {n_ranks} ranks", "float32", 1e3 * found["together"], "ms", note=note),
    ]


def measured(size: Size) -> dict[str, float]:
    """Return seconds of a step alone and of one together, and of the sum of all gradients; as one of the ranks."""
    ranks = join_ranks("cpu")
    together = ProductWay(size, CPU, "float32", size.n_mixed, ranks=ranks)
    alone = ProductWay(size, CPU, "float32", size.n_mixed) if ranks.is_main else None
    parameters = [p for p in together.model.parameters() if p.requires_grad]
    seconds: dict[str, list[float]] = {"alone": [], "together": [], "sum": []}
    for repeat in range(size.repeats + 1):
        turn = {
            "alone": _timed(alone or (lambda: None)),
            "together": _timed(together),
            "sum": _timed(lambda: ranks.mean_gradients(parameters)),
        }
        if repeat > 0:
            for name, its in turn.items():
                seconds[name].append(its)
    return {name: median(its) for name, its in seconds.items()}


def _timed(work: Callable[[], object]) -> float:
    """Return the seconds until all ranks are done, which begin together."""
    dist.barrier()
    began = time.perf_counter()
    work()
    dist.barrier()
    return time.perf_counter() - began


if __name__ == "__main__":
    found = measured(Size(**json.loads(sys.argv[1])))
    if dist.get_rank() == 0:
        json.dump(found, sys.stdout)
