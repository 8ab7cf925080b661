"""The training loop: batches that mix sessions and schemes, validation, checkpoints, resume, and a clean stop.

All randomness of step s is derived from (seed, s), so a resumed run equals an uninterrupted one bit for bit,
as far as the device adds in the same order every time: CPUs do, of GPUs it has not been tried.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from spikeglot.batch import Group, SessionTensors, epoch_batches, masked_groups
from spikeglot.checkpoint import Checkpoint
from spikeglot.errors import SpikeglotError
from spikeglot.events import Listener, Stopped, Validated
from spikeglot.masking.mixture import usable_schemes
from spikeglot.models.mtm import MtM
from spikeglot.precision import fast_products, pick_precision
from spikeglot.randomness import derive_seed, generator, seeded
from spikeglot.settings import Recipe
from spikeglot.training.ahead import ahead
from spikeglot.training.compiling import compiled
from spikeglot.training.distributed import ALONE, Ranks, check_same_work
from spikeglot.training.division import own_share, trial_costs
from spikeglot.training.freezing import Freezing
from spikeglot.training.interrupt import StopRequest
from spikeglot.training.objective import objective
from spikeglot.training.optimiser import learning_rate, make_optimiser, penalty_weight
from spikeglot.training.run_folder import Position, RunFolder
from spikeglot.training.sharding import clip_gradients, is_sharded, shard_architecture
from spikeglot.training.step_reports import StepReports, check_finite
from spikeglot.training.validation import Validation, mean_over_sessions, mean_score


def train(
    checkpoint: Checkpoint,
    train_sessions: Mapping[str, SessionTensors],
    val_sessions: Mapping[str, SessionTensors],
    run: RunFolder,
    listen: Listener,
    position: Position | None = None,
    freeze: Freezing | None = None,
    ranks: Ranks = ALONE,
) -> bool:
    """Train ``checkpoint.model`` in place, from ``position`` on; return False if it was interrupted.

    Writes the checkpoints ``best`` and ``last`` into the run folder at every validation and at the end. ``freeze`` is
    called before every step and says what is trained in it. Every rank is given all sessions; each does its share of
    every step and validation, and has the same model after it.
    """
    recipe, device = checkpoint.recipe, ranks.device(checkpoint.recipe.train.device)
    check_schemes(recipe, train_sessions)
    check_same_work(ranks, "recipe or data", (recipe, checkpoint.sessions, position))
    model = checkpoint.model.to(device)
    ranks.share(model)
    costs = trial_costs(model)
    if recipe.train.sharding == "full":
        shard_architecture(model, ranks)
    model.train()
    optimiser = make_optimiser(model, recipe.train)
    validation = Validation(train_sessions, val_sessions, recipe, ranks)
    reports = StepReports(listen, recipe.train, device)
    precision = pick_precision(recipe.train.precision, device, recipe.model.width)
    with fast_products(), model.computing_in(precision), compiled(model, recipe, device, listen, ranks) as is_compiled:
        if is_compiled:
            # for batches of one size, so that every rank has as many trials
            costs = dict.fromkeys(costs, 1.0)
        if position is None:
            position = Position(0, -math.inf, 0)
            # first of all something to resume from: the first validation may take a while
            run.save_last(checkpoint, optimiser, position)
            position = _validate(checkpoint, validation, device, run, listen, position)
            run.save_last(checkpoint, optimiser, position)
        elif position.step > 0:
            run.load_optimiser(optimiser)
        steps = recipe.train.steps
        with StopRequest() as stop:
            todo = shares(recipe, train_sessions, position.step, model.token_units, costs, ranks)
            reports.begin()
            for step, groups, weight, n_trials in ahead(todo, device, StepShare.pinned):
                if freeze is not None:
                    freeze(step)
                loss = training_step(model, optimiser, [g.to(device) for g in groups], recipe, step, ranks, weight)
                reports.add(step, loss, n_trials)
                position = Position(step + 1, position.best_mean, position.best_step)
                is_last = step + 1 == steps
                if is_last or (step + 1) % recipe.train.validate_every == 0:
                    reports.tell()
                    position = _validate(checkpoint, validation, device, run, listen, position)
                    run.save_last(checkpoint, optimiser, position)
                if ranks.any(stop.requested) and not is_last:
                    reports.tell()
                    run.save_last(checkpoint, optimiser, position)
                    listen(Stopped(step + 1, steps))
                    return False
                reports.begin()
    return True


def training_step(
    model: MtM,
    optimiser: torch.optim.Optimizer,
    groups: list[Group],
    recipe: Recipe,
    step: int,
    ranks: Ranks = ALONE,
    weight: float = 1.0,
) -> Tensor:
    """Do one optimiser step and return its loss, in nats per target, on the device of the model.

    ``groups`` are what this rank does of the step, and ``weight`` is its part of all trials of the step.

    Raises
    ------
    SpikeglotError
        The loss is not finite; on a GPU it is not looked at.
    """
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(step, recipe.train)
    optimiser.zero_grad(set_to_none=True)
    with seeded(recipe.seed, "dropout", step, *([ranks.rank] if ranks.rank else [])):
        penalty = penalty_weight(step, recipe.train)
        # the mean over ranks of size x weight x (mean over own trials) is the mean over all trials
        loss = objective(groups, model.predict(groups), recipe.train.objective, penalty) * (weight * ranks.size)
    loss_of_all = ranks.sum(loss.detach()) / ranks.size
    if loss.device.type == "cpu":
        check_finite(loss_of_all.item(), step, recipe.train)
    loss.backward()
    # not of the model, whose modules are many where sessions are
    trained = [p for group in optimiser.param_groups for p in group["params"] if p.requires_grad]
    ranks.mean_gradients([p for p in trained if not is_sharded(p)])
    clip_gradients([p for p in trained if p.grad is not None], recipe.train.clip_norm)
    optimiser.step()
    return loss_of_all


class StepShare(NamedTuple):
    """What this rank does of a step: its groups, which are ``weight`` of the ``n_trials`` of all ranks."""

    step: int
    groups: list[Group]
    weight: float
    n_trials: int

    def pinned(self) -> StepShare:
        """Return the same in memory that a GPU can fetch it from by itself."""
        return self._replace(groups=[group.pinned() for group in self.groups])


def shares(
    recipe: Recipe,
    sessions: Mapping[str, SessionTensors],
    start: int,
    token_units: int,
    costs: Mapping[str, float],
    ranks: Ranks = ALONE,
) -> Iterator[StepShare]:
    """Yield what a rank does of every step from ``start`` on, with masks; none of it depends on what is learned."""
    for step, batch in batches(recipe, sessions, start):
        n_trials = {name: recipe.mask.masks_per_trial * len(trials) for name, trials in batch.items()}
        own, weight = own_share(n_trials, costs, ranks)
        groups = masked_groups(sessions, batch, recipe.mask, derive_seed(recipe.seed, "masks", step), token_units, own)
        yield StepShare(step, groups, weight, sum(n_trials.values()))


def batches(
    recipe: Recipe, sessions: Mapping[str, SessionTensors], start: int
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Yield (step, batch) from step ``start`` on, epoch after epoch, each in an order of its own."""
    settings = recipe.train
    n_trials = {name: session.n_trials for name, session in sessions.items()}
    per_epoch = math.ceil(sum(n_trials.values()) / settings.batch_size)
    in_order: Sequence[dict[str, Tensor]] = ()
    known_epoch = -1
    for step in range(start, settings.steps):
        epoch, within = divmod(step, per_epoch)
        if epoch != known_epoch:
            order = generator(recipe.seed, "order", epoch)
            in_order = epoch_batches(n_trials, settings.batch_size, order, settings.session_exponent)
            known_epoch = epoch
        yield step, in_order[within]


def check_schemes(recipe: Recipe, sessions: Mapping[str, SessionTensors]) -> None:
    """Make sure that every session allows a scheme of the mixture.

    Raises
    ------
    SpikeglotError
        The mixture has schemes on regions only, and a session has no regions, or one.
    """
    for session_id, session in sessions.items():
        if not usable_schemes(recipe.mask, session.layout(0)):
            raise SpikeglotError(
                f"Session '{session_id}' does not have the regions that all of mask.schemes "
                f"({', '.join(recipe.mask.schemes)}) need. Add a scheme such as neuron, or name the units' regions."
            )


def _validate(
    checkpoint: Checkpoint,
    validation: Validation,
    device: torch.device,
    run: RunFolder,
    listen: Listener,
    position: Position,
) -> Position:
    """Score the model, keep it as ``best`` if it is, and return the position with the best score so far."""
    by_session = validation.score_sessions(checkpoint.model, device)
    scores = mean_over_sessions(by_session)
    mean = mean_score(scores)
    is_best = mean > position.best_mean or position.best_mean == -math.inf
    if is_best:
        run.save("best", checkpoint)
        # a score that is not a number (no spike to score) is worse than any that is
        position = Position(position.step, -math.inf if math.isnan(mean) else mean, position.step)
    listen(Validated(position.step, scores, mean, is_best, by_session))
    return position
