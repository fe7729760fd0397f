"""Topographic position: planes, by definition, voids, geographic cells, blocks, GDAL."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from real_dems import TUJUNGA, TUOLUMNE, gdaldem, needs_gdaldem, needs_shared

from slumpmap.errors import InputError
from slumpmap.raster import write_raster
from slumpmap.terrain import dem as dem_door
from slumpmap.terrain.position import topographic_position, tpi

UTM = "EPSG:32646"


def sizes(rows: int, dx: float = 30.0, dy: float = 30.0) -> tuple[np.ndarray, np.ndarray]:
    return np.full((rows, 1), dx), np.full((rows, 1), dy)


def rough(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(4).normal(4800, 10, shape).astype(np.float32)


def by_definition(elevation: np.ndarray, radius: float, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    row, column = np.indices(elevation.shape)
    out = np.full(elevation.shape, np.nan)
    for i, j in np.argwhere(~np.isnan(elevation)):
        near = np.hypot((column - j) * dx[i], (row - i) * dy[i]) <= radius + 1e-9
        near[i, j] = False
        near &= ~np.isnan(elevation)
        if near.any():
            out[i, j] = elevation[i, j] - elevation[near].astype(float).mean()
    return out


def test_three_by_three_by_hand():
    elevation = np.array([[1.0, 2, 3], [4, 15, 6], [7, 8, 9]])
    assert tpi(elevation, 30, *sizes(3))[1, 1] == 15 - 5
    assert tpi(elevation, 43, *sizes(3))[1, 1] == 15 - 5
    assert tpi(elevation, 30, *sizes(3))[0, 0] == 1 - 3


@pytest.mark.parametrize("radius", [30, 100, 95, 250])
@pytest.mark.parametrize("cell", [(30, 30), (25.66, 30.81), (10, 40)])
def test_as_defined(radius, cell):
    elevation = rough((21, 24))
    elevation[4:7, 5] = np.nan
    expected = by_definition(elevation, radius, *sizes(21, *cell))
    np.testing.assert_allclose(tpi(elevation, radius, *sizes(21, *cell)), expected, atol=2e-6)


def test_plane_is_zero():
    row, column = np.indices((30, 40))
    found = tpi(4800.0 + 0.125 * row - 0.75 * column, 100, *sizes(30))
    assert (found[3:-3, 3:-3] == 0).all()


def test_lone_cell_has_no_position():
    elevation = np.full((9, 9), np.nan)
    elevation[4, 4] = 1.0
    assert np.isnan(tpi(elevation, 100, *sizes(9))).all()


def write(path: Path, elevation: np.ndarray, transform=None, crs: str = UTM) -> Path:
    write_raster(path, elevation, transform or from_origin(5e5, 4e6, 30, 30), crs)
    return path


def made(folder: Path, dem: Path, radius: float) -> np.ndarray:
    topographic_position(dem, folder / "tpi.tif", radius)
    with rasterio.open(folder / "tpi.tif") as result:
        assert np.isnan(result.nodata)
        return result.read(1)


@pytest.mark.parametrize("crs", [UTM, "EPSG:4326"])
def test_blocks_make_no_seam(tmp_path, monkeypatch, crs):
    elevation = rough((70, 90))
    elevation[20, 30:50] = np.nan
    transform = None if crs == UTM else from_origin(93, 35, 1 / 3600, 1 / 3600)
    dem = write(tmp_path / "dem.tif", elevation, transform, crs)
    whole = made(tmp_path, dem, 150)
    monkeypatch.setattr(dem_door, "_BLOCK_PX", 16)
    np.testing.assert_array_equal(made(tmp_path, dem, 150), whole)


def test_geographic_neighbourhood_follows_the_rows(tmp_path):
    """At 60 N a degree of longitude is half as long: twice the columns lie within the radius."""
    elevation = rough((40, 60))
    dem = write(tmp_path / "dem.tif", elevation, from_origin(20, 61, 1 / 60, 1 / 60), "EPSG:4326")
    with dem_door.open_dem(dem) as source:
        dx, dy = source.cell_size()
    np.testing.assert_allclose(made(tmp_path, dem, 6000), by_definition(elevation, 6000, dx, dy), atol=1e-5)


def test_radius_below_a_cell_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"radius of 20 m is smaller than the cells, up to 30\.0 m. Give one of 30 m"):
        made(tmp_path, write(tmp_path / "dem.tif", rough((9, 9))), 20)


@needs_shared
@needs_gdaldem
@pytest.mark.parametrize("dem", [TUJUNGA, TUOLUMNE], ids=lambda path: path.stem)
def test_as_gdal_on_real_dems(tmp_path, dem):
    """GDAL takes the eight neighbours, which a radius of 45 m does on 30 m cells."""
    expected = gdaldem(dem, tmp_path / "gdal.tif", "TPI")
    found = made(tmp_path, dem, 45)
    known = ~np.isnan(expected)
    assert np.abs(found - expected)[known].max() < 1e-4
