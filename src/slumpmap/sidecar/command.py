"""Commands that write sidecars: each that makes files by `--out` leaves one beside every file it made."""

from __future__ import annotations

import functools
import os
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

import slumpmap
from slumpmap import observed
from slumpmap.sidecar.digest import content_of, known_contents
from slumpmap.sidecar.form import UNKNOWN, Content, Run, Sidecar, absolute, sidecar_path, write_sidecar
from slumpmap.sidecar.software import software

# A package that people edit in QGIS and hand back, and the reference in the repository: neither is a product.
LEFT_OUT = ("review-export", "config-reference")
_ARGUMENTS = "slumpmap.arguments"
_CREDENTIAL = re.compile(r"key|token|secret|passw|credential|signature|\bsig\b", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s]+(?=@)|(?<=[?&])([^=&\s]+)=([^&\s]+)")
HIDDEN = "***"


class RecordedGroup(click.Group):
    """The group of all commands; keeps the arguments as they were given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keeps a copy of the arguments for the sidecars."""
        ctx.meta[_ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)


def record(group: click.Group) -> None:
    """Lets every command below a group that makes files write their sidecars."""
    for name, command in _commands(group):
        makes = any(option.startswith("--out") for parameter in command.params for option in parameter.opts)
        if makes and name not in LEFT_OUT and command.callback is not None:
            command.callback = _recorded(command.callback)


def _commands(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command)
        else:
            yield name, command


def _recorded(callback: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(callback)
    def run(*args: Any, **values: Any) -> Any:
        context = click.get_current_context()
        arguments = context.meta.get(_ARGUMENTS)
        if arguments is None:
            # A room's commands called by themselves: there is no command line to repeat.
            return callback(*args, **values)
        started, clock = datetime.now(UTC), time.monotonic()
        with observed.recording() as recording:
            result = callback(*args, **values)
        settings = {name: _plain(value) for name, value in context.params.items()} | recording.settings
        # What was named counts, also where the settings made it needless to look inside.
        recording.reads.update(dict.fromkeys(path for value in context.params.values() for path in _paths(value)))
        facts = _Facts(
            without_credentials(arguments),
            _without_values(settings),
            started,
            round(time.monotonic() - clock, 3),
        )
        write_sidecars(recording, facts)
        return result

    return run


@dataclass(frozen=True)
class _Facts:
    """What is known of a run beside its files: arguments, settings, start in UTC, duration."""

    command: Sequence[str]
    settings: Mapping[str, Any]
    started: datetime
    seconds: float


def write_sidecars(recording: observed.Recording, facts: _Facts) -> None:
    """Writes the sidecars of all products of a run; a run that made nothing leaves none."""
    base = Path.cwd()
    folders = {absolute(base, path) for path in recording.folders}
    files = {absolute(base, path) for path in recording.writes}
    # Sidecars are written too, where one gets a new time.
    files = {path for path in files if path.name[:1] != "." and path.is_file() and folders.isdisjoint(path.parents)}
    products = sorted(folders | files)
    if not products:
        return
    read = sorted(map(Path, filter(_is_input, {os.path.normpath(base / path) for path in recording.reads})))
    inputs = [path for path in read if path not in files and folders.isdisjoint(path.parents)]
    run = Run(
        id=uuid.uuid4().hex,
        folder="",
        command=facts.command,
        settings=facts.settings,
        inputs=_contents(base, inputs, facts.started),
        products=[_shown(base, path) for path in products],
        software=software(),
        started=facts.started.isoformat(timespec="milliseconds"),
        seconds=facts.seconds,
    )
    for product in products:
        here = replace(run, folder=os.path.relpath(base, product.parent))
        write_sidecar(Sidecar(product, product in folders, content_of(product), here))


def _contents(base: Path, inputs: Sequence[Path], started: datetime) -> dict[str, Content]:
    """The content of each input by its path; what somebody changed since the start is not what was read for sure."""
    found = {}
    for path, content in known_contents(inputs).items():
        # Products change by jobs alone, which wait for each other; their times may come from another machine's clock.
        late = content.mtime_ns > started.timestamp() * 1e9 and not sidecar_path(path).exists()
        found[_shown(base, path)] = replace(content, sha256=UNKNOWN) if late else content
    return found


def _shown(base: Path, path: Path) -> str:
    """A path below the folder of the run without that folder; others, such as a user's data, as they are."""
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()


@functools.cache
def _not_data() -> tuple[str, ...]:
    """Where programs, libraries, fonts, devices and caches lie, which are no inputs."""
    home = Path.home()
    places: list[str | Path] = [sys.prefix, sys.base_prefix, Path(slumpmap.__file__).parent]
    places += [home / ".cache", home / ".config", "/usr", "/etc", "/proc", "/sys", "/dev"]
    places += [os.environ[name] for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR") if name in os.environ]
    return tuple(f"{Path(place)}{os.sep}" for place in places)


def _is_input(path: str) -> bool:
    # As text first: a library is thousands of files. Names with a dot are temporary or sidecars.
    return not path.startswith(_not_data()) and f"{os.sep}." not in path[path.rfind(os.sep) :] and Path(path).is_file()


def _paths(value: Any) -> list[str]:
    """The paths in the value of an option."""
    if isinstance(value, tuple | list):
        return [path for item in value for path in _paths(item)]
    return [str(value)] if isinstance(value, Path) else []


def _plain(value: Any) -> Any:
    """A value of an option as JSON takes it."""
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def without_credentials(arguments: Sequence[str]) -> list[str]:
    """The arguments with `***` for the values of options that are named like credentials, and in addresses."""
    shown, hide = [], False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        secret = name.startswith("--") and _CREDENTIAL.search(name) is not None
        if hide:
            shown.append(HIDDEN)
        elif secret and equals:
            shown.append(f"{name}={HIDDEN}")
        else:
            shown.append(_IN_ADDRESS.sub(_hide_in_address, argument) if "://" in argument else argument)
        hide = secret and not equals and not hide
    return shown


def _hide_in_address(found: re.Match[str]) -> str:
    name = found.group(1)
    if name is None:
        return HIDDEN
    return f"{name}={HIDDEN}" if _CREDENTIAL.search(name) else found.group(0)


def _without_values(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with the values of those hidden that are named like credentials."""

    def shown(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shown(key, item) for key, item in value.items()}
        if isinstance(value, str) and "://" in value:
            return _IN_ADDRESS.sub(_hide_in_address, value)
        return HIDDEN if value is not None and _CREDENTIAL.search(name) else value

    return {name: shown(name, value) for name, value in settings.items()}
