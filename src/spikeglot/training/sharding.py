"""An architecture whose weights, gradients and moments lie in parts on all ranks (FSDP2, ``train.sharding = "full"``).

Stitchers, prompts and what else belongs to a session stay whole on every rank: which of them a rank uses changes from
step to step, and FSDP2 needs all ranks to use the same modules in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from spikeglot.errors import SettingsError
from spikeglot.models.mtm import MtM
from spikeglot.models.transformer import Transformer
from spikeglot.training.distributed import Ranks


def shard_architecture(model: MtM, ranks: Ranks) -> None:
    """Divide the weights of the architecture among ranks, layer by layer (in place); alone, nothing changes.

    Raises
    ------
    SettingsError
        An architecture through which ranks may go differently often in a step, or with other weights: one with
        patches, or one that is no transformer.
    """
    architecture = model.architecture
    if not isinstance(architecture, Transformer) or architecture.patch_units is not None:
        raise SettingsError(
            f"train.sharding full is for transformers without patches (ndt1), and model.architecture is "
            f"{model.settings.architecture}. Use train.sharding none."
        )
    if ranks.is_alone:
        return
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    # where the model lies; otherwise it would be a GPU wherever there is one
    mesh = init_device_mesh(next(model.parameters()).device.type, (ranks.size,))
    for layer in architecture.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(architecture, mesh=mesh)


def is_sharded(value: Tensor) -> bool:
    """Return whether this rank holds a part of ``value`` only."""
    return isinstance(value, DTensor)


@contextmanager
def gathered(model: MtM) -> Iterator[None]:
    """Inside, every rank holds the whole architecture and may use it as often as it likes, without the others."""
    from torch.distributed.fsdp import FSDPModule

    parts = [module for module in model.architecture.modules() if isinstance(module, FSDPModule)]
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.reshard()
            part.set_reshard_after_forward(True, recurse=False)


def whole(values: Mapping[str, Tensor], ranks: Ranks) -> dict[str, Tensor]:
    """Return all of every tensor, on the CPU of the main rank; others get nothing.

    All ranks must ask, since what lies in parts on them is gathered, one tensor after the other.
    """
    found = {}
    for name, value in values.items():
        own = value.detach()
        gathered_value = own.full_tensor() if isinstance(own, DTensor) else own
        if ranks.is_main:
            found[name] = gathered_value.cpu().contiguous()
    return found


def laid_as(value: Tensor, like: Tensor) -> Tensor:
    """Return the part of a whole tensor that this rank holds of ``like``."""
    if not isinstance(like, DTensor) or value.shape != like.shape:
        return value
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)


def clip_gradients(parameters: Sequence[nn.Parameter], max_norm: float) -> None:
    """Scale all gradients to a common norm of at most ``max_norm`` (in place), where some lie in parts on all ranks."""
    parts = [p for p in parameters if is_sharded(p)]
    if not parts:
        nn.utils.clip_grad_norm_(parameters, max_norm)
        return
    rest = [p for p in parameters if not is_sharded(p)]
    norms = [nn.utils.get_total_norm([p.grad for p in some if p.grad is not None]) for some in (parts, rest)]
    total = torch.stack([n.full_tensor() if isinstance(n, DTensor) else n for n in norms]).norm()
    for some in (parts, rest):
        nn.utils.clip_grads_with_norm_(some, max_norm, total)
