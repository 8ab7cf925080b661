"""Peak memory of exact evaluation: ``python -m benchmarks.memory ours|reference SIZE`` prints MB of its own process.

It is what a process holds at most while it asks, less what it held before: libraries, model and counts do not count.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch

from benchmarks.evaluation import ask_product, ask_reference, asked_of
from benchmarks.machine import ROOT
from benchmarks.reference import Reference
from benchmarks.rows import Row
from benchmarks.sizes import Size, model_of, recipe_of, session_of

TRIALS = 50
"""Trials that the reference passes through the model at once, for each question: as many as a session has for tests."""
ASKED = {"reference": 2, "ours": 20}
"""Questions, enough for the largest batch: the reference asks one at a time."""


def memory_rows(size: Size) -> list[Row]:
    """Return the peak memory of both, where the system tells a process what it holds (Linux)."""
    if not Path("/proc/self/clear_refs").exists():
        return []
    found = {who: in_its_own_process(who, size) for who in ASKED}
    plain, ours = found["reference"], found["ours"]
    note = f"{ours / plain:.0%} of the reference" if plain else ""
    return [
        Row("evaluation memory", "co-smoothing, reference", "float32", plain, "MB"),
        Row("evaluation memory", "co-smoothing", "float32", ours, "MB", note=note),
    ]


def in_its_own_process(who: str, size: Size) -> float:
    """Return what one of both says."""
    words = [sys.executable, "-m", "benchmarks.memory", who, json.dumps(asdict(size))]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def peak_mb(who: str, size: Size) -> float:
    """Return MB that this process holds at most while it asks, beyond what it held before."""
    session = session_of(size)
    model = model_of(recipe_of(size), {session.session_id: session}).eval()
    reference = Reference(model, session.session_id).eval()
    counts = session.counts[: size.n_tested].float()
    few = replace(size, n_tested=1, n_asked=1)

    def ask(its: Size) -> None:
        asked = asked_of("co-smoothing", session, its)
        if who == "ours":
            ask_product(model, session, asked, its)
        else:
            ask_reference(reference, counts[: its.n_tested], asked)

    ask(few)
    before = start_again_mb()
    ask(replace(size, n_asked=ASKED[who]))
    return most_mb() - before


def start_again_mb() -> float:
    """Forget how much this process has held at most, and return what it holds now."""
    Path("/proc/self/clear_refs").write_text("5")
    return most_mb()


def most_mb() -> float:
    """Return MB that this process has held at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(kilobytes) / 1024


if __name__ == "__main__":
    torch.set_num_threads(1)
    asked_size = replace(Size(**json.loads(sys.argv[2])), n_trials=TRIALS, n_tested=TRIALS)
    sys.stdout.write(f"{peak_mb(sys.argv[1], asked_size)}\n")
