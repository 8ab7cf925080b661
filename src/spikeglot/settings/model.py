"""Settings of the model: its architecture, and the closed-form factor path that it starts from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from spikeglot.errors import did_you_mean
from spikeglot.settings.base import Settings, files_in

ARCHITECTURES = files_in("models", "architectures")
"""The architectures that a model can have: the files in `spikeglot.models.architectures`."""


def _pairs(value: Any) -> Any:
    """Return a table of a recipe as pairs, which cannot be changed."""
    return tuple(value.items()) if isinstance(value, dict) else value


Options = Annotated[tuple[tuple[str, float], ...], BeforeValidator(_pairs)]


class FactorSettings(Settings):
    """The closed-form factor path that a model starts from (docs/explain/method.md)."""

    n_factors: int = Field(default=24, ge=1)
    """Factors per time scale (at most one for ten units of a session)."""
    timescales_s: tuple[Annotated[float, Field(gt=0)], ...] = (0.03,)
    """Widths (s.d. of a Gaussian) of the smoothed counts, slow to fast, below the window mean."""
    prior_trials: float = Field(default=20.0, ge=0)
    """Trials' worth of uncorrelated units that the covariance of window means is shrunk with."""
    prior_bins: float = Field(default=200.0, ge=0)
    """The same for the faster time scales, in bins."""
    ridge: float = Field(default=60.0, gt=0)
    """Precision of the prior on the weights from factors to log-rates; it is learned from there."""
    drift_waves: int = Field(default=12, ge=0)
    """Cosines over the session that carry a unit's slow drift; 0 switches drift off."""
    drift_ridge: float = Field(default=20.0, gt=0)
    """Precision of the prior on the slowest cosine; it grows with the square of the frequency."""
    psth_resolution_s: float = Field(default=0.06, gt=0)
    """The trial average is carried by cosines over the window down to about this half-period, in seconds."""
    psth_ridge: float = Field(default=10.0, gt=0)
    """Precision of the prior on the slowest of these cosines; it grows with frequency."""
    past_ridge: float = Field(default=2e5, gt=0)
    """Precision, times the number of trials, of the prior on what a unit's own past adds."""


class ModelSettings(Settings):
    """An architecture with stitchers. The published sizes of NDT1 are in the recipe "published"."""

    architecture: str = "ndt1"
    """What turns stitched counts into states: ndt1 (a token per bin), ndt2 (a token per bin and patch), lfads."""
    start: Literal["zero", "rates", "factors"] = "factors"
    """What a session starts from: rate 1 per bin (published), the units' mean rates, or the factor path."""
    width: int = Field(default=128, ge=8)
    """Width of the backbone."""
    depth: int = Field(default=2, ge=1)
    """Transformer layers."""
    heads: int = Field(default=4, ge=1)
    """Attention heads."""
    mlp_width: int = Field(default=256, ge=8)
    """Hidden width of the MLP in a layer."""
    stitch_width: int = Field(default=128, ge=8)
    """Channels that a session's units are read into."""
    dropout: float = Field(default=0.4, ge=0, lt=1)
    """Dropout in the layers."""
    embed_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout of the tokens before the first layer."""
    position: Literal["learned", "rotary"] = "learned"
    """How bins know their place: learned embeddings, or rotated queries and keys."""
    session_token: bool = True
    """Prepend a learned token per session."""
    patch_units: int = Field(default=128, ge=1)
    """Units per patch of ndt2, neighbours in the order of the recording."""
    mask_token: bool = False
    """Give the model the mask beside the counts: which of them are hidden (published for ndt2)."""
    options: Options = ()
    """What an architecture sets for itself, in pairs of name and value; its file lists them with their defaults."""
    factors: FactorSettings = FactorSettings()

    @model_validator(mode="after")
    def _has_known_architecture(self) -> ModelSettings:
        if self.architecture not in ARCHITECTURES:
            suggestion = did_you_mean(self.architecture, ARCHITECTURES)
            raise ValueError(f"model.architecture names nothing with '{self.architecture}'.{suggestion}")
        return self

    @model_validator(mode="after")
    def _heads_divide(self) -> ModelSettings:
        if self.width % (2 * self.heads):
            raise ValueError(f"model.width {self.width} is not a multiple of twice model.heads {self.heads}")
        return self
