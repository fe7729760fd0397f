"""Brings scenes to the grid, pixel for pixel the same whatever window is asked for.

GDAL's warper interpolates coordinates between the ends of the chunk that it happens to work on, and takes
the kernel's width from that chunk; its results therefore vary with the tiling in the last digits, and on
ties between two source pixels by a whole pixel. Here coordinates come from a lattice that is fixed to the
grid's own pixels, and the kernel's width belongs to the scene.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.warp import transform as transform_points
from rasterio.windows import Window as RasterWindow

from slumpmap.grid import Grid, Window
from slumpmap.imagery.conversion import gain_of, to_byte

KERNELS = {"nearest": 0, "bilinear": 1, "cubic": 2}
_NEAREST, _BILINEAR, _CUBIC = 0, 1, 2

# Distance of lattice nodes. Between two UTM zones the error of interpolating over 32 pixels of 3 m is
# 0.1 mm; a power of two keeps the arithmetic exact for any offset of the window.
LATTICE_PX = 32
# Coordinates are rounded to this share of a source pixel: what rounding of the machine does to a pixel
# that lies exactly between two others does not matter then.
_SNAP = 65536.0
# Scenes finer than the grid by less than this are not smoothed.
_SAME_SIZE = 1.1
# Side of the squares in which a window is filled, in pixels of the source or of the grid, whichever are smaller:
# what is read at a time stays under 20 MB for three bands of 16 bit and their float copy.
_BLOCK_PX = 1024


class Source(Protocol):
    """A raster of which windows are read, with their validity."""

    @property
    def dataset(self) -> DatasetReader:
        """The file that says where the raster lies."""

    def read(self, window: RasterWindow) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values (bands, rows, columns) of a window of the raster's own pixels, and (rows, columns) usable."""


@dataclass(frozen=True)
class Conversion:
    """What of a source is brought to the grid, and how it becomes 8 bit.

    Args:
        pick: makes (k, rows, columns) of the (bands, rows, columns) that were read, each pixel for itself; finite
            where they are usable.
        low: (k,) picked values that become 1.
        high: (k,) picked values that become 255.
    """

    pick: Callable[[NDArray[Any]], NDArray[Any]]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class Lattice:
    """Source coordinates at the lattice's nodes around a window.

    Args:
        u: (rows, columns) source column coordinate of each node, 0 at the left edge of the raster.
        v: (rows, columns) source row coordinate, 0 at the upper edge.
        row: rows from the first node to the window's first row.
        column: columns from the first node to the window's first column.
    """

    u: NDArray[np.float64]
    v: NDArray[np.float64]
    row: int
    column: int

    def part(self, window: Window, part: Window) -> Lattice:
        """The lattice around a part of the window that it was made for."""
        row, column = self.row + part.row - window.row, self.column + part.column - window.column
        top, left = row // LATTICE_PX, column // LATTICE_PX
        bottom = -(-(row + part.height) // LATTICE_PX) + 1
        right = -(-(column + part.width) // LATTICE_PX) + 1
        nodes = slice(top, bottom), slice(left, right)
        return Lattice(self.u[nodes], self.v[nodes], row - top * LATTICE_PX, column - left * LATTICE_PX)


def lattice_of(dataset: DatasetReader, grid: Grid, window: Window) -> Lattice:
    """Source coordinates around a window of grid pixels; exact at the nodes."""
    first_row, first_column = window.row // LATTICE_PX, window.column // LATTICE_PX
    last_row = -(-(window.row + window.height) // LATTICE_PX)
    last_column = -(-(window.column + window.width) // LATTICE_PX)
    columns, rows = np.meshgrid(
        np.arange(first_column, last_column + 1) * LATTICE_PX, np.arange(first_row, last_row + 1) * LATTICE_PX
    )
    x, y = grid.x0 + columns * grid.resolution, grid.y0 - rows * grid.resolution
    if dataset.crs != grid.crs:
        there = transform_points(grid.crs, dataset.crs, x.ravel(), y.ravel())
        x, y = (np.asarray(values).reshape(x.shape) for values in there)
    a, b, c, d, e, f = tuple(dataset.transform)[:6]
    # Differences first: the inverse affine of far-away coordinates would lose digits.
    east, south, size = x - c, y - f, a * e - b * d
    u, v = (e * east - b * south) / size, (a * south - d * east) / size
    return Lattice(u, v, window.row - first_row * LATTICE_PX, window.column - first_column * LATTICE_PX)


def kernel_scale(dataset: DatasetReader, grid: Grid, outline: tuple[float, float, float, float]) -> tuple[float, float]:
    """How many source columns and rows a grid pixel spans at the middle of the scene; 1 where that is about one.

    Args:
        dataset: the scene.
        grid: the campaign's grid.
        outline: west, south, east, north of the scene in the grid's CRS.
    """
    whole = grid.window_of(outline)
    middle = Window(whole.row + whole.height // 2, whole.column + whole.width // 2, 1, 1)
    nodes = lattice_of(dataset, grid, middle)

    def span(values: NDArray[np.float64]) -> float:
        size = float(np.hypot(values[0, 1] - values[0, 0], values[1, 0] - values[0, 0])) / LATTICE_PX
        return size if size > _SAME_SIZE else 1.0

    return span(nodes.u), span(nodes.v)


def source_window(lattice: Lattice, dataset: DatasetReader, reach: tuple[float, float]) -> RasterWindow | None:
    """The source pixels that a lattice's window can need; None where it misses the raster.

    Args:
        lattice: source coordinates.
        dataset: the scene.
        reach: how far the kernel reaches, source columns and rows.
    """
    if not (np.isfinite(lattice.u).all() and np.isfinite(lattice.v).all()):
        return None
    left = max(0, math.floor(lattice.u.min() - reach[0]))
    top = max(0, math.floor(lattice.v.min() - reach[1]))
    right = min(dataset.width, math.ceil(lattice.u.max() + reach[0]))
    bottom = min(dataset.height, math.ceil(lattice.v.max() + reach[1]))
    return RasterWindow(left, top, right - left, bottom - top) if right > left and bottom > top else None


@njit(cache=True, nogil=True)
def _weight(kernel: int, distance: float) -> float:
    """Weight of a source pixel at a distance in kernel units: a triangle, or Keys' cubic with a = -1/2."""
    d = abs(distance)
    if kernel == _BILINEAR:
        weight = 1.0 - d if d < 1.0 else 0.0
    elif d < 1.0:
        weight = (1.5 * d - 2.5) * d * d + 1.0
    else:
        weight = ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0 if d < 2.0 else 0.0
    return weight


@njit(cache=True, nogil=True)
def _sample(
    source: NDArray[np.float32],
    usable: NDArray[np.bool_],
    at: tuple[float, float],
    scale: tuple[float, float],
    kernel: int,
    pixel: NDArray[np.float64],
) -> bool:
    """Weighted mean of the usable source pixels around a place; False if any was missing."""
    reach = 2.0 if kernel == _CUBIC else 1.0
    u, v = at[0] - 0.5, at[1] - 0.5
    pixel[:] = 0.0
    total, complete = 0.0, True
    for y in range(math.ceil(v - reach * scale[1]), math.floor(v + reach * scale[1]) + 1):
        across = _weight(kernel, (y - v) / scale[1])
        if across == 0.0:
            continue
        for x in range(math.ceil(u - reach * scale[0]), math.floor(u + reach * scale[0]) + 1):
            weight = across * _weight(kernel, (x - u) / scale[0])
            if weight == 0.0:
                continue
            if not (0 <= y < usable.shape[0] and 0 <= x < usable.shape[1] and usable[y, x]):
                complete = False
                continue
            total += weight
            for band in range(pixel.size):
                pixel[band] += weight * source[band, y, x]
    if total > 0.0:
        for band in range(pixel.size):
            pixel[band] /= total
    return complete


@njit(cache=True, nogil=True)
def _sample_four(
    source: NDArray[np.float32], usable: NDArray[np.bool_], at: tuple[float, float], pixel: NDArray[np.float64]
) -> None:
    """What `_sample` gives for the triangle of scale 1, in a third of the time: the usual case."""
    x, y = math.floor(at[0] - 0.5), math.floor(at[1] - 0.5)
    f, g = at[0] - 0.5 - x, at[1] - 0.5 - y
    pixel[:] = 0.0
    total = 0.0
    for k in range(4):
        i, j = y + (k >> 1), x + (k & 1)
        weight = (g if k >> 1 else 1.0 - g) * (f if k & 1 else 1.0 - f)
        if weight > 0.0 and 0 <= i < usable.shape[0] and 0 <= j < usable.shape[1] and usable[i, j]:
            total += weight
            for band in range(pixel.size):
                pixel[band] += weight * source[band, i, j]
    for band in range(pixel.size):
        pixel[band] /= total


@njit(cache=True, nogil=True)
def _between(nodes: NDArray[np.float64], row: float, column: float) -> float:
    """Source coordinate between the four nodes around a place in lattice units."""
    i, j = int(row), int(column)
    f, g = row - i, column - j
    upper = (1.0 - g) * nodes[i, j] + g * nodes[i, j + 1]
    lower = (1.0 - g) * nodes[i + 1, j] + g * nodes[i + 1, j + 1]
    return float(math.floor(((1.0 - f) * upper + f * lower) * _SNAP + 0.5) / _SNAP)


@njit(cache=True, nogil=True)
def _fill(
    out: NDArray[np.uint8],
    wanted: NDArray[np.bool_],
    source: NDArray[np.float32],
    usable: NDArray[np.bool_],
    nodes: tuple[NDArray[np.float64], NDArray[np.float64]],
    start: tuple[int, int],
    corner: tuple[int, int],
    scale: tuple[float, float],
    kernel: int,
    low: NDArray[np.float64],
    gain: NDArray[np.float64],
) -> int:
    """Fills the wanted pixels for which the source pixel under their centre is usable; see `fill`."""
    filled = 0
    pixel = np.zeros(source.shape[0])
    for i in range(wanted.shape[0]):
        row = (start[0] + i + 0.5) / LATTICE_PX
        for j in range(wanted.shape[1]):
            if not wanted[i, j]:
                continue
            column = (start[1] + j + 0.5) / LATTICE_PX
            u = _between(nodes[0], row, column) - corner[0]
            v = _between(nodes[1], row, column) - corner[1]
            x, y = math.floor(u), math.floor(v)
            if not (0 <= y < usable.shape[0] and 0 <= x < usable.shape[1] and usable[y, x]):
                continue
            if kernel == _NEAREST:
                for band in range(pixel.size):
                    pixel[band] = source[band, y, x]
            elif kernel == _BILINEAR and scale[0] == 1.0 and scale[1] == 1.0:
                _sample_four(source, usable, (u, v), pixel)
            elif not _sample(source, usable, (u, v), scale, kernel, pixel) and kernel == _CUBIC:
                # Negative weights need all their pixels; at an edge the triangle serves.
                _sample(source, usable, (u, v), scale, _BILINEAR, pixel)
            for band in range(pixel.size):
                out[band, i, j] = to_byte(pixel[band], low[band], gain[band])
            wanted[i, j] = False
            filled += 1
    return filled


def fill(
    out: NDArray[np.uint8],
    wanted: NDArray[np.bool_],
    values: NDArray[Any],
    usable: NDArray[np.bool_],
    lattice: Lattice,
    corner: tuple[int, int],
    scale: tuple[float, float],
    kernel: str,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> int:
    """Fills wanted pixels of a window from a scene, in 8 bit.

    A pixel is filled if the source pixel under its centre is usable; unusable pixels around it take no
    part in the interpolation, so that neither nodata nor cloud bleeds into their neighbours.

    Args:
        out: (bands, rows, columns) image in 8 bit, changed in place.
        wanted: (rows, columns) pixels to fill; those that were filled become False.
        values: (bands, source rows, source columns) scene values.
        usable: (source rows, source columns).
        lattice: source coordinates around the window.
        corner: source column and row of the first element of `values`.
        scale: kernel scale, see `kernel_scale`.
        kernel: `nearest`, `bilinear` or `cubic`.
        low: (bands,) values that become 1.
        high: (bands,) values that become 255.

    Returns:
        The number of pixels filled.
    """
    start, nodes = (lattice.row, lattice.column), (lattice.u, lattice.v)
    source = np.ascontiguousarray(values, np.float32)
    return int(
        _fill(out, wanted, source, usable, nodes, start, corner, scale, KERNELS[kernel], low, gain_of(low, high))
    )


def add(
    out: NDArray[np.uint8],
    wanted: NDArray[np.bool_],
    source: Source,
    lattice: Lattice,
    scale: tuple[float, float],
    kernel: str,
    conversion: Conversion,
) -> int:
    """Reads what a window needs of a source and fills its wanted pixels, see `fill`.

    Args:
        out: (k, rows, columns) image in 8 bit, changed in place.
        wanted: (rows, columns) pixels to fill; those that were filled become False.
        source: the raster.
        lattice: source coordinates around the window.
        scale: kernel scale, see `kernel_scale`.
        kernel: `nearest`, `bilinear` or `cubic`.
        conversion: what is brought to the grid, and how it becomes 8 bit.

    Returns:
        The number of pixels filled.
    """
    taps = KERNELS[kernel]
    there = source_window(lattice, source.dataset, (taps * scale[0] + 1, taps * scale[1] + 1))
    if there is None:
        return 0
    values, usable = source.read(there)
    if not usable.any():
        return 0
    corner = int(there.col_off), int(there.row_off)
    picked = conversion.pick(values)
    return fill(out, wanted, picked, usable, lattice, corner, scale, kernel, conversion.low, conversion.high)


def blocks(window: Window, finest: float) -> Iterator[tuple[Window, tuple[slice, slice]]]:
    """The squares in which a window is filled, and the rows and columns of the window that each takes.

    Args:
        window: grid pixels.
        finest: kernel scale of the finest source; the finer, the smaller are the squares.
    """
    side = max(LATTICE_PX, int(_BLOCK_PX / finest) // LATTICE_PX * LATTICE_PX)
    for row in range(0, window.height, side):
        for column in range(0, window.width, side):
            height, width = min(side, window.height - row), min(side, window.width - column)
            block = Window(window.row + row, window.column + column, height, width)
            yield block, (slice(row, row + height), slice(column, column + width))
