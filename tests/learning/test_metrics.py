from __future__ import annotations

import subprocess
import sys

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from slumpmap.learning.metrics import (
    Overlaps,
    PixelCounts,
    PolygonScores,
    average_precision,
    block_bootstrap,
    block_numbers,
    boundary_counts,
    iou_average_precision,
    match_objects,
    pixel_counts,
    polygon_overlaps,
    polygon_scores,
    precision_recall,
    raster_objects,
    right_by_score,
    share,
    window_average_precision,
)

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


# Huang et al. (2020), doi 10.1016/j.rse.2019.111534: IoU threshold; TP, FP, FN; precision, recall, F1 as printed there.
PUBLISHED = [
    (0.8, (161, 94, 102), (0.631, 0.612, 0.622)),
    (0.4, (228, 27, 32), (0.894, 0.877, 0.885)),
    (0.0, (229, 26, 6), (0.898, 0.974, 0.935)),
]


@pytest.mark.parametrize(("threshold", "counts", "scores"), PUBLISHED)
def test_scores_of_published_counts(threshold: float, counts: tuple[int, int, int], scores: tuple[float, ...]) -> None:
    found = PolygonScores.of_counts(threshold, *counts)
    assert (found.precision, found.recall, found.f1) == pytest.approx(scores, abs=0.0006)


def test_counts_of_huang() -> None:
    # A polygon over two slumps is one true positive; at t = 0, neither slump is missed.
    truth = layer((0, 0, 10, 10), (10, 0, 20, 10), (50, 0, 60, 10), (80, 0, 90, 10))
    mapped = layer((0, 0, 20, 10), (50, 0, 60, 9), (100, 0, 110, 10))
    match = match_objects(mapped, truth)
    rows = polygon_scores(match.mapped_iou, match.truth_iou, (0.0, 0.4, 0.5, 0.8, 0.9))
    assert [(r.true_positives, r.false_positives, r.false_negatives) for r in rows] == [
        (2, 1, 1),
        (2, 1, 1),
        # IoU 0.5: not larger than the threshold, so wrong; not smaller either, so not missed.
        (1, 2, 1),
        (1, 2, 3),
        # IoU 0.9 at 0.9: neither right nor missed.
        (0, 3, 3),
    ]


def by_hand_huang(mapped_iou: list[float], truth_iou: list[float]) -> float:
    """The definition in loops: recall and precision at 26 thresholds, summed as rectangles."""
    area, recall_before = 0.0, 0.0
    for step in range(25, -1, -1):
        threshold = step / 25
        right = sum(iou > threshold for iou in mapped_iou)
        missed = sum(iou < threshold or iou == threshold == 0 for iou in truth_iou)
        recall = right / (right + missed) if right + missed else 0.0
        area += (recall - recall_before) * (right / len(mapped_iou))
        recall_before = recall
    return area


ious = st.lists(st.sampled_from([0.0, 0.03, 0.04, 0.3, 0.4, 0.55, 0.8, 0.97]), min_size=1, max_size=12)


@given(ious, ious)
def test_huang_average_precision_is_its_definition(mapped: list[float], truth: list[float]) -> None:
    found = iou_average_precision(np.array(mapped), np.array(truth))
    assert found == pytest.approx(by_hand_huang(mapped, truth))


def test_huang_average_precision_of_extremes() -> None:
    assert iou_average_precision(np.full(4, 0.97), np.full(4, 0.97)) == 1.0
    assert iou_average_precision(np.zeros(4), np.zeros(4)) == 0.0
    assert iou_average_precision(np.empty(0), np.zeros(4)) == 0.0
    assert iou_average_precision(np.ones(4), np.empty(0)) is None


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.7, 0.9]), st.booleans()), min_size=1, max_size=30))
def test_average_precision_is_that_of_scikit_learn(objects: list[tuple[float, bool]]) -> None:
    scores, right = np.array([o[0] for o in objects]), np.array([o[1] for o in objects])
    if not right.any():
        assert precision_recall(scores, right, 3).average_precision == 0.0
        return
    curve = precision_recall(scores, right, int(right.sum()))
    assert curve.average_precision == pytest.approx(average_precision_score(right, scores))
    # Slumps that nothing overlaps lower every recall alike.
    assert precision_recall(scores, right, 2 * int(right.sum())).average_precision == pytest.approx(
        average_precision_score(right, scores) / 2
    )
    assert np.all(np.diff(curve.score) < 0)
    assert np.all(np.diff(curve.recall) >= 0)


def test_a_second_object_on_a_slump_is_wrong() -> None:
    truth = layer((0, 0, 10, 10), (20, 0, 30, 10))
    mapped = layer((0, 0, 5, 10), (5, 0, 10, 10), (20, 0, 30, 10), (60, 0, 70, 10))
    scores = np.array([0.6, 0.9, 0.5, 0.7])
    assert right_by_score(scores, polygon_overlaps(mapped, truth)).tolist() == [False, True, True, False]
    curve = average_precision(scores, mapped, truth)
    assert curve.recall.tolist() == [0.5, 0.5, 0.5, 1.0]
    assert curve.precision.tolist() == [1.0, 0.5, 1 / 3, 0.5]
    assert curve.average_precision == pytest.approx(0.5 * 1.0 + 0.5 * 0.5)


def test_an_object_takes_the_slump_that_it_overlaps_best() -> None:
    overlaps = Overlaps(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0.2, 0.6, 0.3]))
    assert right_by_score(np.array([0.9, 0.8]), overlaps).tolist() == [True, True]
    assert right_by_score(np.array([0.9, 0.8]), overlaps, 0.3).tolist() == [True, False]


def test_pixels_by_hand() -> None:
    mapped = np.array([[1, 1, 0], [0, 255, 1]], dtype=np.uint8)
    truth = np.array([[1, 0, 1], [0, 1, 255]], dtype=np.uint8)
    counts = pixel_counts(mapped, truth)
    assert counts == PixelCounts(1, 1, 1)
    assert (counts.iou, counts.f1, counts.precision, counts.recall) == (pytest.approx(1 / 3), 0.5, 0.5, 0.5)
    assert PixelCounts().iou is None
    assert counts + PixelCounts(1, 0, 0) == PixelCounts(2, 1, 1)


def test_boundary_iou_by_hand() -> None:
    truth = np.zeros((30, 30), dtype=np.uint8)
    truth[5:25, 5:25] = 1
    mapped = np.roll(truth, 1, axis=1)
    # Rims of 1 px: 76 pixels each. In common: the long sides less a column each, that is 2 x 19.
    assert boundary_counts(mapped, truth, 1) == PixelCounts(38, 38, 38)
    assert boundary_counts(truth, truth, 3).iou == 1.0
    # So wide a rim is the whole: then it is the IoU of the areas.
    assert boundary_counts(mapped, truth, 10).iou == pixel_counts(mapped, truth).iou


def test_edge_of_the_raster_and_unknown_ground_are_no_outlines() -> None:
    whole = np.ones((12, 12), dtype=np.uint8)
    assert boundary_counts(whole, whole, 2) == PixelCounts()
    holed = whole.copy()
    holed[5:7, 5:7] = 255
    assert boundary_counts(holed, whole, 2) == PixelCounts()


masks = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).integers(0, 2, (9, 11)).astype(np.uint8))


@given(masks, masks, st.integers(1, 3))
def test_rims_against_distances_in_loops(mapped: NDArray[np.uint8], truth: NDArray[np.uint8], distance: int) -> None:
    def rim(mask: NDArray[np.uint8]) -> set[tuple[int, int]]:
        outside = np.argwhere(mask == 0)
        return {
            (int(r), int(c))
            for r, c in np.argwhere(mask == 1)
            if len(outside) and np.abs(outside - (r, c)).max(axis=1).min() <= distance
        }

    a, b = rim(mapped), rim(truth)
    assert boundary_counts(mapped, truth, distance) == PixelCounts(len(a & b), len(a - b), len(b - a))


def test_objects_of_a_window() -> None:
    label = np.zeros((8, 8), dtype=np.uint8)
    label[0:2, 0:2], label[5:7, 5:7], label[7, 0] = 1, 1, 255
    probability = np.full((8, 8), 0.1, dtype=np.float32)
    probability[0:2, 0:3], probability[2, 3], probability[7, 0] = 0.8, 0.5, 0.9
    # One object, joined by a corner, its last pixel at the threshold; that on unknown ground alone does not count.
    found = raster_objects(probability, label)
    assert found.scores == pytest.approx([(6 * 0.8 + 0.5) / 7])
    assert found.truth == 2
    assert found.overlaps.iou == pytest.approx([4 / 7])
    both = np.stack([probability, probability]), np.stack([label, label])
    # Two right of four slumps, nothing wrong.
    assert window_average_precision(*both) == pytest.approx(0.5)
    assert window_average_precision(*both, min_iou=0.6) == 0.0
    assert window_average_precision(both[0], np.zeros_like(both[1])) is None


def test_blocks_by_centroid() -> None:
    one, two = layer((0, 0, 10, 10), (990, 0, 1030, 10)), layer((5, 5, 15, 15), (-20, 0, -10, 10))
    first, second = block_numbers([one, two], 1000.0)
    assert first[0] == second[0]
    assert len({*first.tolist(), *second.tolist()}) == 3


def test_bootstrap_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for repeat in range(200):
        # 30 blocks of 4 rows that are all alike: the spread is that of 30 draws, not of 120.
        values = np.repeat(rng.normal(size=30), 4)
        interval = block_bootstrap(
            lambda rows, values=values: float(values[rows].mean()), [np.arange(120) // 4], repeat, repeats=200
        )
        assert interval is not None
        covered += interval[0] <= 0 <= interval[1]
    # 0.9 and three standard errors of 200 trials to either side; row by row it would be about 0.6.
    assert 0.83 <= covered / 200 <= 0.965


def test_bootstrap_without_evidence() -> None:
    assert block_bootstrap(lambda _: 1.0, [np.zeros(5, dtype=int)], 1) is None
    assert block_bootstrap(lambda _: None, [np.arange(5)], 1) is None
    flags = np.array([True, False])
    assert block_bootstrap(lambda rows: share(flags[rows]), [np.arange(2)], 1, repeats=50) == (0.0, 1.0)
