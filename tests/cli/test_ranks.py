"""The shell on several ranks: one speaks; a launcher is given the same work; a run that has begun goes on."""

import json
import sys

import pytest

from spikeglot.cli.ranks import slurm_options
from spikeglot.errors import SettingsError
from spikeglot.launch import on_ray, on_slurm


@pytest.fixture
def words(recordings, tmp_path):
    data = recordings.write_npz(tmp_path / "day.npz")
    recipe = recordings.write_recipe(tmp_path / "tiny.toml", train={"steps": 4, "validate_every": 2})
    return ["pretrain", data, "--recipe", recipe, "--out", tmp_path / "run"]


def test_two_ranks_in_the_shell_one_speaks(together, words, tmp_path):
    command = [sys.executable, "-W", "error", "-m", "spikeglot", *map(str, words), "--json"]
    main, other = together.finish(together.start(command, 2))
    assert (main[0], other[0]) == (0, 0), (main, other)
    assert json.loads(main[1])["run"] == str(tmp_path / "run")
    assert "training: 4 of 4" in main[2]
    assert other[1:] == ("", "")


def test_ranks_that_fail_are_named(shell, words, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    said = shell("pretrain", tmp_path / "nothing.npz", *words[2:])
    assert said.status == 1
    assert said.err.startswith("rank 1: error: ")


def test_a_run_that_has_begun_goes_on_and_otherwise_starts(shell, words):
    assert shell(*words, "--resume-if-begun", "--quiet").status == 0
    assert shell(*words).status == 1
    assert shell(*words, "--resume-if-begun", "--quiet").status == 0


def test_ray_is_given_the_work_of_the_verb(shell, words, tmp_path, monkeypatch):
    asked = {}

    def here(work, n_ranks, **more):
        asked.update(more, n_ranks=n_ranks)
        work()

    monkeypatch.setattr(on_ray, "ray_train", here)
    said = shell(*words, "--launch", "ray", "--ranks", 3, "--max-failures", 2, "--json")
    assert said.status == 0, said.err
    assert asked == {"n_ranks": 3, "use_gpu": False, "max_failures": 2}
    assert json.loads(said.out)["checkpoint"] == str(tmp_path / "run" / "best")
    assert shell(*words, "--launch", "ray").status == 1, "the folder holds a run"


def test_a_job_of_slurm_is_submitted_and_not_waited_for(shell, words, tmp_path, monkeypatch):
    asked = {}

    def submit(work, n_ranks, **more):
        asked.update(more, n_ranks=n_ranks, work=work)
        return "17"

    monkeypatch.setattr(on_slurm, "submit_slurm", submit)
    flags = ["--launch", "slurm", "--ranks", 2, "--slurm", "nodes=2", "slurm_partition=gpu", "--train.device", "cuda"]
    said = shell(*words, *flags)
    assert said.status == 0, said.err
    assert said.out.startswith("Submitted job 17; its logs: ")
    work = asked.pop("work")
    assert (work.args[0].launch, work.args[0].resume_if_begun) == ("here", True)
    options = {"nodes": 2, "slurm_partition": "gpu"}
    assert asked == {"n_ranks": 2, "folder": tmp_path / "run.slurm", "use_gpu": True, "options": options}
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("word", ["nodes", "=2", "nodes="])
def test_an_option_of_slurm_is_a_key_and_a_value(word):
    with pytest.raises(SettingsError, match="is no KEY=VALUE"):
        slurm_options((word,))
