"""One slump through the years with the criteria marked (like the paper's Figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from slumpmap.errors import InputError
from slumpmap.figures.maps import runs
from slumpmap.figures.sheets import chip_window, draw_chip, draw_outline, draw_scale
from slumpmap.figures.style import MM, SKY, TWO_COLUMNS, state, titled
from slumpmap.grid import Grid
from slumpmap.inventory.headwall import headwalls
from slumpmap.raster import RGB_NODATA, Mosaic

_COLUMNS = 3
_MARGIN = 3 * MM
_HEAD, _TITLE = 7 * MM, 5 * MM
_HALO = [withStroke(linewidth=2.2, foreground="black")]


def example_sheet(
    slumps: gpd.GeoDataFrame,
    grid: Grid,
    imagery: Path,
    years: Sequence[int],
    mapping_year: int,
    slump: str | None = None,
    note: str = "",
) -> Figure:
    """Draws a slump in the image of each year; in the mapping year with outline, headwall and the criteria's numbers.

    Args:
        slumps: the inventory in the grid's CRS.
        grid: the campaign's grid.
        imagery: folder with one folder of 8-bit tiles a year.
        years: those that are shown.
        mapping_year: year in which the outline was drawn, one of `years`.
        slump: id of the slump; None: the one that `telling` takes.
        note: what to say behind the title.

    Raises:
        InputError: there is no slump of that id, or a tile is unreadable.
    """
    if not len(slumps):
        figure = Figure(figsize=(TWO_COLUMNS, 40 * MM))
        state(figure.add_subplot(), "no slump in the inventory")
        return figure
    row = telling(slumps) if slump is None else _row_of(slumps, slump)
    window = chip_window(row.geometry, grid)
    count = len(years) + 1
    rows = -(-count // _COLUMNS)
    side = (TWO_COLUMNS - (_COLUMNS + 1) * _MARGIN) / _COLUMNS
    height = _HEAD + rows * (side + _TITLE) + _MARGIN
    figure = Figure(figsize=(TWO_COLUMNS, height))
    head = f"Slump {row['id']}, {row['area_ha']:.2f} ha"
    figure.text(_MARGIN / TWO_COLUMNS, 1 - _MARGIN / height, titled(head, note), va="top", fontsize=8)
    for number in range(count):
        left = _MARGIN + (number % _COLUMNS) * (side + _MARGIN)
        top = _HEAD + _TITLE + (number // _COLUMNS) * (side + _TITLE)
        axes = figure.add_axes((left / TWO_COLUMNS, 1 - (top + side) / height, side / TWO_COLUMNS, side / height))
        if number == len(years):
            _words(axes, row)
            continue
        year = years[number]
        with Mosaic(grid, imagery / str(year), bands=3, nodata=RGB_NODATA) as mosaic:
            draw_chip(axes, mosaic.read(window), window, grid)
        axes.set_title(str(year) + (" (mapped)" if year == mapping_year else ""), pad=2, loc="left", y=1.0)
        draw_scale(axes, window, grid)
        if year == mapping_year:
            draw_outline(axes, row.geometry)
            _marks(axes, row)
    return figure


def telling(slumps: gpd.GeoDataFrame) -> pd.Series:
    """The slump that shows most: with a headwall, of high probability, begun between images; the largest of those."""
    ranked = slumps.assign(
        wall=slumps["headwall_azimuth"].notna(),
        sure=slumps["probability"].eq("high").fillna(False),
        seen=slumps["initiation"].notna() & ~slumps["initiation"].astype(str).str.startswith("before"),
    )
    order = ["wall", "seen", "sure", "area_ha", "id"]
    best: pd.Series = ranked.sort_values(order, ascending=[False, False, False, False, True]).iloc[0]
    return best


def _row_of(slumps: gpd.GeoDataFrame, slump: str) -> pd.Series:
    rows = slumps[slumps["id"].astype(str) == slump]
    if rows.empty:
        raise InputError("--slump", f"there is no slump {slump!r} in the inventory", "take an id of its column `id`")
    row: pd.Series = rows.iloc[0]
    return row


def _marks(axes: Axes, row: pd.Series) -> None:
    """Numbers of the criteria where they are seen: headwall (1, 3), bare ground (2), the way of the retreat (4)."""
    shape = row.geometry
    inside = shape.representative_point()
    _number(axes, inside.x, inside.y, "2")
    if pd.isna(row["headwall_azimuth"]):
        return
    walls = headwalls(np.array([shape]), np.array([float(row["headwall_azimuth"])]), np.array([None], dtype=object))
    top = shapely.intersection(shapely.boundary(shape), shapely.union_all(shapely.buffer(
        shapely.points(walls.x, walls.y), walls.length * 0.6)))  # fmt: skip
    lines = [run for run in runs(np.array([top])) if len(run) > 1]
    axes.add_collection(LineCollection(lines, colors=SKY, linewidths=1.6, path_effects=_HALO), autolim=False)
    x, y = float(walls.mean(walls.x)[0]), float(walls.mean(walls.y)[0])
    uphill = np.radians(float(row["headwall_azimuth"]) + 180)
    east, north = np.sin(uphill), np.cos(uphill)
    reach = 0.12 * (axes.get_xlim()[1] - axes.get_xlim()[0])
    _number(axes, x - north * reach * 0.9, y + east * reach * 0.9, "1, 3")
    arrow = {"arrowstyle": "-|>", "color": "white", "linewidth": 1.2, "path_effects": _HALO}
    start = (x + east * reach * 0.2, y + north * reach * 0.2)
    axes.annotate("", xy=(x + east * reach * 1.4, y + north * reach * 1.4), xytext=start, arrowprops=arrow)
    _number(axes, x + east * reach * 1.8, y + north * reach * 1.8, "4")


def _number(axes: Axes, x: float, y: float, text: str) -> None:
    axes.text(x, y, text, color="white", fontsize=7, fontweight="bold", ha="center", va="center", path_effects=_HALO)


def _words(axes: Axes, row: pd.Series) -> None:
    """The criteria, with what the inventory knows of them."""
    axes.set_axis_off()
    wall = ""
    if pd.notna(row["elevation_headwall"]) and pd.notna(row["elevation_mean"]):
        wall = f"\n    {row['elevation_headwall']:.0f} m; mean of the slump {row['elevation_mean']:.0f} m"
    began = "" if pd.isna(row["initiation"]) else f"\n    began {row['initiation']}"
    source = row["headwall_source"]
    line = "" if pd.isna(source) else f"\nheadwall (blue): {source}"
    text = (
        f"1  headwall at the highest ground{wall}\n2  bare ground, yellowish brown\n"
        f"3  headwall arcuate and steep\n4  retreat upslope, year by year{began}\n{line}"
    )
    axes.text(0.03, 0.95, text, transform=axes.transAxes, va="top", fontsize=7, linespacing=1.5)
