"""What a command reads and writes, seen at the doors to disk while it runs.

Options name folders and catalogues; what was read of them shows only when it is read. Python's own `open` is seen by
an audit hook; what GDAL, Arrow and safetensors open is told by the doors (`raster`, `vector` and few others); what is
written is told by `files.atomic`. Where no command is recorded nothing is kept.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Beside the .shp these belong to a shapefile.
_SHAPEFILE = (".shx", ".dbf", ".prj", ".cpg")
# Opened so, a file is written, or a folder brings its names to the disk.
_NO_READING = os.O_WRONLY | os.O_RDWR | os.O_DIRECTORY


@dataclass
class Recording:
    """What one command did so far; paths as they were given, each once, in the order of their first use.

    Attributes:
        reads: files that were opened for reading, also those of Python itself.
        writes: files that took their name.
        folders: folders that are products as a whole.
        settings: settings with their values, defaults too.
    """

    reads: dict[str, None] = field(default_factory=dict)
    writes: dict[str, None] = field(default_factory=dict)
    folders: dict[str, None] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


# One command runs in a process; its threads share this, which a context variable would not give them.
_active: Recording | None = None
_hooked = False


@contextmanager
def recording() -> Iterator[Recording]:
    """Records what the block reads and writes."""
    global _active, _hooked
    if not _hooked:
        # It cannot be taken away again, and does nothing while no command is recorded.
        sys.addaudithook(_hear)
        _hooked = True
    before, _active = _active, Recording()
    try:
        yield _active
    finally:
        _active = before


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or _active is None:
        return
    path, mode, flags = arguments
    writes = set(mode) & set("wax+") if isinstance(mode, str) else (flags or 0) & _NO_READING
    if not writes and isinstance(path, str | bytes | os.PathLike):
        _active.reads.setdefault(os.fsdecode(path))


def read(paths: Iterable[Path | str]) -> None:
    """Tells of files that are read by other ways than Python's `open`."""
    if _active is None:
        return
    for path in map(Path, paths):
        beside = [path.with_suffix(suffix) for suffix in _SHAPEFILE] if path.suffix.lower() == ".shp" else []
        _active.reads.update(dict.fromkeys(map(str, [path, *beside])))


def wrote(path: Path) -> None:
    """Tells of a file that took its name."""
    if _active is not None:
        _active.writes.setdefault(str(path))


def wrote_folder(path: Path) -> None:
    """Tells of a folder that is one product, so that its files have no sidecars of their own."""
    if _active is not None:
        _active.folders.setdefault(str(path))


def used(settings: Mapping[str, Any]) -> None:
    """Tells of settings, with their values in force."""
    if _active is not None:
        _active.settings.update(settings)
