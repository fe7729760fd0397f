"""Potential incoming solar radiation, slow and plain: every sun position, every ray, nothing tabulated.

It takes the formulas one after the other, traces the horizon of every cell ray by ray, and sums over time. For small
areas, and to judge the fast method by.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from slumpmap.terrain.atmosphere import transmittances
from slumpmap.terrain.pisr_model import Pisr, PisrSettings, check_area, sky_factors
from slumpmap.terrain.sun import sample

Floats = NDArray[np.float64]


def pisr_reference(
    elevation: NDArray[np.floating],
    cell: tuple[float, float],
    latitude: float,
    settings: PisrSettings | None = None,
    halo_px: int = 0,
    convergence: float = 0.0,
    azimuth_step: float = 1.0,
) -> Pisr:
    """Potential incoming solar radiation by time steps, see `pisr.pisr` for what goes in and comes out.

    Takes one latitude for the whole area.

    Args:
        elevation: (rows, columns) metres, first row in the north; NaN = nodata.
        cell: width and height of a cell, metres.
        latitude: degrees.
        settings: the defaults if None; `sectors` is of no effect.
        halo_px: cells at each side that cast shadows and are not computed.
        convergence: azimuth of grid north, degrees clockwise from true north.
        azimuth_step: horizons are traced every so many degrees and taken for the suns next to them.
    """
    settings = settings or PisrSettings()
    check_area(elevation, cell, halo_px)
    terrain = np.asarray(elevation, np.float64)
    inner = np.s_[halo_px : terrain.shape[0] - halo_px, halo_px : terrain.shape[1] - halo_px]
    z = terrain[inner]
    rise_east, rise_north = (rise[inner] for rise in horn_gradient(terrain, cell))
    cos_slope = 1 / np.sqrt(1 + rise_east**2 + rise_north**2)
    suns = sample(settings.days, latitude, settings.step_minutes, settings.ephemeris, settings.longitude)
    azimuth = np.degrees(np.arctan2(suns.east, suns.north)) - convergence
    ray = np.round(azimuth / azimuth_step).astype(int) % round(360 / azimuth_step)
    beam, diffuse, reflected = (np.zeros(z.shape) for _ in range(3))
    share_diffuse, share_reflected = sky_factors(settings, cos_slope)
    for toward in np.unique(ray):
        tangent = (
            trace(terrain, cell, toward * azimuth_step, halo_px) if settings.shadows else np.full(z.shape, -np.inf)
        )
        for i in np.flatnonzero(ray == toward):
            up, energy = suns.up[i], suns.energy[i]
            cos_h = math.sqrt(max(0.0, 1 - up**2))
            east, north = cos_h * math.sin(math.radians(azimuth[i])), cos_h * math.cos(math.radians(azimuth[i]))
            cos_incidence = cos_slope * (up - rise_east * east - rise_north * north)
            tau_beam, tau_diffuse, tau_reflected = transmittances(settings.atmosphere, up, z, settings.pressure)
            lit = up > tangent * cos_h
            beam += energy * tau_beam * np.maximum(cos_incidence, 0) * lit
            diffuse += energy * tau_diffuse * up * share_diffuse
            reflected += energy * tau_reflected * up * share_reflected
    # What is not computed for want of a slope, the sums know; a polar night leaves them zero, not unknown.
    beam[np.isnan(cos_slope)] = diffuse[np.isnan(cos_slope)] = reflected[np.isnan(cos_slope)] = np.nan
    total = beam + diffuse + reflected
    return Pisr(*(part.astype(np.float32) for part in (beam, diffuse, reflected, total)))


def horn_gradient(elevation: Floats, cell: tuple[float, float]) -> tuple[Floats, Floats]:
    """Rise to the east and to the north by Horn (1981), metres per metre; NaN at the edge and beside nodata.

    Args:
        elevation: (rows, columns) metres.
        cell: width and height of a cell, metres.
    """
    z = np.pad(elevation, 1, constant_values=np.nan)
    west, east = z[:, :-2], z[:, 2:]
    south, north = z[2:], z[:-2]
    rise_east = (east - west)[:-2] + 2 * (east - west)[1:-1] + (east - west)[2:]
    rise_north = (north - south)[:, :-2] + 2 * (north - south)[:, 1:-1] + (north - south)[:, 2:]
    nodata = np.isnan(elevation) | np.isnan(rise_east) | np.isnan(rise_north)
    rise_east[nodata] = rise_north[nodata] = np.nan
    return rise_east / (8 * cell[0]), rise_north / (8 * cell[1])


def trace(terrain: Floats, cell: tuple[float, float], azimuth: float, halo_px: int = 0) -> Floats:
    """Tangent of the horizon's altitude, along a ray from each cell's centre, in steps of half a cell.

    The surface between the centres is bilinear; a place beside nodata hides nothing.

    Args:
        terrain: (rows, columns) metres.
        cell: width and height of a cell, metres.
        azimuth: degrees clockwise from grid north.
        halo_px: cells at each side whose horizon is not wanted.

    Returns:
        (rows - 2 halo_px, columns - 2 halo_px), -inf where nothing is in sight.
    """
    east, north = math.sin(math.radians(azimuth)), math.cos(math.radians(azimuth))
    step = 0.5 / max(abs(east) / cell[0], abs(north) / cell[1])
    rows, columns = terrain.shape
    row, column = np.mgrid[halo_px : rows - halo_px, halo_px : columns - halo_px]
    z = terrain[row, column]
    horizon = np.full(z.shape, -np.inf)
    for k in range(1, 2 * max(rows, columns)):
        down, right = -k * step * north / cell[1], k * step * east / cell[0]
        # Rounded: a ray due north must not read a neighbouring column with weight 1e-17, which may be nodata.
        i, j = math.floor(round(down, 9)), math.floor(round(right, 9))
        a, b = round(down, 9) - i, round(right, 9) - j
        if max(abs(i) - rows, abs(j) - columns) > -halo_px:
            break
        corners = [(i, j, (1 - a) * (1 - b)), (i, j + 1, (1 - a) * b), (i + 1, j, a * (1 - b)), (i + 1, j + 1, a * b)]
        surface = np.zeros(z.shape)
        for to_row, to_column, weight in corners:
            if weight > 0:
                surface += weight * _at(terrain, row + to_row, column + to_column)
        horizon = np.fmax(horizon, (surface - z) / (k * step))
    return horizon


def _at(terrain: Floats, row: NDArray[np.int64], column: NDArray[np.int64]) -> Floats:
    """Elevations at cells, NaN outside."""
    rows, columns = terrain.shape
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    return np.where(inside, terrain[row.clip(0, rows - 1), column.clip(0, columns - 1)], np.nan)
