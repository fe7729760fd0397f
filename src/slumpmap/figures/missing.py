"""What is still missing: the yield of each iteration, what the next should find, and estimates of all slumps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from slumpmap.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    MM,
    ORANGE,
    TWO_COLUMNS,
    VERMILION,
    journal_style,
    save,
    titled,
)
from slumpmap.files import write_json, write_text
from slumpmap.records import Evaluation, read_outcome, read_record
from slumpmap.review.missing import Missing, Recapture, Unseen, estimate_missing

# Below the axes no curve runs through the legend.
_BELOW: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.0, -0.2), "borderaxespad": 0.0}


def write_missing(
    outcomes: Sequence[Path], unseen: Unseen | None, evaluation: Path | None, out: Path, note: str = ""
) -> None:
    """Writes what a campaign is still missing: figure (.png and .pdf), figures (.json) and words (.md).

    Args:
        outcomes: `outcome.json` of each iteration.
        unseen: what a cross-validation found, or None.
        evaluation: result of the evaluation where there is a truth, to draw beside the estimates, or None.
        out: the .png; the other files are written beside it under the same name.
        note: what to say behind the title, such as `synthetic`.

    Raises:
        InputError: a file is refused.
    """
    missing = estimate_missing([read_outcome(path) for path in outcomes], unseen)
    truth = read_record(evaluation, Evaluation, "evaluation")["truth"] if evaluation else None
    write_json(out.with_suffix(".json"), _figures(missing))
    write_text(out.with_suffix(".md"), _words(missing))
    with journal_style():
        figure = Figure(figsize=(TWO_COLUMNS, 84 * MM), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.set_title(titled("Yield of the iterations", note), loc="left")
        right.set_title("Slumps known, and estimates of all", loc="left")
        if missing is None:
            for axes in (left, right):
                axes.set_axis_off()
                axes.text(0.5, 0.5, "no iteration is decided yet", ha="center", va="center", transform=axes.transAxes)
        else:
            _draw_yield(left, missing)
            _draw_totals(right, missing, truth)
        save(figure, out, out.with_suffix(".pdf"))


def _draw_yield(axes: Axes, missing: Missing) -> None:
    """New slumps of each iteration as bars, and what the next should find; above each bar its cost."""
    numbers = [row["iteration"] for row in missing.rows]
    found = [row["new"] for row in missing.rows]
    bars = axes.bar(numbers, found, 0.6, color=ORANGE, label="newly found (candidates inspected)")
    labels = [f"{row['new']} ({row['inspected']})" for row in missing.rows]
    axes.bar_label(bars, labels, fontsize=6, padding=1)
    if missing.next is not None:
        expected, low, high = missing.next
        style: dict[str, Any] = {"fc": "none", "ec": GREY, "ls": "--", "lw": 0.8}
        axes.bar(numbers[-1] + 1, expected, 0.6, label="expected next, with 80 % interval", **style)
        ends = [[max(expected - low, 0.0)], [max(high - expected, 0.0)]]
        axes.errorbar(numbers[-1] + 1, expected, ends, color=GREY, capsize=2, linewidth=0.8)
        numbers = [*numbers, numbers[-1] + 1]
    axes.set_xticks(numbers)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.12)
    axes.set_xlabel("Iteration")
    axes.set_ylabel("Slumps")
    axes.legend(**_BELOW)


def _draw_totals(axes: Axes, missing: Missing, truth: int | None) -> None:
    """Slumps known against candidates inspected, and at the end of the curve the estimates with their intervals."""
    inspected = np.cumsum([0, *(row["inspected"] for row in missing.rows)])
    known = [missing.rows[0]["positives"], *(row["total"] for row in missing.rows)]
    axes.plot(inspected, known, color=BLUE, marker="o", markersize=3, label="known")
    step = max(inspected[-1], 1) * 0.08
    for place, (label, capture, gone, colour, marker) in enumerate(_estimates(missing), 1):
        low, high = capture.missed_interval()
        total = known[-1] + max(capture.missed - gone, 0.0)
        ends = known[-1] + np.maximum([low - gone, (capture.missed if high is None else high) - gone], 0.0)
        bar = [[max(total - ends[0], 0.0)], [max(ends[1] - total, 0.0)]]
        style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4, "linestyle": "none", "capsize": 2}
        axes.errorbar(inspected[-1] + place * step, total, bar, label=label, elinewidth=0.8, **style)
    if truth is not None:
        axes.axhline(truth, color=GREY, linestyle="--", linewidth=0.8, label="truth")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("Candidates inspected")
    axes.set_ylabel("Slumps")
    axes.legend(**_BELOW)


def _estimates(missing: Missing) -> list[tuple[str, Recapture, int, str, str]]:
    """Label, captures, slumps found since, colour and marker of each estimate of all slumps that can be made."""
    estimates = [
        (f"known + overlooked by {first} and {second}", pair, 0, GREEN, "s")
        for (first, second), pair in missing.reviewers.items()
    ]
    if missing.trained is not None:
        estimates.append(("known + not proposed (lower bound)", missing.trained, 0, VERMILION, "^"))
    if missing.unseen is not None:
        estimates.append(("known + not proposed (cross-validated)", missing.unseen, missing.found_since, BLACK, "D"))
    # Nothing caught twice tells nothing.
    return [estimate for estimate in estimates if estimate[1].both]


def _figures(missing: Missing | None) -> dict[str, Any]:
    """What is drawn, for machines."""
    if missing is None:
        return {"iterations": [], "reviewers": [], "model": None, "crossval": None, "next": None, "stop": None}
    total, rows = 0, []
    for row in missing.rows:
        total += row["new"]
        rows.append(
            {key: row[key] for key in ("iteration", "inspected", "new")}
            | {
                "found_so_far": total,
                "new_per_inspected": row["new"] / row["inspected"] if row["inspected"] else None,
                "known": row["positives"],
                "known_found_again": row.get("known_found_again"),
            }
        )
    return {
        "iterations": rows,
        "reviewers": [
            {"first_name": first, "second_name": second} | _capture(pair)
            for (first, second), pair in missing.reviewers.items()
        ],
        "model": _capture(missing.trained) if missing.trained else None,
        "crossval": _capture(missing.unseen) | {"found_since": missing.found_since} if missing.unseen else None,
        "next": missing.next._asdict() | {"inspected": missing.inspected} if missing.next else None,
        "stop": missing.stop,
        "advice": missing.advice(),
    }


def _capture(pair: Recapture) -> dict[str, Any]:
    low, high = pair.missed_interval()
    return {
        "first": pair.first,
        "second": pair.second,
        "both": pair.both,
        "lincoln_petersen": pair.lincoln_petersen,
        "chapman": pair.chapman,
        "missed": pair.missed,
        "missed_low": low,
        "missed_high": high,
    }


def _words(missing: Missing | None) -> str:
    """The yield as a table and the estimates in words, in Markdown."""
    if missing is None:
        return "No iteration is decided yet.\n"
    lines = [
        "| Iteration | Inspected | New | Found so far | New per 100 inspected | Known slumps found again |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for row in _figures(missing)["iterations"]:
        share = "-" if row["new_per_inspected"] is None else f"{100 * row['new_per_inspected']:.1f}"
        again = "-" if row["known_found_again"] is None else f"{row['known_found_again']} of {row['known']}"
        cells = (row["iteration"], row["inspected"], row["new"], row["found_so_far"], share, again)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, "", *(f"- {sentence}" for sentence in missing.sentences())]) + "\n"
