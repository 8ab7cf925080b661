"""The data path: binning, prepared sessions, batches; and the closed-form start, and what an import takes."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.many_sessions import many_sessions_rows
from benchmarks.reference import draw_masks, reference_counts
from benchmarks.rows import Row, ceiling_bytes
from benchmarks.sizes import BIN_SIZE_S, Size, model_of, recipe_of, session_of, sessions_of
from benchmarks.timing import in_turn
from spikeglot.batch import masked_groups
from spikeglot.data.binning import bin_spikes
from spikeglot.data.simulate import SimulationSettings, simulate_sessions
from spikeglot.data.sources.brainset import read_brainset
from spikeglot.data.store import write_session
from spikeglot.events import silent
from spikeglot.randomness import derive_seed
from spikeglot.training.loop import batches
from spikeglot.training.start import start_sessions

SIMULATED_UNITS_PER_REGION = 40
REFERENCE_WINDOWS = 5
RATE = "million spikes/s"


def data_rows(size: Size, known: list[Row]) -> list[Row]:
    """Return what each part takes, next to the training steps that are known; it is numpy's time, not the device's."""
    parts = [*binning(size, known), *loading(size, known), *drawing(size), *many_sessions_rows(size, known)]
    return [*parts, closed_form(size), *importing(size)]


def binning(size: Size, known: list[Row]) -> list[Row]:
    """Counts of all windows from sorted spike times; the reference counts some of the windows."""
    rng = np.random.default_rng(0)
    window_s = size.n_bins * BIN_SIZE_S
    times_s = np.sort(rng.uniform(0, size.n_windows * window_s, size.n_spikes))
    unit = rng.integers(0, size.n_units, size.n_spikes)
    starts_s = window_s * np.arange(size.n_windows)
    few_s = starts_s[:REFERENCE_WINDOWS]
    ways = {
        "ours": lambda: bin_spikes(times_s, unit, size.n_units, starts_s, size.n_bins, BIN_SIZE_S),
        "reference": lambda: reference_counts(times_s, unit, size.n_units, few_s, size.n_bins, BIN_SIZE_S),
    }
    seconds = in_turn(ways, size.repeats)
    ours, plain = seconds["ours"], seconds["reference"] * size.n_windows / len(few_s)
    n_bytes = times_s.nbytes + unit.nbytes + size.n_windows * size.n_bins * size.n_units
    share = n_bytes / ours / ceiling_bytes(known)
    each = {"reference": (plain, None, "a histogram per window and unit"), "": (ours, share, "")}
    return [
        Row("data", f"binning, {name}".strip(", "), "", size.n_spikes / its / 1e6, RATE, of, plain / its, note)
        for name, (its, of, note) in each.items()
    ]


def loading(size: Size, known: list[Row]) -> list[Row]:
    """A prepared session from disk: opened, which leaves its spikes where they are, and with all of them read."""
    n_trials = size.n_windows // 2
    settings = SimulationSettings(
        n_subjects=1, n_trials=n_trials, min_units=SIMULATED_UNITS_PER_REGION, max_units=SIMULATED_UNITS_PER_REGION
    )
    (session,) = simulate_sessions(settings)
    with tempfile.TemporaryDirectory() as folder:
        path = write_session(session, Path(folder) / "session.h5")

        def read() -> tuple[np.ndarray, np.ndarray]:
            opened = read_brainset(path)
            return opened.spike_times_s.copy(), opened.spike_unit.copy()

        seconds = in_turn({"open": lambda: read_brainset(path), "read": read}, size.repeats)
    n_bytes = 2 * (session.spike_times_s.nbytes + session.spike_unit.nbytes)  # read, and written into arrays
    share = n_bytes / seconds["read"] / ceiling_bytes(known)
    return [
        Row("data", "opening a prepared session", "", 1e3 * seconds["open"], "ms"),
        Row("data", "reading a prepared session", "", session.n_spikes / seconds["read"] / 1e6, RATE, share),
    ]


def drawing(size: Size) -> list[Row]:
    """Random batches of mixed sessions with their masks, without what trains on them; the reference: of one session."""
    recipe, sessions = recipe_of(size), sessions_of(size, size.n_mixed)
    order, rng = batches(recipe, sessions, start=0), random.Random(0)
    first = sessions["0"]

    def draw() -> None:
        step, batch = next(order)
        masked_groups(sessions, batch, recipe.mask, derive_seed(0, "masks", step))

    def draw_plainly() -> None:
        first.counts[: size.batch_size].float()
        draw_masks(size.batch_size, size.n_bins, first.region, rng)

    seconds = in_turn({", reference": draw_plainly, "": draw}, 3 * size.repeats)
    plain = seconds[", reference"]
    what = "drawing a batch and its masks"
    return [Row("data", what + name, "", 1e3 * s, "ms", times_reference=plain / s) for name, s in seconds.items()]


def closed_form(size: Size) -> Row:
    """What ``finetune`` does by default: the start of one session in closed form."""
    recipe, sessions = recipe_of(size, start="factors"), {"0": session_of(size)}
    model = model_of(recipe, sessions)
    way = {"": lambda: start_sessions(model, sessions, recipe.mask.schemes, silent)}
    seconds = in_turn(way, 1)[""]
    return Row("fine-tuning", f"closed form, {size.n_trials} trials", "float32", seconds, "s")


def importing(size: Size) -> list[Row]:
    """Importing in a fresh interpreter, above starting it: the package, and with what a model needs."""
    rows = []
    for what, code in (("import spikeglot", "import spikeglot"), ("import of a model", "import spikeglot.models.mtm")):
        extra_s = median(_start_s(code) for _ in range(size.repeats)) - median(
            _start_s("") for _ in range(size.repeats)
        )
        rows.append(Row("import", what, "", 1e3 * extra_s, "ms"))
    return rows


def _start_s(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began
