"""A few trials to fit on: k of each class, or k trials of a trace."""

from __future__ import annotations

import numpy as np

from spikeglot.evaluation.decoding.targets import Target


def most_per_class(target: Target, fit: np.ndarray) -> int:
    """Return the largest k that `draw_few` can draw from the trials ``fit``: the members of the rarest class."""
    if target.is_trace:
        return len(fit)
    return int(np.unique(target.values[fit].astype(str), return_counts=True)[1].min())


def draw_few(target: Target, fit: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Draw k of the trials ``fit`` from every class (for a trace: k trials) and return them, without repetition.

    Raises
    ------
    ValueError
        A class has fewer than k trials; `most_per_class` tells.
    """
    if target.is_trace:
        return rng.choice(fit, k, replace=False)
    labels = target.values[fit].astype(str)
    return np.concatenate([rng.choice(fit[labels == label], k, replace=False) for label in np.unique(labels)])
