"""Tables and time series as the HDF5 groups of temporaldata, and tables back again."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import h5py
import numpy as np
import pandas as pd

from spikeglot.data.sources.hdf5 import read_array
from spikeglot.data.sources.tables import decoded
from spikeglot.errors import DataError

RESERVED = frozenset({"start", "end", "timestamps", "domain", "keys", "slice", "timekeys", "file", "object"})
"""Names that mean something else to temporaldata: columns that are called so get another key."""

Columns = list[dict[str, Any]]
"""Of every column in order: its ``name``, the ``key`` of its dataset, and whether missing text was written as ""."""


def write_arrays(group: Any, kind: str, arrays: Mapping[str, np.ndarray], times: Iterable[str] = ()) -> None:
    """Write arrays as a temporaldata object of a ``kind``; ``times`` are the keys of those that are times.

    ASCII text becomes bytes that temporaldata knows as text; other text becomes UTF-8 of variable length.
    """
    text = [key for key, values in arrays.items() if values.dtype.kind == "O" and _is_ascii(values)]
    for key, values in arrays.items():
        if key in text:
            group.create_dataset(key, data=values.astype(bytes))
        else:
            group.create_dataset(key, data=values, dtype=h5py.string_dtype() if values.dtype.kind == "O" else None)
    group.attrs["object"] = kind
    group.attrs["_unicode_keys"] = np.array(text, dtype="S")
    if kind != "ArrayDict":
        group.attrs["timekeys"] = np.array(list(times), dtype="S")


def write_data(group: Any, **attributes: str) -> Any:
    """Make ``group`` a temporaldata ``Data`` with text ``attributes``, and return it."""
    group.attrs.update({"object": "Data", "absolute_start": 0.0, **attributes})
    return group


def write_domain(group: Any, intervals_s: np.ndarray) -> None:
    """Write (interval, 2) seconds as the ``domain`` of a group."""
    times = {"start": intervals_s[:, 0], "end": intervals_s[:, 1]}
    write_arrays(group.create_group("domain"), "Interval", times, times)


def write_series(group: Any, times_s: np.ndarray, domain_s: np.ndarray, **arrays: np.ndarray) -> None:
    """Write an irregular time series with its index: the number of samples before every second of the domain."""
    write_arrays(group, "IrregularTimeSeries", {"timestamps": times_s, **arrays}, ["timestamps"])
    write_domain(group, domain_s)
    seconds = np.arange(domain_s[0, 0], domain_s[-1, 1] + 1.0) if len(domain_s) else np.zeros(0)
    group.create_dataset("timestamp_indices_1s", data=np.searchsorted(times_s, seconds))


def span_s(times_s: np.ndarray) -> np.ndarray:
    """(1, 2) first and last of (sample,) ascending times; zeros where there is none."""
    return np.array([[times_s[0], times_s[-1]]]) if len(times_s) else np.zeros((1, 2))


def write_table(
    group: Any, kind: str, table: pd.DataFrame, arrays: Mapping[str, np.ndarray], times: Collection[str] = ()
) -> Columns:
    """Write ``arrays``, and the columns of a table that are not among them; return what `read_table` needs.

    Raises
    ------
    DataError
        A column whose values are neither numbers nor text.
    """
    values = {str(name): column_values(str(name), column) for name, column in table.items()}
    same = {name: name for name in values if name in arrays and np.array_equal(values[name], arrays[name])}
    keys = same | free_keys((name for name in values if name not in same), {*RESERVED, *arrays})
    datasets = {**arrays, **{keys[name]: values[name] for name in values if name not in same}}
    are_times = [key for key in datasets if key in times or key.endswith(("_time", "_times"))]
    write_arrays(group, kind, datasets, are_times)
    return [
        {"name": str(name), "key": keys[str(name)], "missing": bool(column.isna().any())}
        for name, column in table.items()
    ]


def read_table(group: Any, columns: Columns, index: np.ndarray | None = None) -> pd.DataFrame:
    """Return the table that `write_table` wrote."""
    table = {}
    for column in columns:
        values = decoded(read_array(group, column["key"]))
        if values.dtype == object and column["missing"]:
            values[values == ""] = None
        table[column["name"]] = values
    return pd.DataFrame(table, index=index)


def free_keys(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Return a key for every name: letters, digits and underscores, each once.

    >>> free_keys(["stimOn_times", "a.b", "a/b", "_x", "start"], {"start"})
    {'stimOn_times': 'stimOn_times', 'a.b': 'a_b', 'a/b': 'a_b_2', '_x': 'x', 'start': 'start_2'}
    """
    used = set(taken)
    keys = {}
    for name in names:
        plain = key = re.sub(r"\W", "_", name, flags=re.ASCII).lstrip("_") or "column"
        n = 1
        while key in used:
            n += 1
            key = f"{plain}_{n}"
        used.add(key)
        keys[name] = key
    return keys


def column_values(name: str, column: pd.Series) -> np.ndarray:
    """Return a column as an array of numbers, or of text with "" for what is missing; raises as `write_table`."""
    values = column.to_numpy()
    if values.dtype.kind in "biuf":
        return values
    missing = column.isna()
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind == "boolean" and not missing.any():
        return column.to_numpy(bool)
    if kind in ("boolean", "integer", "floating", "mixed-integer-float", "empty"):
        return column.to_numpy(np.float64, na_value=np.nan)
    if not all(pd.api.types.is_scalar(value) for value in values):
        raise DataError(f"Column '{name}' holds lists or arrays; only numbers and text can be stored. Leave it out.")
    return np.array(["" if gone else str(value) for value, gone in zip(values, missing, strict=True)], dtype=object)


def _is_ascii(values: np.ndarray) -> bool:
    return all(str(value).isascii() for value in values)
