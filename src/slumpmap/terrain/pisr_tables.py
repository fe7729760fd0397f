"""Sums over time that potential incoming solar radiation is looked up in, see `pisr`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from slumpmap.errors import InputError
from slumpmap.terrain.atmosphere import transmittances
from slumpmap.terrain.pisr_model import PisrSettings
from slumpmap.terrain.sun import Suns, sample

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Raster = NDArray[np.float32]

# Bins of the sine of the horizon's altitude; between their edges sums are interpolated.
BINS = 256
# Spacing of tabulated elevations, metres, and of latitudes, degrees, interpolated between. They are multiples, so that
# neighbouring tiles use the same. SAGA's diffuse radiation bends sharply.
_LEVEL_M = {"kumar": 500.0, "none": 10000.0, "saga_height": 100.0}
_LATITUDE_STEP = 0.1


@dataclass(frozen=True)
class Tables:
    """Sums over time.

    Args:
        beam: (sectors, periods, latitudes, levels, BINS + 2, 4) float32, kWh m-2: sums of sun vectors (east, south,
            up) and of their energy, of the suns at or above each edge of a bin.
        diffuse: (periods, latitudes, levels) float32, kWh m-2 on flat ground.
        reflected: (periods, latitudes, levels) float32, on flat ground of albedo 1.
        lowest: elevation of the first level, metres.
        spacing: of the levels, metres.
        node: (rows,) int64, the latitude below that of each row.
        part: (rows,) float32, share of the next latitude.
    """

    beam: NDArray[np.float32]
    diffuse: NDArray[np.float32]
    reflected: NDArray[np.float32]
    lowest: float
    spacing: float
    node: Integers
    part: Raster


def latitudes_of_rows(latitude: float | Floats, rows: int) -> tuple[Floats, Integers, Raster]:
    """Tabulated latitudes, and for each row the one below it and the share of the next."""
    of_rows = np.broadcast_to(np.asarray(latitude, np.float64), (rows,))
    if np.ndim(latitude) == 0:
        return of_rows[:1], np.zeros(rows, np.int64), np.zeros(rows, np.float32)
    if not (np.abs(of_rows) <= 90).all():
        raise InputError("latitude", "latitudes beyond 90 degrees, or none", "give degrees from -90 to 90")
    place = of_rows / _LATITUDE_STEP
    first, last = math.floor(place.min()), math.floor(place.max()) + 1
    nodes = np.clip(np.arange(first, last + 1) * _LATITUDE_STEP, -90.0, 90.0)
    node = np.floor(place).astype(np.int64)
    return nodes, node - first, (place - node).astype(np.float32)


def tabulate(
    heights: tuple[float, float],
    latitudes: tuple[Floats, Integers, Raster],
    periods: Sequence[Sequence[int]],
    settings: PisrSettings,
    convergence: float,
) -> Tables:
    """Sums over time for all sectors, periods, latitudes and elevations.

    Args:
        heights: lowest and highest elevation, metres.
        latitudes: see `latitudes_of_rows`.
        periods: days of the year of each.
        settings: the choices; `days` is of no effect.
        convergence: azimuth of grid north, degrees clockwise from true north.
    """
    nodes, node, part = latitudes
    spacing = _LEVEL_M[settings.atmosphere]
    first, last = math.floor(heights[0] / spacing), math.floor(heights[1] / spacing) + 1
    levels: Floats = np.arange(first, last + 1, dtype=np.float64) * np.float64(spacing)
    shape = (len(periods), len(nodes), len(levels))
    beam = np.zeros((settings.sectors, *shape, BINS + 2, 4), np.float32)
    diffuse, reflected = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for i, days in enumerate(periods):
        for j, latitude in enumerate(nodes):
            suns = sample(days, float(latitude), settings.step_minutes, settings.ephemeris, settings.longitude)
            taus = transmittances(settings.atmosphere, suns.up[:, None], levels[None, :], settings.pressure)
            energies = [suns.energy[:, None] * tau for tau in taus]
            beam[:, i, j] = _sector_sums(suns, energies[0], settings.sectors, convergence)
            diffuse[i, j], reflected[i, j] = suns.up @ energies[1], suns.up @ energies[2]
    return Tables(beam, diffuse, reflected, float(levels[0]), spacing, node, part)


def _sector_sums(suns: Suns, energy: Floats, sectors: int, convergence: float) -> Floats:
    """Sums of sun vectors per sector, elevation and bin, (sectors, levels, BINS + 2, 4); see `Tables.beam`."""
    azimuth = np.arctan2(suns.east, suns.north) - math.radians(convergence)
    sector = np.round(azimuth / (2 * np.pi / sectors)).astype(np.int64) % sectors
    cos_h = np.sqrt(np.maximum(0.0, 1 - suns.up**2))
    east, south = cos_h * np.sin(azimuth), -cos_h * np.cos(azimuth)
    vectors = np.stack((east, south, suns.up, np.ones_like(east)), axis=1)
    sums = np.zeros((sectors, energy.shape[1], BINS + 2, 4))
    _deposit(sector, vectors, energy, sums)
    return sums


@njit(cache=True, nogil=True)
def _deposit(sector: Integers, vectors: Floats, energy: Floats, sums: Floats) -> None:
    """Adds suns to the bins up to their altitude.

    Args:
        sector: (n,) of each sun.
        vectors: (n, 4) towards the suns: east, south, sine of the altitude, 1.
        energy: (n, levels) of each sun.
        sums: (sectors, levels, BINS + 2, 4) to add to.
    """
    for i in range(sector.size):
        edge = int(vectors[i, 2] * BINS)
        for level in range(energy.shape[1]):
            for j in range(4):
                sums[sector[i], level, edge, j] += energy[i, level] * vectors[i, j]
    for edge in range(BINS, -1, -1):
        sums[:, :, edge] += sums[:, :, edge + 1]
