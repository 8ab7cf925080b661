"""The folder of a run: what is refused, what a kill leaves, what comes back."""

import pytest
import torch

from spikeglot.errors import CheckpointError
from spikeglot.training.optimiser import make_optimiser
from spikeglot.training.run_folder import Position, RunFolder, differing


def saved(factories, folder, position=None):
    """A run folder with `best` and `last` of an untrained model."""
    run = RunFolder(folder, resume=False)
    checkpoint = factories.make_checkpoint()
    optimiser = make_optimiser(checkpoint.model, checkpoint.recipe.train)
    run.save("best", checkpoint)
    run.save_last(checkpoint, optimiser, position or Position(0, 0.5, 0))
    return checkpoint, optimiser


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_that_holds_a_run_is_left_alone(factories, tmp_path):
    saved(factories, tmp_path / "run")
    before = files(tmp_path)
    with pytest.raises(CheckpointError, match=r"already holds a run. Continue it with --resume.*not touched"):
        RunFolder(tmp_path / "run", resume=False)
    assert files(tmp_path) == before


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(CheckpointError, match="not empty and holds no run"):
        RunFolder(tmp_path, resume=False)
    assert (tmp_path / "thesis.tex").read_text() == "mine"


@pytest.mark.parametrize("resume", [False, True])
def test_a_file_is_no_folder(tmp_path, resume):
    (tmp_path / "run").write_text("")
    with pytest.raises(CheckpointError, match=r"run' is a file; --out must name a folder"):
        RunFolder(tmp_path / "run", resume)


@pytest.mark.parametrize("exists", [False, True])
def test_there_must_be_something_to_resume(tmp_path, exists):
    if exists:
        (tmp_path / "run").mkdir()
    with pytest.raises(CheckpointError, match="no run to resume"):
        RunFolder(tmp_path / "run", resume=True)


def test_an_empty_or_new_folder_will_do_and_nothing_is_made_yet(tmp_path):
    RunFolder(tmp_path, resume=False)
    RunFolder(tmp_path / "new", resume=False)
    assert list(tmp_path.iterdir()) == []


def test_the_best_holds_no_optimiser_and_the_last_does(factories, tmp_path):
    saved(factories, tmp_path / "run")
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["best", "last"]
    three = {"config.json", "model.safetensors", "sessions.json"}
    assert {p.name for p in (tmp_path / "run" / "best").iterdir()} == three
    assert {p.name for p in (tmp_path / "run" / "last").iterdir()} == three | {
        "optimiser.safetensors",
        "position.json",
    }


def test_position_and_moments_come_back_to_the_bit(factories, tmp_path):
    position = Position(7, 0.1 + 0.2, 4)
    checkpoint = factories.make_checkpoint()
    optimiser = make_optimiser(checkpoint.model, checkpoint.recipe.train)
    for parameter in checkpoint.model.parameters():
        parameter.grad = torch.randn_like(parameter) if parameter.requires_grad else None
    checkpoint.model.prompts.tokens.weight.grad = None
    optimiser.step()
    RunFolder(tmp_path / "run", resume=False).save_last(checkpoint, optimiser, position)

    run = RunFolder(tmp_path / "run", resume=True)
    again, where = run.load_last(checkpoint.recipe)
    assert where == position
    fresh = make_optimiser(again.model, again.recipe.train)
    run.load_optimiser(fresh)
    before, after = optimiser.state_dict(), fresh.state_dict()
    assert before["param_groups"] == after["param_groups"]
    assert before["state"].keys() == after["state"].keys()
    for i, parts in before["state"].items():
        for name, value in parts.items():
            assert torch.equal(value, after["state"][i][name])


def test_a_start_that_never_got_a_score_comes_back(factories, tmp_path):
    """best_mean is minus infinity until the first validation."""
    checkpoint, _ = saved(factories, tmp_path / "run", Position(0, float("-inf"), 0))
    assert RunFolder(tmp_path / "run", resume=True).load_last(checkpoint.recipe)[1].best_mean == float("-inf")


def test_other_settings_are_named_with_both_values(factories, tmp_path):
    saved(factories, tmp_path / "run")
    other = factories.small_recipe(train={"learning_rate": 0.5}, mask={"prompted": False})
    run = RunFolder(tmp_path / "run", resume=True)
    with pytest.raises(CheckpointError) as error:
        run.load_last(other)
    assert "train.learning_rate was 0.001, now 0.5" in str(error.value)
    assert "mask.prompted was True, now False" in str(error.value)
    assert "seed" not in str(error.value)


def test_differing_goes_into_sections():
    before = {"seed": 0, "model": {"width": 16, "factors": {"ridge": 1.0}}}
    now = {"seed": 1, "model": {"width": 16, "factors": {"ridge": 2.0}}}
    assert differing(before, now) == ["seed was 0, now 1", "model.factors.ridge was 1.0, now 2.0"]
    assert differing(before, before) == []


@pytest.mark.parametrize("killed", ["while writing", "between the renames", "before the old one was removed"])
def test_a_kill_leaves_a_run_that_goes_on(factories, tmp_path, killed):
    checkpoint, _ = saved(factories, tmp_path / "run", Position(3, 0.5, 3))
    run = tmp_path / "run"
    if killed == "while writing":
        (run / "last.new").mkdir()
        (run / "last.new" / "config.json").write_text("{")
    elif killed == "between the renames":
        (run / "last").rename(run / "last.old")
        (run / "last.new").mkdir()
    else:
        (run / "last.old").mkdir()
    resumed = RunFolder(run, resume=True)
    again, position = resumed.load_last(checkpoint.recipe)
    assert position == Position(3, 0.5, 3)
    resumed.save_last(again, make_optimiser(again.model, again.recipe.train), Position(4, 0.5, 3))
    assert RunFolder(run, resume=True).load_last(checkpoint.recipe)[1].step == 4
    assert sorted(p.name for p in run.iterdir()) == ["best", "last"]


@pytest.mark.parametrize("name", ["position.json", "optimiser.safetensors"])
@pytest.mark.parametrize("how", ["absent", "damaged"])
def test_what_resuming_needs_is_checked(factories, tmp_path, name, how):
    checkpoint, optimiser = saved(factories, tmp_path / "run", Position(3, 0.5, 3))
    file = tmp_path / "run" / "last" / name
    file.unlink() if how == "absent" else file.write_text('{"step": 3}')
    run = RunFolder(tmp_path / "run", resume=True)
    read = (
        (lambda: run.load_last(checkpoint.recipe))
        if name == "position.json"
        else (lambda: run.load_optimiser(optimiser))
    )
    with pytest.raises(CheckpointError, match=name):
        read()
