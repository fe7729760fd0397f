"""The landscape's frequencies against pixels cut with shapely one by one, and numpy's counts where all pixels count."""

from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.transform import from_origin
from shapely.geometry import LineString, Polygon, box

from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.inventory import zonal
from slumpmap.inventory.attributes import Layers, aspect_class
from slumpmap.inventory.landscape import FLAT, UNNAMED, blocks_of, write_landscape
from slumpmap.inventory.selection import spatial_blocks
from slumpmap.inventory.sums import Histogram
from slumpmap.raster import write_raster
from slumpmap.settings.analysis import LandscapeSettings
from slumpmap.vector import write_layer

UTM = "EPSG:32646"
X, Y = 500_000.0, 3_840_000.0
SIDE = 30.0
# The rasters' first corner lies off the corners of blocks.
TOP = Y + 1230.0
KITE = Polygon([(X + 17, Y + 400), (X + 600, Y + 1190), (X + 1150, Y + 333), (X + 555, Y + 21)])


def grid(area=KITE):
    return Grid.over(area, UTM, 3.0, 512)


def raster(path, values, crs=UTM, transform=None, nodata=np.nan):
    write_raster(path, values, transform or from_origin(X - 30, TOP, SIDE, SIDE), crs, nodata)
    return path


def ground(rng, shape=(45, 42)):
    return rng.normal(4700, 60, shape).astype(np.float32)


def pixel_shares(shape, area=KITE, transform=None):
    """(rows, columns) share of each pixel in the area, by shapely."""
    rows, columns = np.indices(shape)
    left, top = (transform or from_origin(X - 30, TOP, SIDE, SIDE)) * (columns, rows)
    size = (transform or from_origin(0, 0, SIDE, SIDE)).a
    pixels = shapely.box(left, top - size, left + size, top)
    return shapely.area(shapely.intersection(pixels, area)) / size**2


def made(folder, layers, area=KITE, seed=1, **options):
    """Bins by layer and class, landscape.json, blocks and points."""
    settings = LandscapeSettings(**({"points": 300, "block_km": 0.25} | options))
    write_landscape(grid(area), Layers(**layers), settings, seed, folder / "bins.csv")
    bins = pd.read_csv(folder / "bins.csv", keep_default_na=False, na_values=[""])
    facts = json.loads((folder / "landscape.json").read_text())
    blocks, points = (pd.read_parquet(folder / f"{name}.parquet") for name in ("blocks", "points"))
    return bins.set_index(["layer", "class"]), facts, blocks, points


def reasons(facts, layer):
    return [row["reason"] for row in facts["omissions"] if row["layer"] == layer]


def test_every_pixel_counts_by_its_share_in_the_area(tmp_path):
    values = ground(np.random.default_rng(3))
    bins, facts, blocks, _ = made(tmp_path, {"dem": raster(tmp_path / "dem.tif", values)}, elevation_step_m=40)
    shares = pixel_shares(values.shape)
    found = bins.loc["elevation"]
    low = np.floor(values / 40) * 40
    for name, row in found.iterrows():
        assert name == f"{row.low:.0f}-{row.high:.0f}"
        expected = shares[low == row.low].sum()
        assert (row.pixels, row.area_km2) == pytest.approx((expected, expected * 9e-4), rel=1e-5, abs=1e-9)
    assert found["low"].tolist() == list(np.arange(found["low"].iloc[0], found["high"].iloc[-1], 40))
    assert found["share"].sum() == pytest.approx(1, abs=1e-5)
    assert facts["layers"]["elevation"]["area_km2"] == pytest.approx(KITE.area / 1e6)
    inside = values[shares > 1e-9]
    known = facts["layers"]["elevation"]
    assert (known["minimum"], known["maximum"]) == (inside.min(), inside.max())
    assert blocks["area_km2"].sum() == pytest.approx(KITE.area / 1e6)


def test_quantiles_are_those_of_all_pixels(tmp_path):
    values = ground(np.random.default_rng(4), (90, 90))
    whole = box(X - 30, TOP - 90 * SIDE, X - 30 + 90 * SIDE, TOP)
    _, facts, *_ = made(tmp_path, {"dem": raster(tmp_path / "dem.tif", values)}, whole)
    for share, value in facts["layers"]["elevation"]["quantiles"].items():
        assert value == pytest.approx(np.quantile(values, float(share)), abs=2)


def test_frequencies_depend_neither_on_blocks_nor_on_tiles(tmp_path, monkeypatch):
    dem = raster(tmp_path / "dem.tif", ground(np.random.default_rng(5), (80, 80)))
    first = made(tmp_path, {"dem": dem})[0]
    monkeypatch.setattr(zonal, "_LEAST", 1)
    monkeypatch.setattr(zonal, "_MOST", 30)
    monkeypatch.setattr(zonal, "_AT_A_TIME", 50)
    second = made(tmp_path, {"dem": dem}, block_km=0.7)[0]
    np.testing.assert_allclose(first.to_numpy(), second.to_numpy(), rtol=1e-5)


def test_no_more_than_a_tile_is_read_at_a_time(tmp_path, monkeypatch):
    dem = raster(tmp_path / "dem.tif", ground(np.random.default_rng(6), (1200, 1100)))
    area = box(X - 30, TOP - 1200 * SIDE, X - 30 + 1100 * SIDE, TOP)
    sizes = []
    values = zonal._values

    def watched(layer, source, window):
        sizes.append(window.width * window.height)
        return values(layer, source, window)

    monkeypatch.setattr(zonal, "_values", watched)
    bins, *_ = made(tmp_path, {"dem": dem}, area, block_km=10)
    assert bins["pixels"].sum() == pytest.approx(1200 * 1100, rel=1e-5)
    assert max(sizes) <= 512 * 512 < 1200 * 1100


def test_blocks_of_slumps_and_landscape_are_the_same():
    blocks = blocks_of(KITE, UTM, 250.0)
    inside = shapely.get_coordinates(blocks.shapes.representative_point().to_numpy())
    of_points, of_centres = spatial_blocks(250.0, inside, np.column_stack([blocks.x, blocks.y]))
    assert of_points.tolist() == of_centres.tolist() and len(set(of_centres)) == len(blocks.x)
    assert blocks.shapes.area.sum() == pytest.approx(KITE.area)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 1100), st.integers(0, 1100)), min_size=3, max_size=7), st.floats(90, 2000))
def test_blocks_cut_any_area_without_gap_or_overlap(corners, side):
    area = shapely.convex_hull(shapely.multipoints([(X + x, Y + y) for x, y in corners]))
    if area.area < 1:
        return
    shapes = blocks_of(area, UTM, side).shapes
    assert shapes.area.sum() == pytest.approx(area.area) and shapes.union_all().area == pytest.approx(area.area)


def test_aspect_in_winds_and_flat_ground(tmp_path):
    rng = np.random.default_rng(7)
    aspect = rng.uniform(0, 360, (45, 42)).astype(np.float32)
    aspect[:2, :5] = [337.5, 22.4, 0.0, 359.99, 22.5]
    slope = np.full(aspect.shape, 5.0, dtype=np.float32)
    slope[20:25], aspect[20:25] = 0, np.nan
    slope[30], aspect[30] = np.nan, np.nan
    layers = {"slope": raster(tmp_path / "slope.tif", slope), "aspect": raster(tmp_path / "aspect.tif", aspect)}
    area = box(X - 30, TOP - 45 * SIDE, X - 30 + 42 * SIDE, TOP)
    bins, facts, *_ = made(tmp_path, layers, area)
    names = pd.Series(aspect_class(aspect.ravel().astype(float))).value_counts()
    found = bins.loc["aspect", "pixels"]
    assert found.index.tolist() == ["N", "NE", "E", "SE", "S", "SW", "W", "NW", FLAT]
    assert found[FLAT] == pytest.approx(5 * 42)
    assert found.drop(FLAT).to_dict() == pytest.approx(names.to_dict())
    assert "does not cover this part" in reasons(facts, "aspect")[0]
    assert bins.loc[("aspect", "N"), ["low", "high"]].tolist() == [337.5, 22.5]
    coarse = raster(tmp_path / "coarse.tif", slope[::3, ::3], transform=from_origin(X - 30, TOP, 90, 90))
    other, facts, *_ = made(tmp_path, layers | {"slope": coarse}, area)
    assert other.loc[("aspect", FLAT), "pixels"] == 0 and "flat ground is not told" in reasons(facts, "aspect")[0]


def test_classes_in_degrees_have_the_area_of_the_plane(tmp_path):
    """Two halves of a raster in longitude and latitude, whose pixels have another size in every row."""
    to_degrees = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    west, south = to_degrees.transform(X - 200, Y - 200)
    codes = np.ones((40, 40), np.uint8)
    codes[:, 20:] = 7
    step = 0.0005
    transform = from_origin(west, south + 40 * step, step, step)
    (tmp_path / "legend.csv").write_text("code,name\n1,meadow\n7,steppe\n9,desert\n")
    path = raster(tmp_path / "vegetation.tif", codes, "EPSG:4326", transform, None)
    bins, *_ = made(tmp_path, {"vegetation": path, "vegetation_legend": tmp_path / "legend.csv"})
    middle = west + 20 * step
    half = gpd.GeoSeries([box(west, south, middle, south + 40 * step).segmentize(1e-4)], crs="EPSG:4326").to_crs(UTM)
    expected = half.intersection(KITE).area.iloc[0] / 1e6
    assert bins.loc[("vegetation", "meadow"), "area_km2"] == pytest.approx(expected, rel=1e-3)
    assert bins.loc["vegetation", "area_km2"].sum() == pytest.approx(KITE.area / 1e6, rel=1e-5)
    assert bins.loc[("vegetation", "desert"), "share"] == 0


def test_codes_of_one_name_are_one_class_and_codes_without_name_are_said(tmp_path):
    codes = np.repeat(np.array([1, 2, 3, 200], np.uint8), 12)[None].repeat(45, axis=0)
    (tmp_path / "legend.csv").write_text("code,name\n1,NA\n2,loam\n3,loam\n")
    path = raster(tmp_path / "soil.tif", codes, nodata=None)
    bins, facts, *_ = made(tmp_path, {"soil": path, "soil_legend": tmp_path / "legend.csv"})
    shares = pixel_shares(codes.shape)
    assert bins.loc["soil"].index.tolist() == ["NA", "loam", UNNAMED]
    assert bins.loc[("soil", "loam"), "pixels"] == pytest.approx(shares[:, 12:36].sum(), rel=1e-5)
    assert reasons(facts, "soil") == [f"values {UNNAMED}"]
    assert facts["omissions"][-1]["layer"] != "soil"


def test_what_is_missing_is_listed_with_its_area(tmp_path):
    values = ground(np.random.default_rng(8))
    values[:, :20] = np.nan
    away = write_lines(tmp_path / "roads.gpkg", LineString([(X + 5e5, Y), (X + 5e5, Y + 900)]))
    soil = raster(tmp_path / "soil.tif", np.zeros((45, 42), np.uint8), nodata=0)
    (tmp_path / "legend.csv").write_text("code,name\n1,loam\n")
    dem = raster(tmp_path / "dem.tif", values)
    layers = {"dem": dem, "roads": away, "soil": soil, "soil_legend": tmp_path / "legend.csv"}
    bins, facts, _, points = made(tmp_path, layers)
    missing = pixel_shares(values.shape)[:, :20].sum() * 9e-4
    [row] = [row for row in facts["omissions"] if row["layer"] == "elevation"]
    assert row["area_km2"] == pytest.approx(missing) and row["share"] == pytest.approx(missing * 1e6 / KITE.area)
    assert bins.loc["elevation", "share"].sum() == pytest.approx(1, abs=1e-5)
    assert reasons(facts, "soil") == ["the layer has no value in the study area"]
    assert reasons(facts, "roads") == ["none of the 1 lines of the layer runs through the study area"]
    for layer in ("slope", "aspect", "tpi", "pisr", "vegetation", "streams"):
        assert reasons(facts, layer) == ["the configuration has no such layer"]
    assert set(points) == {"x", "y", "elevation", "soil"}
    assert points["soil"].isna().all()


def write_lines(path, *lines):
    write_layer(gpd.GeoDataFrame(geometry=list(lines), crs=UTM), path)
    return path


def test_points_lie_in_the_area_with_the_values_of_their_cells(tmp_path):
    values = ground(np.random.default_rng(9))
    road = LineString([(X, Y + 300), (X + 1200, Y + 700)])
    (tmp_path / "legend.csv").write_text("code,name\n1,meadow\n2,steppe\n")
    codes = (1 + (np.indices((45, 42))[1] > 20)).astype(np.uint8)
    layers = {
        "dem": raster(tmp_path / "dem.tif", values),
        "roads": write_lines(tmp_path / "roads.gpkg", road),
        "vegetation": raster(tmp_path / "v.tif", codes, nodata=None),
        "vegetation_legend": tmp_path / "legend.csv",
    }
    *_, points = made(tmp_path, layers, points=500)
    places = points[["x", "y"]].to_numpy()
    assert len(points) == 500 and shapely.contains_xy(KITE, places).all()
    with rasterio.open(layers["dem"]) as source:
        assert points["elevation"].tolist() == [value for (value,) in source.sample(places)]
    with rasterio.open(layers["vegetation"]) as source:
        assert points["vegetation"].map({"meadow": 1, "steppe": 2}).tolist() == [v for (v,) in source.sample(places)]
    assert points["road_distance_m"].tolist() == pytest.approx(shapely.distance(shapely.points(places), road).tolist())
    again = made(tmp_path, layers, points=500)[3]
    pd.testing.assert_frame_equal(points, again)
    assert not made(tmp_path, layers, points=500, seed=2)[3]["x"].equals(points["x"])


def test_streams_end_where_the_elevation_model_does(tmp_path):
    values = ground(np.random.default_rng(10))
    values[:20] = np.nan
    stream = write_lines(tmp_path / "streams.gpkg", LineString([(X, Y), (X + 1200, Y + 900)]))
    *_, points = made(tmp_path, {"dem": raster(tmp_path / "dem.tif", values), "streams": stream})
    assert (points["stream_distance_m"].isna() == points["elevation"].isna()).all()
    assert points["elevation"].isna().any() and points["elevation"].notna().any()


def test_without_any_layer_there_are_points_and_reasons(tmp_path):
    bins, facts, blocks, points = made(tmp_path, {})
    assert len(bins) == len(blocks) == 0 and len(points) == 300 and len(facts["omissions"]) == 9
    assert facts["area_km2"] == pytest.approx(KITE.area / 1e6)


def test_classes_far_too_narrow_are_refused(tmp_path):
    values = ground(np.random.default_rng(11))
    values[20, 20] = 3e38
    with pytest.raises(InputError, match=r"elevation from .* has too many classes of 100"):
        made(tmp_path, {"dem": raster(tmp_path / "dem.tif", values)})


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.floats(-900, 900, width=32), min_size=1, max_size=20), min_size=1, max_size=5),
    st.sampled_from([1.0, 2.5, 45.0]),
    st.sampled_from([0.0, 22.5]),
)
def test_a_histogram_grows_to_any_value(tiles, step, shift):
    found = Histogram(2, step, shift)
    for values in tiles:
        cells = np.arange(len(values), dtype=np.int32)
        found.add(np.array([1]), np.array([0, len(values)]), cells, np.full(len(values), 0.5), np.array(values))
    every = np.concatenate(tiles)
    number, times = np.unique(np.floor((every + shift) / step).astype(int), return_counts=True)
    table = found.table()
    assert table.loc[0].sum() == 0
    assert {name: area for name, area in table.loc[1].items() if area > 0} == dict(zip(number, times / 2, strict=True))
    assert found.quantiles([0, 1]) == pytest.approx([every.min(), every.max()], abs=step / 100)
