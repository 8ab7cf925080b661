"""What each verb of the shell takes; tyro turns these into flags and ``--help``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import AvoidSubcommands, FlagCreatePairsOff, Positional

from spikeglot.settings import TASKS, Recipe, load_recipe

Data = Annotated[tuple[str, ...], Positional, tyro.conf.arg(metavar="DATA...")]
Settings = Annotated[Recipe, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class Common:
    """Flags that work everywhere."""

    quiet: bool = False
    """Show no progress and no hints, only results and errors."""
    json: bool = False
    """Print the result as one JSON object on stdout."""


@dataclass(frozen=True)
class Show(Common):
    """Print sessions, units per region, firing rates, trials, and what would be dropped and why.

    With --window.align (or --recipe) also the windows, units and trials that a model would see.
    """

    data: Data = ()
    """Files or folders of recordings; "simulated" is the embedded data set."""
    recipe: str | None = None
    """Recipe whose windows and filters are applied: a TOML file or an embedded name."""
    settings: Settings = field(default_factory=Recipe)


@dataclass(frozen=True)
class Pretrain(Common):
    """Train one model on all sessions by multi-task masking."""

    data: Data = ()
    """Files or folders of recordings; "simulated" is the embedded data set."""
    out: Path = tyro.MISSING
    """Folder for the run: checkpoints and log.csv."""
    recipe: str = "mtm-ndt1"
    """All settings: a TOML file or an embedded name (mtm-ndt1, published, demo)."""
    resume: bool = False
    """Go on with the run in --out, bit for bit as if it had not stopped."""
    settings: Settings = field(default_factory=Recipe)


@dataclass(frozen=True)
class WindowFlags:
    """Windows come from the run. A script may name them here too; they must then agree with the run."""

    align: str | None = None
    start_s: float | None = None
    stop_s: float | None = None
    bin_size_s: float | None = None


@dataclass(frozen=True)
class Evaluate(Common):
    """Score a run on the test trials of the four tasks, exactly, next to the baselines."""

    run: Annotated[Path, Positional, tyro.conf.arg(metavar="RUN")] = tyro.MISSING
    """Folder that `spikeglot pretrain --out` wrote (its best checkpoint), or a checkpoint folder."""
    data: Data = ()
    """Files or folders of the recordings that the run was trained on."""
    out: Path = Path("scores.csv")
    """Score table, .csv or .parquet: one row per number."""
    raster: Path | None = None
    """Also draw data next to prediction (co-smoothing) of the first session into this PNG."""
    tasks: tuple[str, ...] = TASKS
    """Tasks to score."""
    baselines: tuple[str, ...] | None = None
    """Baselines to score (default: all of them)."""
    memory_mb: int = 256
    """Bound on the memory of an evaluation batch."""
    window: WindowFlags = field(default_factory=WindowFlags)


@dataclass(frozen=True)
class Demo(Common):
    """Simulate animals, pretrain, evaluate, and draw: the whole way in under three minutes."""

    out: Path = Path("demo")
    """Folder for the run, scores.csv and raster.png; a demo that is there is replaced."""
    short: bool = False
    """A tenth of the training, for checks."""


VERBS: dict[str, type[Common]] = {"demo": Demo, "show": Show, "pretrain": Pretrain, "evaluate": Evaluate}


def parse(verb: str, flags: Sequence[str]) -> Common:
    """Turn the flags of a verb into its arguments; a recipe gives the defaults that flags override."""
    recipe = flag_value(flags, "--recipe")
    default: Common | None = None
    if verb == "show":
        default = Show(recipe=recipe, settings=load_recipe(recipe) if recipe else Recipe())
    elif verb == "pretrain":
        default = Pretrain(recipe=recipe or "mtm-ndt1", settings=load_recipe(recipe or "mtm-ndt1"))
    return tyro.cli(
        VERBS[verb],
        args=list(flags),
        default=default,
        prog=f"spikeglot {verb}",
        description=VERBS[verb].__doc__,
        config=(AvoidSubcommands, FlagCreatePairsOff),
    )


def flag_value(flags: Sequence[str], name: str) -> str | None:
    """Return what follows ``name`` (or ``name=``) among the flags."""
    for i, flag in enumerate(flags):
        if flag == name and i + 1 < len(flags):
            return flags[i + 1]
        if flag.startswith(name + "="):
            return flag.split("=", 1)[1]
    return None
