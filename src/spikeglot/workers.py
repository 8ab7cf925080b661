"""Work fans out over processes, GPUs or a Ray cluster; what is done comes back one by one."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, TypeVar

from spikeglot.errors import SettingsError, SpikeglotError

RAY = "ray"
UNDER_WAY = 2
"""Parts of the work per worker that Ray is given at a time: one to do and one to do next."""

T = TypeVar("T")
R = TypeVar("R")


def fan_out(do: Callable[[T], R], items: Iterable[T], workers: int | str, *, in_order: bool = False) -> Iterator[R]:
    """Yield ``do(item)`` of every item when it is done, or, ``in_order``, in the order of the items.

    ``workers`` is a number of processes of one thread each, 1: this process; or "ray": the cluster of RAY_ADDRESS, or
    all cores of this machine. ``do`` and the items travel to other processes; items are taken when they are needed.

    Raises
    ------
    SettingsError
        Ray is asked for and not installed.
    SpikeglotError
        A process is gone.
    """
    if workers == RAY:
        yield from _on_ray(do, items, in_order)
    elif workers == 1:
        # nothing is pinned here: whoever called may need all GPUs
        yield from map(do, items)
    else:
        yield from _on_processes(do, items, int(workers), in_order)


def check_workers(workers: int | str | None) -> int | str:
    """Return the number of processes, one per core where it is None, or "ray".

    Raises
    ------
    SettingsError
        Neither of them.
    """
    if workers is None:
        return n_usable_cores()
    if workers == RAY:
        return RAY
    if not str(workers).isdigit() or int(workers) < 1:
        raise SettingsError(f"Workers are a number of processes, or '{RAY}', not {workers!r}.")
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


def _on_processes(do: Callable[[T], R], items: Iterable[T], n_workers: int, in_order: bool) -> Iterator[R]:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    pinned = delayed(partial(_pinned, do, visible_gpus()))
    try:
        with parallel_config("loky", n_jobs=n_workers, inner_max_num_threads=1):
            parallel = Parallel(return_as="generator" if in_order else "generator_unordered")
            yield from parallel(pinned(item) for item in items)  # type: ignore[misc]
    except TerminatedWorkerError as error:
        raise SpikeglotError(
            "A worker process ended before its work was done, probably because memory ran out. Try again with fewer "
            "workers."
        ) from error


def _pinned(do: Callable[[T], R], gpus: tuple[str, ...], item: T) -> R:
    pin_gpu(gpus)
    return do(item)


def _on_ray(do: Callable[[T], R], items: Iterable[T], in_order: bool) -> Iterator[R]:
    """Give Ray a few items more than it has workers: every core is one, or every GPU where the cluster has some."""
    ray = _ray()
    resources = ray.cluster_resources()
    n_gpus = int(resources.get("GPU", 0))
    remote = ray.remote(num_cpus=1, num_gpus=1 if n_gpus else 0)(lambda item: do(item))
    most = UNDER_WAY * (n_gpus or max(1, int(resources["CPU"])))
    under_way: list[Any] = []

    def next_done() -> R:
        done = under_way[0] if in_order else ray.wait(under_way, num_returns=1)[0][0]
        under_way.remove(done)
        return ray.get(done)

    for item in items:
        if len(under_way) == most:
            yield next_done()
        under_way.append(remote.remote(item))
    while under_way:
        yield next_done()


def _ray() -> Any:
    """Return Ray, connected.

    Raises
    ------
    SettingsError
        It is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise SettingsError("Workers 'ray' need Ray: pip install ray. Or give a number of processes.") from error
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    return ray
