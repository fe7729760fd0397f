"""Look-alikes: bare ground with the colours of slump floors that no slump has made."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
from scipy.ndimage import gaussian_filter
from scipy.special import ndtri
from shapely.geometry import LineString, Polygon, box

from slumpmap.demo import looks
from slumpmap.demo.landscape import Landscape, eastness, landscape_name
from slumpmap.demo.noise import Field
from slumpmap.demo.placing import Ground, Room
from slumpmap.demo.shapes import Outline, blob_outline, pit_outline, place
from slumpmap.demo.slumps import Skin, shares, skin_of
from slumpmap.demo.terrain import Terrain, gradient

POND, PIT, BAR, RIDGE, CUT = "drained pond", "borrow pit", "river bar", "bare ridge", "road cut"
KIND_SHARES = {POND: 0.33, PIT: 0.16, BAR: 0.16, RIDGE: 0.27, CUT: 0.08}
# How far the painted edge strays from the outline, metres.
RAGGED_M = {POND: 1.5, PIT: 0.5, BAR: 4.0, RIDGE: 9.0, CUT: 1.5}
MEDIAN_HA, LOG_SPREAD = 0.62, 1.0
SMALLEST_HA, LARGEST_HA = 0.06, 9.0
GAP_M = 14.0

_PLACE = 401
# A place and a direction for one object: easting, northing, azimuth in degrees.
Spot = tuple[float, float, float]


@dataclass(frozen=True)
class LookAlike:
    """One look-alike; fields as of a slump.

    Args:
        kind: a key of `KIND_SHARES`.
        x: easting of the centre, metres.
        y: northing of the centre, metres.
        azimuth: direction of the long axis, degrees clockwise from north.
        outline: in local coordinates.
        eastness: weight of landscape B, 0..1.
        skin: its look.
    """

    kind: str
    x: float
    y: float
    azimuth: float
    outline: Outline
    eastness: float
    skin: Skin

    def points(self) -> Field:
        """(n, 2) outline in map coordinates."""
        return place(self.outline.points, self.x, self.y, self.azimuth)

    def polygon(self) -> Polygon:
        """The outline as a polygon."""
        return Polygon(self.points())

    @property
    def landscape(self) -> str:
        """`A` or `B`."""
        return landscape_name(self.eastness)


class _Spots:
    """Draws likely places for each kind."""

    def __init__(self, terrain: Terrain, landscape: Landscape) -> None:
        self._ground = Ground(terrain.dem, landscape.bounds)
        rise_x, rise_y = (self._ground.of(rise) for rise in gradient(terrain.dem, 60.0))
        slope = np.degrees(np.arctan(np.hypot(rise_x, rise_y)))
        dem = terrain.dem.values.astype(np.float64)
        height = (dem - gaussian_filter(dem, 300.0 / terrain.dem.step))[self._ground.window]
        self._flat = np.cumsum(np.exp(-((slope / 2.5) ** 2)))
        self._ridge = np.cumsum(np.exp(np.clip(height / 4.0, -3.0, 3.0)) * np.exp(-((slope / 9.0) ** 2)))
        self._rivers = _lines([river.line for river in landscape.rivers], landscape)
        self._roads = _lines([road.line for road in landscape.roads], landscape)
        self._rise = rise_x, rise_y
        self._shares = {kind: _shares_of(self._rivers if kind == BAR else self._roads) for kind in (BAR, CUT, PIT)}

    def draw(self, kind: str, rng: np.random.Generator) -> Spot:
        """A place for an object of that kind."""
        if kind in (BAR, CUT, PIT):
            lines = self._rivers if kind == BAR else self._roads
            if lines:
                return self._beside(lines, kind, rng)
        x, y = self._ground.draw(self._ridge if kind == RIDGE else self._flat, rng)
        return x, y, rng.uniform(0.0, 360.0)

    def _beside(self, lines: list[LineString], kind: str, rng: np.random.Generator) -> Spot:
        line = lines[rng.choice(len(lines), p=self._shares[kind])]
        at = rng.random() * line.length
        here, ahead = line.interpolate(at), line.interpolate(min(at + 40.0, line.length))
        bearing = math.atan2(ahead.x - here.x, ahead.y - here.y)
        near, far = {BAR: (14.0, 110.0), CUT: (12.0, 30.0), PIT: (25.0, 420.0)}[kind]
        aside = rng.choice([-1.0, 1.0]) * rng.uniform(near, far)
        turn = rng.normal(0.0, 4.0 if kind == CUT else 12.0)
        x, y = here.x + aside * math.cos(bearing), here.y - aside * math.sin(bearing)
        return x, y, (math.degrees(bearing) + turn) % 360.0


def _shares_of(lines: list[LineString]) -> Field:
    """The share of each line in the length of all."""
    lengths = np.array([line.length for line in lines])
    return np.asarray(lengths / lengths.sum() if len(lines) else lengths)


def _lines(lines: list[LineString], landscape: Landscape) -> list[LineString]:
    """The parts of lines inside the study area."""
    inside = shapely.intersection(lines, box(*landscape.bounds))
    return [part for part in shapely.get_parts(inside) if isinstance(part, LineString) and part.length > 50.0]


_SHAPES: dict[str, Callable[[float, np.random.Generator], Outline]] = {
    POND: lambda area, rng: blob_outline(area, rng.uniform(1.0, 1.35), 0.06, rng),
    PIT: lambda area, rng: pit_outline(area, rng.uniform(1.0, 2.2), rng),
    BAR: lambda area, rng: blob_outline(area, rng.uniform(2.4, 5.0), 0.13, rng),
    RIDGE: lambda area, rng: blob_outline(area, rng.uniform(1.0, 2.4), 0.22, rng),
    CUT: lambda area, rng: blob_outline(area, rng.uniform(4.0, 8.0), 0.1, rng),
}


def make_lookalikes(terrain: Terrain, landscape: Landscape, count: int, room: Room) -> tuple[LookAlike, ...]:
    """Places about `count` look-alikes, the largest first, where the slumps left room."""
    rng = np.random.default_rng([landscape.seed, _PLACE])
    spots = _Spots(terrain, landscape)
    kinds = rng.permutation(np.repeat(list(KIND_SHARES), shares(count, list(KIND_SHARES.values()))))
    areas = np.clip(MEDIAN_HA * np.exp(LOG_SPREAD * ndtri((np.arange(count) + 0.5) / count)), SMALLEST_HA, LARGEST_HA)
    placed = []
    for area, kind in zip(areas[::-1], kinds, strict=True):
        # Cuts and bars are narrow, so a large one would be kilometres long.
        fitting = min(float(area), {BAR: 3.0, CUT: 1.0, PIT: 4.0}.get(str(kind), LARGEST_HA))
        found = _settle(str(kind), fitting, spots, landscape, room, rng)
        if found is not None:
            room.take(found.polygon())
            placed.append(found)
    placed.sort(key=lambda thing: (-thing.y, thing.x))
    return tuple(placed)


def _settle(
    kind: str, area_ha: float, spots: _Spots, landscape: Landscape, room: Room, rng: np.random.Generator
) -> LookAlike | None:
    """Tries places until one is free; None if none is."""
    outline = _SHAPES[kind](area_ha * 1e4, rng)
    skin = lookalike_skin(kind, rng)
    for _ in range(200):
        x, y, azimuth = spots.draw(kind, rng)
        shape = Polygon(place(outline.points, x, y, azimuth))
        if room.fits(shape, GAP_M):
            east = float(eastness(np.array([x]), np.array([y]), landscape.bounds, landscape.seed)[0])
            return LookAlike(kind, x, y, azimuth, outline, east, skin)
    return None


def lookalike_skin(kind: str, rng: np.random.Generator) -> Skin:
    """The look of a slump's floor without headwall and flow; some carry a weak shade on some side or wet hollows."""
    shade = looks.SHADED_STRENGTH if rng.random() < looks.SHADED_LOOKALIKES else 0.0
    wet = rng.uniform(*looks.WET_STRENGTH) if kind in (POND, PIT) and rng.random() < looks.WET_LOOKALIKES else 0.0
    return skin_of(shadow=shade, rim=0.0, floor=rng.uniform(0.8, 0.97), flow=0.0, rng=rng, wet=wet)
