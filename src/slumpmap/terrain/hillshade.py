"""Shaded relief: the light of a sun at a fixed place, without cast shadows."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from slumpmap.errors import InputError
from slumpmap.terrain.dem import open_dem, write_blocks
from slumpmap.terrain.slope import HALO_PX, horn, of_window

Floats = NDArray[np.float64]

# The cartographer's sun, from the upper left.
AZIMUTH, ALTITUDE = 315.0, 45.0


def hillshade(
    slope: NDArray[np.floating],
    aspect: NDArray[np.floating],
    azimuth: float = AZIMUTH,
    altitude: float = ALTITUDE,
) -> Floats:
    """Light on a matt surface.

    Lambert's cosine of the angle between the sun and the surface's normal (Horn 1981, Proc. IEEE 69, 14-47):
    cos(zenith) cos(slope) + sin(zenith) sin(slope) cos(azimuth - aspect), and 0 where that is negative.

    Args:
        slope: degrees; NaN: no value.
        aspect: down-slope direction, degrees clockwise from north; NaN where the ground is flat.
        azimuth: where the sun stands, degrees clockwise from the north that aspect counts from.
        altitude: its height above the horizon, degrees.

    Returns:
        0..1, of the same shape; NaN where slope is. Under a sun at 45 degrees flat ground has 0.7071.
    """
    zenith, steepness = math.radians(90.0 - altitude), np.radians(slope, dtype=np.float64)
    facing = np.cos(np.radians(azimuth - np.where(np.isnan(aspect), 0.0, aspect)))
    light = math.cos(zenith) * np.cos(steepness) + math.sin(zenith) * np.sin(steepness) * facing
    return np.asarray(np.maximum(light, 0.0))


def write_hillshade(
    dem: Path, out: Path, azimuth: float = AZIMUTH, altitude: float = ALTITUDE, any_elevation: bool = False
) -> None:
    """Writes the shaded relief of an elevation model by Horn's slopes, 0 to 1, float32, nodata NaN.

    Args:
        dem: as `slumpmap.terrain.dem.open_dem` takes it.
        out: GeoTIFF to write.
        azimuth: where the sun stands, degrees clockwise from grid north.
        altitude: its height above the horizon, degrees.
        any_elevation: accepts elevations that are implausible on Earth's land.

    Raises:
        InputError: the DEM is refused by `open_dem`, or the sun is not between the horizon and the zenith.
    """
    if not 0 < altitude <= 90:
        raise InputError("altitude", f"the sun's altitude of {altitude:g} is not above 0 and up to 90", "correct it")
    with open_dem(dem, any_elevation) as source:

        def of_block(elevation: Floats, window: Window) -> tuple[Floats]:
            return (hillshade(*of_window(source, elevation, window, horn), azimuth, altitude),)

        write_blocks(source, (out,), HALO_PX, of_block)
