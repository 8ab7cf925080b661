"""From a session to the counts that models see: keep trials, cut windows, keep units."""

from __future__ import annotations

from dataclasses import dataclass

from spikeglot.data.counts import Counts
from spikeglot.data.counts_cache import kept_counts
from spikeglot.data.quality import keep_trials, keep_units
from spikeglot.data.session import Session
from spikeglot.data.splits import Split, split_trials
from spikeglot.data.windows import cut_windows
from spikeglot.errors import SettingsError
from spikeglot.settings import QualitySettings, Recipe, WindowSettings


@dataclass(frozen=True, eq=False)
class Prepared:
    """The counts of a session and the split of its trials."""

    counts: Counts
    split: Split


def prepare_session(session: Session, recipe: Recipe) -> Prepared:
    """Return the counts and the split of a session as a recipe wants them; raises what its parts raise."""
    counts = prepare(session, recipe.window, recipe.quality)
    return Prepared(counts, split_trials(counts.n_trials, recipe.split, session.session_id))


def prepare(session: Session, window: WindowSettings, quality: QualitySettings) -> Counts:
    """Return the counts of the trials and units that are good enough, with all that was dropped and why.

    Those of a prepared session are made once and kept (`spikeglot.data.counts_cache`).

    Raises
    ------
    SettingsError
        A query that does not fit the tables, or a query on trials where windows are not aligned to trials.
    DataError
        Nothing is left, or the windows do not fit the session.
    """
    if quality.trials and window.align is None:
        raise SettingsError(
            f"quality.trials = {quality.trials!r} chooses trials, but windows are tiled over continuous time."
            " Set window.align to the column of the trials that windows are aligned to, or leave"
            " quality.trials out."
        )
    return kept_counts(
        session,
        window,
        quality,
        lambda: keep_units(cut_windows(keep_trials(session, quality), window), quality),
    )
