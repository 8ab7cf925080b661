"""NDT1: a token per bin (Ye and Pandarinath 2021, arXiv 2108.01210)."""

from __future__ import annotations

from spikeglot.models.transformer import Transformer
from spikeglot.settings import ModelSettings, Settings


class NDT1(Transformer):
    """A transformer over the bins of a window; it has no options."""

    def __init__(self, settings: ModelSettings, n_bins: int) -> None:
        super().__init__(settings, n_bins)
        self.options(Settings)


ARCHITECTURE = NDT1
