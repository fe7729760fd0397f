"""Comparison of inventories against cases counted by hand, brute force, and the ellipsoid."""

from __future__ import annotations

import json
import os
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely.geometry import LineString, Point, box

from slumpmap.cli import app
from slumpmap.errors import InputError
from slumpmap.figures.comparison import choose_examples, comparison_figures
from slumpmap.inventory.comparison import Rules, Zone, agreement, compare, equal_area_crs, f1_table
from slumpmap.inventory.comparison_files import compare_files, earlier, read_zone
from slumpmap.learning.metrics import match_objects
from slumpmap.vector import read_layer, write_layer

UTM = "EPSG:32646"
X, Y = 500_000.0, 3_840_000.0
ARCTIC = Path(__file__).parents[3] / "shared" / "data" / "vectors" / "arctic_rts.gpkg"


def shape(column: float, width: float = 100.0, shift: float = 0.0, height: float = 100.0):
    """A rectangle, 1 km from the next column."""
    west = X + 1000 * column + shift
    return box(west, Y, west + width, Y + height)


def layer(prefix: str, shapes, **columns) -> gpd.GeoDataFrame:
    ids = [f"{prefix}{number}" for number in range(len(shapes))]
    return gpd.GeoDataFrame({"id": ids} | columns, geometry=list(shapes), crs=UTM)


# Columns: 0 repeat, 1 merged, 2 split, 3 a corner only, 4 only A, 5 only B, 6 small activity on a scar, 7 a tangle.
A = [shape(0), shape(1, 40), shape(1, 40, 60), shape(2), shape(3), shape(4), shape(6), shape(7, 60), shape(7, 60, 80)]
B = [
    shape(0, shift=20),
    shape(1),
    shape(2, 30),
    shape(2, 30, 70),
    shape(3, shift=90),
    shape(5),
    shape(6, 20, 10),
    shape(7, 100, 30),
    shape(7, 60, 110),
]


@pytest.fixture
def result():
    return compare(layer("a", A), layer("b", B), in_order=True)


def test_relations_of_every_kind(result):
    relation = {(row.a_id, row.b_id): row.relation for row in result.pairs.itertuples()}
    assert relation == {
        ("a0", "b0"): "repeat",
        ("a1", "b1"): "merged",
        ("a2", "b1"): "merged",
        ("a3", "b2"): "split",
        ("a3", "b3"): "split",
        ("a4", "b4"): "accidental overlap",
        ("a6", "b6"): "stabilized",
        ("a7", "b7"): "unknown",
        ("a8", "b7"): "unknown",
        ("a8", "b8"): "unknown",
    }
    assert result.summary["relations"] == {
        "repeat": 1, "merged": 1, "split": 1, "stabilized": 1, "unknown": 1, "accidental overlap": 1,
    }  # fmt: skip
    assert result.summary["in_common"] == 5


def test_counts_in_common_and_alone(result):
    a, b = result.summary["a"], result.summary["b"]
    assert (a["slumps"], a["counterpart"], a["only_here"]) == (9, 7, 2)
    assert (b["slumps"], b["counterpart"], b["only_here"]) == (9, 7, 2)
    assert result.a.loc[~result.a["counterpart"], "id"].tolist() == ["a4", "a5"]
    assert result.b.loc[~result.b["counterpart"], "id"].tolist() == ["b4", "b5"]


def test_columns_of_arts(result):
    """The later slump names the earlier ones; the scar names the new slump on it."""
    a, b = result.a.set_index("id"), result.b.set_index("id")
    assert b.loc["b1", "MergedRTS"] == "a1,a2" and b.loc["b0", "RepeatRTS"] == "a0"
    assert b.loc[["b2", "b3"], "SplitRTS"].tolist() == ["a3", "a3"]
    assert b.loc["b6", "StabilizedRTS"] == "a6" and a.loc["a6", "NewRTS"] == "b6"
    assert b.loc["b4", "AccidentalOverlap"] == "a4" and b.loc["b7", "UnknownRelationship"] == "a7,a8"
    assert b.loc["b5", ["MergedRTS", "RepeatRTS", "AccidentalOverlap"]].isna().all()
    assert a["NewRTS"].notna().sum() == 1


def test_a_scar_needs_an_order_in_time_or_a_column():
    a, b = layer("a", A), layer("b", B)
    small = ("a6", "b6")
    relation = compare(a, b).pairs.set_index(["a_id", "b_id"]).loc[small]
    assert (relation["relation"], relation["basis"]) == ("repeat", "outlines")
    known = compare(a, b, stable=np.arange(len(a)) == 0).pairs.set_index(["a_id", "b_id"])
    assert tuple(known.loc[("a0", "b0"), ["relation", "basis"]]) == ("stabilized", "column")
    assert known.loc[small, "relation"] == "repeat"
    ordered = compare(a, b, in_order=True).pairs.set_index(["a_id", "b_id"])
    assert ordered.loc[small, "basis"] == "outlines and dates"
    wide = compare(a, b, in_order=True, rules=Rules(stable_share=0.19)).pairs.set_index(["a_id", "b_id"])
    assert wide.loc[small, "relation"] == "repeat"  # a fifth of the scar is covered


def test_shares_and_iou(result):
    pair = result.pairs.set_index(["a_id", "b_id"]).loc[("a0", "b0")]
    assert pair[["common_ha", "iou", "share_a", "share_b"]].tolist() == pytest.approx([0.8, 80 / 120, 0.8, 0.8])
    pair = result.pairs.set_index(["a_id", "b_id"]).loc[("a6", "b6")]
    assert pair[["iou", "share_a", "share_b"]].tolist() == pytest.approx([0.2, 0.2, 1.0])


def test_an_outline_drawn_twice_is_one_slump_and_merges_nothing():
    a = layer("a", [shape(0), shape(0, shift=5), shape(1)])
    result = compare(a, layer("b", [shape(0, 104), shape(1), shape(1)]))
    assert result.groups["relation"].tolist() == ["repeat", "repeat"]
    assert (result.summary["a"]["outlines"], result.summary["a"]["slumps"]) == (3, 2)
    assert (result.summary["b"]["outlines"], result.summary["b"]["slumps"]) == (3, 2)
    # Areas of a slump drawn twice do not add up.
    assert result.groups["area_a_ha"].tolist() == pytest.approx([1.0, 1.0])
    assert result.summary["areas"]["a_ha"] == pytest.approx(2.05)


def test_areas_by_hand():
    """100 m squares: 0 shifted by 20 m in B, 4 only in A, 5 only in B."""
    areas = compare(layer("a", [A[0], A[5]]), layer("b", [B[0], B[5]])).summary["areas"]
    assert areas == pytest.approx(
        {"a_ha": 2, "b_ha": 2, "common_ha": 0.8, "only_a_ha": 1.2, "only_b_ha": 1.2, "iou": 0.8 / 3.2}
    )


def test_agreement_by_hand():
    """Differences 1 and 3: mean 2, standard deviation sqrt 2; ratios 2 and 2."""
    found = agreement(np.array([1.0, 3.0]), np.array([2.0, 6.0]))
    assert (found["sum_a_ha"], found["sum_b_ha"], found["median_ratio"]) == (4, 8, 2)
    spread = 1.96 * np.sqrt(2)
    assert found["difference_ha"] == pytest.approx({"mean": 2, "lower": 2 - spread, "upper": 2 + spread})
    assert found["ratio"] == pytest.approx({"mean": 2, "lower": 2, "upper": 2})
    # The sign: B twice A is a ratio of 2 and a positive difference; limits widen with the spread of ratios.
    logs = np.array([0.1, 0.4, 0.7])
    ratio = agreement(np.ones(3), np.exp(logs))["ratio"]
    assert ratio["upper"] == pytest.approx(np.exp(0.4 + 1.96 * 0.3)) and ratio["lower"] < ratio["mean"]
    assert agreement(np.ones(1), np.ones(1))["ratio"] == {"mean": 1.0, "lower": None, "upper": None}
    assert agreement(np.empty(0), np.empty(0))["median_ratio"] is None


def test_f1_agrees_with_the_metrics_of_maps(result):
    a, b = layer("a", A), layer("b", B)
    table = f1_table(result.a["best_iou"].to_numpy(), result.b["best_iou"].to_numpy())
    for row in table:
        match = match_objects(b, a, row["iou"])
        assert (row["share_a"], row["share_b"], row["f1"]) == (match.recall, match.precision, match.f1)
    assert result.summary["at_iou"] == table
    assert f1_table(np.empty(0), np.array([0.5]))[0]["f1"] is None


boxes = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(1, 6), st.integers(1, 6)), min_size=0, max_size=7
)


@settings(max_examples=60)
@given(boxes, boxes)
def test_turned_round_and_brute_force(first, second):
    """A with B and B with A say the same, merged for split; links are those of a double loop; every slump counts."""
    a, b = (
        layer(name, [box(10 * x, 10 * y, 10 * (x + w), 10 * (y + h)) for x, y, w, h in sides])
        for name, sides in (("a", first), ("b", second))
    )
    here, there = compare(a, b), compare(b, a)
    turned = {"merged": "split", "split": "merged"}
    relation = {(row.a_id, row.b_id): row.relation for row in here.pairs.itertuples()}
    assert relation == {
        (row.b_id, row.a_id): turned.get(row.relation, row.relation) for row in there.pairs.itertuples()
    }
    for one, left in zip(a["id"], a.geometry, strict=True):
        for other, right in zip(b["id"], b.geometry, strict=True):
            common = left.intersection(right).area
            assert ((one, other) in relation) == (common > 0)
            if common:
                same = common / left.union(right).area >= 0.3 or common / min(left.area, right.area) >= 0.5
                assert (relation[one, other] != "accidental overlap") == same
    for counts in (here.summary["a"], here.summary["b"]):
        assert counts["counterpart"] + counts["only_here"] == counts["slumps"] <= counts["outlines"]
    areas = here.summary["areas"]
    assert areas["common_ha"] + areas["only_a_ha"] == pytest.approx(areas["a_ha"])


# --- the zone -------------------------------------------------------------------------------------------------------

ROAD = LineString([(X - 20_000, Y), (X + 20_000, Y)])


def test_zone_of_a_road_is_a_distance_on_both_sides():
    zone = Zone(roads=np.array([ROAD]), metres=5000)
    points = np.array([Point(X, Y + d) for d in (0, 4999, 5001, -4999, -5001)] + [Point(X + 24_999, Y)], dtype=object)
    assert zone.holds(points).tolist() == [True, True, False, True, False, True]
    assert zone.outline().area == pytest.approx(40_000 * 10_000 + np.pi * 5000**2, rel=1e-3)


def test_zone_of_road_and_area_is_what_both_hold():
    zone = Zone(box(X, Y - 9000, X + 10_000, Y + 9000), np.array([ROAD]), 5000)
    points = np.array([Point(X + 10, Y), Point(X - 10, Y), Point(X + 10, Y + 6000)], dtype=object)
    assert zone.holds(points).tolist() == [True, False, False]
    assert zone.outline().area == pytest.approx(1e8)
    assert Zone().holds(points).all() and Zone().outline() is None


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(-9e3, 9e3), st.floats(-9e3, 9e3)), min_size=1, max_size=20), st.floats(50, 5000))
def test_zone_agrees_with_distances(places, metres):
    roads = np.array([LineString([(0, 0), (3000, 4000)]), LineString([(3000, 4000), (3000, -5000)])])
    points = shapely.points(places)
    nearest = np.min([shapely.distance(points, road) for road in roads], axis=0)
    assert np.array_equal(Zone(roads=roads, metres=metres).holds(points), nearest <= metres)


def test_counterparts_are_looked_for_beyond_the_zone():
    """A's centre lies in the zone, B's beyond: A counts and has its counterpart; B does not count."""
    a, b = layer("a", [shape(0)]), layer("b", [shape(0, shift=20)])
    result = compare(a, b, Zone(box(X, Y, X + 60, Y + 100)))
    assert (result.summary["a"]["counterpart"], result.summary["b"]["slumps"]) == (1, 0)
    assert result.summary["b"]["outlines_outside"] == 1 and result.summary["in_common"] == 1
    assert result.summary["at_iou"][0]["share_a"] == 1 and result.summary["at_iou"][0]["share_b"] is None


def test_a_slump_lies_where_its_centroid_is():
    """The centre of gravity, as the paper measures distances from, also where a horseshoe does not cover it."""
    horseshoe = box(X, Y, X + 300, Y + 300).difference(box(X + 50, Y + 50, X + 250, Y + 300))
    row = compare(layer("a", [horseshoe]), layer("b", [shape(9)]), Zone(box(X + 60, Y + 60, X + 240, Y + 290)))
    assert row.summary["a"]["slumps"] == 1 and not horseshoe.covers(horseshoe.centroid)


def test_a_zone_that_cannot_be_is_refused(tmp_path):
    write_layer(gpd.GeoDataFrame(geometry=[ROAD], crs=UTM), tmp_path / "roads.gpkg")
    write_layer(gpd.GeoDataFrame(geometry=[], crs=UTM), tmp_path / "none.gpkg")
    with pytest.raises(InputError, match="holds nothing"):
        read_zone(None, tmp_path / "roads.gpkg", 0, UTM)
    with pytest.raises(InputError, match="no rows"):
        read_zone(None, tmp_path / "none.gpkg", 500, UTM)


# --- the plane ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("corner", [(92.0, 34.0), (179.9, 67.0), (-120.0, 73.0), (10.0, 89.0)])
def test_areas_are_those_of_the_ellipsoid(corner):
    """Also across the date line; the geodesic area is pyproj's own."""
    lon, lat = corner
    ring = shapely.segmentize(box(lon, lat, lon + 0.3, lat + 0.1), 0.002)
    # Beyond 180 degrees the file goes on at -180.
    wrapped = shapely.transform(ring, lambda xy: np.column_stack([(xy[:, 0] + 180) % 360 - 180, xy[:, 1]]))
    shapes = gpd.GeoDataFrame({"id": ["a"]}, geometry=[wrapped], crs="EPSG:4326")
    plane = shapes.to_crs(equal_area_crs(shapes))
    expected = abs(Geod(ellps="WGS84").geometry_area_perimeter(ring)[0])
    assert plane.area.iloc[0] == pytest.approx(expected, rel=1e-5)


def test_plane_is_centred_between_layers_on_both_sides_of_the_date_line():
    near = [gpd.GeoDataFrame(geometry=[box(lon, 67, lon + 0.01, 67.01)], crs="EPSG:4326") for lon in (179, -179.01)]
    assert "lon_0=180" in equal_area_crs(*near).replace("-180", "180")


# --- files, statement, figures --------------------------------------------------------------------------------------


@pytest.fixture
def campaign(tmp_path):
    """42 failures of others and 47 slumps of ours near a road, as in section 6.2 of Xia et al. (2022), more beyond."""
    rng = np.random.default_rng(5)
    west = X + np.arange(52) * 700.0
    theirs = [box(x, Y + 1000, x + 80, Y + 1090) for x in west[:42]] + [box(X, Y + 30_000, X + 80, Y + 30_090)]
    ours = [box(x + 9, Y + 1000, x + 95, Y + 1090) for x in west[3:50]] + [box(X, Y + 9_000, X + 80, Y + 9_090)]
    probability = ["high"] * 43 + ["low", "low", "medium", "medium"] + ["low"]
    gpd.GeoDataFrame({"name": [f"n{i}" for i in range(43)]}, geometry=theirs, crs=UTM).to_crs("EPSG:4326").to_file(
        tmp_path / "niu.shp"
    )
    write_layer(layer("s", rng.permutation(np.array(ours, dtype=object)[:47]).tolist() + ours[47:],
                      probability=probability), tmp_path / "ours.gpkg")  # fmt: skip
    road = LineString([(X - 5000, Y), (X + 50_000, Y)])
    write_layer(gpd.GeoDataFrame(geometry=[road], crs=UTM), tmp_path / "roads.gpkg")
    return tmp_path


def command(campaign, *options):
    files = [str(campaign / "niu.shp"), str(campaign / "ours.gpkg"), "--out", str(campaign / "out")]
    return CliRunner().invoke(app, ["compare", *files, *map(str, options)])


def test_statement_of_the_paper(campaign):
    done = command(campaign, "--road-buffer", campaign / "roads.gpkg", 5000, "--column-a", "id=name", "--note", "made")
    assert done.exit_code == 0, done.output
    for part in (
        "niu has 42 slumps in the zone of",
        "up to 5 km from the roads; ours has 47 slumps there",
        "Of those of ours, 4 have low or medium probability",
        "Of the former 39 have a counterpart and 3 none, of the latter 39 and 8.",
    ):
        assert part in done.output
    summary = json.loads((campaign / "out" / "comparison.json").read_text())
    assert summary["b"]["by_probability"] == {"high": 43, "medium": 2, "low": 2, "unknown": 0}
    assert summary["agreement"]["repeats"]["median_ratio"] == pytest.approx(86 / 80, rel=1e-3)
    assert summary["a"]["outlines_outside"] == 1 and summary["b"]["outlines_outside"] == 1
    assert len(pd.read_csv(campaign / "out" / "pairs.csv")) == 39
    slumps = read_layer(campaign / "out" / "slumps.gpkg", "slumps", columns=("inventory", "RepeatRTS", "NewRTS"))
    assert slumps["inventory"].value_counts().to_dict() == {"a": 43, "b": 48}
    page = (campaign / "out" / "comparison.md").read_text()
    assert "| repeat | 39 |" in page and "missing column" in page and "order in time is not known" in page


def test_without_a_zone_no_old_zone_stays(campaign):
    command(campaign, "--road-buffer", campaign / "roads.gpkg", 5000)
    assert (campaign / "out" / "zone.gpkg").exists()
    done = command(campaign, "--a-earlier")
    assert "niu has 43 slumps; ours has 48 slumps." in done.output
    assert not (campaign / "out" / "zone.gpkg").exists()
    assert "A is the earlier" in (campaign / "out" / "comparison.md").read_text()


def test_bad_options_are_refused(campaign):
    for options, fault in (
        (("--column-a", "id"), "no pair"),
        (("--crs", "EPSG:4326"), "not projected"),
        (("--stable-a", "active=no"), "lacks the column active"),
        (("--layer-b", "nothing"), "no such layer"),
    ):
        found = command(campaign, *options).exception
        assert isinstance(found, InputError) and fault in str(found)


def test_stable_column_and_other_plane(campaign):
    done = command(campaign, "--stable-a", "name=n5", "--crs", UTM)
    assert done.exit_code == 0, done.output
    summary = json.loads((campaign / "out" / "comparison.json").read_text())
    assert summary["relations"]["stabilized"] == 1 and summary["crs"] == UTM


def test_figures_are_equal_to_the_byte(campaign):
    command(campaign, "--road-buffer", campaign / "roads.gpkg", 5000, "--within", campaign / "niu.shp")
    out = campaign / "out"
    files = [out / f"{name}.{suffix}" for name in ("map", "areas", "examples") for suffix in ("png", "pdf")]
    first = [path.read_bytes() for path in files]
    comparison_figures(out, campaign / "roads.gpkg")
    assert first == [path.read_bytes() for path in files]
    assert all(len(content) > 8000 for content in first)


def test_nothing_in_common(tmp_path):
    for name, column in (("a", 0), ("b", 1)):
        write_layer(layer(name, [shape(column)]), tmp_path / f"{name}.gpkg")
    result = compare_files(tmp_path / "a.gpkg", tmp_path / "b.gpkg", tmp_path / "out")
    assert result.summary["in_common"] == 0 and result.summary["agreement"]["groups"]["median_ratio"] is None
    comparison_figures(tmp_path / "out")


def test_examples_begin_with_the_rare_relations(result):
    both = pd.concat([result.a.assign(inventory="a"), result.b.assign(inventory="b")], ignore_index=True)
    titles = [title for title, _ in choose_examples(both, result.groups)]
    assert titles == ["merged", "split", "stabilized", "unknown", "repeat", "only A"]


def test_dates_say_which_is_earlier():
    for first, second, expected in (
        (["2014-08-08"], ["2018-07-11"], True),
        (["2014"], ["2015"], True),
        (["2014", "2016-07-12"], ["2016-07-13"], True),
        (["2016"], ["2016-07-13"], False),
        (["2014-08-08"], ["2014-08-08"], False),
        (["2018"], ["2014"], False),
        (["2014", None], ["2018"], False),
        (["2009-2011"], ["2018"], False),
        ([], ["2018"], False),
    ):
        assert earlier(pd.Series(first, dtype=object), pd.Series(second, dtype=object)) is expected


@pytest.mark.shared
@pytest.mark.skipif(not ARCTIC.exists(), reason=f"needs the open data in {ARCTIC.parent}")
@pytest.mark.skipif("CI" in os.environ, reason="CI runs without ../shared")
def test_one_site_on_two_dates(tmp_path):
    """Slumps by the lower Lena grew from 2013 to 2018; the order is read from the dates."""
    where = "region = 'Lower_Lena' AND img_date = '{}'"
    options = [{"layer": "rts_multidate", "where": where.format(date)} for date in ("2013-07-27", "2018-06-21")]
    result = compare_files(ARCTIC, ARCTIC, tmp_path, *options, names=("2013", "2018"))
    summary = result.summary
    assert (summary["a"]["slumps"], summary["b"]["slumps"]) == (28, 18)
    assert summary["areas"]["a_ha"] == pytest.approx(27.0, abs=0.05)  # the authors' sum
    assert summary["agreement"]["repeats"]["ratio"]["mean"] > 1.2
    assert json.loads((tmp_path / "comparison.json").read_text())["a_earlier"] is True
