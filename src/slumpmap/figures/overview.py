"""How the campaign went: candidates inspected, slumps found, recall and precision, iteration by iteration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from slumpmap.figures.style import BLUE, MM, ORANGE, SKY, TWO_COLUMNS, VERMILION, journal_style, save, titled
from slumpmap.figures.tables import read_rows

_WIDTH = 0.38


def iterations_figure(
    outcomes: Sequence[Path], evaluation: Path | None, out_png: Path, out_pdf: Path, note: str = ""
) -> None:
    """Draws inspected and new candidates as bars; beside them recall and precision, or the total without truth.

    Args:
        outcomes: `outcome.json` of each iteration.
        evaluation: result of the evaluation, or None.
        out_png: file to write.
        out_pdf: file to write.
        note: what to say behind the title, such as `synthetic`.

    Raises:
        InputError: a file is refused.
    """
    rows = read_rows(outcomes, evaluation)
    with journal_style():
        figure = Figure(figsize=(TWO_COLUMNS, 62 * MM), layout="constrained")
        left, right = figure.subplots(1, 2)
        _bars(left, rows)
        left.set_title(titled("Inspected and found", note), loc="left")
        if any(row["recall"] is not None for row in rows):
            _scores(right, rows)
        else:
            _total(right, rows)
        for axes in (left, right):
            axes.set_xlabel("Iteration")
            axes.set_xticks([row["iteration"] for row in rows])
        save(figure, out_png, out_pdf)


def _bars(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    numbers = np.array([row["iteration"] for row in rows], dtype=float)
    for key, label, colour, shift in (
        ("inspected", "candidates inspected", SKY, -_WIDTH / 2),
        ("new", "slumps newly found", ORANGE, _WIDTH / 2),
    ):
        bars = axes.bar(numbers + shift, [row[key] for row in rows], _WIDTH, color=colour, label=label)
        axes.bar_label(bars, fontsize=6, padding=1)
    axes.set_ylabel("Number")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.4)
    axes.legend(loc="upper right")


def _scores(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    numbers = [row["iteration"] for row in rows]
    for key, colour, marker in (("recall", BLUE, "o"), ("precision", VERMILION, "s")):
        values = [np.nan if row[key] is None else row[key] for row in rows]
        axes.plot(numbers, values, color=colour, marker=marker, markersize=4, label=key, clip_on=False)
    axes.set_ylim(0, 1)
    axes.set_ylabel("Share of slumps")
    axes.set_title("Recall and precision after the iteration", loc="left")
    axes.legend(loc="lower right")


def _total(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    numbers = [row["iteration"] for row in rows]
    axes.plot(numbers, [row["total"] for row in rows], color=BLUE, marker="o", markersize=4, clip_on=False)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("Slumps")
    axes.set_title("Slumps known after the iteration", loc="left")
