"""Settings of the masks that a model is trained on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from spikeglot.errors import did_you_mean
from spikeglot.settings.base import Settings

SCHEMES = ("temporal", "neuron", "causal", "forecast", "inter-region", "intra-region", "random-token")
"""The masking schemes that a model can be trained on (METHOD, section 2); `spikeglot.masking.schemes` draws them."""


class RatioSettings(Settings):
    """The share that each scheme hides (schemes on whole regions or the end of the window need none)."""

    temporal: float = Field(default=0.3, gt=0, lt=1)
    """Share of the bins."""
    neuron: float = Field(default=0.3, gt=0, lt=1)
    """Share of the units."""
    causal: float = Field(default=0.6, gt=0, lt=1)
    """Share of the bins."""
    intra_region: float = Field(default=0.3, gt=0, lt=1)
    """Share of the units of the region."""
    random_token: float = Field(default=0.3, gt=0, lt=1)
    """Share of the (bin, unit) entries."""

    def of(self, scheme: str) -> float:
        """Return the ratio of a scheme; 0 where the scheme has none."""
        return getattr(self, scheme.replace("-", "_"), 0.0)


class MaskSettings(Settings):
    """Which masks a model is trained on."""

    schemes: tuple[str, ...] = ("neuron", "causal", "intra-region", "inter-region")
    """The mixture; the four of MtM. A single name trains on that scheme alone."""
    draw: Literal["trial", "batch"] = "trial"
    """A scheme per trial, or one for the whole batch (as the official code does)."""
    prompted: bool = True
    """Tell the model which scheme or task a mask is from (a learned prompt token)."""
    masks_per_trial: int = Field(default=1, ge=1)
    """Masks drawn per trial and step; several make more of few trials."""
    ratio: RatioSettings = RatioSettings()

    @model_validator(mode="after")
    def _has_known_schemes(self) -> MaskSettings:
        if not self.schemes:
            raise ValueError("mask.schemes is empty; name at least one scheme")
        for name in self.schemes:
            if name not in SCHEMES:
                raise ValueError(f"mask.schemes names no scheme with '{name}'.{did_you_mean(name, SCHEMES)}")
        return self
