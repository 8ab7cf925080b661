"""A recipe: all that decides a run, in a TOML file or under an embedded name."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from spikeglot.errors import SettingsError, did_you_mean
from spikeglot.settings.base import Settings, make_settings
from spikeglot.settings.data import QualitySettings, SplitSettings, WindowSettings
from spikeglot.settings.masks import MaskSettings
from spikeglot.settings.model import ModelSettings
from spikeglot.settings.train import TrainSettings


class Recipe(Settings):
    """All that decides a run. Same recipe, data and machine: same numbers."""

    seed: int = 0
    """Seed of weights, order of trials, masks and dropout."""
    window: WindowSettings = WindowSettings()
    quality: QualitySettings = QualitySettings()
    split: SplitSettings = SplitSettings()
    mask: MaskSettings = MaskSettings()
    model: ModelSettings = ModelSettings()
    train: TrainSettings = TrainSettings()


def embedded_recipes() -> tuple[str, ...]:
    """Names of the recipes that ship with the package."""
    folder = files("spikeglot") / "recipes"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


def load_recipe(name_or_path: str | Path, **overrides: Any) -> Recipe:
    """Read a recipe: a TOML file, or the name of an embedded one; ``overrides`` replace settings of it.

    >>> load_recipe("demo", seed=3, window={"stop_s": 0.5}).window.n_bins
    25

    Raises
    ------
    SettingsError
        No such recipe; not TOML; a setting that is unknown or has a wrong value (every one is named).
    """
    path = Path(name_or_path)
    if path.suffix == ".toml":
        if not path.is_file():
            raise SettingsError(f"There is no recipe file '{path}'. Embedded recipes: {', '.join(embedded_recipes())}.")
        content = path.read_bytes()
    elif str(name_or_path) in embedded_recipes():
        content = (files("spikeglot") / "recipes" / f"{name_or_path}.toml").read_bytes()
    else:
        suggestion = did_you_mean(str(name_or_path), embedded_recipes())
        names = ", ".join(embedded_recipes())
        raise SettingsError(f"There is no recipe '{name_or_path}'.{suggestion} Give a .toml file or one of: {names}.")
    try:
        values = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The recipe '{name_or_path}' is not TOML: {error}.") from error
    return make_recipe(_merged(values, overrides), where=f"recipe '{name_or_path}'")


def make_recipe(values: Mapping[str, Any], where: str = "settings") -> Recipe:
    """Return the `Recipe` of nested ``values``; what is not named keeps its default."""
    return make_settings(Recipe, values, where)


def _merged(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` with ``overrides`` in their place, section by section."""
    merged = dict(values)
    for name, value in overrides.items():
        before = merged.get(name)
        merged[name] = _merged(before, value) if isinstance(before, dict) and isinstance(value, Mapping) else value
    return merged
