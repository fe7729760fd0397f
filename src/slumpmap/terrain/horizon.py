"""Horizons of an elevation model in one direction, for every cell, at a cost that does not grow with distance.

Lines are laid through the grid in the wanted direction, one cell apart. They meet every column (or, of the transposed
grid, every row) once, and take its elevation there by linear interpolation across the line; rounding to the nearest
row instead lowers the annual radiation of steep ground by 0.6 %. Along a line, the horizon of each point is the
tangent to the upper convex hull of the points before it. The hull is a stack: a point is pushed once and popped at
most once, so a line costs time in proportion to its length (the idea of Dozier, Bruno & Downey 1981, Computers &
Geosciences 7, 145-151). A cell takes the horizon between the two lines beside it. The earth is taken as flat, and the
air bends no light: 10 km away, that is 0.04 degrees.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Raster = NDArray[np.float32]
Integers = NDArray[np.int64]

# Lines traced at a time, and the columns in which they are filled: 1 MB of lines for 4096 columns stays in the cache,
# and a block of 64 x 64 cells is read along its rows although the lines run across.
LINES = 64
COLUMNS = 64
# Shares of the lines per thread: they end at different times.
_SHARES = 4


@dataclass(frozen=True)
class Direction:
    """Lines in one direction over a grid, or over its transpose.

    Line i meets column c at row i + shift[c] + fraction[c].

    Args:
        transposed: lines meet every row of the grid; what follows is of the transposed grid then.
        forward: the direction goes towards higher columns.
        along: component of the unit vector along the columns' axis, towards higher columns.
        down: component along the rows' axis, towards higher rows.
        step: length of a line between two columns, metres.
        shift: (columns,) whole rows.
        fraction: (columns,) float32, part of a row, 0 to below 1.
        first: the first line that meets the grid.
        last: one past the last line.
    """

    transposed: bool
    forward: bool
    along: float
    down: float
    step: float
    shift: Integers
    fraction: Raster
    first: int
    last: int


def direction(
    shape: tuple[int, int], cell: tuple[float, float], azimuth: float, origin: tuple[int, int] = (0, 0)
) -> Direction:
    """The lines of an azimuth.

    Where they run between the cells hangs on the grid's origin only: tiles of one grid share their lines.

    Args:
        shape: rows and columns of the grid, first row in the north.
        cell: width and height of a cell, metres.
        azimuth: degrees clockwise from grid north.
        origin: row and column of the first cell, counted from a place that all tiles share.
    """
    east, south = math.sin(math.radians(azimuth)), -math.cos(math.radians(azimuth))
    (rows, columns), (width, height) = shape, cell
    along, down = east, south
    transposed = abs(east) / width < abs(south) / height
    before = origin[0] if transposed else origin[1]
    if transposed:
        rows, columns, width, height, along, down = columns, rows, height, width, south, east
    shear = (down / height) / (along / width)
    # A shear of 1e-17 rows per column is 0, and must not make 0.9999 of a row.
    offset = np.round(shear * (before + np.arange(columns)), 6)
    offset -= math.floor(offset[0])
    shift = np.floor(offset).astype(np.int64)
    step = math.hypot(width, shear * height)
    ends = int(shift[0]), int(shift[-1])
    first, last = -1 - max(ends), rows - min(ends)
    return Direction(transposed, along > 0, along, down, step, shift, (offset - shift).astype(np.float32), first, last)


def in_shares(
    work: Callable[[int, int], None], lines: Direction, threads: int, pool: ThreadPoolExecutor | None
) -> None:
    """Runs work over all lines, in shares that threads take.

    Each cell belongs to one line, so that shares write to different cells, in any order with the same result.

    Args:
        work: is given the first line and one past the last.
        lines: of which direction.
        threads: threads in the pool.
        pool: None to run in this thread.
    """
    if pool is None:
        work(lines.first, lines.last)
        return
    shares = threads * _SHARES
    size = max(LINES, -(-(lines.last - lines.first) // shares))
    starts = range(lines.first, lines.last, size)
    for done in [pool.submit(work, start, min(start + size, lines.last)) for start in starts]:
        done.result()


@njit(cache=True, nogil=True)
def met_columns(first: int, count: int, rows: int, shift: Integers) -> tuple[int, int]:
    """The first column and one past the last in which any of some lines is within the grid.

    Args:
        first: the first line.
        count: number of lines.
        rows: rows of the grid.
        shift: (columns,), see `Direction`; it rises or falls throughout.
    """
    start, stop = 0, shift.size
    while start < stop and (first + count - 1 + shift[start] < -1 or first + shift[start] >= rows):
        start += 1
    while stop > start and (first + count - 1 + shift[stop - 1] < -1 or first + shift[stop - 1] >= rows):
        stop -= 1
    return start, stop


@njit(cache=True, nogil=True)
def fill_lines(
    elevation: Raster, first: int, span: tuple[int, int], shift: Integers, fraction: Raster, lines: Raster
) -> None:
    """Elevations on lines, interpolated across them; NaN where a line is outside or beside nodata.

    Args:
        elevation: (rows, columns) metres, NaN = nodata.
        first: the first line.
        span: columns to fill, see `met_columns`.
        shift: (columns,), see `Direction`.
        fraction: (columns,), see `Direction`.
        lines: (lines, columns) to fill.
    """
    rows = elevation.shape[0]
    for block in range(span[0], span[1], COLUMNS):
        for i in range(lines.shape[0]):
            for column in range(block, min(block + COLUMNS, span[1])):
                row, part = first + i + shift[column], fraction[column]
                if row < 0 or row >= rows or (part > 0 and row + 1 >= rows):
                    lines[i, column] = np.nan
                    continue
                value = elevation[row, column]
                if part > 0:
                    value += part * (elevation[row + 1, column] - value)
                lines[i, column] = value


@njit(cache=True, nogil=True)
def sweep(lines: Raster, span: tuple[int, int], forward: bool, step: float, stack: Raster) -> None:
    """Replaces the elevations on lines by the tangent of the horizon's altitude; -1 where nothing is in sight.

    NaN stays, and hides nothing.

    Args:
        lines: (lines, columns) elevations, metres, NaN = nodata, changed in place.
        span: columns that are filled.
        forward: look towards higher columns.
        step: distance of two points of a line, metres.
        stack: (2, columns) memory for the hull: places and elevations.
    """
    per_step = np.float32(1.0 / step)
    for i in range(lines.shape[0]):
        size = 0
        for k in range(span[1] - span[0]):
            column = span[1] - 1 - k if forward else span[0] + k
            z = lines[i, column]
            if math.isnan(z):
                continue
            place = np.float32(k)
            lines[i, column] = np.float32(-1.0)
            if size > 0:
                rise = (stack[1, size - 1] - z) / (place - stack[0, size - 1])
                while size > 1:
                    beyond = (stack[1, size - 2] - z) / (place - stack[0, size - 2])
                    if beyond < rise:
                        break
                    rise = beyond
                    size -= 1
                lines[i, column] = rise * per_step
            stack[0, size] = place
            stack[1, size] = z
            size += 1


@njit(cache=True, nogil=True)
def _horizons(
    elevation: Raster,
    lines: tuple[int, int],
    shift: Integers,
    fraction: Raster,
    forward: bool,
    step: float,
    out: Raster,
) -> None:
    """Tangents of the horizon for the cells of some lines; see `horizon`."""
    rows, columns = elevation.shape
    buffer, stack = np.empty((LINES + 1, columns), np.float32), np.empty((2, columns), np.float32)
    for first in range(lines[0], lines[1], LINES):
        count = min(LINES, lines[1] - first)
        # One line more: the last cells lie between two lines.
        span = met_columns(first, count + 1, rows, shift)
        fill_lines(elevation, first, span, shift, fraction, buffer[: count + 1])
        sweep(buffer[: count + 1], span, forward, step, stack)
        for i in range(count):
            for column in range(span[0], span[1]):
                part = fraction[column]
                row = first + i + shift[column] + (1 if part > 0 else 0)
                if row < 0 or row >= rows or math.isnan(elevation[row, column]):
                    continue
                rise = buffer[i, column]
                if part > 0:
                    other = buffer[i + 1, column]
                    if math.isnan(rise):
                        rise = other
                    elif not math.isnan(other):
                        rise = part * rise + (np.float32(1.0) - part) * other
                out[row, column] = np.float32(-1.0) if math.isnan(rise) else rise


def horizon(elevation: Raster, cell: tuple[float, float], azimuth: float) -> Raster:
    """The horizon's altitude in one direction, as a tangent.

    Args:
        elevation: (rows, columns) float32, metres, first row in the north; NaN = nodata, which hides nothing.
        cell: width and height of a cell, metres.
        azimuth: degrees clockwise from grid north.

    Returns:
        (rows, columns) float32, -1 where no cell lies in that direction; NaN at nodata.
    """
    lines = direction((elevation.shape[0], elevation.shape[1]), cell, azimuth)
    grid = np.ascontiguousarray(elevation.T if lines.transposed else elevation, np.float32)
    out = np.full(grid.shape, np.nan, np.float32)
    _horizons(grid, (lines.first, lines.last), lines.shift, lines.fraction, lines.forward, lines.step, out)
    return np.ascontiguousarray(out.T) if lines.transposed else out
