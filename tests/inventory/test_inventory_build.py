"""The inventory's columns against shapes and places worked out by hand."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
from rasterio.transform import from_origin
from shapely.geometry import LineString, Point, box

from slumpmap.config import InventorySettings
from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.inventory.build import COLUMNS, aspect_class, build_inventory, read_inventory
from slumpmap.raster import write_raster
from slumpmap.review.growth_table import MEASURED
from slumpmap.terrain.slope import slope_aspect
from slumpmap.vector import write_layer

UTM = "EPSG:32646"
# On the central meridian of zone 46 (93 E).
X, Y = 500_000.0, 3_840_000.0
GRID = Grid.over(box(X, Y, X + 6000, Y + 3000), UTM, 3.0, 512)


def slumps(path, **columns):
    table = {
        "id": ["square", "circle", "away"],
        "iteration_found": [0, 1, 2],
        "probability": [None, "high", "low"],
        "initiation": [None, "2016-17", None],
        "source": ["initial", "inspection", "inspection"],
    } | columns
    shapes = [
        box(X, Y, X + 100, Y + 100),
        Point(X + 3000, Y + 1000).buffer(50, 64),
        box(X + 9e4, Y, X + 9e4 + 30, Y + 30),
    ]
    write_layer(gpd.GeoDataFrame(table, geometry=shapes, crs=UTM), path)
    return path


@pytest.fixture
def inputs(tmp_path):
    """A plane that falls north by 10 degrees, and a road along its southern edge."""
    rows = np.arange(160)[:, None]
    elevation = np.broadcast_to(4700 + np.tan(np.radians(10)) * 30 * rows, (160, 240)).astype(np.float32)
    write_raster(tmp_path / "dem.tif", elevation, from_origin(X - 600, Y + 3900, 30, 30), UTM, -9999)
    slope_aspect(tmp_path / "dem.tif", tmp_path / "slope.tif", tmp_path / "aspect.tif", "numpy")
    lines = [LineString([(X - 500, Y - 450), (X + 9000, Y - 450)]), LineString([(X, Y + 9000), (X + 1, Y + 9000)])]
    write_layer(gpd.GeoDataFrame(geometry=lines, crs=UTM).to_crs("EPSG:4326"), tmp_path / "roads.gpkg")
    slumps(tmp_path / "slumps.gpkg")
    return tmp_path


def build(
    folder, name="inventory", dem="dem.tif", slope="slope.tif", aspect="aspect.tif", roads="roads.gpkg", **settings
):
    files = [folder / given if given else None for given in (dem, slope, aspect, roads)]
    outputs = [folder / f"{name}.{suffix}" for suffix in ("gpkg", "parquet", "csv")]
    build_inventory(folder / "slumps.gpkg", GRID, *files, InventorySettings(**settings), *outputs)
    return read_inventory(outputs[0]).set_index("id")


def test_shapes(inputs):
    table = build(inputs)
    square, circle = table.loc["square"], table.loc["circle"]
    assert (square.area_ha, square.perimeter_m) == pytest.approx((1.0, 400.0))
    assert square.circularity == pytest.approx(np.pi / 4)
    assert circle.area_ha == pytest.approx(np.pi * 0.25, rel=1e-3)
    assert circle.circularity == pytest.approx(1, abs=1e-3)


def test_places(inputs):
    """On the central meridian the longitude is 93, and the northing is 0.9996 of the meridian's arc."""
    table = build(inputs)
    assert table.lon["square"] == pytest.approx(93 + 50 / (111_320 * np.cos(np.radians(34.7))), abs=2e-5)
    assert table.lat["square"] == pytest.approx(34.70, abs=0.01)


def test_roads(inputs):
    """The square's centroid is 500 m from the road and the limit counts as near."""
    table = build(inputs, near_road_m=500.5)
    assert table.road_distance_m["square"] == pytest.approx(500, abs=0.1)
    assert table.road_distance_m["circle"] == pytest.approx(1450, abs=0.1)
    assert table.near_road.tolist() == [False, False, True]
    assert not build(inputs, near_road_m=499).near_road.any()


def test_terrain(inputs, capsys):
    table = build(inputs)
    square = table.loc["square"]
    assert square.elevation_mean == pytest.approx(
        4700 + np.tan(np.radians(10)) * 3834, abs=0.01
    )  # rows at 15, 45, 75 m, a third of 105 m
    assert square.elevation_min < square.elevation_mean < square.elevation_max
    assert square.slope_mean == pytest.approx(10, abs=1e-3)
    assert (square.aspect_mean, square.aspect_concentration) == pytest.approx((0, 1), abs=1e-3)
    assert square.aspect_class == "N"
    assert table.loc["away", ["elevation_mean", "slope_mean", "aspect_mean", "aspect_class"]].isna().all()
    assert "dem.tif: no elevation under 1 of 3 slumps" in capsys.readouterr().out


def test_missing_inputs_leave_nulls(inputs):
    table = build(inputs, dem=None, slope=None, aspect=None, roads=None)
    empty = ["near_road", "road_distance_m", "elevation_mean", "slope_mean", "aspect_mean", "aspect_class"]
    assert table[empty].isna().all(axis=None)
    assert table[["area_ha", "lon"]].notna().all(axis=None)
    assert pd.read_csv(inputs / "inventory.csv")["near_road"].isna().all()


def test_area_crs(inputs):
    """UTM shrinks lengths by 0.9996 on the central meridian; an equal-area plane does not."""
    equal_area = build(inputs, area_crs="EPSG:6933").area_ha
    assert equal_area["square"] == pytest.approx(0.9996**-2, abs=2e-5)
    with pytest.raises(InputError, match="area_crs"):
        build(inputs, area_crs="EPSG:4326")


def test_three_formats_hold_the_same(inputs):
    build(inputs)
    gpkg, parquet = read_inventory(inputs / "inventory.gpkg"), read_inventory(inputs / "inventory.parquet")
    csv = pd.read_csv(inputs / "inventory.csv")
    assert [*COLUMNS, *MEASURED, "geometry"] == list(gpkg.columns) == list(parquet.columns)
    assert list(csv.columns) == [*COLUMNS, *MEASURED]
    assert gpkg.crs == parquet.crs == UTM
    assert gpkg.geometry.geom_equals_exact(parquet.geometry, 1e-9).all()
    for name in COLUMNS:
        for other in (parquet[name], csv[name]):
            if gpkg[name].dtype.kind == "f":
                np.testing.assert_allclose(other.astype(float), gpkg[name], atol=0.0051)
            else:
                assert other.fillna("").astype(str).tolist() == gpkg[name].fillna("").astype(str).tolist()


def test_repeats_to_the_byte(inputs):
    for name in ("inventory", "again/inventory"):
        build(inputs, name)
    for suffix in ("gpkg", "parquet", "csv"):
        first, second = inputs / f"inventory.{suffix}", inputs / f"again/inventory.{suffix}"
        assert first.read_bytes() == second.read_bytes(), suffix


def test_no_slump(inputs):
    layer = pyogrio.read_dataframe(inputs / "slumps.gpkg").iloc[:0]
    write_layer(layer, inputs / "slumps.gpkg")
    table = build(inputs)
    assert table.empty and len(pd.read_csv(inputs / "inventory.csv")) == 0


def test_repeated_id_is_refused(inputs):
    slumps(inputs / "slumps.gpkg", id=["a", "b", "a"])
    with pytest.raises(InputError, match="several rows with id 'a'"):
        build(inputs)


def test_aspect_classes():
    degrees = np.array([0, 22.4, 22.5, 45, 90, 135, 180, 225, 270, 315, 337.4, 337.5, 359.9, np.nan])
    expected = ["N", "N", "NE", "NE", "E", "SE", "S", "SW", "W", "NW", "NW", "N", "N", None]
    assert aspect_class(degrees).tolist() == expected


def growth(path, ids, groups, sure, retreat):
    table = {"id": ids, "initiation_measured": groups, "measured_confidence": sure, "retreat_m_per_year": retreat}
    write_layer(gpd.GeoDataFrame(table, geometry=[box(X, Y, X + 1, Y + 1)] * len(ids), crs=UTM), path)
    return path


def test_what_was_measured_stands_beside_what_was_confirmed(inputs):
    first = growth(inputs / "1.gpkg", ["square", "gone"], ["before 2016", "2016-17"], [0.9, 0.5], [2.5, 1.0])
    second = growth(inputs / "2.gpkg", ["circle"], ["2017-18"], [0.7], [np.nan])
    none = growth(inputs / "3.gpkg", [], [], [], [])
    paths = [inputs / f"inventory.{suffix}" for suffix in ("gpkg", "parquet", "csv")]
    files = [inputs / "slumps.gpkg", GRID, None, None, None, None, InventorySettings(), *paths]
    build_inventory(*files, [first, none, second])
    table = read_inventory(paths[0]).set_index("id")
    assert list(table.index) == ["away", "circle", "square"]
    assert table["initiation"].fillna("").tolist() == ["", "2016-17", ""]
    assert table["initiation_measured"].fillna("").tolist() == ["", "2017-18", "before 2016"]
    assert table["measured_confidence"].fillna(-1).tolist() == [-1, 0.7, 0.9]
    assert table["retreat_m_per_year"].fillna(-1).tolist() == [-1, -1, 2.5]
    build_inventory(*files)
    table = read_inventory(paths[1])
    assert table[["initiation_measured", "measured_confidence", "retreat_m_per_year"]].isna().all(axis=None)
    with pytest.raises(InputError, match="growth lacks the column"):
        build_inventory(*files, [inputs / "slumps.gpkg"])
