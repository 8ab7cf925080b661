"""spikeglot: one model for many animals' spikes, trained by multi-task masking (MtM).

>>> import spikeglot as sg
>>> sessions = sg.simulate_sessions()
>>> len(sessions)
4
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spikeglot.version import __version__ as __version__

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
    "prepare": "spikeglot.data.prepared",
    "prepare_ibl_repeated_site": "spikeglot.data.ibl.repeated_site",
    "write_session": "spikeglot.data.store",
    "check": "spikeglot.api.check",
    "pretrain": "spikeglot.api.pretrain",
    "ray_train": "spikeglot.launch.on_ray",
    "submit_slurm": "spikeglot.launch.on_slurm",
    "finetune": "spikeglot.api.finetune",
    "evaluate": "spikeglot.api.evaluate",
    "study": "spikeglot.studies.engine.conduct",
    "load_run": "spikeglot.api.common",
    "decode": "spikeglot.api.decode",
    "draw_raster": "spikeglot.api.raster",
    "translate": "spikeglot.api.translate",
    "Translation": "spikeglot.api.translate",
    "write_translation": "spikeglot.api.translate",
    "draw_translation": "spikeglot.api.translate",
    "region_matrix": "spikeglot.api.region_matrix",
    "plot_region_matrix": "spikeglot.viz.matrix",
    "write_scores": "spikeglot.evaluation.scores",
    "write_table": "spikeglot.evaluation.scores",
}

if TYPE_CHECKING:
    from spikeglot.api.check import check
    from spikeglot.api.common import load_run
    from spikeglot.api.decode import decode
    from spikeglot.api.evaluate import evaluate
    from spikeglot.api.finetune import finetune
    from spikeglot.api.pretrain import pretrain
    from spikeglot.api.raster import draw_raster
    from spikeglot.api.region_matrix import region_matrix
    from spikeglot.api.translate import Translation, draw_translation, translate, write_translation
    from spikeglot.data.ibl.repeated_site import prepare_ibl_repeated_site
    from spikeglot.data.prepared import prepare
    from spikeglot.data.session import Session
    from spikeglot.data.sessions import Sessions, load_sessions
    from spikeglot.data.simulate import simulate_sessions
    from spikeglot.data.sources.arrays import from_counts, from_spike_times
    from spikeglot.data.sources.pynapple import from_pynapple
    from spikeglot.data.store import write_session
    from spikeglot.errors import SpikeglotError
    from spikeglot.evaluation.scores import write_scores, write_table
    from spikeglot.launch.on_ray import ray_train
    from spikeglot.launch.on_slurm import submit_slurm
    from spikeglot.settings import Recipe, load_recipe
    from spikeglot.studies.engine.conduct import study
    from spikeglot.viz.matrix import plot_region_matrix

__all__ = [
    "Recipe",
    "Session",
    "Sessions",
    "SpikeglotError",
    "Translation",
    "check",
    "decode",
    "draw_raster",
    "draw_translation",
    "evaluate",
    "finetune",
    "from_counts",
    "from_pynapple",
    "from_spike_times",
    "load_recipe",
    "load_run",
    "load_sessions",
    "plot_region_matrix",
    "prepare",
    "prepare_ibl_repeated_site",
    "pretrain",
    "ray_train",
    "region_matrix",
    "simulate_sessions",
    "study",
    "submit_slurm",
    "translate",
    "write_scores",
    "write_session",
    "write_table",
    "write_translation",
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
