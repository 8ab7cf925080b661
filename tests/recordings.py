"""Builders of small recordings on disk for tests of the shell; reached through the fixture `recordings`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

N_TRIALS = 40
TRIAL_EVERY_S = 1.0
STIM_S = 0.3
"""Time of the stimulus in a trial, which lasts 0.8 s."""
REGIONS = ("VISp",) * 6 + ("CA1",) * 6
EVENTS = {
    "start_time": TRIAL_EVERY_S * np.arange(N_TRIALS),
    "stop_time": TRIAL_EVERY_S * np.arange(N_TRIALS) + 0.8,
    "stim_on_time": TRIAL_EVERY_S * np.arange(N_TRIALS) + STIM_S,
}
TINY = {
    "window": {"align": "stim_on_time", "stop_s": 0.2},
    "model": {"width": 16, "depth": 1, "heads": 2, "mlp_width": 16, "stitch_width": 8, "factors": {"n_factors": 3}},
    "train": {"steps": 6, "batch_size": 16, "validate_every": 3, "validation_questions": 2, "device": "cpu"},
}
"""A recipe that trains in a second on these recordings."""


def spike_times(n_units: int = len(REGIONS), seed: int = 0) -> list[np.ndarray]:
    """Draw the spike times in seconds of every unit: a gain per trial is shared by all of them."""
    rng = np.random.default_rng(seed)
    gain = np.exp(0.7 * rng.normal(size=N_TRIALS))
    times_s = []
    for _ in range(n_units):
        n_spikes = rng.poisson(8 * gain)
        start_s = np.repeat(EVENTS["start_time"], n_spikes)
        times_s.append(np.sort(start_s + rng.uniform(0, 0.8, len(start_s))))
    return times_s


def write_nwb(
    path: Path,
    times_s: Sequence[Any] | None = None,
    *,
    regions: Sequence[str] | None = REGIONS,
    trials: Mapping[str, Any] | None = EVENTS,
    unit_ids: Sequence[int] | None = None,
) -> Path:
    """Write an NWB file: units with a column ``location``, and a trials table; None leaves either out."""
    from pynwb import NWBHDF5IO, NWBFile

    nwb = NWBFile("made by a test", "id", datetime(2020, 1, 1, tzinfo=UTC))
    times_s = spike_times() if times_s is None else times_s
    if regions is not None and len(times_s):
        nwb.add_unit_column("location", "region of the unit")
    for k, one in enumerate(times_s):
        more = {} if regions is None else {"location": regions[k]}
        nwb.add_unit(spike_times=np.asarray(one), id=k if unit_ids is None else unit_ids[k], **more)
    if trials is not None:
        add_trials(nwb, trials)
    with NWBHDF5IO(path, "w") as io:
        io.write(nwb)
    return path


def add_trials(nwb: Any, trials: Mapping[str, Any]) -> None:
    """Add a trials table, which may have no rows."""
    from hdmf.common import VectorData
    from pynwb.epoch import TimeIntervals

    columns = [VectorData(name=name, description=name, data=np.asarray(values)) for name, values in trials.items()]
    nwb.trials = TimeIntervals(name="trials", description="trials", columns=columns)


def write_npz(path: Path, **changes: Any) -> Path:
    """Write the same recording as plain arrays; ``changes`` replace or add arrays, None takes one out."""
    times_s = spike_times()
    arrays = {
        "spike_times_s": np.concatenate(times_s),
        "spike_unit": np.repeat(np.arange(len(times_s)), [len(t) for t in times_s]),
        "region": np.array(REGIONS),
        "session_id": "day1",
        "subject_id": "mouse",
        **{f"trial_{name}": values for name, values in EVENTS.items()},
        **changes,
    }
    np.savez(path, **{name: values for name, values in arrays.items() if values is not None})
    return path


def write_recipe(path: Path, **sections: Mapping[str, Any]) -> Path:
    """Write `TINY` as TOML; ``sections`` override: train={"steps": 2}."""
    values = {name: {**TINY.get(name, {}), **sections.get(name, {})} for name in {**TINY, **sections}}
    lines: list[str] = []
    for name, section in values.items():
        lines += _section(name, section)
    path.write_text("\n".join(lines) + "\n")
    return path


def _section(name: str, values: Mapping[str, Any]) -> list[str]:
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    lines = [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in plain.items())]
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += _section(f"{name}.{key}", value)
    return lines


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(list(value) if isinstance(value, tuple) else value)
