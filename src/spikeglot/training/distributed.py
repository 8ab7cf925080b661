"""The processes that train one model together, a rank each: alone, under torchrun, Ray Train or SLURM.

Words between ranks (flags, errors, used parameters) and what lies on the CPU go through a group of their own, so that
no GPU has to wait for them; what lies on GPUs goes through the default group.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from spikeglot.device import pick_device
from spikeglot.errors import SettingsError, SpikeglotError

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """Who this process is among ``size``. Every method with a word for all must be called by all, in the same order.

    ``local_rank`` counts the ranks of this machine; ``words`` is the group on the CPU (None where a process is alone).
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    words: Any = None

    @property
    def is_alone(self) -> bool:
        return self.size == 1

    @property
    def is_main(self) -> bool:
        """Whether this is the rank that writes files, and that people hear."""
        return self.rank == 0

    def device(self, name: str) -> torch.device:
        """Return the device of a setting for this rank: each has a GPU of its own, its current one."""
        device = pick_device(name)
        if device.type != "cuda":
            return device
        if not self.is_alone:
            # where a launcher shows each process one GPU only, that one is number 0
            device = torch.device("cuda", self.local_rank % torch.cuda.device_count())
        torch.cuda.set_device(device)
        return device

    def any(self, flag: bool) -> bool:
        """Return whether any rank says so."""
        if self.is_alone:
            return flag
        said = torch.tensor([flag], dtype=torch.uint8)
        dist.all_reduce(said, dist.ReduceOp.MAX, group=self.words)
        return bool(said.item())

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over ranks of ``values``, which have the same shape on each."""
        if self.is_alone:
            return values
        total = values.clone()
        dist.all_reduce(total, group=self._group(total))
        return total

    def on_main(self, work: Callable[[], T]) -> T:
        """Return on all ranks what ``work`` returns on the main rank; what it raises there is raised on all."""
        if self.is_alone:
            return work()
        said: list[Any] = [None, None]
        if self.is_main:
            try:
                said[0] = work()
            except Exception as error:
                said[1] = error
        dist.broadcast_object_list(said, src=0, group=self.words)
        if said[1] is not None:
            raise said[1]
        return said[0]

    def gather(self, value: T) -> list[T]:
        """Return the value of every rank, by rank."""
        if self.is_alone:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self.words)
        return values

    def share(self, module: nn.Module, source: int = 0) -> None:
        """Set all weights and buffers of ``module`` to those of rank ``source`` (in place)."""
        if not self.is_alone:
            for value in module.state_dict().values():
                dist.broadcast(value, src=source, group=self._group(value))

    def mean_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Set every gradient to its mean over ranks (in place).

        A rank that did not use a parameter counts as zero; what no rank used stays without a gradient, so that the
        optimiser passes over it as it would on one rank.
        """
        if self.is_alone:
            return
        used = torch.tensor([p.grad is not None for p in parameters], dtype=torch.uint8)
        dist.all_reduce(used, dist.ReduceOp.MAX, group=self.words)
        shared = [p for p, by_any in zip(parameters, used.tolist(), strict=True) if by_any]
        if not shared:
            return
        flat = torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in shared])
        dist.all_reduce(flat, group=self._group(flat))
        flat /= self.size
        for p, part in zip(shared, flat.split([p.numel() for p in shared]), strict=True):
            p.grad = part.view_as(p)

    def _group(self, value: Tensor) -> Any:
        return self.words if value.device.type == "cpu" else None


ALONE = Ranks()


def join_ranks(device: str) -> Ranks:
    """Join the other ranks that the environment speaks of (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT).

    They stay together until the process ends: ranks that part and meet again at the same address may miss each other.
    A group that somebody else made, as Ray Train does, is used. ``device`` is the setting ``train.device``.

    Raises
    ------
    SettingsError
        The environment speaks of other ranks, but they cannot be reached.
    """
    if not dist.is_initialized():
        if os.environ.get("WORLD_SIZE", "1") == "1":
            return ALONE
        try:
            backend = "nccl" if pick_device(device).type == "cuda" else "gloo"
            store, rank, size = next(rendezvous("env://"))
            # torchrun keeps its store when it starts ranks again: they must not find the addresses of lost ones there
            store = PrefixStore(f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
            dist.init_process_group(backend, store=store, rank=rank, world_size=size)
        except (ValueError, RuntimeError) as error:
            raise SettingsError(
                f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but the ranks cannot meet: {error} Start them with "
                "torchrun, or unset WORLD_SIZE to train alone."
            ) from error
        atexit.register(dist.destroy_process_group)
    rank, size = dist.get_rank(), dist.get_world_size()
    return Ranks(rank, size, int(os.environ.get("LOCAL_RANK", rank)), _on_cpu(dist.group.WORLD)) if size > 1 else ALONE


@cache
def _on_cpu(group: Any) -> Any:
    """Return the group itself, or one of the same ranks that can talk without a GPU; made once."""
    return group if dist.get_backend(group) == "gloo" else dist.new_group(backend="gloo")


def check_same_work(ranks: Ranks, what: str, value: object) -> None:
    """Make sure that all ranks were given the same.

    Raises
    ------
    SpikeglotError
        They were not: their updates would belong to different models.
    """
    values = ranks.gather(repr(value))
    if len(set(values)) > 1:
        odd = next(rank for rank, one in enumerate(values) if one != values[0])
        raise SpikeglotError(
            f"Rank {odd} was given another {what} than rank 0. Start all ranks with the same command, on machines that "
            "see the same files."
        )
