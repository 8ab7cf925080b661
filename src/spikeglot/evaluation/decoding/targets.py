"""What is decoded: a class per trial, or a trace over the bins of a trial; and which trials have neither, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spikeglot.data.counts import Counts
from spikeglot.data.session import Trace
from spikeglot.errors import DataError, did_you_mean
from spikeglot.evaluation.decoding.traces import accumulated, binned

WORDS = {
    "choice": ("choice",),
    "block": ("probabilityLeft",),
    "feedback": ("feedback_type", "feedbackType", "feedback"),
    "stimulus-side": (("contrast_left", "contrast_right"), ("contrastLeft", "contrastRight")),
}
"""Classes that most tasks have, and the columns (of a side, the pair of contrasts) that sources keep them in."""
ACCUMULATED = "accumulated:"
"""Before the name of an event series: its running sum since the start of the window."""
MAX_CLASSES = 12
"""More different values are a quantity and not classes."""


@dataclass(frozen=True, eq=False)
class Target:
    """What is decoded from the trials of one session.

    ``values`` are labels (trial,) of classes, or a trace (trial, time, channel) at the bin rate. ``left_out`` (trial,)
    says why a trial is not decoded; it is empty for those that are.
    """

    values: np.ndarray
    left_out: np.ndarray

    @property
    def is_trace(self) -> bool:
        return self.values.ndim == 3

    @property
    def used(self) -> np.ndarray:
        """(trial,) bool: the trials that are decoded."""
        return self.left_out == ""

    def without(self, trials: np.ndarray, reason: str) -> Target:
        """Return the target with ``trials`` (trial,) bool left out, where no earlier reason did."""
        return Target(self.values, np.where(self.used & trials, reason, self.left_out))


def find_target(name: str, counts: Counts, behaviour: Mapping[str, Trace]) -> Target:
    """Return the target ``name`` of a session.

    ``name`` is a column of the trials table (a class); one of the words "choice", "block", "feedback" and
    "stimulus-side", whatever the source calls them; a trace of the session's behaviour; or "accumulated:" and a series
    of two kinds of events (`accumulated`).

    Raises
    ------
    DataError
        There is no such target; it has too many values for classes; an event series cannot be accumulated.
    """
    if name in counts.trials or name in WORDS:
        return _classes(name, counts)
    bin_up, trace_name = binned, name
    if name.startswith(ACCUMULATED):
        bin_up, trace_name = accumulated, name.removeprefix(ACCUMULATED)
    if trace_name not in behaviour:
        known = [*WORDS, *map(str, counts.trials.columns), *behaviour]
        raise DataError(f"Session '{counts.session_id}' has no '{name}' to decode.{did_you_mean(name, known)}")
    start_s = counts.trials["window_start_s"].to_numpy(np.float64)
    try:
        values = bin_up(behaviour[trace_name], start_s, counts.n_bins, counts.window.bin_size_s)
    except DataError as error:
        raise DataError(f"Cannot decode '{name}' of session '{counts.session_id}'. {error}") from error
    missing = ~np.isfinite(values).all(axis=(1, 2))
    return Target(values, np.where(missing, f"{trace_name} is missing in a part of the window", "").astype(object))


def _classes(name: str, counts: Counts) -> Target:
    """The labels of a column, or of a word; a trial without one is left out."""
    column = counts.trials[name] if name in counts.trials else _of_word(name, counts)
    n_labels = len(set(column.dropna()))
    if n_labels > MAX_CLASSES:
        raise DataError(
            f"'{name}' of session '{counts.session_id}' has {n_labels} different values: a quantity, not classes "
            f"(at most {MAX_CLASSES}). Decode a column with few values, or a trace of the behaviour."
        )
    missing = column.isna().to_numpy()
    return Target(column.astype(str).to_numpy(object), np.where(missing, f"{name} is missing", "").astype(object))


def _of_word(word: str, counts: Counts) -> pd.Series:
    """The column that a source has for one of `WORDS`; a side is missing where both have the same contrast."""
    trials = counts.trials
    for names in WORDS[word]:
        if isinstance(names, str) and names in trials:
            return trials.loc[:, names]
        if not isinstance(names, str) and set(names) <= set(trials):
            # IBL writes NaN for the side without a stimulus, and 0 for a stimulus without contrast, which has a side
            left, right = (trials[name].fillna(-1.0) for name in names)
            side = np.select([left > right, left < right], ["left", "right"], "")
            return pd.Series(side, trials.index, dtype=object).replace("", None)
    wanted = " or ".join(names if isinstance(names, str) else " with ".join(names) for names in WORDS[word])
    raise DataError(
        f"The trials of session '{counts.session_id}' have no column for '{word}' ({wanted}). "
        f"Name one of: {', '.join(map(str, trials.columns))}."
    )
