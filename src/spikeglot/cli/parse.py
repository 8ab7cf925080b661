"""The flags of a verb become its arguments: tyro fills them in, the settings check themselves."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import tyro
from tyro.conf import AvoidSubcommands, FlagCreatePairsOff

from spikeglot.cli.arguments import VERBS, Check, Common, Decode, Finetune, Pretrain, Show
from spikeglot.cli.settings_flags import dump, flag_value, registry
from spikeglot.settings import DecodeSettings, FinetuneSettings, Recipe, load_recipe, make_recipe, make_settings


def parse(verb: str, flags: Sequence[str]) -> Any:
    """Turn the flags of a verb into its arguments; a recipe gives the defaults that flags override.

    Raises
    ------
    SettingsError
        A recipe or an override that is not valid.
    SystemExit
        ``--help`` (0), or flags that the verb does not have (2); tyro has said why.
    """
    if verb == "study":
        from spikeglot.cli.study_flags import parse_study

        return parse_study(flags)
    recipe = flag_value(flags, "--recipe")
    default: Common | None = None
    if verb == "show":
        loaded = load_recipe(recipe) if recipe else Recipe()
        default = Show(recipe=recipe, window=loaded.window, quality=loaded.quality)
    elif verb in ("check", "pretrain"):
        name = recipe or "mtm-ndt1"
        default = VERBS[verb](recipe=name, settings=load_recipe(name))  # type: ignore[call-arg]
    given = tyro.cli(
        VERBS[verb],
        args=list(flags),
        default=default,
        prog=f"spikeglot {verb}",
        description=inspect.getdoc(VERBS[verb]),
        config=(AvoidSubcommands, FlagCreatePairsOff),
        registry=registry,
    )
    if isinstance(given, Show):
        checked = make_recipe({"window": dump(given.window), "quality": dump(given.quality)})
        return replace(given, window=checked.window, quality=checked.quality)
    if isinstance(given, Check | Pretrain):
        return replace(given, settings=make_recipe(dump(given.settings)))
    if isinstance(given, Decode):
        checked = make_settings(DecodeSettings, dump(given.settings), "settings of decoding")
        return replace(given, settings=checked)
    if isinstance(given, Finetune):
        checked = make_settings(FinetuneSettings, dump(given.settings), "settings of finetune")
        return replace(given, settings=checked)
    return given
