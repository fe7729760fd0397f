"""How much of the sun's radiation an atmosphere lets through: beam, diffuse and reflected."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Atmosphere = Literal["kumar", "none", "saga_height"]

ATMOSPHERES: tuple[Atmosphere, ...] = ("kumar", "none", "saga_height")

# SAGA's default height of the atmosphere, metres, and vapour pressure, mbar.
_SAGA_HEIGHT_M = 12000.0
_SAGA_VAPOUR_MBAR = 10.0
# At 5496 m SAGA's diffuse radiation meets a pole while the sun is low, and above it turns negative.
_SAGA_HIGHEST_M = 5400.0


def pressure_ratio(elevation: Floats) -> Floats:
    """Air pressure at an elevation (metres) over that at sea level, by the standard atmosphere."""
    return np.asarray(((288.0 - 0.0065 * elevation) / 288.0) ** 5.256)


def air_mass(sin_altitude: Floats) -> Floats:
    """Relative optical air mass at sea level of the sun at an altitude, Kumar et al. (1997)."""
    return np.asarray(np.sqrt(1229.0 + (614.0 * sin_altitude) ** 2) - 614.0 * sin_altitude)


def transmittances(
    atmosphere: Atmosphere, sin_altitude: Floats, elevation: Floats, pressure: bool = True
) -> tuple[Floats, Floats, Floats]:
    """Transmittances of beam, diffuse and reflected radiation.

    Beam radiation on a surface that faces the sun is I0 tau_b; diffuse on flat ground is I0 tau_d sin h; what flat
    ground may reflect is I0 tau_r sin h.

    - `kumar`: Kumar, Skidmore & Knowles (1997, Int. J. Geogr. Inf. Sci. 11, 475-497): tau_b = 0.56 (exp(-0.65 M) +
      exp(-0.095 M)), tau_d = 0.271 - 0.294 tau_b, tau_r = 0.271 + 0.706 tau_b. Above 4700 m tau_d would turn
      negative near the zenith; it is kept at 0.
    - `none`: top of the atmosphere, beam only.
    - `saga_height`: SAGA's `height of atmosphere and vapour pressure` (12000 m, 10 mbar), after Boehner; no reflected
      radiation. From 5000 m on there is more of it than at the top of the atmosphere; that is the formula, here for
      comparison only. Above 5400 m, near its pole, diffuse radiation is NaN.

    Args:
        atmosphere: which of them.
        sin_altitude: sine of the sun's altitude, above 0; broadcast against `elevation`.
        elevation: metres.
        pressure: `kumar` only: the air mass shrinks with the pressure at the elevation.

    Returns:
        tau_b, tau_d, tau_r, float64, of the broadcast shape.
    """
    shape = np.broadcast_shapes(np.shape(sin_altitude), np.shape(elevation))
    if atmosphere == "none":
        return np.ones(shape), np.zeros(shape), np.zeros(shape)
    if atmosphere == "saga_height":
        beam, diffuse = _saga_height(sin_altitude, elevation)
        return beam, diffuse, np.zeros(shape)
    mass = air_mass(sin_altitude) * (pressure_ratio(elevation) if pressure else np.ones_like(elevation))
    beam = 0.56 * (np.exp(-0.65 * mass) + np.exp(-0.095 * mass))
    return beam, np.maximum(0.271 - 0.294 * beam, 0.0), 0.271 + 0.706 * beam


def _saga_height(sin_altitude: Floats, elevation: Floats) -> tuple[Floats, Floats]:
    """Beam and diffuse of SAGA's `height of atmosphere and vapour pressure`."""
    root = math.sqrt(_SAGA_VAPOUR_MBAR)
    altitude = np.degrees(np.arcsin(np.minimum(sin_altitude, 1.0)))
    thickness = 1.0 - elevation / _SAGA_HEIGHT_M
    beam = (0.9160 - 0.05125 * root) ** (thickness / sin_altitude)
    share = (0.0001165 * altitude**2 - 0.0152 * altitude + 0.4158 + 0.03990 * root) / thickness
    diffuse = beam * share / (1.0 - share)
    return beam, np.where(elevation > _SAGA_HIGHEST_M, np.nan, diffuse)
