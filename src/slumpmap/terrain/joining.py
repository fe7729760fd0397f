"""Elevation tiles in any CRS become one elevation model in the grid's, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.warp import Resampling, transform_bounds
from rasterio.windows import Window, from_bounds

from slumpmap.errors import InputError
from slumpmap.files import REPLACE
from slumpmap.grid import Grid
from slumpmap.raster import atomic_cog, open_raster, reading

_BLOCK_PX = 1024


def join_dem(tiles: Sequence[Path], grid: Grid, margin: float, resolution: float, out: Path) -> None:
    """Writes the elevation model of a study area with a margin: metres as in the tiles, float32, nodata NaN.

    Values are interpolated bilinearly. Where tiles overlap the first one counts that has a value. Memory is that of
    a block of 1024 x 1024 cells, however many there are.

    Args:
        tiles: rasters in any CRS, band 1 is the elevation.
        grid: the campaign's grid.
        margin: ground around the box of the study area, metres.
        resolution: size of a cell, metres.
        out: GeoTIFF to make, in the grid's CRS, its cells on multiples of `resolution`.

    Raises:
        InputError: a tile cannot be read, or none has an elevation there.
    """
    west, south, east, north = shapely.box(*grid.area.bounds).buffer(margin).bounds
    left, top = math.floor(west / resolution) * resolution, math.ceil(north / resolution) * resolution
    height, width = math.ceil((top - south) / resolution), math.ceil((east - left) / resolution)
    frame = {"crs": grid.crs, "transform": Affine(resolution, 0, left, 0, -resolution, top)}
    frame |= {"height": height, "width": width}
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "nodata": np.nan, "compress": "deflate"}
    profile |= {"zlevel": 1, "predictor": 3, "tiled": True, "blockxsize": 256, "blockysize": 256}
    found = False
    with ExitStack() as stack:
        sources = [(path, *_opened(path, frame, stack)) for path in tiles]
        target = stack.enter_context(atomic_cog(out))
        with rasterio.open(target, "w", **profile, **frame) as dataset:
            for window in _blocks(height, width):
                values = _read(sources, window)
                found = found or not np.isnan(values).all()
                dataset.write(values, 1, window=window)
        if not found:
            fault = "the tiles have no elevation in the study area"
            raise InputError(out.name, fault, "check the study area, or bring the tiles of that place")


def _opened(path: Path, frame: dict[str, object], stack: ExitStack) -> tuple[Window, WarpedVRT]:
    """A tile as it lies in the frame of the result, and where in it."""
    source: DatasetReader = stack.enter_context(open_raster(path, "DEM"))
    bounds = transform_bounds(source.crs, frame["crs"], *source.bounds)
    options = {"src_nodata": source.nodata, "nodata": np.nan, "dtype": "float32", "resampling": Resampling.bilinear}
    options["tolerance"] = 0.001  # cells; left to itself, GDAL finds coordinates to an eighth of one
    warped = stack.enter_context(WarpedVRT(source, **frame, **options))
    return from_bounds(*bounds, transform=frame["transform"]), warped


def _blocks(height: int, width: int) -> Iterator[Window]:
    for row in range(0, height, _BLOCK_PX):
        for column in range(0, width, _BLOCK_PX):
            yield Window(column, row, min(_BLOCK_PX, width - column), min(_BLOCK_PX, height - row))


def _read(sources: Sequence[tuple[Path, Window, WarpedVRT]], window: Window) -> NDArray[np.float32]:
    """Elevations of a block from the tiles that reach into it, scale and offset of the tiles applied."""
    values = np.full((window.height, window.width), np.nan, np.float32)
    for path, place, warped in sources:
        missing = np.isnan(values)
        if not missing.any():
            break
        if _apart(place, window):
            continue
        with reading(path, "DEM", REPLACE):
            part = warped.read(1, window=window)
        part = part * np.float32(warped.scales[0]) + np.float32(warped.offsets[0])
        values[missing] = part[missing]
    return values


def _apart(one: Window, other: Window) -> bool:
    """Whether two windows have no cell in common, with a cell to spare."""
    return bool(
        one.col_off + one.width < other.col_off - 1
        or other.col_off + other.width < one.col_off - 1
        or one.row_off + one.height < other.row_off - 1
        or other.row_off + other.height < one.row_off - 1
    )
