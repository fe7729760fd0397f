"""Parts of tiles to whole polygons: the same geometry, order and attributes for every tiling."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from slumpmap.candidates.parts import PART_COLUMNS
from slumpmap.grid import HECTARE, Grid
from slumpmap.raster import PROBABILITY_SCALE
from slumpmap.vector import reading, write_layer

_PARTS_AT_ONCE = 10_000


def merge_parts(
    parts: Path, grid: Grid, out: Path, mmu_ha: float, connectivity: int, area_crs: str | None = None
) -> None:
    """Joins the parts of all tiles across their seams and writes the polygons of the iteration.

    Columns: `id` (`r<row>c<column>` of the first pixel in row-major order: the place, whatever the tiling or the
    iteration), `score` and `score_max` (mean and largest probability), `pixels`, `area_ha`, `nodata_share` (share
    of the outline that borders nodata or the end of coverage), `at_edge` (whether any of it does), `west`,
    `south`, `east`, `north`, geometry. Rows are sorted by first pixel, that is by id. Memory grows with the polygons
    that are kept and with the parts at tile borders, not with the parts that are too small.

    Args:
        parts: folder of `<tile>.parquet`, one for each tile of the grid.
        grid: the campaign's grid.
        out: GeoPackage to write.
        mmu_ha: minimum mapping unit, ha; smaller polygons are dropped.
        connectivity: 4 or 8, as in tracing.
        area_crs: CRS in which areas are taken; None: pixels of the grid are counted.

    Raises:
        InputError: the parts of a tile are missing or unreadable.
    """
    finished, open_ended = [], []
    for pieces in _some_tiles(parts, grid):
        at_border = pieces["at_border"].to_numpy(dtype=bool)
        # What no seam can continue is finished here, so that small ones are not kept for the whole region.
        inner = pieces[~at_border]
        finished.append(_finish(inner, np.arange(len(inner)), grid, mmu_ha, area_crs))
        open_ended.append(pieces[at_border])
    seams = _stack(open_ended)
    finished.append(_finish(seams, _groups(seams, connectivity), grid, mmu_ha, area_crs))
    layer = _stack(finished).sort_values("id", ignore_index=True)
    write_layer(layer, out)


def _some_tiles(parts: Path, grid: Grid) -> Iterator[gpd.GeoDataFrame]:
    """The parts of several tiles at a time: a table costs more than a tile's few rows, and all rows too much memory."""
    together: list[gpd.GeoDataFrame] = []
    for tile in grid.tiles:
        together.append(_read_parts(parts / f"{tile.id}.parquet"))
        if sum(map(len, together)) >= _PARTS_AT_ONCE:
            yield _stack(together)
            together = []
    if together:
        yield _stack(together)


def _read_parts(path: Path) -> gpd.GeoDataFrame:
    """The parts of one tile."""
    with reading(path, "parts of a tile", "remove it and run the workflow again"):
        return gpd.read_parquet(path, columns=[*PART_COLUMNS, "geometry"])


def _stack(layers: list[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """The rows of all layers; empty ones are left out, since pandas lets them change the types of columns."""
    filled = [layer for layer in layers if not layer.empty] or layers[:1]
    return gpd.GeoDataFrame(pd.concat(filled, ignore_index=True))


def _finish(
    pieces: gpd.GeoDataFrame, group: NDArray[np.intp], grid: Grid, mmu_ha: float, area_crs: str | None
) -> gpd.GeoDataFrame:
    """The polygons of parts that no further part continues, with all columns of the layer.

    Args:
        pieces: parts.
        group: number of the polygon that each part belongs to, 0..n-1.
        grid: the campaign's grid.
        mmu_ha: smaller polygons are dropped.
        area_crs: CRS in which areas are taken; None: pixels are counted.
    """
    polygons = _add_up(pieces, group)
    outlines = _to_crs(_without_seams(_join(pieces, group)), grid)
    layer = gpd.GeoDataFrame(_attributes(polygons), geometry=outlines, crs=grid.crs)
    if area_crs is None:
        layer["area_ha"] = layer["pixels"] * (grid.resolution**2 / HECTARE)
    else:
        layer["area_ha"] = layer.to_crs(area_crs).area / HECTARE
    layer[["west", "south", "east", "north"]] = layer.bounds.to_numpy()
    # A polygon of just the minimum size stays, whatever the last bit of the product says.
    return layer[layer["area_ha"].to_numpy() >= mmu_ha * (1 - 1e-9)]


def _groups(pieces: gpd.GeoDataFrame, connectivity: int) -> NDArray[np.intp]:
    """The number of the polygon that each part at a tile's border belongs to."""
    outlines = pieces.geometry.to_numpy()
    left, right = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    once = left < right
    left, right = left[once], right[once]
    if connectivity == 4:
        # A common corner is no connection: a common side has a length.
        shared = shapely.length(shapely.intersection(outlines[left], outlines[right])) > 0
        left, right = left[shared], right[shared]
    links = coo_array((np.ones(len(left)), (left, right)), shape=(len(pieces), len(pieces)))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.intp)


def _add_up(pieces: gpd.GeoDataFrame, group: NDArray[np.intp]) -> pd.DataFrame:
    """Statistics of the polygons from those of their parts, in the order of the group numbers."""
    in_order = pieces.drop(columns="geometry").assign(group=group).sort_values(["row", "column"])
    table: pd.DataFrame = (
        in_order.groupby("group")
        .agg(
            pixels=("pixels", "sum"),
            sum=("sum", "sum"),
            max=("max", "max"),
            outer_sides=("outer_sides", "sum"),
            nodata_sides=("nodata_sides", "sum"),
            row=("row", "first"),
            column=("column", "first"),
        )
        .astype(np.int64)
    )
    return table


def _join(pieces: gpd.GeoDataFrame, group: NDArray[np.intp]) -> NDArray[np.object_]:
    """One outline a group, in the order of the group numbers; only groups of several parts are united."""
    outlines = pieces.geometry.to_numpy()
    joined = np.empty(group.max(initial=-1) + 1, dtype=object)
    joined[group] = outlines
    several = np.flatnonzero((np.bincount(group) > 1)[group]) if len(group) else np.empty(0, dtype=np.intp)
    united = gpd.GeoSeries(outlines[several]).groupby(group[several]).agg(shapely.union_all)
    joined[united.index.to_numpy(dtype=np.intp)] = united.to_numpy()
    return joined


def _without_seams(outlines: NDArray[np.object_]) -> NDArray[np.object_]:
    """The outlines with vertices at true corners only, rings and parts in canonical order.

    A united outline keeps a vertex where a seam crossed it; another tiling would put it elsewhere.
    """
    parts, owner = shapely.get_parts(outlines, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    corners = _corners(xy, ring)
    clean = shapely.linearrings(xy[corners], indices=ring[corners]) if len(rings) else rings
    shells = np.r_[True, part[1:] != part[:-1]] if len(part) else np.empty(0, dtype=bool)
    polygons = np.empty(len(parts), dtype=object)
    for_holes = np.bincount(part, minlength=len(parts)) > 1
    polygons[part[shells]] = shapely.polygons(clean[shells])
    holed = for_holes[part]
    if holed.any():
        polygons[for_holes] = shapely.polygons(clean[holed], indices=np.cumsum(for_holes)[part[holed]] - 1)
    whole = np.empty(len(outlines), dtype=object)
    whole[owner] = polygons
    many = np.bincount(owner, minlength=len(outlines)) > 1
    if many.any():
        chosen = many[owner]
        whole[many] = shapely.multipolygons(polygons[chosen], indices=np.cumsum(many)[owner[chosen]] - 1)
    return np.asarray(shapely.normalize(whole), dtype=object)


def _corners(xy: NDArray[np.float64], ring: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which vertices of closed rings turn; the closing vertex, which repeats the first, never counts."""
    if not len(ring):
        return np.empty(0, dtype=bool)
    last = np.r_[ring[1:] != ring[:-1], True]
    first = np.r_[True, last[:-1]]
    ahead = np.empty_like(xy)
    ahead[:-1] = xy[1:] - xy[:-1]
    # The step that ends in a ring's first vertex is the one before its closing vertex.
    behind = np.empty_like(xy)
    behind[1:] = ahead[:-1]
    behind[first] = ahead[np.flatnonzero(last) - 1]
    turns: NDArray[np.bool_] = ahead[:, 0] * behind[:, 1] != ahead[:, 1] * behind[:, 0]
    turns &= ~last
    return turns


def _to_crs(outlines: NDArray[np.object_], grid: Grid) -> NDArray[np.object_]:
    """Grid pixels to CRS coordinates, in the one way that every tiling shares."""
    xy = shapely.get_coordinates(outlines)
    east = grid.x0 + xy[:, 0] * grid.resolution
    north = grid.y0 - xy[:, 1] * grid.resolution
    moved = shapely.set_coordinates(outlines, np.column_stack([east, north]))
    return np.asarray(shapely.normalize(moved), dtype=object)


def _attributes(polygons: pd.DataFrame) -> pd.DataFrame:
    """The columns of the polygon layer that come from pixel statistics."""
    row, column = polygons["row"].astype(str).str.zfill(6), polygons["column"].astype(str).str.zfill(6)
    return pd.DataFrame(
        {
            "id": ("r" + row + "c" + column).astype(object),
            "score": (polygons["sum"] / polygons["pixels"] / PROBABILITY_SCALE).round(4),
            "score_max": (polygons["max"] / PROBABILITY_SCALE).round(4),
            "pixels": polygons["pixels"],
            "area_ha": np.nan,
            "nodata_share": (polygons["nodata_sides"] / polygons["outer_sides"]).round(4),
            "at_edge": polygons["nodata_sides"] > 0,
        }
    )
