"""Area-weighted statistics against hand cases."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from rasterio.transform import from_origin
from shapely.geometry import Point, Polygon, box

from slumpmap.inventory.zonal import circular_mean, covered_area, zonal_direction, zonal_statistics
from slumpmap.raster import write_raster

UTM = "EPSG:32646"
GRID = np.arange(1, 10, dtype=np.float32).reshape(3, 3)
TRANSFORM = from_origin(0, 90, 30, 30)


def layer(*polygons, crs=UTM):
    return gpd.GeoDataFrame(geometry=list(polygons), crs=crs, index=range(5, 5 + len(polygons)))


@pytest.fixture
def raster(tmp_path):
    path = tmp_path / "values.tif"
    write_raster(path, GRID, TRANSFORM, UTM, nodata=-9999)
    return path


def test_small_polygon_has_exact_weights(raster):
    """500 m2 over four 30 m pixels: (150*1 + 150*2 + 100*4 + 100*5) / 500 = 2.7; it holds no pixel centre."""
    table = zonal_statistics(raster, layer(box(20, 50, 40, 75)))
    assert table.loc[5].tolist() == pytest.approx([2.7, 1, 5])


def test_covered_area_sums_to_the_polygon():
    polygon = Polygon([(3, 4), (83, 12), (61, 88), (20, 70)], [[(30, 30), (50, 32), (40, 50)]])
    area = covered_area(polygon, TRANSFORM, (3, 3))
    assert area.sum() == pytest.approx(polygon.area)
    assert area[1, 1] < 900  # the hole


def test_large_polygon_equals_brute_force():
    polygon = Point(50, 50).buffer(37.3)
    transform, shape = from_origin(0, 100, 2, 2), (50, 50)
    row, column = np.indices(shape)
    pixels = shapely.box(column * 2, 98 - row * 2, column * 2 + 2, 100 - row * 2)
    expected = shapely.area(shapely.intersection(polygon, pixels))
    np.testing.assert_allclose(covered_area(polygon, transform, shape), expected, atol=1e-9)


def test_other_crs_is_brought_to_the_raster(tmp_path):
    path = tmp_path / "values.tif"
    write_raster(path, GRID, from_origin(500_000, 3_900_090, 30, 30), UTM, nodata=-9999)
    there = layer(box(500_020, 3_900_050, 500_040, 3_900_075)).to_crs("EPSG:4326")
    assert zonal_statistics(path, there).loc[5, "mean"] == pytest.approx(2.7, abs=1e-5)


@pytest.mark.parametrize("nodata", [-9999, float("nan"), None])
def test_nodata_and_outside_do_not_count(tmp_path, nodata):
    values = GRID.copy()
    values[0, 0] = np.nan if nodata is None else nodata
    path = tmp_path / "values.tif"
    write_raster(path, values, TRANSFORM, UTM, nodata=nodata)
    table = zonal_statistics(
        path, layer(box(0, 60, 60, 90), box(0, 60, 30, 90), box(-60, 0, 15, 15), box(200, 0, 210, 9))
    )
    assert table["mean"].tolist() == pytest.approx([2, np.nan, 7, np.nan], nan_ok=True)


def test_polygon_on_the_border_covers_nothing(raster):
    assert np.isnan(zonal_statistics(raster, layer(box(90, 0, 120, 30))).loc[5, "mean"])


def test_integers(tmp_path):
    path = tmp_path / "values.tif"
    write_raster(path, GRID.astype(np.int16), TRANSFORM, UTM)
    assert zonal_statistics(path, layer(box(20, 50, 40, 75))).loc[5, "mean"] == pytest.approx(2.7)


def test_circular_mean():
    """350 and 10 degrees: north with R = cos 10 degrees; the arithmetic mean would be south."""
    assert circular_mean(np.array([350.0, 10.0]), np.ones(2)) == pytest.approx((0, 0.984808), abs=1e-6)
    assert circular_mean(np.array([0.0, 90.0]), np.array([1.0, 3.0]))[0] == pytest.approx(np.degrees(np.arctan(3)))
    mean, length = circular_mean(np.array([0.0, 180.0]), np.ones(2))
    assert np.isnan(mean) and length == pytest.approx(0, abs=1e-9)
    assert np.isnan(circular_mean(np.empty(0), np.empty(0))).all()


def test_direction_is_weighted_by_area(tmp_path):
    path = tmp_path / "aspect.tif"
    write_raster(path, np.array([[350, 30], [np.nan, np.nan]], np.float32), from_origin(0, 60, 30, 30), UTM, np.nan)
    table = zonal_direction(path, layer(box(15, 30, 45, 60), box(20, 0, 40, 60), box(0, 0, 60, 30)))
    assert table["mean"].tolist() == pytest.approx([10, 10, np.nan], nan_ok=True)
    assert table["concentration"].iloc[0] == pytest.approx(np.cos(np.radians(20)))


def test_no_polygon(raster):
    assert zonal_statistics(raster, layer()).shape == (0, 3)
