"""How long Snakemake takes to build the DAG of the whole corridor, and to see what is done already.

    python benchmarks/dag.py [--area-km2 54000] [--iterations 8] [--json FILE]

config/qtec.yaml runs on a corridor of that size that the generator makes without pixels. Nothing is computed: the
outputs of each iteration are made as empty files, and noted as done by `snakemake --touch`, with parameters, inputs
and code of each job, as after a real run. For each iteration it prints

    to do     a dry run before it, the earlier ones being done: jobs up to its checkpoint, seconds, peak memory
    done      a dry run after it, in which only what follows the iterations is left

and in the end a dry run in which everything is done. Seconds are wall seconds of the whole command.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from slumpmap.config import grid_of, read_config
from slumpmap.demo.survey import make_survey
from slumpmap.files import write_json

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "config/qtec.yaml"
_TOTAL = re.compile(r"^total\s+(\d+)", re.MULTILINE)
# Memory and seconds of the processor of the command, from a small process, which counts nothing of its own.
_STARTER = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[2:], stdout=open(sys.argv[1], "w"), stderr=subprocess.STDOUT).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss / 1024, used.ru_utime + used.ru_stime)
sys.exit(status)
"""


@dataclass(frozen=True)
class Look:
    """A dry run.

    Args:
        what: which.
        jobs: jobs that it wants to run.
        seconds: of the whole command.
        cpu_s: of the processor.
        peak_mb: largest resident memory.
    """

    what: str
    jobs: int
    seconds: float
    cpu_s: float
    peak_mb: float


def snakemake(folder: Path, *arguments: str) -> tuple[str, float, float, float]:
    """Runs snakemake in a folder; returns what it said, seconds, those of the processor, and peak memory in MB."""
    said = folder / "said.txt"
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", CONFIG, *arguments]
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _STARTER, str(said), *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"snakemake failed:\n{said.read_text()[-3000:]}\n{done.stderr}")
    peak, cpu = map(float, done.stdout.split())
    return said.read_text(), seconds, cpu, peak


def look(folder: Path, what: str) -> Look:
    """A dry run, printed."""
    said, seconds, cpu, peak = snakemake(folder, "--dry-run")
    total = _TOTAL.search(said)
    found = Look(what, int(total[1]) if total else 0, round(seconds, 2), round(cpu, 2), round(peak, 1))
    took = f"{found.seconds:8.1f} s, processor {found.cpu_s:7.1f} s, {found.peak_mb:5.0f} MB"
    print(f"{what:20} {found.jobs:6d} jobs {took}", flush=True)
    return found


def pretend(folder: Path, new: int, *targets: str) -> None:
    """Makes all files of the DAG as far as it is known, empty, and notes as done what leads to some targets, or all.

    An outcome gets `new` slumps.
    """
    said, *_ = snakemake(folder, "--summary")
    for line in said.splitlines():
        name, *rest = line.split("\t")
        path = folder / name
        if not rest or name == "output_file" or path.exists():
            continue
        if not path.suffix:
            path.mkdir(parents=True)
            (path / "empty").touch()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_outcome(int(path.parents[1].name), new) if path.name == "outcome.json" else "")
    snakemake(folder, "--touch", "--forceall", "--", *targets)


def _outcome(number: int, new: int) -> str:
    """What an iteration in which people confirmed `new` of 100 candidates leaves behind."""
    before = 300 + 9 * number
    row = {"iteration": number, "state": "decided", "positives": before, "inspected": 100, "new": new}
    zeros = dict.fromkeys(("negatives", "inferred", "known", "rejected_before", "known_found_again"), 0)
    return json.dumps(row | zeros | {"total": before + new, "waiting_for": {}, "reviews": {}, "captures": []})


def measure(folder: Path, area_km2: float, iterations: int) -> list[Look]:
    """Builds the DAG before and after each iteration."""
    for name in ("Snakefile", "workflow", "profiles", "config", "envs", "src"):
        (folder / name).symlink_to(ROOT / name)
    started = time.perf_counter()
    scenes = make_survey(folder / "data" / "qtec", area_km2)
    os.chdir(folder)
    tiles = len(grid_of(read_config(Path(CONFIG)).grid).tiles)
    print(f"{area_km2:,.0f} km2, {tiles} tiles, {scenes} scenes, made in {time.perf_counter() - started:.1f} s")
    looks = []
    looks = [look(folder, "iteration 1, to do")]
    for number in range(1, iterations + 1):
        outcome = f"results/qtec/iterations/{number:02d}/outcome/outcome.json"
        pretend(folder, 0 if number == iterations else 9, outcome)
        looks.append(look(folder, f"iteration {number + 1}, to do" if number < iterations else "loop done"))
    pretend(folder, 0)
    return [*looks, look(folder, "all done")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--area-km2", type=float, default=54_000.0, help="size of the corridor")
    parser.add_argument("--iterations", type=int, default=8, help="iterations to go through, 8 at most")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    out = options.json.absolute() if options.json else None
    with tempfile.TemporaryDirectory() as folder:
        looks = measure(Path(folder), options.area_km2, options.iterations)
        os.chdir(ROOT)
    if out:
        write_json(out, {"area_km2": options.area_km2, "looks": [asdict(one) for one in looks]})


if __name__ == "__main__":
    main()
