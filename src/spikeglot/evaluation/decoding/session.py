"""Decode one session in every way, next to chance and to the shuffle control, as score rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from spikeglot.data.splits import Split
from spikeglot.evaluation.decoding.attempts import Attempt, shuffled
from spikeglot.evaluation.decoding.decoders import chance
from spikeglot.evaluation.decoding.scores import decoding_metrics, score_rows
from spikeglot.evaluation.decoding.targets import Target
from spikeglot.settings import DecodeSettings


def used_trials(target: Target, split: Split) -> Split:
    """Return the split with the trials that are decoded only."""
    return Split(*(part[target.used[part]] for part in (split.train, split.val, split.test)))


def why_not(target: Target, used: Split) -> str:
    """Return why a session cannot be decoded, or "" if it can."""
    fit = np.concatenate([used.train, used.val])
    if not len(used.test) or not len(used.train):
        return f"{len(used.train)} train and {len(used.test)} test trials are left"
    if target.is_trace:
        constant = np.ptp(target.values[fit], axis=(0, 1)) == 0
        return "the trace is constant" if constant.any() else ""
    n_classes = len(np.unique(target.values[used.train].astype(str)))
    return f"the train trials are of {n_classes} class" if n_classes < 2 else ""


def decode_session(
    target: Target,
    used: Split,
    attempts: Sequence[Attempt],
    names: Mapping[str, Any],
    settings: DecodeSettings,
    tell: Callable[[int, int, str], None],
) -> list[dict[str, Any]]:
    """Return the score rows of all attempts on a session: with the true labels, with shuffled ones, and of chance.

    Decoders are fitted on the train and val trials ``used``, and scored on the test trials. ``names`` go into every
    row; ``tell(done, total, name)`` hears of every attempt.
    """
    fit = np.concatenate([used.train, used.val])
    truth = target.values[used.test]
    names = {"n_fit": len(fit), "n_test": len(used.test), **names}
    said = chance(target.values[fit], len(used.test))
    rows = score_rows(decoding_metrics(truth, said), decoder="chance", labels="true", **names)
    for done, attempt in enumerate(attempts, start=1):
        kind = {"decoder": attempt.decoder, "features": attempt.features, "prompt": attempt.prompt, **names}
        rows += score_rows(_mean_metrics(truth, attempt.predict(target)), labels="true", **kind)
        if settings.shuffles:
            controls = shuffled(target, fit, settings.shuffles, settings.seed)
            all_said = [said for control in controls for said in attempt.predict(control)]
            rows += score_rows(_mean_metrics(truth, all_said), labels="shuffled", **kind)
        tell(done, len(attempts), f"{attempt.decoder} {attempt.features} {attempt.prompt}".strip())
    return rows


def _mean_metrics(truth: np.ndarray, all_said: Iterable[np.ndarray]) -> dict[str, float]:
    """The metrics, averaged over several predictions of the same trials."""
    scores = [decoding_metrics(truth, said) for said in all_said]
    return {metric: float(np.mean([score[metric] for score in scores])) for metric in scores[0]}
