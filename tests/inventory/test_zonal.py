"""Area-weighted statistics against hand cases and plain sums."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine, from_origin
from shapely.geometry import MultiPolygon, Point, Polygon, box

from slumpmap.errors import InputError
from slumpmap.inventory import zonal
from slumpmap.inventory.sums import sums_of
from slumpmap.inventory.zonal import Layer, zonal_statistics
from slumpmap.raster import write_raster

UTM = "EPSG:32646"
GRID = np.arange(1, 10, dtype=np.float32).reshape(3, 3)
TRANSFORM = from_origin(0, 90, 30, 30)


def series(*polygons, crs=UTM):
    return gpd.GeoSeries(list(polygons), crs=crs, index=range(5, 5 + len(polygons)))


def of_one(polygons, path, kind="number", classes=()):
    return zonal_statistics(polygons, [Layer(path, kind, classes)])[0]


@pytest.fixture
def raster(tmp_path):
    path = tmp_path / "values.tif"
    write_raster(path, GRID, TRANSFORM, UTM, nodata=-9999)
    return path


def plain(polygon, values, transform):
    """Shares of cells by shapely, and the statistics as they are defined."""
    row, column = np.indices(values.shape)
    left, top = transform.c + column * transform.a, transform.f + row * transform.e
    cells = shapely.box(left, top + transform.e, left + transform.a, top)
    weight = shapely.area(shapely.intersection(polygon, cells)) / abs(transform.a * transform.e)
    known = (weight > 1e-9) & np.isfinite(values)
    if not known.any():
        return [np.nan] * 4 + [0]
    values, weight = values[known].astype(float), weight[known]
    mean = np.average(values, weights=weight)
    std = np.sqrt(np.average((values - mean) ** 2, weights=weight))
    return [mean, values.min(), values.max(), std, weight.sum()]


def test_small_polygon_has_exact_weights(raster):
    """500 m2 over four 30 m pixels: (150*1 + 150*2 + 100*4 + 100*5) / 500 = 2.7; it holds no pixel centre."""
    row = of_one(series(box(20, 50, 40, 75)), raster).loc[5]
    assert row[["mean", "min", "max"]].tolist() == pytest.approx([2.7, 1, 5])
    assert row["std"] == pytest.approx(np.sqrt((1.7**2 * 1.5 + 0.7**2 * 1.5 + 1.3**2 + 2.3**2) / 5))
    assert row[["count", "nodata", "outside"]].tolist() == pytest.approx([500 / 900, 0, 0])


def test_tiny_slump_within_a_pixel_has_a_value(raster):
    """A square metre of the pixel in the south-west: a raster read upside down would give 1."""
    assert of_one(series(box(3, 4, 4, 5)), raster).loc[5, ["mean", "min", "max"]].tolist() == [7, 7, 7]


def test_other_crs_is_brought_to_the_raster(tmp_path):
    path = tmp_path / "values.tif"
    write_raster(path, GRID, from_origin(500_000, 3_900_090, 30, 30), UTM, nodata=-9999)
    there = series(box(500_020, 3_900_050, 500_040, 3_900_075)).to_crs("EPSG:4326")
    assert of_one(there, path).loc[5, "mean"] == pytest.approx(2.7, abs=1e-5)


def test_raster_in_degrees(tmp_path):
    path = tmp_path / "values.tif"
    write_raster(path, GRID, from_origin(93, 35, 1e-3, 1e-3), "EPSG:4326", nodata=-9999)
    there = series(box(93.0015, 34.9975, 93.0025, 34.9985), crs="EPSG:4326")
    expected = plain(there.iloc[0], GRID, from_origin(93, 35, 1e-3, 1e-3))
    assert of_one(there, path).iloc[0, :5].tolist() == pytest.approx(expected, rel=1e-6)
    assert of_one(there.to_crs(UTM), path).loc[5, "mean"] == pytest.approx(expected[0], rel=1e-4)


@pytest.mark.parametrize("nodata", [-9999, float("nan"), None])
def test_nodata_and_outside_are_told_apart(tmp_path, nodata):
    values = GRID.copy()
    values[0, 0] = np.nan if nodata is None else nodata
    path = tmp_path / "values.tif"
    write_raster(path, values, TRANSFORM, UTM, nodata=nodata)
    shapes = box(0, 60, 60, 90), box(0, 60, 30, 90), box(-60, 0, 15, 15), box(200, 0, 210, 9), box(-15, 60, 45, 90)
    table = of_one(series(*shapes), path)
    assert table["mean"].tolist() == pytest.approx([2, np.nan, 7, np.nan, 2], nan_ok=True)
    assert table["count"].tolist() == pytest.approx([1, 0, 0.25, 0, 0.5])
    assert table["nodata"].tolist() == pytest.approx([0.5, 1, 0, 0, 0.5])
    assert table["outside"].tolist() == pytest.approx([0, 0, 0.8, 1, 0.25])


def test_mask_of_the_file_is_heeded(tmp_path):
    path = tmp_path / "masked.tif"
    profile = {"driver": "GTiff", "count": 1, "height": 3, "width": 3, "dtype": "float32"}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", crs=UTM, transform=TRANSFORM, **profile) as target,
    ):
        target.write(GRID, 1)
        target.write_mask(GRID > 1)
    row = of_one(series(box(0, 60, 60, 90)), path).loc[5]
    assert (row["mean"], row["nodata"]) == (2, 0.5)


def test_infinite_values_are_none(tmp_path):
    path = tmp_path / "values.tif"
    write_raster(path, np.array([[np.inf, 3]], np.float32), TRANSFORM, UTM)
    row = of_one(series(box(0, 60, 60, 90)), path).loc[5]
    assert (row["mean"], row["max"], row["nodata"]) == (3, 3, 0.5)


def test_polygon_on_the_border_covers_nothing(raster):
    row = of_one(series(box(90, 0, 120, 30)), raster).loc[5]
    assert np.isnan(row["mean"]) and row["outside"] == 1


@pytest.mark.parametrize(
    ("shape", "mean", "count"),
    [
        (Polygon(box(0, 0, 90, 90).exterior, [box(30, 30, 60, 60).exterior]), 5, 8),
        (Polygon(box(0, 0, 90, 90).exterior, [box(0.1, 0.1, 60, 89).exterior]), None, None),
        (MultiPolygon([box(0, 60, 30, 90), box(60, 0, 90, 30)]), 5, 2),
        (MultiPolygon([box(0, 60, 15, 90), box(60, 0, 90, 30)]), 19 / 3, 1.5),
    ],
)
def test_holes_and_parts(raster, shape, mean, count):
    expected = plain(shape, GRID, TRANSFORM)
    assert of_one(series(shape), raster).iloc[0, :5].tolist() == pytest.approx(expected)
    if mean is not None:
        assert (expected[0], expected[4]) == pytest.approx((mean, count))


def test_single_and_multi_parts_and_3d_together(raster):
    shapes = [Polygon([(0, 60, 9), (30, 60, 9), (30, 90, 9)]), MultiPolygon([box(0, 0, 30, 30)]), box(30, 0, 60, 30)]
    assert of_one(series(*shapes), raster)["mean"].tolist() == [1, 7, 8]


def test_integers(tmp_path):
    path = tmp_path / "values.tif"
    write_raster(path, GRID.astype(np.uint8), TRANSFORM, UTM)
    assert of_one(series(box(20, 50, 40, 75)), path).loc[5, "mean"] == pytest.approx(2.7)


def test_high_ground_keeps_its_digits(tmp_path):
    """Spread of a micrometre at 5000 km: a sum of squares less the square of the sum would lose it."""
    path = tmp_path / "values.tif"
    write_raster(path, 5e6 + 1e-6 * np.array([[0.0, 2, 4]]), TRANSFORM, UTM)
    assert of_one(series(box(0, 60, 90, 90)), path).loc[5, "std"] == pytest.approx(1e-6 * np.sqrt(8 / 3), rel=1e-2)


@settings(max_examples=50)
@given(st.floats(1, 9000), st.lists(st.floats(1e-9, 1), min_size=1, max_size=9))
def test_equal_values_have_no_spread(value, weights):
    """A mean that is off by the last digit would make a spread of a tenth of a millimetre at 5000 m."""
    count = len(weights)
    sums = sums_of("number", 1)
    cells = np.arange(count, dtype=np.int32)
    sums.add(np.array([0]), np.array([0, count]), cells, np.array(weights), np.full(count, value))
    assert sums.table().loc[0].tolist() == [value, value, value, 0]


shapes = st.builds(
    lambda x, y, radius, corners, turn: shapely.affinity.rotate(
        Polygon([(x + radius * np.cos(a), y + radius * np.sin(a)) for a in np.linspace(0, 6, corners)]), turn
    ),
    st.floats(-100, 1900),
    st.floats(-100, 1600),
    st.sampled_from([0.4, 3.0, 13.0, 80.0, 700.0]),
    st.integers(3, 20),
    st.floats(0, 360),
)


@pytest.fixture(scope="module")
def rough(tmp_path_factory):
    """60 x 50 pixels with holes, in blocks of 16."""
    rng = np.random.default_rng(3)
    values = rng.normal(4800, 300, (50, 60)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    path = tmp_path_factory.mktemp("rough") / "values.tif"
    blocks = {"tiled": True, "blockxsize": 16, "blockysize": 16}
    write_raster(path, values, from_origin(0, 1500, 30, 30), UTM, np.nan, **blocks)
    return path, values


@settings(max_examples=60)
@given(st.lists(shapes, min_size=1, max_size=6), st.sampled_from([64, 400, 2**18]), st.sampled_from([50, 2**21]))
def test_any_cut_into_tiles_gives_the_plain_statistics(rough, polygons, least, at_a_time):
    path, values = rough
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zonal, "_LEAST", least)
        patch.setattr(zonal, "_MOST", 4 * least)
        patch.setattr(zonal, "_AT_A_TIME", at_a_time)
        table = of_one(series(*polygons), path)
    expected = [plain(polygon, values, from_origin(0, 1500, 30, 30)) for polygon in polygons]
    np.testing.assert_allclose(table.iloc[:, :5], expected, rtol=1e-7, atol=1e-5)


def test_only_blocks_with_polygons_are_read(rough, monkeypatch):
    read = []
    monkeypatch.setattr(zonal, "_LEAST", 256)
    values = zonal._values
    monkeypatch.setattr(zonal, "_values", lambda *args: read.append(args[-1]) or values(*args))
    of_one(series(box(35, 1440, 40, 1445), box(1000, 100, 1040, 140)), rough[0])
    assert [(w.row_off, w.col_off, w.height, w.width) for w in read] == [(1, 1, 1, 1), (45, 33, 2, 2)]


def test_layers_share_the_cover_where_their_cells_are_the_same(tmp_path, raster, monkeypatch):
    other, coarse = tmp_path / "other.tif", tmp_path / "coarse.tif"
    write_raster(other, GRID * 10, TRANSFORM, UTM)
    write_raster(coarse, np.array([[1, 2], [3, 4]], np.int16), from_origin(0, 90, 45, 45), UTM)
    calls = []
    monkeypatch.setattr(zonal, "cover", lambda *args, cover=zonal.cover: calls.append(1) or cover(*args))
    polygons = series(box(20, 50, 40, 75), Point(50, 40).buffer(20))
    tables = zonal_statistics(polygons, [Layer(raster), Layer(coarse), Layer(other)])
    assert len(calls) == 2
    np.testing.assert_allclose(tables[2]["mean"], 10 * tables[0]["mean"])
    pd.testing.assert_frame_equal(tables[1], of_one(polygons, coarse))


def test_flipped_raster_has_the_same_statistics(tmp_path, raster):
    """Rows from south to north, as some programs write them."""
    path = tmp_path / "south_up.tif"
    write_raster(path, GRID[::-1], Affine(30, 0, 0, 0, 30, 0), UTM, -9999)
    polygons = series(box(20, 50, 40, 75), Point(20, 20).buffer(15), box(0, 0, 30, 90))
    pd.testing.assert_frame_equal(of_one(polygons, path), of_one(polygons, raster))


def circular_mean(degrees, weights):
    """Of directions of one polygon with these shares."""
    sums = sums_of("direction", 1)
    count = len(degrees)
    sums.add(
        np.array([0]), np.array([0, count]), np.arange(count, dtype=np.int32), np.array(weights), np.array(degrees)
    )
    return sums.table().loc[0].tolist()


def test_circular_mean():
    """350 and 10 degrees: north with R = cos 10 degrees; the arithmetic mean would be south."""
    assert circular_mean([350.0, 10.0], [1.0, 1.0]) == pytest.approx((0, 0.984808), abs=1e-6)
    assert circular_mean([0.0, 90.0], [1.0, 3.0])[0] == pytest.approx(np.degrees(np.arctan(3)))
    mean, length = circular_mean([0.0, 180.0], [1.0, 1.0])
    assert np.isnan(mean) and length == pytest.approx(0, abs=1e-9)
    assert np.isnan(circular_mean(np.empty(0), np.empty(0))).all()
    assert circular_mean([359.9999999999], [1.0])[0] == 0


def test_direction_is_weighted_by_area(tmp_path):
    path = tmp_path / "aspect.tif"
    write_raster(path, np.array([[350, 30], [np.nan, np.nan]], np.float32), from_origin(0, 60, 30, 30), UTM, np.nan)
    table = of_one(series(box(15, 30, 45, 60), box(20, 0, 40, 60), box(0, 0, 60, 30)), path, "direction")
    assert table["mean"].tolist() == pytest.approx([10, 10, np.nan], nan_ok=True)
    assert table["concentration"].iloc[0] == pytest.approx(np.cos(np.radians(20)))
    assert table["nodata"].tolist() == pytest.approx([0, 0.5, 1])


def test_classes(tmp_path):
    """Three pixels of class 1, 2, 7 and one without a value."""
    path = tmp_path / "classes.tif"
    write_raster(path, np.array([[1, 2], [7, 0]], np.uint8), from_origin(0, 60, 30, 30), UTM, 0)
    shapes = box(0, 0, 60, 60), box(15, 30, 60, 60), box(0, 15, 15, 45), box(30, 0, 60, 30), box(0, 0, 30, 30)
    table = of_one(series(*shapes), path, "class", (1, 2, 5))
    assert table[1].tolist() == pytest.approx([1 / 3, 1 / 3, 0.5, np.nan, 0], nan_ok=True)
    assert table[2].tolist() == pytest.approx([1 / 3, 2 / 3, 0, np.nan, 0], nan_ok=True)
    assert table[5].tolist() == pytest.approx([0, 0, 0, np.nan, 0], nan_ok=True)
    assert table["unnamed"].tolist() == pytest.approx([1 / 3, 0, 0.5, np.nan, 1], nan_ok=True)
    assert table["unnamed_value"].tolist() == pytest.approx([7, np.nan, 7, np.nan, 7], nan_ok=True)
    # The lowest of equals; none where no class that is named lies under the polygon.
    assert table["majority"].tolist() == pytest.approx([1, 2, 1, np.nan, np.nan], nan_ok=True)
    assert table["majority_share"].tolist() == pytest.approx([1 / 3, 2 / 3, 0.5, np.nan, np.nan], nan_ok=True)
    assert table["nodata"].tolist() == pytest.approx([0.25, 0, 0, 1, 0])


@settings(max_examples=30)
@given(st.lists(shapes, min_size=1, max_size=5), st.integers(1, 6))
def test_shares_of_classes_sum_to_one(tmp_path_factory, polygons, named):
    path = tmp_path_factory.getbasetemp() / "coded.tif"
    if not path.exists():
        codes = np.random.default_rng(5).integers(1, 7, (50, 60)).astype(np.int16)
        write_raster(path, codes, from_origin(0, 1500, 30, 30), UTM)
    table = of_one(series(*polygons), path, "class", tuple(range(1, named + 1)))
    shares = table[[*range(1, named + 1), "unnamed"]].sum(axis=1)
    inside = table["outside"] < 1
    np.testing.assert_allclose(shares[inside], 1)
    assert (shares[~inside] == 0).all() and table.loc[~inside, "majority"].isna().all()
    largest = table[list(range(1, named + 1))].max(axis=1)
    given = table["majority"].notna()
    np.testing.assert_allclose(table.loc[given, "majority_share"], largest[given])


def test_no_polygon(raster):
    assert of_one(series(), raster).shape == (0, 7)


def test_what_another_crs_cannot_hold_is_outside(tmp_path):
    """A polygon at the pole has no place in Mercator's plane."""
    path = tmp_path / "mercator.tif"
    write_raster(path, GRID, TRANSFORM, "EPSG:3395", nodata=-9999)
    shapes = series(box(0, 0, 0.0002, 0.0002), box(0, 89.9, 10, 90), crs="EPSG:4326")
    table = of_one(shapes, path)
    assert table["mean"].iloc[0] == pytest.approx(7) and table["outside"].iloc[1] == 1
    assert np.isnan(table["mean"].iloc[1])


def test_damaged_raster_is_refused(tmp_path):
    path = tmp_path / "values.tif"
    rng = np.random.default_rng(0)
    write_raster(path, rng.random((600, 600)), from_origin(0, 18000, 30, 30), UTM)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(InputError, match=r"values\.tif: raster (is damaged|cannot be read)"):
        of_one(series(box(0, 0, 18000, 18000)), path)
