"""SLURM: what submitit would be told. A stand-in answers for it; no job of SLURM has been run by a test."""

import sys
from types import SimpleNamespace

import pytest

from spikeglot import SpikeglotError, submit_slurm
from spikeglot.launch.on_slurm import Task


@pytest.fixture
def submitit(monkeypatch):
    """A stand-in that notes what it is told."""
    told = SimpleNamespace(parameters={}, tasks=[], exported=[])

    class Executor:
        def __init__(self, folder):
            told.folder = folder

        def update_parameters(self, **parameters):
            told.parameters = parameters

        def submit(self, task):
            told.tasks.append(task)
            return SimpleNamespace(job_id="17")

    class Environment:
        def export(self, set_cuda_visible_devices):
            told.exported.append(set_cuda_visible_devices)

    told.helpers = SimpleNamespace(
        TorchDistributedEnvironment=Environment, DelayedSubmission=lambda task: ("again", task)
    )
    told.AutoExecutor = Executor
    monkeypatch.setitem(sys.modules, "submitit", told)
    return told


def test_a_job_has_a_task_per_rank(submitit, tmp_path):
    job_id = submit_slurm(int, 8, folder=tmp_path, use_gpu=True, options={"nodes": 2, "slurm_partition": "gpu"})
    assert job_id == "17"
    assert submitit.folder == str(tmp_path)
    assert submitit.parameters == {
        "nodes": 2, "tasks_per_node": 4, "gpus_per_node": 4, "slurm_partition": "gpu"
    }  # fmt: skip
    submit_slurm(int, 3, folder=tmp_path)
    assert submitit.parameters == {"nodes": 1, "tasks_per_node": 3}


def test_a_task_meets_the_others_before_it_works(submitit):
    done = []
    Task(lambda: done.append(list(submitit.exported)))()
    assert done == [[False]]


def test_a_job_that_is_stopped_is_submitted_again_with_the_same_work(submitit):
    word, task = Task(int).checkpoint()
    assert word == "again"
    assert task.work is int


def test_ranks_must_fill_the_nodes(submitit, tmp_path):
    with pytest.raises(SpikeglotError, match="7 ranks cannot be divided evenly among 2 nodes"):
        submit_slurm(int, 7, folder=tmp_path, options={"nodes": 2})
    assert submitit.tasks == []


def test_without_submitit_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(SpikeglotError, match=r"spikeglot\[slurm\]"):
        submit_slurm(int, 2, folder=tmp_path)
