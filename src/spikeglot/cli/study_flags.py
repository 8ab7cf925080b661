"""The words after ``spikeglot study``: the name of a study, then the flags of all studies and those that it has."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import field, make_dataclass, replace
from typing import Annotated, Any

import tyro
from tyro.conf import AvoidSubcommands, FlagCreatePairsOff, arg

from spikeglot.cli.arguments import Study
from spikeglot.cli.settings_flags import dump, flag_value, registry
from spikeglot.errors import SettingsError
from spikeglot.settings import load_recipe, make_recipe, make_settings
from spikeglot.studies.engine.budgets import with_budget
from spikeglot.studies.engine.study import known_studies, load_study

CONFIG = (AvoidSubcommands, FlagCreatePairsOff)


def parse_study(flags: Sequence[str]) -> Any:
    """Return the arguments of a study; its own settings are in ``own``.

    The recipe gives windows, the budget replaces its sizes and steps, and flags override both.

    Raises
    ------
    SettingsError
        No study of this name; a recipe or an override that is not valid.
    SystemExit
        ``--help`` (0), or flags that the study does not have (2); tyro has said why.
    """
    if not flags or flags[0].startswith("-"):
        return ask_for_name(flags)
    name, *flags = flags
    settings = load_study(name).settings
    own = Annotated[settings, arg(name="")]
    kind = make_dataclass("Study", [("own", own, field(default_factory=settings))], bases=(Study,), frozen=True)
    recipe, budget = flag_value(flags, "--recipe") or "mtm-ndt1", flag_value(flags, "--budget") or "small"
    given = tyro.cli(
        kind,
        args=list(flags),
        default=kind(name=name, recipe=recipe, settings=with_budget(load_recipe(recipe), budget)),  # type: ignore[call-arg]
        prog=f"spikeglot study {name}",
        description=f"{known_studies()[name]}\n\n{inspect.getdoc(Study)}",
        config=CONFIG,
        registry=registry,
    )
    checked = make_settings(settings, dump(given.own), f"settings of the study {name}")
    return replace(given, settings=make_recipe(dump(given.settings)), own=checked)


def ask_for_name(flags: Sequence[str]) -> Any:
    """Show the studies that there are, where help is asked for.

    Raises
    ------
    SettingsError
        It is not: a study must be named.
    """
    known = known_studies()
    if not {"-h", "--help"} & set(flags):
        raise SettingsError(f"Name a study first: spikeglot study NAME DATA... There are {', '.join(known)}.")
    width = max(map(len, known))
    lines = [f"  {name:<{width}}  {text}" for name, text in known.items()]
    return tyro.cli(
        Study,
        args=["--help"],
        prog="spikeglot study NAME",
        description="\n".join([str(inspect.getdoc(Study)), "", "NAME is one of:", *lines]),
        config=CONFIG,
        registry=registry,
    )
