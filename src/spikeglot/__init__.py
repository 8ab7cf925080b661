"""spikeglot: one model for many animals' spikes, trained by multi-task masking (MtM).

>>> import spikeglot as sg
>>> sessions = sg.simulate_sessions()
>>> len(sessions)
4
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Session": "spikeglot.data.session",
    "Sessions": "spikeglot.data.sessions",
    "load_sessions": "spikeglot.data.sessions",
    "simulate_sessions": "spikeglot.data.simulate",
    "from_counts": "spikeglot.data.sources.arrays",
    "from_spike_times": "spikeglot.data.sources.arrays",
    "from_pynapple": "spikeglot.data.sources.pynapple",
    "Recipe": "spikeglot.settings",
    "load_recipe": "spikeglot.settings",
    "SpikeglotError": "spikeglot.errors",
    "check": "spikeglot.api.check",
    "pretrain": "spikeglot.api.pretrain",
    "evaluate": "spikeglot.api.evaluate",
    "load_run": "spikeglot.api.common",
    "draw_raster": "spikeglot.api.raster",
    "write_scores": "spikeglot.evaluation.scores",
}

if TYPE_CHECKING:
    from spikeglot.api.check import check
    from spikeglot.api.common import load_run
    from spikeglot.api.evaluate import evaluate
    from spikeglot.api.pretrain import pretrain
    from spikeglot.api.raster import draw_raster
    from spikeglot.data.session import Session
    from spikeglot.data.sessions import Sessions, load_sessions
    from spikeglot.data.simulate import simulate_sessions
    from spikeglot.data.sources.arrays import from_counts, from_spike_times
    from spikeglot.data.sources.pynapple import from_pynapple
    from spikeglot.errors import SpikeglotError
    from spikeglot.evaluation.scores import write_scores
    from spikeglot.settings import Recipe, load_recipe

__all__ = [
    "Recipe",
    "Session",
    "Sessions",
    "SpikeglotError",
    "check",
    "draw_raster",
    "evaluate",
    "from_counts",
    "from_pynapple",
    "from_spike_times",
    "load_recipe",
    "load_run",
    "load_sessions",
    "pretrain",
    "simulate_sessions",
    "write_scores",
]


def __getattr__(name: str) -> Any:
    """Import a name's home when it is first used: `import spikeglot` loads nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'spikeglot' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
