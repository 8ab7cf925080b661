"""What a study is made of: runs as plain data, in the order of its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spikeglot.settings import TASKS, DecodeSettings, FinetuneSettings, Recipe, make_recipe

if TYPE_CHECKING:
    from spikeglot.data.session import Dropped

ADAPTED = FinetuneSettings()
DECODED = DecodeSettings(decoders=("linear",), shuffles=0)
"""As the paper decodes: one linear decoder, without a shuffle control."""


@dataclass(frozen=True)
class Run:
    """One model to train, and what it is asked.

    Attributes
    ----------
    key:
        Name of the run and of its folder in the study, for instance "sub-Cori_ses-20161214/neuron/seed-0".
    labels:
        What sets the run apart from the others of its study: columns of the score table.
    recipe:
        All settings, the seed among them.
    session_ids:
        Sessions that it is trained on and scored on.
    adapts:
        Key of the run whose model it adapts as ``finetune`` says; empty: trained from scratch.
    tasks:
        Tasks to score; none for a run that only makes a model for others.
    prompts:
        Prompts that the model is told in the place of those of the tasks; empty: those of the tasks.
    baselines:
        Baselines to score beside it.
    targets:
        Behaviour to decode as ``decoding`` says.
    """

    key: str
    labels: Mapping[str, str | int]
    recipe: Recipe
    session_ids: tuple[str, ...]
    adapts: str = ""
    finetune: FinetuneSettings = ADAPTED
    tasks: tuple[str, ...] = TASKS
    prompts: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    decoding: DecodeSettings = DECODED


@dataclass(frozen=True)
class Plan:
    """The runs of a study, and what it leaves out and why."""

    runs: tuple[Run, ...]
    left_out: tuple[Dropped, ...] = field(default=())


def change(recipe: Recipe, **sections: Any) -> Recipe:
    """Return the recipe with settings replaced, section by section: ``change(recipe, mask={"prompted": False})``.

    Raises
    ------
    SettingsError
        A setting is unknown or has a wrong value.
    """
    return make_recipe(merge(recipe.model_dump(), sections))


def merge(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested ``values`` with ``changes`` in their place."""
    merged = dict(values)
    for name, value in changes.items():
        before = merged.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[name] = merge(before, value) if both else value  # type: ignore[arg-type]
    return merged
