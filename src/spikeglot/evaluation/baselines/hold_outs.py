"""What a task lets a baseline see: pools of units, and what each predicted unit must not see of its pool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikeglot.data.counts import Counts
from spikeglot.data.session import UNKNOWN_REGION
from spikeglot.settings import n_forward_bins


@dataclass(frozen=True, eq=False)
class HoldOut:
    """Units ``targets`` are predicted from the units ``pool``, of which they are part; ascending indices.

    With ``hides_itself`` each target is hidden from itself only; otherwise all targets are hidden from all of
    them.
    """

    pool: np.ndarray
    targets: np.ndarray
    hides_itself: bool

    @property
    def hidden(self) -> np.ndarray:
        """Places of ``targets`` in ``pool``."""
        return np.searchsorted(self.pool, self.targets)


def hold_outs(task: str, regions: np.ndarray) -> tuple[HoldOut, ...]:
    """Return what co-smoothing, inter-region or intra-region hides, for units of these regions (unit,).

    A unit that nothing visible is left for is no target: without a region, alone in it, or all in one region.
    """
    everyone = np.arange(len(regions))
    if task == "co-smoothing":
        return (HoldOut(everyone, everyone, True),) if len(everyone) > 1 else ()
    names = sorted(set(regions) - {UNKNOWN_REGION})
    inside = [np.flatnonzero(regions == name) for name in names]
    if task == "intra-region":
        return tuple(HoldOut(units, units, True) for units in inside if len(units) > 1)
    return tuple(HoldOut(everyone, units, False) for units in inside if len(units) < len(everyone))


def where_scored(task: str, log_rate: np.ndarray, counts: Counts) -> np.ndarray:
    """Return a copy of ``log_rate`` (trial, time, unit) with NaN where the task scores nothing."""
    out = log_rate.astype(np.float32)
    if task == "forward":
        out[:, : counts.n_bins - n_forward_bins(counts.n_bins)] = np.nan
        return out
    targets = [hold_out.targets for hold_out in hold_outs(task, counts.regions)]
    out[:, :, np.setdiff1d(np.arange(counts.n_units), np.concatenate([*targets, []]))] = np.nan
    return out
