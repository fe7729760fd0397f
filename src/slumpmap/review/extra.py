"""Further dated images beside the campaign's years: Landsat, Sentinel-2, orthophotos, any raster with a date."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.transform import from_bounds
from rasterio.vrt import WarpedVRT

from slumpmap.errors import InputError
from slumpmap.raster import open_raster, reading
from slumpmap.settings.imagery import DatedImage

# Percentiles of an image's valid pixels in a chip that become 1 and 255. Sensors differ in their values, so that
# each image has its own.
_STRETCH = (1.0, 99.0)


def check_image(image: DatedImage) -> None:
    """Refuses an image that cannot be shown, before any work starts.

    Raises:
        InputError: the file is missing, unreadable, without CRS, or lacks a band.
    """
    with open_raster(image.path, f"image {image.name!r}") as source:
        highest = max(image.bands or (1,))
        if highest > source.count:
            raise InputError(image.path, f"image has {source.count} bands, not {highest}", "correct images[].bands")


def image_of(image: DatedImage, crs: str, bounds: tuple[float, float, float, float], size: int) -> NDArray[np.uint8]:
    """A square of an image in the campaign's CRS.

    Args:
        image: file and bands; without bands the first three of it, or the only one as grey.
        crs: the campaign's CRS.
        bounds: west, south, east, north, metres.
        size: pixels to a side.

    Returns:
        (3, size, size) uint8, stretched between percentiles of the square, 0 = nodata.

    Raises:
        InputError: the file is missing, unreadable, without CRS, or lacks a band.
    """
    check_image(image)
    with open_raster(image.path, f"image {image.name!r}") as source:
        bands = image.bands or ((1, 2, 3) if source.count >= 3 else (1,))
        options = {"transform": from_bounds(*bounds, size, size), "width": size, "height": size}
        # Averaged where the image is finer than the chip, so that no detail is picked by chance.
        warping = {"crs": crs, "resampling": Resampling.average, "add_alpha": True} | options
        with reading(image.path, f"image {image.name!r}"), WarpedVRT(source, **warping) as warped:
            values = warped.read(bands).astype(np.float64)
            valid = warped.dataset_mask() > 0
    valid &= np.isfinite(values).all(axis=0)
    if not valid.any():
        return np.zeros((3, size, size), np.uint8)
    low, high = np.percentile(values[:, valid], _STRETCH)
    scaled = np.clip((values - low) / max(high - low, 1e-9) * 254 + 1, 1, 255)
    out = np.where(valid, np.nan_to_num(scaled), 0).round().astype(np.uint8)
    return np.repeat(out, 3, axis=0) if len(out) == 1 else out
