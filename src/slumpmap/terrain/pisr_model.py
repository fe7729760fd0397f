"""What both ways of computing potential incoming solar radiation share: settings, results, geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from slumpmap.errors import InputError
from slumpmap.terrain.atmosphere import ATMOSPHERES, Atmosphere
from slumpmap.terrain.sun import EPHEMERIDES, YEAR, Ephemeris

Geometry = Literal["half_angle", "literal"]
Raster = NDArray[np.float32]

GEOMETRIES: tuple[Geometry, ...] = ("half_angle", "literal")


@dataclass(frozen=True)
class PisrSettings:
    """The choices of a computation of potential incoming solar radiation.

    Args:
        atmosphere: `kumar`, `none` (top of the atmosphere) or `saga_height`, see `atmosphere.transmittances`.
        ephemeris: `cooper` as Kumar et al. (1997), or `spa`, good to 0.01 degree; annual totals are 0.75 to 1.2 %
            higher with `spa`.
        albedo: of the ground around, for the reflected part.
        pressure: the air mass shrinks with the elevation; worth 14 % on flat ground at 4800 m.
        geometry: of diffuse and reflected radiation on a slope b: `half_angle`, cos^2(b/2) and sin^2(b/2), or
            `literal`, cos^2(b)/2 and sin^2(b)/2, by which flat ground gets half of the diffuse radiation.
        days: days of the year to sum over, 1 to 366; a day that is named twice counts twice.
        step_minutes: time step of the sun's path, minutes.
        sectors: directions in which horizons are traced; the fast method only.
        shadows: hills cast shadows. Without, a cell is shaded by its own slope only.
        longitude: degrees east, by which `spa` finds noon.

    Raises:
        InputError: a choice that there is not.
    """

    atmosphere: Atmosphere = "kumar"
    ephemeris: Ephemeris = "cooper"
    albedo: float = 0.2
    pressure: bool = True
    geometry: Geometry = "half_angle"
    days: tuple[int, ...] = YEAR
    step_minutes: float = 5.0
    sectors: int = 32
    shadows: bool = True
    longitude: float = 93.0

    def __post_init__(self) -> None:
        choices = ((ATMOSPHERES, "atmosphere"), (EPHEMERIDES, "ephemeris"), (GEOMETRIES, "geometry"))
        for known, name in choices:
            if getattr(self, name) not in known:
                raise InputError(name, f"{getattr(self, name)!r} is unknown", f"choose one of {', '.join(known)}")
        if not 0 <= self.albedo <= 1:
            raise InputError("albedo", f"{self.albedo} is no albedo", "give a share from 0 to 1")
        if not 4 <= self.sectors <= 360:
            raise InputError("sectors", f"{self.sectors} sectors", "give 4 to 360; 32 are usual")


@dataclass(frozen=True)
class Pisr:
    """Potential incoming solar radiation on the slope, summed over some days, kWh per square metre of slope.

    Args:
        beam: (rows, columns) float32; NaN at the edge of the elevation model, at and beside nodata.
        diffuse: (rows, columns) float32.
        reflected: (rows, columns) float32.
        total: (rows, columns) float32, their sum.
    """

    beam: Raster
    diffuse: Raster
    reflected: Raster
    total: Raster


def check_area(elevation: NDArray[np.floating], cell: tuple[float, float], halo_px: int) -> None:
    """InputError where an elevation model cannot be computed on.

    Args:
        elevation: (rows, columns).
        cell: width and height of a cell, metres.
        halo_px: cells around the area that are given for their shadows only.
    """
    if elevation.ndim != 2 or min(elevation.shape) < max(3, 2 * halo_px + 1):
        fault = f"shape {elevation.shape} with a halo of {halo_px} leaves nothing to compute"
        raise InputError("elevation", fault, "give at least 3 x 3 cells and more than the halo")
    if not (cell[0] > 0 and cell[1] > 0 and halo_px >= 0):
        fault = f"cells of {cell[0]} x {cell[1]} m, halo {halo_px}"
        raise InputError("elevation", fault, "give metres above 0 and a halo from 0")


def sky_factors(
    settings: PisrSettings, cos_slope: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Shares of diffuse and of reflected radiation of flat ground that a slope receives, albedo included.

    Args:
        settings: geometry and albedo.
        cos_slope: cosine of the slope.
    """
    if settings.geometry == "literal":
        return cos_slope**2 / 2, settings.albedo * (1 - cos_slope**2) / 2
    return (1 + cos_slope) / 2, settings.albedo * (1 - cos_slope) / 2
