"""The evaluation against cases counted by hand: missed, false, merged, small and outside slumps."""

from __future__ import annotations

import json

import geopandas as gpd
import pytest
from shapely.geometry import box

from slumpmap.inventory.evaluate import evaluate
from slumpmap.vector import write_layer

UTM = "EPSG:32646"
X, Y = 500_000.0, 3_840_000.0
MMU_HA = 0.05


def square(column, side=100.0, shift=0.0):
    """A square of `side` metres, 1 km from the next column."""
    west = X + 1000 * column + shift
    return box(west, Y, west + side, Y + side)


def layer(path, shapes, crs=UTM, **columns):
    write_layer(gpd.GeoDataFrame(columns, geometry=shapes, crs=UTM).to_crs(crs), path)
    return path


@pytest.fixture
def truth(tmp_path):
    """Five true slumps: 0 to 3 count, 4 is below the minimum mapping unit."""
    shapes = [*(square(column) for column in range(4)), square(4, side=20)]
    return layer(tmp_path / "truth.gpkg", shapes, landscape=["west", "west", "east", "east", "east"])


@pytest.fixture
def slumps(tmp_path):
    """Initially 0; then 1 with an IoU of 60/140, and a false one; then the one below the unit."""
    shapes = [square(0), square(1, shift=40), square(7), square(4, side=20)]
    return layer(tmp_path / "slumps.gpkg", shapes, iteration_found=[0, 1, 1, 2])


def test_iterations(slumps, truth):
    result = evaluate(slumps, truth, MMU_HA)
    assert (result["truth"], [row["iteration"] for row in result["iterations"]]) == (4, [0, 1, 2])
    counts = [[row[key] for key in ("mapped", "right", "found", "missed")] for row in result["iterations"]]
    assert counts == [[1, 1, 1, 3], [3, 2, 2, 2], [4, 3, 2, 2]]
    assert [row["recall"] for row in result["iterations"]] == pytest.approx([1 / 4, 2 / 4, 2 / 4])
    assert [row["precision"] for row in result["iterations"]] == pytest.approx([1, 2 / 3, 3 / 4])
    assert result["iterations"][2]["f1"] == pytest.approx(2 * 0.5 * 0.75 / 1.25)


def test_beyond_the_initial_labels(slumps, truth):
    """Three true slumps were not labelled, one of which was found; of three finds two are slumps."""
    first, *_, last = evaluate(slumps, truth, MMU_HA)["iterations"]
    assert last["recall_beyond_initial"] == pytest.approx(1 / 3)
    assert last["precision_beyond_initial"] == pytest.approx(2 / 3)
    assert (first["recall_beyond_initial"], first["precision_beyond_initial"]) == (0, None)


def test_at_iou(slumps, truth):
    """The shifted slump matches at 0.4 (60/140 = 0.43) and not at 0.5."""
    row = evaluate(slumps, truth, MMU_HA)["iterations"][1]["at_iou"]
    assert (row["0.4"]["recall"], row["0.5"]["recall"]) == pytest.approx((2 / 4, 1 / 4))
    assert (row["0.4"]["precision"], row["0.5"]["precision"]) == pytest.approx((2 / 3, 1 / 3))


def test_by_landscape(slumps, truth):
    groups = evaluate(slumps, truth, MMU_HA)["iterations"][1]["by_landscape"]
    assert groups == {
        "east": {"truth": 2, "found": 0, "recall": 0.0},
        "west": {"truth": 2, "found": 2, "recall": 1.0},
    }


def test_merged_slumps_are_both_found_and_match_neither(tmp_path, truth):
    merged = layer(tmp_path / "merged.gpkg", [box(X, Y, X + 1100, Y + 100)], iteration_found=[0])
    row = evaluate(merged, truth, MMU_HA)["iterations"][0]
    assert (row["mapped"], row["right"], row["found"]) == (1, 1, 2)
    assert row["at_iou"]["0.4"]["recall"] == 0


def test_a_shared_border_finds_nothing(tmp_path, truth):
    beside = layer(tmp_path / "beside.gpkg", [square(0, shift=100)], iteration_found=[0])
    row = evaluate(beside, truth, MMU_HA)["iterations"][0]
    assert (row["recall"], row["precision"], row["f1"]) == (0, 0, 0)


def test_area_limits_what_counts_not_what_overlaps(tmp_path, slumps, truth):
    """The area holds column 1 without the mapped one's centre: found from outside, and nothing mapped counts."""
    area = layer(tmp_path / "area.gpkg", [box(X + 1000, Y, X + 1060, Y + 100)])
    row = evaluate(slumps, truth, MMU_HA, area=area)["iterations"][2]
    assert (row["mapped"], row["found"], row["missed"]) == (0, 1, 0)
    assert (row["recall"], row["precision"], row["f1"]) == (1, None, None)


def test_models_are_scored_on_their_own(tmp_path, slumps, truth):
    first = layer(tmp_path / "first.gpkg", [square(0), square(2), square(8), square(9)])
    second = layer(tmp_path / "second.gpkg", [square(2), square(3)])
    models = evaluate(slumps, truth, MMU_HA, candidates=[first, second])["models"]
    assert [(row["iteration"], row["mapped"], row["right"], row["found"]) for row in models] == [
        (1, 4, 2, 2),
        (2, 2, 2, 2),
    ]
    assert [row["precision"] for row in models] == [0.5, 1.0]
    assert models[1]["by_landscape"]["west"]["recall"] == 0


def test_other_crs_and_file(tmp_path, truth):
    there = layer(tmp_path / "there.gpkg", [square(0)], "EPSG:4326", iteration_found=[0])
    result = evaluate(there, truth, MMU_HA, tmp_path / "evaluation.json")
    assert result["iterations"][0]["recall"] == 0.25
    assert json.loads((tmp_path / "evaluation.json").read_text()) == result


def test_nothing_mapped(tmp_path, truth):
    layer(tmp_path / "none.gpkg", [], iteration_found=[])
    row = evaluate(tmp_path / "none.gpkg", truth, MMU_HA)["iterations"][0]
    assert (row["recall"], row["precision"], row["found"]) == (0, None, 0)
