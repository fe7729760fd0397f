"""Which pixels belong to the study area, by their centres and the same for any tiling."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from slumpmap.grid import Grid, Window

# A square of this size that the boundary crosses is decided point by point.
_SMALLEST_PX = 64


def area_mask(grid: Grid, window: Window) -> NDArray[np.bool_]:
    """Which pixels of a window have their centre in the study area (its boundary included).

    Rasterizing by scan lines would decide ties by rounding that depends on the window; this asks for
    each centre near the boundary, and quarters the window to find those few.

    Returns:
        (height, width) bool.
    """
    shapely.prepare(grid.area)
    inside = np.zeros((window.height, window.width), np.bool_)
    stack = [window]
    while stack:
        part = stack.pop()
        square = shapely.box(*grid.bounds(part))
        if grid.area.disjoint(square):
            continue
        rows = slice(part.row - window.row, part.row - window.row + part.height)
        columns = slice(part.column - window.column, part.column - window.column + part.width)
        if grid.area.covers(square):
            inside[rows, columns] = True
        elif max(part.height, part.width) <= _SMALLEST_PX:
            inside[rows, columns] = _centres_inside(grid, part)
        else:
            stack.extend(_quarters(part))
    return inside


def _quarters(window: Window) -> list[Window]:
    """The two or four parts of a window."""
    top, left = -(-window.height // 2), -(-window.width // 2)
    parts = [
        Window(window.row + row, window.column + column, height, width)
        for row, height in ((0, top), (top, window.height - top))
        for column, width in ((0, left), (left, window.width - left))
    ]
    return [part for part in parts if part.height and part.width]


def _centres_inside(grid: Grid, window: Window) -> NDArray[np.bool_]:
    """Asks for each pixel centre."""
    x = grid.x0 + (np.arange(window.column, window.column + window.width) + 0.5) * grid.resolution
    y = grid.y0 - (np.arange(window.row, window.row + window.height) + 0.5) * grid.resolution
    return np.asarray(shapely.intersects_xy(grid.area, *np.meshgrid(x, y)), np.bool_)
