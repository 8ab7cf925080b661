"""The training schemes, one per file; a file that is put here is a scheme under its name (``-`` for ``_``).

Sources: Zhang et al. 2024 (arXiv 2407.14668), section 3 and its official code; Ye and Pandarinath 2021 for
``temporal``. An empty target set never happens: at least one bin, unit or token is hidden.
"""

from __future__ import annotations

from importlib import import_module

from torch import Generator

from spikeglot.errors import DataError, did_you_mean
from spikeglot.masking.drawing import Layout, Scheme
from spikeglot.masking.mask import Mask
from spikeglot.settings import SCHEMES as NAMES

SCHEMES: dict[str, Scheme] = {
    name: import_module(f"spikeglot.masking.schemes.{name.replace('-', '_')}").SCHEME for name in NAMES
}


def draw(name: str, layout: Layout, ratio: float, generator: Generator) -> Mask:
    """Draw one mask per trial from the scheme ``name``.

    Raises
    ------
    DataError
        The scheme is not known, or needs regions that the session does not have.
    """
    if name not in SCHEMES:
        raise DataError(f"There is no masking scheme '{name}'.{did_you_mean(name, SCHEMES)}")
    if not SCHEMES[name].usable(layout):
        raise DataError(
            f"The scheme '{name}' needs a region for the units, and this session has none (or only one). "
            "Leave it out of mask.schemes, or name the regions in the units table."
        )
    return SCHEMES[name].draw(layout, ratio, generator)
