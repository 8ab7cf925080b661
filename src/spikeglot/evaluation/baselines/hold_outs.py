"""Which units a task lets a baseline see: pools of units, and what each predicted unit must not see of its pool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikeglot.data.session import UNKNOWN_REGION


@dataclass(frozen=True, eq=False)
class HoldOut:
    """Units ``targets`` are predicted from the units ``pool`` of which they are part.

    With ``hides_itself`` each target is hidden from itself only; otherwise all targets are hidden from all of them.
    Both are indices of units.
    """

    pool: np.ndarray
    targets: np.ndarray
    hides_itself: bool

    @property
    def hidden(self) -> np.ndarray:
        """Rows of ``pool`` that are targets, in the order of ``targets``."""
        return np.searchsorted(self.pool, self.targets)


def hold_outs(task: str, regions: np.ndarray) -> tuple[HoldOut, ...]:
    """Return what co-smoothing, inter-region or intra-region hides, for units of these regions (unit,).

    Units that nothing visible is left for are targets of none: a unit without a region, or alone in its region, or
    all units where there is only one region.
    """
    everyone = np.arange(len(regions))
    if task == "co-smoothing":
        return (HoldOut(everyone, everyone, True),) if len(everyone) > 1 else ()
    named = [np.flatnonzero(regions == r) for r in np.unique(regions.astype(str)) if r != UNKNOWN_REGION]
    if task == "intra-region":
        return tuple(HoldOut(inside, inside, True) for inside in named if len(inside) > 1)
    return tuple(HoldOut(everyone, inside, False) for inside in named if len(inside) < len(everyone))


def can_predict(task: str, regions: np.ndarray) -> np.ndarray:
    """Return (unit,) bool: whether the task scores the unit, that is, whether it leaves something visible for it."""
    if task == "forward":
        return np.ones(len(regions), dtype=bool)
    out = np.zeros(len(regions), dtype=bool)
    for hold_out in hold_outs(task, regions):
        out[hold_out.targets] = True
    return out
