"""Binned spikes of one session: what the model, the masks and the metrics work on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from spikeglot.data.session import UNKNOWN_REGION, Dropped
from spikeglot.data.stored_array import StoredArray, may_be_stored
from spikeglot.settings import WindowSettings


@may_be_stored("counts")
@dataclass(frozen=True, eq=False)
class Counts:
    """Spike counts of one session in windows.

    Attributes
    ----------
    session_id, subject_id:
        Names.
    counts:
        (trial, time, unit) uint8 (uint16 where a bin holds more than 255 spikes). Those of a prepared session stay in
        a file (`spikeglot.data.counts_cache`), mapped every time they are asked for.
    units:
        One row per unit on the last axis; index ``unit_id``, column ``region`` (``""`` where unknown).
    trials:
        One row per window on the first axis, the source's columns plus ``window_start_s`` and ``trial_id``
        (the row of the session's trials table, or the number of the tile).
    window:
        The settings that made it.
    dropped:
        Units, trials and windows that were left out, and why.
    rates:
        (trial, time, unit) float32 true expected counts per bin, of simulated data only.
    """

    session_id: str
    subject_id: str
    counts: np.ndarray
    units: pd.DataFrame
    trials: pd.DataFrame
    window: WindowSettings
    dropped: tuple[Dropped, ...] = ()
    rates: np.ndarray | None = None

    @property
    def as_given(self) -> np.ndarray | StoredArray:
        """``counts``, or where they lie."""
        return vars(self)["counts"]

    @property
    def n_trials(self) -> int:
        return self.as_given.shape[0]

    @property
    def n_bins(self) -> int:
        return self.as_given.shape[1]

    @property
    def n_units(self) -> int:
        return self.as_given.shape[2]

    @property
    def unit_ids(self) -> tuple[str, ...]:
        return tuple(self.units.index)

    @property
    def regions(self) -> np.ndarray:
        """(unit,) region acronym of every unit."""
        return self.units["region"].to_numpy(dtype=object)

    @property
    def has_regions(self) -> bool:
        return bool((self.regions != UNKNOWN_REGION).any())

    def take_trials(self, index: np.ndarray) -> Counts:
        """Return the same session with the trials ``index`` only, in that order; stored counts are not read."""
        given: Any = self.as_given
        return replace(
            self,
            counts=given.choose(index) if isinstance(given, StoredArray) else given[index],
            trials=self.trials.iloc[index].reset_index(drop=True),
            rates=None if self.rates is None else self.rates[index],
        )

    def take_units(self, index: np.ndarray) -> Counts:
        """Return the same session with the units ``index`` only, in that order."""
        return replace(
            self,
            counts=self.counts.take(index, axis=2),  # in the order of its axes: sums round as those of stored counts
            units=self.units.iloc[index],
            rates=None if self.rates is None else self.rates[:, :, index],
        )

    def __repr__(self) -> str:
        return (
            f"Counts({self.session_id!r}: {self.n_trials} trials x {self.n_bins} bins of "
            f"{self.window.bin_size_s:g} s x {self.n_units} units)"
        )
