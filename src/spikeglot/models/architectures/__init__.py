"""The architectures, one per file; a file that is put here is an architecture under its name."""

from __future__ import annotations

from importlib import import_module

from spikeglot.models.architecture import Architecture
from spikeglot.settings import ModelSettings


def make_architecture(settings: ModelSettings, n_bins: int) -> Architecture:
    """Return the untrained architecture that ``settings`` name, for windows of ``n_bins``."""
    module = import_module(f"{__name__}.{settings.architecture.replace('-', '_')}")
    return module.ARCHITECTURE(settings, n_bins)
