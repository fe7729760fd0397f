"""Atomic files: a name that exists is a file that is whole, also after a power cut or on a full disk."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from slumpmap.errors import InputError
from slumpmap.sidecar import observed

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# GDAL tells of a full disk in words of its own. Where less than this is left, that was the reason.
_NOTHING_LEFT = 2**22
# What to do about a damaged file, which may be the user's or slumpmap's own.
REPLACE = "replace the file, or, if the workflow made it, remove it and run the workflow again"


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
    handle = os.open(path, os.O_RDONLY)
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
    if not os.access(there, os.W_OK | os.X_OK):
        remedy = "make the folder writable, or choose another one in the configuration"
        return InputError(path, f"cannot be written, {there} is read-only", remedy)
    left = shutil.disk_usage(there).free
    if numbers & _FULL or (left < _NOTHING_LEFT and not isinstance(error, InputError)):
        fault = f"cannot be written, the disk is full ({left / 2**20:.1f} MiB left)"
        return InputError(path, fault, "make room and run again; what is finished is kept")
    return None


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
        InputError: the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, f"not readable as JSON ({error})", REPLACE) from error
