"""SLURM, through submitit: ranks of one run as tasks of one job, or many pieces of work as an array of jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from spikeglot.errors import SettingsError

T = TypeVar("T")
R = TypeVar("R")
ARRAY_SIZE = 1000
"""Jobs of an array, at most: SLURM's own limit, where nobody has raised it."""


class Task:
    """What every task of the job calls: meet the others, then work. A job that is stopped early is submitted again."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work

    def __call__(self) -> None:
        # every rank takes the GPU of its number, as under torchrun
        _submitit().helpers.TorchDistributedEnvironment().export(set_cuda_visible_devices=False)
        self.work()

    def checkpoint(self) -> Any:
        """Say to submitit, when time is up or the job must make way, how to go on: from the last checkpoint."""
        return _submitit().helpers.DelayedSubmission(Task(self.work))


def submit_slurm(
    work: Callable[[], Any],
    n_ranks: int,
    *,
    folder: str | Path,
    use_gpu: bool = False,
    options: Mapping[str, str | int] | None = None,
) -> str:
    """Submit a job whose tasks, the ranks of one run, each call ``work``; return its id at once.

    Parameters
    ----------
    work:
        As for `spikeglot.ray_train`; with ``resume="if-begun"`` a job that is stopped and submitted again goes on.
    n_ranks:
        Tasks, the same number on each node.
    folder:
        Where submitit writes the job and its logs, on a disk that all nodes see.
    use_gpu:
        One GPU for each task.
    options:
        What ``submitit.AutoExecutor.update_parameters`` takes: nodes, timeout_min, slurm_partition and others.

    Raises
    ------
    SettingsError
        submitit is not installed; tasks that cannot be divided evenly among the nodes.
    """
    submitit = _submitit()
    options = {"nodes": 1, **(options or {})}
    n_nodes = int(options["nodes"])
    if n_ranks % n_nodes:
        raise SettingsError(f"{n_ranks} ranks cannot be divided evenly among {n_nodes} nodes. Change one of the two.")
    per_node = n_ranks // n_nodes
    executor = submitit.AutoExecutor(folder=str(folder))
    executor.update_parameters(tasks_per_node=per_node, **({"gpus_per_node": per_node} if use_gpu else {}), **options)
    return str(executor.submit(Task(work)).job_id)


def slurm_map(
    work: Callable[[T], R],
    items: Sequence[T],
    lost: Callable[[T, str], R],
    *,
    folder: str | Path,
    options: Mapping[str, str | int] | None = None,
) -> Iterator[R]:
    """Call ``work`` on every item, each a job of an array, and wait for them.

    Yields what comes back, in the order in which it comes; for a job that ends without a result ``lost(item, reason)``.
    Whoever stops asking cancels what is left. ``folder`` and ``options`` are those of `submit_slurm`.

    Raises
    ------
    SettingsError
        submitit is not installed.
    """
    submitit = _submitit()
    executor = submitit.AutoExecutor(folder=str(folder))
    executor.update_parameters(**(options or {}))
    jobs = []
    for start in range(0, len(items), ARRAY_SIZE):
        jobs += executor.map_array(work, items[start : start + ARRAY_SIZE])
    waiting = {job.job_id: (job, item) for job, item in zip(jobs, items, strict=True)}
    try:
        for job in submitit.helpers.as_completed(jobs):
            _, item = waiting.pop(job.job_id)
            try:
                result = job.result()
            except RuntimeError as error:  # what submitit says of a job that failed, timed out or was cancelled
                result = lost(item, f"job {job.job_id} of SLURM has no result: {error}")
            yield result
    finally:
        for job, _ in waiting.values():
            job.cancel(check=False)


def _submitit() -> Any:
    try:
        return import_module("submitit")
    except ImportError as error:
        raise SettingsError(f"submitit is not here ({error}): pip install 'spikeglot[slurm]'.") from error
