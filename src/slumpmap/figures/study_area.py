"""The study area (the paper's Figure 1): elevation, roads, slumps, and where on Earth it is."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from slumpmap.figures.maps import draw_area, draw_roads, frame, map_extent, map_panels, north_arrow, scale_bar
from slumpmap.figures.relief import Relief
from slumpmap.figures.style import GREY, MM, ORANGE, titled
from slumpmap.grid import Grid

_KM = 1000.0
# Dark to light without much colour of its own, so that lines and symbols stand out: "cividis" for all eyes.
ELEVATIONS = "cividis"
_SCALE = 22 * MM


def study_area_map(
    slumps: gpd.GeoDataFrame, grid: Grid, relief: Relief | None, roads: gpd.GeoDataFrame | None, note: str = ""
) -> Figure:
    """Draws the study area: elevations over relief, roads, the slumps' places.

    Args:
        slumps: the inventory in the grid's CRS.
        grid: the campaign's grid.
        relief: the ground, or None.
        roads: roads and railways, or None.
        note: what to say behind the title.
    """
    extent = map_extent(grid)
    figure, (axes,) = map_panels(extent, 1, 0.0 if relief is None else _SCALE)
    if relief is None:
        axes.text(0.5, 0.02, "no elevation model given", transform=axes.transAxes, ha="center", fontsize=7, color=GREY)
    else:
        draw_elevation(figure, axes, relief)
    handles: list[Artist] = draw_roads(axes, roads)
    centres = slumps.geometry.centroid
    axes.plot(centres.x / _KM, centres.y / _KM, **_dot())
    draw_area(axes, grid)
    frame(axes, extent, grid)
    scale_bar(axes, extent)
    north_arrow(axes)
    handles.append(Line2D([], [], **_dot(), label=f"slump ({len(slumps)})"))
    handles.append(Line2D([], [], color=GREY, linewidth=0.8, label=f"study area, {grid.area.area / _KM**2:,.1f} km²"))
    axes.set_title(titled(f"Study area, centre {place(grid)}", note), loc="left")
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def draw_elevation(figure: Figure, axes: Axes, relief: Relief) -> None:
    """Draws elevations in colour, darkened by the relief's shade, with their scale."""
    known = relief.elevation[~np.isnan(relief.elevation)]
    if not len(known):
        axes.text(0.5, 0.02, "the elevation model has no value here", transform=axes.transAxes, ha="center", fontsize=7)
        return
    low, high = np.percentile(known, (0.5, 99.5))
    image = axes.imshow(
        relief.elevation, extent=relief.extent, cmap=ELEVATIONS, vmin=low, vmax=max(high, low + 1), alpha=0.75
    )
    # Shade lies over the colours, so that the scale beside the map holds for what is read from it.
    shade = np.clip(0.7071 - np.nan_to_num(relief.light, nan=0.7071), 0, 0.7)
    spread = float(np.percentile(shade, 99)) or 1.0
    veil = np.zeros((*shade.shape, 4))
    veil[..., 3] = np.clip(shade / spread, 0, 1) * 0.45
    axes.imshow(veil, extent=relief.extent, interpolation="bilinear")
    figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02, label="Elevation (m)")


def place(grid: Grid) -> str:
    """Longitude and latitude of the study area's centre."""
    centre = gpd.GeoSeries([grid.area.centroid], crs=grid.crs).to_crs("EPSG:4326").iloc[0]
    north, east = ("N" if centre.y >= 0 else "S"), ("E" if centre.x >= 0 else "W")
    return f"{abs(centre.y):.2f}° {north}, {abs(centre.x):.2f}° {east}"


def _dot() -> dict[str, Any]:
    return {"linestyle": "", "marker": "o", "markersize": 3, "color": ORANGE, "markeredgecolor": "black",
            "markeredgewidth": 0.3}  # fmt: skip
