"""The sun and the atmosphere against hand-checkable values; wrong formulas known from ports."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slumpmap.errors import InputError
from slumpmap.terrain.atmosphere import air_mass, pressure_ratio, transmittances
from slumpmap.terrain.sun import (
    SOLAR_CONSTANT,
    YEAR,
    declination_and_irradiance,
    sample,
    sun_vectors,
    sunset,
)

LATITUDE = 34.0


@pytest.mark.parametrize(
    ("day", "declination", "irradiance", "daylength", "altitude_9h", "azimuth_9h"),
    [
        (1, -23.01164, 1414.0178, 9.78041, 18.72168, 136.59116),
        (80, -0.40365, 1376.0500, 11.96370, 35.60994, 119.57287),
        (172, 23.44978, 1320.7413, 14.26835, 49.49330, 92.89810),
        (266, -1.00887, 1360.7450, 11.90926, 35.18942, 120.10685),
    ],
)
def test_cooper(day, declination, irradiance, daylength, altitude_9h, azimuth_9h):
    found, power = declination_and_irradiance(np.array([day]))
    assert math.degrees(found[0]) == pytest.approx(declination, abs=1e-5)
    assert power[0] == pytest.approx(irradiance, abs=1e-3)
    assert math.degrees(sunset(LATITUDE, found)[0]) * 2 / 15 == pytest.approx(daylength, abs=1e-5)
    east, north, up = sun_vectors(LATITUDE, found, np.radians([-45.0]))
    assert math.degrees(math.asin(up[0])) == pytest.approx(altitude_9h, abs=1e-5)
    assert math.degrees(math.atan2(east[0], north[0])) == pytest.approx(azimuth_9h, abs=1e-5)


@pytest.mark.parametrize(
    ("day", "declination", "eccentricity"),
    # NREL SPA at true noon of 2019, 93 degrees east.
    [
        (15, -21.1695, 1.03364),
        (79, -0.2653, 1.00869),
        (105, 9.6702, 0.9938),
        (172, 23.4346, 0.96835),
        (227, 14.1277, 0.9747),
        (266, 0.0336, 0.99279),
        (319, -18.4062, 1.02193),
        (356, -23.4381, 1.03341),
    ],
)
def test_spa(day, declination, eccentricity):
    found, power = declination_and_irradiance(np.array([day]), "spa", longitude=93.0)
    assert math.degrees(found[0]) == pytest.approx(declination, abs=0.003)
    assert power[0] / SOLAR_CONSTANT == pytest.approx(eccentricity, abs=2e-4)


@pytest.mark.parametrize(("day", "altitude"), [(172, 79.4346), (356, 32.5619), (79, 55.7347), (266, 56.0336)])
def test_noon_altitude_by_spa(day, altitude):
    declination, _ = declination_and_irradiance(np.array([day]), "spa")
    _, _, up = sun_vectors(LATITUDE, declination, np.array([0.0]))
    assert math.degrees(math.asin(up[0])) == pytest.approx(altitude, abs=0.003)


@pytest.mark.parametrize(
    ("day", "crater", "north_south", "east_west"),
    [(80, 7.0085, 5.2648, 11.7233), (172, 9.1471, 6.7230, 11.3550), (355, 2.4263, 3.8530, 0.0)],
)
def test_lit_hours_of_a_walled_floor(day, crater, north_south, east_west):
    """Horizon 30 degrees all round; walls of 45 degrees in the east and west; in the north and south."""
    suns = sample([day], LATITUDE, step_minutes=0.1)
    level = np.hypot(suns.east, suns.north)
    for tangent, expected in (
        (np.full(level.shape, math.tan(math.radians(30))), crater),
        (np.abs(suns.east) / level, north_south),
        (np.abs(suns.north) / level, east_west),
    ):
        lit = suns.up > tangent * level
        assert suns.hours[lit].sum() == pytest.approx(expected, abs=0.004)


def test_samples_are_symmetric_about_noon_and_fill_the_day():
    suns = sample([100], LATITUDE, step_minutes=7.0)
    declination, irradiance = declination_and_irradiance(np.array([100]))
    assert suns.hours.sum() == pytest.approx(math.degrees(sunset(LATITUDE, declination)[0]) * 2 / 15)
    assert suns.energy.sum() == pytest.approx(irradiance[0] * suns.hours.sum() / 1000)
    half = suns.east.size // 2
    np.testing.assert_allclose(suns.east[:half], -suns.east[half:])
    np.testing.assert_allclose(suns.up[:half], suns.up[half:])


def test_polar_day_and_night():
    assert sample([172], -75).up.size == 0
    assert sample([172], 75).hours.sum() == pytest.approx(24)
    pole = sample([172], 90)
    assert pole.hours.sum() == pytest.approx(24)
    assert pole.up == pytest.approx(math.sin(math.radians(23.44978)), abs=1e-6)


@given(st.integers(1, 366), st.floats(-90, 90), st.floats(1, 60))
def test_any_day_and_place(day, latitude, step):
    suns = sample([day], latitude, step)
    assert (suns.up > 0).all() and suns.hours.sum() <= 24 + 1e-9
    np.testing.assert_allclose(suns.east**2 + suns.north**2 + suns.up**2, 1, atol=1e-9)


@pytest.mark.parametrize(
    ("days", "latitude", "step"),
    [([1], 91, 5), ([1], math.nan, 5), ([], 0, 5), ([0], 0, 5), ([367], 0, 5), ([1], 0, 0)],
)
def test_bad_input_is_refused(days, latitude, step):
    with pytest.raises(InputError):
        sample(days, latitude, step)


@pytest.mark.parametrize(
    ("elevation", "ratio"), [(0, 1.0), (3300, 0.665773), (4500, 0.569551), (4800, 0.547349), (6200, 0.452802)]
)
def test_pressure(elevation, ratio):
    assert pressure_ratio(np.array(float(elevation))) == pytest.approx(ratio, abs=1e-6)


@pytest.mark.parametrize(
    ("altitude", "elevation", "beam", "diffuse"),
    [
        (5, 0, 0.207926, 0.209870),
        (5, 4800, 0.338606, 0.171450),
        (10, 0, 0.343027, 0.170150),
        (30, 0, 0.616411, 0.089775),
        (30, 4800, 0.780184, 0.041626),
        (60, 4800, 0.898757, 0.006766),
        (90, 0, 0.801594, 0.035331),
        # By the formula -0.000649, which there cannot be.
        (90, 4800, 0.923977, 0.0),
    ],
)
def test_kumar(altitude, elevation, beam, diffuse):
    up = np.array(math.sin(math.radians(altitude)))
    taus = transmittances("kumar", up, np.array(float(elevation)))
    assert taus[0] == pytest.approx(beam, abs=1e-6)
    assert taus[1] == pytest.approx(diffuse, abs=1e-6)
    assert taus[2] == pytest.approx(0.271 + 0.706 * beam, abs=1e-6)


def test_air_mass():
    assert air_mass(np.array(math.sin(math.radians(5)))) == pytest.approx(10.46065, abs=1e-4)


def test_no_atmosphere_lets_all_through():
    beam, diffuse, reflected = transmittances("none", np.array([[0.2], [0.9]]), np.array([0.0, 1000.0, 4800.0]))
    assert beam.shape == diffuse.shape == reflected.shape == (2, 3)
    assert (beam == 1).all() and (diffuse == 0).all() and (reflected == 0).all()


def test_saga_height_is_unknown_near_its_pole():
    _, diffuse, _ = transmittances("saga_height", np.array(0.5), np.array([5400.0, 5500.0, 6200.0]))
    np.testing.assert_array_equal(np.isnan(diffuse), [False, True, True])


# The year's total (kWh m-2) and the beam at 9 h on day 80 (W m-2) of the reference, at 34 N, 4800 m, slope 10 degrees
# to the north and to the east.
NORTH, EAST = 2317.8220, 2577.4579
NORTH_9H, EAST_9H = 565.9710, 782.2048


def slope_of_10(suns: tuple[np.ndarray, np.ndarray, np.ndarray], aspect_deg: float, fault: str) -> tuple:
    """Beam and the rest on a slope of 10 degrees per W m-2, written down once more, with faults of public ports."""
    east, north, up = suns
    aspect, slope = math.radians(aspect_deg), math.radians(10)
    mass = air_mass(up) * pressure_ratio(np.array(4800.0))
    first, second = np.exp(-0.65 * mass), np.exp(-0.095 * mass)
    tau = 0.56 * first + second if fault == "parentheses" else 0.56 * (first + second)
    azimuth, altitude = np.arctan2(east, north), np.arcsin(up)
    if fault == "degrees":
        azimuth = np.degrees(azimuth)
    turn = azimuth + aspect if fault == "sign" else azimuth - aspect
    incidence = np.sin(altitude) * math.cos(slope) + np.cos(altitude) * math.sin(slope) * np.cos(turn)
    incidence = np.maximum(incidence, 0)
    if fault == "hillshade":
        incidence = incidence**2
    diffuse, reflected = np.maximum(0.271 - 0.294 * tau, 0), 0.271 + 0.706 * tau
    return tau * incidence, up * (diffuse * math.cos(slope / 2) ** 2 + reflected * 0.2 * math.sin(slope / 2) ** 2)


def annual(aspect_deg: float, fault: str = "") -> float:
    suns = sample(YEAR, LATITUDE, 30)
    beam, rest = slope_of_10((suns.east, suns.north, suns.up), aspect_deg, fault)
    return float((suns.energy * (beam + rest)).sum())


def at_9h(aspect_deg: float, fault: str = "") -> float:
    declination, irradiance = declination_and_irradiance(np.array([80]))
    beam, _ = slope_of_10(sun_vectors(LATITUDE, declination, np.radians([-45.0])), aspect_deg, fault)
    return float(irradiance[0] * beam[0])


def test_reference_values():
    assert annual(0) == pytest.approx(NORTH, rel=1e-6)
    assert annual(90) == pytest.approx(EAST, rel=1e-6)
    assert at_9h(0) == pytest.approx(NORTH_9H, abs=1e-3)
    assert at_9h(90) == pytest.approx(EAST_9H, abs=1e-3)


@pytest.mark.parametrize("fault", ["parentheses", "degrees", "hillshade"])
def test_reference_values_refuse_faults_of_public_ports(fault):
    assert abs(annual(0, fault) / NORTH - 1) > 0.001


def test_reference_values_refuse_an_aspect_of_the_wrong_sign():
    # Over a year east and west are alike; the morning tells them apart.
    assert annual(90, "sign") == pytest.approx(EAST, rel=1e-6)
    assert abs(at_9h(90, "sign") / EAST_9H - 1) > 0.001
