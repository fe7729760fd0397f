"""Atomic files: a name that exists is a file that is whole, also after a power cut or on a full disk."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from slumpmap import observed
from slumpmap.errors import InputError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# GDAL tells of a full disk in words of its own. Where less than this is left, that was the reason; where more is left,
# another process, which failed for the same reason, may have made room again by then.
_NOTHING_LEFT = 2**22
_WRITE_ERROR = "Write error"
# What to do about a damaged file, which may be the user's or slumpmap's own.
REPLACE = "replace the file, or, if the workflow made it, remove it and run the workflow again"

# GDAL's programs take a path with one of these for an address: a member of an archive, parameters, a query.
ADDRESS_MARKS = "!;?"
# File systems take 255 bytes; slumpmap writes beside some files under longer names.
_MOST_BYTES_OF_NAME = 240
# Values of a YAML file with its references written out. A campaign has some hundred.
_MOST_NODES = 100_000


@contextmanager
def atomic(path: Path, check: Callable[[Path], None] = lambda _: None) -> Iterator[Path]:
    """Yields a temporary name beside `path`; renames it to `path` when the block ends without an error.

    The temporary name keeps the suffix, since GDAL chooses drivers by it. What a killed process leaves
    behind starts with a dot and is never read. File and name are on the disk, not only in memory, when this ends.

    Args:
        path: the file to make; its folder is made where it is missing.
        check: looks at the finished file and raises OSError where it is not whole; `path` then stays as it was.

    Raises:
        InputError: the disk is full, or the folder cannot be written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.part{path.suffix}")
    try:
        make_folder(path.parent)
        yield temporary
        check(temporary)
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
        observed.wrote(path)
    except Exception as error:
        reason = _no_room(path, error)
        if reason is None:
            raise
        raise reason from error
    finally:
        # Where nothing can be written nothing can be removed either, not even what is not there.
        with suppress(OSError):
            temporary.unlink()


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it where they are missing, so that a power cut does not take them away."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        _sync(made.parent)


def check_writable(folder: Path) -> None:
    """Refuses a folder in which no file can be made; of one that is not there yet, the one above is looked at.

    Raises:
        InputError: it cannot be written to, or its disk is full.
    """
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    try:
        # A byte is written, since names can be made on a disk that is full.
        with tempfile.NamedTemporaryFile(dir=there, prefix=".writable.") as handle:
            handle.write(b"\0")
            handle.flush()
    except OSError as error:
        raise _no_room(there / "new", error) or error from error


def _sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY | (os.O_DIRECTORY if path.is_dir() else 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _no_room(path: Path, error: Exception) -> InputError | None:
    """What to say of an error, if the reason is the disk under `path`; None: it is another."""
    numbers: set[int | None] = set()
    cause: BaseException | None = error
    while cause is not None:
        numbers.add(getattr(cause, "errno", None))
        cause = cause.__cause__ or cause.__context__
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir():
        return InputError(path, f"cannot be written, {there} is a file where a folder should be", "move that file away")
    if not os.access(there, os.W_OK | os.X_OK):
        remedy = "make the folder writable, or choose another one in the configuration"
        return InputError(path, f"cannot be written, {there} is read-only", remedy)
    left = shutil.disk_usage(there).free
    if numbers & _FULL or ((left < _NOTHING_LEFT or _WRITE_ERROR in str(error)) and not isinstance(error, InputError)):
        now = "" if left < _NOTHING_LEFT or numbers & _FULL else " or was so a moment ago"
        fault = f"cannot be written, the disk is full{now} ({left / 2**20:.1f} MiB left)"
        return InputError(path, fault, "make room and run again; what is finished is kept")
    return None


def way_to(path: Path, folder: Path) -> str:
    """The relative way from a folder to a file, as documents that move together name it: `./x` or `../x`."""
    way = Path(os.path.relpath(path, folder)).as_posix()
    return way if way.startswith("../") else f"./{way}"


def write_text(path: Path, text: str) -> None:
    """Writes a text file atomically, UTF-8."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes JSON atomically, one key a line, with a final newline."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        InputError: the file is missing, is not JSON, or is nested beyond all sense.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, f"not readable as JSON ({error})", REPLACE) from error


def read_yaml(path: Path, what: str) -> Any:
    """Reads a YAML file, safely: plain values only, and no more of them than the file shows.

    Args:
        path: the file.
        what: what it is to the user (`configuration`), for the message.

    Raises:
        InputError: the file is missing, is not YAML, is nested beyond all sense, or refers to itself or over and over
            to its own parts, which would fill any memory ("billion laughs").
    """
    if not Path(path).exists():
        raise InputError(path, f"{what} is missing", "correct the path, or make the file")
    try:
        with Path(path).open(encoding="utf-8") as handle:
            text = handle.read()
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        if tree is not None and _size(tree, {}) > _MOST_NODES:
            raise ValueError(f"its references stand for more than {_MOST_NODES} values")
        return yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise InputError(path, f"{what} cannot be read ({error})", "correct the path or the YAML") from error


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Number of values that a node stands for once its references are written out; `known` are those under way, too."""
    number = id(node)
    if number in known:
        if known[number] == 0:
            raise ValueError("a part of it refers to itself")
        return known[number]
    known[number] = 0
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        parts = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        parts = node.value
    known[number] = 1 + sum(_size(part, known) for part in parts)
    return known[number]


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member of a ZIP that slumpmap wrote: stored as it is, so that none is larger than the file.

    Raises:
        KeyError: there is no such member.
        zipfile.BadZipFile: it is compressed, which may stand for any size, or damaged.
    """
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
        raise zipfile.BadZipFile("it is compressed, but slumpmap stores without compression")
    return archive.read(member)


def fault_of_path(path: Path) -> str | None:
    """Why a path cannot go through the whole workflow, in words that follow on its name; None where it can."""
    text = str(path)
    if not text.isprintable():
        return "holds a line break or another character that cannot be seen"
    # Snakemake takes braces for places to fill, quoted or not.
    if "{" in text or "}" in text:
        return "holds a brace, { or }"
    if any(mark in text for mark in ADDRESS_MARKS):
        return "holds one of ! ; ?, which GDAL takes for parts of an address"
    if any(len(part.encode()) > _MOST_BYTES_OF_NAME for part in path.parts):
        return f"has a name of more than {_MOST_BYTES_OF_NAME} bytes"
    return None
