"""What a study says of itself, and the studies that there are: one file each beside this folder."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from spikeglot.errors import SettingsError, did_you_mean
from spikeglot.settings import Recipe, Settings
from spikeglot.settings.base import files_in

if TYPE_CHECKING:
    import pandas as pd

    from spikeglot.data.sessions import Sessions
    from spikeglot.studies.engine.run import Plan

FOLDER = Path(__file__).resolve().parents[1]
HOW_TO_READ = (
    "Bits per spike against the test mean, mean over units (decoding: balanced accuracy, of traces R2); mean over "
    "sessions and seeds ± SD over seeds, ± SD over sessions (mean rank among the models, 1 the best)."
)


class NoSettings(Settings):
    """A study without settings of its own."""


class Asked(NamedTuple):
    """What a study is planned from: sessions in the order of their ids, recipe, seeds, baselines, own settings."""

    sessions: Sessions
    recipe: Recipe
    seeds: tuple[int, ...]
    baselines: tuple[str, ...]
    settings: Any


@dataclass(frozen=True)
class Study:
    """One study, as functions of plain data; none of them needs torch.

    Attributes
    ----------
    plan:
        The runs for what is asked.
    table:
        Score rows -> the table of the study, written as NAME.csv.
    show:
        The table -> the same for people: text in cells.
    findings:
        Score rows -> sentences that compare with what the paper reports.
    published:
        What the paper reports, with its source.
    draw:
        Score rows and a path -> the figure NAME.png, where there is one.
    how_to_read:
        What the numbers of the table are.
    settings:
        Settings that only this study has.
    """

    plan: Callable[[Asked], Plan]
    table: Callable[[pd.DataFrame], pd.DataFrame]
    show: Callable[[pd.DataFrame], pd.DataFrame]
    findings: Callable[[pd.DataFrame], list[str]]
    published: str
    draw: Callable[[pd.DataFrame, Path], Any] | None = None
    how_to_read: str = HOW_TO_READ
    settings: type[Settings] = NoSettings


def known_studies() -> dict[str, str]:
    """Return what every study is about, by name, without importing any."""
    return {name: _about((FOLDER / f"{name.replace('-', '_')}.py").read_text()) for name in files_in("studies")}


def _about(source: str) -> str:
    """The first line of what a file says of itself."""
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def load_study(name: str) -> Study:
    """Return a study by its name.

    Raises
    ------
    SettingsError
        There is no such study.
    """
    known = known_studies()
    if name not in known:
        raise SettingsError(
            f"There is no study '{name}'.{did_you_mean(name, known)} See spikeglot study --help for all."
        )
    return import_module(f"spikeglot.studies.{name.replace('-', '_')}").STUDY
