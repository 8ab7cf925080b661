"""Settings as flags: ``window.stop_s`` of a recipe is ``--window.stop-s`` in the shell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, get_args

from pydantic.fields import FieldInfo
from tyro.conf import FlagConversionOff, arg
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructFieldSpec, StructTypeInfo

from spikeglot.settings import Settings

registry = ConstructorRegistry()


@registry.struct_rule
def settings_rule(info: StructTypeInfo) -> StructConstructorSpec | None:
    """Tell tyro to fill settings without checking them.

    `spikeglot.settings.make_recipe` checks them afterwards, in the words that it has for recipes. Switches take a
    value, as in a recipe: ``--mask.prompted False``.
    """
    if not (isinstance(info.type, type) and issubclass(info.type, Settings)):
        return None
    fields = [
        StructFieldSpec(name=name, type=_flag_type(field), default=getattr(info.default, name), helptext=_help(field))
        for name, field in info.type.model_fields.items()
    ]
    return StructConstructorSpec(instantiate=_construct(info.type), fields=tuple(fields))


def _construct(section: type[Settings]) -> Callable[..., Settings]:
    def construct(**values: Any) -> Settings:
        return section.model_construct(**values)

    construct.__doc__ = section.__doc__  # which --help prints above the flags of a section
    return construct


def _flag_type(field: FieldInfo) -> Any:
    if field.annotation is bool:
        return Annotated[bool, FlagConversionOff]
    options = get_args(field.annotation)
    if type(None) in options:
        (given,) = (option for option in options if option is not type(None))
        choices = get_args(given)
        metavar = "{" + ",".join(choices) + "}" if choices else given.__name__.upper()
        return Annotated[field.annotation, arg(metavar=metavar, help_behavior_hint="")]
    return field.annotation


def _help(field: FieldInfo) -> str:
    is_section = isinstance(field.annotation, type) and issubclass(field.annotation, Settings)
    return (field.annotation.__doc__ if is_section else field.description) or ""


def dump(settings: Any) -> dict[str, Any]:
    """Return settings that nobody has checked yet as plain values."""
    return settings.model_dump(warnings=False)


def flag_value(flags: Sequence[str], name: str) -> str | None:
    """Return what follows ``name`` (or ``name=``) among the flags, where it was given last."""
    value = None
    for i, flag in enumerate(flags):
        if flag == name and i + 1 < len(flags):
            value = flags[i + 1]
        elif flag.startswith(name + "="):
            value = flag.split("=", 1)[1]
    return value
