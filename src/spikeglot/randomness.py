"""Randomness is an argument: generators derived from the run's seed and a name, never a global state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a seed for one purpose: the same (seed, names) give the same number on every machine.

    >>> derive_seed(0, "masks", 3) == derive_seed(0, "masks", 3) != derive_seed(0, "masks", 4)
    True
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


@contextmanager
def seeded(seed: int, *names: str | int) -> Iterator[None]:
    """Let what torch draws inside (dropout, weights) come from one purpose of a run; outside nothing changes.

    All GPUs are seeded, and the current one is put back afterwards: the others belong to other processes.
    """
    with torch.random.fork_rng([torch.cuda.current_device()] if torch.cuda.is_initialized() else []):
        torch.manual_seed(derive_seed(seed, *names))
        yield


def generator(seed: int, *names: str | int) -> torch.Generator:
    """Return a torch generator for one purpose of a run."""
    return torch.Generator().manual_seed(derive_seed(seed, *names))
