"""A process of its own: from a folder of prepared sessions to the first masked batch; time and memory, as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.sizes import PAPER, Size, recipe_of
from benchmarks.timing import clock_s
from spikeglot.api.common import part_tensors
from spikeglot.api.usable import prepare_to_train
from spikeglot.batch import SessionTensors, masked_groups
from spikeglot.data.sessions import load_sessions
from spikeglot.randomness import derive_seed
from spikeglot.settings import Recipe
from spikeglot.training.loop import batches


def main(folder: str, n_sessions: str, n_bins: str) -> None:
    """Do what `pretrain` does before its first step, and print what it took."""
    recipe = recipe_for(Size(n_bins=int(n_bins)))
    paths = [Path(folder) / f"{name}.h5" for name in range(int(n_sessions))]
    before_mb, began_s, began_wall_s = anonymous_mb(), clock_s(), time.perf_counter()
    parts = parts_of(recipe, paths)
    step, batch = next(batches(recipe, parts, start=0))
    groups = masked_groups(parts, batch, recipe.mask, derive_seed(0, "masks", step))
    seconds, wall_s = clock_s() - began_s, time.perf_counter() - began_wall_s
    assert sum(len(group.counts) for group in groups) == PAPER.batch_size * recipe.mask.masks_per_trial
    after_mb = anonymous_mb()
    grown_mb = None if before_mb is None or after_mb is None else after_mb - before_mb
    json.dump({"seconds": seconds, "wall_s": wall_s, "anonymous_mb": grown_mb}, sys.stdout)


def recipe_for(size: Size) -> Recipe:
    """Return the published recipe for sessions from counts, whose windows begin at ``start_s``, with all units."""
    recipe = recipe_of(size)
    window = recipe.window.model_copy(update={"align": "start_s"})
    quality = recipe.quality.model_copy(update={"min_rate_hz": 0.0, "min_units_per_region": 1})
    return recipe.model_copy(update={"window": window, "quality": quality})


def parts_of(recipe: Recipe, paths: Sequence[Path]) -> dict[str, SessionTensors]:
    """Return the training trials of prepared sessions, as `pretrain` does."""
    prepared = prepare_to_train(load_sessions(paths), recipe, leave_out_unusable=False).prepared
    return {name: part_tensors(one, "train") for name, one in prepared.items()}


def anonymous_mb() -> float | None:
    """Return the memory of this process that is no part of a file, in MB; None where the system does not say."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Anonymous:"))


if __name__ == "__main__":
    main(*sys.argv[1:])
