"""What the machine can do: the sustained rate of the model's own matrix products, and of moving memory.

The clock of a processor changes with what else it does. So what is a share of the rate of products takes turns with
`ceiling_ways`, and the rows of `ceilings` are what it was at the start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from benchmarks.machine import precisions
from benchmarks.rows import Row
from benchmarks.sizes import Size
from benchmarks.timing import in_turn
from spikeglot.precision import fast_products

CEILING = "ceiling "
COPIED_BYTES = 256 * 2**20
DEFAULT = "matrix products, torch's default library"
"""What the reference multiplies with; the other rows are with `fast_products`, as the product does."""


def ceilings(size: Size, device: torch.device) -> list[Row]:
    """Return GFLOP/s per precision over all products of a training step, and GB/s of a copy."""
    ways = {**ceiling_ways(size, device), DEFAULT: _products(size, torch.float32, device)}
    seconds = in_turn(ways, size.repeats)
    rates = {name: rate / 1e9 for name, rate in peaks(size, device, seconds).items()}
    rows = [Row("ceiling", "matrix products", name, rate, "GFLOP/s") for name, rate in rates.items()]
    rows.append(Row("ceiling", DEFAULT, "float32", _n_flops(size) / seconds[DEFAULT] / 1e9, "GFLOP/s"))
    n_bytes = COPIED_BYTES if size.width > 64 else COPIED_BYTES // 256
    source = torch.ones(n_bytes // 4, device=device)
    target = torch.empty_like(source)
    copied = in_turn({"copy": lambda: target.copy_(source)}, size.repeats)["copy"]
    return [*rows, Row("ceiling", "memory, read and written", "float32", 2 * n_bytes / copied / 1e9, "GB/s")]


def ceiling_ways(size: Size, device: torch.device) -> dict[str, Callable[[], None]]:
    """Return by ``ceiling PRECISION`` what does all products of a training step once, as the product does them."""
    kinds = precisions(size, device)
    return {f"{CEILING}{name}": _fast(_products(size, dtype, device)) for name, dtype in kinds.items()}


def peaks(size: Size, device: torch.device, seconds: Mapping[str, float]) -> dict[str, float]:
    """Return FLOP/s by precision, from the seconds of `ceiling_ways`."""
    return {name: _n_flops(size) / seconds[f"{CEILING}{name}"] for name in precisions(size, device)}


def _n_flops(size: Size) -> int:
    return sum(2 * m * k * n for m, k, n in _shapes(size))


def _fast(multiply: Callable[[], None]) -> Callable[[], None]:
    def multiply_as_the_product_does() -> None:
        with fast_products():
            multiply()

    return multiply_as_the_product_does


def _shapes(size: Size) -> list[tuple[int, int, int]]:
    """The products of a linear layer forwards, for its input and for its weights."""
    n = size.batch_size * size.n_bins
    layers = [
        (size.stitch_width, 2 * size.stitch_width),
        (2 * size.stitch_width, size.width),
        (size.width, 3 * size.width),
        (size.width, size.width),
        (size.width, size.mlp_width),
        (size.mlp_width, size.width),
    ]
    return [shape for a, b in layers for shape in ((n, a, b), (n, b, a), (a, n, b))]


def _products(size: Size, dtype: torch.dtype, device: torch.device) -> Callable[[], None]:
    pairs = [
        (torch.ones((m, k), dtype=dtype, device=device), torch.ones((k, n), dtype=dtype, device=device))
        for m, k, n in _shapes(size)
    ]

    def multiply() -> None:
        for a, b in pairs:
            torch.mm(a, b)

    return multiply
