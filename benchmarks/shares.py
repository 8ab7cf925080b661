"""Where the time of a training step goes, by the profiler of torch: shares of the operations' own time."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.machine import precisions
from benchmarks.rows import Row
from benchmarks.sizes import Size
from benchmarks.training import ProductWay

KINDS = {
    "matrix products": ("mm", "addmm", "bmm", "baddbmm"),
    "casts and copies": ("copy_", "cat", "stack", "clone", "fill_", "zero_", "index"),
    "GELU, softsign": ("gelu", "gelu_backward", "abs", "div", "sgn", "neg"),
    "norms": ("native_layer_norm", "native_layer_norm_backward"),
    "softmax": ("_softmax", "_softmax_backward_data"),
    "random numbers of dropout": ("random_", "ge"),
    "sums, products with masks, residuals": ("add", "add_", "mul", "mul_", "sub", "sum", "exp"),
    "optimiser, clipping": ("_fused_adamw_", "linalg_vector_norm"),
}
"""Operations by kind; each is named once."""
REST = "rest"


def share_rows(size: Size, device: torch.device) -> list[Row]:
    """Return the share of every kind in a step of one session, by precision."""
    rows = []
    for precision in precisions(size, device):
        way = ProductWay(size, device, precision)
        way()
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
        with profile(activities=activities) as profiled:
            for _ in range(size.repeats):
                way()
        spent: dict[str, float] = defaultdict(float)
        for one in profiled.key_averages():
            # on a GPU the time of a kernel is told twice: with the operation that asked for it, and by itself
            if device.type != "cuda":
                spent[kind_of(one.key)] += one.self_cpu_time_total
            elif one.key.startswith("aten::"):
                spent[kind_of(one.key)] += one.self_device_time_total
        whole = sum(spent.values())
        rows += [Row("share of a step", kind, precision, 100 * spent[kind] / whole, "%") for kind in (*KINDS, REST)]
    return rows


def kind_of(operation: str) -> str:
    """Return what kind an operation of torch is of."""
    name = operation.removeprefix("aten::")
    return next((kind for kind, names in KINDS.items() if name in names), REST)
