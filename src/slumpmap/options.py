"""Settings as command-line options: one definition serves the YAML file, the rules and the commands.

`with_settings(Model)` gives a click command one option per key of a section; `as_options(settings)`
writes the options that reproduce a section, for the shell command of a rule.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import click
from pydantic import ValidationError

from slumpmap import observed
from slumpmap.errors import InputError
from slumpmap.settings.base import Settings

Model = TypeVar("Model", bound=Settings)
Command = TypeVar("Command", bound=Callable[..., Any])

_SEPARATOR = ","


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(get_origin(part) is tuple for part in get_args(annotation))


def _is_plain_list(annotation: Any) -> bool:
    """Whether the setting is a list that cannot be null."""
    return get_origin(annotation) is tuple


def _kind(annotation: Any) -> str:
    """What a value looks like, for `--help`."""
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    names = {bool: "true|false", int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}
    parts = [part for part in get_args(annotation) if part is not type(None)]
    return names.get(annotation) or (_kind(parts[0]) if len(parts) == 1 else "TEXT")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def with_settings(model: type[Model]) -> Callable[[Command], Command]:
    """Decorates a click command with the options of a settings model; it receives `settings`.

    The values are validated by the model itself, so that a command refuses exactly what the
    configuration refuses.
    """

    def decorate(function: Command) -> Command:
        def wrapper(*args: Any, **values: Any) -> Any:
            given = {name: values.pop(name) for name in model.model_fields}
            settings = validated(model, given)
            observed.used(settings.model_dump(mode="json"))
            return function(*args, settings=settings, **values)

        wrapper.__name__, wrapper.__doc__ = function.__name__, function.__doc__
        wrapper.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
        for name, info in reversed(model.model_fields.items()):
            default = None if info.is_required() else info.get_default(call_default_factory=True)
            shown = "" if info.is_required() else f" [default: {_text(default) or 'none'}]"
            option = click.option(
                _flag(name),
                name,
                default=None,
                required=info.is_required(),
                metavar=_kind(info.annotation),
                help=f"{info.description}{shown}",
            )
            wrapper = option(wrapper)
        return wrapper  # type: ignore[return-value]

    return decorate


def validated(model: type[Model], given: dict[str, str | None]) -> Model:
    """A section made from option texts; a missing option takes its default, an empty one is null, or no items.

    Raises:
        InputError: the model refuses a value.
    """
    values: dict[str, Any] = {}
    for name, text in given.items():
        if text is None:
            continue
        if text == "":
            values[name] = () if _is_plain_list(model.model_fields[name].annotation) else None
        elif _is_list(model.model_fields[name].annotation):
            values[name] = text.split(_SEPARATOR)
        else:
            values[name] = text
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "options"
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(_flag(name), message, "correct the option, see --help") from None


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple | list):
        return _SEPARATOR.join(_text(item) for item in value)
    return str(value)


def as_options(settings: Settings, only: Iterable[str] | None = None) -> str:
    """The command-line options that reproduce `settings`, quoted for the shell.

    Args:
        settings: a section of the configuration, or any model whose fields are a subset of it.
        only: names of the keys to write; None writes all.
    """
    names = type(settings).model_fields if only is None else only
    return " ".join(f"{_flag(name)}={shlex.quote(_text(getattr(settings, name)))}" for name in names)
