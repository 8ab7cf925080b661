"""Which parameters train at a step of an adaptation: what belongs to sessions, or everything."""

from __future__ import annotations

from collections.abc import Callable

from spikeglot.models.mtm import MtM
from spikeglot.settings import FinetuneSettings

Freezing = Callable[[int], None]
"""Called with the number of a step before it is done."""


def frozen_backbone(model: MtM, settings: FinetuneSettings) -> Freezing | None:
    """Return what holds the shared parameters of ``model`` still at the steps where ``settings`` want that."""
    if settings.method in ("everything", "closed-form"):
        return None
    shared = [value for name, value in model.named_parameters() if not name.startswith("stitchers.")]
    until = settings.steps if settings.method == "stitchers" else round(settings.unfreeze_at * settings.steps)

    def freeze(step: int) -> None:
        for value in shared:
            value.requires_grad_(step >= until)

    return freeze
