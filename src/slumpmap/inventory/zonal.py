"""Statistics of rasters under polygons, each pixel weighted by the share of it that the polygon covers.

A slump of 0.05 ha is half a pixel of a 30 m DEM: taking pixels by their centres would leave nearly half of such
slumps without a value. Shares of pixels are exact (see `slumpmap.inventory.cover`), whatever a polygon's size.

The raster is walked in tiles of whole file blocks. Of a tile only the rectangle round its polygons is read, and of one
without polygons nothing; a polygon that lies in several tiles is put together from its pieces. So memory holds one tile
and a few numbers for each polygon, however large rasters and polygons are. Layers with the same cells are walked
together, so that shares of pixels are computed once.

One engine serves all sizes. rasterstats, which takes pixels by their centres (or all that are touched, in full), is
slower for large polygons too, and exactextract gives the same values more slowly: benchmarks/zonal.py measures it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window

from slumpmap.inventory.cover import Outlines, Rectangles, cover, outlines_of
from slumpmap.inventory.sums import Kind, Sums, add_weights, sums_of
from slumpmap.raster import open_raster, reading

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Pixels of a tile, at least and at most, where the file's blocks allow: 2 and 32 MB of float64.
_LEAST, _MOST = 2**18, 2**22
# Cells of the rectangles round polygons that are worked on at a time: 32 MB of cells and shares.
_AT_A_TIME = 2**21
# GDAL's own store of blocks: no block is wanted twice, but for those at the rims of polygons' rectangles.
_CACHE_MB = 64


@dataclass(frozen=True)
class Layer:
    """A raster, of which band 1 is read, and what its values are.

    Args:
        path: any CRS; polygons are brought to it.
        kind: numbers, directions in degrees, or classes.
        classes: values of a class raster, rising.
        what: what the raster is to the user, for messages.
    """

    path: Path
    kind: Kind = "number"
    classes: tuple[int, ...] = ()
    what: str = "raster"


def zonal_statistics(polygons: gpd.GeoSeries, layers: Sequence[Layer]) -> list[pd.DataFrame]:
    """Area-weighted statistics of rasters under polygons.

    A layer of numbers gives `mean`, `min`, `max` and `std` (of the covered ground as a whole: sum of shares times
    squared deviations over the sum of shares); of directions `mean` (circular, degrees, [0, 360)) and
    `concentration` (resultant length, 0 to 1; the mean is NaN where directions cancel out); of classes the share of
    each class, in columns named by its value, `unnamed` (the share of values that `Layer.classes` lacks),
    `unnamed_value` (one of those, NaN where there is none), `majority` (the class of the largest share, the lowest of
    equals) and `majority_share`.

    Beside them stand `count`, the covered area that has a value, in pixels; `nodata`, the share of the polygon that
    has none; and `outside`, the share beyond the raster. Of a polygon partly outside, the rest counts. A pixel of which
    less than 1e-10 is covered, 0.1 square millimetres of one of 30 m, is not: else a rounding error would decide on the
    smallest and largest value.

    Args:
        polygons: valid Polygon or MultiPolygon geometries with a CRS.
        layers: rasters; those with the same CRS, transform and size are read together.

    Returns:
        A table for each layer, one row a polygon, index of `polygons`. Statistics are NaN where a polygon covers
        no pixel with a value.

    Raises:
        InputError: a raster is missing, unreadable, damaged or without CRS.
    """
    sums = [sums_of(layer.kind, len(polygons), layer.classes) for layer in layers]
    found = walk(polygons, layers, sums)
    return [
        _with_cover(total.table(), total.count, *areas, polygons.index)
        for total, areas in zip(sums, found, strict=True)
    ]


def walk(polygons: gpd.GeoSeries, layers: Sequence[Layer], sums: Sequence[Sums]) -> list[tuple[Floats, Floats]]:
    """Adds the pixels of rasters under polygons to sums, one of each layer, tile by tile.

    Args:
        polygons: as `zonal_statistics`.
        layers: as `zonal_statistics`.
        sums: what takes the covered pixels of each layer.

    Returns:
        For each layer (polygons,) the area within the raster and the whole area, pixels.

    Raises:
        InputError: as `zonal_statistics`.
    """
    areas: dict[int, tuple[Floats, Floats]] = {}
    with rasterio.Env(GDAL_CACHEMAX=_CACHE_MB), ExitStack() as stack:
        sources = [stack.enter_context(open_raster(layer.path, layer.what)) for layer in layers]
        for members in _same_grid(sources):
            files, totals = [sources[n] for n in members], [sums[n] for n in members]
            areas |= dict.fromkeys(members, _of_grid(polygons, [layers[n] for n in members], files, totals))
    return [areas[n] for n in range(len(layers))]


def _same_grid(sources: Sequence[DatasetReader]) -> list[list[int]]:
    """Numbers of the rasters that have the same cells."""
    groups: list[list[int]] = []
    for number, source in enumerate(sources):
        grid = (source.crs, source.transform, source.shape)
        for group in groups:
            first = sources[group[0]]
            if grid == (first.crs, first.transform, first.shape):
                group.append(number)
                break
        else:
            groups.append([number])
    return groups


def _of_grid(
    polygons: gpd.GeoSeries, layers: Sequence[Layer], sources: Sequence[DatasetReader], sums: Sequence[Sums]
) -> tuple[Floats, Floats]:
    """Walks layers that have the same cells; (polygons,) area within them and whole area, pixels."""
    first = sources[0]
    shapes = (polygons if polygons.crs == first.crs else polygons.to_crs(first.crs)).to_numpy()
    # What the raster's CRS cannot hold is as far outside as can be.
    usable = np.flatnonzero(np.isfinite(shapely.bounds(shapes)).all(axis=1))
    area, inside = np.zeros(len(shapes)), np.zeros(len(shapes))
    if len(usable):
        outlines = outlines_of(shapes[usable], first.transform)
        area[usable] = outlines.area
        for which, rectangles in _pieces(outlines, first.shape, _tile_shape(sources)):
            (top, left), (bottom, right) = rectangles[:, :2].min(axis=0), rectangles[:, 2:].max(axis=0)
            frame = (top, left, right - left)
            arrays = (outlines.x, outlines.y, outlines.ring, outlines.polygon, outlines.sign, outlines.area)
            start, cell, weight = cover(*arrays, which, rectangles, frame)
            rows = usable[which]
            add_weights(rows, start, weight, inside)
            window = Window(left, top, right - left, bottom - top)
            for layer, source, total in zip(layers, sources, sums, strict=True):
                total.add(rows, start, cell, weight, _values(layer, source, window))
    return inside, area


def _with_cover(table: pd.DataFrame, count: Floats, inside: Floats, area: Floats, index: pd.Index) -> pd.DataFrame:
    """A table with its columns `count`, `nodata` and `outside`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        known, within = np.clip(count / area, 0, 1), np.clip(inside / area, 0, 1)
    known, within = np.where(area > 0, known, 0.0), np.where(area > 0, within, 0.0)
    # Exact zeros, so that a share above 0 means what it says.
    nodata, outside = (np.where(np.abs(share) < 1e-9, 0.0, share) for share in (within - known, 1 - within))
    return table.assign(count=count, nodata=nodata, outside=outside).set_axis(index)


def _tile_shape(sources: Sequence[DatasetReader]) -> tuple[int, int]:
    """Rows and columns of the tiles: whole blocks of the files, some 512 pixels a side where they allow."""
    height, width = sources[0].shape
    blocks = [source.block_shapes[0] for source in sources]
    rows, columns = min(height, max(block[0] for block in blocks)), min(width, max(block[1] for block in blocks))
    side = int(_LEAST**0.5)
    columns *= max(1, side // columns)
    rows *= max(1, _LEAST // columns // rows)
    # Blocks as large as the file must be decoded whole by GDAL, but need not be held as float64.
    columns = min(columns, _MOST)
    return min(rows, max(1, _MOST // columns)), columns


def _pieces(outlines: Outlines, shape: tuple[int, int], tile: tuple[int, int]) -> Iterator[tuple[Integers, Rectangles]]:
    """Polygons cut at tiles: for each tile that has some, their numbers and the rectangles to look at.

    A tile comes several times where the rectangles are large and many.
    """
    rectangles = np.clip(outlines.rectangles(), 0, np.tile(shape, 2))
    tiles = rectangles // np.tile(tile, 2)
    tiles[:, 2:] = -(-rectangles[:, 2:] // np.array(tile))
    some = np.asarray((rectangles[:, 2:] > rectangles[:, :2]).all(axis=1))
    there = np.where(some[:, None], tiles[:, 2:] - tiles[:, :2], 0)
    times = there.prod(axis=1)
    which = np.repeat(np.arange(len(tiles)), times)
    number = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
    corner = tiles[which, :2] + np.column_stack(np.divmod(number, np.maximum(there[which, 1], 1)))
    order = np.lexsort((which, corner[:, 1], corner[:, 0]))
    which, corner = which[order], corner[order] * np.array(tile)
    inner = rectangles[which]
    inner[:, :2], inner[:, 2:] = np.maximum(inner[:, :2], corner), np.minimum(inner[:, 2:], corner + np.array(tile))
    sizes = np.append(0, np.cumsum((inner[:, 2:] - inner[:, :2]).prod(axis=1)))
    ends = np.append(np.flatnonzero((corner[1:] != corner[:-1]).any(axis=1)) + 1, len(which))
    begin = 0
    while begin < len(which):
        tile_end = ends[np.searchsorted(ends, begin, side="right")]
        fits = int(np.searchsorted(sizes, sizes[begin] + _AT_A_TIME, side="right")) - 1
        end = max(begin + 1, min(tile_end, fits))
        yield which[begin:end], inner[begin:end]
        begin = end


def _values(layer: Layer, source: DatasetReader, window: Window) -> Floats:
    """Values of a window, row by row, NaN where there is none."""
    with reading(layer.path, layer.what):
        raw = source.read(1, window=window)
        flags = source.mask_flag_enums[0]
        # A mask of the file's own is one more band to read; nodata is not.
        masked = None if flags in ([MaskFlags.all_valid], [MaskFlags.nodata]) else source.read_masks(1, window=window)
    values: Floats = raw.astype(np.float64).ravel()
    if masked is not None:
        values[masked.ravel() == 0] = np.nan
    elif source.nodata is not None:
        values[raw.ravel() == source.nodata] = np.nan
    return values
