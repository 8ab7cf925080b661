"""The four evaluation tasks: each enumerates the masks that define its metric (METHOD, section 5).

Every unit is held out in turn, exactly; or, where that takes too long, groups of units are, which is an
approximation. A task lists its `Questions`; `ask` turns some of them into a `Mask`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeglot.errors import SettingsError
from spikeglot.masking.mask import Mask, make_mask
from spikeglot.settings import TASKS, n_forward_bins


@dataclass(frozen=True, eq=False)
class Questions:
    """The masks of a task, each the same for all trials.

    ``visible`` and ``target`` are (question, unit) bool; ``n_hidden_bins`` bins at the end of the window are hidden
    from everyone and, where it is not 0, are the only ones scored. ``prompt`` is what the model is told; empty, it is
    the prompt of the task.
    """

    task: str
    visible: Tensor
    target: Tensor
    n_hidden_bins: int = 0
    prompt: str = ""

    @property
    def told(self) -> str:
        """What the model is told, one of `spikeglot.masking.mask.PROMPTS`."""
        return self.prompt or PROMPT_OF_TASK[self.task]

    def __len__(self) -> int:
        return len(self.target)


def questions(task: str, region: Tensor, n_bins: int, group: Tensor | None = None) -> Questions:
    """List the masks of a task for a session with region codes ``region`` (unit,), -1 where unknown.

    Co-smoothing and intra-region hide every unit alone or, with ``group`` (unit,) of `held_out_groups`, all units of a
    group together, for intra-region those of one region.

    Units that a task cannot ask for are in no question: those without a region for the two tasks on regions, those
    alone in their region for intra-region, and all units for inter-region where there is one region only.
    """
    return _TASKS[task](region, n_bins, torch.arange(len(region)) if group is None else group)


def held_out_groups(region: Tensor, n_groups: int, draws: Generator) -> Tensor:
    """Put every unit into one of ``n_groups`` groups at random, equally many into each, also of every region.

    Returns the number of the group (unit,). Scores of units that are hidden together are too low, since each is
    predicted without the others (docs/explain/method.md): with more groups less so.

    Raises
    ------
    SettingsError
        Fewer than two groups: nothing would be left to predict from.
    """
    if n_groups < 2:
        raise SettingsError(f"groups = {n_groups} hides all units at once. Take 2 or more groups, or none: exactly.")
    order = torch.randperm(len(region), generator=draws)
    order = order[region[order].argsort(stable=True)]
    group = torch.empty_like(order)
    group[order] = torch.arange(len(region)) % n_groups
    return group


def ask(asked: Questions, rows: Tensor, n_bins: int) -> Mask:
    """Return the mask whose trial i asks the question ``rows[i]``."""
    hidden_bin = torch.arange(n_bins) >= n_bins - asked.n_hidden_bins
    scored_bin = hidden_bin if asked.n_hidden_bins else torch.ones(n_bins, dtype=torch.bool)
    visible = asked.visible[rows][:, None] & ~hidden_bin[:, None]
    target = asked.target[rows][:, None] & scored_bin[:, None]
    return make_mask(visible, target, asked.told, causal=asked.task == "forward")


PROMPT_OF_TASK = {
    "co-smoothing": "neuron",
    "inter-region": "inter-region",
    "intra-region": "intra-region",
    "forward": "causal",
}


def _co_smoothing(region: Tensor, n_bins: int, group: Tensor) -> Questions:
    """All units but one, or but a group; that unit, or group, all bins."""
    together = group[:, None] == group
    hidden = together[_is_first(together)]
    return Questions("co-smoothing", ~hidden, hidden)


def _inter_region(region: Tensor, n_bins: int, group: Tensor) -> Questions:
    """All units outside the region; all units of the region."""
    inside = region[region >= 0].unique()[:, None] == region
    inside = inside[~inside.all(1)]
    return Questions("inter-region", ~inside, inside)


def _intra_region(region: Tensor, n_bins: int, group: Tensor) -> Questions:
    """The other units of the unit's own region; that unit, or those of the region that are in its group."""
    inside = region[:, None] == region
    hidden = inside & (group[:, None] == group)
    others = inside & ~hidden
    asked = (region >= 0) & _is_first(hidden) & others.any(1)
    return Questions("intra-region", others[asked], hidden[asked])


def _forward(region: Tensor, n_bins: int, group: Tensor) -> Questions:
    """All units in the first 90 % of the bins; all units in the last 10 %."""
    everyone = torch.ones((1, len(region)), dtype=torch.bool)
    return Questions("forward", everyone, everyone, n_hidden_bins=n_forward_bins(n_bins))


def _is_first(together: Tensor) -> Tensor:
    """Return (unit,) bool, whether a unit is the first of those that it is ``together`` with (unit, unit)."""
    return together.int().argmax(1) == torch.arange(len(together))


_TASKS: dict[str, Callable[[Tensor, int, Tensor], Questions]] = dict(
    zip(TASKS, (_co_smoothing, _inter_region, _intra_region, _forward), strict=True)
)
