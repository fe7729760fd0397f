"""One run at a time in a folder, and no lock left behind by a killed one.

Snakemake's own lock files outlive a killed process, after which every run asks for `--unlock`. The lock of this
module is held by the process itself: the operating system drops it when the process ends, however it ends.
Whoever holds it may therefore remove Snakemake's lock files, since nobody else can be running.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO


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
