"""Two ranks make the model that one makes; they stop together, go on as fewer or more, and fail with a word."""

import csv
import os
import signal

import pytest
from safetensors.torch import load_file

from spikeglot.checkpoint import load_checkpoint
from spikeglot.errors import SettingsError
from spikeglot.training.distributed import ALONE, join_ranks

TOLERANCE = 1e-5
FILES = ("last/model", "best/model", "last/optimiser")


def assert_equal_runs(one, other):
    """Weights, moments, losses and validation scores are the same to float tolerance, and so are the steps."""
    for name in FILES:
        a, b = (load_file(run / f"{name}.safetensors") for run in (one, other))
        assert a.keys() == b.keys()
        for key, value in a.items():
            assert value.numpy() == pytest.approx(b[key].numpy(), abs=TOLERANCE), f"{name} {key}"
    for name in ("log.csv", "validation.csv"):
        rows, others = (list(csv.DictReader((run / name).read_text().splitlines())) for run in (one, other))
        assert len(rows) == len(others) > 3
        for row, its in zip(rows, others, strict=True):
            for column in row.keys() - {"trials_per_s"}:
                assert row[column] == its[column] or float(row[column]) == pytest.approx(float(its[column]), abs=2e-5)


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
try:
    pretrain(out + "whole")
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
def test_two_ranks_equal_one(runs, name):
    """In most steps some stitchers rest on a rank; in step 8 all but one rest everywhere, and a rank has no trial."""
    folder, _ = runs
    assert_equal_runs(folder / "one", folder / name)


def test_weights_moved(runs):
    folder, _ = runs
    weights = load_checkpoint(folder / "one" / "last").model.state_dict()
    readouts = [value for name, value in weights.items() if name.endswith("readout.weight")]
    assert all(float(value.abs().max()) > 100 * TOLERANCE for value in readouts), "they start from zero"


def test_a_run_of_one_goes_on_as_two(runs):
    folder, _ = runs
    assert_equal_runs(folder / "one", folder / "grown")


def test_two_stop_together_and_one_goes_on(runs, together):
    """One rank was interrupted, in the middle of two validations; both stopped after the same step."""
    folder, _ = runs
    position = (folder / "stopped" / "last" / "position.json").read_text()
    assert '"step": 5,' in position
    together.scope()["pretrain"](folder / "stopped", resume=True)
    assert_equal_runs(folder / "one", folder / "stopped")


def test_what_the_main_rank_refuses_all_refuse(runs):
    _, said = runs
    for rank, (_, out, _) in enumerate(said):
        assert out.startswith(f"{rank} ")
        assert "already holds a run" in out


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
