"""``spikeglot pretrain``: a run on disk, its words, and resuming."""

import json

import pytest
import torch

from spikeglot.checkpoint import load_checkpoint

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(recordings, tmp_path_factory):
    return recordings.write_npz(tmp_path_factory.mktemp("data") / "day1.npz")


@pytest.fixture(scope="module")
def recipe(recordings, tmp_path_factory):
    return recordings.write_recipe(tmp_path_factory.mktemp("recipe") / "tiny.toml")


@pytest.fixture
def pretrain(shell, data, recipe, tmp_path):
    def run(*flags, out="run"):
        return shell("pretrain", data, "--recipe", recipe, "--out", tmp_path / out, *flags)

    return run


def test_a_run_for_people(pretrain, data, tmp_path):
    said = pretrain()
    assert said.status == 0
    assert said.out.startswith("Model of 1 session, 12 units, ")
    assert said.out.strip().endswith(str(tmp_path / "run" / "best"))
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"best", "last", "log.csv", "validation.csv"}
    lines = said.err.splitlines()
    assert lines[0] == "reading: 1 of 1  day1.npz"
    assert lines[1] == "closed-form start: 1 of 1  day1"
    assert lines[3].split() == ["step", "co-smoothing", "inter-region", "intra-region", "forward", "mean"]
    assert [line.split()[0] for line in lines[4:8] if not line.startswith("training")] == ["0", "3", "6"]
    assert lines[4].endswith("best")
    assert lines[-1] == f"Next: spikeglot evaluate {tmp_path / 'run'} {data} --out scores.csv"
    assert "nan" not in said.err


def test_json_and_quiet(pretrain, tmp_path):
    said = pretrain("--json")
    facts = json.loads(said.out)
    assert facts["run"] == str(tmp_path / "run")
    assert (facts["n_sessions"], facts["n_units"]) == (1, 12)
    assert facts["n_parameters"] == sum(
        p.numel() for p in load_checkpoint(tmp_path / "run" / "best").model.parameters()
    )
    assert said.err
    said = pretrain("--quiet", out="quiet")
    assert said.err == ""
    assert len(said.out.splitlines()) == 1


def test_overrides_reach_the_run(pretrain, tmp_path):
    assert pretrain("--train.steps", "2", "--seed", "5", "--mask.schemes", "neuron").status == 0
    recipe = load_checkpoint(tmp_path / "run" / "best").recipe
    assert (recipe.train.steps, recipe.seed, recipe.mask.schemes) == (2, 5, ("neuron",))
    assert recipe.window.align == "stim_on_time"
    assert len((tmp_path / "run" / "log.csv").read_text().splitlines()) == 1 + 3


def test_the_same_seed_gives_the_same_run_and_another_does_not(pretrain, tmp_path):
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert pretrain("--seed", str(seed), "--quiet", out=out).status == 0
    a, b, c = ((tmp_path / out / "last" / "model.safetensors").read_bytes() for out in "abc")
    assert a == b
    assert a != c


def test_a_finished_run_is_left_alone_and_resumes_to_itself(pretrain, tmp_path):
    pretrain("--quiet")
    before = (tmp_path / "run" / "last" / "model.safetensors").read_bytes()
    said = pretrain()
    assert said.status == 1
    assert "already holds a run. Continue it with --resume, or choose another folder" in said.err
    assert "reading" not in said.err, "the folder must be looked at before the data"
    assert pretrain("--resume", "--quiet").status == 0
    assert (tmp_path / "run" / "last" / "model.safetensors").read_bytes() == before


def test_resuming_with_other_settings_is_refused(pretrain):
    pretrain("--quiet")
    said = pretrain("--resume", "--train.steps", "9", "--model.dropout", "0.1")
    assert said.status == 1
    assert "train.steps was 6, now 9" in said.err
    assert "model.dropout was 0.4, now 0.1" in said.err


def test_nothing_to_resume(pretrain, tmp_path):
    said = pretrain("--resume")
    assert said.status == 1
    assert "There is no run to resume" in said.err
    assert not (tmp_path / "run").exists()


def test_a_place_that_cannot_be_written_is_told_before_the_work(shell, data, recipe, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        said = shell("pretrain", data, "--recipe", recipe, "--out", out)
        assert said.status == 1
        assert "is a file, not a folder" in said.err
        assert "reading" not in said.err
    assert (tmp_path / "file").read_text() == "mine"


def test_two_sessions_make_one_model(shell, recordings, recipe, tmp_path):
    paths = [recordings.write_npz(tmp_path / f"{name}.npz", session_id=name) for name in ("a", "b")]
    said = shell("pretrain", *paths, "--recipe", recipe, "--out", tmp_path / "run")
    assert said.out.startswith("Model of 2 sessions, 24 units")
    assert list(load_checkpoint(tmp_path / "run" / "last").sessions) == ["a", "b"]
