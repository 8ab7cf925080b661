"""Ray, on one machine or a cluster: ranks of one run as workers of Ray Train, or many pieces of work as tasks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from spikeglot.errors import SettingsError, SpikeglotError

T = TypeVar("T")
R = TypeVar("R")


def ray_train(
    work: Callable[[], Any], n_ranks: int | tuple[int, int], *, use_gpu: bool = False, max_failures: int = 0
) -> None:
    """Call ``work`` on several Ray workers, which are the ranks of one run; return when all are done.

    Parameters
    ----------
    work:
        For instance ``lambda: sg.pretrain(sessions, out=out, resume="if-begun")``. It runs in the folder where this
        process is, and ``out`` must be a place that all workers see.
    n_ranks:
        Workers; with (least, most) a run goes on with those that are left, and takes in others when they come.
    use_gpu:
        One GPU for each worker; otherwise one core.
    max_failures:
        How often a lost worker may be replaced. All workers then call ``work`` again, which goes on where the last
        checkpoint was if it says ``resume="if-begun"``.

    Raises
    ------
    SettingsError
        Ray is not installed.
    SpikeglotError
        A worker failed, or was lost once more than ``max_failures``.
    """
    try:
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer
        from ray.train.v2.api.exceptions import TrainingFailedError, WorkerGroupError
    except ImportError as error:
        raise SettingsError(f"Ray Train is not here ({error}): pip install 'spikeglot[ray]'.") from error
    folder = os.getcwd()

    def as_rank() -> None:
        # Ray gives workers a folder of their own, in which no relative path leads anywhere
        os.chdir(folder)
        work()

    with tempfile.TemporaryDirectory() as storage:
        trainer = TorchTrainer(
            as_rank,
            scaling_config=ScalingConfig(num_workers=n_ranks, use_gpu=use_gpu),
            run_config=RunConfig(storage_path=storage, failure_config=FailureConfig(max_failures=max_failures)),
        )
        try:
            trainer.fit()
        except WorkerGroupError as error:
            rank, failure = min(error.worker_failures.items())
            raise SpikeglotError(f"Rank {rank} failed: {failure}") from error
        except TrainingFailedError as error:
            raise SpikeglotError(f"Ray Train failed: {error}") from error


def ray_map(work: Callable[[T], R], items: Sequence[T], lost: Callable[[T, str], R]) -> Iterator[R]:
    """Call ``work`` on every item, each a task on one core of the cluster of RAY_ADDRESS, or of this machine.

    Yields what comes back, in the order in which it comes. A task whose worker is killed is tried again as often as Ray
    does by default; then ``lost(item, reason)`` stands for its result. Whoever stops asking cancels what is left.

    Raises
    ------
    SettingsError
        Ray is not installed.
    """
    try:
        import ray
        from ray.exceptions import RayError, RayTaskError
    except ImportError as error:
        raise SettingsError(f"Ray is not here ({error}): pip install 'spikeglot[ray]'.") from error
    if not ray.is_initialized():
        ray.init(log_to_driver=False)

    @ray.remote
    def task(item: T) -> R:
        return work(item)

    waiting = {task.remote(item): item for item in items}
    try:
        while waiting:
            (done,), _ = ray.wait(list(waiting), num_returns=1)
            item = waiting.pop(done)
            try:
                yield ray.get(done)
            except RayTaskError:
                raise
            except RayError as error:
                yield lost(item, f"its worker of Ray was lost: {error}")
    finally:
        for one in waiting:
            ray.cancel(one)
