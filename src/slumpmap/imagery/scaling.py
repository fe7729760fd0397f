"""The campaign's one linear transformation from scene values to 8 bit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from rasterio.io import DatasetReader
from rasterio.transform import Affine
from rasterio.warp import transform_geom
from rasterio.windows import Window as RasterWindow
from shapely.affinity import affine_transform
from shapely.geometry import box, mapping, shape
from shapely.geometry.base import BaseGeometry

from slumpmap.errors import InputError
from slumpmap.files import read_json, write_json
from slumpmap.grid import Grid
from slumpmap.imagery.conversion import to_8bit
from slumpmap.imagery.histogram import Histogram
from slumpmap.imagery.scenes import SceneReader, read_selected
from slumpmap.settings.imagery import ScalingSettings

__all__ = ["make_scaling", "read_scaling", "to_8bit"]

# Scene pixels are counted in squares of this size.
_BLOCK_PX = 1024


def make_scaling(catalogue: Path, grid: Grid, settings: ScalingSettings, bands: Sequence[int], out: Path) -> None:
    """Writes scaling.json: `method`, `bands`, and per band the value that becomes 1 and the one that becomes 255.

    `percentiles` counts, once, every valid cloud-free pixel of every selected scene of all years whose centre
    lies in the study area, in the scene's own pixels; pixels that several scenes show count several times.
    A percentile p is the smallest value that at least p % of the pixels do not exceed (no interpolation).
    Integer scenes are counted value by value; float scenes in bins, see `Histogram`.

    Args:
        catalogue: the checked catalogue.
        grid: the campaign's grid.
        settings: method, fixed range, percentiles.
        bands: band numbers (from 1) of red, green, blue, and near infrared where it is read.
        out: the file to write.

    Raises:
        InputError: the range is empty, or no pixel is valid.
    """
    written: dict[str, Any] = {"method": settings.scaling, "bands": list(bands)}
    if settings.scaling == "fixed":
        low, high = ([value] * len(bands) for value in settings.reflectance)
    else:
        counts = _count(catalogue, grid, bands)
        if counts.pixels == 0:
            raise InputError(
                catalogue,
                "no selected scene has a valid cloud-free pixel in the study area",
                "check the masks and the nodata value of the scenes",
            )
        low, high = (counts.percentile(share) for share in settings.percentiles)
        written |= {"percentiles": list(settings.percentiles), "pixels": counts.pixels}
    if not all(first < last for first, last in zip(low, high, strict=True)):
        raise InputError(
            "imagery", f"8-bit scaling from {low} to {high} is empty", "correct imagery.reflectance or .percentiles"
        )
    write_json(out, written | {"low": low, "high": high})


def read_scaling(path: Path, bands: int = 3) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The values of each band that become 1 and 255, (bands,) each.

    Args:
        path: scaling.json of the campaign.
        bands: number of bands that it must have; further ones are left out.

    Raises:
        InputError: the file is missing, is no scaling, or has fewer bands.
    """
    try:
        content = read_json(path)
        ends = np.array([content["low"], content["high"]], np.float64)[:, :bands]
        if ends.shape != (2, bands):
            raise ValueError("other bands")
        return ends[0], ends[1]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, f"not a scaling of {bands} bands", "remove it and run the workflow again") from error


def _count(catalogue: Path, grid: Grid, bands: Sequence[int]) -> Histogram:
    """Counts the values of all selected scenes, block by block."""
    counts = Histogram(len(bands))
    for scene in read_selected(catalogue):
        with SceneReader(scene, tuple(bands)) as reader:
            area = _area_in(reader.dataset, grid)
            for window in _blocks(reader.dataset, area):
                values, usable = reader.read(window)
                usable &= _inside(window, area)
                counts.add(values[:, usable])
    return counts


def _area_in(dataset: DatasetReader, grid: Grid) -> BaseGeometry:
    """The study area in the scene's pixel coordinates (column, row)."""
    # Long straight sides are bent by reprojection, hence the points between.
    area = mapping(grid.area.segmentize(100 * grid.resolution))
    a, b, c, d, e, f = tuple(~dataset.transform)[:6]
    return affine_transform(shape(transform_geom(grid.crs, dataset.crs, area)), [a, b, d, e, c, f])


def _blocks(dataset: DatasetReader, area: BaseGeometry) -> Iterator[RasterWindow]:
    """The squares of a scene that the study area touches."""
    west, north, east, south = area.bounds
    top, bottom = max(0, math.floor(north)), min(dataset.height, math.ceil(south))
    left, right = max(0, math.floor(west)), min(dataset.width, math.ceil(east))
    for row in range(top, bottom, _BLOCK_PX):
        for column in range(left, right, _BLOCK_PX):
            width, height = min(_BLOCK_PX, right - column), min(_BLOCK_PX, bottom - row)
            if area.intersects(_square(RasterWindow(column, row, width, height))):
                yield RasterWindow(column, row, width, height)


def _square(window: RasterWindow) -> BaseGeometry:
    column, row, width, height = window.flatten()
    return box(column, row, column + width, row + height)


def _inside(window: RasterWindow, area: BaseGeometry) -> NDArray[np.bool_]:
    """Which pixels of a window have their centre in the study area."""
    size = int(window.height), int(window.width)
    if area.covers(_square(window)):
        return np.ones(size, np.bool_)
    here = Affine.translation(window.col_off, window.row_off)
    return np.asarray(geometry_mask([area], size, here, invert=True), np.bool_)
