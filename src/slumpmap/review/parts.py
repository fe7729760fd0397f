"""Several slumps in one candidate: parts of one boundary, which must not share a border to be valid."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

# Half the width of the gap that is left between neighbours, metres: far below a pixel, far above rounding.
_HALF_GAP_M = 0.05


def side_by_side(parts: NDArray[np.object_]) -> shapely.MultiPolygon:
    """Polygons that lie side by side as one valid boundary.

    Cutting a polygon in two gives pieces with a common border, which no valid multipolygon may have. There a gap of a
    decimetre is opened, so that both pieces stay what they are.

    Args:
        parts: valid polygons without common ground.
    """
    together = shapely.multipolygons(parts)
    if together.is_valid:
        return together
    first, second = shapely.STRtree(parts).query(parts, predicate="intersects")
    first, second = first[first < second], second[first < second]
    borders = shapely.union_all(shapely.intersection(parts[first], parts[second]))
    opened = shapely.difference(parts, shapely.buffer(borders, _HALF_GAP_M))
    return shapely.multipolygons(shapely.get_parts(opened))
