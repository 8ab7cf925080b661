"""What holds for every architecture: many sessions, save and load, every scheme, every task, no code of its own."""

import ast
import dataclasses
from pathlib import Path

import pytest
import torch

from spikeglot.batch import Group
from spikeglot.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from spikeglot.evaluation.exact import predict_hidden_bins, predict_hidden_units, predict_tasks
from spikeglot.masking.mixture import draw_mixture
from spikeglot.masking.schemes import SCHEMES
from spikeglot.masking.tasks import questions
from spikeglot.settings import ARCHITECTURES, TASKS, MaskSettings
from spikeglot.training.loop import training_step
from spikeglot.training.optimiser import make_optimiser

N_TRIALS = 6
REGIONS = {"a": ("VISp",) * 5 + ("CA1",) * 4, "b": ("VISp",) * 5 + ("CA1",) * 4, "c.long": ("TH",) * 8 + ("CA1",) * 6}
"""Two sessions of equal size, and one with another number of patches."""


@pytest.fixture(scope="module")
def sessions(factories):
    return {
        name: factories.make_session(name, regions=regions, seed=i) for i, (name, regions) in enumerate(REGIONS.items())
    }


@pytest.fixture(scope="module")
def recipe(factories, model_settings):
    return factories.small_recipe(model=model_settings, mask={"schemes": tuple(SCHEMES)})


@pytest.fixture(scope="module")
def model(factories, recipe, sessions):
    return factories.make_model(recipe, sessions, loud=True)


def masked(sessions, schemes=tuple(SCHEMES), token_units=1):
    draws = torch.Generator().manual_seed(0)
    return [
        session.group(
            slice(0, N_TRIALS),
            draw_mixture(MaskSettings(schemes=schemes), session.layout(N_TRIALS, token_units), draws),
        )
        for session in sessions.values()
    ]


def test_the_contract_knows_every_architecture(all_models):
    assert {settings.get("architecture", "ndt1") for settings in all_models.values()} == set(ARCHITECTURES)


def test_log_rates_have_the_shape_of_the_counts(model, sessions):
    groups = masked(sessions)
    with torch.no_grad():
        predictions = model.predict(groups)
    for group, prediction in zip(groups, predictions, strict=True):
        assert prediction.log_rate.shape == group.counts.shape
        assert prediction.states.shape[:2] == group.counts.shape[:2]
        assert prediction.states.shape[2] == model.stitcher(group.session_id).n_patches
        assert prediction.penalty is None, "a penalty belongs to training"


def test_a_batch_of_sessions_gives_what_each_gives_alone_in_any_order(model, sessions):
    groups = masked(sessions)
    with torch.no_grad():
        alone = [model([group])[0] for group in groups]
        together, backwards = model(groups), model(groups[::-1])[::-1]
    for a, b, c in zip(alone, together, backwards, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(a, c, atol=1e-5, rtol=1e-5)


def test_sessions_of_equal_size_share_no_weights(model, sessions):
    (group, *_) = masked(sessions)
    as_b = Group("b", group.counts, group.start_s, group.mask)
    with torch.no_grad():
        assert not torch.allclose(model([group])[0], model([as_b])[0], atol=1e-3)


def test_saved_and_loaded_it_says_the_same(model, recipe, sessions, factories, tmp_path):
    cards = {
        name: factories.make_checkpoint(all_counts=(factories.make_counts(name, regions=regions),)).sessions[name]
        for name, regions in REGIONS.items()
    }
    save_checkpoint(tmp_path / "best", Checkpoint(model, recipe, cards))
    again = load_checkpoint(tmp_path / "best")
    assert again.recipe == recipe
    groups = masked(sessions)
    with torch.no_grad():
        for a, b in zip(model(groups), again.model.eval()(groups), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_trains_on_every_scheme(factories, recipe, sessions, scheme):
    model = factories.make_model(recipe, sessions, loud=True).train()
    optimiser = make_optimiser(model, recipe.train)
    groups = masked(sessions, (scheme,), model.token_units)
    before = {name: value.clone() for name, value in model.named_parameters()}
    losses = [training_step(model, optimiser, groups, recipe, step) for step in range(3)]
    again = factories.make_model(recipe, sessions, loud=True).train()
    assert losses == [training_step(again, make_optimiser(again, recipe.train), groups, recipe, 0), *losses[1:]]
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    for session_id in sessions:
        its = f"stitchers.session {session_id.replace('.', '%2E')}."
        assert {f"{its}read_in.weight", f"{its}readout.weight", f"{its}token"} <= moved
    assert "prompts.tokens.weight" in moved
    assert any(name.startswith("architecture.") for name in moved)


@pytest.mark.parametrize("task", ["co-smoothing", "inter-region", "intra-region"])
def test_the_fast_exact_predictions_are_those_of_the_model(model, sessions, task):
    session = sessions["c.long"]
    asked = questions(task, session.region, session.counts.shape[1])
    with torch.no_grad():
        fast, slow = (
            predict(model, session, torch.tensor([3, 17]), asked, True, 2**22, lambda n_pairs: None)
            for predict in (predict_hidden_units, predict_hidden_bins)
        )
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-5, equal_nan=True)


def test_every_task_is_predicted(model, sessions):
    found = predict_tasks(model, sessions["a"], torch.tensor([1, 2]).numpy())
    assert set(found) == set(TASKS)
    for task, log_rate in found.items():
        scored = log_rate[~torch.from_numpy(log_rate).isnan().numpy()]
        assert scored.size > 0, task


def test_no_architecture_trains_evaluates_or_saves_by_itself():
    """Their files know layers and settings, and nothing of what is done with a model."""
    source = Path(__file__).resolve().parents[2] / "src" / "spikeglot" / "models"
    files = [*(source / "architectures").glob("*.py"), source / "transformer.py", source / "architecture.py"]
    assert len(files) >= 5
    for file in files:
        names = {
            node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        ours = {name for name in names if str(name).startswith("spikeglot")}
        assert ours <= {
            "spikeglot.errors", "spikeglot.settings", "spikeglot.models.architecture", "spikeglot.models.dropout",
            "spikeglot.models.layers", "spikeglot.models.transformer",
        }, file  # fmt: skip
        assert not any("optim" in str(name) or "safetensors" in str(name) for name in names), file


def test_a_different_session_token_is_a_different_prediction(model, sessions):
    (group, *_) = masked(sessions)
    stitcher = model.stitcher("a")
    with torch.no_grad():
        before = model([group])[0]
        stitcher.token.neg_()
        after = model([group])[0]
        stitcher.token.neg_()
    assert not torch.allclose(before, after, atol=1e-5)


def test_the_prompt_has_a_say(model, sessions):
    (group, *_) = masked(sessions)
    untold = dataclasses.replace(group, mask=group.mask.unprompted())
    with torch.no_grad():
        assert not torch.allclose(model([group])[0], model([untold])[0], atol=1e-6)
