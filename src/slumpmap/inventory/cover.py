"""Which cells polygons cover, and how much of each: exact areas of intersection, compiled.

An edge of an outline covers, of each row of cells that it crosses, what lies to its right. With a sign that says
whether it goes down or up, the edges of a closed outline add up to the covered share of every cell, and those of a
hole take theirs away. An edge therefore touches only the cells it crosses, and one running sum along each row does
the rest: no cell is ever clipped against a whole polygon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray
from rasterio.transform import Affine

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Rectangles = NDArray[np.int64]

# Sums of rounding errors reach 1e-14 of a cell; a share below this is none. Polygons far smaller than a cell have
# smaller errors, and a smaller floor.
_FLOOR = 1e-10


@dataclass(frozen=True)
class Outlines:
    """Polygons in pixel coordinates: x in columns, y in rows, both from the raster's first corner.

    Args:
        x: (points,) of all rings one after the other, each closed.
        y: (points,) as x.
        ring: (rings + 1,) first point of each ring.
        polygon: (polygons + 1,) first ring of each polygon.
        sign: (rings,) 1 or -1, by which the edges of a ring count, so that insides are positive and holes negative.
        area: (polygons,) pixels.
        bounds: (polygons, 4) first and last x and y: left, top, right, bottom.
    """

    x: Floats
    y: Floats
    ring: Integers
    polygon: Integers
    sign: Floats
    area: Floats
    bounds: Floats

    def rectangles(self) -> Rectangles:
        """The smallest rectangles of cells round the polygons, (polygons, 4): row, column, end row, end column."""
        left, top, right, bottom = self.bounds.T
        return np.column_stack([np.floor(top), np.floor(left), np.ceil(bottom), np.ceil(right)]).astype(np.int64)


def outlines_of(polygons: NDArray[np.object_], transform: Affine) -> Outlines:
    """Brings valid polygons to the pixel coordinates of a raster.

    Args:
        polygons: (polygons,) Polygon or MultiPolygon, none missing or empty, in the raster's CRS.
        transform: affine of the raster; it may be flipped or rotated.
    """
    _, points, offsets = shapely.to_ragged_array(polygons, include_z=False)
    ring, parts = (np.asarray(offset, np.int64) for offset in offsets[:2])
    # Of multi-part polygons the last offsets count parts, of others rings.
    polygon = parts[np.asarray(offsets[2], np.int64)] if len(offsets) == 3 else parts
    back = ~transform
    x = points[:, 0] * back.a + points[:, 1] * back.b + back.c
    y = points[:, 0] * back.d + points[:, 1] * back.e + back.f
    turned = _signed_areas(x, y, ring)
    inside = np.full(len(ring) - 1, -1.0)
    inside[parts[:-1]] = 1.0
    first = ring[polygon[:-1]]
    ends = [np.minimum.reduceat(x, first), np.minimum.reduceat(y, first)]
    ends += [np.maximum.reduceat(x, first), np.maximum.reduceat(y, first)]
    area = np.add.reduceat(inside * np.abs(turned), polygon[:-1])
    return Outlines(x, y, ring, polygon, -inside * np.sign(turned), area, np.column_stack(ends))


def _signed_areas(x: Floats, y: Floats, ring: Integers) -> Floats:
    """Areas of closed rings, positive where they turn from x to y."""
    lengths = np.diff(ring)
    # From each ring's first point, so that no digits are lost far from the origin.
    across, down = x - np.repeat(x[ring[:-1]], lengths), y - np.repeat(y[ring[:-1]], lengths)
    products = np.append(across[:-1] * down[1:] - across[1:] * down[:-1], 0.0)
    # A ring's last point leads to no other.
    products[ring[1:] - 1] = 0.0
    return np.asarray(np.add.reduceat(products, ring[:-1]) / 2)


@njit(cache=True, nogil=True)
def _add_span(line: Floats, one: float, other: float, fall: float) -> None:
    """Adds a piece of an edge within one row: `fall` rows from x `one` to x `other`.

    `line` has one entry more than cells; its running sum is the covered share.
    """
    width = len(line) - 1
    left, right = min(one, other), max(one, other)
    if left >= width:
        return
    if right <= 0:
        line[0] += fall
        return
    if left < 0:
        part = fall * -left / (right - left)
        line[0] += part
        fall -= part
        left = 0.0
    if right > width:
        fall -= fall * (right - width) / (right - left)
        right = float(width)
    column = int(left)
    while right > column + 1:
        part = fall * (column + 1 - left) / (right - left)
        beside = (left + column + 1) / 2 - column
        line[column] += part * (1 - beside)
        line[column + 1] += part * beside
        fall -= part
        column += 1
        left = float(column)
    beside = (left + right) / 2 - column
    line[column] += fall * (1 - beside)
    line[column + 1] += fall * beside


@njit(cache=True, nogil=True)
def _add_edge(lines: Floats, x0: float, y0: float, x1: float, y1: float, sign: float) -> None:
    """Adds an edge to the rows that it crosses; coordinates count from the first corner of `lines`."""
    if y0 > y1:
        x0, y0, x1, y1, sign = x1, y1, x0, y0, -sign
    top, bottom = max(y0, 0.0), min(y1, float(lines.shape[0]))
    if top >= bottom:
        return
    lean = (x1 - x0) / (y1 - y0)
    x = x0 if top == y0 else x0 + (top - y0) * lean
    row = int(top)
    while top < bottom:
        end = min(float(row + 1), bottom)
        x_end = x1 if end == y1 else x0 + (end - y0) * lean
        _add_span(lines[row], x, x_end, sign * (end - top))
        top, x, row = end, x_end, row + 1


@njit(cache=True, nogil=True)
def cover(
    x: Floats,
    y: Floats,
    ring: Integers,
    polygon: Integers,
    sign: Floats,
    area: Floats,
    chosen: Integers,
    rectangles: Rectangles,
    frame: tuple[int, int, int],
) -> tuple[Integers, NDArray[np.int32], Floats]:
    """Cells that polygons cover within rectangles, one rectangle each.

    Args:
        x: as in `Outlines`, like the next five.
        y: see there.
        ring: see there.
        polygon: see there.
        sign: see there.
        area: see there.
        chosen: (pieces,) numbers of the polygons.
        rectangles: (pieces, 4) row, column, end row, end column: cells to look at, within the frame.
        frame: first row, first column and width of the block in which cells are numbered, row by row.

    Returns:
        (pieces + 1,) where the cells of each piece begin; the cells' numbers; and the covered shares, 0 to 1.
    """
    top, left, across = frame
    sizes = (rectangles[:, 2] - rectangles[:, 0]) * (rectangles[:, 3] - rectangles[:, 1])
    start = np.zeros(len(chosen) + 1, np.int64)
    cell, weight = np.empty(sizes.sum(), np.int32), np.empty(sizes.sum())
    count = 0
    for piece in range(len(chosen)):
        which = chosen[piece]
        row0, column0, row1, column1 = rectangles[piece]
        lines = np.zeros((row1 - row0, column1 - column0 + 1))
        for part in range(polygon[which], polygon[which + 1]):
            for k in range(ring[part], ring[part + 1] - 1):
                _add_edge(lines, x[k] - column0, y[k] - row0, x[k + 1] - column0, y[k + 1] - row0, sign[part])
        floor = _FLOOR * min(1.0, area[which])
        for row in range(row1 - row0):
            share = 0.0
            for column in range(column1 - column0):
                share += lines[row, column]
                if share > floor:
                    cell[count] = (row0 - top + row) * across + column0 - left + column
                    weight[count] = min(share, 1.0)
                    count += 1
        start[piece + 1] = count
    return start, cell[:count], weight[:count]
