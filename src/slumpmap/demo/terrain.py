"""The corridor's terrain: hills, valleys and a drainage that runs downhill.

The shape is made on a 120 m grid, where depressions are filled so that water finds a way out, and
refined to the 30 m of the DEM with small relief.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from rasterio.transform import Affine
from scipy.ndimage import gaussian_filter, map_coordinates

from slumpmap.demo.noise import Field, fbm_grid

DEM_M = 30.0
COARSE_M = 120.0
LOWEST_M, HIGHEST_M = 4500.0, 5200.0

# Streams of noise, apart from each other by name.
_BASIN, _VALLEY, _HILL, _DETAIL, _WARP_X, _WARP_Y = range(101, 107)
# Fall that filled ground keeps toward its outlet, metres per 120 m cell.
_FILL_FALL_M = 0.12


@dataclass(frozen=True)
class Raster:
    """A north-up grid of one field.

    Args:
        values: (rows, columns).
        west: easting of the left edge, metres.
        north: northing of the top edge, metres.
        step: pixel size, metres.
    """

    values: NDArray[np.float32]
    west: float
    north: float
    step: float

    @property
    def transform(self) -> Affine:
        """Affine from (column, row) to coordinates."""
        return Affine(self.step, 0.0, self.west, 0.0, -self.step, self.north)

    def at(self, x: Field, y: Field) -> Field:
        """Values at places, bilinear between pixel centres, the edge's value outside."""
        rows = (self.north - np.asarray(y)) / self.step - 0.5
        columns = (np.asarray(x) - self.west) / self.step - 0.5
        sampled: Field = map_coordinates(self.values, [rows, columns], order=1, mode="nearest", output=np.float64)
        return sampled

    def centres(self) -> tuple[Field, Field]:
        """Eastings of the columns and northings of the rows."""
        rows, columns = self.values.shape
        eastings: Field = self.west + (np.arange(columns, dtype=np.float64) + 0.5) * self.step
        northings: Field = self.north - (np.arange(rows, dtype=np.float64) + 0.5) * self.step
        return eastings, northings


@dataclass(frozen=True)
class Terrain:
    """Elevation with the drainage that shaped it.

    Args:
        dem: 30 m elevation, metres.
        coarse: 120 m elevation without depressions, metres.
        ponded: 120 m depth of the depressions that were filled, metres.
        receiver: (cells,) flat index of the 120 m cell that each cell drains to, itself at the edge.
        upstream: (cells,) number of 120 m cells that drain through each cell.
    """

    dem: Raster
    coarse: Raster
    ponded: Raster
    receiver: NDArray[np.int64]
    upstream: NDArray[np.int64]


@njit(cache=True)
def _fill(raw: Field, fall: float) -> Field:
    """Planchon and Darboux (2001): lowers a flood over the terrain until each cell drains to the edge."""
    rows, columns = raw.shape
    level = np.full((rows, columns), 1e9)
    level[0], level[-1] = raw[0], raw[-1]
    level[:, 0], level[:, -1] = raw[:, 0], raw[:, -1]
    changed = True
    sweep = 0
    while changed:
        changed = False
        for n in range((rows - 2) * (columns - 2)):
            # Four sweep directions in turn carry an outlet across the grid in few passes.
            i, j = 1 + n // (columns - 2), 1 + n % (columns - 2)
            if sweep & 1:
                i = rows - 1 - i
            if sweep & 2:
                j = columns - 1 - j
            if level[i, j] <= raw[i, j]:
                continue
            lowest = 1e9
            for di in range(-1, 2):
                for dj in range(-1, 2):
                    if di != 0 or dj != 0:
                        lowest = min(lowest, level[i + di, j + dj] + fall * math.sqrt(di * di + dj * dj))
            wanted = max(raw[i, j], lowest)
            if wanted < level[i, j] - 1e-9:
                level[i, j] = wanted
                changed = True
        sweep += 1
    return level


@njit(cache=True)
def _receivers(level: Field) -> NDArray[np.int64]:
    """The steepest lower neighbour (of eight) of each cell; the edge keeps to itself."""
    rows, columns = level.shape
    out = np.empty(rows * columns, np.int64)
    for i in range(rows):
        for j in range(columns):
            best, steepest = i * columns + j, 0.0
            if 0 < i < rows - 1 and 0 < j < columns - 1:
                for di in range(-1, 2):
                    for dj in range(-1, 2):
                        if di == 0 and dj == 0:
                            continue
                        fall = (level[i, j] - level[i + di, j + dj]) / math.sqrt(di * di + dj * dj)
                        if fall > steepest:
                            best, steepest = (i + di) * columns + j + dj, fall
            out[i * columns + j] = best
    return out


@njit(cache=True)
def _accumulate(receiver: NDArray[np.int64], downward: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts the cells that drain through each cell, itself included, from the top down."""
    upstream = np.ones(receiver.size, np.int64)
    for cell in downward:
        if receiver[cell] != cell:
            upstream[receiver[cell]] += upstream[cell]
    return upstream


def _raw_elevation(shape: tuple[int, int], x0: float, y0: float, seed: int) -> Field:
    """Basins and ridges (12 km), valleys along the zero lines of a noise (5 km), rounded hills (1.5 km)."""
    streams = 1000 * seed
    basin = fbm_grid(shape, x0, y0, COARSE_M, 12000.0, 3, streams + _BASIN, 0.45)
    valley = np.abs(fbm_grid(shape, x0, y0, COARSE_M, 4600.0, 4, streams + _VALLEY, 0.42))
    hill = fbm_grid(shape, x0, y0, COARSE_M, 1500.0, 4, streams + _HILL, 0.45)
    # Rounding the valley line makes a floor out of a gorge.
    floor = np.sqrt(valley**2 + 0.03) - 0.17
    # A regional fall lets the large basins drain instead of ponding.
    eastward = np.arange(shape[1]) * COARSE_M / 1000.0
    northward = np.arange(shape[0])[::-1, None] * COARSE_M / 1000.0
    fall = 3.0 * eastward + 4.0 * (northward[0] - northward)
    relief = 50.0 * basin + 110.0 * floor + 20.0 * hill * np.minimum(1.0, 0.4 + floor)
    elevation: Field = np.clip(4660.0 + fall - fall.mean() + relief, 4510.0, 5190.0)
    return elevation


def make_terrain(bounds: tuple[float, float, float, float], margin: float, seed: int) -> Terrain:
    """Makes the terrain over `bounds` (west, south, east, north, metres) and `margin` metres around."""
    west, north = bounds[0] - margin, bounds[3] + margin
    rows = math.ceil((bounds[3] - bounds[1] + 2 * margin) / DEM_M)
    columns = math.ceil((bounds[2] - bounds[0] + 2 * margin) / DEM_M)
    shape = math.ceil(rows * DEM_M / COARSE_M) + 1, math.ceil(columns * DEM_M / COARSE_M) + 1
    raw = _raw_elevation(shape, west + COARSE_M / 2, north - COARSE_M / 2, seed)
    level = _fill(raw, _FILL_FALL_M)
    receiver = _receivers(level)
    upstream = _accumulate(receiver, np.argsort(-level.ravel(), kind="stable"))
    # Channels are cut in proportion to the water they carry.
    cut = 6.0 * np.clip(np.log10(upstream.reshape(shape) / 60.0), 0.0, 1.2)
    coarse = Raster((level - gaussian_filter(cut, 0.8)).astype(np.float32), west, north, COARSE_M)
    dem = _refine(coarse, (rows, columns), seed)
    ponded = Raster((level - raw).astype(np.float32), west, north, COARSE_M)
    return Terrain(dem, coarse, ponded, receiver, upstream)


def _refine(coarse: Raster, shape: tuple[int, int], seed: int) -> Raster:
    """Cubic interpolation to the DEM's grid, with small relief added; ends inside the elevation range."""
    ratio = DEM_M / COARSE_M
    at_row = (np.arange(shape[0]) + 0.5) * ratio - 0.5
    at_column = (np.arange(shape[1]) + 0.5) * ratio - 0.5
    grid = np.meshgrid(at_row, at_column, indexing="ij")
    smooth = map_coordinates(coarse.values.astype(np.float64), grid, order=3, mode="nearest")
    x0, y0 = coarse.west + DEM_M / 2, coarse.north - DEM_M / 2
    detail = fbm_grid(shape, x0, y0, DEM_M, 420.0, 3, 1000 * seed + _DETAIL, 0.42)
    elevation = np.clip(smooth + 1.6 * detail, LOWEST_M, HIGHEST_M)
    return Raster(elevation.astype(np.float32), coarse.west, coarse.north, DEM_M)


def gradient(dem: Raster, smooth_m: float) -> tuple[Raster, Raster]:
    """Rise per metre toward the east and toward the north, after smoothing by a Gaussian of `smooth_m`."""
    smooth = gaussian_filter(dem.values.astype(np.float64), smooth_m / dem.step) if smooth_m else dem.values
    rising = np.array(np.gradient(smooth, dem.step), dtype=np.float32)
    return Raster(rising[1], dem.west, dem.north, dem.step), Raster(-rising[0], dem.west, dem.north, dem.step)
