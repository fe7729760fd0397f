"""Table 2 of the paper for a campaign: what each iteration was given, what it proposed, what people found."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slumpmap.errors import InputError
from slumpmap.files import write_text
from slumpmap.records import Evaluation, read_outcome, read_record

_COUNTS = ("iteration", "positives", "negatives", "inferred", "inspected", "new", "total")
_SCORES = ("yield_percent", "recall", "precision")
_HEADINGS = (
    "Iteration",
    "Positives",
    "Negatives",
    "Inferred",
    "To inspect",
    "Newly found",
    "Total",
    "Yield (%)",
    "Recall",
    "Precision",
)
_SUMMED = ("inferred", "inspected", "new")


def read_rows(outcomes: Sequence[Path], evaluation: Path | None = None) -> list[dict[str, Any]]:
    """The rows of Table 2, ordered by iteration.

    Args:
        outcomes: `outcome.json` of each iteration.
        evaluation: what `slumpmap.inventory.evaluate.evaluate` wrote, or None where there is no truth.

    Returns:
        For each iteration the counts of its outcome, `state`, `yield_percent` (newly found per inspected
        candidate, None where none was inspected), and `recall` and `precision` after it (None where unknown).

    Raises:
        InputError: a file is unreadable or lacks a key, or two outcomes are of one iteration.
    """
    evaluated = read_record(evaluation, Evaluation, "evaluation")["iterations"] if evaluation else []
    scores = {row["iteration"]: dict(row) for row in evaluated}
    rows: dict[int, dict[str, Any]] = {}
    for path in outcomes:
        outcome = read_outcome(path)
        missing = [key for key in (*_COUNTS, "state") if key not in outcome]
        if missing:
            raise InputError(path, f"outcome lacks {', '.join(missing)}", "remove it and run the workflow again")
        number = outcome["iteration"]
        if number in rows:
            raise InputError(path, f"a second outcome of iteration {number}", "give one outcome an iteration")
        rows[number] = {key: outcome[key] for key in (*_COUNTS, "state")} | {
            "yield_percent": 100 * outcome["new"] / outcome["inspected"] if outcome["inspected"] else None,
            # An iteration that found nothing leaves no slump of its number: the scores are those before it.
            **_scores_after(number, scores),
        }
    return [rows[number] for number in sorted(rows)]


def totals(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Sums over the campaign: inferred, inspected, new, the overall yield in percent, inspected per new slump."""
    sums = {key: sum(row[key] for row in rows) for key in _SUMMED}
    return sums | {
        "yield_percent": 100 * sums["new"] / sums["inspected"] if sums["inspected"] else None,
        "inspected_per_new": sums["inspected"] / sums["new"] if sums["new"] else None,
    }


def table2(outcomes: Sequence[Path], out_csv: Path, out_md: Path, evaluation: Path | None = None) -> None:
    """Writes Table 2 as CSV (one row an iteration) and as Markdown (with a row of sums).

    Args:
        outcomes: `outcome.json` of each iteration.
        out_csv: file to write; unknown values are empty.
        out_md: file to write; unknown values are dashes.
        evaluation: result of the evaluation, or None.

    Raises:
        InputError: as `read_rows`.
    """
    rows = read_rows(outcomes, evaluation)
    text = io.StringIO()
    writer = csv.DictWriter(text, (*_COUNTS, *_SCORES, "state"), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: round(v, 4) if isinstance(v, float) else v for key, v in row.items()} for row in rows)
    write_text(out_csv, text.getvalue())
    write_text(out_md, markdown(rows))


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Table 2 in Markdown, with the sums and the cost of a new slump below."""
    lines = [list(_HEADINGS), ["---:"] * len(_HEADINGS), *(cells(row) for row in rows)]
    sums = totals(rows)
    lines.append(["sum", "", "", *(str(sums[key]) for key in _SUMMED), "", _decimal(sums["yield_percent"]), "", ""])
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    waiting = any(row["state"] == "waiting" for row in rows)
    note = "\n\\* people have not decided everything yet\n" if waiting else ""
    per_new = sums["inspected_per_new"]
    return f"{table}{note}" + (f"\n{per_new:.1f} candidates inspected per new slump.\n" if per_new is not None else "")


def cells(row: dict[str, Any]) -> list[str]:
    """A row's values as text, in the order of the headings; an unfinished iteration carries an asterisk."""
    counts = [str(row[key]) for key in _COUNTS]
    counts[0] += "*" if row["state"] == "waiting" else ""
    return [*counts, _decimal(row["yield_percent"]), _decimal(row["recall"], 3), _decimal(row["precision"], 3)]


def headings() -> tuple[str, ...]:
    """The column headings of Table 2."""
    return _HEADINGS


def _scores_after(number: int, scores: dict[int, dict[str, Any]]) -> dict[str, float | None]:
    """Recall and precision after an iteration, from the last one that is evaluated up to it."""
    known = [n for n in scores if n <= number]
    row = scores[max(known)] if known else {}
    return {key: row.get(key) for key in ("recall", "precision")}


def _decimal(value: float | None, decimals: int = 2) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
