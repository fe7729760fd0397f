"""Elevation tiles in any CRS become one elevation model in the grid's, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

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

Bounds = tuple[float, float, float, float]

_BLOCK_PX = 1024


def join_dem(tiles: Sequence[Path], grid: Grid, margin: float, resolution: float, out: Path) -> None:
    """Writes the elevation model of a study area with a margin: metres as in the tiles, float32, nodata NaN.

    Values are interpolated bilinearly. Where tiles overlap the first one counts that has a value. Of the margin only
    that is written into which tiles reach. Memory is that of a block of 1024 x 1024 cells, however many there are.

    Args:
        tiles: rasters in any CRS, band 1 is the elevation.
        grid: the campaign's grid.
        margin: ground around the box of the study area, metres.
        resolution: size of a cell, metres.
        out: GeoTIFF to make, in the grid's CRS, its cells on multiples of `resolution`.

    Raises:
        InputError: a tile cannot be read, or none has an elevation there.
    """
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "nodata": np.nan, "compress": "deflate"}
    profile |= {"zlevel": 1, "predictor": 3, "tiled": True, "blockxsize": 256, "blockysize": 256}
    found = False
    with ExitStack() as stack:
        opened = {path: stack.enter_context(open_raster(path, "DEM")) for path in tiles}
        cover = {path: transform_bounds(source.crs, grid.crs, *source.bounds) for path, source in opened.items()}
        frame = _frame(grid, margin, resolution, cover.values())
        sources = [
            (path, from_bounds(*cover[path], transform=frame["transform"]), _warped(source, frame, stack))
            for path, source in opened.items()
        ]
        target = stack.enter_context(atomic_cog(out))
        with rasterio.open(target, "w", **profile, **frame) as dataset:
            for window in _blocks(frame["height"], frame["width"]):
                values = _read(sources, window)
                found = found or not np.isnan(values).all()
                dataset.write(values, 1, window=window)
        if not found:
            fault = "the tiles have no elevation in the study area"
            raise InputError(out.name, fault, "check the study area, or bring the tiles of that place")


def _frame(grid: Grid, margin: float, resolution: float, cover: Iterable[Bounds]) -> dict[str, Any]:
    """CRS, place and shape of the result: the box of the study area, and what tiles cover of the margin around it."""
    area = shapely.box(*grid.area.bounds)
    reached = shapely.union_all([shapely.box(*bounds) for bounds in cover]) & area.buffer(margin, join_style="mitre")
    west, south, east, north = (area | reached).bounds
    left, top = math.floor(west / resolution) * resolution, math.ceil(north / resolution) * resolution
    height, width = math.ceil((top - south) / resolution), math.ceil((east - left) / resolution)
    transform = Affine(resolution, 0, left, 0, -resolution, top)
    return {"crs": grid.crs, "transform": transform, "height": height, "width": width}


def _warped(source: DatasetReader, frame: dict[str, Any], stack: ExitStack) -> WarpedVRT:
    """A tile as it lies in the frame of the result."""
    options = {"src_nodata": source.nodata, "nodata": np.nan, "dtype": "float32", "resampling": Resampling.bilinear}
    options["tolerance"] = 0.001  # cells; left to itself, GDAL finds coordinates to an eighth of one
    return stack.enter_context(WarpedVRT(source, **frame, **options))


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
