"""Hyper-parameters are chosen on the validation trials, one at a time, by bits per spike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from spikeglot.data.counts import Counts
from spikeglot.metrics.poisson import bits_per_spike

Predictor = Callable[[np.ndarray], np.ndarray]
"""Trial indices -> log-rates (trial, time, unit) of one task, NaN where it predicts nothing."""


def climb(
    axes: Mapping[str, Sequence[Any]], fit: Callable[..., Predictor], counts: Counts, val: np.ndarray
) -> Predictor:
    """Return the best predictor met on a walk over the settings ``axes``, from the middle of each.

    One axis after the other: steps down, then up, for as long as the mean over units of bits per spike on the
    trials ``val`` improves. ``fit(**settings)`` makes a predictor. Without validation spikes it stays at the
    middle.
    """
    place = {name: len(values) // 2 for name, values in axes.items()}

    def attempt(place: Mapping[str, int]) -> tuple[float, Predictor]:
        predictor = fit(**{name: axes[name][i] for name, i in place.items()})
        return validation_score(predictor, counts, val), predictor

    best, predictor = attempt(place)
    for name, values in axes.items():
        start = place[name]
        for direction in (-1, 1):
            at = place[name] + direction
            while 0 <= at < len(values):
                score, candidate = attempt({**place, name: at})
                if score <= best:
                    break
                best, predictor, place[name] = score, candidate, at
                at += direction
            if place[name] != start:
                break
    return predictor


def validation_score(predictor: Predictor, counts: Counts, val: np.ndarray) -> float:
    """Return the mean over units of bits per spike on the trials ``val``, -inf where no unit has a spike."""
    score = bits_per_spike(predictor(val), counts.counts[val]) if len(val) else np.array([np.nan])
    return float(np.nanmean(score)) if np.isfinite(score).any() else -np.inf
