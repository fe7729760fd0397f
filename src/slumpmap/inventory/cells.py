"""Slumps in square cells: how many, how much ground they affect, and when they began (the paper's Figure 7)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from slumpmap.grid import HECTARE
from slumpmap.vector import write_layer

UNKNOWN = "unknown"
_KM = 1000.0


def initiation_names(slumps: gpd.GeoDataFrame) -> list[str]:
    """The initiation groups of an inventory, the earliest first, `unknown` last where a slump has none.

    Args:
        slumps: rows with `initiation`.
    """
    named = sorted(
        set(slumps["initiation"].dropna().astype(str)), key=lambda text: (not text.startswith("before"), text)
    )
    return [*named, *([UNKNOWN] if slumps["initiation"].isna().any() else [])]


def group_column(group: str) -> str:
    """The column with a group's number of slumps: `began_2016_2017`."""
    return "began_" + re.sub(r"\W+", "_", group.lower()).strip("_")


def cell_table(slumps: gpd.GeoDataFrame, area: BaseGeometry, side_km: float, groups: Sequence[str]) -> gpd.GeoDataFrame:
    """The cells that hold a part of the study area.

    The lattice is centred on the study area's box, so that an area smaller than a cell lies in one cell. A slump is
    counted in the cell of its centroid, and its area goes to the cells in which it lies, by share; slumps with the
    centroid outside the study area do not count.

    Args:
        slumps: the inventory, in the CRS of the area: `area_ha`, `initiation`.
        area: the study area, a CRS in metres.
        side_km: side of a cell, km.
        groups: names of the initiation groups, `unknown` for slumps without one.

    Returns:
        A row for each cell, from the south-west row by row: `cell` (column and row), `area_km2` (study area in it),
        `slumps`, `area_ha`, `affected_share` (slumps' ground in the study area by the study area), a column for each
        group, the square.
    """
    cells = _lattice(area, side_km * _KM)
    shapely.prepare(area)
    cells["area_km2"] = shapely.area(shapely.intersection(cells.geometry.to_numpy(), area)) / _KM**2
    cells = cells[cells["area_km2"] > 0].reset_index(drop=True).set_crs(slumps.crs)
    centres = shapely.centroid(slumps.geometry.to_numpy())
    counted = slumps[shapely.intersects(area, centres)].reset_index(drop=True)
    centres = shapely.centroid(counted.geometry.to_numpy())
    # Of two cells that share the edge on which a centroid lies, the first has it.
    slump, cell = shapely.STRtree(cells.geometry.to_numpy()).query(centres, predicate="intersects")
    home = pd.Series(cell).groupby(slump).min()
    cells["slumps"] = home.value_counts().reindex(cells.index, fill_value=0)
    _add_areas(cells, counted, area)
    began = counted["initiation"].astype(object).where(counted["initiation"].notna(), UNKNOWN)
    for group in groups:
        of_group = home[(began == group).to_numpy()[home.index]]
        cells[group_column(group)] = of_group.value_counts().reindex(cells.index, fill_value=0)
    return cells[[name for name in cells.columns if name != "geometry"] + ["geometry"]]


def write_cells(cells: gpd.GeoDataFrame, path: Path) -> None:
    """Writes the cells as GeoPackage, atomically."""
    write_layer(cells, path)


def _lattice(area: BaseGeometry, side: float) -> gpd.GeoDataFrame:
    west, south, east, north = area.bounds
    # A hundredth of a millionth more would not make one more cell.
    columns, rows = (max(1, int(np.ceil(round(length / side, 9)))) for length in (east - west, north - south))
    x0, y0 = (west + east - columns * side) / 2, (south + north - rows * side) / 2
    row, column = (numbers.ravel() for numbers in np.indices((rows, columns)))
    x, y = x0 + column * side, y0 + row * side
    names = [f"x{c:03d}_y{r:03d}" for c, r in zip(column, row, strict=True)]
    return gpd.GeoDataFrame({"cell": names}, geometry=shapely.box(x, y, x + side, y + side))


def _add_areas(cells: gpd.GeoDataFrame, slumps: gpd.GeoDataFrame, area: BaseGeometry) -> None:
    """Adds `area_ha` and `affected_share`."""
    shapes, squares = slumps.geometry.to_numpy(), cells.geometry.to_numpy()
    slump, cell = shapely.STRtree(squares).query(shapes, predicate="intersects")
    parts = shapely.intersection(shapes[slump], squares[cell])
    share = shapely.area(parts) / shapely.area(shapes)[slump]
    hectares = share * slumps["area_ha"].to_numpy(dtype=float)[slump]
    inside = shapely.area(shapely.intersection(parts, area))
    count = len(cells)
    cells["area_ha"] = np.bincount(cell, hectares, count)
    cells["affected_share"] = np.bincount(cell, inside, count) / (cells["area_km2"] * 100 * HECTARE)
