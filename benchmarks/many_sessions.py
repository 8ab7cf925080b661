"""Many prepared sessions: batches from where they lie; the first batch of hundreds of them, and its memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py

from benchmarks.first_batch import parts_of, recipe_for
from benchmarks.machine import ROOT
from benchmarks.rows import Row
from benchmarks.sizes import BIN_SIZE_S, Size, session_of
from benchmarks.timing import in_turn
from spikeglot.batch import masked_groups
from spikeglot.data.sources.arrays import from_counts
from spikeglot.data.store import write_session
from spikeglot.randomness import derive_seed
from spikeglot.training.loop import batches

MANY = {"n_units": 100, "n_bins": 50, "n_trials": 100}
"""Size of each of hundreds of sessions, at most: all must fit on the disk of whoever measures (about 1 GB)."""


def many_sessions_rows(size: Size, known: Sequence[Row]) -> list[Row]:
    """Return the rate of batches, and time and memory until the first batch, of sessions that `prepare` has written."""
    small = replace(size, **{name: min(getattr(size, name), most) for name, most in MANY.items()})
    with tempfile.TemporaryDirectory() as folder:
        prepared_sessions(size, size.n_mixed, Path(folder) / "mixed")
        rows = [drawing_from_files(size, Path(folder) / "mixed", known)]
        prepared_sessions(small, max(size.n_sessions), Path(folder) / "many")
        return rows + first_batches(small, Path(folder) / "many")


def prepared_sessions(size: Size, n_sessions: int, folder: Path) -> None:
    """Write prepared sessions: the first with `write_session`, the others as copies of it with names of their own."""
    made = session_of(size)
    regions = [f"region {code}" for code in made.region.tolist()]
    session = from_counts(made.counts.numpy(), BIN_SIZE_S, session_id="0", subject_id="0", regions=regions)
    first = write_session(session, folder / "0.h5")
    for name in map(str, range(1, n_sessions)):
        copy = folder / f"{name}.h5"
        shutil.copyfile(first, copy)
        with h5py.File(copy, "r+") as file:
            for group in ("session", "subject"):
                file[group].attrs["id"] = name


def drawing_from_files(size: Size, folder: Path, known: Sequence[Row]) -> Row:
    """Random batches of mixed prepared sessions with their masks, next to the fastest training step."""
    recipe = recipe_for(size)
    parts = parts_of(recipe, [folder])
    order = batches(recipe, parts, start=0)

    def draw() -> None:
        step, batch = next(order)
        masked_groups(parts, batch, recipe.mask, derive_seed(0, "masks", step))

    milliseconds = 1e3 * in_turn({"": draw}, 3 * size.repeats)[""]
    steps = [row.value for row in known if row.part == "training step" and row.what != "reference"]
    note = f"{min(steps) / milliseconds:.0f} x as fast as the fastest training step" if steps else ""
    return Row("data", f"the same from {size.n_mixed} prepared sessions", "", milliseconds, "ms", note=note)


def first_batches(size: Size, folder: Path) -> list[Row]:
    """Time and memory from a folder to the first masked batch, in a process of its own for each number of sessions."""
    each = f"{size.n_units} units x {size.n_trials} trials x {size.n_bins} bins each"
    most = max(size.n_sessions)
    new = first_batch(size, folder, most)
    rows = [Row("data", f"first batch of {most} sessions, counts not yet made", "", new["seconds"], "s", note=each)]
    for n_sessions in size.n_sessions:
        found = first_batch(size, folder, n_sessions)
        wall = f"{found['wall_s']:.3g} s by the clock on the wall"
        rows.append(Row("data", f"first batch of {n_sessions} sessions", "", found["seconds"], "s", note=wall))
        if found["anonymous_mb"] is not None:
            all_mb = n_sessions * size.n_units * size.n_trials * size.n_bins / 2**20
            note = f"anonymous; all counts: {all_mb:.0f} MB"
            rows.append(Row("data", f"memory, {n_sessions} sessions", "", found["anonymous_mb"], "MB", note=note))
    return rows


def first_batch(size: Size, folder: Path, n_sessions: int) -> dict[str, Any]:
    """Return what `benchmarks.first_batch` says of the first sessions of a folder."""
    words = [sys.executable, "-m", "benchmarks.first_batch", str(folder), str(n_sessions), str(size.n_bins)]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(words, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    return json.loads(done.stdout)
