"""Slope and aspect against planes and a cone, the engines against each other, files block by block."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Geod, Transformer
from rasterio.transform import from_origin
from real_dems import GOLD, TUJUNGA, TUOLUMNE, gdaldem, needs_gdaldem, needs_shared, read_ipw

from slumpmap.errors import InputError
from slumpmap.raster import write_raster
from slumpmap.terrain import dem as dem_door
from slumpmap.terrain import richdem_door
from slumpmap.terrain.slope import horn, slope_aspect, zevenbergen_thorne

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


def test_richdem_serves_horn_on_square_cells_only(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(richdem_door, "available", lambda: True)
    dem = write_dem(tmp_path / "dem.tif", plane(5, 0))
    with pytest.raises(InputError, match="Horn on square cells"):
        slope_aspect(dem, tmp_path / "s.tif", tmp_path / "a.tif", "richdem", "zevenbergen_thorne")
    slope_aspect(dem, tmp_path / "s.tif", tmp_path / "a.tif", "auto", "zevenbergen_thorne")
    assert "numpy (Zevenbergen-Thorne)" in capsys.readouterr().out


def made(folder: Path, dem: Path, **options: str) -> tuple[np.ndarray, np.ndarray]:
    """Slope and aspect of a file by numpy."""
    slope_aspect(dem, folder / "s.tif", folder / "a.tif", "numpy", **options)
    return tuple(rasterio.open(folder / f"{name}.tif").read(1).astype(float) for name in "sa")


def turned(aspect: np.ndarray, other: np.ndarray | float) -> np.ndarray:
    """Angles between aspects, degrees, without sign."""
    return np.abs((aspect - other + 180) % 360 - 180)


@pytest.mark.parametrize("aspect_deg", [0, 30, 90, 225])
def test_zevenbergen_thorne_on_a_plane(aspect_deg):
    elevation = plane(10, aspect_deg)
    elevation[2, 2] = np.nan
    found_slope, found_aspect = zevenbergen_thorne(elevation, CELL)
    np.testing.assert_array_equal(np.isnan(found_slope), np.isnan(horn(elevation, CELL)[0]))
    inner = ~np.isnan(found_slope)
    assert found_slope[inner] == pytest.approx(10, abs=1e-9)
    assert turned(found_aspect[inner], aspect_deg).max() < 1e-9


def test_cone_by_both_methods():
    """terrain.md 5: beyond 150 m Horn errs by 0.17 and 0.12 degrees at most, Zevenbergen-Thorne by 0.14 and 0.24."""
    row, column = np.indices((81, 81))
    east, north = (column - 40) * CELL, (40 - row) * CELL
    radius = np.hypot(east, north)
    for compute, most in ((horn, (0.17, 0.12)), (zevenbergen_thorne, (0.14, 0.24))):
        found_slope, found_aspect = compute(5000 - math.tan(math.radians(20)) * radius, CELL)
        errors = np.abs(found_slope - 20), turned(found_aspect, np.degrees(np.arctan2(east, north)))
        for error, bound in zip(errors, most, strict=True):
            known = ~np.isnan(error)
            assert error[known & (radius > 150)].max() < bound + 0.005
            assert error[known & (radius > 600)].max() < 0.02


def test_wave_by_both_methods():
    """terrain.md 5: on waves of 40 m and 600 m length, Horn's mean is 0.61 degrees low, Zevenbergen-Thorne's 0.25."""
    length, height = 600.0, 40.0
    row, column = np.indices((201, 201)) * CELL
    k = 2 * np.pi / length
    elevation = 4800 + height * np.sin(k * column) * np.sin(k * row)
    true = np.degrees(
        np.arctan(height * k * np.hypot(np.cos(k * column) * np.sin(k * row), np.sin(k * column) * np.cos(k * row)))
    )
    for compute, bias in ((horn, -0.61), (zevenbergen_thorne, -0.25)):
        assert np.nanmean(compute(elevation, CELL)[0] - true) == pytest.approx(bias, abs=0.02)


@pytest.mark.parametrize("method", ["horn", "zevenbergen_thorne"])
def test_oblong_cells(tmp_path, method):
    row, column = np.indices((9, 12))
    east, north = column * 25.66, -row * 30.81
    path = tmp_path / "dem.tif"
    write_raster(path, 4800 - 0.1 * east - 0.2 * north, from_origin(5e5, 4e6, 25.66, 30.81), UTM)
    slope, aspect = made(tmp_path, path, method=method)
    assert slope[1:-1, 1:-1] == pytest.approx(math.degrees(math.atan(math.hypot(0.1, 0.2))), abs=1e-5)
    assert aspect[1:-1, 1:-1] == pytest.approx(math.degrees(math.atan2(0.1, 0.2)), abs=1e-4)


@pytest.mark.parametrize("aspect_deg", [0, 45, 90, 200])
def test_geographic_dem(tmp_path, capsys, aspect_deg):
    """A 10 degree plane at 34 N on 1 arcsec; 111120 m a degree both ways would give 8.34 (E) and 9.20 (NE) degrees."""
    step, north, west = 1 / 3600, 34.005, 93.0
    latitude, longitude = np.meshgrid(north - (np.arange(36) + 0.5) * step, west + (np.arange(36) + 0.5) * step)
    azimuth, _, distance = Geod(ellps="WGS84").inv(
        np.full(latitude.shape, west + 18 * step), np.full(latitude.shape, 34.0), longitude, latitude
    )
    elevation = 4800 - math.tan(math.radians(10)) * distance * np.cos(np.radians(azimuth - aspect_deg))
    path = tmp_path / "dem.tif"
    write_raster(path, elevation.T, from_origin(west, north, step, step), "EPSG:4326")
    slope, aspect = made(tmp_path, path, north="true")
    assert "convergence of 0.00 to 0.00" in capsys.readouterr().out
    assert slope[1:-1, 1:-1] == pytest.approx(10, abs=2e-3)
    assert turned(aspect[1:-1, 1:-1], aspect_deg).max() < 0.01


def test_true_north_on_utm(tmp_path, capsys):
    """A plane whose fall line is a geodesic's azimuth: grid aspect differs from it by the convergence."""
    # 2.5 degrees east of the central meridian, where grid north lies east of true north by about 1.4 degrees.
    to_grid = Transformer.from_crs("EPSG:4326", UTM, always_xy=True)
    x, y = to_grid.transform(95.5, 34.0)
    ahead = Geod(ellps="WGS84").fwd(95.5, 34.0, 60.0, 500.0)[:2]
    east, north = np.subtract(to_grid.transform(*ahead), (x, y))
    row, column = np.indices((20, 20))
    elevation = 4800 - 0.1 * ((column - 10) * east - (row - 10) * north) * CELL / math.hypot(east, north)
    path = tmp_path / "dem.tif"
    write_raster(path, elevation, from_origin(x - 10.5 * CELL, y + 10.5 * CELL, CELL, CELL), UTM)
    _, of_grid = made(tmp_path, path)
    assert "aspect from grid north, not turned by the convergence of 1.40" in capsys.readouterr().out
    _, of_earth = made(tmp_path, path, north="true")
    assert turned(of_earth[10, 10], 60.0) < 0.005
    assert turned(of_earth, of_grid + 1.40)[1:-1, 1:-1].max() < 0.01


def test_convergence_makes_no_seam(tmp_path, monkeypatch):
    dem = write_dem(tmp_path / "dem.tif", rough((150, 170)))
    whole = made(tmp_path, dem, north="true")
    monkeypatch.setattr(dem_door, "_BLOCK_PX", 48)
    for one, other in zip(whole, made(tmp_path, dem, north="true"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_true_north_off_the_globe_is_refused(tmp_path, capsys):
    """Cells beyond the limb of an orthographic projection lie nowhere."""
    path = tmp_path / "dem.tif"
    write_raster(path, plane(5, 90), from_origin(7e6, 0, CELL, CELL), "+proj=ortho +lat_0=34 +lon_0=93 +datum=WGS84")
    with pytest.raises(InputError, match="no convergence somewhere"):
        made(tmp_path, path, north="true")
    made(tmp_path, path)
    assert "unknown convergence" in capsys.readouterr().out


@needs_shared
@needs_gdaldem
@pytest.mark.parametrize("dem", [TUJUNGA, TUOLUMNE], ids=lambda path: path.stem)
@pytest.mark.parametrize(("method", "name"), [("horn", "Horn"), ("zevenbergen_thorne", "ZevenbergenThorne")])
def test_as_gdal_on_real_dems(tmp_path, dem, method, name):
    slope, aspect = made(tmp_path, dem, method=method)
    for found, mode in ((slope, "slope"), (aspect, "aspect")):
        expected = gdaldem(dem, tmp_path / "gdal.tif", mode, "-alg", name)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        assert np.nanmax(turned(found, expected)) < 1e-4


@needs_shared
def test_gold_of_ipw():
    """IPW's gradient takes central differences; it counts aspect from south, positive to the east, and stores sines."""
    shape = (168, 156)
    elevation = 2384 + (3581 - 2384) * read_ipw(GOLD / "gold_dem.ipw", 1, shape)[..., 0]
    sine, turn = np.moveaxis(read_ipw(GOLD / "gold_gradient16.ipw", 2, shape), -1, 0)
    slope, aspect = zevenbergen_thorne(elevation, 50.0)
    expected = 180 - np.degrees(-3.141592741 + (3.141496897 + 3.141592741) * turn)
    # The 16 bit of the file are worth 0.0055 degrees of aspect.
    assert np.nanmax(np.abs(slope - np.degrees(np.arcsin(sine)))) < 0.002
    assert np.nanmax(turned(aspect, expected)) < 0.01
