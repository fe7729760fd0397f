"""What a scene must be before work starts: whole, georeferenced, of a known type, with a mask that fits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.io import DatasetReader
from rasterio.warp import transform_geom
from shapely import segmentize
from shapely.geometry import box, shape
from shapely.geometry.base import BaseGeometry

from slumpmap.errors import InputError
from slumpmap.imagery.scenes import UDM_BLACKFILL, UDM_CLEAR, UDM_UNUSABLE, is_clear
from slumpmap.raster import check_whole, open_raster, reading

DTYPES = ("uint8", "uint16", "int16", "float32", "float64")


@dataclass(frozen=True)
class Facts:
    """What a checked scene's files say.

    Args:
        outline: outline of the raster in the grid's CRS.
        date_tag: its TIFFTAG_DATETIME, if any.
    """

    outline: BaseGeometry
    date_tag: str | None


def look_at(path: Path, crs: str) -> Facts:
    """Opens a scene and reads its outline and its date tag.

    Raises:
        InputError: the file is missing, unreadable or without CRS.
    """
    with open_raster(path, "scene") as dataset:
        return Facts(outline_of(dataset, crs), dataset.tags().get("TIFFTAG_DATETIME"))


def outline_of(dataset: DatasetReader, crs: str) -> BaseGeometry:
    """The outline of a raster in another CRS; its sides are bent by as many points as that takes."""
    corners = box(0, 0, dataset.width, dataset.height)
    dense = segmentize(corners, max(dataset.width, dataset.height) / 20)
    a, b, c, d, e, f = tuple(dataset.transform)[:6]
    ring = [(a * x + b * y + c, d * x + e * y + f) for x, y in dense.exterior.coords]
    return shape(transform_geom(dataset.crs, crs, {"type": "Polygon", "coordinates": [ring]})).buffer(0)


def check_scene(path: Path, udm: Path | None, bands: int) -> None:
    """Refuses a scene, or its mask, that cannot be used.

    Args:
        path: the scene.
        udm: its UDM2 mask, if any.
        bands: the highest band number that the campaign reads.

    Raises:
        InputError: missing, unreadable, truncated, no CRS, too few bands, a type that is not supported,
            undeclared NaN, or a mask that does not fit.
    """
    check_whole(path, "scene")
    with open_raster(path, "scene") as dataset:
        if dataset.count < bands:
            raise InputError(
                path,
                f"scene has {dataset.count} band{'s' if dataset.count > 1 else ''}, but band {bands} is to be read",
                "correct imagery.bands or imagery.nir_band, or give a scene with more bands",
            )
        wrong = sorted({name for name in dataset.dtypes if name not in DTYPES})
        if wrong:
            raise InputError(path, f"scene has values of type {wrong[0]}", f"convert it to one of {', '.join(DTYPES)}")
        _check_nan(path, dataset)
        if udm is not None:
            _check_udm(udm, path, dataset)


def _check_nan(path: Path, dataset: DatasetReader) -> None:
    """Refuses a float scene with NaN pixels that are not declared to be nodata."""
    if dataset.dtypes[0] not in ("float32", "float64") or (dataset.nodata is not None and np.isnan(dataset.nodata)):
        return
    for _, window in dataset.block_windows(1):
        with reading(path, "scene", "copy or download it again"):
            values = dataset.read(window=window)
        if np.isnan(values).any():
            declared = "none" if dataset.nodata is None else f"{dataset.nodata:g}"
            raise InputError(
                path,
                f"float scene has NaN pixels, but its declared nodata is {declared}",
                f"declare NaN as nodata, for example `rio edit-info --nodata nan {path}`",
            )


def _check_udm(udm: Path, path: Path, scene: DatasetReader) -> None:
    """Refuses a mask that is not a UDM2 on the scene's own pixels."""
    check_whole(udm, "UDM2 mask")
    with open_raster(udm, "UDM2 mask") as mask:
        if mask.count < UDM_UNUSABLE:
            raise InputError(
                udm,
                f"UDM2 mask has {mask.count} band{'s' if mask.count > 1 else ''}, not 8",
                "give a UDM2 (band 1 clear, band 8 unusable), or leave its cell in the column udm empty",
            )
        size, wanted = (mask.width, mask.height), (scene.width, scene.height)
        if size != wanted:
            raise InputError(
                udm,
                f"UDM2 mask is {size[0]} x {size[1]} pixels, but its scene {path.name} is {wanted[0]} x {wanted[1]}",
                "give the mask that was delivered with the scene",
            )
        if mask.crs != scene.crs or not mask.transform.almost_equals(scene.transform, 1e-6):
            raise InputError(
                udm,
                f"UDM2 mask does not lie on the pixels of its scene {path.name} (other CRS or transform)",
                "give the mask that was delivered with the scene",
            )


def cloud_fraction_of(udm: Path) -> float:
    """The share of a scene's filled pixels that its UDM2 does not call usable, 0..1; 1 where none is filled."""
    filled = clear = 0
    with open_raster(udm, "UDM2 mask") as mask:
        for _, window in mask.block_windows(1):
            with reading(udm, "UDM2 mask", "copy or download it again"):
                values = mask.read([UDM_CLEAR, UDM_UNUSABLE], window=window)
            filled += int(np.count_nonzero((values[1] & UDM_BLACKFILL) == 0))
            clear += int(np.count_nonzero(is_clear(values)))
    return round(1.0 - clear / filled, 4) if filled else 1.0
