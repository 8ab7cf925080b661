"""Several ranks as workers of Ray Train, on one machine or a cluster; lost workers are replaced."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

from spikeglot.errors import SettingsError, SpikeglotError


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
