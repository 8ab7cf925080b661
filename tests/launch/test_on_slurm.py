"""SLURM: what submitit would be told. A stand-in answers for it; no job of SLURM has been run by a test."""

import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from spikeglot import SpikeglotError, prepare, submit_slurm
from spikeglot.events import LeftOut, Progress
from spikeglot.launch import on_slurm
from spikeglot.launch.on_slurm import Task, slurm_map


@pytest.fixture
def submitit(monkeypatch):
    """A stand-in that notes what it is told."""
    told = SimpleNamespace(parameters={}, tasks=[], exported=[], arrays=[], jobs=[], lose=lambda item: False)

    class Executor:
        def __init__(self, folder):
            told.folder = folder

        def update_parameters(self, **parameters):
            told.parameters = parameters

        def submit(self, task):
            told.tasks.append(task)
            return SimpleNamespace(job_id="17")

        def map_array(self, work, items):
            told.arrays.append(list(items))
            jobs = [Job(f"{len(told.arrays)}_{n}", work, item) for n, item in enumerate(items)]
            told.jobs += jobs
            return jobs

    class Job:
        def __init__(self, job_id, work, item):
            self.job_id, self.work, self.item, self.is_cancelled = job_id, work, item, False

        def result(self):
            if told.lose(self.item):
                raise RuntimeError("it was stopped when its time was up")
            return self.work(self.item)

        def cancel(self, check):
            assert not check, "a job that is over cannot be cancelled, and need not be"
            self.is_cancelled = True

    class Environment:
        def export(self, set_cuda_visible_devices):
            told.exported.append(set_cuda_visible_devices)

    told.helpers = SimpleNamespace(
        TorchDistributedEnvironment=Environment,
        DelayedSubmission=lambda task: ("again", task),
        as_completed=lambda jobs: iter(jobs[::-1]),
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


def never(item, reason):
    raise AssertionError(f"{item} was lost: {reason}")


def test_an_array_has_a_job_per_item_and_results_come_as_they_are_done(submitit, tmp_path, monkeypatch):
    options = {"timeout_min": 60}
    assert list(slurm_map(abs, [-1, 2, -3], never, folder=tmp_path, options=options)) == [3, 2, 1]
    assert (submitit.folder, submitit.parameters) == (str(tmp_path), options)
    monkeypatch.setattr(on_slurm, "ARRAY_SIZE", 2)
    assert sorted(slurm_map(abs, [-1, 2, -3], never, folder=tmp_path)) == [1, 2, 3]
    assert submitit.arrays == [[-1, 2, -3], [-1, 2], [-3]]


def test_a_job_without_a_result_does_not_stop_the_others(submitit, tmp_path):
    submitit.lose = lambda item: item == 2
    found = list(slurm_map(abs, [-1, 2, -3], lambda item, reason: f"{item}: {reason}", folder=tmp_path))
    assert found == [3, "2: job 1_1 of SLURM has no result: it was stopped when its time was up", 1]


def test_whoever_stops_asking_cancels_what_is_left(submitit, tmp_path):
    asked = slurm_map(abs, [-1, 2, -3], never, folder=tmp_path)
    assert next(asked) == 3
    asked.close()
    assert [job.is_cancelled for job in submitit.jobs] == [True, True, False]


def test_recordings_are_prepared_by_jobs_and_what_is_done_is_not_done_again(submitit, recordings, tmp_path):
    data, out, told = tmp_path / "data", tmp_path / "out", []
    data.mkdir()
    for name in ("a", "b", "c"):
        recordings.write_npz(data / f"{name}.npz", session_id=name)
    (data / "d.nwb").write_bytes(b"x")
    submitit.lose = lambda recording: recording.path.stem == "b"
    start = partial(prepare, data, out=out, workers="slurm", slurm={"timeout_min": 60}, listen=told.append)
    states = {Path(one.name).name: one.state for one in start()}
    assert states == {"a": "prepared", "b.npz": "failed", "c": "prepared", "d.nwb": "failed"}
    assert submitit.folder == str(tmp_path / "out.slurm")
    assert submitit.parameters == {"timeout_min": 60}
    assert all(recording.path.is_absolute() for recording in submitit.arrays[0])
    assert [event.done for event in told if isinstance(event, Progress)] == [2, 3, 4]
    assert any("has no result" in event.reason for event in told if isinstance(event, LeftOut))
    assert pd.read_csv(out / "dropped.csv")["reason"].str.contains("has no result").sum() == 1
    submitit.lose = lambda recording: False
    (data / "d.nwb").unlink()
    assert {one.name: one.state for one in start()} == {"a": "was there", "b": "prepared", "c": "was there"}
    assert [[one.path.stem for one in array] for array in submitit.arrays] == [["a", "b", "c"], ["b"]]
    assert {one.state for one in start()} == {"was there"}
    assert len(submitit.arrays) == 2, "nothing to do is no array"


@pytest.mark.slow
def test_submitit_itself_without_slurm(recordings, tmp_path):
    """Where there is no SLURM submitit runs its jobs as processes of this machine: all but SLURM is real."""
    pytest.importorskip("submitit")
    for name in ("a", "b"):
        recordings.write_npz(tmp_path / f"{name}.npz", session_id=name)
    outcomes = prepare(tmp_path, out=tmp_path / "out", workers="slurm", slurm={"timeout_min": 5})
    assert {one.name: one.state for one in outcomes} == {"a": "prepared", "b": "prepared"}
