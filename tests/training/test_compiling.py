"""A compiled transformer trains as the one that is written, or the run goes on without it and says so once."""

import shutil

import pytest
import torch

from spikeglot.events import DoneWithout, StepDone
from spikeglot.training import compiling
from spikeglot.training.compiling import MIN_STEPS, wants_compiler
from spikeglot.training.distributed import Ranks

needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="torch.compile needs a C++ compiler"
)
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def run_of(factories, folder, compile_, **model):
    events = []
    recipe = factories.small_recipe(train={"compile": compile_}, model=model)
    assert factories.train_run(folder, recipe, listen=events.append)
    losses = torch.tensor([event.loss for event in events if isinstance(event, StepDone)])
    return losses, [event for event in events if isinstance(event, DoneWithout)]


@pytest.mark.parametrize(("setting", "device", "steps", "expected"), [
    ("auto", CPU, 10 * MIN_STEPS, False),
    ("auto", CUDA, MIN_STEPS - 1, False),
    ("auto", CUDA, MIN_STEPS, True),
    ("on", CPU, 1, True),
    ("off", CUDA, MIN_STEPS, False),
])  # fmt: skip
def test_auto_compiles_long_runs_on_gpus(factories, setting, device, steps, expected):
    assert wants_compiler(factories.small_recipe(train={"compile": setting, "steps": steps}), device) == expected


def test_a_compiler_that_fails_is_told_of_once_and_changes_nothing(factories, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("no compiler\nand more")

    monkeypatch.setattr(compiling.torch, "compile", lambda *args, **kwargs: broken)
    losses, told = run_of(factories, tmp_path / "on", "on")
    assert told == [DoneWithout("train.compile", "RuntimeError: no compiler")]
    plain, nothing = run_of(factories, tmp_path / "off", "off")
    assert nothing == []
    assert torch.equal(losses, plain)


def test_what_is_no_transformer_is_told_of(factories, tmp_path):
    _, (told,) = run_of(factories, tmp_path, "on", architecture="lfads")
    assert "lfads" in told.reason


def test_sessions_of_unlike_patches_train_without_it(factories, tmp_path):
    """Their batches are never whole."""
    _, (told,) = run_of(factories, tmp_path, "on", architecture="ndt2", patch_units=7)
    assert "patches" in told.reason


@pytest.mark.parametrize(("train", "reason"), [
    ({"batch_size": 9}, "9 trials, of which 2 ranks"),
    ({"batch_size": 8, "sharding": "full"}, "sharding full"),
])  # fmt: skip
def test_ranks_with_unlike_work_or_parts_of_the_weights_train_without_it(factories, train, reason):
    told = []
    recipe = factories.small_recipe(train={"compile": "on", **train})
    model = factories.make_model(recipe, {"a": factories.make_session()})
    with compiling.compiled(model, recipe, CPU, told.append, Ranks(0, 2)) as is_compiled:
        assert not is_compiled
        assert model.architecture.compiled is None
    assert reason in told[0].reason


@pytest.mark.slow
@needs_compiler
def test_two_compiled_ranks_make_the_model_that_a_plain_one_makes(together, tmp_path):
    together.scope()["pretrain"](tmp_path / "one", batch_size=10)
    script = f"""
listen = lambda event: print(event) if type(event).__name__ == "DoneWithout" else None
pretrain({str(tmp_path / "two")!r}, batch_size=10, compile="on", listen=listen)
from torch._dynamo.utils import counters
print("compiled", counters["stats"]["unique_graphs"])
"""
    for status, out, said in together.run_script(script, 2):
        assert (status, out.splitlines()) == (0, ["compiled 1"]), said
    together.assert_equal_runs(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("model", [{}, {"architecture": "ndt2", "patch_units": 20}, {"position": "rotary"}])
def test_compiled_training_loses_what_plain_training_loses(factories, tmp_path, model):
    """Dropout included: compiled code draws the same random numbers."""
    plain, _ = run_of(factories, tmp_path / "off", "off", **model)
    losses, told = run_of(factories, tmp_path / "on", "on", **model)
    assert told == []
    torch.testing.assert_close(losses, plain, atol=1e-5, rtol=1e-4)
    assert not torch.equal(losses, plain), "it was compiled"
    again, _ = run_of(factories, tmp_path / "again", "on", **model)
    assert torch.equal(losses, again)
