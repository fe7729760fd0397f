"""Horizons against closed forms, rays and the gold files of topocalc (IPW)."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from slumpmap.demo.noise import fbm_grid
from slumpmap.terrain.horizon import horizon
from slumpmap.terrain.pisr_reference import trace

GOLD = Path(__file__).parents[3] / "shared" / "data" / "dem" / "topocalc_gold" / "gold_ipw"
CELL = (30.0, 30.0)


def degrees(tangent: np.ndarray) -> np.ndarray:
    return np.degrees(np.arctan(np.maximum(tangent, 0)))


@pytest.mark.parametrize("azimuth", [0, 11.25, 45, 90, 123, 180, 200, 270, 315, 359])
def test_plane(azimuth):
    row, column = np.indices((20, 30))
    ground = (100 + 6 * column - 9 * row).astype(np.float32)
    rise = 0.2 * math.sin(math.radians(azimuth)) + 0.3 * math.cos(math.radians(azimuth))
    np.testing.assert_allclose(horizon(ground, CELL, azimuth)[5:-5, 5:-5], rise, atol=1e-4)


@pytest.mark.parametrize(("azimuth", "inside"), [(60, True), (64, True), (40, False), (85, False), (240, False)])
def test_ridge_at_a_known_azimuth(azimuth, inside):
    """A hill of 200 m around azimuth 62 degrees, 1500 m away."""
    row, column = np.indices((101, 101)) - 50
    east, north = column * 30.0, -row * 30.0
    away = np.hypot(east - 1500 * math.sin(math.radians(62)), north - 1500 * math.cos(math.radians(62)))
    ground = np.where(away < 200, 200.0, 0.0).astype(np.float32)
    found = math.degrees(math.atan(horizon(ground, CELL, azimuth)[50, 50]))
    assert found == pytest.approx(math.degrees(math.atan(200 / 1310)), abs=0.4) if inside else found <= 0


@pytest.mark.parametrize("azimuth", [0, 90, 180, 270])
def test_axes_equal_rays(azimuth):
    ground = fbm_grid((60, 70), 0, 0, 30, 1500, 5, 3) * 100
    ours, rays = horizon(ground.astype(np.float32), CELL, azimuth), trace(ground, CELL, azimuth)
    seen = np.isfinite(rays)
    np.testing.assert_allclose(degrees(ours[seen]), degrees(rays[seen]), atol=0.01)
    assert (ours[~seen] == -1).all()


@pytest.mark.parametrize("azimuth", [15, 45, 70, 100, 160, 230, 300, 345])
def test_oblique_directions_are_near_rays(azimuth):
    ground = fbm_grid((80, 90), 0, 0, 30, 1500, 3, 3) * 60
    difference = degrees(horizon(ground.astype(np.float32), (30, 24), azimuth)) - degrees(
        trace(ground, (30, 24), azimuth)
    )
    inner = difference[2:-2, 2:-2]
    assert math.sqrt(np.mean(inner**2)) < 0.5 and abs(inner.mean()) < 0.1


def test_a_long_grid_and_its_transpose():
    ground = (fbm_grid((12, 300), 0, 0, 30, 1500, 5, 3) * 100).astype(np.float32)
    for azimuth in (20.0, 70.0, 200.0, 250.0):
        there, turned = horizon(ground, (30, 20), azimuth), horizon(ground.T, (20, 30), 270 - azimuth)
        np.testing.assert_allclose(there, turned.T, atol=1e-4)


def test_nodata_hides_nothing_and_has_no_horizon():
    ground = np.zeros((30, 30), np.float32)
    ground[:, 20:] = 100
    ground[10:20, 20:] = np.nan
    found = horizon(ground, CELL, 90.0)
    assert np.isnan(found[10:20, 20:]).all() and np.isfinite(found[:, :20]).all()
    np.testing.assert_allclose(found[5, :20], 100 / (30 * np.arange(20, 0, -1)), rtol=1e-5)
    assert (found[12, :19] == 0).all()


def read_ipw(path: Path) -> np.ndarray:
    """A 16-bit image of the Image Processing Workbench, brought to its units."""
    raw = path.read_bytes()
    start = raw.index(b"\f\n", raw.index(b"!<header> image")) + 2
    header = raw[:start].decode("latin1")
    shape = [int(re.search(rf"{name} = (\d+)", header)[1]) for name in ("nlines", "nsamps")]
    (first, low), (last, high) = ([float(v) for v in pair] for pair in re.findall(r"map = (\S+) (\S+)", header))
    values = np.frombuffer(raw[start:], "<u2").reshape(shape).astype(np.float64)
    return low + (values - first) * (high - low) / (last - first)


@pytest.mark.shared
@pytest.mark.skipif(not GOLD.exists(), reason=f"needs the gold files in {GOLD}")
@pytest.mark.parametrize("gold_azimuth", [-180, -90, 0, 90])
def test_gold_horizons_on_the_axes(gold_azimuth):
    """Azimuths there: 0 = south, east positive; values: sine of the horizon's altitude.

    IPW passes over the cell next to each ("this seems to help reduce noise", hor1d.c) and follows the horizons of the
    cells behind it, which have passed over theirs. So its horizons lie below the true ones or on them, never above.
    """
    ground = read_ipw(GOLD / "gold_dem.ipw").astype(np.float32)
    gold = np.degrees(np.arcsin(np.clip(read_ipw(GOLD / "horizon" / f"horizon_{gold_azimuth}.ipw"), 0, 1)))
    difference = degrees(horizon(ground, (50.0, 50.0), 180 - gold_azimuth)) - gold
    assert difference.min() > -0.02
    assert np.median(difference) < 0.01
    assert (difference < 0.05).mean() > 0.55
