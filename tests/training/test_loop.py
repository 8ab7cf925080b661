"""The loop: what it visits, what it writes, that it learns, and what it refuses."""

import math

import pytest
import torch

from spikeglot.checkpoint import Checkpoint, load_checkpoint
from spikeglot.device import pick_device
from spikeglot.errors import SpikeglotError
from spikeglot.events import StepDone, Validated, silent
from spikeglot.training.loop import batches, check_schemes, train, training_step
from spikeglot.training.optimiser import make_optimiser
from spikeglot.training.run_folder import RunFolder


def test_every_epoch_visits_every_trial_once_in_an_order_of_its_own(factories):
    sessions = {"a": factories.make_session("a", 13), "b": factories.make_session("b", 8)}
    recipe = factories.small_recipe(train={"steps": 9, "batch_size": 8})
    steps = list(batches(recipe, sessions, start=0))
    assert [step for step, _ in steps] == list(range(9))
    orders = []
    for epoch in (steps[:3], steps[3:6], steps[6:]):
        visited = [(name, i) for _, batch in epoch for name, trials in batch.items() for i in trials.tolist()]
        assert sorted(visited) == [("a", i) for i in range(13)] + [("b", i) for i in range(8)]
        assert [sum(len(t) for t in batch.values()) for _, batch in epoch] == [8, 8, 5]
        orders.append(visited)
    assert orders[0] != orders[1] != orders[2]


@pytest.mark.parametrize("start", [1, 2, 3, 7])
def test_starting_late_gives_the_same_batches(factories, start):
    sessions = {"a": factories.make_session("a", 13), "b": factories.make_session("b", 8)}
    recipe = factories.small_recipe(train={"steps": 9})
    whole = list(batches(recipe, sessions, start=0))[start:]
    late = list(batches(recipe, sessions, start=start))
    assert [step for step, _ in late] == [step for step, _ in whole]
    for (_, a), (_, b) in zip(whole, late, strict=True):
        assert list(a) == list(b)
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_it_reports_every_step_and_keeps_best_and_last(factories, tmp_path):
    events = []
    assert factories.train_run(tmp_path / "run", factories.small_recipe(), listen=events.append)
    assert [e.step for e in events if isinstance(e, StepDone)] == list(range(1, 13))
    validations = [e for e in events if isinstance(e, Validated)]
    assert [e.step for e in validations] == [0, 4, 8, 12]
    assert validations[0].is_best
    best = max(validations, key=lambda e: e.mean)
    assert [e for e in validations if e.is_best][-1] is best
    for event in validations:
        assert event.is_best == all(event.mean > e.mean for e in validations if e.step < event.step)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["best", "last", "log.csv", "validation.csv"]
    run = RunFolder(tmp_path / "run", resume=True)
    last, position = run.load_last(factories.small_recipe())
    assert position.step == 12
    assert (position.best_step, position.best_mean) == (best.step, best.mean)
    if best.step == 12:
        assert_equal_models(last.model, load_checkpoint(tmp_path / "run" / "best").model)


def assert_equal_models(a, b, equal=True):
    same = [torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)]
    assert all(same) == equal


def test_no_steps_keep_the_start(factories, tmp_path):
    recipe = factories.small_recipe(train={"steps": 0}, model={"start": "factors"})
    events = []
    assert factories.train_run(tmp_path / "run", recipe, listen=events.append)
    assert [type(e) for e in events] == [Validated]
    best, last = (load_checkpoint(tmp_path / "run" / name).model for name in ("best", "last"))
    assert_equal_models(best, last)


def test_every_session_and_the_shared_weights_move(factories, tmp_path):
    recipe = factories.small_recipe()
    assert factories.train_run(tmp_path / "moved", recipe)
    assert factories.train_run(tmp_path / "start", factories.small_recipe(train={"steps": 0}))
    moved = load_checkpoint(tmp_path / "moved" / "last").model.state_dict()
    start = load_checkpoint(tmp_path / "start" / "last").model.state_dict()
    still = {name for name in moved if torch.equal(moved[name], start[name])}
    assert {name.rsplit(".", 1)[-1] for name in still} == {"mean_count"}


@pytest.mark.parametrize("objective", ["poisson", "mse"])
@pytest.mark.parametrize("start", ["zero", "rates", "factors"])
def test_it_learns_what_units_share(factories, tmp_path, start, objective):
    """A strong shared latent: held-out trials are predicted far better than by each unit's mean rate."""
    session = factories.make_session("a", 200, ("VISp",) * 6 + ("CA1",) * 6, rate=1.0)
    part = type(session)
    train_set = {"a": part("a", session.counts[:160], session.start_s[:160], session.region)}
    val_set = {"a": part("a", session.counts[160:], session.start_s[160:], session.region)}
    recipe = factories.small_recipe(
        model={"start": start, "dropout": 0.0, "embed_dropout": 0.0},
        train={
            "steps": 300,
            "batch_size": 32,
            "learning_rate": 1e-2,
            "validate_every": 100,
            "objective": objective,
        },
    )
    model = factories.make_model(recipe, train_set)
    events = []
    run = RunFolder(tmp_path / "run", resume=False)
    assert train(Checkpoint(model, recipe, {}), train_set, val_set, run, events.append)
    scores = [e for e in events if isinstance(e, Validated)]
    losses = [e.loss for e in events if isinstance(e, StepDone)]
    assert sum(losses[-30:]) < sum(losses[:30])
    best = max(e.mean for e in scores)
    assert best > 0.12
    if start != "factors":
        assert best > scores[0].mean + 0.1, "it started there"


def test_a_loss_that_is_not_finite_stops_with_advice(factories):
    session = factories.make_session()
    recipe = factories.small_recipe()
    model = factories.make_model(recipe, {"a": session})
    with torch.no_grad():
        model.stitcher("a").readout.bias.fill_(math.inf)
    group = session.group(slice(0, 4), factories.hide_first_unit(session, 4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(
        SpikeglotError, match=r"The loss is (inf|nan) at step 6. Lower train.learning_rate \(now 0.001\)"
    ):
        training_step(model, make_optimiser(model, recipe.train), [group], recipe, 5)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_every_step_draws_other_dropout(factories):
    session = factories.make_session()
    recipe = factories.small_recipe(train={"learning_rate": 1e-12})
    model = factories.make_model(recipe, {"a": session}).train()
    optimiser = make_optimiser(model, recipe.train)
    group = session.group(slice(0, 4), factories.hide_first_unit(session, 4))
    losses = [training_step(model, optimiser, [group], recipe, step).item() for step in (0, 1, 0)]
    assert losses[0] != pytest.approx(losses[1], abs=1e-5)
    assert losses[0] == pytest.approx(losses[2], abs=1e-7)


def test_gradients_are_clipped(factories):
    session = factories.make_session(rate=3.0)
    recipe = factories.small_recipe(train={"clip_norm": 1e-3})
    model = factories.make_model(recipe, {"a": session})
    group = session.group(slice(0, 4), factories.hide_first_unit(session, 4))
    training_step(model, make_optimiser(model, recipe.train), [group], recipe, 0)
    norm = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=1e-3)


def test_a_session_without_a_usable_scheme_is_named_and_nothing_is_written(factories, tmp_path):
    session = factories.make_session("nowhere", regions=("",) * 5)
    recipe = factories.small_recipe(mask={"schemes": ["intra-region", "inter-region"]})
    with pytest.raises(SpikeglotError, match="'nowhere' does not have the regions"):
        check_schemes(recipe, {"nowhere": session})
    check_schemes(factories.small_recipe(), {"nowhere": session})
    model = factories.make_model(recipe, {"nowhere": session})
    run = RunFolder(tmp_path / "run", resume=False)
    with pytest.raises(SpikeglotError, match="'nowhere' does not have the regions"):
        train(Checkpoint(model, recipe, {}), {"nowhere": session}, {"nowhere": session}, run, silent)
    assert not (tmp_path / "run").exists()


def test_devices():
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(SpikeglotError, match="'gpu'"):
        pick_device("gpu")
