"""Slope and aspect of an elevation model, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from slumpmap.errors import InputError
from slumpmap.files import atomic
from slumpmap.grid import check_projected
from slumpmap.raster import open_raster
from slumpmap.terrain import richdem_door

Floats = NDArray[np.float64]
Engine = Literal["auto", "richdem", "numpy"]

# A block and its results take some 60 MB; a multiple of the 256 px blocks of the files.
_BLOCK_PX = 1024
# Horn's window reaches one cell to every side.
_HALO_PX = 1
# Cells that are square up to rounding of the geotransform.
_SQUARE = 1e-6


def slope_aspect(dem: Path, out_slope: Path, out_aspect: Path, engine: Engine = "auto") -> None:
    """Writes slope and aspect of an elevation model, both in degrees, float32, nodata NaN.

    Slope is 0 to 90; aspect is the down-slope direction, 0 = grid north, clockwise, below 360. Flat cells have
    no aspect. Cells at the edge and beside nodata have neither. Memory does not grow with the raster.

    Args:
        dem: elevations in metres, band 1; projected CRS in metres, square cells, north up.
        out_slope: GeoTIFF to write.
        out_aspect: GeoTIFF to write.
        engine: who computes: `richdem` (GPLv3, optional), `numpy`, or `auto`: richdem where it is installed.

    Raises:
        InputError: the DEM is missing, unreadable, not projected in metres, rotated or of oblong cells; or
            richdem is asked for and is not installed.
    """
    compute = _engine(engine)
    with open_raster(dem, "DEM") as source:
        resolution = _resolution(source, dem)
        profile = _profile(source)
        with (
            atomic(out_slope) as slope_file,
            atomic(out_aspect) as aspect_file,
            rasterio.open(slope_file, "w", **profile) as slope_target,
            rasterio.open(aspect_file, "w", **profile) as aspect_target,
        ):
            for block in _blocks(source):
                slope, aspect = compute(_read(source, block), resolution)
                inner = np.s_[_HALO_PX:-_HALO_PX, _HALO_PX:-_HALO_PX]
                slope_target.write(slope[inner].astype(np.float32), 1, window=block)
                aspect_target.write(_as_float32(aspect[inner]), 1, window=block)


def horn(elevation: NDArray[np.floating], resolution: float) -> tuple[Floats, Floats]:
    """Slope and aspect by the third-order finite differences of Horn (1981, Proc. IEEE 69, 14-47).

    Args:
        elevation: (rows, columns), metres, first row in the north; NaN = nodata.
        resolution: size of a square cell, metres.

    Returns:
        Slope and aspect, degrees, (rows, columns) each; NaN at the edge and beside nodata, and aspect NaN
        where the gradient is zero. Aspect is the down-slope direction, 0 = north, clockwise, in [0, 360).
    """
    shape = elevation.shape
    slope, aspect = np.full(shape, np.nan), np.full(shape, np.nan)
    if min(shape) < 3:
        return slope, aspect
    z = np.asarray(elevation, dtype=np.float64)
    north, south = z[:-2], z[2:]
    west, east = z[:, :-2], z[:, 2:]
    rise_east = (east[:-2] + 2 * east[1:-1] + east[2:]) - (west[:-2] + 2 * west[1:-1] + west[2:])
    rise_north = (north[:, :-2] + 2 * north[:, 1:-1] + north[:, 2:]) - (
        south[:, :-2] + 2 * south[:, 1:-1] + south[:, 2:]
    )
    rise_east, rise_north = rise_east / (8 * resolution), rise_north / (8 * resolution)
    # The differences do not use the centre: a hole there must be put back.
    rise_east[np.isnan(z[1:-1, 1:-1])] = np.nan
    gradient = np.hypot(rise_east, rise_north)
    slope[1:-1, 1:-1] = np.degrees(np.arctan(gradient))
    downhill = np.degrees(np.arctan2(-rise_east, -rise_north)) % 360.0
    # A tiny negative angle modulo 360 rounds to 360 itself, which is north.
    downhill[downhill >= 360.0] = 0.0
    aspect[1:-1, 1:-1] = np.where(gradient > 0, downhill, np.nan)
    return slope, aspect


def _engine(engine: Engine) -> Callable[[Floats, float], tuple[Floats, Floats]]:
    """The function that computes; says in the log which one it is."""
    there = richdem_door.available()
    if engine == "richdem" and not there:
        raise InputError("engine", "richdem is not installed", "install it as the README says, or choose numpy")
    if engine != "numpy" and there:
        print("slope and aspect: richdem (Horn)")
        return richdem_door.slope_aspect
    print("slope and aspect: numpy (Horn)")
    return horn


def _resolution(source: DatasetReader, dem: Path) -> float:
    """Size of the DEM's square cells, metres; InputError where slopes would come out wrong."""
    check_projected(source.crs.to_string(), f"DEM {dem}")
    transform = source.transform
    rotated = transform.b != 0 or transform.d != 0
    oblong = abs(transform.a + transform.e) > _SQUARE * abs(transform.a)
    if rotated or oblong or transform.a <= 0:
        remedy = "resample it to square cells, for example with gdalwarp -tr 30 30"
        raise InputError(dem, "DEM cells are not square or the DEM is not north-up", remedy)
    return float(transform.a)


def _profile(source: DatasetReader) -> dict[str, object]:
    """Creation options of the results."""
    profile: dict[str, object] = {
        "driver": "GTiff",
        "count": 1,
        "height": source.height,
        "width": source.width,
        "dtype": "float32",
        "crs": source.crs,
        "transform": source.transform,
        "nodata": float("nan"),
        "compress": "deflate",
        "predictor": 3,
    }
    if min(source.shape) >= 256:
        profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256}
    return profile


def _blocks(source: DatasetReader) -> Iterator[Window]:
    """Windows that cover the raster, row by row."""
    for row in range(0, source.height, _BLOCK_PX):
        for column in range(0, source.width, _BLOCK_PX):
            height, width = min(_BLOCK_PX, source.height - row), min(_BLOCK_PX, source.width - column)
            yield Window(column, row, width, height)


def _read(source: DatasetReader, block: Window) -> Floats:
    """Elevations of a block with its halo; NaN for nodata and beyond the raster."""
    top, left = block.row_off - _HALO_PX, block.col_off - _HALO_PX
    out = np.full((block.height + 2 * _HALO_PX, block.width + 2 * _HALO_PX), np.nan)
    first_row, first_column = max(top, 0), max(left, 0)
    height = min(top + out.shape[0], source.height) - first_row
    width = min(left + out.shape[1], source.width) - first_column
    values = source.read(1, window=Window(first_column, first_row, width, height), masked=True)
    row, column = first_row - top, first_column - left
    out[row : row + height, column : column + width] = values.astype(np.float64).filled(np.nan)
    return out


def _as_float32(aspect: Floats) -> NDArray[np.float32]:
    """Aspect in the precision of the file; what rounds up to 360 is north."""
    single = aspect.astype(np.float32)
    single[single >= 360] = 0
    return single
