"""Shaded relief: by hand, other suns, files, GDAL."""

from __future__ import annotations

import math

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from real_dems import TUJUNGA, gdaldem, needs_gdaldem, needs_shared

from slumpmap.errors import InputError
from slumpmap.raster import write_raster
from slumpmap.terrain.hillshade import hillshade, write_hillshade


@pytest.mark.parametrize(
    ("slope", "aspect", "azimuth", "altitude", "expected"),
    [
        (0, np.nan, 315, 45, math.sqrt(0.5)),
        (0, np.nan, 90, 30, 0.5),
        (45, 315, 315, 45, 1.0),
        (45, 135, 315, 45, 0.0),
        (60, 90, 90, 30, 1.0),
        (60, 180, 90, 30, 0.25),
        (80, 270, 90, 30, 0.0),
        (30, 77, 200, 90, math.cos(math.radians(30))),
        (np.nan, np.nan, 315, 45, np.nan),
    ],
)
def test_by_hand(slope, aspect, azimuth, altitude, expected):
    found = hillshade(np.array([slope]), np.array([aspect]), azimuth, altitude)
    assert found == pytest.approx([expected], abs=1e-12, nan_ok=True)


def plane(path):
    elevation = 4800.0 + 30 * np.indices((6, 7))[1]
    write_raster(path, elevation, from_origin(5e5, 4e6, 30, 30), "EPSG:32646")
    return path


def test_file_of_a_plane_that_faces_the_sun(tmp_path):
    write_hillshade(plane(tmp_path / "dem.tif"), tmp_path / "light.tif", 270, 45)
    with rasterio.open(tmp_path / "light.tif") as made:
        light = made.read(1)
    assert light[1:-1, 1:-1] == pytest.approx(1.0, abs=1e-6)
    assert np.isnan(light[0]).all()


@pytest.mark.parametrize("altitude", [0, -5, 91])
def test_sun_that_is_no_sun(tmp_path, altitude):
    with pytest.raises(InputError, match="sun's altitude"):
        write_hillshade(plane(tmp_path / "dem.tif"), tmp_path / "light.tif", altitude=altitude)


@needs_shared
@needs_gdaldem
@pytest.mark.parametrize(("azimuth", "altitude"), [(315, 45), (120, 25)])
def test_as_gdal_on_a_real_dem(tmp_path, azimuth, altitude):
    write_hillshade(TUJUNGA, tmp_path / "light.tif", azimuth, altitude)
    expected = gdaldem(TUJUNGA, tmp_path / "gdal.tif", "hillshade", "-az", str(azimuth), "-alt", str(altitude))
    with rasterio.open(tmp_path / "light.tif") as made:
        light = made.read(1)
    np.testing.assert_array_equal(np.isnan(light), np.isnan(expected))
    # GDAL rounds to whole numbers of 1 to 255.
    assert np.nanmax(np.abs(1 + 254 * light - expected)) < 0.501
