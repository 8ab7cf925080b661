"""Work fans out over processes, GPUs or a Ray cluster; what is done comes back one by one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, TypeVar

from spikeglot.errors import SettingsError, SpikeglotError

RAY = "ray"
UNDER_WAY = 2
"""Parts of the work per worker that Ray is given at a time: one to do and one to do next."""
LOOK_EVERY_S = 0.2
"""Seconds between two looks of a worker whether the process that started it is still there."""

T = TypeVar("T")
R = TypeVar("R")


def fan_out(
    do: Callable[[T], R],
    items: Iterable[T],
    workers: int | str,
    *,
    in_order: bool = False,
    use_gpus: bool = True,
    lost: Callable[[T, str], R] | None = None,
) -> Generator[R, None, None]:
    """Yield ``do(item)`` of every item when it is done, or, ``in_order``, in the order of the items.

    Whoever stops asking and closes it ends what is under way.

    Parameters
    ----------
    do, items:
        They travel to other processes; items are taken when they are needed.
    workers:
        A number of processes of one thread each, 1: this process; or "ray": the cluster of RAY_ADDRESS, or all cores of
        this machine.
    use_gpus:
        Let workers share the GPUs, where there are some.
    lost:
        Gives, from an item and a reason, what stands for the result of one that a cluster lost for good.

    Raises
    ------
    SettingsError
        Ray is asked for and not installed.
    SpikeglotError
        A process is gone; a cluster lost an item and there is no ``lost``.
    """
    if workers == RAY:
        yield from _on_ray(do, items, in_order, use_gpus, lost)
    elif workers == 1:
        # nothing is pinned here: whoever called may need all GPUs
        yield from map(do, items)
    else:
        yield from _on_processes(do, items, int(workers), in_order, visible_gpus() if use_gpus else ())


def check_workers(workers: int | str | None, clusters: Sequence[str] = (RAY,)) -> int | str:
    """Return the number of processes, one per core where it is None, or the name of one of the ``clusters``.

    Raises
    ------
    SettingsError
        None of them.
    """
    if workers is None:
        return n_usable_cores()
    if workers in clusters:
        return workers
    if not str(workers).isdecimal() or int(workers) < 1:
        known = " or ".join(f"'{name}'" for name in clusters)
        raise SettingsError(f"Workers are a number of processes, or {known}, not {workers!r}.")
    return int(workers)


def n_usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Let numpy and torch use one thread: workers share the cores, and their number must not change the numbers."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return tuple(named.split(",")) if named else tuple(str(n) for n in range(torch.cuda.device_count()))


@cache
def pin_gpu(gpus: tuple[str, ...]) -> None:
    """Let this process see one of several GPUs only, by its number among the workers; Ray does the same itself."""
    if len(gpus) > 1:
        number = int(multiprocessing.current_process().name.rpartition("-")[2])
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]


def _on_processes(
    do: Callable[[T], R], items: Iterable[T], n_workers: int, in_order: bool, gpus: tuple[str, ...]
) -> Iterator[R]:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    task = delayed(partial(_as_worker, do, os.getpid(), gpus))
    try:
        with parallel_config("loky", n_jobs=n_workers, inner_max_num_threads=1):
            parallel = Parallel(return_as="generator" if in_order else "generator_unordered")
            yield from parallel(task(item) for item in items)  # type: ignore[misc]
    except TerminatedWorkerError as error:
        raise SpikeglotError(
            "A worker process ended before its work was done, probably because memory ran out. What is done stays: try "
            "again with fewer workers."
        ) from error


def _as_worker(do: Callable[[T], R], parent_id: int, gpus: tuple[str, ...], item: T) -> R:
    _end_with_parent(parent_id)
    pin_gpu(gpus)
    return do(item)


@cache
def _end_with_parent(parent_id: int) -> None:
    """Leave Ctrl-C to the process that started this one, and end soon after it has ended.

    A killed process cannot tell its workers, and those of joblib never find out on Linux and macOS: they would go on
    with work that is begun again.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent_id:
            time.sleep(LOOK_EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _on_ray(
    do: Callable[[T], R],
    items: Iterable[T],
    in_order: bool,
    use_gpus: bool,
    lost: Callable[[T, str], R] | None,
) -> Iterator[R]:
    """Give Ray a few items more than it has workers: every core is one, or every GPU where the cluster has some."""
    ray = _ray()
    resources = ray.cluster_resources()
    n_gpus = int(resources.get("GPU", 0)) if use_gpus else 0
    remote = ray.remote(num_cpus=1, num_gpus=1 if n_gpus else 0)(lambda item: do(item))
    most = UNDER_WAY * (n_gpus or max(1, int(resources["CPU"])))
    under_way: dict[Any, T] = {}

    def next_done() -> R:
        done = next(iter(under_way)) if in_order else ray.wait(list(under_way), num_returns=1)[0][0]
        item = under_way.pop(done)
        try:
            return ray.get(done)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except ray.exceptions.RayError as error:
            reason = f"its worker of Ray was lost: {error}"
            if lost is None:
                raise SpikeglotError(f"A part of the work has no result, {reason}") from error
            return lost(item, reason)

    try:
        for item in items:
            if len(under_way) == most:
                yield next_done()
            under_way[remote.remote(item)] = item
        while under_way:
            yield next_done()
    finally:
        for one in under_way:
            ray.cancel(one)


def _ray() -> Any:
    """Return Ray, connected.

    Raises
    ------
    SettingsError
        It is not installed.
    """
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise SettingsError("Workers 'ray' need Ray: pip install ray. Or give a number of processes.") from error
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    return ray
