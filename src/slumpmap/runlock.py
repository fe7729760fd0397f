"""One run at a time in a folder, and no lock left behind by a killed one.

Snakemake's own lock files outlive a killed process, after which every run asks for `--unlock`. The lock of this
module is held by the process itself: the operating system drops it when the process ends, however it ends.
Whoever holds it may therefore remove Snakemake's lock files, since nobody else can be running.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from slumpmap.errors import InputError
from slumpmap.files import check_writable

# Options with which snakemake tells about a workflow and runs no job; `-n` may stand among other letters (`-np`).
_LOOKS = re.compile(
    r"-[npkFqSD]*[nSD][npkFqSD]*|--(dry-?run|(detailed-)?summary|lint|list.*|dag|rulegraph|filegraph|d3dag|report)(=.*)?"
)


def looks_only(arguments: Iterable[str]) -> bool:
    """Whether a snakemake command line asks for information alone, which may be had beside a run."""
    return any(_LOOKS.fullmatch(argument) for argument in arguments)


def enter(folder: Path, arguments: Iterable[str]) -> IO[bytes] | None:
    """Claims a working folder for a snakemake command, or refuses the command before it has done anything.

    Args:
        folder: the folder in which snakemake runs.
        arguments: its command line. One that only looks is never refused.

    Returns:
        The open lock file, which holds the claim for as long as it is not closed; None for a command that looks.

    Raises:
        InputError: another run is at work, or the folder cannot be written to.
    """
    if looks_only(arguments):
        # Locks of a killed run would refuse a report; a folder that only may be read has none to remove.
        with suppress(OSError):
            if idle := claim(folder):
                idle.close()
        return None
    check_writable(folder)
    held = claim(folder)
    if held is None:
        raise InputError(
            folder,
            "another run is at work in this folder",
            "wait until it has ended, or stop it; `snakemake -n` may look on meanwhile",
        )
    return held


def claim(folder: Path) -> IO[bytes] | None:
    """Claims a working folder for this process, and removes Snakemake locks that a killed run left there.

    Args:
        folder: the folder in which snakemake runs.

    Returns:
        The open lock file, which holds the claim for as long as it is not closed; None if another process
        holds it, whose locks are then left alone.
    """
    state = folder / ".snakemake"
    state.mkdir(exist_ok=True)
    handle = (state / "slumpmap.lock").open("ab")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        return None
    for stale in (state / "locks").glob("*.lock"):
        stale.unlink()
    return handle
