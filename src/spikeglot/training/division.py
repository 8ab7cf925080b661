"""How the trials of a step are divided among ranks: each gets as much work, and the same trials come in every case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from spikeglot.models.mtm import MtM
from spikeglot.training.distributed import Ranks


class Share(NamedTuple):
    """What one rank does of a step: some trials of some sessions, and what part of all trials they are."""

    parts: dict[str, slice]
    weight: float


def trial_costs(model: MtM) -> dict[str, float]:
    """Return what a trial of each session costs, in weights that a bin of it meets.

    The tokens of a bin (its patches) each meet the weights of the architecture, its units those of their stitcher.
    """
    shared = sum(p.numel() for p in model.architecture.parameters())
    costs = {}
    for session_id in model.session_ids:
        stitcher = model.stitcher(session_id)
        costs[session_id] = float(stitcher.n_patches * shared + sum(p.numel() for p in stitcher.parameters()))
    return costs


def divide(costs: Sequence[float], n_parts: int) -> list[slice]:
    """Cut trials that stand in a row into parts of even cost, none of them empty as long as there are enough trials."""
    n = len(costs)
    done = np.concatenate([[0.0], np.cumsum(costs)])
    goals = done[-1] * np.arange(1, n_parts) / n_parts
    cuts = [0]
    for part, goal in enumerate(goals, start=1):
        nearest = int(np.abs(done - goal).argmin())
        least = cuts[-1] + 1
        most = max(n - (n_parts - part), least)
        cuts.append(min(max(nearest, least), most, n))
    return [slice(start, stop) for start, stop in zip(cuts, [*cuts[1:], n], strict=True)]


def own_share(n_trials: Mapping[str, int], costs: Mapping[str, float], ranks: Ranks) -> Share:
    """Return the part of a step that is this rank's; ``n_trials`` are those of the step, by session.

    Sessions stay whole where they can: only those at a border between ranks are cut. In a step with fewer trials than
    ranks, those that get none compute the first trial with weight 0, because all ranks must take part.
    """
    if ranks.is_alone:
        return Share(dict.fromkeys(n_trials, slice(None)), 1.0)
    by_trial = [costs[session_id] for session_id, n in n_trials.items() for _ in range(n)]
    part = divide(by_trial, ranks.size)[ranks.rank]
    n_own = part.stop - part.start
    if n_own == 0:
        return Share({next(iter(n_trials)): slice(0, 1)}, 0.0)
    own, first = {}, 0
    for session_id, n in n_trials.items():
        start, stop = max(part.start - first, 0), min(part.stop - first, n)
        if start < stop:
            own[session_id] = slice(start, stop)
        first += n
    return Share(own, n_own / len(by_trial))
