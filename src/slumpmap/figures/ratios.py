"""Selection ratios with their intervals, and the joint model's dependence, factor by factor."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from slumpmap.figures.frequencies import AXES, classes_of
from slumpmap.figures.style import BLUE, GREY, MM, ORANGE, TWO_COLUMNS, VERMILION, state, titled

_COLUMNS = 3
_CLASSES = ("aspect", "vegetation", "soil")
_RATIO_FACTORS = ("elevation", "slope", "tpi", "pisr", *_CLASSES)
_LIMITS = (0.05, 20.0)
# Ends of an axis by each other from which 1, 2 and 5 are ticks enough.
_WIDE = 12.0
# The axis reaches at least from one by this to this.
_LEAST = 1.6
_MODELS: dict[str, tuple[str, Any, str]] = {"logistic": (BLUE, "-", "o"), "trees": (ORANGE, "--", "s")}
_FINDINGS = {"preferred": VERMILION, "avoided": BLUE}


def selection_figure(selection: pd.DataFrame | None, note: str = "") -> Figure:
    """Draws the selection ratio of each class with its interval, on a logarithmic scale.

    Classes without slumps have the ratio 0, for which a triangle stands at the lower edge; a ratio or interval beyond
    the scale ends at its edge.

    Args:
        selection: what `study selection` wrote, or None.
        note: what to say behind the title.
    """
    figure, panels = _panels(len(_RATIO_FACTORS))
    for axes, factor in zip(panels, _RATIO_FACTORS, strict=False):
        rows, reason = classes_of(selection, factor)
        if reason:
            axes.set_title(_name(factor), loc="left")
            state(axes, reason)
            continue
        _ratios(axes, rows, factor)
    _blank(panels[len(_RATIO_FACTORS) :])
    handles = [
        Line2D([], [], color=VERMILION, marker="o", markersize=4, label="preferred"),
        Line2D([], [], color=BLUE, marker="o", markersize=4, label="avoided"),
        Line2D([], [], color=GREY, marker="o", markersize=4, label="interval holds 1"),
        Line2D([], [], color=GREY, marker="v", markersize=4, linestyle="", markerfacecolor="none", label="no slump"),
    ]
    panels[-1].legend(handles=handles, loc="center", title="By the interval")
    figure.suptitle(
        titled("Selection ratio: share of slumps by share of the study area", note), x=0.01, ha="left", fontsize=8
    )
    return figure


def dependence_figure(dependence: pd.DataFrame | None, reason: str, note: str = "") -> Figure:
    """Draws the relative selection of each factor's values, all else as it is, by both models.

    Args:
        dependence: what `study joint` wrote (`model`, `factor`, `value`, `relative`), or None.
        reason: why there is nothing, where there is nothing.
        note: what to say behind the title.
    """
    factors = [] if dependence is None else [name for name in AXES if (dependence["factor"] == name).any()]
    figure, panels = _panels(max(len(factors), 1))
    figure.suptitle(
        titled("Relative selection in the joint model (1: as available)", note), x=0.01, ha="left", fontsize=8
    )
    if dependence is None or not factors:
        _blank(panels)
        state(panels[0], reason)
        return figure
    for axes, factor in zip(panels, factors, strict=False):
        _curves(axes, dependence[dependence["factor"] == factor])
        axes.set_xlabel(AXES[factor] if factor not in _CLASSES[1:] else _name(factor))
        _log(axes, "Relative selection")
    _blank(panels[len(factors) :])
    handles = [
        Line2D([], [], color=colour, linestyle=style, marker=marker, markersize=3, label=name)
        for name, (colour, style, marker) in _MODELS.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    rows = -(-count // _COLUMNS)
    figure = Figure(figsize=(TWO_COLUMNS, (rows * 56 + 16) * MM), layout="constrained")
    return figure, list(np.ravel(figure.subplots(rows, _COLUMNS, squeeze=False)))


def _name(factor: str) -> str:
    return AXES[factor].split(" (")[0]


def _headline(figure: Figure, title: str, note: str) -> None:
    figure.suptitle(titled(title, note), x=0.01, ha="left", fontsize=8)


def _blank(panels: list[Axes]) -> None:
    for axes in panels:
        axes.set_axis_off()


def _log(axes: Axes, label: str) -> None:
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    # A narrow axis would show the tick of 1 alone, and flat curves as steep ones.
    low, high = min(low, 1 / _LEAST), max(high, _LEAST)
    axes.set_ylim(low, high)
    subs = (1, 2, 5) if high / low > _WIDE else (1, 1.5, 2, 3, 5, 7)
    axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.axhline(1, color=GREY, linewidth=0.6, zorder=0)
    axes.set_ylabel(label)


def _ratios(axes: Axes, rows: pd.DataFrame, factor: str) -> None:
    rows = rows[rows["landscape_share"] > 0]
    is_class = factor in _CLASSES
    x = np.arange(len(rows)) if is_class else ((rows["low"] + rows["high"]) / 2).to_numpy(dtype=float)
    ratio, low, high = (rows[name].to_numpy(dtype=float) for name in ("ratio", "ratio_low", "ratio_high"))
    bottom, top = _scale(ratio, low, high)
    none = ratio == 0
    axes.plot(x[none], np.full(none.sum(), bottom * 1.15), "v", color=GREY, markersize=4, markerfacecolor="none")
    colours = [_FINDINGS.get(name, GREY) for name in rows["finding"].fillna("")]
    for place, value, a, b, colour in zip(x, ratio, low, high, colours, strict=True):
        if value > 0:
            if np.isfinite(a) and np.isfinite(b):
                axes.plot([place, place], np.clip([a, b], bottom, top), color=colour, linewidth=1.0)
            axes.plot([place], np.clip([value], bottom, top), "o", color=colour, markersize=3.5, clip_on=False)
    axes.set_ylim(bottom, top)
    _log(axes, "Selection ratio")
    axes.set_ylim(bottom, top)
    axes.set_xlabel(_name(factor) if is_class else AXES[factor])
    if is_class:
        _name_classes(axes, x, list(rows["class"]))


def _scale(*values: np.ndarray) -> tuple[float, float]:
    """Ends of the axis: what the ratios and intervals need, between 0.05 and 20."""
    positive = np.concatenate([part[np.isfinite(part) & (part > 0)] for part in values] + [np.array([0.5, 2.0])])
    return max(float(positive.min()) / 1.5, _LIMITS[0]), min(float(positive.max()) * 1.5, _LIMITS[1])


def _name_classes(axes: Axes, x: np.ndarray, names: list[str]) -> None:
    short = [textwrap.fill(textwrap.shorten(name, 26, placeholder="…"), 13) for name in names]
    long = max(map(len, names), default=0) > 4
    axes.set_xticks(x, short, rotation=45 if long else 0, ha="right" if long else "center", fontsize=6 if long else 7,
                    rotation_mode="anchor" if long else "default")  # fmt: skip
    axes.set_xlim(-0.6, len(x) - 0.4)


def _curves(axes: Axes, rows: pd.DataFrame) -> None:
    numbers = pd.to_numeric(rows["value"], errors="coerce")
    named = bool(numbers.isna().any())
    names = list(dict.fromkeys(rows["value"]))
    for model, (colour, style, marker) in _MODELS.items():
        own = rows["model"] == model
        relative = rows.loc[own, "relative"].to_numpy(dtype=float)
        if named:
            shift = -0.12 if model == "logistic" else 0.12
            x = np.array([names.index(value) for value in rows.loc[own, "value"]]) + shift
            axes.plot(x, relative, marker, color=colour, markersize=4)
        else:
            axes.plot(numbers[own], relative, color=colour, linestyle=style, linewidth=1.2)
    if named:
        _name_classes(axes, np.arange(len(names)), names)
