"""Finding room: what is taken already, and where on the terrain a thing is likely."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import shapely
from shapely.geometry import Polygon, box

from slumpmap.demo.landscape import Bounds, Landscape
from slumpmap.demo.noise import Field
from slumpmap.demo.terrain import Raster

# Side of the squares in which what is taken is looked up, metres.
_SQUARE_M = 500.0


class Room:
    """The ground that is left: keeps polygons apart from each other and inside the study area.

    Args:
        bounds: of the study area, metres.
        margin: distance that everything keeps from its edge, metres.
    """

    def __init__(self, bounds: Bounds, margin: float) -> None:
        self._inside = box(*bounds).buffer(-margin)
        # By square, so that finding room for one more thing takes as long in a large corridor as in a small one.
        self._taken: dict[tuple[int, int], list[Polygon]] = defaultdict(list)

    def take(self, shape: Polygon) -> None:
        """Marks the ground under a polygon as taken."""
        for square in _squares(shape.bounds, 0.0):
            self._taken[square].append(shape)

    def fits(self, shape: Polygon, gap: float) -> bool:
        """Whether a valid polygon lies inside and keeps `gap` metres from all that is taken."""
        if not shape.is_valid or not shape.within(self._inside):
            return False
        near = [other for square in _squares(shape.bounds, gap) for other in self._taken.get(square, ())]
        return not near or bool((shapely.distance(shape, near) >= gap).all())


def _squares(bounds: Bounds, gap: float) -> list[tuple[int, int]]:
    """The squares that a rectangle and `gap` metres round it touch."""
    west, south, east, north = bounds
    columns = range(math.floor((west - gap) / _SQUARE_M), math.floor((east + gap) / _SQUARE_M) + 1)
    rows = range(math.floor((south - gap) / _SQUARE_M), math.floor((north + gap) / _SQUARE_M) + 1)
    return [(row, column) for row in rows for column in columns]


class Ground:
    """The DEM's cells inside the study area, to draw places from by weight.

    Args:
        raster: of any field on the DEM's grid.
        bounds: of the study area, metres.
    """

    def __init__(self, raster: Raster, bounds: Bounds) -> None:
        xs, ys = raster.centres()
        columns = np.flatnonzero((xs > bounds[0]) & (xs < bounds[2]))
        rows = np.flatnonzero((ys > bounds[1]) & (ys < bounds[3]))
        self.window = np.ix_(rows, columns)
        grid_x, grid_y = np.meshgrid(xs[columns], ys[rows])
        self.x: Field = grid_x.astype(np.float64)
        self.y: Field = grid_y.astype(np.float64)
        self.step = raster.step

    def of(self, raster: Raster) -> Field:
        """A raster's values on these cells."""
        values: Field = raster.values[self.window].astype(np.float64)
        return values

    def draw(self, total: Field, rng: np.random.Generator) -> tuple[float, float]:
        """A random place, given the running total of the cells' weights in row order."""
        cell = int(np.searchsorted(total, rng.random() * total[-1], side="right"))
        row, column = divmod(min(cell, self.x.size - 1), self.x.shape[1])
        shift = rng.uniform(-0.5, 0.5, 2) * self.step
        return float(self.x[row, column] + shift[0]), float(self.y[row, column] + shift[1])


def take_setting(room: Room, landscape: Landscape, verge: float) -> None:
    """Keeps lakes, rivers, roads and `verge` metres beside them free."""
    for lake in landscape.lakes:
        room.take(lake.buffer(verge))
    window = box(*landscape.bounds).buffer(500.0)
    lines = [(river.line, river.half_width) for river in landscape.rivers]
    lines += [(road.line, road.half_width) for road in landscape.roads]
    for line, half_width in lines:
        # Short pieces keep the circles around them small.
        for piece in shapely.get_parts(shapely.intersection(line, window)):
            points = np.asarray(piece.coords)
            for start in range(0, len(points) - 1, 12):
                room.take(shapely.LineString(points[start : start + 13]).buffer(half_width + verge))
