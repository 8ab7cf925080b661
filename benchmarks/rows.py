"""One measured number, and tables of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One number: of which ``part``, of ``what``, in which ``precision``, with its ``unit``.

    ``of_ceiling`` is the share of the sustained rate of matrix products in this precision or, of the data path, of the
    rate of memory; ``times_reference`` how many times the plain reference takes; ``note`` what else is to be known.
    """

    part: str
    what: str
    precision: str
    value: float
    unit: str
    of_ceiling: float | None = None
    times_reference: float | None = None
    note: str = ""


def ceiling_bytes(rows: list[Row]) -> float:
    """Return the measured bytes/s of memory, read and written."""
    (rate,) = [row.value for row in rows if row.part == "ceiling" and row.unit == "GB/s"]
    return rate * 1e9


def ceiling_flops(rows: list[Row], precision: str) -> float:
    """Return the measured FLOP/s of matrix products in a precision."""
    ceilings = [row for row in rows if row.part == "ceiling" and row.what == "matrix products"]
    (rate,) = [row.value for row in ceilings if row.precision == precision]
    return rate * 1e9
