"""Files that seem to come from the future, as a clock that was set back leaves them.

Snakemake refuses a job's output that is older than the job's input, and runs again what is older than its input. A
file from the future would therefore fail every job that reads it, after the work is done, until the clock has caught
up with it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from slumpmap.errors import InputError

# Clocks of file servers differ by less.
_TOLERANCE_S = 2.0


def refuse_future(brought: Iterable[Path]) -> None:
    """Refuses files of the user that were changed in the future; those that are missing are passed over.

    Args:
        brought: files and folders.

    Raises:
        InputError: the first of them.
    """
    now = time.time()
    for path in brought:
        if path.exists() and path.stat().st_mtime > now + _TOLERANCE_S:
            moment = datetime.fromtimestamp(path.stat().st_mtime).isoformat(" ", "seconds")
            fault = f"was changed in the future ({moment}), so that every result would be older than it"
            raise InputError(path, fault, "set the clock right, or `touch` the file")


def bring_to_now(folder: Path) -> int:
    """Gives files of a results folder that were made in the future the present time, all of them the same.

    None of them is then older than another; what was made after the clock was set back is older than they are, and
    is made again once where Snakemake cannot tell by its checksum that nothing changed.

    Returns:
        How many there were.
    """
    now = time.time()
    late = [entry for entry in _files(folder) if entry.stat(follow_symlinks=False).st_mtime > now + _TOLERANCE_S]
    for entry in late:
        os.utime(entry.path, (now, now), follow_symlinks=False)
    return len(late)


def _files(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    """All files below a folder, which need not exist."""
    if not Path(folder).is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry
