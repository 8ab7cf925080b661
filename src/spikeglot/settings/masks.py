"""Settings of the masks that a model is trained on."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from spikeglot.errors import did_you_mean
from spikeglot.settings.base import Settings, files_in

SCHEMES = files_in("masking", "schemes")
"""The masking schemes that a model can be trained on (METHOD, section 2): the files in `spikeglot.masking.schemes`."""
RATIO = 0.3
"""What a scheme hides unless something else is said (Zhang et al. 2024)."""


class RatioSettings(Settings):
    """The share that each scheme hides (schemes on whole regions or the end of the window need none).

    A scheme that is not listed here is set by its name in a recipe, and has a ratio of 0.3 otherwise.
    """

    model_config = ConfigDict(extra="allow")

    temporal: float = Field(default=RATIO, gt=0, lt=1)
    """Share of the bins."""
    neuron: float = Field(default=RATIO, gt=0, lt=1)
    """Share of the units."""
    causal: float = Field(default=0.6, gt=0, lt=1)
    """Share of the bins."""
    intra_region: float = Field(default=RATIO, gt=0, lt=1)
    """Share of the units of the region."""
    random_token: float = Field(default=RATIO, gt=0, lt=1)
    """Share of the tokens."""

    def of(self, scheme: str) -> float:
        """Return the ratio of a scheme."""
        return getattr(self, scheme.replace("-", "_"), RATIO)

    @model_validator(mode="after")
    def _names_schemes(self) -> RatioSettings:
        known = {name.replace("-", "_") for name in SCHEMES}
        for name, ratio in (self.model_extra or {}).items():
            if name not in known:
                raise ValueError(f"there is no setting 'mask.ratio.{name}'.{did_you_mean(name, known)}".rstrip("."))
            if not isinstance(ratio, float) or not 0 < ratio < 1:
                raise ValueError(f"mask.ratio.{name} must be a number between 0 and 1 (got {ratio!r})")
        return self


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
