"""The synthetic corridor as a user would have it: files as Planet, NASA and a GIS deliver them, with their names."""

from __future__ import annotations

import math
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import rasterio
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject, transform_bounds
from shapely.geometry import mapping

from slumpmap.demo.corridor import YEARS, corridor_size, make_corridor
from slumpmap.demo.scenes import CRS
from slumpmap.errors import InputError
from slumpmap.files import atomic, make_folder, write_json, write_text
from slumpmap.grid import box_area
from slumpmap.vector import read_layer, write_layer

LONLAT = "EPSG:4326"
# As often in practice: the neighbouring UTM zone, in which a former project worked.
_ZONE_BESIDE = "EPSG:32647"
# An SRTM tile of one arc second: a degree with both edges, two bytes a cell, void -32768.
_SRTM_CELLS, _SRTM_VOID = 3601, -32768

_README = """SYNTHETIC DATA. Nothing here was seen by a satellite or mapped by a person.

Made by slumpmap (`slumpmap demo-data --as-user`) to look like what a user has on the disk. Seed {seed}.

PSScene/                  PlanetScope scenes as an order delivers them: surface reflectance, UDM2, metadata
SRTM/*.hgt.zip            elevation, SRTM tiles of a degree and one arc second, as NASA delivers them
study_area.shp            the region (longitude and latitude)
thaw_slumps.shp           known slumps (UTM zone 47 N, the scenes are in 46 N)
look_alikes.geojson       a few places that are no slumps
roads.zip                 roads and a railway, a zipped shapefile (longitude and latitude)
vegetation.tif, soil.tif  classes, 1 km; vegetation_legend.csv has names, soil came without
answers/all_slumps.gpkg   all slumps that there are: nobody has such a file, look at it when you are done
"""


def make_delivery(
    folder: Path, size: str = "tiny", seed: int = 1, years: Sequence[int] = YEARS, processes: int = 2
) -> None:
    """Makes a synthetic corridor and writes it as a user would have it; README.txt says what is what.

    Args:
        folder: where to; made, must not hold anything yet.
        size: `tiny` or `demo`.
        seed: of the corridor.
        years: calendar years to image.
        processes: scenes rendered at a time.

    Raises:
        InputError: no such size, seed or years, or the folder holds something.
    """
    if size == "large":
        raise InputError("size", "the files of a user are made of a named corridor", "take tiny or demo")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(folder, "is not empty", "choose another folder for the files")
    make_folder(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".corridor-") as scratch:
        corridor = Path(scratch)
        make_corridor(corridor, size, seed, None, years, processes)
        _deliver_scenes(corridor, folder / "PSScene")
        _deliver_elevation(corridor / "dem.tif", folder / "SRTM")
        _deliver_layers(corridor, corridor_size(size).bounds, folder)
    write_text(folder / "README.txt", _README.format(seed=seed))


def _deliver_scenes(corridor: Path, folder: Path) -> None:
    """Moves the scenes, and writes the metadata that Planet has beside each."""
    make_folder(folder)
    for path in sorted((corridor / "scenes").iterdir()):
        path.rename(folder / path.name)
    scenes = read_layer(corridor / "scenes.gpkg", "scene catalogue", LONLAT)
    for row in scenes.itertuples():
        item = Path(row.path).stem.partition("_3B_")[0]
        said = {
            "acquired": row.acquired,
            "cloud_cover": row.cloud_fraction,
            "instrument": "PSB.SD",
            "item_type": "PSScene",
            "gsd": 3.0,
            "provider": "synthetic",
        }
        feature = {"type": "Feature", "id": item, "geometry": mapping(row.geometry), "properties": said}
        write_json(folder / f"{item}_metadata.json", feature)


def _deliver_elevation(dem: Path, folder: Path) -> None:
    """Writes the elevation model as zipped SRTM tiles."""
    make_folder(folder)
    with rasterio.open(dem) as dataset:
        west, south, east, north = transform_bounds(dataset.crs, LONLAT, *dataset.bounds)
        for latitude in range(math.floor(south), math.ceil(north)):
            for longitude in range(math.floor(west), math.ceil(east)):
                name = f"{'S' if latitude < 0 else 'N'}{abs(latitude):02d}{'W' if longitude < 0 else 'E'}"
                _write_srtm(_degree(dataset, longitude, latitude), f"{name}{abs(longitude):03d}", folder)


def _degree(dataset: rasterio.DatasetReader, longitude: int, latitude: int) -> tuple[NDArray[np.int16], Affine]:
    """The cells of an SRTM tile, whose outer ones have their centres on whole degrees."""
    step = 1.0 / (_SRTM_CELLS - 1)
    transform = Affine(step, 0.0, longitude - step / 2, 0.0, -step, latitude + 1 + step / 2)
    cells = np.full((_SRTM_CELLS, _SRTM_CELLS), _SRTM_VOID, np.int16)
    reproject(
        rasterio.band(dataset, 1),
        cells,
        dst_transform=transform,
        dst_crs=LONLAT,
        dst_nodata=_SRTM_VOID,
        resampling=Resampling.bilinear,
    )
    return cells, transform


def _write_srtm(tile: tuple[NDArray[np.int16], Affine], name: str, folder: Path) -> None:
    cells, transform = tile
    profile = {"count": 1, "height": _SRTM_CELLS, "width": _SRTM_CELLS, "dtype": "int16", "nodata": _SRTM_VOID}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".srtm-") as scratch, MemoryFile() as memory:
        with memory.open(driver="GTiff", crs=LONLAT, transform=transform, **profile) as target:
            target.write(cells, 1)
        # GDAL reads the place of such a tile from its name, and writes it under that name only.
        plain = Path(scratch) / f"{name}.hgt"
        copy_raster(memory.name, plain, driver="SRTMHGT")
        with atomic(folder / f"{name}.SRTMGL1.hgt.zip") as temporary, zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr(zipfile.ZipInfo(plain.name), plain.read_bytes(), zipfile.ZIP_DEFLATED)


def _deliver_layers(corridor: Path, bounds: tuple[float, float, float, float], folder: Path) -> None:
    """Writes area, slumps, look-alikes, roads and classes in formats and CRS as they come."""
    area = gpd.GeoDataFrame({"name": ["synthetic corridor"]}, geometry=[box_area(bounds)], crs=CRS)
    _write_plain(area.to_crs(LONLAT), folder / "study_area.shp")
    slumps = read_layer(corridor / "positives.gpkg", "known slumps", _ZONE_BESIDE)
    _write_plain(slumps, folder / "thaw_slumps.shp")
    _write_plain(read_layer(corridor / "negatives.gpkg", "look-alikes", LONLAT), folder / "look_alikes.geojson")
    lines = read_layer(corridor / "roads.gpkg", "roads", LONLAT, kinds=("LineString", "MultiLineString"))
    with tempfile.TemporaryDirectory(dir=folder, prefix=".roads-") as scratch:
        _write_plain(lines, Path(scratch) / "roads.shp")
        with atomic(folder / "roads.zip") as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for path in sorted(Path(scratch).iterdir()):
                archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    for name in ("vegetation.tif", "vegetation_legend.csv", "soil.tif"):
        (corridor / name).rename(folder / name)
    write_layer(read_layer(corridor / "truth.gpkg", "all slumps"), folder / "answers" / "all_slumps.gpkg")


def _write_plain(layer: gpd.GeoDataFrame, path: Path) -> None:
    """Writes a shapefile or GeoJSON as other programs do, not as slumpmap writes its products."""
    pyogrio.write_dataframe(layer, path, driver="GeoJSON" if path.suffix == ".geojson" else "ESRI Shapefile")
