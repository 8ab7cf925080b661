"""Which trials are decoded: a query, the reaction-time rule of the IBL, and classes with enough members."""

from __future__ import annotations

import numpy as np

from spikeglot.data.counts import Counts
from spikeglot.data.quality import satisfies_query
from spikeglot.errors import DataError
from spikeglot.evaluation.decoding.targets import Target

MIN_REACTION_S = 0.08
MAX_REACTION_S = 2.0
REACTIONS = (
    ("stimOn_times", "firstMovement_times"),
    ("stim_on_time", "first_movement_time"),
    ("stim_on_time", "response_time"),
    ("start", "movement_time"),
)
"""Pairs of columns, stimulus and movement, whose difference is the reaction time; the first that is there counts."""
IBL_EVENTS = ("choice", "feedback_times", "feedbackType", "probabilityLeft")
"""Columns of the IBL that must hold a value too, where they are there."""
MIN_MEMBERS = 2
"""A class with fewer trials to fit on is left out: no fold could both fit and check it."""


def keep_query(target: Target, counts: Counts, query: str) -> Target:
    """Leave out the trials that do not satisfy a pandas ``query`` on the trials table; raises SettingsError."""
    if not query:
        return target
    kept = satisfies_query(counts.trials, query, "trials", counts.session_id)
    return target.without(~kept, f"does not satisfy trials = {query!r}")


def keep_reactions(target: Target, counts: Counts) -> Target:
    """Leave out trials with a missing event, or a reaction time outside 0.08-2.0 s.

    The rule of the brain-wide map (International Brain Laboratory 2025); METHOD, section 1.

    Raises
    ------
    DataError
        The trials table has no columns that give a reaction time.
    """
    trials = counts.trials
    pair = next((pair for pair in REACTIONS if set(pair) <= set(trials)), None)
    if pair is None:
        wanted = "; ".join(" and ".join(names) for names in REACTIONS)
        raise DataError(
            f"The trials of session '{counts.session_id}' give no reaction time: they lack {wanted}. "
            "Leave the rule out, or choose trials with a query."
        )
    events = [*pair, *(name for name in IBL_EVENTS if name in trials)]
    missing = np.any(trials[events].isna().to_numpy(), axis=1)
    stimulus_s, movement_s = (trials[name].to_numpy(np.float64, na_value=np.nan) for name in pair)
    reaction_s = movement_s - stimulus_s
    outside = ~((reaction_s >= MIN_REACTION_S) & (reaction_s <= MAX_REACTION_S))
    target = target.without(missing, "an event is missing")
    return target.without(outside, f"reaction time outside {MIN_REACTION_S:g}-{MAX_REACTION_S:g} s")


def keep_frequent_classes(target: Target, fit_trials: np.ndarray) -> Target:
    """Leave out the trials of classes with fewer than `MIN_MEMBERS` trials among ``fit_trials`` (indices)."""
    if target.is_trace:
        return target
    fitted = target.values[fit_trials[target.used[fit_trials]]]
    for label in np.unique(target.values[target.used].astype(str)):
        n = int(np.sum(fitted == label))
        if n < MIN_MEMBERS:
            reason = f"class '{label}' has {n} trials to fit on, fewer than {MIN_MEMBERS}"
            target = target.without(target.values == label, reason)
    return target
