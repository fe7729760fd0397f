"""Values of a raster at points: of their own cells, or between the centres of those around."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.io import DatasetReader
from rasterio.windows import Window

from slumpmap.raster import open_raster, reading

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
# What is made of cells, the cell of each point, the upper left of the four around it, and its place between them.
_Take = Callable[[Floats, Places, Places, Floats], Floats]

# Side of the squares that are read at a time, cells.
_SIDE = 1024
_CACHE_MB = 64


def bilinear(raster: Path, x: Floats, y: Floats, crs: str, what: str = "raster") -> Floats:
    """Values of band 1 at points, linear between the centres of the four cells around.

    Of those four the ones without a value are left out, so that a point has one wherever its own cell has. Beyond the
    outermost centres the value is that of the nearest ones.

    Args:
        raster: the file; any CRS.
        x: (points,).
        y: (points,).
        crs: CRS of the points.
        what: what the raster is to the user, for messages.

    Returns:
        (points,); NaN outside the raster and where the point's cell has no value.

    Raises:
        InputError: the raster is missing, unreadable, damaged or without CRS.
    """
    return _at_points(raster, x, y, crs, what, _between)


def nearest(raster: Path, x: Floats, y: Floats, crs: str, what: str = "raster") -> Floats:
    """Values of the cells of band 1 that hold points; arguments and errors as `bilinear`.

    Returns:
        (points,); NaN outside the raster and where the cell has no value.
    """
    return _at_points(raster, x, y, crs, what, _own)


def _at_points(raster: Path, x: Floats, y: Floats, crs: str, what: str, take: _Take) -> Floats:
    """Values at points, square by square of the raster."""
    with rasterio.Env(GDAL_CACHEMAX=_CACHE_MB), open_raster(raster, what) as source:
        to_raster = Transformer.from_crs(crs, CRS.from_user_input(source.crs), always_xy=True)
        column, row = ~source.transform * np.array(to_raster.transform(x, y))
        values = np.full(len(column), np.nan)
        # A comparison with what a CRS cannot hold, infinity, is False too.
        inside = (column >= 0) & (row >= 0) & (column <= source.width) & (row <= source.height)
        places = np.flatnonzero(inside)
        square = (row[places] // _SIDE) * (source.width // _SIDE + 1) + column[places] // _SIDE
        order = np.argsort(square, kind="stable")
        for some in np.split(places[order], np.flatnonzero(np.diff(square[order])) + 1):
            if len(some):
                values[some] = _of_square(source, raster, what, row[some], column[some], take)
    return values


def _of_square(source: DatasetReader, path: Path, what: str, row: Floats, column: Floats, take: _Take) -> Floats:
    """Values at points that lie near each other, in coordinates of the raster's cells."""
    limit = np.array([source.height - 1, source.width - 1])
    own = np.minimum(np.column_stack([row, column]).astype(np.int64), limit)
    # The upper left of the four centres around, and the shares of the way to the lower right one.
    place = np.clip(np.column_stack([row, column]) - 0.5, 0, limit)
    first = np.minimum(place.astype(np.int64), np.maximum(limit - 1, 0))
    share = place - first
    low, high = np.minimum(first, own).min(axis=0), np.minimum(np.maximum(first + 1, own), limit).max(axis=0)
    window = Window(low[1], low[0], high[1] - low[1] + 1, high[0] - low[0] + 1)
    with reading(path, what):
        cells = np.ma.filled(source.read(1, window=window, masked=True).astype(np.float64), np.nan)
    return take(cells, own - low, first - low, share)


def _own(cells: Floats, own: Places, first: Places, share: Floats) -> Floats:  # noqa: ARG001
    """(points,) value of the cell that holds each point."""
    values: Floats = cells[own[:, 0], own[:, 1]]
    return np.where(np.isfinite(values), values, np.nan)


def _between(cells: Floats, own: Places, first: Places, share: Floats) -> Floats:
    """(points,) mean of the four cells around each point by nearness; (points, 2) rows and columns."""
    total, weights = np.zeros(len(own)), np.zeros(len(own))
    for down in (0, 1):
        for across in (0, 1):
            i = np.minimum(first[:, 0] + down, cells.shape[0] - 1)
            j = np.minimum(first[:, 1] + across, cells.shape[1] - 1)
            weight = np.abs(1 - down - share[:, 0]) * np.abs(1 - across - share[:, 1])
            known = np.isfinite(cells[i, j])
            weights += np.where(known, weight, 0)
            total += np.where(known, weight * np.nan_to_num(cells[i, j]), 0)
    some = np.isfinite(cells[own[:, 0], own[:, 1]]) & (weights > 0)
    return np.where(some, total / np.where(some, weights, 1), np.nan)
