"""What covers what in a new region: a map with the years' cover beside it, and the table of the layers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import shapely
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from slumpmap.figures.maps import draw_area, draw_light, draw_roads, frame, map_extent, read_roads, scale_bar
from slumpmap.figures.relief import read_relief
from slumpmap.figures.style import BLUE, MM, SKY, TWO_COLUMNS, VERMILION, journal_style, save
from slumpmap.grid import Grid
from slumpmap.region.scenes import Season
from slumpmap.region.wish import Finding
from slumpmap.vector import read_layer

# Width and height of the map, room above and below it.
_MAP, _LOWEST, _TALLEST, _MARGIN = 110 * MM, 40 * MM, 180 * MM, 28 * MM
_KM = 1000.0
_ALPHA = 0.35
# Years for which there is room at least, so that few bars are not broad.
_ROOM_FOR = 6
# Letters of a line of the table, and of what stands before the last column.
_LINE, _BEFORE = 100, 39


def draw_overview(
    grid: Grid, found: Sequence[Season], season: Season, slumps: Path, roads: Path | None, dem: Path | None, out: Path
) -> None:
    """Draws the study area, the ground that scenes of the mapping year show, slumps and roads; and each year's cover.

    Args:
        grid: the campaign's.
        found: the years.
        season: the mapping year's.
        slumps: outlines in the grid's CRS.
        roads: lines, or None.
        dem: elevation model, or None.
        out: PNG to make.
    """
    with journal_style():
        extent = map_extent(grid)
        west, east, south, north = extent
        height = min(max(_MAP * (north - south) / (east - west), _LOWEST), _TALLEST)
        figure = Figure(figsize=(TWO_COLUMNS, height + _MARGIN), layout="constrained")
        axes, bars = figure.subplots(1, 2, width_ratios=(3, 1))
        if dem is not None:
            draw_light(axes, read_relief(dem, grid.crs, extent))
        handles = [
            *_ground(axes, season, grid),
            *draw_roads(axes, read_roads(roads, grid)),
            *_points(axes, slumps, grid),
        ]
        draw_area(axes, grid)
        frame(axes, extent, grid)
        scale_bar(axes, extent)
        axes.set_title(f"What covers the {grid.area.area / _KM**2:,.4g} km² of the study area", loc="left")
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        _bars(bars, found, season)
        save(figure, out)


def _ground(axes: Axes, season: Season, grid: Grid) -> list[Artist]:
    """The ground that the mapping year's scenes show; the handle for the legend."""
    shown = gpd.GeoSeries([season.ground], crs=grid.crs).affine_transform([1 / _KM, 0, 0, 1 / _KM, 0, 0])
    shown.plot(ax=axes, color=SKY, alpha=_ALPHA, aspect=None)
    return [Patch(color=SKY, alpha=_ALPHA, label=f"scenes of {season.year}")]


def _points(axes: Axes, slumps: Path, grid: Grid) -> list[Artist]:
    """The known slumps; the handle for the legend."""
    middles = shapely.centroid(read_layer(slumps, "known slumps", grid.crs).geometry.to_numpy())
    look: dict[str, Any] = {"ls": "", "marker": "o", "ms": 3, "mec": "white", "mew": 0.4, "color": VERMILION}
    axes.plot(shapely.get_x(middles) / _KM, shapely.get_y(middles) / _KM, **look)
    return [Line2D([], [], label=f"{len(middles)} known slumps", **look)]


def _bars(axes: Axes, found: Sequence[Season], season: Season) -> None:
    """The share of the study area that each year's scenes cover."""
    places = range(len(found))
    axes.barh(
        places,
        [100 * each.cover for each in found],
        height=0.6,
        color=[BLUE if each is season else SKY for each in found],
    )
    axes.set(yticks=places, yticklabels=[str(each.year) for each in found], xlim=(0, 100), xlabel="Area covered (%)")
    axes.set_ylim(max(len(found), _ROOM_FOR) - 0.5, -0.5)
    for place, each in zip(places, found, strict=True):
        axes.annotate(f"{each.scenes} scenes", (4, place), va="center", color="white" if each is season else "black")
    axes.set_title("By year", loc="left")


def table_of(findings: Sequence[Finding]) -> str:
    """The layers as a table: what each is, its CRS as it came, its cover, and what the user should know."""
    rows = []
    for finding in findings:
        cover = "" if finding.cover is None else f"{finding.cover:.0%}"
        said = [part for line in finding.said for part in textwrap.wrap(line, _LINE - _BEFORE, subsequent_indent="  ")]
        rows.append(f"{finding.layer:<15}{finding.crs:<14}{cover:>6}    {said[0] if said else ''}".rstrip())
        rows += [f"{'':<{_BEFORE}}{line}" for line in said[1:]]
    return "\n".join([f"{'layer':<15}{'CRS it has':<14}{'cover':>6}    what it is", *rows])
