from __future__ import annotations

import subprocess
import sys

import geopandas as gpd
import pytest
import shapely

from slumpmap.learning.metrics import match_objects

CRS = "EPSG:32646"


def layer(*boxes: tuple[float, float, float, float]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(geometry=[shapely.box(*b) for b in boxes], crs=CRS)


def test_overlaps_counted_by_object() -> None:
    truth = layer((0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10))
    # The first half of a slump, one polygon over two slumps would be, one beside everything, one that only touches.
    mapped = layer((0, 0, 5, 10), (29, 0, 41, 10), (100, 0, 110, 10), (50, 0, 60, 10))
    match = match_objects(mapped, truth)
    assert match.truth_found.tolist() == [True, True, True]
    assert match.mapped_right.tolist() == [True, True, False, False]
    assert match.truth_iou == pytest.approx([0.5, 10 / 210, 10 / 210])
    assert match.recall == 1.0
    assert match.precision == 0.5
    assert match.f1 == pytest.approx(2 / 3)


def test_min_iou_is_exclusive() -> None:
    truth, mapped = layer((0, 0, 10, 10)), layer((0, 0, 5, 10))
    assert match_objects(mapped, truth, 0.49).recall == 1.0
    assert match_objects(mapped, truth, 0.5).recall == 0.0
    assert match_objects(mapped, truth, 0.5).f1 == 0.0


def test_empty_inputs() -> None:
    some, none = layer((0, 0, 10, 10)), layer()
    match = match_objects(none, some)
    assert (match.recall, match.precision, match.f1) == (0.0, None, None)
    match = match_objects(some, none)
    assert (match.recall, match.precision, match.f1) == (None, 0.0, None)
    assert match_objects(none, none).recall is None


def test_other_crs_is_brought_over() -> None:
    truth = layer((500000, 3839000, 500100, 3839100))
    assert match_objects(truth, truth.to_crs("EPSG:4326"), 0.99).recall == 1.0


def test_metrics_and_windows_do_not_import_torch() -> None:
    code = "import slumpmap.learning.metrics, slumpmap.learning.windows, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
