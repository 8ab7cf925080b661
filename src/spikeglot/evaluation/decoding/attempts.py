"""Every way to decode a session, as one function each: fit on a target, and say something of the test trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from spikeglot.evaluation.decoding.decoders import fit_and_predict
from spikeglot.evaluation.decoding.features import Features
from spikeglot.evaluation.decoding.few_shot import draw_few
from spikeglot.evaluation.decoding.targets import Target
from spikeglot.randomness import derive_seed
from spikeglot.settings import DecodeSettings

Predict = Callable[[Target], list[np.ndarray]]
"""Fit on a target, and return what is said of the test trials: once, or once per draw of few trials."""


@dataclass(frozen=True)
class Attempt:
    """A decoder on some features, told a prompt."""

    decoder: str
    features: str
    prompt: str
    predict: Predict


def linear_attempts(features: Features, fit: np.ndarray, test: np.ndarray, settings: DecodeSettings) -> list[Attempt]:
    """Return the attempts with linear decoders: the paper's on log-rates, and the same on all other features."""

    def predict(x: np.ndarray, target: Target) -> list[np.ndarray]:
        return [fit_and_predict(x, target.values[fit], fit, test, n_folds=settings.folds, seed=settings.seed)]

    return [Attempt("linear", name, prompt, partial(predict, x)) for (name, prompt), x in features.items()]


def few_shot_attempts(
    features: Features, fit: np.ndarray, test: np.ndarray, k: int, settings: DecodeSettings
) -> list[Attempt]:
    """Return the attempts of a linear decoder that is given k trials per class, drawn ``settings.draws`` times.

    All features see the same draws.
    """

    def predict(x: np.ndarray, target: Target) -> list[np.ndarray]:
        said = []
        for draw in range(settings.draws):
            seed = derive_seed(settings.seed, "few-shot", k, draw)
            few = draw_few(target, fit, k, np.random.default_rng(seed))
            said.append(fit_and_predict(x, target.values[few], few, test, n_folds=settings.folds, seed=settings.seed))
        return said

    return [Attempt(f"few-shot-{k}", name, prompt, partial(predict, x)) for (name, prompt), x in features.items()]


def shuffled(target: Target, fit: np.ndarray, n_shuffles: int, seed: int) -> Iterator[Target]:
    """Yield the target with the values of the trials ``fit`` dealt out anew among them: nothing is left to decode."""
    for shuffle in range(n_shuffles):
        rng = np.random.default_rng(derive_seed(seed, "shuffle", shuffle))
        values = target.values.copy()
        values[fit] = target.values[rng.permutation(fit)]
        yield Target(values, target.left_out)
