"""The folder of a run: the checkpoints ``best`` and ``last``, what resuming needs, and ``log.csv``."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.optim import Optimizer

from spikeglot.checkpoint import Checkpoint, load_checkpoint, read_json, replace_folder, save_checkpoint, write_json
from spikeglot.errors import CheckpointError
from spikeglot.settings import Recipe
from spikeglot.training.distributed import ALONE, Ranks
from spikeglot.training.sharding import laid_as, whole

MAY_DIFFER = ("train.device ", "train.sharding ")
"""Settings that a resumed run may change: another machine is no other run."""


Resume = bool | Literal["if-begun"]
"""Whether to go on with a run: it must be there, must not be there, or "if-begun" either."""


@dataclass(frozen=True)
class Position:
    """How far a run has come: steps done, and the best validation score with its step."""

    step: int
    best_mean: float
    best_step: int


class RunFolder:
    """Read and write one run. The main of several ranks writes; all must take part, and all raise what it meets.

    Raises
    ------
    CheckpointError
        A new run in a folder that holds one; resuming where there is none, or with another recipe.
    """

    def __init__(self, path: Path, resume: Resume, ranks: Ranks = ALONE) -> None:
        self.path = path
        self.log_path = path / "log.csv"
        self.ranks = ranks
        self.resumes = ranks.on_main(lambda: self._check(resume))

    def _check(self, resume: Resume) -> bool:
        """Return whether the run goes on."""
        path = self.path
        if path.exists() and not path.is_dir():
            raise CheckpointError(f"'{path}' is a file; --out must name a folder for the run.")
        self._recover()
        holds_run = (path / "last").exists()
        if resume == "if-begun":
            resume = holds_run
        if holds_run and not resume:
            raise CheckpointError(
                f"'{path}' already holds a run. Continue it with --resume, or choose another folder; not touched."
            )
        if resume and not holds_run:
            raise CheckpointError(f"There is no run to resume in '{path}'. Start it without --resume.")
        if not holds_run and path.exists() and any(path.iterdir()):
            raise CheckpointError(f"The folder '{path}' is not empty and holds no run. Choose a new or empty folder.")
        return resume

    def save(self, name: str, checkpoint: Checkpoint) -> None:
        """Write a checkpoint without a way back (``best``)."""
        self._write(name, checkpoint, None, None)

    def save_last(self, checkpoint: Checkpoint, optimiser: Optimizer, position: Position) -> None:
        """Write the checkpoint ``last`` with the state from which the run goes on bit for bit."""
        self._write("last", checkpoint, optimiser, position)

    def load_last(self, recipe: Recipe) -> tuple[Checkpoint, Position]:
        """Read the checkpoint ``last`` of this recipe."""
        checkpoint = load_checkpoint(self.path / "last")
        changed = [
            s for s in differing(checkpoint.recipe.model_dump(), recipe.model_dump()) if not s.startswith(MAY_DIFFER)
        ]
        if changed:
            raise CheckpointError(
                f"The run in '{self.path}' was started with other settings: {', '.join(changed)}. "
                "Resume with the same settings, or start a new run."
            )
        return checkpoint, read_json(self.path / "last" / "position.json", lambda values: Position(**values))

    def load_optimiser(self, optimiser: Optimizer) -> None:
        """Set the moments of ``optimiser`` to those of the checkpoint ``last``."""
        path = self.path / "last" / "optimiser.safetensors"
        try:
            moments = load_file(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"'{path}' cannot be read ({error}). Start a new run.") from error
        state: dict[int, dict[str, torch.Tensor]] = {}
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        for name, value in moments.items():
            index, part = name.split(".")
            state.setdefault(int(index), {})[part] = laid_as(value, parameters[int(index)])
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})

    def _write(self, name: str, checkpoint: Checkpoint, optimiser: Optimizer | None, position: Position | None) -> None:
        # what lies in parts on the ranks is gathered by all of them, before one of them writes it
        weights = whole(checkpoint.model.state_dict(), self.ranks)
        state = {} if optimiser is None else optimiser.state_dict()["state"]
        moments = whole({f"{i}.{part}": value for i, of in state.items() for part, value in of.items()}, self.ranks)

        def write() -> None:
            new = self.path / f"{name}.new"
            shutil.rmtree(new, ignore_errors=True)
            save_checkpoint(new, checkpoint, weights)
            if optimiser is not None and position is not None:
                save_file(moments, new / "optimiser.safetensors")
                write_json(new / "position.json", asdict(position))
            replace_folder(new, self.path / name)

        self.ranks.on_main(write)

    def _recover(self) -> None:
        """Put back a checkpoint that a kill left between two names."""
        for name in ("best", "last"):
            old = self.path / f"{name}.old"
            if old.exists() and not (self.path / name).exists():
                old.rename(self.path / name)


def differing(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[str]:
    """Name the settings that differ, with both values."""
    out = []
    for key in before:
        if isinstance(before[key], dict):
            out += differing(before[key], now[key], f"{prefix}{key}.")
        elif before[key] != now[key]:
            out.append(f"{prefix}{key} was {before[key]!r}, now {now[key]!r}")
    return out
