"""Figures of the comparison of two inventories: map, areas of the same slumps, outlines of examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from slumpmap.figures.maps import draw_roads, north_arrow, round_length, runs, scale_bar
from slumpmap.figures.relief import Extent
from slumpmap.figures.style import (
    BLACK,
    BLUE,
    GREY,
    MM,
    ONE_COLUMN,
    ORANGE,
    TWO_COLUMNS,
    VERMILION,
    journal_style,
    save,
    titled,
)
from slumpmap.files import read_json
from slumpmap.inventory.comparison import MERGED, REPEAT, SPLIT, STABILIZED, UNKNOWN
from slumpmap.tables import read_csv
from slumpmap.vector import LINES, POLYGONS, read_layer

_KM = 1000.0
_TALLEST = 190 * MM
_POINTS_PER_HA, _LEAST_POINTS, _MOST_POINTS = 16.0, 8.0, 400.0
# The longer side of a map is at most so many times the shorter one.
_SLENDER = 2.5
_EXAMPLES = 6
_OUTSIDE = "outside the zone"
_OUTLINE_A, _OUTLINE_B = ORANGE, BLUE


def comparison_figures(folder: Path, roads: Path | None = None, note: str = "") -> None:
    """Draws `map`, `areas` and `examples`, each as PNG and PDF, into the folder of a comparison.

    Args:
        folder: what `slumpmap.inventory.comparison_files.compare_files` wrote.
        roads: roads as lines, or None.
        note: what to say behind the titles, such as `synthetic`.

    Raises:
        InputError: a file is missing or refused.
    """
    summary = read_json(folder / "comparison.json")
    # A column of an empty table has no type of its own, and would choose columns, not rows.
    flags = {"inside": bool}
    slumps = read_layer(folder / "slumps.gpkg", "slumps of the comparison").astype({**flags, "counterpart": bool})
    groups = read_csv(folder / "groups.csv", tuple(flags)).astype(flags)
    with journal_style():
        figures = {
            "map": _map(slumps, summary, _zone(folder, slumps), roads, note),
            "areas": _areas(groups, summary, note),
            "examples": _examples(slumps, groups, summary, note),
        }
        for name, figure in figures.items():
            save(figure, folder / f"{name}.png", folder / f"{name}.pdf")


def _zone(folder: Path, slumps: gpd.GeoDataFrame) -> gpd.GeoDataFrame | None:
    path = folder / "zone.gpkg"
    return read_layer(path, "zone", str(slumps.crs), kinds=POLYGONS) if path.exists() else None


# --- map ------------------------------------------------------------------------------------------------------------


def _map(
    slumps: gpd.GeoDataFrame, summary: dict[str, Any], zone: gpd.GeoDataFrame | None, roads: Path | None, note: str
) -> Figure:
    """Slumps as symbols by what they have: blue circles in both, triangles and squares in one alone."""
    extent = _extent(slumps, zone)
    west, east, south, north = extent
    height = min((TWO_COLUMNS - 20 * MM) * (north - south) / (east - west), _TALLEST)
    figure = Figure(figsize=(TWO_COLUMNS, height + 34 * MM), layout="constrained")
    axes = figure.add_subplot()
    handles = _lines(axes, roads, zone, slumps)
    for label, chosen, colour, marker in _kinds(slumps, summary):
        if len(chosen):
            text = label if label == _OUTSIDE else f"{label} ({len(chosen)})"
            handles.append(_symbols(axes, chosen, text, colour, marker))
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect("equal")
    axes.spines[["top", "right"]].set_visible(True)
    axes.set_xlabel(f"Easting (km, {_crs_name(slumps)})")
    axes.set_ylabel("Northing (km)")
    scale_bar(axes, extent)
    north_arrow(axes)
    title = f"{summary['name_a']} and {summary['name_b']}: {summary['in_common']} in common"
    axes.set_title(titled(title, note), loc="left")
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4), columnspacing=1.2)
    return figure


def _kinds(slumps: gpd.GeoDataFrame, summary: dict[str, Any]) -> list[tuple[str, gpd.GeoDataFrame, str, str]]:
    """Label, slumps, colour and marker of each kind: a slump that is drawn twice, or that both have, stands once."""
    ordered = slumps.sort_values(["area_ha", "id"], ascending=[False, True])
    inside, both = ordered["inside"], ordered["counterpart"]
    alone = ordered[inside & ~both].drop_duplicates(["inventory", "unit"])
    common = ordered[both & (ordered["inventory"] == "b")]
    common = common[common["group"].isin(ordered.loc[inside, "group"])].drop_duplicates("group")
    return [
        (f"only {summary['name_a']}", alone[alone["inventory"] == "a"], ORANGE, "^"),
        (f"only {summary['name_b']}", alone[alone["inventory"] == "b"], VERMILION, "s"),
        ("in both", common, BLUE, "o"),
        (_OUTSIDE, ordered[~inside].drop(index=common.index, errors="ignore"), "#BBBBBB", "."),
    ]


def _symbols(axes: Axes, slumps: gpd.GeoDataFrame, label: str, colour: str, marker: str) -> Line2D:
    """Symbols at the centroids, in the order of the rows; the handle for the legend."""
    xy = shapely.get_coordinates(shapely.centroid(slumps.geometry.to_numpy())) / _KM
    size = np.clip(_POINTS_PER_HA * slumps["area_ha"].to_numpy(dtype=float), _LEAST_POINTS, _MOST_POINTS)
    axes.scatter(
        xy[:, 0], xy[:, 1], s=size, c=colour, marker=marker, edgecolors="white", linewidths=0.3, alpha=0.85, zorder=3
    )
    return Line2D([], [], linestyle="", marker=marker, markersize=5, color=colour, markeredgecolor="white", label=label)


def _lines(axes: Axes, roads: Path | None, zone: gpd.GeoDataFrame | None, slumps: gpd.GeoDataFrame) -> list[Artist]:
    """Draws roads and the edge of the zone; the handles for the legend."""
    lines = None if roads is None else read_layer(roads, "roads", str(slumps.crs), kinds=LINES)
    handles = draw_roads(axes, lines)
    if zone is not None:
        edges = shapely.boundary(zone.geometry.to_numpy())
        axes.add_collection(
            LineCollection(runs(edges, _KM), colors=GREY, linewidths=0.8, linestyles="--"), autolim=False
        )
        handles.append(Line2D([], [], color=GREY, linewidth=0.8, linestyle="--", label="zone"))
    return handles


def _extent(slumps: gpd.GeoDataFrame, zone: gpd.GeoDataFrame | None) -> Extent:
    """West, east, south, north of what is shown with a margin, km; not too slender."""
    shown = slumps if zone is None else gpd.GeoSeries(pd.concat([slumps.geometry[slumps["inside"]], zone.geometry]))
    bounds = np.asarray(shown.total_bounds) / _KM if len(shown) else np.array([0.0, 0.0, 1.0, 1.0])
    middle, half = (bounds[:2] + bounds[2:]) / 2, (bounds[2:] - bounds[:2]) / 2
    half = np.maximum(half, max(half.max() / _SLENDER, 0.1)) * 1.06
    (west, south), (east, north) = (middle - half).tolist(), (middle + half).tolist()
    return west, east, south, north


def _crs_name(slumps: gpd.GeoDataFrame) -> str:
    name = str(slumps.crs.name)
    return "equal-area" if name == "unknown" else name


# --- areas ----------------------------------------------------------------------------------------------------------


def _areas(groups: pd.DataFrame, summary: dict[str, Any], note: str) -> Figure:
    """Area in B against area in A, logarithmic, with equality and the limits of agreement of the ratio."""
    counted = groups[groups["inside"]]
    figure = Figure(figsize=(ONE_COLUMN, 108 * MM), layout="constrained")
    axes = figure.add_subplot()
    kinds = ((REPEAT, BLUE, "o"), (MERGED, VERMILION, "^"), (SPLIT, ORANGE, "s"), (STABILIZED, GREY, "D"),
             (UNKNOWN, BLACK, "x"))  # fmt: skip
    for relation, colour, marker in kinds:
        chosen = counted[counted["relation"] == relation]
        if len(chosen):
            axes.scatter(chosen["area_a_ha"], chosen["area_b_ha"], s=12, c=colour, marker=marker, linewidths=0.6,
                         label=f"{relation} ({len(chosen)})")  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel=f"Area in {summary['name_a']} (ha)")
    axes.set_ylabel(f"Area in {summary['name_b']} (ha)")
    values = counted[["area_a_ha", "area_b_ha"]].to_numpy(dtype=float)
    ends = np.array([values.min() / 1.5, values.max() * 1.5]) if len(values) else np.array([0.01, 10.0])
    axes.plot(ends, ends, color=BLACK, linewidth=0.8, label="equal")
    ratio = summary["agreement"]["groups"]["ratio"]
    if ratio["lower"] is not None:
        axes.plot(ends, ends * ratio["mean"], color=GREY, linewidth=0.8, label=f"mean ratio {ratio['mean']:.2f}")
        label = f"95 % limits {ratio['lower']:.2f} to {ratio['upper']:.2f}"
        for factor, text in ((ratio["lower"], label), (ratio["upper"], None)):
            axes.plot(ends, ends * factor, color=GREY, linewidth=0.8, linestyle="--", label=text)
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_title(titled("Areas of the slumps in common", note), loc="left")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


# --- examples -------------------------------------------------------------------------------------------------------


def _examples(slumps: gpd.GeoDataFrame, groups: pd.DataFrame, summary: dict[str, Any], note: str) -> Figure:
    """Outlines of both inventories in windows about the largest groups of each relation, and of slumps without one."""
    chosen = choose_examples(slumps, groups)
    columns = 3
    rows = max(1, -(-len(chosen) // columns))
    figure = Figure(figsize=(TWO_COLUMNS, rows * 64 * MM + 14 * MM), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for panel in panels[len(chosen) :]:
        panel.set_axis_off()
    for panel, (title, members) in zip(panels, chosen, strict=False):
        _draw_example(panel, slumps, members, title)
    handles = [
        Line2D([], [], color=_OUTLINE_A, linewidth=1.0, label=summary["name_a"]),
        Line2D([], [], color=_OUTLINE_B, linewidth=1.0, linestyle="--", label=summary["name_b"]),
    ]
    figure.suptitle(titled("Examples", note), x=0.01, ha="left", fontsize=8)
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def choose_examples(slumps: gpd.GeoDataFrame, groups: pd.DataFrame) -> list[tuple[str, NDArray[np.bool_]]]:
    """Titles and rows of up to six examples: the largest of each relation, then the next largest repeats.

    Args:
        slumps: rows of both inventories: `inventory`, `inside`, `counterpart`, `group`, `area_ha`.
        groups: `group`, `relation`, `inside`, `area_b_ha`.
    """
    counted = groups[groups["inside"]].sort_values(["area_b_ha", "group"], ascending=[False, True])
    firsts = counted.drop_duplicates("relation")
    order = {name: place for place, name in enumerate((MERGED, SPLIT, STABILIZED, UNKNOWN, REPEAT))}
    firsts = firsts.sort_values("relation", key=lambda names: names.map(order))
    examples = [(row.relation, (slumps["group"] == row.group).to_numpy()) for row in firsts.itertuples()]
    alone = slumps[slumps["inside"] & ~slumps["counterpart"]]
    for side in "ab":
        largest = alone[alone["inventory"] == side].sort_values(["area_ha", "id"], ascending=[False, True]).index[:1]
        if len(largest):
            examples.append((f"only {side.upper()}", np.asarray(slumps.index == largest[0])))
    others = counted[(counted["relation"] == REPEAT) & ~counted["group"].isin(firsts["group"])].head(_EXAMPLES)
    examples += [(row.relation, (slumps["group"] == row.group).to_numpy()) for row in others.itertuples()]
    return [(str(title), members) for title, members in examples[:_EXAMPLES]]


def _draw_example(axes: Axes, slumps: gpd.GeoDataFrame, members: NDArray[np.bool_], title: str) -> None:
    west, south, east, north = slumps.geometry[members].total_bounds
    half = 0.65 * max(east - west, north - south)
    x, y = (west + east) / 2, (south + north) / 2
    near = slumps.cx[x - half : x + half, y - half : y + half]
    for side, colour, style in (("a", _OUTLINE_A, "-"), ("b", _OUTLINE_B, "--")):
        outlines = shapely.boundary(near.geometry[near["inventory"] == side].to_numpy())
        if len(outlines):
            axes.add_collection(LineCollection(runs(outlines), colors=colour, linewidths=1.0, linestyles=style))
    axes.set(xlim=(x - half, x + half), ylim=(y - half, y + half), aspect="equal", xticks=[], yticks=[])
    axes.spines[["top", "right"]].set_visible(True)
    length = round_length(0.5 * half)
    start = x - 0.92 * half
    axes.plot([start, start + length], [y - 0.9 * half] * 2, color=BLACK, linewidth=1.5, solid_capstyle="butt")
    axes.annotate(f"{length:g} m", (start, y - 0.9 * half), (0, 3), textcoords="offset points", fontsize=6)
    of_a, of_b = (_few(slumps.loc[members & (slumps["inventory"] == side), "id"]) for side in "ab")
    axes.set_title(f"{title}: A {of_a}\nB {of_b}", loc="left", fontsize=7)


def _few(ids: pd.Series) -> str:
    """The first two ids, and how many more there are."""
    more = f" and {len(ids) - 2} more" if len(ids) > 2 else ""
    return ", ".join(ids.head(2)) + more if len(ids) else "none"
