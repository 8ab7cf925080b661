"""The training step of `spikeglot.training.loop` next to the plain reference, for one session and for several."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch

from benchmarks.flops import step_flops
from benchmarks.machine import precisions
from benchmarks.reference import Reference, draw_masks, reference_optimiser, reference_step
from benchmarks.rows import Row, ceiling_flops
from benchmarks.sizes import Size, model_of, recipe_of, session_of, sessions_of
from benchmarks.timing import in_turn
from spikeglot.batch import masked_groups
from spikeglot.precision import PRECISIONS, fast_products
from spikeglot.randomness import derive_seed
from spikeglot.settings import FinetuneSettings
from spikeglot.training.distributed import ALONE, Ranks
from spikeglot.training.division import own_share, trial_costs
from spikeglot.training.freezing import frozen_backbone
from spikeglot.training.loop import training_step
from spikeglot.training.optimiser import make_optimiser


def training_rows(size: Size, device: torch.device, known: list[Row]) -> list[Row]:
    """Return what a step takes, masks included: the reference, one session, several mixed in a batch, fine-tuning."""
    ways: dict[str, Callable[[], object]] = {
        "reference": reference_way(size, device),
        "reference stitchers": reference_way(size, device, frozen=True),
    }
    for precision in precisions(size, device):
        ways[f"one session {precision}"] = ProductWay(size, device, precision)
        ways[f"mixed {precision}"] = ProductWay(size, device, precision, n_sessions=size.n_mixed)
        ways[f"stitchers {precision}"] = ProductWay(size, device, precision, frozen=True)
    seconds = in_turn(ways, size.repeats)
    plain, plain_stitchers = seconds["reference"], seconds["reference stitchers"]
    rows = [_row("reference", "float32", plain, size, known, plain)]
    tuning = [_tuning_row("step, stitchers only, reference", "float32", plain_stitchers, plain_stitchers)]
    for precision in precisions(size, device):
        one, mixed, stitchers = (seconds[f"{what} {precision}"] for what in ("one session", "mixed", "stitchers"))
        rows.append(_row("one session", precision, one, size, known, plain))
        note = f"{mixed / one:.2f} x one session"
        rows.append(_row(f"{size.n_mixed} sessions mixed", precision, mixed, size, known, plain, note))
        # fine-tuning everything is the step of one session: only what is frozen differs
        note = f"{stitchers / one:.2f} x one session with everything"
        tuning.append(_tuning_row("step, stitchers only", precision, stitchers, plain_stitchers, note))
    return rows + tuning


def _tuning_row(what: str, precision: str, seconds: float, plain: float, note: str = "") -> Row:
    return Row("fine-tuning", what, precision, 1e3 * seconds, "ms", times_reference=plain / seconds, note=note)


def _row(what: str, precision: str, seconds: float, size: Size, known: list[Row], plain: float, note: str = "") -> Row:
    share = step_flops(size) / seconds / ceiling_flops(known, precision)
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
        self.device, self.precision, self.step = device, PRECISIONS[precision], 0
        self.recipe, self.sessions = recipe_of(size), sessions_of(size, n_sessions)
        self.model = model_of(self.recipe, self.sessions).to(device).train()
        freeze = frozen_backbone(self.model, FinetuneSettings(method="stitchers")) if frozen else None
        if freeze is not None:
            freeze(0)
        self.optimiser = make_optimiser(self.model, self.recipe.train)
        self.at_once = min(n_sessions, size.batch_size)
        self.trials = torch.arange(size.batch_size // self.at_once)
        self.ranks, self.costs = ranks, trial_costs(self.model)

    def __call__(self) -> float:
        seed, names = derive_seed(0, "masks", self.step), list(self.sessions)
        first = self.step * self.at_once
        batch = {names[(first + i) % len(names)]: self.trials for i in range(self.at_once)}
        with fast_products(), self.model.computing_in(self.precision):
            own, weight = own_share({name: len(some) for name, some in batch.items()}, self.costs, self.ranks)
            groups = masked_groups(self.sessions, batch, self.recipe.mask, seed, self.model.token_units, own)
            groups = [group.to(self.device) for group in groups]
            loss = training_step(self.model, self.optimiser, groups, self.recipe, self.step, self.ranks, weight)
        self.step += 1
        return loss.item()
