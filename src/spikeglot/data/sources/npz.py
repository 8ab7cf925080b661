"""Plain arrays in an .npz file: spike times or counts, by the names of spikeglot."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from spikeglot.data.session import Provenance, Session, Trace
from spikeglot.data.sources.arrays import from_counts, from_spike_times
from spikeglot.errors import DataError, did_you_mean

SPIKES = ("spike_times_s", "spike_unit")
COUNTS = ("counts", "bin_size_s")
COMMON = ("session_id", "subject_id", "unit_id", "region")


def read_npz(path: str | Path) -> Session:
    """Return the session of an ``.npz`` file, as `numpy.savez` writes it.

    - ``spike_times_s``, ``spike_unit``: (spike,) seconds, and the number of the unit from 0; or instead
    - ``counts``, ``bin_size_s``: (trial, time, unit) whole numbers, and the width of a bin in seconds.
    - ``unit_id``, ``region``: (unit,) names and region acronyms, optional.
    - ``session_id``, ``subject_id``: text; without them the name of the file.
    - ``recorded_s``: (interval, 2) seconds, optional, only with spike times.
    - ``trial_NAME``: (trial,) the column ``NAME`` of the trials.
    - ``behaviour_NAME``: the trace ``NAME``. With counts (trial, time) or (trial, time, channel); with spike
      times (sample,) or (sample, channel), beside ``behaviour_NAME_times_s``.

    Raises
    ------
    DataError
        A damaged file, pickled objects, a key that is not known, arrays that do not fit, or what
        `make_session` refuses.
    """
    path = Path(path)
    arrays = _load(path)
    keys = COUNTS if set(COUNTS) <= arrays.keys() else (*SPIKES, "recorded_s")
    _check_keys(path, arrays, (*keys, *COMMON))
    common = {
        "session_id": str(arrays.get("session_id", path.stem)),
        "subject_id": str(arrays["subject_id"]) if "subject_id" in arrays else None,
        "unit_ids": arrays.get("unit_id"),
        "regions": arrays.get("region"),
        "trials": _trials(path, arrays),
        "provenance": Provenance("npz", str(path)),
    }
    behaviour = {key.removeprefix("behaviour_"): v for key, v in arrays.items() if key.startswith("behaviour_")}
    if keys == COUNTS:
        return from_counts(arrays["counts"], float(arrays["bin_size_s"]), behaviour=behaviour, **common)
    return from_spike_times(
        arrays["spike_times_s"],
        arrays["spike_unit"],
        behaviour=_traces(path, behaviour),
        recorded_s=arrays.get("recorded_s"),
        **common,
    )


def npz_keys(path: Path) -> list[str]:
    """Return the names of the arrays in an ``.npz`` file; raises DataError where it is damaged."""
    try:
        with zipfile.ZipFile(path) as file:
            return [name.removesuffix(".npy") for name in file.namelist()]
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"Cannot read {path}: {error}. Copy or download it again.") from error


def _load(path: Path) -> dict[str, np.ndarray]:
    npz_keys(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (ValueError, zipfile.BadZipFile, OSError) as error:
        raise DataError(
            f"Cannot read {path}: {error}. Save text as arrays of str, not of objects; if the file is "
            "damaged, copy it again."
        ) from error


def _check_keys(path: Path, arrays: dict[str, np.ndarray], known: tuple[str, ...]) -> None:
    for key in arrays:
        if key not in known and not key.startswith(("trial_", "behaviour_")):
            raise DataError(f"{path} has an array '{key}' that spikeglot does not know.{did_you_mean(key, known)}")


def _trials(path: Path, arrays: dict[str, np.ndarray]) -> pd.DataFrame | None:
    columns = {key.removeprefix("trial_"): values for key, values in arrays.items() if key.startswith("trial_")}
    if not columns:
        return None
    if len({values.shape for values in columns.values()}) > 1 or next(iter(columns.values())).ndim != 1:
        shapes = ", ".join(f"trial_{name} {values.shape}" for name, values in columns.items())
        raise DataError(f"{path}: the columns of trials must be equally long vectors; got {shapes}.")
    return pd.DataFrame(columns)


def _traces(path: Path, behaviour: dict[str, np.ndarray]) -> dict[str, Trace]:
    traces = {}
    for name, values in behaviour.items():
        if name.endswith("_times_s"):
            continue
        if f"{name}_times_s" not in behaviour:
            raise DataError(f"{path}: behaviour_{name} has no times. Add behaviour_{name}_times_s, in seconds.")
        traces[name] = Trace(behaviour[f"{name}_times_s"], values)
    return traces
