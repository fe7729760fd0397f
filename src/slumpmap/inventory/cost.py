"""What a campaign cost: time and memory from the benchmark files that Snakemake writes."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slumpmap.errors import InputError


@dataclass(frozen=True)
class Job:
    """A job's interval and memory.

    Args:
        start: seconds since the epoch.
        end: seconds since the epoch.
        rss_mb: peak resident memory, MB; 0 where it was not measured (jobs shorter than the sampling).
    """

    start: float
    end: float
    rss_mb: float


@dataclass(frozen=True)
class Cost:
    """Time during which at least one job ran, seconds, and an upper bound of the memory in use at a time, MB."""

    wall_s: float
    peak_rss_mb: float


def campaign_cost(benchmarks: Path) -> Cost:
    """The cost of all jobs whose benchmark files lie under a folder.

    A job ends when its file is written (its modification time) and began `s` seconds before. Pauses, such as
    people's inspection between two runs, do not count.

    Args:
        benchmarks: folder tree of Snakemake benchmark files, `*.tsv`.

    Raises:
        InputError: a file is no benchmark.
    """
    jobs = [job for path in sorted(Path(benchmarks).rglob("*.tsv")) for job in _read(path)]
    return Cost(union_length([(job.start, job.end) for job in jobs]), peak_memory(jobs))


def union_length(intervals: list[tuple[float, float]]) -> float:
    """Length of the union of intervals (start, end)."""
    length, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        length += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return length


def peak_memory(jobs: list[Job]) -> float:
    """Largest sum of the peaks of jobs that ran at the same time, MB; a job that ends frees before one starts."""
    changes = [(job.start, job.rss_mb) for job in jobs] + [(job.end, -job.rss_mb) for job in jobs]
    used = peak = 0.0
    for _, change in sorted(changes):
        used += change
        peak = max(peak, used)
    return peak


def _read(path: Path) -> Iterator[Job]:
    """The runs in one benchmark file, the last of which ended when it was written."""
    end = path.stat().st_mtime
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    for row in reversed(rows):
        if "s" not in row or "max_rss" not in row:
            raise InputError(path, "not a Snakemake benchmark file", "remove it from the folder of benchmarks")
        duration = _number(row["s"])
        yield Job(end - duration, end, _number(row["max_rss"]))
        end -= duration


def _number(text: str | None) -> float:
    """A measured value; 0 for the marks of an unmeasured one (`-`, `NA`)."""
    return 0.0 if text in (None, "", "-", "NA", "nan") else float(text)
