"""The inventory's columns against shapes and places worked out by hand."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from rasterio.transform import from_origin
from shapely.geometry import LineString, Point, box

from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.inventory.attributes import Layers
from slumpmap.inventory.build import COLUMNS, build_inventory, read_inventory
from slumpmap.raster import write_raster
from slumpmap.review.growth_table import MEASURED
from slumpmap.settings.analysis import InventorySettings
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


GROUND = ("dem.tif", "slope.tif", "aspect.tif", "roads.gpkg")


def build(folder, name="inventory", ground=GROUND, known=None, classes=None, **settings):
    files = {Path(file).stem: folder / file for file in ground} | (classes or {})
    out = folder / f"{name}.gpkg"
    build_inventory(folder / "slumps.gpkg", GRID, Layers(**files), InventorySettings(**settings), out, known)
    return read_inventory(out).set_index("id")


def omissions(folder):
    return pd.read_csv(folder / "omissions.csv").set_index(["id", "attribute"])


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


def test_what_is_missing_is_listed_with_the_reason(inputs):
    table = build(inputs)
    assert table.omissions["away"] == "aspect;elevation;slope"
    assert table.omissions[["square", "circle"]].isna().all()
    rows = omissions(inputs)
    assert rows.loc[("away", "elevation"), ["reason", "covered"]].tolist() == ["outside the layer", 0]
    assert rows.loc[("away", "aspect"), "reason"] == "outside the layer"
    assert len(rows) == 3


def test_partly_covered_slump_is_counted_with_its_share(inputs):
    """Its western 20 m of 80 lie beyond the DEM; its mean is that of the rest."""
    shape = box(X - 620, Y, X - 540, Y + 30)
    layer = gpd.GeoDataFrame(
        {"id": ["part"], "iteration_found": 0, "probability": None, "initiation": None, "source": "x"},
        geometry=[shape],
        crs=UTM,
    )
    write_layer(layer, inputs / "slumps.gpkg")
    table = build(inputs, ground=("dem.tif",))
    assert table.elevation_mean["part"] == pytest.approx(4700 + np.tan(np.radians(10)) * 30 * 129, abs=0.01)
    assert table.omissions.isna().all()
    row = omissions(inputs).loc[("part", "elevation")]
    assert row["reason"] == "partly outside the layer" and row["covered"] == pytest.approx(0.75)


def test_no_slump_within_a_layer_is_without_a_value(inputs):
    """Squares of a square metre to a hectare, anywhere on the DEM: none holds a pixel centre by right."""
    rng = np.random.default_rng(4)
    side = rng.uniform(1, 100, 300)
    x, y = rng.uniform(X - 560, X + 6400, 300), rng.uniform(Y - 700, Y + 3700, 300)
    columns = {"id": [f"s{n}" for n in range(300)], "iteration_found": 0, "source": "x"}
    layer = gpd.GeoDataFrame(columns, geometry=shapely.box(x, y, x + side, y + side), crs=UTM)
    write_layer(layer.assign(probability=None, initiation=None), inputs / "slumps.gpkg")
    table = build(inputs)
    # The outermost row of slopes has no neighbours beyond, so that these squares stay inside of it.
    ground = ["elevation_mean", "elevation_headwall", "slope_mean", "aspect_mean", "length_m", "headwall_azimuth"]
    assert table[ground].notna().all(axis=None) and omissions(inputs).empty


def test_the_way_it_faces(inputs):
    """The plane falls north: a square's length lies along its northing; its headwall is the southern edge."""
    table = build(inputs)
    square = table.loc["square"]
    assert (square.length_m, square.width_m) == pytest.approx((100, 100), abs=0.01)
    assert min(square.headwall_azimuth, 360 - square.headwall_azimuth) < 0.01
    assert square.headwall_source == "estimated"
    # The southern edge (100 m), at the plane's height there, and 20 m up both sides, 10 m lower in the mean.
    ground = 4700 + np.tan(np.radians(10)) * (3900 - 15 - np.array([0, 10]))
    assert square.elevation_headwall == pytest.approx((100 * ground[0] + 40 * ground[1]) / 140, abs=0.3)
    assert square.elevation_headwall > square.elevation_mean


def test_streams(inputs):
    line = LineString([(X - 2000, Y + 125), (X + 20_000, Y + 125)])
    write_layer(gpd.GeoDataFrame(geometry=[line], crs=UTM), inputs / "streams.gpkg")
    table = build(inputs, ground=(*GROUND, "streams.gpkg"), adjacent_m=25)
    assert table.stream_distance_m["square"] == pytest.approx(25, abs=1e-6)
    assert table.stream_distance_m["circle"] == pytest.approx(825, abs=0.1)
    assert table.near_stream[["square", "circle"]].tolist() == [True, False]
    # Streams are known as far as the DEM reaches.
    assert table[["near_stream", "stream_distance_m"]].loc["away"].isna().all()
    assert omissions(inputs).loc[("away", "stream_distance_m"), "reason"] == "outside the elevation model"
    assert not build(inputs, ground=(*GROUND, "streams.gpkg"), adjacent_m=24.9).near_stream["square"]


def classes_of(folder, values, legend):
    path, names = folder / "vegetation.tif", folder / "legend.csv"
    write_raster(path, np.array(values, np.uint8), from_origin(X - 50, Y + 150, 100, 100), UTM, 0)
    names.write_text("code,name\n" + legend)
    return {"vegetation": path, "vegetation_legend": names}


def test_vegetation(inputs):
    classes = classes_of(inputs, [[1, 2], [2, 3]], "1,meadow\n2,steppe\n3,bare\n9,ice\n")
    table = build(inputs, classes=classes)
    assert (table.vegetation["square"], table.vegetation_share["square"]) == ("steppe", pytest.approx(0.5))
    assert table.vegetation[["circle", "away"]].isna().all()
    assert table.soil.isna().all() and table.soil_share.isna().all()
    shares = pd.read_csv(inputs / "class_shares.csv")
    assert shares.to_dict("list") == {
        "id": ["square"] * 3,
        "layer": ["vegetation"] * 3,
        "code": [1, 2, 3],
        "name": ["meadow", "steppe", "bare"],
        "share": [0.25, 0.5, 0.25],
    }


def test_class_without_a_name_is_refused(inputs):
    with pytest.raises(InputError, match=r"legend\.csv: vegetation\.tif holds values under 1 slumps .*: 3"):
        build(inputs, classes=classes_of(inputs, [[1, 2], [2, 3]], "1,meadow\n2,steppe\n"))


def test_class_raster_without_legend_is_refused(inputs):
    classes = classes_of(inputs, [[1, 2], [2, 3]], "1,meadow\n")
    with pytest.raises(InputError, match=r"vegetation\.tif: raster of vegetation classes comes without a legend"):
        build(inputs, classes={"vegetation": classes["vegetation"]})


def test_missing_inputs_leave_nulls(inputs):
    table = build(inputs, ground=())
    known = ["iteration_found", "lon", "lat", "area_ha", "perimeter_m", "circularity", "geometry"]
    assert table.drop(columns=[*known, "probability", "initiation"]).isna().all(axis=None)
    assert table[known].notna().all(axis=None)
    assert omissions(inputs).empty and pd.read_csv(inputs / "class_shares.csv").empty
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
    for name in csv.columns:
        for other in (parquet[name], csv[name]):
            if gpkg[name].dtype.kind == "f":
                np.testing.assert_allclose(other.astype(float), gpkg[name], atol=0.0051)
            else:
                texts = [values.astype(object).where(values.notna(), "").astype(str) for values in (other, gpkg[name])]
                assert texts[0].tolist() == texts[1].tolist()


def test_repeats_to_the_byte(inputs):
    for name in ("inventory", "again/inventory"):
        build(inputs, name)
    for file in ("inventory.gpkg", "inventory.parquet", "inventory.csv", "omissions.csv", "class_shares.csv"):
        assert (inputs / file).read_bytes() == (inputs / "again" / file).read_bytes(), file


def test_no_slump(inputs):
    layer = pyogrio.read_dataframe(inputs / "slumps.gpkg").iloc[:0]
    write_layer(layer, inputs / "slumps.gpkg")
    table = build(inputs)
    assert table.empty and len(pd.read_csv(inputs / "inventory.csv")) == 0


def test_repeated_id_is_refused(inputs):
    slumps(inputs / "slumps.gpkg", id=["a", "b", "a"])
    with pytest.raises(InputError, match="several rows with id 'a'"):
        build(inputs)
