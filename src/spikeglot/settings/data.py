"""Settings of what the model sees: windows, filters of units and trials, the split."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from spikeglot.settings.base import Settings


class WindowSettings(Settings):
    """The stretch of time that the model sees: around an event of each trial, or tiled over the recorded time."""

    align: str | None = None
    """Column of the trials table whose event windows are aligned to; without it windows are tiled over time."""
    start_s: float = 0.0
    """Start of the window relative to the event, in seconds."""
    stop_s: float = 1.0
    """End of the window relative to the event, in seconds."""
    bin_size_s: float = Field(default=0.02, gt=0)
    """Width of a bin in seconds; the window must hold a whole number of bins."""

    @model_validator(mode="after")
    def _whole_bins(self) -> WindowSettings:
        n = (self.stop_s - self.start_s) / self.bin_size_s
        if n < 1 - 1e-6 or abs(n - round(n)) > 1e-6:
            raise ValueError(
                f"a window from {self.start_s} to {self.stop_s} s does not hold a whole number of bins of "
                f"{self.bin_size_s} s ({n:.4g}); change window.stop_s or window.bin_size_s"
            )
        return self

    @property
    def n_bins(self) -> int:
        return round((self.stop_s - self.start_s) / self.bin_size_s)

    @property
    def duration_s(self) -> float:
        return self.n_bins * self.bin_size_s


class QualitySettings(Settings):
    """Which units and trials are kept. What is dropped is listed with its reason."""

    exclude_regions: tuple[str, ...] = ("root", "void")
    """Regions that are no regions: their units are dropped."""
    min_rate_hz: float = Field(default=1.0, ge=0)
    """Units that fire less than this in the windows are dropped."""
    min_units_per_region: int = Field(default=5, ge=1)
    """Regions with fewer kept units are dropped (ignored for a session without regions)."""
    units: str = ""
    """A pandas query on the units table, for instance "label == 1"; the rest is dropped."""
    trials: str = ""
    """A pandas query on the trials table, for instance "photostim == 0"; the rest is dropped."""


class SplitSettings(Settings):
    """How the trials of a session are split; per session, from a seed."""

    train: float = Field(default=0.7, gt=0, lt=1)
    """Share of trials to train on."""
    val: float = Field(default=0.1, gt=0, lt=1)
    """Share of trials for the choice of the checkpoint; the rest is the test set."""
    kind: Literal["random", "blocked"] = "random"
    """Random over trials, or blocks of consecutive trials (stricter: few trials have a neighbour in another part)."""
    train_trials: int | None = Field(default=None, ge=1)
    """Use this many of the training trials, drawn at random, and validation trials in proportion: few-shot."""
    seed: int = Field(default=0, ge=0)
    """Seed of the permutation; the run's --seed does not change the split."""

    @model_validator(mode="after")
    def _leaves_a_test_set(self) -> SplitSettings:
        if self.train + self.val >= 1:
            raise ValueError(f"split.train + split.val = {self.train + self.val:g} leaves no test trials")
        return self
