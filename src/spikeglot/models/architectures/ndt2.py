"""NDT2: a token per bin and patch of units, with learned places in space and time (Ye et al. 2023, arXiv 2305.16283).

A patch is read into tokens, and its log-rates are read out, with the weights that the session's stitcher has for its
units: with one patch as wide as the population it is NDT1.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from spikeglot.errors import SettingsError
from spikeglot.models.transformer import Transformer
from spikeglot.settings import ModelSettings, Settings


class Options(Settings):
    """``model.options`` of ndt2."""

    max_patches: int = Field(default=32, ge=1)
    """Patches that a session may have: the places in space that are learned."""


class NDT2(Transformer):
    """A transformer over (bin, patch) tokens."""

    def __init__(self, settings: ModelSettings, n_bins: int) -> None:
        super().__init__(settings, n_bins)
        self.patch_units = settings.patch_units
        self.places = nn.Embedding(self.options(Options).max_patches, settings.width)
        nn.init.normal_(self.places.weight, std=0.02)

    def placed(self, tokens: Tensor) -> Tensor:
        n_patches, most = tokens.shape[2], len(self.places.weight)
        if n_patches > most:
            raise SettingsError(
                f"A session has {n_patches} patches of {self.patch_units} units, and model.options.max_patches is "
                f"{most}. Raise it, or model.patch_units."
            )
        return super().placed(tokens) + self.places.weight[:n_patches]


ARCHITECTURE = NDT2
