"""The campaign's tile grid: one projected CRS, one fixed origin, whole tiles, pixel windows.

Every room speaks of *grid pixels*: integer (row, column) counted from the top left corner of the
grid, south and east positive. Grid pixels do not depend on the tile size, so whatever is computed
from them (windows, polygons, ids) is the same for any tiling.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import Field
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.transform import Affine
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from slumpmap.errors import InputError
from slumpmap.records import Record, read_record

# Square metres.
HECTARE = 10_000.0
# The Qinghai-Tibet Plateau in tiles of 512 pixels of 3 m takes a million.
_MOST_TILES = 4_000_000


class _Stored(Record):
    """grid.json."""

    crs: str
    x0: float
    y0: float
    resolution: float = Field(gt=0)
    tile_px: int = Field(gt=0)
    area_wkt: str


@dataclass(frozen=True, order=True)
class Window:
    """A rectangle of grid pixels: first row, first column, height and width."""

    row: int
    column: int
    height: int
    width: int

    def grow(self, pixels: int) -> Window:
        """The window with a margin of `pixels` on every side."""
        return Window(self.row - pixels, self.column - pixels, self.height + 2 * pixels, self.width + 2 * pixels)


@dataclass(frozen=True, order=True)
class Tile:
    """One tile of the grid: `x` counts tiles eastward, `y` southward, both from 0."""

    y: int
    x: int
    tile_px: int = field(compare=False)

    @property
    def id(self) -> str:
        """The name of the tile in files and rules, such as `x003_y012`."""
        return f"x{self.x:03d}_y{self.y:03d}"

    @property
    def window(self) -> Window:
        """The tile's rectangle in grid pixels."""
        return Window(self.y * self.tile_px, self.x * self.tile_px, self.tile_px, self.tile_px)


@dataclass(frozen=True)
class Grid:
    """The tile grid over a study area.

    Args:
        crs: a projected CRS in metres, as an authority string such as `EPSG:32646`.
        x0: easting of the grid's left edge, metres.
        y0: northing of the grid's top edge, metres.
        resolution: size of a square pixel, metres.
        tile_px: width and height of a tile, pixels.
        area: the study area in `crs`; what lies outside is nodata in every product.
    """

    crs: str
    x0: float
    y0: float
    resolution: float
    tile_px: int
    area: BaseGeometry

    @classmethod
    def over(cls, area: BaseGeometry, crs: str, resolution: float, tile_px: int, source: str = "grid") -> Grid:
        """The grid that covers `area`, its origin snapped outward to whole pixels.

        The origin depends on the area and the resolution only, never on the tile size.

        Raises:
            InputError: the CRS is unknown, geographic or not in metres, or the area is empty.
        """
        check_projected(crs, source)
        _check_shape(area, source)
        west, _, _, north = area.bounds
        x0 = math.floor(west / resolution) * resolution
        y0 = math.ceil(north / resolution) * resolution
        grid = cls(crs, x0, y0, resolution, tile_px, area)
        grid._check_area(source)
        return grid

    def _check_area(self, source: str) -> None:
        """Refuses an area that lies apart from the origin, or takes more tiles than anybody can map."""
        _check_shape(self.area, source)
        west, south, east, north = self.area.bounds
        side = self.resolution * self.tile_px
        if west < self.x0 - self.resolution or north > self.y0 + self.resolution:
            raise InputError(source, "the study area does not lie on the grid", "remove it and run the workflow again")
        tiles = ((east - self.x0) / side + 1) * ((self.y0 - south) / side + 1)
        if tiles > _MOST_TILES:
            fault = f"the study area takes {tiles:.3g} tiles of {self.tile_px} pixels of {self.resolution:g} m"
            raise InputError(source, fault, f"choose coarser pixels or larger tiles, {_MOST_TILES} at most")

    @cached_property
    def tiles(self) -> tuple[Tile, ...]:
        """The tiles that the study area touches, row by row."""
        _, south, east, _ = self.area.bounds
        side = self.resolution * self.tile_px
        columns = max(1, math.ceil(round((east - self.x0) / side, 9)))
        rows = max(1, math.ceil(round((self.y0 - south) / side, 9)))
        shapely.prepare(self.area)
        every = [Tile(y, x, self.tile_px) for y in range(rows) for x in range(columns)]
        inside = shapely.relate_pattern(
            shapely.box(*zip(*(self.bounds(tile.window) for tile in every), strict=True)), self.area, "T********"
        )
        return tuple(tile for tile, hit in zip(every, inside, strict=True) if hit)

    @cached_property
    def _by_id(self) -> dict[str, Tile]:
        return {tile.id: tile for tile in self.tiles}

    def __contains__(self, tile_id: str) -> bool:
        return tile_id in self._by_id

    def tile(self, tile_id: str) -> Tile:
        """The tile of that id; InputError if the grid has none."""
        if tile_id not in self._by_id:
            raise InputError(tile_id, "no such tile in the grid", "take an id of the form x000_y000 from grid.json")
        return self._by_id[tile_id]

    def around(self, tile_id: str, pixels: int) -> list[Tile]:
        """The tile and those that a margin of `pixels` round it touches, in grid order."""
        return list(self.tiles_in(self.tile(tile_id).window.grow(pixels)))

    def tiles_in(self, window: Window) -> Iterator[Tile]:
        """The tiles that a window of grid pixels touches, in grid order."""
        first_row, last_row = window.row // self.tile_px, (window.row + window.height - 1) // self.tile_px
        first_col, last_col = window.column // self.tile_px, (window.column + window.width - 1) // self.tile_px
        for y in range(first_row, last_row + 1):
            for x in range(first_col, last_col + 1):
                if x >= 0 and y >= 0 and (tile := self._by_id.get(Tile(y, x, self.tile_px).id)):
                    yield tile

    def tiles_at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.object_]:
        """(points,) ids of the tiles that hold points, each one's own; beyond all tiles, of the nearest.

        A tile holds its left and its upper edge.

        Args:
            x: (points,) eastings, metres.
            y: (points,) northings, metres.
        """
        side = self.resolution * self.tile_px
        # Rounding as in `window_of`: a point on a pixel's edge lies there, whatever the last bit says.
        place = np.floor(np.round(np.column_stack([x - self.x0, self.y0 - y]) / side, 9))
        tiles = np.array([(tile.x, tile.y) for tile in self.tiles])
        nearest = np.abs(place[:, None] - tiles).sum(axis=2).argmin(axis=1)
        names: NDArray[np.object_] = np.array([tile.id for tile in self.tiles], dtype=object)[nearest]
        return names

    @property
    def transform(self) -> Affine:
        """Affine from grid pixels (column, row) to CRS coordinates, metres."""
        return Affine(self.resolution, 0.0, self.x0, 0.0, -self.resolution, self.y0)

    def window_transform(self, window: Window) -> Affine:
        """Affine of a window's own pixels."""
        return self.transform @ Affine.translation(window.column, window.row)

    def bounds(self, window: Window) -> tuple[float, float, float, float]:
        """West, south, east, north of a window, metres."""
        west = self.x0 + window.column * self.resolution
        north = self.y0 - window.row * self.resolution
        return west, north - window.height * self.resolution, west + window.width * self.resolution, north

    def window_of(self, bounds: tuple[float, float, float, float]) -> Window:
        """The smallest window of whole grid pixels that holds `bounds` (west, south, east, north)."""
        west, south, east, north = bounds
        # Rounding first keeps a bound that lies on a pixel edge from taking one pixel more.
        row = math.floor(round((self.y0 - north) / self.resolution, 6))
        column = math.floor(round((west - self.x0) / self.resolution, 6))
        bottom = math.ceil(round((self.y0 - south) / self.resolution, 6))
        right = math.ceil(round((east - self.x0) / self.resolution, 6))
        return Window(row, column, bottom - row, right - column)

    @cached_property
    def extent(self) -> Window:
        """The window of the study area, whole pixels (not whole tiles)."""
        return self.window_of(self.area.bounds)

    def to_json(self) -> str:
        """The grid as JSON text, for `grid.json`."""
        return json.dumps(
            {
                "crs": self.crs,
                "x0": self.x0,
                "y0": self.y0,
                "resolution": self.resolution,
                "tile_px": self.tile_px,
                "tiles": [tile.id for tile in self.tiles],
                "area_wkt": self.area.wkt,
            },
            indent=1,
        )

    @classmethod
    def read(cls, path: Path) -> Grid:
        """Reads a `grid.json`.

        Raises:
            InputError: the file is missing or is not a grid.
        """
        values = read_record(path, _Stored, "grid")
        try:
            area = shapely.from_wkt(values["area_wkt"])
        except shapely.errors.GEOSException as error:
            raise InputError(path, f"not a readable grid ({error})", "remove it and run the workflow again") from error
        check_projected(values["crs"], str(path))
        grid = cls(values["crs"], values["x0"], values["y0"], values["resolution"], values["tile_px"], area)
        grid._check_area(str(path))
        return grid


def _check_shape(area: BaseGeometry, source: str) -> None:
    if area.is_empty or not 0 < area.area < math.inf or not area.is_valid:
        raise InputError(source, "the study area is empty", "give a polygon or bounds with an area")


def check_projected(crs: str, source: str) -> None:
    """Refuses a CRS that is unknown, geographic, or not in metres."""
    try:
        parsed = CRS.from_user_input(crs)
    except CRSError as error:
        raise InputError(source, f"unknown CRS {crs!r}", "give an EPSG code such as EPSG:32646") from error
    if not parsed.is_projected or parsed.linear_units_factor[1] != 1.0:
        raise InputError(source, f"CRS {crs} is not projected in metres", "choose a UTM or an equal-area CRS")


def box_area(bounds: tuple[float, float, float, float]) -> BaseGeometry:
    """The rectangle of west, south, east, north."""
    return box(*bounds)
