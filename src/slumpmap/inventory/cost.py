"""What a campaign cost: time and memory from the benchmark files that Snakemake writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from slumpmap.tables import read_csv


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
    jobs = [job for path in benchmark_files(benchmarks) for job in _read(path)]
    return Cost(union_length([(job.start, job.end) for job in jobs]), peak_memory(jobs))


def benchmark_files(folder: Path) -> list[Path]:
    """The benchmark files below a folder, but those that a power cut emptied: Snakemake does not wait for the disk."""
    return sorted(path for path in Path(folder).rglob("*.tsv") if path.stat().st_size)


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
    measured = read_benchmark(path)[["s", "max_rss"]].fillna(0.0)
    for duration, rss_mb in reversed(measured.to_numpy().tolist()):
        yield Job(end - duration, end, rss_mb)
        end -= duration


def read_benchmark(path: Path) -> pd.DataFrame:
    """Seconds `s`, `max_rss` (MB), `io_in`, `io_out` (MB), `cpu_time` of the runs in a benchmark file, float64.

    What was not measured, or what an older Snakemake does not measure, is NaN.

    Raises:
        InputError: the file is no benchmark.
    """
    table = read_csv(path, numbers=("s", "max_rss"), what="benchmark", sep="\t", na_values=["-", "NA"])
    wanted = ("s", "max_rss", "io_in", "io_out", "cpu_time")
    numbers: pd.DataFrame = table.reindex(columns=wanted).apply(pd.to_numeric, errors="coerce").astype("float64")
    return numbers
