"""Checks of the user's optional layers, made before any long work starts."""

from __future__ import annotations

from pathlib import Path

import shapely
from rasterio.warp import transform_bounds

from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.legend import read_legend
from slumpmap.raster import check_whole, open_raster
from slumpmap.vector import LINES, read_layer


def check_layers(
    grid: Grid,
    dem: Path | None = None,
    roads: Path | None = None,
    truth: Path | None = None,
    training_area: Path | None = None,
    evaluation_area: Path | None = None,
    vegetation: Path | None = None,
    vegetation_legend: Path | None = None,
    soil: Path | None = None,
    soil_legend: Path | None = None,
) -> None:
    """Refuses a DEM, roads, truth, area or class raster that later steps could not use.

    Raises:
        InputError: a file is missing, damaged, of the wrong kind, or does not touch the study area.
    """
    if dem is not None:
        _check_dem(dem, grid)
    if roads is not None:
        read_layer(roads, "roads", grid.crs, kinds=LINES, empty_ok=False)
    if truth is not None:
        layer = read_layer(truth, "truth", grid.crs, columns=("id",), unique="id", empty_ok=False)
        _check_touches(shapely.union_all(shapely.envelope(layer.geometry.to_numpy())), grid, truth, "truth")
    for path, what in ((training_area, "training area"), (evaluation_area, "evaluation area")):
        if path is not None:
            _check_touches(read_layer(path, what, grid.crs, empty_ok=False).union_all(), grid, path, what)
    for path, legend, what in ((vegetation, vegetation_legend, "vegetation"), (soil, soil_legend, "soil")):
        if path is not None:
            _check_classes(path, legend, what, grid)


def _check_classes(path: Path, legend: Path | None, what: str, grid: Grid) -> None:
    if legend is None:
        fault = f"raster of {what} classes comes without a legend"
        raise InputError(path, fault, f"give {what}_legend, a CSV with the columns code,name")
    read_legend(legend, what)
    check_whole(path, what)
    with open_raster(path, what) as dataset:
        covered = shapely.box(*transform_bounds(dataset.crs, grid.crs, *dataset.bounds))
    _check_touches(covered, grid, path, what)


def _check_dem(path: Path, grid: Grid) -> None:
    check_whole(path, "DEM")
    with open_raster(path, "DEM") as dataset:
        if not dataset.crs.is_projected:
            raise InputError(path, f"DEM is in degrees ({dataset.crs})", f"reproject it, for example to {grid.crs}")
        covered = shapely.box(*transform_bounds(dataset.crs, grid.crs, *dataset.bounds))
    _check_touches(covered, grid, path, "DEM")


def _check_touches(shape: shapely.Geometry, grid: Grid, path: Path, what: str) -> None:
    if not shape.intersects(grid.area):
        raise InputError(path, f"{what} does not touch the study area", "check its CRS and the grid's bounds")
