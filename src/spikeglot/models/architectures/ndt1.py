"""NDT1: a token per bin (Ye and Pandarinath 2021, arXiv 2108.01210)."""

from __future__ import annotations

from spikeglot.models.transformer import Transformer

ARCHITECTURE = Transformer
