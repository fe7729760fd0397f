"""Values between cell centres."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.transform import Affine, from_origin

from slumpmap.errors import InputError
from slumpmap.inventory import sampling
from slumpmap.inventory.sampling import bilinear
from slumpmap.raster import write_raster

UTM = "EPSG:32646"
TRANSFORM = from_origin(500_000, 3_840_000, 30, 30)
ROWS, COLUMNS = 40, 50


def plane(x, y):
    """What the raster of the same plane holds between its outermost centres."""
    return 4000 + 0.1 * (x - 500_000) - 0.2 * (y - 3_840_000)


@pytest.fixture(scope="module")
def raster(tmp_path_factory):
    row, column = np.indices((ROWS, COLUMNS))
    x, y = TRANSFORM * (column + 0.5, row + 0.5)
    path = tmp_path_factory.mktemp("plane") / "plane.tif"
    write_raster(path, plane(x, y), TRANSFORM, UTM, -9999)
    return path


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(15, 1485), st.floats(15, 1185)), min_size=1, max_size=40), st.sampled_from([7, 1024])
)
def test_a_plane_is_itself(raster, points, side):
    x, y = 500_000 + np.array(points)[:, 0], 3_840_000 - np.array(points)[:, 1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "_SIDE", side)
        np.testing.assert_allclose(bilinear(raster, x, y, UTM), plane(x, y), atol=1e-6)


def test_rims_and_outside(raster):
    """Beyond the outermost centres the nearest ones count; beyond the raster nothing does."""
    x = 500_000 + np.array([0.0, 5, 1500, -0.1, 1500.1, 700])
    y = 3_840_000 - np.array([0.0, 600, 1200, 10, 10, 1200.1])
    clamped = plane(np.clip(x, 500_015, 501_485), np.clip(y, 3_838_815, 3_839_985))
    np.testing.assert_allclose(bilinear(raster, x, y, UTM), [*clamped[:3], np.nan, np.nan, np.nan])


def test_other_crs(raster):
    x, y = np.array([500_100.0, 501_000.0]), np.array([3_839_500.0, 3_839_100.0])
    lon, lat = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform(x, y)
    np.testing.assert_allclose(bilinear(raster, lon, lat, "EPSG:4326"), plane(x, y), atol=1e-5)


def test_cells_without_a_value_are_left_out(tmp_path):
    path = tmp_path / "holes.tif"
    write_raster(path, np.array([[1.0, 3.0], [-9999, 5.0]]), from_origin(0, 60, 30, 30), UTM, -9999)
    x, y = np.array([30.0, 15, 16, 44, 29]), np.array([30.0, 45, 15, 31, 31])
    expected = [3, 1, np.nan, None, None]
    found = bilinear(path, x, y, UTM)
    assert found[:3] == pytest.approx(expected[:3], nan_ok=True)
    # Two thirds of the way down, a thirtieth to the west: of the three known cells only.
    weights = np.array([1 / 30 * 16 / 30, 29 / 30 * 16 / 30, 29 / 30 * 14 / 30])
    assert found[3] == pytest.approx(np.average([1, 3, 5], weights=weights))
    assert np.isfinite(found[4])


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1)])
def test_rasters_of_one_row_or_column(tmp_path, shape):
    path = tmp_path / "thin.tif"
    write_raster(path, np.arange(1.0, 1 + np.prod(shape)).reshape(shape), from_origin(0, 30, 10, 10), UTM)
    assert bilinear(path, np.array([5.0]), np.array([25.0]), UTM).tolist() == [1]
    middle = np.array([shape[1] * 5.0]), np.array([30 - shape[0] * 5.0])
    assert bilinear(path, *middle, UTM).tolist() == [(1 + np.prod(shape)) / 2]


def test_south_up_raster(tmp_path):
    path = tmp_path / "south_up.tif"
    write_raster(path, np.array([[1.0, 1], [3, 3]]), Affine(10, 0, 0, 0, 10, 0), UTM)
    assert bilinear(path, np.array([10.0, 10]), np.array([5.0, 15]), UTM).tolist() == [1, 3]


def test_no_point(raster):
    assert bilinear(raster, np.empty(0), np.empty(0), UTM).shape == (0,)


def test_missing_raster_is_refused(tmp_path):
    with pytest.raises(InputError, match="DEM is missing"):
        bilinear(tmp_path / "none.tif", np.zeros(1), np.zeros(1), UTM, "DEM")
