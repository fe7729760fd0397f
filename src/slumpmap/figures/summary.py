"""The campaign in figures: `summary.json` for machines, a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
from rich.console import Console
from rich.table import Table

from slumpmap.figures.tables import cells, headings, read_rows, totals
from slumpmap.files import write_json
from slumpmap.inventory.build import read_inventory
from slumpmap.inventory.cost import campaign_cost
from slumpmap.records import Evaluation, read_record

# Printed into a log file the table must not shrink to a terminal of 80 columns.
_WIDTH = 120


def write_summary(
    outcomes: Sequence[Path],
    evaluation: Path | None,
    benchmarks: Path,
    inventory: Path,
    out_json: Path,
    campaign: str,
    synthetic: bool,
) -> dict[str, Any]:
    """Writes `summary.json` and prints the table.

    Args:
        outcomes: `outcome.json` of each iteration.
        evaluation: result of the evaluation, or None where there is no truth.
        benchmarks: folder tree of Snakemake benchmark files.
        inventory: the inventory, GeoPackage or GeoParquet.
        out_json: file to write.
        campaign: name of the campaign.
        synthetic: whether the inputs are synthetic, which everything that is shown must say.

    Returns:
        What was written: `campaign`, `synthetic`, `recall` and `precision` after the last iteration,
        `inspected_per_new`, `iterations` (rows of Table 2 with `new_by_probability` and
        `new_by_initiation`), `slumps`, `area_ha`, `wall_s`, `peak_rss_mb`; null where unknown.

    Raises:
        InputError: a file is refused.
    """
    rows = read_rows(outcomes, evaluation)
    slumps = read_inventory(inventory)
    cost = campaign_cost(benchmarks)
    evaluated = read_record(evaluation, Evaluation, "evaluation")["iterations"] if evaluation else []
    scores = dict(evaluated[-1]) if evaluated else {}
    summary: dict[str, Any] = {
        "campaign": campaign,
        "synthetic": synthetic,
        "recall": scores.get("recall"),
        "precision": scores.get("precision"),
        "inspected_per_new": totals(rows)["inspected_per_new"],
        "iterations": [row | _new_by(slumps, row["iteration"]) for row in rows],
        "slumps": len(slumps),
        "area_ha": round(float(slumps["area_ha"].sum()), 4),
        "wall_s": round(cost.wall_s, 1),
        "peak_rss_mb": round(cost.peak_rss_mb, 1),
    }
    write_json(out_json, summary)
    show(summary)
    return summary


def show(summary: dict[str, Any]) -> None:
    """Prints a summary: Table 2 and the campaign's figures below it."""
    name = f"Campaign {summary['campaign']}" + (" (synthetic)" if summary["synthetic"] else "")
    table = Table(title=name, title_justify="left")
    for heading in headings():
        table.add_column(heading, justify="right")
    for row in summary["iterations"]:
        table.add_row(*cells(row))
    console = Console(width=_WIDTH)
    console.print(table)
    for text in _lines(summary):
        console.print(text, highlight=False)


def _lines(summary: dict[str, Any]) -> list[str]:
    """The campaign's figures in words; unknown ones are left out."""
    lines = [f"slumps: {summary['slumps']}, {summary['area_ha']:.1f} ha"]
    if summary["recall"] is not None and summary["precision"] is not None:
        lines.append(f"against the truth: recall {summary['recall']:.3f}, precision {summary['precision']:.3f}")
    if summary["inspected_per_new"] is not None:
        lines.append(f"inspected per new slump: {summary['inspected_per_new']:.1f}")
    lines.append(f"jobs ran for {summary['wall_s']:.0f} s, at most {summary['peak_rss_mb']:.0f} MB at a time")
    return lines


def _new_by(slumps: gpd.GeoDataFrame, iteration: int) -> dict[str, dict[str, int]]:
    """Newly found slumps of an iteration counted by probability and by initiation; `unknown` where null."""
    found = slumps[slumps["iteration_found"] == iteration]
    return {
        f"new_by_{name}": {
            str(value): int(count) for value, count in found[name].fillna("unknown").value_counts().sort_index().items()
        }
        for name in ("probability", "initiation")
    }
