"""Runs commands as the workflow does, several at a time, and says what they cost; for the benchmarks beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

Command = Sequence[object]

# A process counts the memory of the one that started it until it runs its own program, so a small one starts it.
_STARTER = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.exit(status)
"""


@dataclass(frozen=True)
class Cost:
    """What commands cost.

    Args:
        wall: seconds that passed.
        cpu: seconds of the processor, all commands together.
        peak_mb: largest resident memory of one process, MB.
    """

    wall: float
    cpu: float
    peak_mb: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu, max(self.peak_mb, other.peak_mb))


def slumpmap(*arguments: object) -> list[object]:
    """The command line of a slumpmap command."""
    return [sys.executable, "-m", "slumpmap", *arguments]


def run(commands: Sequence[Command], workers: int = 1) -> Cost:
    """Runs commands, `workers` at a time, each with one thread; ends the program if one fails."""
    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        each = list(pool.map(_run_one, commands))
    wall = time.perf_counter() - started
    return Cost(wall, sum(cost.cpu for cost in each), max((cost.peak_mb for cost in each), default=0.0))


def run_rows(rows: Sequence[Sequence[Command]], workers: int) -> Cost:
    """Runs rows of commands, `workers` rows at a time; the commands of a row one after the other."""
    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        each = list(pool.map(run, rows))
    wall = time.perf_counter() - started
    return Cost(wall, sum(cost.cpu for cost in each), max((cost.peak_mb for cost in each), default=0.0))


def _run_one(command: Command) -> Cost:
    environment = os.environ | {"GDAL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    words = [sys.executable, "-c", _STARTER, *map(str, command)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nfailed:\n{done.stderr}")
    cpu, peak = map(float, done.stdout.split()[-2:])
    return Cost(0.0, cpu, peak)


def folder_mb(*paths: Path) -> float:
    """Size of files and folders, MB."""
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6
