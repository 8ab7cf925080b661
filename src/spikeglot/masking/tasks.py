"""The four evaluation tasks: each enumerates the masks that define its metric (METHOD, section 5).

Every unit is held out in turn, exactly. A task lists its `Questions`; `ask` turns some of
them into a `Mask`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

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


def questions(task: str, region: Tensor, n_bins: int) -> Questions:
    """List the masks of a task for a session with region codes ``region`` (unit,), -1 where unknown.

    Units that a task cannot ask for are in no question: those without a region for the two tasks on regions, those
    alone in their region for intra-region, and all units for inter-region where there is one region only.
    """
    return _TASKS[task](region, n_bins)


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


def _co_smoothing(region: Tensor, n_bins: int) -> Questions:
    """All units but one; that unit, all bins."""
    one = torch.eye(len(region), dtype=torch.bool)
    return Questions("co-smoothing", ~one, one)


def _inter_region(region: Tensor, n_bins: int) -> Questions:
    """All units outside the region; all units of the region."""
    inside = region[region >= 0].unique()[:, None] == region
    inside = inside[~inside.all(1)]
    return Questions("inter-region", ~inside, inside)


def _intra_region(region: Tensor, n_bins: int) -> Questions:
    """The other units of the unit's own region; that unit."""
    one = torch.eye(len(region), dtype=torch.bool)
    others = (region[:, None] == region) & ~one
    asked = (region >= 0) & others.any(1)
    return Questions("intra-region", others[asked], one[asked])


def _forward(region: Tensor, n_bins: int) -> Questions:
    """All units in the first 90 % of the bins; all units in the last 10 %."""
    everyone = torch.ones((1, len(region)), dtype=torch.bool)
    return Questions("forward", everyone, everyone, n_hidden_bins=n_forward_bins(n_bins))


_TASKS: dict[str, Callable[[Tensor, int], Questions]] = dict(
    zip(TASKS, (_co_smoothing, _inter_region, _intra_region, _forward), strict=True)
)
