"""Runs the demo campaign for several seeds of corridor and campaign, and prints what each reached.

    python benchmarks/seeds.py [--seeds 1 2 3] [--cores 2] [--json FILE]

Seed 1 is the demo of the quick start itself; a run that is complete already is not repeated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def run(seed: int, cores: int) -> dict[str, Any]:
    """Runs the campaign of one seed and returns its summary.json."""
    name = "demo" if seed == 1 else f"demo-seed{seed}"
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--configfile", "config/demo.yaml"]
    changes = [f"campaign={name}", f"data=data/{name}", f"seed={seed}", f"demo={{seed: {seed}}}"]
    subprocess.run([*command, "--config", *changes], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    summary: dict[str, Any] = json.loads(Path("results", name, "summary.json").read_text())
    return summary


def row(seed: int, summary: dict[str, Any]) -> str:
    """One line of the table."""
    iterations = summary["iterations"]
    new = ", ".join(str(iteration["new"]) for iteration in iterations)
    return (
        f"| {seed} | {iterations[0]['positives']} | {new} | {summary['slumps']} | {summary['recall']:.3f} "
        f"| {summary['precision']:.3f} | {summary['inspected_per_new']:.1f} "
        f"| {summary['wall_s'] / 60:.1f} | {summary['peak_rss_mb'] / 1000:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--json", type=Path, help="file for the summaries")
    options = parser.parse_args()
    print("| seed | labels | found per iteration | slumps | recall | precision | inspected per new | minutes | GB |")
    print("|---:|---:|---|---:|---:|---:|---:|---:|---:|")
    summaries = {}
    for seed in options.seeds:
        summaries[seed] = run(seed, options.cores)
        print(row(seed, summaries[seed]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(summaries, indent=1) + "\n")


if __name__ == "__main__":
    main()
