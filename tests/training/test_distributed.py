"""Two ranks make the model that one makes; they stop together, go on as fewer or more, and fail with a word."""

import os
import signal
import sys

import pytest

from spikeglot.checkpoint import load_checkpoint
from spikeglot.errors import SettingsError
from spikeglot.training.distributed import ALONE, join_ranks
from spikeglot.training.sharding import shard_architecture

INTERRUPT = """
import signal

def stop_after(step, rank):
    def listen(event):
        if isinstance(event, StepDone) and event.step == step and os.environ["RANK"] == rank:
            os.kill(os.getpid(), signal.SIGINT)
    return listen

def interrupted(*words, **more):
    try:
        pretrain(*words, **more)
    except KeyboardInterrupt:
        return
    raise SystemExit("not interrupted")
"""


@pytest.fixture(scope="module")
def runs(together, tmp_path_factory):
    """A folder of runs that two ranks made: ``whole``, ``sharded``, ``stopped`` after step 5, ``grown`` from alone."""
    folder = tmp_path_factory.mktemp("runs")
    names = together.scope()
    names["pretrain"](folder / "one")
    names["finetune"](folder / "one", folder / "one tuned")

    def listen(event):
        if isinstance(event, names["StepDone"]) and event.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        names["pretrain"](folder / "grown", listen=listen)
    said = together.run_script(
        f"""{INTERRUPT}
out = {str(folder)!r} + "/"
pretrain(out + "whole")
pretrain(out + "sharded", sharding="full")
pretrain(out + "grown", resume=True, sharding="full")
interrupted(out + "stopped", listen=stop_after(5, "0"), sharding="full")
finetune(out + "one", out + "tuned")
refused = [dict(out="whole"), dict(out="new", learning_rate=1e-3 / (1 + int(os.environ["RANK"])))]
for words in refused:
    try:
        pretrain(out + words.pop("out"), **words)
    except sg.SpikeglotError as error:
        print(os.environ["RANK"], error)
""",
        2,
    )
    return folder, said


def test_all_went_well(runs):
    _, said = runs
    assert [status for status, _, _ in said] == [0, 0], said


@pytest.mark.parametrize("name", ["whole", "sharded"])
def test_two_ranks_equal_one(runs, together, name):
    """In most steps some stitchers rest on a rank; in step 8 all but one rest everywhere, and a rank has no trial."""
    folder, _ = runs
    together.assert_equal_runs(folder / "one", folder / name)


def test_weights_moved(runs, together):
    folder, _ = runs
    weights = load_checkpoint(folder / "one" / "last").model.state_dict()
    readouts = [value for name, value in weights.items() if name.endswith("readout.weight")]
    assert all(float(value.abs().max()) > 100 * together.TOLERANCE for value in readouts), "they start from zero"


def test_a_run_of_one_goes_on_as_two(runs, together):
    folder, _ = runs
    together.assert_equal_runs(folder / "one", folder / "grown")


def test_two_stop_together_and_one_goes_on(runs, together):
    """One rank was interrupted, in the middle of two validations; both stopped after the same step."""
    folder, _ = runs
    position = (folder / "stopped" / "last" / "position.json").read_text()
    assert '"step": 5,' in position
    together.scope()["pretrain"](folder / "stopped", resume=True)
    together.assert_equal_runs(folder / "one", folder / "stopped")


def test_what_the_main_rank_refuses_all_refuse(runs):
    _, said = runs
    for rank, (_, out, _) in enumerate(said):
        first = out.splitlines()[0]
        assert first.startswith(f"{rank} ")
        assert "already holds a run" in first


def test_ranks_with_unlike_recipes_do_not_train(runs):
    folder, said = runs
    for rank, (_, out, _) in enumerate(said):
        assert out.splitlines()[1].startswith(f"{rank} Rank 1 was given another recipe or data than rank 0.")
    assert not (folder / "new").exists()


def test_two_ranks_adapt_a_model_as_one_does(runs, together):
    """What is shared is frozen in the first steps; sessions are fitted on a rank each."""
    folder, _ = runs
    together.assert_equal_runs(folder / "one tuned", folder / "tuned")


@pytest.mark.parametrize("model", [{"architecture": "lfads"}, {"architecture": "ndt2", "patch_units": 4}])
def test_an_architecture_that_cannot_be_sharded_is_refused_on_one_rank_too(factories, model):
    model = factories.make_model(factories.small_recipe(model=model), {"a": factories.make_session()})
    with pytest.raises(SettingsError, match="sharding full is for transformers without patches"):
        shard_architecture(model, ALONE)


def test_ranks_that_cannot_meet_say_so(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(SettingsError, match="WORLD_SIZE is 2, but the ranks cannot meet"):
        join_ranks("cpu")


def test_without_others_one_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    ranks = join_ranks("cpu")
    assert ranks is ALONE
    assert ranks.is_main
    assert ranks.gather(3) == [3]
    assert not ranks.any(False)


@pytest.mark.slow
def test_torchrun_starts_lost_ranks_again_and_the_model_is_the_same(together, tmp_path):
    together.scope()["pretrain"](tmp_path / "one")
    (tmp_path / "script.py").write_text(together.SCRIPT + together.LOSE_A_RANK + "work()")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "1"]
    process = together.begin([*command, str(tmp_path / "script.py"), str(tmp_path / "run")])
    status, _, said = together.finish([process])[0]
    assert status == 0, said
    assert (tmp_path / "a rank was lost").exists()
    together.assert_equal_runs(tmp_path / "one", tmp_path / "run")
