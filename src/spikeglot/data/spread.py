"""The same work on many things: in this process, in several, as tasks of Ray, or as jobs of SLURM."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar, get_args

from spikeglot.errors import DataError, SettingsError, did_you_mean

T = TypeVar("T")
R = TypeVar("R")
Launch = Literal["here", "ray", "slurm"]


def spread(
    work: Callable[[T], R],
    items: Sequence[T],
    lost: Callable[[T, str], R],
    *,
    launch: Launch,
    workers: int,
    slurm: Mapping[str, str | int] | None,
    logs: Path,
) -> Generator[R, None, None]:
    """Yield ``work(item)`` of every item as soon as it is known, or ``lost(item, reason)`` where the cluster lost it.

    Raises
    ------
    DataError
        A process here was killed.
    SettingsError
        Ray or submitit is not installed.
    """
    if not items:
        return
    if launch == "ray":
        from spikeglot.launch.on_ray import ray_map

        yield from ray_map(work, items, lost)
    elif launch == "slurm":
        from spikeglot.launch.on_slurm import slurm_map

        yield from slurm_map(work, items, lost, folder=logs, options=slurm)
    elif workers == 1 or len(items) == 1:
        yield from map(work, items)
    else:
        yield from _in_processes(work, items, workers)


def check_launch(launch: str, workers: int, slurm: Mapping[str, str | int] | None) -> None:
    """Make sure that it is clear where recordings are read.

    Raises
    ------
    SettingsError
        A launch that there is not; no number of processes; settings of another launch.
    """
    if launch not in get_args(Launch):
        raise SettingsError(f"There is no launch '{launch}'.{did_you_mean(launch, get_args(Launch))}")
    if workers < 1:
        raise SettingsError(f"workers = {workers} is not a number of processes. Give 1 or more.")
    if workers > 1 and launch != "here":
        raise SettingsError(f"workers are processes here; with launch {launch} the cluster says how many there are.")
    if slurm and launch != "slurm":
        raise SettingsError(f"Options of SLURM ({', '.join(slurm)}) need launch slurm, not {launch}.")


def _in_processes(work: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[R]:
    from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(min(workers, len(items)), get_context("spawn"), initializer=_ignore_interrupts)
    try:
        yield from (job.result() for job in as_completed([pool.submit(work, one) for one in items]))
    except BrokenExecutor as error:
        raise DataError(
            "A process that read recordings was killed, perhaps because the memory was full. What is done stays: start "
            "the same command with fewer workers."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C reaches every process of a terminal; the first one alone decides what to do."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
