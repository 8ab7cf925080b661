"""Where a model computes."""

from __future__ import annotations

import torch

from spikeglot.errors import SettingsError


def pick_device(name: str) -> torch.device:
    """Return the device of a setting; "auto" is the current GPU where there is one. A GPU comes with its number.

    Raises
    ------
    SettingsError
        There is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(f"The device '{name}' cannot be used here: {reason} Take auto, cpu or cuda.") from error
