"""Map of the inventory (the paper's Figure 5a): circles by area, slumps near roads in another colour."""

from __future__ import annotations

import math
from pathlib import Path

import geopandas as gpd
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT

from slumpmap.figures.style import BLACK, BLUE, GREY, MM, ORANGE, TWO_COLUMNS, journal_style, save, titled
from slumpmap.grid import Grid
from slumpmap.inventory.build import read_inventory
from slumpmap.raster import open_raster
from slumpmap.terrain.slope import horn
from slumpmap.vector import LINES, read_layer

Extent = tuple[float, float, float, float]

_KM = 1000.0
_TALLEST = 200 * MM
# Room for title, axis labels and legend beside the map itself.
_MARGIN = 32 * MM
# Marker area in square points per hectare, and the least that is still seen.
_POINTS_PER_HA = 16.0
_LEAST_POINTS = 3.0
_SHADE_PX = 1200
_SUN_AZIMUTH, _SUN_ALTITUDE = 315.0, 45.0


def inventory_map(
    inventory: Path,
    grid: Grid,
    dem: Path | None,
    roads: Path | None,
    out_png: Path,
    out_pdf: Path,
    note: str = "",
) -> None:
    """Draws the inventory over the relief of the study area.

    Args:
        inventory: the inventory, GeoPackage or GeoParquet.
        grid: the campaign's grid; the map is in its CRS, grid north up.
        dem: elevations for the shaded relief, or None.
        roads: roads and railways as lines, or None.
        out_png: file to write.
        out_pdf: file to write.
        note: what to say behind the title, such as `synthetic`.

    Raises:
        InputError: a file is refused.
    """
    slumps = read_inventory(inventory).to_crs(grid.crs)
    extent = _extent(grid)
    west, east, south, north = extent
    with journal_style():
        # Tall areas get a narrower map, so that the page holds it.
        height = min((TWO_COLUMNS - 20 * MM) * (north - south) / (east - west), _TALLEST)
        figure = Figure(figsize=(TWO_COLUMNS, height + _MARGIN), layout="constrained")
        axes = figure.add_subplot()
        if dem is not None:
            _relief(axes, *hillshade(dem, grid.crs, extent))
        handles = [*_roads(axes, roads, grid), *_slumps(axes, slumps)]
        for ring in _rings(grid):
            axes.plot(*ring.T / _KM, color=GREY, linewidth=0.6)
        _frame(axes, extent, grid)
        scale_bar(axes, extent)
        north_arrow(axes)
        axes.set_title(titled(f"{len(slumps)} slumps, {slumps['area_ha'].sum():.1f} ha", note), loc="left")
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), columnspacing=1.2)
        save(figure, out_png, out_pdf)


def hillshade(dem: Path, crs: str, extent: Extent) -> tuple[NDArray[np.float64], Extent]:
    """Shaded relief, light from the north-west at 45 degrees; -1 to 1, NaN where the DEM has no value.

    Args:
        dem: elevations, metres.
        crs: CRS of the map.
        extent: west, east, south, north of the map, km.

    Returns:
        (rows, columns), about `_SHADE_PX` on the longer side at most, and what they cover: `extent`, to the
        east and south up to a whole pixel.

    Raises:
        InputError: the DEM is missing, unreadable or without CRS.
    """
    west, east, south, north = (value * _KM for value in extent)
    with open_raster(dem, "DEM") as source:
        with WarpedVRT(source, crs=crs) as native:
            finest = abs(native.transform.a)
        pixel = max(finest, (east - west) / _SHADE_PX, (north - south) / _SHADE_PX)
        width, height = math.ceil((east - west) / pixel), math.ceil((north - south) / pixel)
        # One cell more on each side, since slopes need neighbours.
        transform = from_origin(west - pixel, north + pixel, pixel, pixel)
        with WarpedVRT(
            source, crs=crs, transform=transform, width=width + 2, height=height + 2, resampling=Resampling.bilinear
        ) as warped:
            elevation = warped.read(1, masked=True).astype(np.float64).filled(np.nan)
    slope, aspect = (np.radians(values[1:-1, 1:-1]) for values in horn(elevation, pixel))
    zenith = math.radians(90 - _SUN_ALTITUDE)
    # Flat ground has no aspect and needs none.
    facing = np.cos(math.radians(_SUN_AZIMUTH) - np.where(np.isnan(aspect), 0.0, aspect))
    shade = np.asarray(math.cos(zenith) * np.cos(slope) + math.sin(zenith) * np.sin(slope) * facing)
    return shade, (west / _KM, (west + width * pixel) / _KM, (north - height * pixel) / _KM, north / _KM)


def round_length(longest: float) -> float:
    """The largest length of 1, 2 or 5 times a power of ten that is not above `longest`."""
    power = 10.0 ** math.floor(math.log10(longest))
    return max(step * power for step in (1, 2, 5) if step * power <= longest)


def _extent(grid: Grid) -> Extent:
    """West, east, south, north of the study area with a margin of 2 %, km."""
    west, south, east, north = (value / _KM for value in grid.area.bounds)
    margin = 0.02 * max(east - west, north - south)
    return west - margin, east + margin, south - margin, north + margin


def _rings(grid: Grid) -> list[NDArray[np.float64]]:
    """Outer rings of the study area, (points, 2) each, metres."""
    parts = getattr(grid.area, "geoms", [grid.area])
    return [np.asarray(part.exterior.coords)[:, :2] for part in parts]


def _relief(axes: Axes, shade: NDArray[np.float64], extent: Extent) -> None:
    """Draws the relief in light greys, stretched so that gentle ground shows its shape too."""
    valid = shade[~np.isnan(shade)]
    low, high = np.percentile(valid, (1, 99)) if len(valid) else (0.0, 1.0)
    axes.imshow(shade, extent=extent, cmap="gray", vmin=2 * low - high, vmax=high, interpolation="bilinear")


def _roads(axes: Axes, roads: Path | None, grid: Grid) -> list[Artist]:
    """Draws the roads; the handles for the legend."""
    if roads is None:
        return []
    lines = read_layer(roads, "roads", grid.crs, kinds=LINES).geometry.explode(index_parts=False)
    for line in lines:
        xy = np.asarray(line.coords)[:, :2] / _KM
        axes.plot(*xy.T, color=BLACK, linewidth=0.9)
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
        edgecolors="white",
        linewidths=0.3,
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
    edge = GREY if colour == "none" else "white"
    return Line2D([], [], linestyle="", marker="o", markersize=size, color=colour, markeredgecolor=edge, label=label)


def _frame(axes: Axes, extent: Extent, grid: Grid) -> None:
    west, east, south, north = extent
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect("equal")
    axes.spines[["top", "right"]].set_visible(True)
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.locator_params(nbins=6)
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
