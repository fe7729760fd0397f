"""Which way a slump faces: its extent along the slope, its headwall, and the line from there through its centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Shapes = NDArray[np.object_]

# The headwall of an outline without a drawn one: its part within this share of the length from the upper end. It is
# the upper rim's arc: of an ellipse, 0.8 of the width.
_UPPER = 0.2
# Outlines are cut into pieces of this share of the square root of their area, some forty for a compact slump.
_PIECE = 0.1
# Shares of the square root of the area, below which headwall and centre coincide.
_NO_DIRECTION = 1e-6


@dataclass(frozen=True)
class Headwalls:
    """Short pieces of headwalls.

    Args:
        x: (pieces,) easting of their middles.
        y: (pieces,) northing.
        length: (pieces,) metres.
        slump: (pieces,) number of the slump of each, rising.
        source: (slumps,) `drawn`, `estimated`, or None where there is no headwall.
    """

    x: Floats
    y: Floats
    length: Floats
    slump: Integers
    source: Shapes

    def mean(self, values: Floats) -> Floats:
        """Mean of the pieces' values for each slump, (slumps,), by length; NaN where no piece has one."""
        known = np.isfinite(values)
        weight = np.bincount(self.slump[known], self.length[known], len(self.source))
        total = np.bincount(self.slump[known], self.length[known] * values[known], len(self.source))
        return np.where(weight > 0, total / np.where(weight > 0, weight, 1), np.nan)


def extent(shapes: Shapes, aspect: Floats) -> tuple[Floats, Floats]:
    """Length along the slope and width across it: sides of the box round an outline that is turned to its aspect.

    Args:
        shapes: (slumps,) polygons in a plane in metres.
        aspect: (slumps,) down-slope direction, degrees clockwise from the plane's north; NaN where unknown.

    Returns:
        (slumps,) length and (slumps,) width, metres; NaN where the aspect is unknown.
    """
    points, slump = shapely.get_coordinates(shapes, return_index=True)
    down, across = _turned(points, np.radians(aspect)[slump])
    return _range(down, slump, len(shapes)), _range(across, slump, len(shapes))


def headwalls(shapes: Shapes, aspect: Floats, drawn: Shapes) -> Headwalls:
    """Headwalls of slumps: as a reviewer drew them, or else the upper part of the outline.

    Args:
        shapes: (slumps,) polygons in a plane in metres.
        aspect: (slumps,) down-slope direction, degrees clockwise from the plane's north; NaN where unknown.
        drawn: (slumps,) lines in the same plane, None where there is none.
    """
    has_line = ~shapely.is_missing(drawn)
    estimated = ~has_line & np.isfinite(aspect)
    parts, owner = shapely.get_parts(shapes[estimated], return_index=True)
    size = np.sqrt(shapely.area(shapes))
    slump = np.flatnonzero(estimated)[owner]
    x, y, length, ring = _pieces(shapely.get_exterior_ring(parts), size[slump])
    slump = slump[ring]
    down, _ = _turned(np.column_stack([x, y]), np.radians(aspect)[slump])
    top = np.full(len(shapes), np.inf)
    np.minimum.at(top, slump, down)
    upper = down <= top[slump] + _UPPER * _range(down, slump, len(shapes))[slump]
    line_x, line_y, line_length, line = _pieces(drawn, size)
    order = np.argsort(np.append(slump[upper], line), kind="stable")
    source = np.full(len(shapes), None, dtype=object)
    source[estimated], source[has_line] = "estimated", "drawn"
    return Headwalls(
        np.append(x[upper], line_x)[order],
        np.append(y[upper], line_y)[order],
        np.append(length[upper], line_length)[order],
        np.append(slump[upper], line)[order],
        source,
    )


def azimuth_from(walls: Headwalls, shapes: Shapes) -> Floats:
    """Direction from the middle of the headwall through the centroid, as Huang et al. (2020) take a slump's aspect.

    Args:
        walls: headwalls.
        shapes: (slumps,) polygons in the same plane.

    Returns:
        (slumps,) degrees clockwise from the plane's north, [0, 360); NaN where there is no headwall, or where its
        middle is the centroid.
    """
    centre = shapely.get_coordinates(shapely.centroid(shapes))
    away = centre - np.column_stack([walls.mean(walls.x), walls.mean(walls.y)])
    degrees = np.round(np.degrees(np.arctan2(away[:, 0], away[:, 1])) % 360.0, 9) % 360.0
    far = np.hypot(*away.T) > _NO_DIRECTION * np.sqrt(shapely.area(shapes))
    return np.where(far, degrees, np.nan)


def _turned(points: Floats, direction: Floats) -> tuple[Floats, Floats]:
    """Coordinates of points along a direction (radians clockwise from north) and to its right."""
    east, north = points.T
    sin, cos = np.sin(direction), np.cos(direction)
    return east * sin + north * cos, east * cos - north * sin


def _range(values: Floats, slump: Integers, slumps: int) -> Floats:
    """Largest less smallest value for each slump, without NaN; NaN where there is none."""
    low, high, known = np.full(slumps, np.inf), np.full(slumps, -np.inf), ~np.isnan(values)
    np.minimum.at(low, slump[known], values[known])
    np.maximum.at(high, slump[known], values[known])
    some = low <= high
    return np.where(some, np.where(some, high, 0) - np.where(some, low, 0), np.nan)


def _pieces(lines: Shapes, size: Floats) -> tuple[Floats, Floats, Floats, Integers]:
    """Middles (x, y) and lengths of short pieces of lines, and the numbers of the lines; None has no pieces."""
    some = np.flatnonzero(~shapely.is_missing(lines))
    points, line = shapely.get_coordinates(shapely.segmentize(lines[some], _PIECE * size[some]), return_index=True)
    same = line[1:] == line[:-1]
    middle, step = (points[1:] + points[:-1])[same] / 2, np.diff(points, axis=0)[same]
    return middle[:, 0], middle[:, 1], np.hypot(*step.T), some[line[1:][same]]
