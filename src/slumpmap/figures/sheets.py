"""Contact sheet: a spread of slumps, one row each, their images year by year."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from slumpmap.figures.maps import round_length
from slumpmap.figures.style import BLACK, MM, ORANGE, journal_style, save, titled
from slumpmap.grid import Grid, Window
from slumpmap.inventory.build import read_inventory
from slumpmap.raster import RGB_NODATA, Mosaic

_BUFFER_M = 300.0
_CHIP = 28 * MM
_GAP = 1.5 * MM
_LABELS = 36 * MM
_HEAD = 14 * MM
# Ground without image: light, so that it is not taken for shadow.
_NO_IMAGE = 225


def contact_sheet(
    inventory: Path,
    grid: Grid,
    imagery_root: Path,
    years: Sequence[int],
    out_png: Path,
    mapping_year: int,
    count: int = 12,
    note: str = "",
) -> None:
    """Draws yearly chips of a spread of slumps, the outline in the mapping year.

    A chip is the square round the slump's box with 300 m to each side; the tiles are 8-bit already, so all
    years have the same stretch.

    Args:
        inventory: the inventory, GeoPackage or GeoParquet.
        grid: the campaign's grid.
        imagery_root: folder with the 8-bit tiles of each year, `<year>/x000_y000.tif`.
        years: years to show, in this order.
        out_png: file to write.
        mapping_year: year in which the outlines were drawn, one of `years`.
        count: number of slumps.
        note: what to say behind the title, such as `synthetic`.

    Raises:
        InputError: the inventory or a tile is missing or unreadable.
    """
    chosen = choose(read_inventory(inventory).to_crs(grid.crs), count)
    rows, columns = max(len(chosen), 1), len(years)
    width, height = _LABELS + columns * (_CHIP + _GAP), _HEAD + rows * (_CHIP + _GAP)
    with journal_style():
        figure = Figure(figsize=(width, height))
        figure.text(_GAP / width, 1 - 2 * _GAP / height, titled("Slumps year by year", note), va="top")
        for column, year in enumerate(years):
            with Mosaic(grid, Path(imagery_root) / str(year), bands=3, nodata=RGB_NODATA) as mosaic:
                for row, slump in enumerate(chosen.itertuples()):
                    left, top = _LABELS + column * (_CHIP + _GAP), _HEAD + row * (_CHIP + _GAP)
                    axes = figure.add_axes((left / width, 1 - (top + _CHIP) / height, _CHIP / width, _CHIP / height))
                    window = chip_window(slump.geometry, grid)
                    draw_chip(axes, mosaic.read(window), window, grid)
                    if row == 0:
                        axes.set_title(str(year), pad=3)
                    if year == mapping_year:
                        draw_outline(axes, slump.geometry)
                    if column == 0:
                        _label(axes, pd.Series(slump._asdict()))
                        draw_scale(axes, window, grid)
        save(figure, out_png)


def choose(slumps: gpd.GeoDataFrame, count: int) -> gpd.GeoDataFrame:
    """A spread of slumps, the largest first.

    The largest and the smallest, then the one of median area of each iteration, then even steps through the
    ranking by area.

    Args:
        slumps: rows with `id`, `area_ha`, `iteration_found`.
        count: number of rows wanted; all are returned where there are not more.
    """
    ranked = slumps.sort_values(["area_ha", "id"], ascending=[False, True], ignore_index=True)
    if len(ranked) <= count:
        return ranked
    medians = [group.index[len(group) // 2] for _, group in ranked.groupby("iteration_found")]
    steps = np.linspace(0, len(ranked) - 1, count).round().astype(int)
    wanted = dict.fromkeys([0, len(ranked) - 1, *medians, *steps.tolist()])
    # Steps that meet a row taken before leave room: the next ranks fill it.
    wanted |= dict.fromkeys(range(len(ranked)))
    return ranked.loc[sorted(list(wanted)[:count])]


def chip_window(outline: BaseGeometry, grid: Grid) -> Window:
    """The square of whole pixels, centred on the outline's box, 300 m more than its longer side each way."""
    west, south, east, north = outline.bounds
    half = max(east - west, north - south) / 2 + _BUFFER_M
    x, y = (west + east) / 2, (south + north) / 2
    column, row = ~grid.transform * (x, y)
    pixels = round(half / grid.resolution)
    return Window(round(row) - pixels, round(column) - pixels, 2 * pixels, 2 * pixels)


def draw_chip(axes: Axes, bands: NDArray[np.uint8], window: Window, grid: Grid) -> None:
    """Draws the image of a window; ground without image is light grey."""
    image = np.moveaxis(bands, 0, -1).copy()
    image[(bands == RGB_NODATA).all(axis=0)] = _NO_IMAGE
    west, south, east, north = grid.bounds(window)
    axes.imshow(image, extent=(west, east, south, north))
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_axis_off()


def draw_outline(axes: Axes, outline: BaseGeometry) -> None:
    """Draws all rings of an outline."""
    halo = [withStroke(linewidth=1.6, foreground="black")]
    for part in getattr(outline, "geoms", [outline]):
        for ring in (part.exterior, *part.interiors):
            axes.plot(*np.asarray(ring.coords)[:, :2].T, color=ORANGE, linewidth=0.8, path_effects=halo)


def _label(axes: Axes, slump: pd.Series) -> None:
    """Id, area, iteration and initiation to the left of a row."""
    found = "initial label" if slump["iteration_found"] == 0 else f"iteration {slump['iteration_found']}"
    lines = [str(slump["id"]), f"{slump['area_ha']:.2f} ha", found]
    if pd.notna(slump["initiation"]):
        lines.append(f"began {slump['initiation']}")
    axes.annotate(
        "\n".join(lines), (0, 1), (-3, 0), xycoords="axes fraction", textcoords="offset points", ha="right", va="top"
    )


def draw_scale(axes: Axes, window: Window, grid: Grid) -> None:
    """A bar of a round length in the lower left corner of a chip."""
    west, south, east, _ = grid.bounds(window)
    side = east - west
    length = round_length(side / 2.5)
    x, y = west + 0.06 * side, south + 0.07 * side
    halo = [withStroke(linewidth=2.5, foreground="white")]
    axes.plot([x, x + length], [y, y], color=BLACK, linewidth=1.5, solid_capstyle="butt", path_effects=halo)
    axes.annotate(
        f"{length:g} m",
        (x + length / 2, y),
        (0, 2),
        textcoords="offset points",
        ha="center",
        fontsize=6,
        path_effects=halo,
    )
