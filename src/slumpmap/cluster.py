"""Jobs on a SLURM cluster: those of dead runs and how to get rid of them, and what it costs to queue one.

Snakemake gives all SLURM jobs of a run one name, the run's id, and writes it into its log. When the main process is
killed its jobs go on by themselves: a run that started beside them would submit the same work again, and two jobs
would write one file.
"""

from __future__ import annotations

import csv
import math
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slumpmap.errors import InputError
from slumpmap.files import write_text

_RUN_ID = re.compile(r"^SLURM run ID: ([0-9a-f-]{36})$", re.MULTILINE)
# The id stands at the top of a log, which may be long.
_LOG_HEAD = 2**20
_RETRY_S = 2.0
# Files with the costs of jobs that handle a batch of tiles: stage, number of the batch, perhaps a year.
_BATCH_COSTS = re.compile(r"([a-z_]+)_\d{3}(?:_\d{4})?\.tsv")
# What a job costs beside its work: queueing, Snakemake started twice, and noticing that it has ended; measured.
QUEUE_S = 15.0
QUEUE_SHARE = 0.1
_UNANSWERED = "SLURM's controller does not answer, so that nobody knows whether jobs of an earlier run go on here"


@dataclass(frozen=True)
class Job:
    """A SLURM job that has not ended.

    Attributes:
        id: its number.
        state: SLURM's word for its state, such as RUNNING.
        run: id of the Snakemake run that submitted it.
        rule: what Snakemake says that it does.
        elapsed: time since it started, in SLURM's notation.
    """

    id: str
    state: str
    run: str
    rule: str
    elapsed: str


@dataclass(frozen=True)
class StageOverhead:
    """What queueing costs the jobs of a stage.

    Attributes:
        stage: name of the stage, such as `infer`.
        jobs: how many of its jobs have run.
        seconds: median time of one at work.
        share: part of a job's whole time that queueing takes, 0 to 1.
        tiles: tiles per job from which that is `QUEUE_SHARE` at most, if time grows with the tiles.
    """

    stage: str
    jobs: int
    seconds: float
    share: float
    tiles: int


def queue_overhead(costs: Path, tiles_per_job: int, tiles_per_inference: int) -> list[StageOverhead]:
    """What queueing costs, or would cost on a cluster, each stage that works on batches of tiles.

    Args:
        costs: the campaign's folder of benchmarks, which Snakemake writes.
        tiles_per_job: tiles that one job handled.
        tiles_per_inference: the same for inference.

    Raises:
        InputError: there is no cost of any such job.
    """
    times: dict[str, list[float]] = {}
    for file in sorted(costs.rglob("*.tsv")):
        match = _BATCH_COSTS.fullmatch(file.name)
        if match:
            with file.open() as lines:
                times.setdefault(match[1], []).extend(float(row["s"]) for row in csv.DictReader(lines, delimiter="\t"))
    if not times:
        raise InputError(costs, "no job on a batch of tiles has left its costs here", "run the campaign first")
    found = []
    for stage, seconds in sorted(times.items()):
        median = float(np.median(seconds))
        needed = QUEUE_S * (1 - QUEUE_SHARE) / QUEUE_SHARE
        now = tiles_per_inference if stage == "infer" else tiles_per_job
        tiles = math.ceil(now * needed / max(median, 0.001))
        found.append(StageOverhead(stage, len(seconds), median, QUEUE_S / (QUEUE_S + median), tiles))
    return found


def open_runs(folder: Path) -> list[str]:
    """Ids of the SLURM runs of a working folder of which it is not yet known that all their jobs have ended.

    Args:
        folder: the folder in which snakemake runs.
    """
    settled = _settled_file(folder)
    known = set(settled.read_text().split()) if settled.exists() else set()
    found: dict[str, None] = {}
    for log in sorted((folder / ".snakemake" / "log").glob("*.snakemake.log")):
        with log.open(errors="replace") as lines:
            found |= dict.fromkeys(_RUN_ID.findall(lines.read(_LOG_HEAD)))
    return [run for run in found if run not in known]


def orphans(folder: Path) -> list[Job]:
    """Jobs of earlier runs in a working folder that have not ended; only to be asked while no run goes on there.

    Runs without any are noted, so that SLURM is not asked about them again.

    Args:
        folder: the folder in which snakemake runs.

    Raises:
        InputError: there were runs on SLURM, and SLURM does not answer.
    """
    runs = open_runs(folder)
    if not runs:
        return []
    jobs = _active_jobs(folder, runs)
    alive = {job.run for job in jobs}
    _settle(folder, [run for run in runs if run not in alive])
    return jobs


def refuse_orphans(folder: Path) -> None:
    """Refuses to start a run beside the jobs of a dead one.

    Args:
        folder: the folder in which snakemake runs, claimed by this process.

    Raises:
        InputError: jobs of an earlier run go on, or SLURM does not say.
    """
    jobs = orphans(folder)
    if jobs:
        numbers = ", ".join(job.id for job in jobs)
        remedy = "run `slumpmap cluster recover`, which cancels them or waits for them"
        raise InputError(folder, f"{len(jobs)} SLURM jobs of an earlier run go on here ({numbers})", remedy)


def cancel(folder: Path, jobs: Sequence[Job], patience_s: float) -> None:
    """Cancels jobs, and returns when they have ended.

    Args:
        folder: the working folder, for messages.
        jobs: the jobs.
        patience_s: how long they may take to end, seconds.

    Raises:
        InputError: SLURM does not answer, or a job does not end.
    """
    if jobs:
        done = subprocess.run(["scancel", *(job.id for job in jobs)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError(folder, f"scancel failed: {done.stderr.strip()}", "try again when SLURM answers")
    wait(folder, jobs, patience_s)


def wait(folder: Path, jobs: Sequence[Job], patience_s: float | None = None) -> None:
    """Returns when jobs have ended. A controller that is away is waited for too.

    Args:
        folder: the working folder, for messages.
        jobs: the jobs.
        patience_s: how long that may take, seconds; None: as long as it takes.

    Raises:
        InputError: a job has not ended in time.
    """
    numbers, runs = {job.id for job in jobs}, sorted({job.run for job in jobs})
    start = time.monotonic()
    while numbers:
        try:
            numbers &= {job.id for job in _active_jobs(folder, runs)}
        except InputError:
            # Not known is not ended.
            if patience_s is None:
                time.sleep(_RETRY_S)
                continue
            raise
        if patience_s is not None and numbers and time.monotonic() - start > patience_s:
            fault = f"SLURM jobs {', '.join(sorted(numbers))} have not ended in {patience_s:g} s"
            raise InputError(folder, fault, "look with `squeue`, and try again")
        if numbers:
            time.sleep(_RETRY_S)


def _settled_file(folder: Path) -> Path:
    """Where the ids of runs stand whose jobs have all ended."""
    return folder / ".snakemake" / "slumpmap_ended_runs.txt"


def _settle(folder: Path, runs: Sequence[str]) -> None:
    """Notes that all jobs of some runs have ended."""
    if runs:
        file = _settled_file(folder)
        before = file.read_text() if file.exists() else ""
        write_text(file, before + "".join(f"{run}\n" for run in runs))


def _active_jobs(folder: Path, runs: Sequence[str]) -> list[Job]:
    """Jobs of some runs that SLURM holds to be waiting, running or ending."""
    if shutil.which("squeue") is None:
        remedy = f"start from a machine of the cluster, or, if no job is left, put the run ids ({', '.join(runs)}) into"
        raise InputError(
            folder, "earlier runs here used SLURM, which this machine lacks", f"{remedy} {_settled_file(folder)}"
        )
    ask = ["squeue", "--noheader", f"--name={','.join(runs)}", "--format=%i|%T|%j|%M|%k"]
    done = subprocess.run(ask, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(folder, _UNANSWERED, "try again when `squeue` works")
    rows = [line.split("|", 4) for line in done.stdout.splitlines() if line]
    return [Job(number, state, run, rule, elapsed) for number, state, run, elapsed, rule in rows]
