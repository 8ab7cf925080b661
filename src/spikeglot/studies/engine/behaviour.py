"""Settings of studies that decode behaviour too."""

from __future__ import annotations

from typing import Any

from spikeglot.settings import Settings
from spikeglot.studies.engine.run import DECODED


class TargetSettings(Settings):
    """Behaviour to decode beside the four tasks, with the paper's linear decoder."""

    target: str = ""
    """Behaviour to decode, for instance choice; empty: none."""
    target_trials: str = ""
    """A pandas query on the trials table: trials to decode, for instance "choice_source == 'movement'"."""


def decoded(settings: TargetSettings, **changes: Any) -> dict[str, Any]:
    """Return the fields of a run that say what to decode; ``changes`` are other fields of `DecodeSettings`."""
    targets = (settings.target,) if settings.target else ()
    return {"targets": targets, "decoding": DECODED.model_copy(update={"trials": settings.target_trials, **changes})}
