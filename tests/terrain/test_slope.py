"""Slope and aspect against planes and a cone, the engines against each other, files block by block."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from slumpmap.errors import InputError
from slumpmap.raster import write_raster
from slumpmap.terrain import dem as dem_door
from slumpmap.terrain import richdem_door
from slumpmap.terrain.slope import horn, slope_aspect

UTM = "EPSG:32646"
CELL = 30.0

needs_richdem = pytest.mark.skipif(not richdem_door.available(), reason="richdem is optional and not installed")
ENGINES = [horn, pytest.param(richdem_door.slope_aspect, marks=needs_richdem)]


def plane(slope_deg: float, aspect_deg: float, shape: tuple[int, int] = (7, 9)) -> np.ndarray:
    """A plane that falls by `slope_deg` towards `aspect_deg` (clockwise from north)."""
    row, column = np.indices(shape)
    east, north = column * CELL, -row * CELL
    towards = east * math.sin(math.radians(aspect_deg)) + north * math.cos(math.radians(aspect_deg))
    return 4800.0 - math.tan(math.radians(slope_deg)) * towards


def rough(shape: tuple[int, int], seed: int = 3) -> np.ndarray:
    """Smooth random hills."""
    rng = np.random.default_rng(seed)
    row, column = np.indices(shape)
    waves = rng.uniform(-0.25, 0.25, (12, 2))
    return 4800 + 20 * sum(np.sin(a * row + b * column + i) for i, (a, b) in enumerate(waves))


@pytest.mark.parametrize("compute", ENGINES)
@pytest.mark.parametrize("aspect_deg", [0, 45, 90, 135, 180, 225, 270, 315, 10.5, 359])
def test_plane(compute, aspect_deg):
    found_slope, found_aspect = compute(plane(10, aspect_deg), CELL)
    inner = np.s_[1:-1, 1:-1]
    assert found_slope[inner] == pytest.approx(10, abs=1e-3)
    turn = (found_aspect[inner] - aspect_deg + 180) % 360 - 180
    assert turn == pytest.approx(0, abs=0.02)
    assert (found_aspect[inner] >= 0).all() and (found_aspect[inner] < 360).all()


@pytest.mark.parametrize("compute", ENGINES)
def test_edge_and_neighbours_of_nodata_have_no_value(compute):
    elevation = plane(10, 90, (8, 8))
    elevation[4, 4] = np.nan
    expected = np.zeros((8, 8), dtype=bool)
    expected[1:-1, 1:-1] = True
    expected[3:6, 3:6] = False
    for values in compute(elevation, CELL):
        np.testing.assert_array_equal(~np.isnan(values), expected)


@pytest.mark.parametrize("compute", ENGINES)
def test_flat_ground_has_no_aspect(compute):
    found_slope, found_aspect = compute(np.full((5, 5), 4500.0), CELL)
    assert (found_slope[1:-1, 1:-1] == 0).all()
    assert np.isnan(found_aspect).all()


def test_cone():
    """A 20 degree cone: terrain.md 5 gives at most 0.17 and 0.12 degrees of error beyond 150 m."""
    row, column = np.indices((81, 81))
    east, north = (column - 40) * CELL, (40 - row) * CELL
    radius = np.hypot(east, north)
    found_slope, found_aspect = horn(5000 - math.tan(math.radians(20)) * radius, CELL)
    away = (radius > 150) & ~np.isnan(found_slope)
    turn = (found_aspect - np.degrees(np.arctan2(east, north)) + 180) % 360 - 180
    assert np.abs(found_slope[away] - 20).max() < 0.18
    assert np.abs(turn[away]).max() < 0.13


@needs_richdem
def test_engines_agree():
    elevation = rough((60, 70))
    elevation[20:23, 30] = np.nan
    (slope_a, aspect_a), (slope_b, aspect_b) = horn(elevation, CELL), richdem_door.slope_aspect(elevation, CELL)
    np.testing.assert_array_equal(np.isnan(slope_a), np.isnan(slope_b))
    np.testing.assert_allclose(slope_a, slope_b, atol=1e-4)
    assert np.nanmax(np.abs((aspect_a - aspect_b + 180) % 360 - 180)) < 1e-3


@needs_richdem
def test_richdem_is_silent(capfd):
    richdem_door.slope_aspect(rough((30, 30)), CELL)
    assert capfd.readouterr() == ("", "")


def write_dem(path: Path, elevation: np.ndarray, crs: str = UTM, nodata: float | None = -9999) -> Path:
    write_raster(path, elevation.astype(np.float32), from_origin(5e5, 4e6, CELL, CELL), crs, nodata)
    return path


def test_blocks_make_no_seam(tmp_path, monkeypatch, capsys):
    elevation = rough((70, 90)).astype(np.float32)
    elevation[10, 10] = -9999
    dem = write_dem(tmp_path / "dem.tif", elevation)
    monkeypatch.setattr(dem_door, "_BLOCK_PX", 32)
    slope_aspect(dem, tmp_path / "s.tif", tmp_path / "a.tif", "numpy")
    assert "numpy" in capsys.readouterr().out
    whole = horn(np.where(elevation == -9999, np.nan, elevation.astype(float)), CELL)
    for name, expected in zip("sa", whole, strict=True):
        with rasterio.open(tmp_path / f"{name}.tif") as made, rasterio.open(dem) as source:
            assert (made.crs, made.transform, made.shape) == (source.crs, source.transform, source.shape)
            assert math.isnan(made.nodata)
            np.testing.assert_allclose(made.read(1), expected, rtol=1e-5, atol=1e-4)


@needs_richdem
def test_auto_takes_richdem_and_says_so(tmp_path, capsys):
    slope_aspect(write_dem(tmp_path / "dem.tif", plane(5, 0)), tmp_path / "s.tif", tmp_path / "a.tif")
    assert "richdem" in capsys.readouterr().out


def test_missing_richdem_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(richdem_door, "_load", lambda: None)
    dem = write_dem(tmp_path / "dem.tif", plane(5, 0))
    with pytest.raises(InputError, match="richdem is not installed"):
        slope_aspect(dem, tmp_path / "s.tif", tmp_path / "a.tif", "richdem")
    slope_aspect(dem, tmp_path / "s.tif", tmp_path / "a.tif")
    assert "numpy" in capsys.readouterr().out


def test_geographic_dem_is_refused(tmp_path):
    path = tmp_path / "dem.tif"
    write_raster(path, plane(5, 0), from_origin(93, 35, 1 / 3600, 1 / 3600), "EPSG:4326")
    with pytest.raises(InputError, match=r"dem\.tif.*not projected in metres"):
        slope_aspect(path, tmp_path / "s.tif", tmp_path / "a.tif")


def test_oblong_cells_are_refused(tmp_path):
    path = tmp_path / "dem.tif"
    write_raster(path, plane(5, 0), from_origin(5e5, 4e6, 30, 25), UTM)
    with pytest.raises(InputError, match="not square"):
        slope_aspect(path, tmp_path / "s.tif", tmp_path / "a.tif")
    assert not (tmp_path / "s.tif").exists()
