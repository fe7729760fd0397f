"""The ground under a map: elevation at the resolution of the figure, and its shaded relief."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT

from slumpmap.raster import open_raster, reading
from slumpmap.terrain.hillshade import hillshade
from slumpmap.terrain.slope import horn

# West, east, south, north, km.
Extent = tuple[float, float, float, float]

_KM = 1000.0
_LONGEST_PX = 1200


@dataclass(frozen=True)
class Relief:
    """Elevation and light of a map's ground.

    Args:
        elevation: (rows, columns), metres; NaN where the DEM has no value.
        light: (rows, columns), 0..1 as `terrain.hillshade` has it; NaN there too.
        extent: what they cover, km.
    """

    elevation: NDArray[np.float64]
    light: NDArray[np.float64]
    extent: Extent


def read_relief(dem: Path, crs: str, extent: Extent) -> Relief:
    """Reads a DEM as fine as a figure shows it, from its overviews where it has some, and shades it.

    Args:
        dem: elevations, metres.
        crs: CRS of the map.
        extent: west, east, south, north of the map, km.

    Returns:
        About `_LONGEST_PX` on the longer side at most, whatever the DEM's size; it covers `extent`, to the east and
        south up to a whole pixel.

    Raises:
        InputError: the DEM is missing, unreadable or without CRS.
    """
    west, east, south, north = (value * _KM for value in extent)
    with open_raster(dem, "DEM") as source, reading(dem, "DEM"):
        with WarpedVRT(source, crs=crs) as native:
            finest = abs(native.transform.a)
        pixel = max(finest, (east - west) / _LONGEST_PX, (north - south) / _LONGEST_PX)
        width, height = math.ceil((east - west) / pixel), math.ceil((north - south) / pixel)
        # One cell more on each side, since slopes need neighbours.
        transform = from_origin(west - pixel, north + pixel, pixel, pixel)
        with WarpedVRT(
            source, crs=crs, transform=transform, width=width + 2, height=height + 2, resampling=Resampling.bilinear
        ) as warped:
            elevation = warped.read(1, masked=True).astype(np.float64).filled(np.nan)
    light = hillshade(*horn(elevation, pixel))[1:-1, 1:-1]
    covered = (west / _KM, (west + width * pixel) / _KM, (north - height * pixel) / _KM, north / _KM)
    return Relief(elevation[1:-1, 1:-1], light, covered)
