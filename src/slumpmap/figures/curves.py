"""Figures of a network's training and judgement: training curves, reliability, precision against recall."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slumpmap.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    MM,
    ONE_COLUMN,
    ORANGE,
    SKY,
    VERMILION,
    journal_style,
    save,
    titled,
)
from slumpmap.learning.calibration import Reliability
from slumpmap.tables import read_csv

# The running mean spans this share of the steps.
_SMOOTHED = 1 / 50
_F1_LINES = (0.2, 0.4, 0.6, 0.8)
_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, SKY, BLACK)
_MARKERS = ("o", "s", "^", "D", "v", "P")
_LINES = ("-", "--", ":")


def training_curves(log_csv: Path, out: Path, note: str = "") -> None:
    """Draws loss, average precision of the validation, and learning rate against the step.

    Args:
        log_csv: training log with the columns `step`, `loss`, `learning_rate`, and `validation_loss` and
            `validation_ap`, which are blank where the network was not evaluated.
        out: .png to write; the .pdf is written beside it.
        note: what to say behind the title, such as `synthetic`.

    Raises:
        InputError: the log is missing, unreadable or lacks a column.
    """
    columns = ("step", "loss", "learning_rate", "validation_loss", "validation_ap")
    log = read_csv(log_csv, numbers=columns, what="training log")
    judged = log.dropna(subset="validation_ap")
    heights = [3, 1.5, 1] if len(judged) else [3, 1]
    with journal_style():
        figure = Figure(figsize=(ONE_COLUMN, 22 * sum(heights) * MM), layout="constrained")
        panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        _draw_loss(panels[0], log)
        panels[0].set_title(titled("Training", note), loc="left")
        if len(judged):
            _draw_validation_ap(panels[1], judged)
        panels[-1].plot(log["step"], log["learning_rate"], color=BLACK, linewidth=0.8)
        panels[-1].set_ylim(bottom=0)
        panels[-1].set_ylabel("Learning rate")
        panels[-1].ticklabel_format(axis="y", style="sci", scilimits=(0, 0), useMathText=True)
        panels[-1].set_xlabel("Step")
        panels[-1].margins(x=0.02)
        figure.align_ylabels()
        save(figure, out, out.with_suffix(".pdf"))


def _draw_loss(axes: Axes, log: pd.DataFrame) -> None:
    span = max(1, round(len(log) * _SMOOTHED))
    smooth = log["loss"].rolling(span, center=True, min_periods=1).mean()
    axes.plot(log["step"], log["loss"], color=SKY, linewidth=0.3, alpha=0.6, label="each step")
    axes.plot(log["step"], smooth, color=BLUE, label=f"mean of {span} steps")
    held = log.dropna(subset="validation_loss")
    if len(held):
        axes.plot(held["step"], held["validation_loss"], **_points(VERMILION), label="validation")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("Loss")
    axes.legend(loc="lower left")


def _draw_validation_ap(axes: Axes, judged: pd.DataFrame) -> None:
    """Average precision at the evaluated steps; the best one, which training keeps, is ringed."""
    axes.plot(judged["step"], judged["validation_ap"], **_points(VERMILION))
    axes.set_ylim(0, 1)
    axes.set_ylabel("Validation AP")


def _points(colour: str) -> dict[str, Any]:
    return {"color": colour, "marker": "o", "markersize": 3, "linewidth": 0.8}


def reliability_plot(tables: Mapping[str, Path], out: Path, note: str = "") -> None:
    """Draws the observed share of slump against the predicted probability; beneath, how many pixels there are.

    Args:
        tables: for each label of the legend the CSV that `Reliability.to_csv` wrote.
        out: .png to write; the .pdf is written beside it.
        note: what to say behind the title, such as `synthetic`.

    Raises:
        InputError: a table is missing, unreadable or lacks a column.
    """
    columns = ("count", "mean_predicted", "observed_share", "brier_score")
    read = {
        label: Reliability.of_table(read_csv(path, numbers=columns, what="table of reliability"))
        for label, path in tables.items()
    }
    with journal_style():
        figure = Figure(figsize=(ONE_COLUMN, 112 * MM), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=0.8, label="perfect")
        for (label, table), colour, marker in zip(read.items(), cycle(_COLOURS), cycle(_MARKERS), strict=False):
            _draw_reliability(upper, lower, label, table, colour, marker)
        upper.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", ylabel="Observed share of slump")
        upper.set_title(titled("Reliability", note), loc="left")
        upper.legend(loc="lower right")
        lower.set(yscale="log", xlabel="Predicted probability", ylabel="Pixels")
        figure.align_ylabels()
        save(figure, out, out.with_suffix(".pdf"))


def _draw_reliability(upper: Axes, lower: Axes, label: str, table: Reliability, colour: str, marker: str) -> None:
    error = table.expected_calibration_error
    text = label if error is None else f"{label} (ECE {error:.3f})"
    full = table.count > 0
    points = _points(colour) | {"marker": marker, "clip_on": False}
    upper.plot(table.mean_predicted[full], table.observed_share[full], label=text, **points)
    limits = np.linspace(0, 1, len(table.count) + 1)
    lower.stairs(table.count, limits, color=colour, linewidth=1.0)


def precision_recall_plot(curves: Mapping[str, Path], out: Path, title: str) -> None:
    """Draws precision against recall over the scores, with lines of equal F1; the legend has the areas.

    Args:
        curves: for each label of the legend a CSV with the columns `score`, `precision` and `recall`, the
            scores falling, as `metrics.PrecisionRecall` has them.
        out: .png to write; the .pdf is written beside it.
        title: title of the figure.

    Raises:
        InputError: a table is missing, unreadable or lacks a column.
    """
    read = {
        label: read_csv(path, numbers=("score", "precision", "recall"), what="curve") for label, path in curves.items()
    }
    with journal_style():
        figure = Figure(figsize=(ONE_COLUMN, 86 * MM), layout="constrained")
        axes = figure.add_subplot()
        _draw_equal_f1(axes)
        for (label, table), (line, colour) in zip(read.items(), cycle(product(_LINES, _COLOURS)), strict=False):
            recall, precision = (table[name].to_numpy(dtype=float) for name in ("recall", "precision"))
            area = float(np.sum(np.diff(recall, prepend=0.0) * precision))
            # The step before a point is as high as the point: what is drawn is the area in the legend.
            steps = np.append(0.0, recall), np.append(precision[:1], precision) if len(precision) else [np.nan]
            axes.step(*steps, where="pre", color=colour, linestyle=line, label=f"{label} (AP {area:.2f})")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="Recall", ylabel="Precision")
        axes.set_title(title, loc="left")
        axes.legend(loc="lower left")
        save(figure, out, out.with_suffix(".pdf"))


def _draw_equal_f1(axes: Axes) -> None:
    """Grey lines on which F1 is the same: precision = F1 recall / (2 recall - F1)."""
    for f1 in _F1_LINES:
        recall = np.linspace(f1 / (2 - f1), 1, 100)
        axes.plot(recall, f1 * recall / (2 * recall - f1), color=GREY, linewidth=0.4, alpha=0.7, zorder=0)
        text = f"F1 = {f1:g}"
        axes.annotate(text, (1, f1 / (2 - f1)), (2, 0), textcoords="offset points", fontsize=6, color=GREY, va="center")
