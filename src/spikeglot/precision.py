"""In which numbers a model computes: float32, or bfloat16 where the machine is built for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from spikeglot.errors import SettingsError, did_you_mean

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
WIDE = 256
"""Narrower models stay in float32: their products are too small for bfloat16 to pay for other numbers."""
CPU_FLAGS = {"avx512_bf16", "amx_bf16"}
PROBE = 256
"""Rows and columns of the product that shows how oneDNN rounds."""


def pick_precision(name: str, device: torch.device, width: int) -> torch.dtype:
    """Return the type of a setting: "auto" is bfloat16 for wide models on devices with units for it.

    Raises
    ------
    SettingsError
        There is no such precision.
    """
    if name == "auto":
        name = "bfloat16" if width >= WIDE and has_bfloat16_units(device) else "float32"
    if name not in PRECISIONS:
        known = ("auto", *PRECISIONS)
        raise SettingsError(f"There is no precision '{name}'.{did_you_mean(name, known)} Take {', '.join(known)}.")
    return PRECISIONS[name]


def has_bfloat16_units(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 faster than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(_cpu_flags() & CPU_FLAGS)


@contextmanager
def fast_products() -> Iterator[None]:
    """Inside, let oneDNN multiply float32 matrices on a CPU, where it keeps to float32.

    The switch allows oneDNN to round to bfloat16, and on processors with AMX it does. Elsewhere it only chooses another
    kernel, faster than the one that is chosen otherwise; a product tells which.
    """
    if not _onednn_keeps_float32():
        yield
        return
    with _onednn_may_round():
        yield


@lru_cache
def _onednn_keeps_float32() -> bool:
    """Whether the switch is there and changes no product by more than float32 rounds."""
    if not hasattr(torch.backends.mkldnn, "matmul"):
        return False
    a, b = torch.randn((2, PROBE, PROBE), generator=torch.Generator().manual_seed(0))
    with _onednn_may_round():
        found = a @ b
    return torch.allclose(found.double(), a.double() @ b.double(), atol=1e-3)


@contextmanager
def _onednn_may_round() -> Iterator[None]:
    matmul: Any = getattr(torch.backends.mkldnn, "matmul")  # noqa: B009 - unknown to the types of torch
    before = matmul.fp32_precision
    try:
        matmul.fp32_precision = "bf16"
        yield
    finally:
        matmul.fp32_precision = before


@lru_cache
def _cpu_flags() -> frozenset[str]:
    """Return what the first processor says it can do; nothing where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split(":")[1].split() for line in lines if line.startswith("flags")), ()))
