"""Say of every session whether it can be trained on, before hours are spent on the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spikeglot.api.usable import prepare_usable
from spikeglot.data.prepare import Prepared
from spikeglot.data.session import UNKNOWN_REGION, Session
from spikeglot.settings import Recipe, load_recipe


@dataclass(frozen=True)
class Checked:
    """What a run would see of one session; ``problem`` says what is wrong and what to do, "" where nothing is.

    ``session_id`` is a path where the recording could not be read. Counts of a session with a problem are 0.
    """

    session_id: str
    subject_id: str = ""
    n_units: int = 0
    n_regions: int = 0
    n_train: int = 0
    n_val: int = 0
    n_test: int = 0
    problem: str = ""

    @property
    def is_usable(self) -> bool:
        return not self.problem

    @classmethod
    def of(cls, prepared: Prepared) -> Checked:
        """Return what a run sees of a session that can be used."""
        counts, split = prepared.counts, prepared.split
        return cls(
            counts.session_id,
            counts.subject_id,
            counts.n_units,
            len(set(counts.regions) - {UNKNOWN_REGION}),
            len(split.train),
            len(split.val),
            len(split.test),
        )


def check(sessions: Iterable[Session], recipe: Recipe | str = "mtm-ndt1") -> tuple[Checked, ...]:
    """Prepare every session as `pretrain` would, and say of each what a run would see or what is wrong.

    Usable sessions come first, in the order of their ids. To have recordings that cannot be read in the list too, load
    the sessions with ``load_sessions(..., leave_out_unusable=True)``.

    Raises
    ------
    SettingsError
        The recipe cannot be read.
    """
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    usable = prepare_usable(sessions, recipe)
    return (
        *(Checked.of(one) for one in usable.prepared.values()),
        *(Checked(one.id, problem=one.reason) for one in usable.unusable),
    )
