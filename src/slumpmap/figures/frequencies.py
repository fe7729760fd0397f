"""Slumps against the landscape (the paper's Figure 6): areas, elevation, slope, radiation, aspect, vegetation, soil."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.projections.polar import PolarAxes
from numpy.typing import NDArray

from slumpmap.figures.histograms import draw_areas
from slumpmap.figures.style import BLACK, BLUE, GREY, MM, PALE, TWO_COLUMNS, state, titled
from slumpmap.inventory.attributes import SECTORS
from slumpmap.tables import read_csv

AXES = {
    "elevation": "Elevation (m)",
    "slope": "Slope (°)",
    "tpi": "Topographic position (m)",
    "pisr": "Radiation (kWh m⁻² a⁻¹)",
    "aspect": "Aspect (°)",
    "vegetation": "Vegetation",
    "soil": "Soil texture",
    "stream_distance_m": "Distance to stream (m)",
    "road_distance_m": "Distance to road (m)",
}
# Bars of classes that are drawn each by itself; the rest stands together.
_MOST_CLASSES = 9
_NOT_ANALYSED = "no layer given"


def read_selection(path: Path) -> pd.DataFrame:
    """The table of selection ratios, class names as text."""
    return read_csv(
        path,
        ("factor", "class", "note"),
        ("low", "high", "landscape_share", "slump_share"),
        "table of selection ratios",
        dtype={"factor": str, "class": str, "note": str},
        keep_default_na=False,
        na_values=[""],
    )


def classes_of(selection: pd.DataFrame | None, factor: str) -> tuple[pd.DataFrame, str]:
    """The classes of a factor that can be drawn, and where there are none the reason."""
    if selection is None:
        return pd.DataFrame(), _NOT_ANALYSED
    rows = selection[selection["factor"] == factor]
    known = rows[rows["class"].notna() & rows["landscape_share"].notna() & rows["slump_share"].notna()]
    reasons = "; ".join(rows["note"].dropna().unique())
    return known.reset_index(drop=True), "" if len(known) else reasons or _NOT_ANALYSED


def frequencies_figure(areas: NDArray[np.float64], selection: pd.DataFrame | None, note: str = "") -> Figure:
    """Draws the seven panels.

    Args:
        areas: (slumps,) hectares.
        selection: what `study selection` wrote, or None where nothing is known of the landscape.
        note: what to say behind the first title.
    """
    figure = Figure(figsize=(TWO_COLUMNS, 165 * MM), layout="constrained")
    # Each row by itself, so that long class names take no room from the panels above.
    top, middle, bottom = np.ravel(figure.subfigures(3, 1, squeeze=False, height_ratios=(1, 1.1, 1.1)))
    first = top.subplots(1, 3)
    draw_areas(first[0], areas)
    first[0].set_title(titled("a  Areas", note), loc="left")
    rows, reason = classes_of(selection, "aspect")
    second = [middle.add_subplot(1, 3, 1), middle.add_subplot(1, 3, 2, projection=None if reason else "polar")]
    for letter, factor, panel in (("b", "elevation", first[1]), ("c", "slope", first[2]), ("d", "pisr", second[0])):
        draw_number(panel, selection, factor)
        panel.set_title(letter, loc="left")
    if isinstance(second[1], PolarAxes):
        draw_rose(second[1], rows)
    else:
        state(second[1], f"aspect: {reason}")
    second[1].set_title("e", loc="left")
    _legend(middle.add_subplot(1, 3, 3), areas, selection)
    for letter, factor, panel in zip("fg", ("vegetation", "soil"), bottom.subplots(1, 2), strict=True):
        draw_classes(panel, selection, factor)
        panel.set_title(f"{letter}  {AXES[factor]}", loc="left")
    return figure


def draw_number(axes: Axes, selection: pd.DataFrame | None, factor: str) -> None:
    """Bars of the slumps' shares and the outline of the landscape's, over classes of a number."""
    rows, reason = classes_of(selection, factor)
    if reason:
        state(axes, f"{AXES[factor].split(' (')[0].lower()}: {reason}")
        return
    rows = rows.sort_values("low")
    width = (rows["high"] - rows["low"]).to_numpy(dtype=float)
    axes.bar(rows["low"], 100 * rows["slump_share"], width, align="edge", color=BLUE, edgecolor="white", linewidth=0.3)
    edges = [*rows["low"], rows["high"].iloc[-1]]
    axes.stairs(100 * rows["landscape_share"].to_numpy(), edges, color=BLACK, linewidth=1.0)
    axes.set_xlabel(AXES[factor])
    axes.set_ylabel("Share (%)")
    axes.locator_params(axis="x", nbins=5)
    axes.set_ylim(bottom=0)


def draw_rose(axes: PolarAxes, rows: pd.DataFrame) -> None:
    """Shares of the eight winds as sectors, north up, clockwise; flat ground in words."""
    by_name = rows.set_index("class")
    winds = by_name.reindex(list(SECTORS))[["slump_share", "landscape_share"]].fillna(0.0) * 100
    angles = np.radians(np.arange(8) * 45.0)
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    axes.bar(angles, winds["slump_share"], np.radians(45), color=BLUE, edgecolor="white", linewidth=0.4)
    axes.bar(angles, winds["landscape_share"], np.radians(45), color="none", edgecolor=BLACK, linewidth=0.8)
    axes.set_xticks(angles, SECTORS)
    axes.tick_params(axis="x", pad=-3)
    top = max(10.0, float(winds.to_numpy().max()))
    step = 10 if top <= 40 else 20
    axes.set_yticks(np.arange(step, top + step, step))
    axes.set_ylim(0, top * 1.05)
    axes.set_yticklabels([f"{value:g} %" for value in axes.get_yticks()], fontsize=6)
    # The percentages stand where the two neighbouring winds have least.
    largest = winds.max(axis=1).to_numpy()
    axes.set_rlabel_position(22.5 + 45.0 * float(np.argmin(np.maximum(largest, np.roll(largest, -1)))))
    axes.grid(linewidth=0.3, color=PALE)
    if "flat" in by_name.index and (flat := by_name.loc["flat", ["slump_share", "landscape_share"]]).gt(0).any():
        text = f"flat: slumps {100 * flat['slump_share']:.1f} %, area {100 * flat['landscape_share']:.1f} %"
        axes.set_xlabel(text, fontsize=6)


def draw_classes(axes: Axes, selection: pd.DataFrame | None, factor: str) -> None:
    """Pairs of bars for the classes, the most common of the landscape on top."""
    rows, reason = classes_of(selection, factor)
    if reason:
        state(axes, reason)
        return
    rows = few_classes(rows)
    place = np.arange(len(rows))
    axes.barh(place - 0.2, 100 * rows["slump_share"], 0.4, color=BLUE)
    axes.barh(place + 0.2, 100 * rows["landscape_share"], 0.4, color="none", edgecolor=BLACK, linewidth=0.8)
    axes.set_yticks(place, [textwrap.shorten(name, 28, placeholder="…") for name in rows["class"]])
    axes.invert_yaxis()
    axes.set_xlabel("Share (%)")


def few_classes(rows: pd.DataFrame) -> pd.DataFrame:
    """Classes that occur, the most common of the landscape first; beyond nine the rarer ones stand together."""
    occurring = rows[(rows["landscape_share"] > 0) | (rows["slump_share"] > 0)]
    ranked = occurring.sort_values(["landscape_share", "slump_share"], ascending=False)
    ranked = ranked[["class", "slump_share", "landscape_share"]]
    if len(ranked) <= _MOST_CLASSES + 1:
        return ranked.reset_index(drop=True)
    rest = ranked.iloc[_MOST_CLASSES:]
    others = pd.DataFrame([{"class": f"{len(rest)} others", **rest[["slump_share", "landscape_share"]].sum()}])
    return pd.concat([ranked.iloc[:_MOST_CLASSES], others], ignore_index=True)


def _legend(axes: Axes, areas: NDArray[np.float64], selection: pd.DataFrame | None) -> None:
    axes.set_axis_off()
    handles = [
        Patch(color=BLUE, label=f"slumps (n = {len(areas)})"),
        Patch(facecolor="none", edgecolor=BLACK, label="study area, all pixels"),
    ]
    axes.legend(handles=handles[: 1 if selection is None else 2], loc="center", title="Share of")
    if len(areas) < 20:
        text = "Few slumps: shares of single slumps" if len(areas) else "No slump"
        axes.text(0.5, 0.2, text, transform=axes.transAxes, ha="center", fontsize=6, color=GREY)
