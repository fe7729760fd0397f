"""How time, memory and disk grow with the area: a synthetic corridor of three sizes through the workflow itself.

    python benchmarks/scale.py [--areas 125,500,2000] [--cores 2] [--work FOLDER] [--json FILE]

For each area it takes config/large.yaml with that area, and runs Snakemake up to the inventory: scenes (made by the
generator), imagery, training (a small encoder, the same number of steps for any area), inference, candidates,
simulated review, terrain, inventory. What each stage took comes from the `benchmark` files of its jobs: seconds of
all jobs together, seconds of the processor, the largest resident memory of a job (with its children), and the bytes
that the stage left on disk. `wall_s` is the whole run, Snakemake and all.

Growth is the exponent of seconds of the processor over area: the slope of a line through the logarithms of all
sizes, and that between the two largest, in which the start of the processes weighs least. 1 is linear. The
extrapolation goes from the largest size, with the exponent of the two largest, or with 1 where that is smaller.
Where other jobs share the machine, seconds of the processor say more than wall seconds.

A run that was cut off goes on where it was, if --work names the same folder. The figures in --json of areas
measured before are kept and count with the others.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from commands import folder_mb

from slumpmap.demo import corridor_size
from slumpmap.files import write_json, write_text
from slumpmap.vector import read_layer

ROOT = Path(__file__).resolve().parents[1]
CORRIDOR_KM2 = 54_000.0
# First words of the names of the jobs' benchmark files, by stage.
STAGES = {
    "generator": ("demo_data",),
    "imagery": ("catalogue", "scaling", "tiles_", "mosaic_"),
    "training": ("windows", "train_"),
    "inference": ("infer_",),
    "candidates": ("parts_", "polygons", "ledger"),
    "review": ("review_", "simulate_review_", "outcome", "evaluate"),
    "terrain": ("slope", "tpi", "pisr", "streams"),
    "inventory": ("slumps", "inventory"),
}
# Where a stage leaves its files, in the campaign's folder.
FOLDERS = {
    "imagery": ("inputs", "imagery"),
    "training": ("iterations/01/training_set", "iterations/01/model"),
    "inference": ("iterations/01/probability",),
    "candidates": ("iterations/01/parts", "iterations/01/candidates"),
    "review": ("iterations/01/review", "iterations/01/simulated_decisions", "iterations/01/outcome"),
    "terrain": ("terrain",),
    "inventory": ("inventory",),
}


def make_config(area_km2: float, folder: Path) -> Path:
    """Writes config/large.yaml for another area."""
    settings = yaml.safe_load((ROOT / "config" / "large.yaml").read_text())
    settings["demo"]["area_km2"] = area_km2
    # All that a stage writes is counted.
    settings["run"] = settings.get("run", {}) | {"keep": "all"}
    settings["grid"]["bounds"] = list(corridor_size("large", area_km2).bounds)
    path = folder / "config.yaml"
    write_text(path, yaml.safe_dump(settings))
    return path


def run_workflow(config: Path, folder: Path, cores: int) -> float:
    """Runs the workflow up to the inventory, in a folder of its own; returns the seconds it took."""
    started = time.perf_counter()
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--configfile", config,
        "--directory", folder, "--cores", cores, "--workflow-profile", "none", "--default-resources", "mem_mb=1000",
        "--rerun-incomplete", "--rerun-triggers", "mtime", "--quiet", "all",
        "--", "results/large/inventory/inventory.gpkg",
    ]  # fmt: skip
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, env=dict(os.environ))
    if done.returncode:
        sys.exit(f"the workflow failed:\n{done.stdout}\n{done.stderr}")
    return time.perf_counter() - started


def stage_costs(results: Path) -> dict[str, dict[str, float]]:
    """Seconds of jobs and of the processor, largest memory and bytes of each stage."""
    jobs: dict[str, list[dict[str, str]]] = {stage: [] for stage in STAGES}
    for path in sorted((results / "benchmarks").rglob("*.tsv")):
        stage = next((name for name, words in STAGES.items() if path.stem.startswith(words)), None)
        if stage is not None:
            jobs[stage] += csv.DictReader(path.read_text().splitlines(), delimiter="\t")
    return {
        stage: {
            "jobs": len(rows),
            "job_s": sum(number(row["s"]) for row in rows),
            "cpu_s": sum(number(row["cpu_time"]) for row in rows),
            "peak_mb": max((number(row["max_rss"]) for row in rows), default=0.0),
            "mb": folder_mb(*(results / name for name in FOLDERS.get(stage, ()) if (results / name).exists())),
        }
        for stage, rows in jobs.items()
    }


def number(text: str) -> float:
    """A cell of a benchmark file; jobs that end before the first look have none."""
    return 0.0 if text in ("NA", "-", "") else float(text)


def measure(area_km2: float, work: Path, cores: int) -> dict[str, Any]:
    """Runs one size, or what is left of it, and reads its figures."""
    folder = work / f"{area_km2:g}"
    folder.mkdir(parents=True, exist_ok=True)
    wall = run_workflow(make_config(area_km2, folder), folder, cores)
    kept = folder / "wall.json"
    # A run that was resumed took what its parts took.
    wall += json.loads(kept.read_text())["wall_s"] if kept.exists() else 0.0
    write_json(kept, {"wall_s": wall})
    results = folder / "results" / "large"
    stages = stage_costs(results)
    stages["generator"]["mb"] = folder_mb(folder / "data" / "large")
    west, south, east, north = corridor_size("large", area_km2).bounds
    return {
        "area_km2": (east - west) * (north - south) / 1e6,
        "mpx": (east - west) * (north - south) / 9e6,
        "wall_s": wall,
        "candidates": len(read_layer(results / "iterations/01/candidates/candidates.gpkg", "candidates")),
        "slumps": len(read_layer(results / "inventory/inventory.gpkg", "inventory")),
        "stages": stages,
    }


def growth(sizes: list[dict[str, Any]], stage: str, key: str) -> tuple[float, float] | None:
    """Exponents over the area: of all sizes, and of the two largest; None where there is nothing to measure."""
    pairs = [(size["area_km2"], size["stages"][stage][key]) for size in sizes]
    if len(pairs) < 2 or min(value for _, value in pairs) <= 0.0:
        return None
    area, value = np.log(np.array(pairs)).T
    return float(np.polyfit(area, value, 1)[0]), float((value[-1] - value[-2]) / (area[-1] - area[-2]))


def extrapolate(sizes: list[dict[str, Any]], stage: str, key: str) -> float:
    """A figure of the whole corridor, from the largest size; never by less than in proportion."""
    found = growth(sizes, stage, key)
    largest = sizes[-1]
    exponent = max(1.0, found[1]) if found else 1.0
    value: float = largest["stages"][stage][key]
    return value * math.exp(exponent * math.log(CORRIDOR_KM2 / largest["area_km2"]))


def show(sizes: list[dict[str, Any]], cores: int) -> dict[str, Any]:
    """Prints the figures of all sizes, their growth and the extrapolation."""
    for size in sizes:
        print(
            f"{size['area_km2']:.0f} km2 ({size['mpx']:.0f} Mpx): {size['wall_s'] / 60:.1f} min in all, "
            f"{size['candidates']} candidates, {size['slumps']} slumps"
        )
        for stage, cost in size["stages"].items():
            print(
                f"  {stage:10} {cost['jobs']:3d} jobs {cost['job_s']:8.1f} s, processor {cost['cpu_s']:8.1f} s, "
                f"peak {cost['peak_mb']:5.0f} MB, {cost['mb']:8.1f} MB on disk"
            )
    laws: dict[str, Any] = {}
    print(f"growth, and what {CORRIDOR_KM2:,.0f} km2 would take")
    for stage in STAGES:
        time_law, disk_law = growth(sizes, stage, "cpu_s"), growth(sizes, stage, "mb")
        hours = extrapolate(sizes, stage, "cpu_s") / 3600
        laws[stage] = {
            "cpu": time_law,
            "disk": disk_law,
            "peak_mb": [size["stages"][stage]["peak_mb"] for size in sizes],
            "corridor_cpu_h": hours,
            "corridor_gb": extrapolate(sizes, stage, "mb") / 1000,
        }
        print(
            f"  {stage:10} time ~ area^{_pair(time_law)}, disk ~ area^{_pair(disk_law)}: {hours:.1f} h of the "
            f"processor, {hours / cores:.1f} h on {cores} cores, {laws[stage]['corridor_gb']:.1f} GB"
        )
    return laws


def _pair(law: tuple[float, float] | None) -> str:
    return "-" if law is None else f"{law[0]:.2f} (two largest {law[1]:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--areas", default="125,500,2000", help="areas in km2, comma separated")
    parser.add_argument("--cores", type=int, default=2, help="cores that Snakemake may use")
    parser.add_argument("--work", type=Path, help="folder for data and results, kept; default: one that is deleted")
    parser.add_argument("--json", type=Path, help="file for the figures; areas in it are kept")
    options = parser.parse_args()
    before = json.loads(options.json.read_text())["sizes"] if options.json and options.json.exists() else []
    with tempfile.TemporaryDirectory() as temporary:
        for area in map(float, options.areas.split(",")):
            found = measure(area, options.work or Path(temporary), options.cores)
            before = [size for size in before if size["area_km2"] != found["area_km2"]] + [found]
            before.sort(key=lambda size: size["area_km2"])
            laws = show(before, options.cores)
            sys.stdout.flush()
            if options.json:
                write_json(options.json, {"sizes": before, "growth": laws})


if __name__ == "__main__":
    main()
