"""Where a campaign stands: for each iteration what is done, what waits, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slumpmap.config import Config
from slumpmap.files import read_json

# The files that mark the end of an iteration's steps, in order.
_STEPS = (
    ("labels", "labels/positives.gpkg"),
    ("training set", "training_set/windows.gpkg"),
    ("model", "model/weights.safetensors"),
    ("candidates", "candidates/candidates.gpkg"),
)


def campaign_status(config: Config) -> str:
    """The state of a campaign as text for people, one line an iteration, the next act last."""
    lines = [f"Campaign {config.campaign} in {config.folder}"]
    if config.demo is not None:
        lines[0] += " (synthetic data)"
    for number in range(1, config.iterations.maximum + 1):
        folder = config.folder / "iterations" / f"{number:02d}"
        outcome = folder / "outcome" / "outcome.json"
        if not outcome.exists():
            done = [name for name, file in _STEPS if (folder / file).exists()]
            if done:
                lines.append(f"  iteration {number:02d}: done so far: {', '.join(done)}")
            lines.append("Next: run snakemake with this configuration.")
            return "\n".join(lines)
        row = read_json(outcome)
        lines.append(_outcome_line(number, row))
        if row["state"] == "waiting":
            return "\n".join([*lines, *_waiting_lines(config, folder, number, row)])
        if row["new"] == 0:
            return "\n".join([*lines, f"Converged: iteration {number:02d} found no new slump."])
    return "\n".join([*lines, "Ended at the configured maximum of iterations (iterations.maximum)."])


def _outcome_line(number: int, row: dict[str, Any]) -> str:
    state = "decided" if row["state"] == "decided" else "waits for people"
    return (
        f"  iteration {number:02d}: {state}; {row['positives']} positives, {row['negatives']} negatives,"
        f" {row['inferred']} inferred ({row['known']} known, {row['rejected_before']} rejected before),"
        f" {row['inspected']} to inspect, {row['new']} new slumps, {row['total']} in all"
    )


def _waiting_lines(config: Config, folder: Path, number: int, row: dict[str, Any]) -> list[str]:
    lines = ["Waiting for:"]
    for name, count in row["waiting_for"].items():
        template = "outcome/disputed.gpkg" if name == config.review.adjudicator else "review/to_inspect.gpkg"
        target = config.review.decisions / f"{number:02d}" / f"{name}.gpkg"
        lines.append(f"  {name}: {count} candidates. Copy {folder / template} to {target},")
        lines.append("    decide each row there (for example in QGIS: is_slump, probability, boundary, ...).")
    return [*lines, "Then run snakemake again with the same configuration."]
