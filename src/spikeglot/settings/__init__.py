"""Every setting, with its real default: frozen, typed, unknown keys refused. A recipe is a TOML file of these."""

from spikeglot.settings.base import Settings, make_settings
from spikeglot.settings.data import QualitySettings, SplitSettings, WindowSettings
from spikeglot.settings.decode import DecodeSettings, HeadSettings
from spikeglot.settings.finetune import FinetuneSettings, Method
from spikeglot.settings.masks import SCHEMES, MaskSettings, RatioSettings
from spikeglot.settings.model import ARCHITECTURES, FactorSettings, ModelSettings
from spikeglot.settings.recipe import Recipe, embedded_recipes, load_recipe, make_recipe
from spikeglot.settings.tasks import FORWARD_SHARE, TASKS, TRANSLATE, n_forward_bins
from spikeglot.settings.train import TrainSettings

__all__ = [
    "ARCHITECTURES",
    "FORWARD_SHARE",
    "SCHEMES",
    "TASKS",
    "TRANSLATE",
    "DecodeSettings",
    "FactorSettings",
    "FinetuneSettings",
    "HeadSettings",
    "MaskSettings",
    "Method",
    "ModelSettings",
    "QualitySettings",
    "RatioSettings",
    "Recipe",
    "Settings",
    "SplitSettings",
    "TrainSettings",
    "WindowSettings",
    "embedded_recipes",
    "load_recipe",
    "make_recipe",
    "make_settings",
    "n_forward_bins",
]
