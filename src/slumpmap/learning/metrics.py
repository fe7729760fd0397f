"""Object metrics: how many slumps were found, and how many finds are slumps."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import STRtree


@dataclass(frozen=True)
class Match:
    """Mapped polygons compared with true ones, object by object.

    Attributes:
        mapped_iou: (mapped,) float64, largest IoU of each mapped polygon with a true one; 0 without overlap.
        truth_iou: (truth,) float64, largest IoU of each true polygon with a mapped one; 0 without overlap.
        mapped_right: (mapped,) bool, whether the mapped polygon overlaps a true one well enough.
        truth_found: (truth,) bool, whether a mapped polygon overlaps the true one well enough.
    """

    mapped_iou: NDArray[np.float64]
    truth_iou: NDArray[np.float64]
    mapped_right: NDArray[np.bool_]
    truth_found: NDArray[np.bool_]

    @property
    def recall(self) -> float | None:
        """Share of the true polygons that were found; None where there are none."""
        return float(self.truth_found.mean()) if self.truth_found.size else None

    @property
    def precision(self) -> float | None:
        """Share of the mapped polygons that are right; None where nothing was mapped."""
        return float(self.mapped_right.mean()) if self.mapped_right.size else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of recall and precision; None where either is, 0 where both are 0."""
        recall, precision = self.recall, self.precision
        if recall is None or precision is None:
            return None
        return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


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
    if mapped.crs is not None and truth.crs is not None and mapped.crs != truth.crs:
        truth = truth.to_crs(mapped.crs)
    found, true = np.asarray(mapped.geometry), np.asarray(truth.geometry)
    mapped_iou, truth_iou = np.zeros(len(found)), np.zeros(len(true))
    if len(found) and len(true):
        left, right = STRtree(true).query(found, predicate="intersects")
        common = shapely.area(shapely.intersection(found[left], true[right]))
        union = shapely.area(found[left]) + shapely.area(true[right]) - common
        iou = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
        np.maximum.at(mapped_iou, left, iou)
        np.maximum.at(truth_iou, right, iou)
    return Match(mapped_iou, truth_iou, mapped_iou > min_iou, truth_iou > min_iou)
