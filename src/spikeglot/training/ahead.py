"""Work for a GPU is prepared while the GPU is at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


def ahead(items: Iterator[T], device: torch.device, pin: Callable[[T], T]) -> Iterator[T]:
    """Yield ``items``; for a GPU a thread makes the next one, and lets ``pin`` put it where the GPU can fetch it.

    On a CPU, where making an item and using it would share the same cores, nothing runs ahead.
    """
    if device.type == "cuda":
        yield from in_thread(map(pin, items), lambda: torch.cuda.set_device(device))
    else:
        yield from items


def in_thread(items: Iterator[T], begin: Callable[[], None]) -> Iterator[T]:
    """Yield ``items``, of which a thread (that has called ``begin``) makes the next one while this one is used."""
    with ThreadPoolExecutor(1, initializer=begin) as thread:
        # a pair and no sentinel, because an item may be anything
        coming = thread.submit(_next, items)
        while item := coming.result():
            coming = thread.submit(_next, items)
            yield item[0]


def _next(items: Iterator[T]) -> tuple[T] | None:
    for item in items:
        return (item,)
    return None
