"""The cost card: what the jobs took, and how fast people inspected."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from slumpmap.inventory.cost import benchmark_files, campaign_cost, read_benchmark
from slumpmap.vector import open_layer

_MB_PER_GB = 1024.0


def job_costs(benchmarks: Path) -> dict[str, Any] | None:
    """Time, memory and traffic of all jobs, step by step.

    Args:
        benchmarks: folder tree of Snakemake benchmark files.

    Returns:
        `wall_min` during which at least one job ran, `jobs_min` their sum, `peak_gb` of memory at a time (an upper
        bound), `read_gb` and `written_gb`, and `steps`: name, jobs, minutes, CPU minutes, peak GB of one job, GB read
        and written, the longest first; null where it was not measured. None where there is no benchmark.

    Raises:
        InputError: a file is no benchmark.
    """
    files = benchmark_files(benchmarks)
    if not files:
        return None
    jobs = pd.concat([_read(path) for path in files], ignore_index=True)
    steps = jobs.groupby("step").agg(
        jobs=("s", "size"),
        minutes=("s", lambda seconds: seconds.sum() / 60),
        cpu_min=("cpu_time", lambda seconds: seconds.sum(min_count=1) / 60),
        peak_gb=("max_rss", lambda sizes: sizes.max() / _MB_PER_GB),
        read_gb=("io_in", lambda sizes: sizes.sum(min_count=1) / _MB_PER_GB),
        written_gb=("io_out", lambda sizes: sizes.sum(min_count=1) / _MB_PER_GB),
    )
    steps = steps.reset_index().sort_values(["minutes", "step"], ascending=[False, True])
    whole = campaign_cost(benchmarks)
    return {
        "wall_min": round(whole.wall_s / 60, 2),
        "jobs_min": round(float(jobs["s"].sum()) / 60, 2),
        "jobs": len(jobs),
        "peak_gb": round(whole.peak_rss_mb / _MB_PER_GB, 3),
        "read_gb": _total(jobs["io_in"]),
        "written_gb": _total(jobs["io_out"]),
        "steps": [_plain(row) for row in steps.to_dict("records")],
    }


def _read(path: Path) -> pd.DataFrame:
    """The runs in one benchmark file; what an older Snakemake did not measure is null."""
    table = read_benchmark(path)
    # Batches and years of one step are one line.
    return table.assign(step=re.sub(r"(_\d+)+$", "", path.stem))


def _total(sizes: pd.Series) -> float | None:
    total = sizes.sum(min_count=1) / _MB_PER_GB
    return None if pd.isna(total) else round(float(total), 3)


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        key: value if isinstance(value, (str, int)) else None if pd.isna(value) else round(float(value), 3)
        for key, value in row.items()
    }


def review_rates(decisions: Mapping[tuple[int, str], Path]) -> list[dict[str, Any]]:
    """How much each reviewer inspected in each iteration, and how fast.

    Args:
        decisions: decision files by iteration and reviewer.

    Returns:
        Rows `iteration`, `reviewer`, `decided`, `timed` (candidates whose time is known), `hours`, and `per_hour`:
        candidates per hour of those timed; null where no time is known, as of simulated experts.

    Raises:
        InputError: a file is missing or unreadable.
    """
    return [
        {"iteration": number, "reviewer": name} | _rate(open_layer(path, "decision file"))
        for (number, name), path in sorted(decisions.items())
    ]


def _rate(rows: pd.DataFrame) -> dict[str, Any]:
    decided = rows[rows["is_slump"].notna()] if "is_slump" in rows else rows.iloc[:0]
    seconds = pd.to_numeric(decided["seconds"], errors="coerce") if "seconds" in decided else pd.Series(dtype=float)
    seconds = seconds[seconds > 0]
    if seconds.empty:
        return {"decided": len(decided), "timed": 0, "hours": None, "per_hour": None}
    hours = float(seconds.sum()) / 3600
    return {
        "decided": len(decided),
        "timed": len(seconds),
        "hours": round(hours, 6),
        "per_hour": round(len(seconds) / hours, 1),
    }
