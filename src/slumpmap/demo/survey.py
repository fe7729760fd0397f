"""A corridor of any size without pixels: what a campaign's plan and its DAG need, and nothing that takes long."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
from rasterio.transform import Affine
from shapely.geometry import LineString, Point, box

from slumpmap.demo.acquisitions import plan
from slumpmap.demo.corridor import YEARS
from slumpmap.demo.landscape import Bounds
from slumpmap.demo.scenes import CRS, scene_files
from slumpmap.errors import InputError
from slumpmap.files import atomic
from slumpmap.vector import write_layer

_SURVEY = 901
_CENTRE = 500250.0, 3839500.0
# Length over width, as of the engineering corridor's box.
_STRETCH = 1.35
_DEM_M = 30.0
_DEM_MARGIN_M = 15_000.0
# As many labels as Xia et al. (2022) began with.
_POSITIVES, _NEGATIVES = 300, 72


def survey_bounds(area_km2: float) -> Bounds:
    """West, south, east, north of a study area of that size in EPSG:32646, metres."""
    width = round(math.sqrt(area_km2 * 1e6 / _STRETCH) / 300.0) * 300.0
    height = round(area_km2 * 1e6 / width / 300.0) * 300.0
    west, south = _CENTRE[0] - width / 2, _CENTRE[1] - height / 2
    return west, south, west + width, south + height


def make_survey(folder: Path, area_km2: float, years: Sequence[int] = YEARS, seed: int = 1) -> int:
    """Writes the inputs of a campaign without a single pixel: the scenes of its catalogue do not exist.

    Args:
        folder: where to; gets `study_area.gpkg`, `scenes.gpkg`, `positives.gpkg`, `negatives.gpkg`, `roads.gpkg` and
            `dem.tif`, whose blocks are all left out of the file.
        area_km2: size of the study area.
        years: calendar years to image.
        seed: of dates, footprints and labels.

    Returns:
        Number of scenes.

    Raises:
        InputError: no such area.
    """
    if not 1.0 <= area_km2 <= 3_000_000.0:
        raise InputError("area_km2", f"no survey of {area_km2:g} km2", "give 1 to 3,000,000 km2")
    bounds = survey_bounds(area_km2)
    rng = np.random.default_rng([seed, _SURVEY])
    scenes = plan(bounds, years, seed)
    catalogue: dict[str, Sequence[object]] = {
        "path": [f"scenes/{scene_files(scene)[0]}" for scene in scenes],
        "udm": [f"scenes/{scene_files(scene)[1]}" for scene in scenes],
        "acquired": [scene.time.isoformat() for scene in scenes],
        # Without pixels nobody can count the clouds; half of the days are clear.
        "cloud_fraction": np.round(np.maximum(rng.uniform(-0.1, 0.1, len(scenes)), 0.0), 4).tolist(),
    }
    _write(catalogue, [scene.footprint for scene in scenes], folder / "scenes.gpkg")
    _write({}, [box(*bounds)], folder / "study_area.gpkg")
    for name, count in (("positives", _POSITIVES), ("negatives", _NEGATIVES)):
        west, south, east, north = bounds
        places = rng.uniform((west + 300, south + 300), (east - 300, north - 300), (count, 2))
        outlines = [
            Point(place).buffer(radius) for place, radius in zip(places, rng.uniform(20, 150, count), strict=True)
        ]
        _write({"id": [f"{name[0].upper()}{n:04d}" for n in range(count)]}, outlines, folder / f"{name}.gpkg")
    road = LineString([(bounds[0], bounds[1]), (bounds[2], bounds[3])])
    _write({"kind": ["road"]}, [road], folder / "roads.gpkg")
    _write_empty_dem(bounds, folder / "dem.tif")
    return len(scenes)


def _write(columns: dict[str, Sequence[object]], shapes: Sequence[object], path: Path) -> None:
    write_layer(gpd.GeoDataFrame(columns, geometry=list(shapes), crs=CRS), path)


def _write_empty_dem(bounds: Bounds, path: Path) -> None:
    """An elevation model with size and place, all of it nodata: a few hundred kB for any area."""
    west, south, east, north = np.array(bounds) + _DEM_MARGIN_M * np.array([-1, -1, 1, 1])
    with (
        atomic(path) as temporary,
        rasterio.open(
            temporary,
            "w",
            driver="GTiff",
            width=math.ceil((east - west) / _DEM_M),
            height=math.ceil((north - south) / _DEM_M),
            count=1,
            dtype="float32",
            nodata=-9999.0,
            crs=CRS,
            transform=Affine(_DEM_M, 0.0, west, 0.0, -_DEM_M, north),
            tiled=True,
            sparse_ok=True,
        ),
    ):
        pass
