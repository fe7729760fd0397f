"""What all maps share, and the map of the inventory (the paper's Figure 5a): circles by area, near roads marked."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from slumpmap.figures.relief import Extent, Relief
from slumpmap.figures.style import BLACK, BLUE, GREY, MM, ORANGE, TWO_COLUMNS, titled
from slumpmap.grid import Grid
from slumpmap.vector import LINES, read_layer

_KM = 1000.0
# Height by width below which two maps stand one below the other.
_WIDE = 0.6
_LOWEST, _TALLEST = 30 * MM, 200 * MM
# Room for title, axis labels and legend beside the map itself.
_MARGIN = 32 * MM
# Marker area in square points per hectare, and the least that is still seen.
_POINTS_PER_HA = 16.0
_LEAST_POINTS = 3.0
# Light of level ground is one value, which a stretch must not turn into noise.
_LEAST_CONTRAST = 0.02


def inventory_map(
    slumps: gpd.GeoDataFrame, grid: Grid, relief: Relief | None, roads: gpd.GeoDataFrame | None, note: str = ""
) -> Figure:
    """Draws the inventory over the relief of the study area.

    Args:
        slumps: the inventory in the grid's CRS.
        grid: the campaign's grid; the map is in its CRS, grid north up.
        relief: the ground, or None.
        roads: roads and railways as lines in that CRS, or None.
        note: what to say behind the title, such as `synthetic`.
    """
    extent = map_extent(grid)
    figure, (axes,) = map_panels(extent, 1)
    if relief is not None:
        draw_light(axes, relief)
    handles = [*draw_roads(axes, roads), *_slumps(axes, slumps)]
    draw_area(axes, grid)
    frame(axes, extent, grid)
    scale_bar(axes, extent)
    north_arrow(axes)
    axes.set_title(titled(_headline(slumps), note), loc="left")
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6), columnspacing=1.2)
    return figure


def _headline(slumps: gpd.GeoDataFrame) -> str:
    text = f"{len(slumps)} slumps, {slumps['area_ha'].sum():.1f} ha"
    near = slumps["near_road"]
    return f"{text}, {int(near.fillna(False).sum())} near a road" if near.notna().any() else text


def map_panels(extent: Extent, maps: int, beside: float = 0.0) -> tuple[Figure, list[Axes]]:
    """A figure of two columns' width with maps side by side, or one below the other where the area is wide.

    Tall areas get narrower maps, so that the page holds them.

    Args:
        extent: of each map, km.
        maps: number of maps.
        beside: width that a scale needs beside each map, inches.
    """
    west, east, south, north = extent
    slender = (north - south) / (east - west)
    rows = maps if slender < _WIDE else 1
    columns = maps // rows
    width = TWO_COLUMNS / columns - 20 * MM - beside
    height = min(max(width * slender, _LOWEST), _TALLEST / rows)
    # A map below another one has its own axis labels and scale.
    figure = Figure(figsize=(TWO_COLUMNS, rows * height + _MARGIN + (rows - 1) * _MARGIN / 2), layout="constrained")
    return figure, list(np.ravel(figure.subplots(rows, columns, squeeze=False)))


def round_length(longest: float) -> float:
    """The largest length of 1, 2 or 5 times a power of ten that is not above `longest`."""
    power = 10.0 ** math.floor(math.log10(longest))
    return max(step * power for step in (1, 2, 5) if step * power <= longest)


def map_extent(grid: Grid) -> Extent:
    """West, east, south, north of the study area with a margin of 2 %, km."""
    west, south, east, north = (value / _KM for value in grid.area.bounds)
    margin = 0.02 * max(east - west, north - south)
    return west - margin, east + margin, south - margin, north + margin


def runs(lines: NDArray[Any], unit: float = 1.0) -> list[NDArray[np.float64]]:
    """(points, 2) coordinates of each part of lines or outlines, by `unit`."""
    parts = shapely.get_parts(lines)
    xy, part = shapely.get_coordinates(parts, return_index=True)
    return np.split(xy / unit, np.flatnonzero(np.diff(part)) + 1)


def draw_light(axes: Axes, relief: Relief) -> None:
    """Draws the relief in light greys, stretched so that gentle ground shows its shape too."""
    light = relief.light
    valid = light[~np.isnan(light)]
    low, high = np.percentile(valid, (1, 99)) if len(valid) else (0.0, 1.0)
    high = max(high, low + _LEAST_CONTRAST)
    axes.imshow(light, extent=relief.extent, cmap="gray", vmin=2 * low - high, vmax=high, interpolation="bilinear")


def draw_area(axes: Axes, grid: Grid) -> None:
    """Draws the edge of the study area."""
    edges = runs(shapely.boundary(np.array([grid.area])), _KM)
    axes.add_collection(LineCollection(edges, colors=GREY, linewidths=0.8), autolim=False)


def read_roads(roads: Path | None, grid: Grid) -> gpd.GeoDataFrame | None:
    """Roads and railways in the grid's CRS, None where there is no layer.

    Raises:
        InputError: the layer is refused.
    """
    return None if roads is None else read_layer(roads, "roads", grid.crs, kinds=LINES)


def draw_roads(axes: Axes, roads: gpd.GeoDataFrame | None) -> list[Artist]:
    """Draws the roads; the handles for the legend."""
    if roads is None:
        return []
    lines = runs(roads.geometry.to_numpy(), _KM)
    axes.add_collection(LineCollection(lines, colors=BLACK, linewidths=0.9), autolim=False)
    return [Line2D([], [], color=BLACK, linewidth=0.9, label="road or railway")]


def _slumps(axes: Axes, slumps: gpd.GeoDataFrame) -> list[Artist]:
    """Draws the slumps, the small ones on top; the handles for the legend."""
    ordered = slumps.sort_values(["area_ha", "id"], ascending=[False, True])
    centres = ordered.geometry.centroid
    near = ordered["near_road"].fillna(False).astype(bool).to_numpy()
    axes.scatter(
        centres.x / _KM,
        centres.y / _KM,
        s=_marker_area(ordered["area_ha"].to_numpy(dtype=float)),
        c=np.where(near, ORANGE, BLUE),
        edgecolors=np.where(near, BLACK, "white").tolist(),
        linewidths=np.where(near, 0.6, 0.3).tolist(),
        zorder=3,
    )
    shown = {"slump near a road": ORANGE, "other slump": BLUE} if near.any() else {"slump": BLUE}
    handles = [_circle(label, colour, 1.0) for label, colour in shown.items()]
    sizes = [size for size in (0.1, 1.0, 10.0) if not len(near) or size <= ordered["area_ha"].max()]
    return [*handles, *(_circle(f"{size:g} ha", "none", size) for size in sizes)]


def _marker_area(area_ha: NDArray[np.float64]) -> NDArray[np.float64]:
    """Marker areas, square points, proportional to the slumps' areas."""
    return np.maximum(_POINTS_PER_HA * area_ha, _LEAST_POINTS)


def _circle(label: str, colour: str, area_ha: float) -> Line2D:
    size = float(np.sqrt(_marker_area(np.array([area_ha]))[0]))
    edge = {"none": GREY, ORANGE: BLACK}.get(colour, "white")
    return Line2D([], [], linestyle="", marker="o", markersize=size, color=colour, markeredgecolor=edge, label=label)


def frame(axes: Axes, extent: Extent, grid: Grid, ticks: int = 6) -> None:
    """Limits, ticks (at most so many) and labels of a map."""
    west, east, south, north = extent
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect("equal")
    axes.spines[["top", "right"]].set_visible(True)
    axes.ticklabel_format(useOffset=False, style="plain")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=ticks, steps=[1, 2, 5, 10]))
    axes.set_xlabel(f"Easting (km, {grid.crs})")
    axes.set_ylabel("Northing (km)")


def scale_bar(axes: Axes, extent: Extent) -> None:
    """A bar of a round length in the lower left corner."""
    west, east, south, north = extent
    length = round_length((east - west) / 4)
    x, y = west + 0.04 * (east - west), south + 0.05 * (north - south)
    halo = [withStroke(linewidth=3.5, foreground="white")]
    axes.plot([x, x + length], [y, y], color=BLACK, linewidth=2, solid_capstyle="butt", path_effects=halo, zorder=4)
    text = f"{length:g} km" if length >= 1 else f"{length * _KM:g} m"
    axes.annotate(
        text, (x + length / 2, y), (0, 3), textcoords="offset points", ha="center", path_effects=halo, zorder=4
    )


def north_arrow(axes: Axes) -> None:
    """An arrow to grid north in the upper right corner."""
    halo = [withStroke(linewidth=3, foreground="white")]
    axes.annotate(
        "N",
        xy=(0.96, 0.97),
        xytext=(0.96, 0.87),
        xycoords="axes fraction",
        ha="center",
        va="top",
        fontweight="bold",
        arrowprops={"arrowstyle": "-|>", "color": BLACK, "linewidth": 1.2, "shrinkB": 0, "path_effects": halo},
        path_effects=halo,
        zorder=4,
    )
