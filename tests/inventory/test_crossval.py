"""Scores of a part of a cross-validation by hand, and the table of all parts."""

from __future__ import annotations

import csv
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from slumpmap.files import read_json
from slumpmap.inventory.crossval import score_part, write_table

CRS = "EPSG:32646"


def squares(*places: tuple[float, float, float]) -> list[shapely.Polygon]:
    """Squares by west, south and side, metres."""
    return [shapely.box(x, y, x + side, y + side) for x, y, side in places]


@pytest.fixture
def scored(tmp_path: Path) -> tuple[dict, Path]:
    """Slumps of 1 ha at 0, 1000, 2000 and 3000 m; the last is half outside, and what is left is mapped."""
    truth = gpd.GeoDataFrame(geometry=squares((0, 0, 100), (1000, 0, 100), (2000, 0, 100), (3000, 0, 100)), crs=CRS)
    shapes = [*squares((0, 0, 100), (1050, 0, 100)), shapely.box(3000, 0, 3050, 100), *squares((500, 500, 100))]
    mapped = gpd.GeoDataFrame({"score": [0.9, 0.8, 0.7, 0.95]}, geometry=shapes, crs=CRS)
    area = gpd.GeoDataFrame(geometry=[shapely.box(-100, -100, 3050, 1000)], crs=CRS)
    for name, layer in (("truth", truth), ("mapped", mapped), ("area", area)):
        layer.to_file(tmp_path / f"{name}.gpkg")
    files = (tmp_path / f"{name}.gpkg" for name in ("mapped", "truth", "area"))
    found = score_part(*files, 0.05, 1000.0, 10.0, 1, tmp_path / "scores.json", tmp_path / "curve.csv")
    return found, tmp_path


def test_scores_by_hand(scored: tuple[dict, Path]) -> None:
    found, folder = scored
    assert read_json(folder / "scores.json") == found
    assert (found["truth"], found["mapped"]) == (4, 4)
    # IoU of the mapped: 1, 1/3, 1 (cut at the edge, as the truth is), 0; the third slump is missed.
    counts = {row["threshold"]: [row[f"{n}_positives"] for n in ("true", "false")] for row in found["polygons"]}
    assert counts == {0.0: [3, 1], 0.4: [2, 2], 0.5: [2, 2], 0.8: [2, 2]}
    assert {row["threshold"]: row["false_negatives"] for row in found["polygons"]} == {0.0: 1, 0.4: 2, 0.5: 2, 0.8: 2}
    # In falling order of scores: wrong, right, right, right, of four slumps.
    assert found["ap_score"] == pytest.approx((1 / 2 + 2 / 3 + 3 / 4) / 4)
    # Huang: IoU falls to 0.96: 2 right, 2 missed -> 1/2 x 1/2; at 0.32: 3 right, 1 missed -> + 1/4 x 3/4.
    assert found["ap_huang"] == pytest.approx(0.5 * 0.5 + 0.25 * 0.75)
    for name, value in {"ap_huang": found["ap_huang"], "precision": 0.75, "recall": 0.75}.items():
        low, high = found["intervals"][name]
        assert low <= value <= high
    assert found["pixel_iou"] == pytest.approx((10000 + 5000 + 5000) / (35000 + 5000 + 10000))
    assert found["pixel_f1"] == pytest.approx(2 * 20000 / (35000 + 35000))
    # Rims of 10 m: 3600 m2 of a whole square, 2600 m2 of half a one; the shifted squares share two strips of 500 m2.
    assert found["boundary_iou"] == pytest.approx((3600 + 2600 + 1000) / (2 * 13400 - 7200))
    with (folder / "curve.csv").open() as handle:
        rows = [[float(value) for value in row.values()] for row in csv.DictReader(handle)]
    assert rows == [[0.95, 0.0, 0.0], [0.9, 0.5, 0.25], [0.8, pytest.approx(2 / 3), 0.5], [0.7, 0.75, 0.75]]


def test_table_of_parts(scored: tuple[dict, Path]) -> None:
    _, folder = scored
    write_table([folder / "scores.json"] * 2, folder / "table.csv")
    with (folder / "table.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["part"] for row in rows] == ["1", "2", "mean", "standard deviation"]
    assert float(rows[2]["precision_0"]) == 0.75
    assert float(rows[3]["precision_0"]) == 0.0
    assert len((folder / "table.md").read_text().splitlines()) == 6
