"""Runs fan out over processes, GPUs or a Ray cluster with joblib; what is done is done, whatever happens next."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from joblib import Parallel, delayed, parallel_config

from spikeglot.data.sessions import Sessions
from spikeglot.errors import SettingsError, SpikeglotError
from spikeglot.studies.engine.do_run import do_run
from spikeglot.studies.engine.run import Run

RAY = "ray"


class Outcome(NamedTuple):
    """A run that is over; ``problem`` says why it has no scores, "" where it has."""

    key: str
    problem: str = ""


def fan_out(runs: Sequence[Run], sessions: Sessions, out: Path, workers: int | str) -> Iterator[Outcome]:
    """Do the runs, in any order, and yield each when it is over.

    Parameters
    ----------
    workers:
        Number of processes, 1: this one; or "ray": the cluster of RAY_ADDRESS, or all cores of this machine.

    Raises
    ------
    SettingsError
        Ray is asked for and not installed.
    """
    on_ray, alone = workers == RAY, workers == 1
    # in this process nothing is pinned: whoever called may need all GPUs
    gpus = () if on_ray or alone else visible_gpus()
    tasks = [delayed(attempt)(run, [sessions[name] for name in run.session_ids], out, gpus) for run in runs]
    with parallel_config(**(ray_backend() if on_ray else local_backend(int(workers)))):
        # a pool of Ray cannot hand out results one by one
        parallel = Parallel(return_as="list" if on_ray else "generator_unordered")
        yield from parallel(tasks)  # type: ignore[misc]


def attempt(run: Run, sessions: Sequence[Any], out: Path, gpus: tuple[str, ...]) -> Outcome:
    """Do a run; what a user can mend is its outcome, and the other runs go on."""
    pin_gpu(gpus)
    try:
        do_run(run, sessions, out)
    except SpikeglotError as problem:
        return Outcome(run.key, str(problem))
    return Outcome(run.key)


@cache
def pin_gpu(gpus: tuple[str, ...]) -> None:
    """Let this process see one of several GPUs only, by its number among the workers; Ray does the same itself."""
    if len(gpus) > 1:
        number = int(multiprocessing.current_process().name.rpartition("-")[2])
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return tuple(named.split(",")) if named else tuple(str(n) for n in range(torch.cuda.device_count()))


def local_backend(n_workers: int) -> dict[str, Any]:
    """Return how joblib is told to use processes of this machine, each with one thread."""
    if n_workers == 1:
        return {"n_jobs": 1}
    return {"backend": "loky", "n_jobs": n_workers, "inner_max_num_threads": 1}


def ray_backend() -> dict[str, Any]:
    """Return how joblib is told to use Ray: every core a worker, or every GPU where the cluster has some.

    Raises
    ------
    SettingsError
        Ray is not installed.
    """
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise SettingsError("Workers 'ray' need Ray: pip install ray. Or give a number of processes.") from error
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    register_ray()
    n_gpus = int(ray.cluster_resources().get("GPU", 0))
    if n_gpus:
        return {"backend": RAY, "n_jobs": n_gpus, "ray_remote_args": {"num_gpus": 1}}
    return {"backend": RAY, "n_jobs": -1}
