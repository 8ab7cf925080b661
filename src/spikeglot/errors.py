"""The errors that spikeglot raises on purpose: each says what, where, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class SpikeglotError(Exception):
    """Anything a user can mend: data, settings, a run folder. The shell prints it without a traceback."""


class DataError(SpikeglotError):
    """A recording cannot be read, or does not hold what the request needs."""


class SettingsError(SpikeglotError):
    """A recipe or an override is not valid."""


class CheckpointError(SpikeglotError):
    """A run folder or checkpoint cannot be used."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest known name, or a list of what is known.

    >>> did_you_mean("stim_on", ["stim_on_time", "start_time"])
    " Did you mean 'stim_on_time'?"
    """
    known = [str(k) for k in known]
    close = get_close_matches(str(name), known, n=1, cutoff=0.6)
    if close:
        return f" Did you mean '{close[0]}'?"
    return f" Known: {', '.join(known)}." if known else ""
