"""The training step of `spikeglot.training.loop` next to the plain reference, for one session and for several."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import count

import torch

from benchmarks.ceilings import ceiling_ways, peaks
from benchmarks.flops import N_PREFIX, step_flops
from benchmarks.machine import precisions
from benchmarks.reference import Reference, draw_masks, reference_optimiser, reference_step
from benchmarks.rows import Row
from benchmarks.sizes import Size, model_of, recipe_of, session_of, sessions_of
from benchmarks.timing import in_turn
from spikeglot.batch import SessionTensors, masked_groups
from spikeglot.models.mtm import MtM
from spikeglot.precision import PRECISIONS, fast_products
from spikeglot.randomness import derive_seed
from spikeglot.settings import FinetuneSettings, Recipe
from spikeglot.training.ahead import ahead
from spikeglot.training.distributed import ALONE, Ranks
from spikeglot.training.division import own_share, trial_costs
from spikeglot.training.freezing import frozen_backbone
from spikeglot.training.loop import StepShare, training_step
from spikeglot.training.optimiser import make_optimiser

EPOCHS = 1_000
"""Of the published pretraining of 34 sessions (Zhang et al. 2024, arXiv 2407.14668)."""
TRIALS_PER_SESSION = 420
"""About how many training trials a session of the IBL's repeated site has: 70 % of some 600."""


def training_rows(size: Size, device: torch.device) -> list[Row]:
    """Return what a step takes, masks included: the reference, one session, several mixed in a batch, fine-tuning."""
    ways: dict[str, Callable[[], object]] = {
        **ceiling_ways(size, device),
        "reference": reference_way(size, device),
        "reference stitchers": reference_way(size, device, frozen=True),
    }
    for precision in precisions(size, device):
        ways[f"one session {precision}"] = ProductWay(size, device, precision)
        ways[f"mixed {precision}"] = ProductWay(size, device, precision, n_sessions=size.n_mixed)
        ways[f"many {precision}"] = ProductWay(size, device, precision, n_sessions=size.n_pretrained)
        ways[f"stitchers {precision}"] = ProductWay(size, device, precision, frozen=True)
    seconds = in_turn(ways, size.repeats)
    peak = peaks(size, device, seconds)
    plain, plain_stitchers = seconds["reference"], seconds["reference stitchers"]
    rows = [_row("reference", "float32", plain, size, peak, plain)]
    tuning = [_tuning_row("step, stitchers only, reference", "float32", plain_stitchers, plain_stitchers)]
    for precision in precisions(size, device):
        names = ("one session", "mixed", "many", "stitchers")
        one, mixed, many, stitchers = (seconds[f"{name} {precision}"] for name in names)
        rows.append(_row("one session", precision, one, size, peak, plain))
        note = f"{mixed / one:.2f} x one session"
        rows.append(_row(f"{size.n_mixed} sessions mixed", precision, mixed, size, peak, plain, note))
        rows.append(_row(f"{size.n_pretrained} sessions", precision, many, size, peak, plain, whole_run(size, many)))
        # fine-tuning everything is the step of one session: only what is frozen differs
        note = f"{stitchers / one:.2f} x one session with everything"
        tuning.append(_tuning_row("step, stitchers only", precision, stitchers, plain_stitchers, note))
    return rows + tuning


def whole_run(size: Size, step_s: float) -> str:
    """Return what a step says of the published pretraining: tokens per second, and the hours of all its steps."""
    n_tokens = size.batch_size * (N_PREFIX + size.n_bins)
    n_steps = EPOCHS * size.n_pretrained * TRIALS_PER_SESSION / size.batch_size
    hours = n_steps * step_s / 3600
    return f"{n_tokens / step_s:,.0f} tokens/s; {hours:,.0f} h for {EPOCHS} epochs of {TRIALS_PER_SESSION} trials each"


def _tuning_row(what: str, precision: str, seconds: float, plain: float, note: str = "") -> Row:
    return Row("fine-tuning", what, precision, 1e3 * seconds, "ms", times_reference=plain / seconds, note=note)


def _row(
    what: str, precision: str, seconds: float, size: Size, peak: dict[str, float], plain: float, note: str = ""
) -> Row:
    share = step_flops(size) / seconds / peak[precision]
    return Row("training step", what, precision, 1e3 * seconds, "ms", share, plain / seconds, note)


def reference_way(size: Size, device: torch.device, *, frozen: bool = False) -> Callable[[], object]:
    """Return a function that does one step of the reference, masks included; ``frozen``: of what a session owns."""
    recipe, session = recipe_of(size), session_of(size)
    reference = Reference(model_of(recipe, {"0": session}), "0").to(device).train()
    if frozen:
        reference.requires_grad_(False)
        own = [*reference.read_in.parameters(), *reference.readout.parameters(), reference.session]
        for parameter in own:
            parameter.requires_grad_(True)
    optimiser = reference_optimiser(reference, recipe.train.learning_rate, recipe.train.weight_decay)
    rng = random.Random(0)

    def step() -> float:
        masks = draw_masks(size.batch_size, size.n_bins, session.region, rng)
        counts = session.counts[: size.batch_size].float()
        return reference_step(
            reference, optimiser, counts.to(device), tuple(m.to(device) for m in masks), recipe.train.clip_norm
        )

    return step


class ProductWay:
    """Each call does the next step as the loop does it, masks included; sessions of which a batch has no room wait.

    ``frozen`` trains stitchers only, as ``finetune --method stitchers`` does. With several ``ranks`` it is their share.
    """

    def __init__(
        self,
        size: Size,
        device: torch.device,
        precision: str,
        n_sessions: int = 1,
        *,
        frozen: bool = False,
        ranks: Ranks = ALONE,
    ) -> None:
        self.device, self.precision = device, PRECISIONS[precision]
        self.recipe, self.sessions = recipe_of(size), sessions_of(size, n_sessions)
        self.model = model_of(self.recipe, self.sessions).to(device).train()
        freeze = frozen_backbone(self.model, FinetuneSettings(method="stitchers")) if frozen else None
        if freeze is not None:
            freeze(0)
        self.optimiser = make_optimiser(self.model, self.recipe.train)
        self.at_once = min(n_sessions, size.batch_size)
        self.ranks = ranks
        todo = _shares(self.recipe, self.sessions, self.at_once, self.model, ranks)
        self.todo = ahead(todo, device, StepShare.pinned)

    def __call__(self) -> float:
        step, groups, weight, _ = next(self.todo)
        with fast_products(), self.model.computing_in(self.precision):
            on_device = [group.to(self.device) for group in groups]
            return training_step(self.model, self.optimiser, on_device, self.recipe, step, self.ranks, weight).item()


def _shares(
    recipe: Recipe, sessions: dict[str, SessionTensors], at_once: int, model: MtM, ranks: Ranks
) -> Iterator[StepShare]:
    """Return what a rank does of one step after the other: every session of a batch has its first trials."""
    names, costs, units = list(sessions), trial_costs(model), model.token_units
    trials = torch.arange(recipe.train.batch_size // at_once)

    def steps() -> Iterator[StepShare]:
        for step in count():
            batch = {names[(step * at_once + i) % len(names)]: trials for i in range(at_once)}
            own, weight = own_share({name: len(trials) for name in batch}, costs, ranks)
            groups = masked_groups(sessions, batch, recipe.mask, derive_seed(0, "masks", step), units, own)
            yield StepShare(step, groups, weight, recipe.train.batch_size)

    return steps()
