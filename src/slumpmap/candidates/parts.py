"""Candidates inside one tile: the parts from which `merge` makes whole polygons.

Everything is in grid pixels (x = column, y = row, south positive), integers that every tile writes alike, so
that what is computed from parts is exact and does not depend on the tiling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from rasterio.features import shapes
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from slumpmap.files import atomic
from slumpmap.grid import Grid, Tile
from slumpmap.raster import PROBABILITY_NODATA, PROBABILITY_SCALE, Mosaic

Ring = Sequence[tuple[float, float]]
_ROWS_AT_ONCE = 64
PART_COLUMNS = ("tile", "pixels", "sum", "max", "outer_sides", "nodata_sides", "row", "column", "at_border")


def trace_parts(
    probability: Path, grid: Grid, out: Path, tile_ids: Sequence[str], threshold: float, connectivity: int
) -> None:
    """Writes the parts of each tile as `out/<tile>.parquet`.

    Args:
        probability: folder of probability tiles (uint8, 0..254 = probability x 254, 255 = nodata).
        grid: the campaign's grid.
        out: folder.
        tile_ids: tiles to trace.
        threshold: probability from which a pixel belongs to a candidate; compared on the tiles' integer scale
            with the smallest integer that is not below it.
        connectivity: 4 (sides) or 8 (sides and corners).

    Raises:
        InputError: a tile is missing or damaged.
    """
    least = least_value(threshold)
    with Mosaic(grid, probability, bands=1, nodata=PROBABILITY_NODATA) as mosaic:
        for tile in map(grid.tile, tile_ids):
            values = mosaic.read(tile.window.grow(1))[0]
            layer = _trace(values, tile, least, connectivity)
            with atomic(out / f"{tile.id}.parquet") as temporary:
                layer.to_parquet(temporary)


def least_value(threshold: float) -> int:
    """The smallest tile value whose probability is at least `threshold`, a number between 0 and 1.

    Rounding first keeps a threshold of n/254 at n; the value 0 is below every threshold.
    """
    return max(1, int(np.ceil(round(threshold * PROBABILITY_SCALE, 6))))


def _trace(values: NDArray[np.uint8], tile: Tile, least: int, connectivity: int) -> gpd.GeoDataFrame:
    """Parts of one tile from its values with a margin of one pixel, shape (tile + 2, tile + 2)."""
    own = values[1:-1, 1:-1]
    inside = _label(_positions(own, least), own.shape[1], connectivity)
    table = _statistics(values, inside, least)
    table.insert(0, "tile", tile.id)
    outlines = _outlines(inside, own.shape, tile)
    table["row"] += tile.window.row
    table["column"] += tile.window.column
    return gpd.GeoDataFrame(table, geometry=outlines)


@dataclass(frozen=True)
class _Inside:
    """The pixels inside a tile's candidates, row by row, and the runs that they form.

    Args:
        at: flat positions of the pixels, ascending.
        label: of each pixel, 0..count-1 in the order of the labels' first pixels.
        opens: where in `at` each run begins.
        length: pixels of each run.
        count: number of labels.
    """

    at: NDArray[np.intp]
    label: NDArray[np.intp]
    opens: NDArray[np.intp]
    length: NDArray[np.intp]
    count: int


def _positions(own: NDArray[np.uint8], least: int) -> NDArray[np.intp]:
    """Flat positions of a tile's pixels inside candidates, some rows at a time: the processor's cache holds those."""
    found = []
    for row in range(0, own.shape[0], _ROWS_AT_ONCE):
        some = own[row : row + _ROWS_AT_ONCE]
        found.append(np.flatnonzero((some >= least) & (some != PROBABILITY_NODATA)) + row * own.shape[1])
    return np.concatenate(found)


def _label(at: NDArray[np.intp], width: int, connectivity: int) -> _Inside:
    """Connected pixels, by the runs of each row, so that time goes with the candidates and not with the tile."""
    opens = np.flatnonzero((np.diff(at, prepend=-2) > 1) | (at % width == 0))
    length = np.diff(np.r_[opens, len(at)])
    start = at[opens]
    end = start + length - 1
    # The runs of the next row that a run touches: those that are not left or right of it.
    reach, margin = int(connectivity == 8), start - start % width
    first = np.searchsorted(end, np.maximum(start - reach, margin) + width)
    touched = np.searchsorted(start, np.minimum(end + reach, margin + width - 1) + width, side="right") - first
    upper = np.repeat(np.arange(len(start)), touched)
    lower = np.arange(len(upper)) + np.repeat(first - np.cumsum(touched) + touched, touched)
    links = coo_array((np.ones(len(upper), bool), (upper, lower)), shape=(len(start), len(start)))
    count, component = connected_components(links, directed=False)
    return _Inside(at, np.repeat(component.astype(np.intp), length), opens, length, int(count))


def _statistics(values: NDArray[np.uint8], inside: _Inside, least: int) -> pd.DataFrame:
    """One row a label, integers only, so that the parts of a polygon add up exactly.

    `values` has a margin of one pixel around the plane of the positions.
    """
    at, label, count = inside.at, inside.label, inside.count
    height, width = values.shape[0] - 2, values.shape[1] - 2
    row, column = np.divmod(at, width)
    flat, middle = values.ravel(), (row + 1) * values.shape[1] + column + 1
    outer, blind = np.zeros(len(at), dtype=np.int64), np.zeros(len(at), dtype=np.int64)
    # What lies behind the four sides of each pixel.
    for step in (-values.shape[1], values.shape[1], -1, 1):
        behind = flat[middle + step]
        outer += (behind < least) | (behind == PROBABILITY_NODATA)
        blind += behind == PROBABILITY_NODATA

    def total(weights: NDArray[np.generic] | None = None) -> NDArray[np.int64]:
        return np.bincount(label, weights=weights, minlength=count).astype(np.int64)

    value = flat[middle]
    of_run = label[inside.opens]
    highest = np.zeros(count, dtype=np.int64)
    np.maximum.at(highest, of_run, np.maximum.reduceat(value, inside.opens) if len(at) else value)
    _, run = np.unique(of_run, return_index=True)
    first = inside.opens[run]
    edge = (row == 0) | (row == height - 1) | (column == 0) | (column == width - 1)
    return pd.DataFrame(
        {
            "pixels": total(),
            "sum": total(value),
            "max": highest,
            "outer_sides": total(outer),
            "nodata_sides": total(blind),
            "row": row[first],
            "column": column[first],
            "at_border": total(edge) > 0,
        }
    )


def _outlines(inside: _Inside, shape: tuple[int, int], tile: Tile) -> NDArray[np.object_]:
    """The outline of each label in grid pixels; pixels that meet at a corner give a multi-part outline.

    Tracing is 4-connected whatever the labelling was, since an 8-connected ring would touch itself; the label
    keeps the pieces together.
    """
    sheet, shift = _gathered(inside, shape)
    traced = list(shapes(sheet, mask=sheet > 0, connectivity=4))
    owner = np.array([int(value) - 1 for _, value in traced], dtype=np.intp)
    to_grid = np.add(shift, [tile.window.column, tile.window.row])
    pieces = _polygons([geometry["coordinates"] for geometry, _ in traced], to_grid[owner])
    outlines = np.empty(inside.count, dtype=object)
    outlines[owner] = pieces
    several = np.bincount(owner, minlength=inside.count) > 1
    if several.any():
        joined = np.argsort(owner, kind="stable")
        joined = joined[several[owner[joined]]]
        outlines[several] = shapely.multipolygons(pieces[joined], indices=np.cumsum(several)[owner[joined]] - 1)
    return outlines


def _polygons(traced: Sequence[Sequence[Ring]], move: NDArray[np.int64]) -> NDArray[np.object_]:
    """Polygons of traced rings, each moved by its own (columns, rows); the first ring of each is its shell."""
    rings = list(chain.from_iterable(traced))
    length = [len(ring) for ring in rings]
    of_ring = np.repeat(np.arange(len(traced)), [len(piece) for piece in traced])
    numbers = chain.from_iterable(chain.from_iterable(rings))
    xy = np.fromiter(numbers, np.float64, 2 * sum(length)).reshape(-1, 2) + move[np.repeat(of_ring, length)]
    lines = shapely.linearrings(xy, indices=np.repeat(np.arange(len(rings)), length))
    return np.asarray(shapely.polygons(lines, indices=of_ring), dtype=object)


def _gathered(inside: _Inside, shape: tuple[int, int]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The labels cut out and laid side by side on a small sheet, since tracing takes as long as its sheet is large.

    Returns:
        (rows, columns) sheet on which each label lies by itself, as label + 1, and (count, 2) columns and rows from a
        label's place on the sheet to its place in the tile. Where labels fill much of the tile, the tile is the sheet.
    """
    count, label = inside.count, inside.label
    row, column = np.divmod(inside.at, shape[1])
    corner, end = np.full((count, 2), max(shape)), np.zeros((count, 2), np.int64)
    # A run lies in one row, and its first and last pixels are its ends.
    of_run, last = label[inside.opens], inside.opens + inside.length - 1
    for axis, place in enumerate((column, row)):
        np.minimum.at(corner[:, axis], of_run, place[inside.opens])
        np.maximum.at(end[:, axis], of_run, place[last] + 1)
    # On shelves of the tile's width, the tallest first, so that the labels of a shelf are about as tall as it is.
    order = np.argsort(corner[:, 1] - end[:, 1], kind="stable")
    width, height = (end - corner)[order].T
    shelf, along = np.divmod(np.cumsum(width) - width, shape[1])
    tallest = np.flatnonzero(np.r_[True, shelf[1:] != shelf[:-1]][:count])
    depth = height[tallest].sum()
    to_tile = np.zeros((count, 2), np.int64)
    extent = shape
    if depth <= shape[0] // 2:
        down = np.repeat(np.cumsum(height[tallest]) - height[tallest], np.diff(np.r_[tallest, count]))
        to_tile[order] = corner[order] - np.column_stack([along, down])
        extent = max(int(depth), 1), int((along + width).max(initial=1))
    sheet = np.zeros(extent, np.int32)
    sheet[row - to_tile[label, 1], column - to_tile[label, 0]] = label + 1
    return sheet, to_tile
