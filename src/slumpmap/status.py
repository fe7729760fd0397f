"""Where a campaign stands: for each iteration what is done, what waits, and what to do about it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from slumpmap.config import Config
from slumpmap.records import read_outcome
from slumpmap.review.missing import estimate_missing, unseen_recall

# The files that mark the end of an iteration's steps, in order.
_STEPS = (
    ("labels", "labels/positives.gpkg"),
    ("training set", "training_set/windows.gpkg"),
    ("model", "model/weights.safetensors"),
    ("candidates", "candidates/candidates.gpkg"),
)


def campaign_status(config: Config, source: Path = Path("CONFIG")) -> str:
    """The state of a campaign as text for people: the iterations, what is still missing, the next act last.

    Args:
        config: of the campaign.
        source: its file, which the commands for the reviewers name.
    """
    if not config.maps:
        return f"Campaign {config.campaign} maps nothing; it analyses {config.analysis.inventory} in {config.folder}"
    lines = [f"Campaign {config.campaign} in {config.folder}"]
    if config.demo is not None:
        lines[0] += " (synthetic data)"
    rows: list[dict[str, Any]] = []
    for number in range(1, config.iterations.maximum + 1):
        folder = config.folder / "iterations" / f"{number:02d}"
        outcome = folder / "outcome" / "outcome.json"
        if not outcome.exists():
            done = [name for name, file in _STEPS if (folder / file).exists()]
            if done:
                lines.append(f"  iteration {number:02d}: done so far: {', '.join(done)}")
            closing = ["Next: run snakemake with this configuration."]
            break
        row = read_outcome(outcome)
        rows.append(row)
        lines += [_outcome_line(number, row), *_yield_line(row)]
        if row["state"] == "waiting":
            closing = _waiting_lines(config, source, folder, number, row)
            break
        if row["new"] == 0:
            closing = [f"Converged: iteration {number:02d} found no new slump."]
            break
    else:
        closing = ["Ended at the configured maximum of iterations (iterations.maximum)."]
    return "\n".join([*lines, *_missing_lines(config, rows), *closing])


def _outcome_line(number: int, row: dict[str, Any]) -> str:
    state = "decided" if row["state"] == "decided" else "waits for people"
    return (
        f"  iteration {number:02d}: {state}; {row['positives']} positives, {row['negatives']} negatives,"
        f" {row['inferred']} inferred ({row['known']} known, {row['rejected_before']} rejected before),"
        f" {row['inspected']} to inspect, {row['new']} new slumps, {row['total']} in all"
    )


def _yield_line(row: dict[str, Any]) -> list[str]:
    """What a decided iteration gave for the work; outcomes counted before slumpmap wrote these figures have none."""
    if row["state"] != "decided" or "known_found_again" not in row:
        return []
    facts = [f"mapped {row['known_found_again']} of {row['positives']} known slumps again"]
    if row["inspected"]:
        facts.insert(0, f"{100 * row['new'] / row['inspected']:.1f} new slumps per 100 inspected")
    confirmed = sum(capture["count"] for capture in row["captures"])
    if len(row["reviews"]) > 1 and confirmed:
        together = sum(capture["count"] for capture in row["captures"] if len(capture["by"]) == len(row["reviews"]))
        facts.append(f"all reviewers accepted {together} of {confirmed} confirmed candidates")
    return [f"    {', '.join(facts)}"]


def _missing_lines(config: Config, rows: list[dict[str, Any]]) -> list[str]:
    """What is still missing, and whether to go on."""
    missing = estimate_missing(rows, unseen_recall(config.folder / "crossval", config.crossval))
    return [] if missing is None else ["Still missing:", *(f"  {line}" for line in missing.sentences())]


def _waiting_lines(config: Config, source: Path, folder: Path, number: int, row: dict[str, Any]) -> list[str]:
    lines = ["Waiting for:"]
    for name, count in row["waiting_for"].items():
        template = "outcome/disputed.gpkg" if name == config.review.adjudicator else "review/to_inspect.gpkg"
        target = config.review.decisions / f"{number:02d}" / f"{name}.gpkg"
        if target.exists() and target.stat().st_mtime > (folder / "outcome" / "outcome.json").stat().st_mtime:
            lines.append(f"  {name}: {target} was changed since the last run, which found {count} candidates open")
            continue
        command = ["slumpmap", "review", "--campaign", str(source), "--iteration", str(number), "--reviewer", name]
        page = shlex.join(command)
        lines.append(f"  {name}: {count} candidates. On a page: {page}")
        lines.append(f"    In QGIS: slumpmap review-export, or copy {folder / template} to {target}")
    return [*lines, "Then run snakemake again with the same configuration."]
