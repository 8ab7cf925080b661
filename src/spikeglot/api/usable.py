"""Which sessions can be trained on, and what is wrong with the others: one list for `check` and for `pretrain`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from spikeglot.batch import to_tensors
from spikeglot.data.prepare import Prepared, prepare_session
from spikeglot.data.session import Dropped, Session
from spikeglot.data.sessions import Sessions
from spikeglot.data.sources.search import joined
from spikeglot.errors import DataError, SpikeglotError
from spikeglot.settings import Recipe
from spikeglot.training.loop import check_schemes


class Usable(NamedTuple):
    """Sessions that can be trained on, keyed by session id in its order, and what is wrong with all others."""

    prepared: dict[str, Prepared]
    unusable: tuple[Dropped, ...]


def prepare_usable(sessions: Iterable[Session], recipe: Recipe) -> Usable:
    """Prepare every session that the recipe can be trained on, and list every other one with what is wrong.

    The list begins with the recordings that could not be read, where ``sessions`` are `Sessions` that know of some.
    Raises nothing for a session that cannot be used.
    """
    unusable = list(sessions.unusable) if isinstance(sessions, Sessions) else []
    sessions = list(sessions)
    named = Counter(session.session_id for session in sessions)
    prepared: dict[str, Prepared] = {}
    for session in sessions:
        try:
            if named[session.session_id] > 1:
                raise DataError(
                    f"{named[session.session_id]} sessions are called '{session.session_id}'. Give each of them once, "
                    "or under a name of its own."
                )
            one = prepare_session(session, recipe)
            check_schemes(recipe, {session.session_id: to_tensors(one.counts)})
            prepared[session.session_id] = one
        except SpikeglotError as problem:
            unusable.append(Dropped("session", session.session_id, str(problem)))
    return Usable(dict(sorted(prepared.items())), tuple(dict.fromkeys(unusable)))


def prepare_to_train(sessions: Iterable[Session], recipe: Recipe, leave_out_unusable: bool) -> Usable:
    """Prepare the sessions of a run; files in another order make the same model.

    Raises
    ------
    DataError
        Sessions that cannot be used, all of them in one message, unless they are to be left out; no session at all.
    """
    usable = prepare_usable(sessions, recipe)
    reasons = list(dict.fromkeys(one.reason for one in usable.unusable))
    if not usable.prepared:
        raise DataError(joined(reasons or ["There is no session to work on. Give files or folders of recordings."]))
    if reasons and not leave_out_unusable:
        n = len(usable.prepared)
        raise DataError(
            f"{joined(reasons)}\nMend {'it' if len(reasons) == 1 else 'them'}, or train without: leave_out_unusable, "
            f"in the shell --leave-out-unusable, leaves out what cannot be used and records it ({n} can be used)."
        )
    return usable
