"""Metrics of maps: objects found, precision-recall curves, agreement of pixels and of outlines, intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage
from shapely import STRtree

from slumpmap.learning.windows import IGNORE, SLUMP

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.intp]

# The IoU thresholds that Huang et al. (2020) report, doi 10.1016/j.rse.2019.111534.
THRESHOLDS = (0.0, 0.4, 0.5, 0.8)
# Their average precision lowers the IoU threshold from 1 to 0 in this number of equal steps.
_IOU_STEPS = 25

# Pixels that touch by an edge or a corner belong to one object.
_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


class Overlaps(NamedTuple):
    """Pairs of a mapped and a true object that have an area in common, in any order.

    Attributes:
        mapped: (pairs,) row of the mapped object.
        truth: (pairs,) row of the true object.
        iou: (pairs,) float64, larger than 0.
    """

    mapped: Rows
    truth: Rows
    iou: Floats


@dataclass(frozen=True)
class Match:
    """Mapped polygons compared with true ones, object by object.

    Attributes:
        mapped_iou: (mapped,) float64, largest IoU of each mapped polygon with a true one; 0 without overlap.
        truth_iou: (truth,) float64, largest IoU of each true polygon with a mapped one; 0 without overlap.
        mapped_right: (mapped,) bool, whether the mapped polygon overlaps a true one well enough.
        truth_found: (truth,) bool, whether a mapped polygon overlaps the true one well enough.
    """

    mapped_iou: Floats
    truth_iou: Floats
    mapped_right: Flags
    truth_found: Flags

    @property
    def recall(self) -> float | None:
        """Share of the true polygons that were found; None where there are none."""
        return share(self.truth_found)

    @property
    def precision(self) -> float | None:
        """Share of the mapped polygons that are right; None where nothing was mapped."""
        return share(self.mapped_right)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of recall and precision; None where either is, 0 where both are 0."""
        return harmonic_mean(self.recall, self.precision)


def match_objects(mapped: gpd.GeoDataFrame, truth: gpd.GeoDataFrame, min_iou: float = 0.0) -> Match:
    """Compares mapped polygons with true ones.

    Two polygons match if their intersection over union is larger than `min_iou`; at 0, any overlap with
    an area counts, and a shared border does not. One polygon may match several.

    Args:
        mapped: polygons that were mapped, in any order; may be empty.
        truth: true polygons, brought to the CRS of `mapped` if need be; may be empty.
        min_iou: 0 (inclusive) to 1.

    Returns:
        Arrays in the order of the rows.
    """
    overlaps = polygon_overlaps(mapped, truth)
    mapped_iou, truth_iou = np.zeros(len(mapped)), np.zeros(len(truth))
    np.maximum.at(mapped_iou, overlaps.mapped, overlaps.iou)
    np.maximum.at(truth_iou, overlaps.truth, overlaps.iou)
    return Match(mapped_iou, truth_iou, mapped_iou > min_iou, truth_iou > min_iou)


def polygon_overlaps(mapped: gpd.GeoDataFrame, truth: gpd.GeoDataFrame) -> Overlaps:
    """Pairs of polygons that have an area in common; a shared border is none.

    Args:
        mapped: polygons that were mapped; may be empty.
        truth: true polygons, brought to the CRS of `mapped` if need be; may be empty.
    """
    if mapped.crs is not None and truth.crs is not None and mapped.crs != truth.crs:
        truth = truth.to_crs(mapped.crs)
    found, true = np.asarray(mapped.geometry), np.asarray(truth.geometry)
    left, right = STRtree(true).query(found, predicate="intersects")
    common = shapely.area(shapely.intersection(found[left], true[right]))
    shared = common > 0
    left, right, common = left[shared], right[shared], common[shared]
    return Overlaps(left, right, common / (shapely.area(found[left]) + shapely.area(true[right]) - common))


@dataclass(frozen=True)
class PolygonScores:
    """Counts and scores of polygons at one IoU threshold.

    Attributes:
        threshold: the IoU threshold.
        true_positives: mapped polygons that are right.
        false_positives: mapped polygons that are not.
        false_negatives: true polygons that were missed.
        precision: share of the mapped polygons that are right; None where nothing was mapped.
        recall: TP / (TP + FN); None where both counts are 0.
        f1: harmonic mean of both; None where either is, 0 where both are 0.
    """

    threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    precision: float | None
    recall: float | None
    f1: float | None

    @classmethod
    def of_counts(cls, threshold: float, right: int, wrong: int, missed: int) -> PolygonScores:
        """Scores that follow from the counts of true positives, false positives and false negatives."""
        precision, recall = _ratio(right, right + wrong), _ratio(right, right + missed)
        return cls(threshold, right, wrong, missed, precision, recall, harmonic_mean(precision, recall))


def polygon_scores(
    mapped_iou: Floats, truth_iou: Floats, thresholds: Sequence[float] = THRESHOLDS
) -> list[PolygonScores]:
    """Scores of polygons as Huang et al. (2020) count them, doi 10.1016/j.rse.2019.111534.

    A mapped polygon is a true positive if its largest IoU is larger than the threshold t, else a false
    positive. A true polygon is a false negative if its largest IoU is smaller than t; at t = 0, if it is 0.
    So a mapped polygon over two slumps is one true positive, and at t = 0 neither slump is missed.

    Args:
        mapped_iou: (mapped,) largest IoU of each mapped polygon with a true one, as in `Match`.
        truth_iou: (truth,) largest IoU of each true polygon with a mapped one.
        thresholds: IoU, 0 to 1.

    Returns:
        Scores at each threshold, in the same order.
    """
    right, missed = _right_and_missed(mapped_iou, truth_iou, np.asarray(thresholds, dtype=float))
    return [
        PolygonScores.of_counts(threshold, hits, len(mapped_iou) - hits, misses)
        for threshold, hits, misses in zip(thresholds, right.tolist(), missed.tolist(), strict=True)
    ]


def iou_average_precision(mapped_iou: Floats, truth_iou: Floats) -> float | None:
    """Average precision over IoU thresholds, as Huang et al. (2020) define it (their AP).

    The threshold falls from 1 to 0 in steps of 0.04; recall and precision are those of `polygon_scores`.
    AP is the sum over the steps of the rise in recall times the precision after it. It needs no scores of
    the polygons; compare `average_precision`.

    Args:
        mapped_iou: (mapped,) largest IoU of each mapped polygon with a true one, as in `Match`.
        truth_iou: (truth,) largest IoU of each true polygon with a mapped one.

    Returns:
        0 to 1; 0 where nothing was mapped, None where there is no truth.
    """
    if not len(truth_iou):
        return None
    if not len(mapped_iou):
        return 0.0
    # Whole numbers divided: adding up 0.04 would miss 0.4 and 0.8 by a rounding error.
    thresholds = np.arange(_IOU_STEPS, -1, -1) / _IOU_STEPS
    right, missed = _right_and_missed(mapped_iou, truth_iou, thresholds)
    recall = right / np.maximum(right + missed, 1)
    return float(np.sum(np.diff(recall) * right[1:] / len(mapped_iou)))


def _right_and_missed(mapped_iou: Floats, truth_iou: Floats, thresholds: Floats) -> tuple[Rows, Rows]:
    """(thresholds,) numbers of true positives and of false negatives."""
    right = (mapped_iou[:, None] > thresholds).sum(axis=0)
    below = (truth_iou[:, None] < thresholds).sum(axis=0)
    return right, np.where(thresholds > 0, below, np.sum(truth_iou == 0))


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision and recall of the objects that score at least so much.

    Attributes:
        score: (scores,) float64, the distinct scores, falling.
        precision: (scores,) float64, share of right ones among the objects with this score or a higher one.
        recall: (scores,) float64, share of the truth that these objects found.
        average_precision: area under the curve; 0 where nothing was mapped, None where there is no truth.
    """

    score: Floats
    precision: Floats
    recall: Floats
    average_precision: float | None


def average_precision(
    scores: NDArray[Any], mapped: gpd.GeoDataFrame, truth: gpd.GeoDataFrame, min_iou: float = 0.0
) -> PrecisionRecall:
    """Precision-recall curve of mapped polygons over their scores, and the area under it.

    Args:
        scores: (mapped,) score of each mapped polygon, such as its mean probability.
        mapped: polygons that were mapped; may be empty.
        truth: all true polygons; may be empty.
        min_iou: 0 (inclusive) to 1; a polygon that is right has a larger IoU.

    Returns:
        The curve of `precision_recall` with the polygons that `right_by_score` finds right.
    """
    right = right_by_score(scores, polygon_overlaps(mapped, truth), min_iou)
    return precision_recall(scores, right, len(truth))


def right_by_score(scores: NDArray[Any], overlaps: Overlaps, min_iou: float = 0.0) -> Flags:
    """Tells which mapped objects are right, if each true object may be found once.

    The objects choose in order of falling score; each takes the true object that it overlaps best among
    those not taken yet. Among equal scores, larger overlaps choose first. An object that finds nothing left
    is wrong: a second object on the same slump is a duplicate, and without this rule, cutting a slump into
    many objects would raise the precision.

    Args:
        scores: (mapped,) score of each mapped object.
        overlaps: the pairs that overlap.
        min_iou: 0 (inclusive) to 1; only pairs of a larger IoU count.

    Returns:
        (mapped,) bool.
    """
    enough = overlaps.iou > min_iou
    mapped, truth, iou = (values[enough] for values in overlaps)
    right = np.zeros(len(scores), dtype=bool)
    taken: set[int] = set()
    order = np.lexsort((-iou, -np.asarray(scores, dtype=float)[mapped]))
    # Each choice depends on those before it, hence a loop; there are about as many pairs as objects.
    for i, j in zip(mapped[order].tolist(), truth[order].tolist(), strict=True):
        if not right[i] and j not in taken:
            right[i] = True
            taken.add(j)
    return right


def precision_recall(scores: NDArray[Any], right: Flags, truth: int) -> PrecisionRecall:
    """Precision-recall curve over scores, and the area under it.

    The area is the sum over the distinct scores, falling, of the rise in recall times the precision after
    it: steps without interpolation, as scikit-learn's `average_precision_score`. Equal scores are one step.

    Args:
        scores: (mapped,) score of each object.
        right: (mapped,) bool, whether the object is right.
        truth: number of all true objects, found or not.
    """
    distinct, step = np.unique(-np.asarray(scores, dtype=float), return_inverse=True)
    mapped = np.cumsum(np.bincount(step, minlength=len(distinct)))
    found = np.cumsum(np.bincount(step, weights=right, minlength=len(distinct)))
    precision, recall = found / mapped, found / max(truth, 1)
    area = float(np.sum(np.diff(recall, prepend=0.0) * precision)) if truth else None
    return PrecisionRecall(-distinct, precision, recall, area)


@dataclass(frozen=True)
class PixelCounts:
    """Agreement of two masks; the counts of tiles add up.

    Attributes:
        true_positives: pixels in both masks.
        false_positives: pixels in the mapped mask alone.
        false_negatives: pixels in the true mask alone.
    """

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    def __add__(self, other: PixelCounts) -> PixelCounts:
        return PixelCounts(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
        )

    @property
    def iou(self) -> float | None:
        """Intersection over union; None where both masks are empty."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives + self.false_negatives)

    @property
    def precision(self) -> float | None:
        """Share of the mapped pixels that are true; None where nothing was mapped."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float | None:
        """Share of the true pixels that were mapped; None where there are none."""
        return _ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of recall and precision; None where either is, 0 where both are 0."""
        return harmonic_mean(self.precision, self.recall)


def pixel_counts(mapped: NDArray[Any], truth: NDArray[Any]) -> PixelCounts:
    """Compares two masks pixel by pixel.

    Args:
        mapped: (h, w) bool or uint8: 1 slump, 0 background, 255 not known.
        truth: (h, w) the same; pixels that either mask does not know are left out.
    """
    known = (mapped != IGNORE) & (truth != IGNORE)
    return _compared((mapped == SLUMP) & known, (truth == SLUMP) & known)


def boundary_counts(mapped: NDArray[Any], truth: NDArray[Any], distance: int) -> PixelCounts:
    """Compares two masks near their outlines; the `iou` of the result is the boundary IoU.

    Of each mask only those pixels count that lie within the distance of its own outline, see Cheng et al.
    (2021), doi 10.1109/CVPR46437.2021.01508. The distance is the larger of the steps in row and column,
    from the nearest pixel outside. The edge of the raster and that of unknown ground are no outlines, so
    that the counts of tiles can be summed (the authors' code does take the edge of the image for one).

    Args:
        mapped: (h, w) bool or uint8: 1 slump, 0 background, 255 not known.
        truth: (h, w) the same; pixels that either mask does not know are left out.
        distance: pixels, 1 or more.
    """
    known = (mapped != IGNORE) & (truth != IGNORE)
    return _compared(*(_rim((mask == SLUMP) | ~known, distance) & known for mask in (mapped, truth)))


def _rim(mask: Flags, distance: int) -> Flags:
    """Pixels of the mask that have a pixel outside the mask within the distance."""
    core: Flags = ndimage.minimum_filter(mask, size=2 * distance + 1, mode="constant", cval=1)
    return mask & ~core


def _compared(mapped: Flags, truth: Flags) -> PixelCounts:
    counts = (mapped & truth, mapped & ~truth, ~mapped & truth)
    return PixelCounts(*(int(np.count_nonzero(flags)) for flags in counts))


@dataclass(frozen=True)
class RasterObjects:
    """Connected groups of pixels, those that a network mapped and those of its label.

    Attributes:
        scores: (mapped,) float64, mean probability of each mapped object.
        truth: number of true objects.
        overlaps: pairs of objects that have pixels in common.
    """

    scores: Floats
    truth: int
    overlaps: Overlaps


def raster_objects(probability: NDArray[Any], label: NDArray[np.uint8], threshold: float = 0.5) -> RasterObjects:
    """Finds the objects of a window and compares them; pixels that touch by a corner belong together.

    Ignored pixels hold no object together or apart: a mapped object may run through them. They count
    neither in its score nor in an IoU, and an object that lies in ignored pixels alone does not count.

    Args:
        probability: (h, w) float32, 0 to 1.
        label: (h, w) uint8: 1 slump, 0 background, 255 ignored.
        threshold: probability from which a pixel is mapped.
    """
    known = label != IGNORE
    mapped = _numbered(probability >= threshold, known)
    truth = _numbered(label == SLUMP, known)
    mapped_px, truth_px = np.bincount(mapped[mapped >= 0]), np.bincount(truth[truth >= 0])
    both = (mapped >= 0) & (truth >= 0)
    pair, common = np.unique(mapped[both] * len(truth_px) + truth[both], return_counts=True)
    left, right = np.divmod(pair, max(len(truth_px), 1))
    overlaps = Overlaps(left, right, common / (mapped_px[left] + truth_px[right] - common))
    total = np.bincount(mapped[mapped >= 0], weights=probability[known][mapped >= 0])
    return RasterObjects(total / mapped_px, len(truth_px), overlaps)


def _numbered(mask: Flags, known: Flags) -> Rows:
    """(known pixels,) number of the object that each belongs to, 0 .. count - 1 without a gap; -1 for none."""
    numbers = ndimage.label(mask, structure=_EIGHT_NEIGHBOURS)[0][known]
    present = np.bincount(numbers, minlength=1) > 0
    present[0] = False
    without_gap: Rows = np.where(present, np.cumsum(present) - 1, -1)[numbers]
    return without_gap


def window_average_precision(
    probabilities: NDArray[Any], labels: NDArray[np.uint8], threshold: float = 0.5, min_iou: float = 0.0
) -> float | None:
    """Average precision of the objects in windows, over their scores, all windows together.

    Args:
        probabilities: (n, h, w) float32, 0 to 1.
        labels: (n, h, w) uint8: 1 slump, 0 background, 255 ignored.
        threshold: probability from which a pixel is mapped.
        min_iou: 0 (inclusive) to 1; an object that is right has a larger IoU.

    Returns:
        The area of `precision_recall`; None where the labels hold no slump.
    """
    windows = [raster_objects(*window, threshold) for window in zip(probabilities, labels, strict=True)]
    # Objects of different windows never overlap: matched window by window is matched all together.
    right = [right_by_score(window.scores, window.overlaps, min_iou) for window in windows]
    scores = [window.scores for window in windows]
    truth = sum(window.truth for window in windows)
    return precision_recall(np.concatenate(scores), np.concatenate(right), truth).average_precision if truth else None


def block_numbers(layers: Sequence[gpd.GeoDataFrame], block_m: float) -> list[Rows]:
    """Numbers of the square blocks that hold the polygons' centroids.

    Args:
        layers: polygons, all in one projected CRS; any may be empty.
        block_m: side of a block, metres (units of the CRS); corners lie at whole multiples.

    Returns:
        (rows,) numbers for each layer, the same number for the same block. Blocks that hold a polygon of any
        layer are numbered without a gap.
    """
    centres = [shapely.get_coordinates(shapely.centroid(np.asarray(layer.geometry))) for layer in layers]
    corners = np.floor(np.concatenate(centres) / block_m)
    numbers = np.unique(corners, axis=0, return_inverse=True)[1].reshape(-1)
    return np.split(numbers, np.cumsum([len(layer) for layer in layers])[:-1])


def block_bootstrap(
    statistic: Callable[..., float | None],
    blocks: Sequence[Rows],
    seed: int,
    repeats: int = 1000,
    level: float = 0.9,
) -> tuple[float, float] | None:
    """Interval of a statistic by drawing whole spatial blocks, with replacement (percentile bootstrap).

    Neighbouring slumps resemble each other; drawn one by one they would pass for more evidence than they
    are. Percentile intervals: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.

    Any statistic of rows will do. One of mapped and true polygons:
    `lambda m, t: iou_average_precision(match.mapped_iou[m], match.truth_iou[t])` with the blocks of both
    layers. One of counts, summed over blocks: `lambda b: f1(counts[b].sum(axis=0))` with
    `[np.arange(len(counts))]`.

    Args:
        statistic: function of the drawn rows of each layer, one array a layer, a row as often as its block
            was drawn; None where undefined, which leaves that draw out.
        blocks: (rows,) block number of each row, for each layer, as `block_numbers` gives them.
        seed: of the draws.
        repeats: number of draws.
        level: share of the draws that the interval holds.

    Returns:
        Lower and upper end; None with fewer than two blocks, or where no draw has a value.
    """
    known = np.unique(np.concatenate(blocks))
    if len(known) < 2:
        return None
    places = [np.searchsorted(known, layer) for layer in blocks]
    times = np.random.default_rng(seed).multinomial(len(known), np.full(len(known), 1 / len(known)), size=repeats)
    values = [statistic(*(np.repeat(np.arange(len(place)), drawn[place]) for place in places)) for drawn in times]
    defined = [value for value in values if value is not None]
    if not defined:
        return None
    lower, upper = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(lower), float(upper)


def share(flags: Flags) -> float | None:
    """Share of the flags that are set; None where there are none."""
    return float(flags.mean()) if flags.size else None


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def harmonic_mean(one: float | None, other: float | None) -> float | None:
    """Harmonic mean of two shares, as F1 is of precision and recall; None where either is, 0 where both are 0."""
    if one is None or other is None:
        return None
    return 2 * one * other / (one + other) if one + other else 0.0
