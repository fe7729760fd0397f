"""Affected ground and initiation groups in cells over the relief (the paper's Figure 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Wedge
from matplotlib.patheffects import withStroke

from slumpmap.figures.maps import draw_area, draw_light, frame, map_extent, map_panels, runs, scale_bar
from slumpmap.figures.relief import Relief
from slumpmap.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    VERMILION,
    titled,
)
from slumpmap.grid import Grid
from slumpmap.inventory.cells import UNKNOWN, group_column

_KM = 1000.0
_COLOURS = (BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE)
# Cells with their numbers written in: more would not be read.
_MOST_LABELS = 24
# The largest pie's radius, by the map's shorter side and by the shorter side of a cell.
_RADIUS_OF_MAP, _RADIUS_OF_CELL = 0.22, 0.46


def affected_map(
    fine: gpd.GeoDataFrame,
    coarse: gpd.GeoDataFrame,
    groups: Sequence[str],
    grid: Grid,
    relief: Relief | None,
    note: str = "",
) -> Figure:
    """Draws the affected area in the finer cells and pies of initiation groups in the coarser ones.

    Args:
        fine: cells as `inventory.cells.cell_table` makes them.
        coarse: larger cells of the same area.
        groups: initiation groups in their order, each a column of the cells.
        grid: the campaign's grid.
        relief: the ground, or None.
        note: what to say behind the title.
    """
    extent = map_extent(grid)
    figure, panels = map_panels(extent, 2)
    for axes in panels:
        if relief is not None:
            draw_light(axes, relief)
        draw_area(axes, grid)
        frame(axes, extent, grid, 4)
        scale_bar(axes, extent)
    left, right = panels
    if len({axes.get_position().y0 for axes in panels}) == 1:
        right.set_ylabel("")
    _affected(figure, left, fine, grid)
    left.set_title(titled(f"a  Affected area in cells of {_side(fine)}", note), loc="left")
    handles = _pies(right, coarse, groups, grid)
    right.set_title(f"b  Initiation in cells of {_side(coarse)}", loc="left")
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6), title="Slumps began")
    return figure


def _side(cells: gpd.GeoDataFrame) -> str:
    west, _, east, _ = cells.geometry.iloc[0].bounds
    side = f"{(east - west) / _KM:g} km"
    return f"{side} (one covers all)" if len(cells) == 1 else side


def _shown(cells: gpd.GeoDataFrame, grid: Grid) -> np.ndarray:
    """The part of each cell that lies in the study area."""
    return np.asarray(shapely.intersection(cells.geometry.to_numpy(), grid.area))


def _affected(figure: Figure, axes: Axes, cells: gpd.GeoDataFrame, grid: Grid) -> None:
    shapes = _shown(cells, grid)
    parts, cell = shapely.get_parts(shapes, return_index=True)
    polygons = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    parts, cell = parts[polygons], cell[polygons]
    values = cells["area_ha"].to_numpy(dtype=float)
    drawn = PolyCollection(
        runs(shapely.get_exterior_ring(parts), _KM), cmap="YlOrBr", edgecolors=GREY, linewidths=0.4, alpha=0.7
    )
    drawn.set_array(values[cell])
    drawn.set_clim(0, max(float(values.max()), 1e-6))
    axes.add_collection(drawn, autolim=False)
    figure.colorbar(drawn, ax=axes, location="bottom", shrink=0.8, pad=0.02, label="Affected area (ha)")
    if len(cells) <= _MOST_LABELS:
        halo = [withStroke(linewidth=2, foreground="white")]
        for x, y, hectares, share in zip(*_centres(shapes), values, cells["affected_share"], strict=True):
            text = f"{hectares:.3g} ha\n{100 * share:.2g} %"
            axes.text(x, y, text, ha="center", va="center", fontsize=6, path_effects=halo, zorder=4)


def _pies(axes: Axes, cells: gpd.GeoDataFrame, groups: Sequence[str], grid: Grid) -> list[Artist]:
    """Pies with an area by the number of slumps; the handles for the legend."""
    colours = group_colours(groups)
    table = cells[[group_column(group) for group in groups]].to_numpy(dtype=float).reshape(len(cells), len(groups))
    totals = table.sum(axis=1)
    squares = _shown(cells, grid)
    axes.add_collection(_edges(cells), autolim=False)
    if not totals.any():
        axes.text(0.5, 0.5, "no slump", transform=axes.transAxes, ha="center", fontsize=7)
        return []
    west, south, east, north = (value / _KM for value in grid.area.bounds)
    side = np.sqrt(cells.geometry.area.iloc[0]) / _KM
    largest = min(_RADIUS_OF_MAP * min(east - west, north - south), _RADIUS_OF_CELL * side)
    largest = max(largest, 0.012 * max(east - west, north - south))
    halo = [withStroke(linewidth=2, foreground="white")]
    for x, y, counts, total in zip(*_centres(squares), table, totals, strict=True):
        if not total:
            continue
        radius = largest * np.sqrt(total / totals.max())
        # From the north, clockwise.
        ends = 90 - 360 * np.cumsum([0, *counts]) / total
        some = counts > 0
        wedges = [Wedge((x, y), radius, b, a) for a, b, drawn in zip(ends, ends[1:], some, strict=False) if drawn]
        fills = [colours[group] for group, drawn in zip(groups, some, strict=True) if drawn]
        pie = PatchCollection(wedges, facecolors=fills, edgecolors="white", linewidths=0.4, zorder=3)
        axes.add_collection(pie, autolim=False)
        if len(cells) <= _MOST_LABELS:
            place: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 6, "path_effects": halo, "zorder": 4}
            axes.text(x, y - radius * 1.05, f"n = {total:.0f}", **place)
    return [Patch(color=colours[group], label=group) for group in groups]


def group_colours(groups: Sequence[str]) -> dict[str, str]:
    """A colour for each initiation group; grey for unknown ones and for those beyond the colours."""
    named = [group for group in groups if group != UNKNOWN]
    return {group: _COLOURS[n] if n < len(_COLOURS) else GREY for n, group in enumerate(named)} | {UNKNOWN: PALE}


def _edges(cells: gpd.GeoDataFrame) -> PolyCollection:
    outlines = runs(shapely.get_exterior_ring(cells.geometry.to_numpy()), _KM)
    return PolyCollection(outlines, facecolors="none", edgecolors=BLACK, linewidths=0.4)


def _centres(shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A point well inside each shape, km."""
    inside = shapely.get_coordinates(shapely.centroid(shapes)) / _KM
    return inside[:, 0], inside[:, 1]
