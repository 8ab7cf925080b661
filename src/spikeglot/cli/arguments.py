"""What each verb of the shell takes; tyro turns these into flags and ``--help``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

import tyro
from tyro.conf import Positional, Suppress, arg

from spikeglot.settings import (
    TASKS,
    DecodeSettings,
    FinetuneSettings,
    QualitySettings,
    Recipe,
    WindowSettings,
)

Data = Annotated[tuple[str, ...], Positional, arg(metavar="DATA...", help_behavior_hint="")]
Switch = Annotated[bool, arg(help_behavior_hint="")]
USUAL_MEMORY = "(default: 256, on a GPU 4096)"
Task = Literal["co-smoothing", "inter-region", "intra-region", "forward"]
Baseline = Literal["mean-rate", "psth", "drift", "smoothed-counts", "ridge", "poisson-pcr", "reduced-rank"]
"""Spelled out, so that --help need not load them; a test holds that these are all there are."""


@dataclass(frozen=True)
class Common:
    """Flags that work everywhere."""

    quiet: Switch = False
    """Show no progress and no hints, only results and errors."""
    json: Switch = False
    """Print the result as one JSON object on stdout."""


@dataclass(frozen=True)
class Show(Common):
    """Print sessions, units per region, firing rates, trials, and what was left out and why.

    With --window.align, another window or quality flag, or --recipe also what a model would see: the windows, and
    the units and trials that are kept.
    """

    data: Data = ()
    """Files or folders of recordings; "simulated" is the embedded data set."""
    recipe: Annotated[str | None, arg(metavar="STR", help_behavior_hint="")] = None
    """Recipe whose windows and filters are applied: a TOML file or an embedded name."""
    window: WindowSettings = field(default_factory=WindowSettings)
    quality: QualitySettings = field(default_factory=QualitySettings)


@dataclass(frozen=True)
class Pretrain(Common):
    """Train one model on all sessions by multi-task masking."""

    data: Data = ()
    """Files or folders of recordings; "simulated" is the embedded data set."""
    out: Path = tyro.MISSING
    """Folder for the run: checkpoints and log.csv."""
    recipe: str = "mtm-ndt1"
    """All settings: a TOML file or an embedded name (mtm-ndt1, published, demo). Flags override it."""
    resume: Switch = False
    """Go on with the run in --out, bit for bit as if it had not stopped."""
    resume_if_begun: Switch = False
    """Go on with the run in --out if there is one, or start it: for launchers that start lost ranks again."""
    leave_out_unusable: Switch = False
    """Train without the sessions that cannot be used, and record them; otherwise they stop the run."""
    launch: Literal["here", "ray", "slurm"] = "here"
    """Where to train: here (also under torchrun), on workers of Ray Train, or as a job of SLURM."""
    ranks: int = 1
    """Processes that train together, with --launch; each has a GPU with --train.device cuda."""
    max_failures: int = 0
    """How often Ray may replace a lost worker; the run then goes on from its last checkpoint."""
    slurm: Annotated[tuple[str, ...], arg(metavar="KEY=VALUE...", help_behavior_hint="")] = ()
    """What submitit is told of a job: nodes=2 timeout_min=600 slurm_partition=gpu, and others."""
    settings: Annotated[Recipe, arg(name="")] = field(default_factory=Recipe)


@dataclass(frozen=True)
class Check(Common):
    """Say of every session whether a recipe can be trained on it, what is wrong where it cannot, and what to do.

    Exit status 1 if any session cannot be used. Takes the flags of `pretrain`.
    """

    data: Data = ()
    """Files or folders of recordings; "simulated" is the embedded data set."""
    recipe: str = "mtm-ndt1"
    """All settings: a TOML file or an embedded name (mtm-ndt1, published, demo). Flags override it."""
    settings: Annotated[Recipe, arg(name="")] = field(default_factory=Recipe)


@dataclass(frozen=True)
class Prepare(Common):
    """Turn recordings into prepared sessions once: files that are read in no time, here and by torch_brain.

    A recording that is done is not read again. The word ibl-repeated-site downloads the sessions of the repeated site
    of the IBL, one by one; start it again to go on. Exit status 1 if any recording failed; the others are done.
    """

    data: Data = ()
    """Files or folders of recordings; "ibl-repeated-site" is that release; "simulated" is the embedded data set."""
    out: Path = tyro.MISSING
    """Folder for the prepared sessions (.h5), and dropped.csv: what was left out and why."""
    workers: Annotated[str, arg(metavar="N|ray|slurm")] = "1"
    """What reads files and folders: processes, tasks of Ray, or an array of jobs of SLURM; downloads come in turn."""
    slurm: Annotated[tuple[str, ...], arg(metavar="KEY=VALUE...", help_behavior_hint="")] = ()
    """What submitit is told of a job: timeout_min=60 slurm_partition=cpu, and others."""
    sessions: Annotated[tuple[str, ...], arg(metavar="N|ID...", help_behavior_hint="")] = ()
    """Of ibl-repeated-site: how many sessions, or which by their ids; without the flag all."""
    cache_dir: Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="")] = None
    """Of ibl-repeated-site: folder for the downloads; without the flag where ONE keeps them."""
    base_url: Annotated[str | None, arg(metavar="URL", help_behavior_hint="")] = None
    """Of ibl-repeated-site: another server than https://openalyx.internationalbrainlab.org."""


@dataclass(frozen=True)
class Finetune(Common):
    """Adapt a trained model to sessions that it has not seen; the given model stays as it was."""

    run: Annotated[Path, Positional, arg(metavar="RUN")] = tyro.MISSING
    """Folder that `spikeglot pretrain --out` wrote (its best checkpoint), or a checkpoint folder."""
    data: Data = ()
    """Files or folders of the new recordings."""
    out: Path = tyro.MISSING
    """Folder for the new run: checkpoints and log.csv."""
    resume: Switch = False
    """Go on with the run in --out, bit for bit as if it had not stopped."""
    leave_out_unusable: Switch = False
    """Adapt without the sessions that cannot be used, and record them; otherwise they stop the run."""
    settings: Annotated[FinetuneSettings, arg(name="")] = field(default_factory=FinetuneSettings)


@dataclass(frozen=True)
class WindowFlags:
    """Windows come from the run. Where a script names them here too, they must be those of the run."""

    align: Annotated[str | None, arg(metavar="STR", help_behavior_hint="")] = None
    """Column of the trials table."""
    start_s: Annotated[float | None, arg(metavar="FLOAT", help_behavior_hint="")] = None
    """Start relative to the event, in seconds."""
    stop_s: Annotated[float | None, arg(metavar="FLOAT", help_behavior_hint="")] = None
    """End relative to the event, in seconds."""
    bin_size_s: Annotated[float | None, arg(metavar="FLOAT", help_behavior_hint="")] = None
    """Width of a bin in seconds."""


@dataclass(frozen=True)
class Evaluate(Common):
    """Score a run on its test trials: the four tasks, exactly, next to the baselines."""

    run: Annotated[Path, Positional, arg(metavar="RUN")] = tyro.MISSING
    """Folder that `spikeglot pretrain --out` wrote (its best checkpoint), or a checkpoint folder."""
    data: Data = ()
    """Files or folders of the recordings that the run was trained on, or some of them."""
    out: Path = Path("scores.csv")
    """Score table, .csv or .parquet: one row per number."""
    raster: Annotated[Path | None, arg(metavar="PNG", help_behavior_hint="")] = None
    """Also draw data next to prediction (co-smoothing) of the first session into this file."""
    tasks: tuple[Task, ...] = TASKS
    """Tasks to score."""
    baselines: tuple[Baseline, ...] = get_args(Baseline)
    """Baselines to score; none after the flag leaves them out."""
    memory_mb: Annotated[int | None, arg(metavar="N", help_behavior_hint=USUAL_MEMORY)] = None
    """Bound on the memory of an evaluation batch, in MB."""
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    """Numbers inside the model: bfloat16 is faster on some devices, and less exact; auto takes it where it pays."""
    groups: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: every unit alone)")] = None
    """Hide units in so many groups, not one by one: faster for very many units, and only approximate."""
    workers: Annotated[str | None, arg(metavar="N", help_behavior_hint="(default: this one, all cores)")] = None
    """Processes of one thread each, or ray: the same scores, whatever their number."""
    window: WindowFlags = field(default_factory=WindowFlags)


@dataclass(frozen=True)
class Decode(Common):
    """Decode a behaviour from the test trials of a run, in several ways, each also from raw counts; next to chance."""

    run: Annotated[Path, Positional, arg(metavar="RUN")] = tyro.MISSING
    """Folder that `spikeglot pretrain --out` wrote (its best checkpoint), or a checkpoint folder."""
    data: Data = ()
    """Files or folders of the recordings that the run was trained on, or some of them."""
    target: str = "choice"
    """Column of the trials table, choice, feedback, stimulus-side, a trace, or accumulated:EVENTS."""
    out: Path = Path("decoding.csv")
    """Score table, .csv or .parquet: one row per number."""
    device: str = "auto"
    """Where to compute: auto (a GPU where there is one), cpu or cuda."""
    settings: Annotated[DecodeSettings, arg(name="")] = field(default_factory=DecodeSettings)


@dataclass(frozen=True)
class Translate(Common):
    """Predict the target units of a session from its source units, which are all that the model sees.

    With --matrix instead: every region from every region, as a table and a figure beside it.
    """

    run: Annotated[Path, Positional, arg(metavar="RUN")] = tyro.MISSING
    """Folder that `spikeglot pretrain --out` wrote (its best checkpoint), or a checkpoint folder."""
    data: Data = ()
    """Files or folders of the recordings that the run was trained on, or some of them."""
    source: Annotated[tuple[str, ...], arg(metavar="NAME...", help_behavior_hint="")] = ()
    """Regions or unit ids to predict from."""
    target: Annotated[tuple[str, ...], arg(metavar="NAME...", help_behavior_hint="")] = ()
    """Regions or unit ids to predict."""
    matrix: Switch = False
    """Predict every region from every region."""
    out: Path = tyro.MISSING
    """An .npz file of rates and counts, or for several sessions a folder of them; with --matrix the table, .csv or
    .parquet."""
    raster: Annotated[Path | None, arg(metavar="PNG", help_behavior_hint="")] = None
    """Also draw trial averages of the first session, data beside prediction, into this file."""
    sort: Literal["region", "depth", "similarity"] = "region"
    """Order of the units in the figure."""
    by: Annotated[str | None, arg(metavar="STR", help_behavior_hint="")] = None
    """Column of the trials table: draw one average per value of it."""
    trials: Literal["test", "val", "train", "all"] = "test"
    """Trials to predict; the matrix is always of the test trials."""
    prompt: Literal["intra-region", "inter-region", "none"] = "intra-region"
    """What the model is told: that it sees one region only, that a region is hidden from it, or nothing."""
    memory_mb: Annotated[int | None, arg(metavar="N", help_behavior_hint=USUAL_MEMORY)] = None
    """Bound on the memory of a batch, in MB."""


@dataclass(frozen=True)
class Study(Common):
    """Do one of the paper's experiments as a grid of runs: its table, its figure, and a page beside what was published.

    Runs that are done in --out are not repeated: start it again after an interruption with the same command.
    """

    data: Data = ()
    """Files or folders of recordings; "simulated" is the embedded data set."""
    out: Path = tyro.MISSING
    """Folder of the study: scores.csv, its table, figure and page, and a folder per run."""
    budget: Literal["small", "medium", "paper"] = "small"
    """Sizes and steps of the models, in the place of those of the recipe; flags override them."""
    seeds: int = 1
    """Number of seeds, from --seed on; more can be added later to the same folder."""
    workers: Annotated[str | None, arg(metavar="N", help_behavior_hint="(default: one per core)")] = None
    """Number of processes, or ray: the cluster of RAY_ADDRESS."""
    baselines: tuple[Baseline, ...] = ("mean-rate", "psth", "ridge", "reduced-rank")
    """Baselines to score beside the models; none after the flag leaves them out."""
    recipe: str = "mtm-ndt1"
    """Windows, filters, split and masks: a TOML file or an embedded name (mtm-ndt1, published, demo)."""
    settings: Annotated[Recipe, arg(name="")] = field(default_factory=Recipe)
    name: Annotated[str, Suppress] = ""
    """Name of the study, the first word after the verb."""


@dataclass(frozen=True)
class Demo(Common):
    """Simulate animals, pretrain, evaluate, and draw: the whole way in under three minutes."""

    out: Path = Path("demo")
    """Folder for the run, scores.csv and raster.png; a demo that is there is replaced."""
    short: Switch = False
    """A tenth of the training, for checks."""


VERBS: dict[str, type[Common]] = {
    "demo": Demo,
    "show": Show,
    "check": Check,
    "prepare": Prepare,
    "pretrain": Pretrain,
    "finetune": Finetune,
    "evaluate": Evaluate,
    "decode": Decode,
    "translate": Translate,
    "study": Study,
}
