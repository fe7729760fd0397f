"""Boundaries that a reviewer draws: whether they are sound, how large they are, cuts and unions."""

from __future__ import annotations

import re
from dataclasses import dataclass

import geopandas as gpd
import shapely
from shapely.ops import polygonize

from slumpmap.grid import HECTARE


class EditError(Exception):
    """An edit that has no result; the message is for the reviewer."""


@dataclass(frozen=True)
class Facts:
    """What is said of a boundary while it is drawn.

    Args:
        valid: whether it can be kept.
        why: what is wrong with it, or None.
        area_ha: area in the plane of the campaign, ha; 0 where it is not valid.
        perimeter_m: metres.
        below_mmu: whether it is smaller than the minimum mapping unit.
        self_crossing_at: where it crosses itself, or None.
    """

    valid: bool
    why: str | None
    area_ha: float
    perimeter_m: float
    below_mmu: bool
    self_crossing_at: tuple[float, float] | None


def facts_of(boundary: shapely.Geometry, crs: str, area_crs: str | None, mmu_ha: float) -> Facts:
    """Soundness and size of a boundary.

    Args:
        boundary: polygon or polygons in `crs`.
        crs: the campaign's CRS.
        area_crs: CRS in which areas are taken; None: `crs`.
        mmu_ha: minimum mapping unit, ha.
    """
    reason = shapely.is_valid_reason(boundary)
    if boundary.is_empty or reason != "Valid Geometry":
        place = re.search(r"\[(\S+) (\S+)\]", reason)
        why = "it is empty" if boundary.is_empty else reason.split("[")[0].lower()
        crossing = (float(place[1]), float(place[2])) if place else None
        return Facts(False, why, 0.0, float(boundary.length), True, crossing)
    flat = boundary if area_crs is None else gpd.GeoSeries([boundary], crs=crs).to_crs(area_crs).iloc[0]
    area = float(flat.area) / HECTARE
    return Facts(True, None, area, float(boundary.length), area < mmu_ha, None)


def simplified(boundary: shapely.Geometry, resolution: float) -> shapely.Geometry:
    """The boundary with fewer corners, for drawing: no corner farther than a pixel from where it was.

    Candidates follow the pixels' edges, and nobody wants to move stairs.
    """
    return _sound(shapely.simplify(boundary, resolution))


def split(boundary: shapely.Geometry, line: shapely.Geometry) -> shapely.Geometry:
    """The pieces into which a line cuts a boundary, as one geometry of several parts.

    Raises:
        EditError: the line does not cut it.
    """
    edges = shapely.union_all([boundary.boundary, line])
    pieces = [piece for piece in polygonize(edges) if boundary.covers(piece.representative_point())]
    if len(pieces) <= shapely.get_num_geometries(boundary):
        raise EditError("The line must cross the outline from one side to the other.")
    return shapely.multipolygons(pieces)


def merge(boundary: shapely.Geometry, other: shapely.Geometry) -> shapely.Geometry:
    """The union with a neighbour; of several parts where they do not touch."""
    return _sound(shapely.union(boundary, other))


def repaired(boundary: shapely.Geometry) -> shapely.Geometry:
    """A valid boundary of the same ground, where the drawn one crosses itself.

    Raises:
        EditError: nothing of it has an area.
    """
    return _sound(shapely.make_valid(boundary, method="structure", keep_collapsed=False))


def _sound(shape: shapely.Geometry) -> shapely.Geometry:
    """The polygons of a geometry, a single one not wrapped.

    Raises:
        EditError: there is none.
    """
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon" and part.area > 0]
    if not parts:
        raise EditError("Nothing is left of the outline.")
    return parts[0] if len(parts) == 1 else shapely.multipolygons(parts)
