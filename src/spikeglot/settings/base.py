"""What all settings have in common: frozen, typed, unknown keys refused, and errors in words."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from spikeglot.errors import SettingsError, did_you_mean


class Settings(BaseModel):
    """Base of all settings: frozen, and a name that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


S = TypeVar("S", bound=Settings)


def files_in(*folder: str) -> tuple[str, ...]:
    """Return the names of the files in a folder of the package, with ``-`` for ``_``; nothing is imported.

    A scheme or an architecture is one file: it is known as soon as it is there.
    """
    names = (entry.name for entry in files("spikeglot").joinpath(*folder).iterdir())
    return tuple(sorted(n.removesuffix(".py").replace("_", "-") for n in names if n.endswith(".py") and n[0] != "_"))


def make_settings(kind: type[S], values: Mapping[str, Any], where: str = "settings") -> S:
    """Return settings of a ``kind`` from nested ``values``; what is not named keeps its default.

    Raises
    ------
    SettingsError
        A setting is unknown or has a wrong value (every one is named).
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_explain(problem, kind) for problem in error.errors())
        raise SettingsError(f"Cannot use the {where}: {problems}.") from error


def _explain(problem: Any, kind: type[BaseModel]) -> str:
    """Turn one pydantic problem into words, with a suggestion for an unknown name."""
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        suggestion = did_you_mean(str(problem["loc"][-1]), _known(problem["loc"][:-1], kind))
        return f"there is no setting '{place}'.{suggestion}".rstrip(".")
    message = problem["msg"].removeprefix("Value error, ")
    # our own checks look at a whole section and name its settings themselves
    return message if problem["type"] == "value_error" else f"{place}: {message} (got {problem['input']!r})"


def _known(loc: tuple[Any, ...], section: type[BaseModel]) -> tuple[str, ...]:
    """Names of the settings inside the section ``loc`` of ``section``."""
    for name in loc:
        section = section.model_fields[str(name)].annotation  # type: ignore[assignment]
    return tuple(section.model_fields)
