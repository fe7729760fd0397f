"""SHA-256 of files and folders, computed once where nothing changed since."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from slumpmap.errors import InputError
from slumpmap.files import read_json, write_json
from slumpmap.sidecar.form import Content, read_sidecar, sidecar_path, write_sidecar

# Files below this size are hashed again faster than their hash is looked up; bytes.
_WORTH_KEEPING = 8 << 20
_THREADS = 4


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal, read in blocks.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "correct its permissions") from error


def content_of(path: Path) -> Content:
    """What a file or a folder holds, computed from its bytes.

    Raises:
        InputError: a file cannot be read.
    """
    # Before the hash: what changes while it is computed must not look known.
    facts = size_and_time(path)
    if not path.is_dir():
        return Content(sha256(path), *facts)
    digest = hashlib.sha256()
    for file in files_in(path):
        digest.update(os.fsencode(file.relative_to(path).as_posix()) + b"\0" + sha256(file).encode() + b"\n")
    return Content(digest.hexdigest(), *facts)


def size_and_time(path: Path) -> tuple[int, int]:
    """Bytes and time of the last change, ns; of a folder, those of its files together and of the latest one."""
    facts = [file.stat() for file in files_in(path)] if path.is_dir() else [path.stat()]
    return sum(fact.st_size for fact in facts), max((fact.st_mtime_ns for fact in facts), default=0)


def files_in(folder: Path) -> list[Path]:
    """The files of a folder and of those below it, without hidden ones, in the order of their names."""
    found = []
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(top) / name for name in names if not name.startswith(".")]
    return sorted(found)


def known_content(path: Path) -> Content:
    """What a file or a folder holds; not computed again where a sidecar or the cache knows it by size and time.

    Snakemake touches what a job made, after the job: a large product whose time changed and whose content did not gets
    its new time noted in its sidecar. Small ones are left alone: beside people's decisions nothing is ever written.

    Raises:
        InputError: the file cannot be read.
    """
    facts = size_and_time(path)
    sidecar = None
    if sidecar_path(path).is_file():
        # A broken one helps nobody here; `slumpmap verify` reports it.
        with suppress(InputError):
            sidecar = read_sidecar(sidecar_path(path))
    if sidecar is not None and (sidecar.content.bytes, sidecar.content.mtime_ns) == facts:
        return sidecar.content
    kept = _cache_file(path) if sidecar is None and facts[0] >= _WORTH_KEEPING else None
    recalled = _recall(kept, facts)
    found = recalled or content_of(path)
    if sidecar is not None and sidecar.content.sha256 == found.sha256 and facts[0] >= _WORTH_KEEPING:
        # A folder that may not be written to costs a second computation later, nothing else.
        with suppress(OSError, InputError):
            write_sidecar(replace(sidecar, content=found))
    if kept is not None and recalled is None:
        with suppress(OSError, InputError):
            write_json(kept, asdict(found))
    return found


def known_contents(paths: Iterable[Path]) -> dict[Path, Content]:
    """`known_content` of several files, several at a time."""
    listed = list(paths)
    with ThreadPoolExecutor(_THREADS) as pool:
        return dict(zip(listed, pool.map(known_content, listed), strict=True))


def _cache_file(path: Path) -> Path:
    """Where the hash of a large file that nobody made is kept: in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()
    return Path(home) / "slumpmap" / "hashes" / f"{name}.json"


def _recall(kept: Path | None, facts: tuple[int, int]) -> Content | None:
    if kept is None or not kept.is_file():
        return None
    try:
        content = Content(**read_json(kept))
    except (InputError, TypeError):
        return None
    return content if (content.bytes, content.mtime_ns) == facts else None
