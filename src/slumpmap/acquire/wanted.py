"""What a campaign wants of any provider: the area in longitude and latitude, the windows of time, the clouds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import shapely
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from slumpmap.grid import Grid

# Planet takes 1500 vertices; a search needs fewer.
_VERTICES = 500
# Sides are bent by the change of CRS: a point each 20 km keeps that under a metre.
_SIDE_M = 20_000.0


@dataclass(frozen=True)
class Wanted:
    """The images that a campaign looks for.

    Args:
        area: in longitude and latitude (WGS 84); covers the study area.
        windows: start and end (not in it) of each run of months, UTC, in order.
        max_cloud: largest cloud share of a scene, 0..1.
    """

    area: BaseGeometry
    windows: Sequence[tuple[datetime, datetime]]
    max_cloud: float


def wanted(
    grid: Grid, years: Sequence[int], months: Sequence[int], max_cloud: float, margin_m: float = 100.0
) -> Wanted:
    """What a campaign looks for.

    Args:
        grid: the campaign's grid.
        years: years to composite.
        months: months of acquisition, 1..12.
        max_cloud: largest cloud share of a scene, 0..1.
        margin_m: margin round the study area, metres.
    """
    return Wanted(lonlat_area(grid, margin_m), time_windows(years, months), max_cloud)


def time_windows(years: Sequence[int], months: Sequence[int]) -> list[tuple[datetime, datetime]]:
    """Start and end of each run of neighbouring months; a run does not reach over the turn of a year."""
    found: list[tuple[datetime, datetime]] = []
    for year in sorted(set(years)):
        for month in sorted(set(months)):
            first = datetime(year, month, 1, tzinfo=UTC)
            after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
            if found and found[-1][1] == first and found[-1][0].year == year:
                found[-1] = found[-1][0], after
            else:
                found.append((first, after))
    return found


def lonlat_area(grid: Grid, margin_m: float) -> BaseGeometry:
    """The study area with a margin, in longitude and latitude, with few enough vertices for any provider.

    Where it has too many it is drawn wider, never narrower.
    """
    area, tolerance = grid.area.buffer(margin_m, join_style="mitre"), max(margin_m, grid.resolution)
    while shapely.get_num_coordinates(area) > _VERTICES:
        area = area.simplify(tolerance).buffer(tolerance, join_style="mitre")
        tolerance *= 2
    bent = shapely.segmentize(area, _SIDE_M)
    if shapely.get_num_coordinates(bent) > 2 * _VERTICES:
        bent = area
    to_lonlat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    turned = shapely.transform(bent, lambda points: np.column_stack(to_lonlat.transform(*points.T)))
    # GeoJSON wants outer rings counter-clockwise (RFC 7946, 3.1.6).
    return shapely.orient_polygons(turned)
