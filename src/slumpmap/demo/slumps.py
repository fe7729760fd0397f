"""Thaw slumps: where they lie, when they began, how they grow.

Shares and sizes follow the mapped corridor of Xia et al. (2022): 875 slumps, 1700 ha, mean 1.94 ha,
98.5 % under 10 ha; of 837 dated ones 306 began before 2016, 455 in 2016-2017, 21 in 2017-2018 and
55 in 2018-2019.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from shapely.geometry import Polygon

from slumpmap.demo import looks
from slumpmap.demo.landscape import Landscape, eastness, landscape_name
from slumpmap.demo.noise import Field, fbm_grid
from slumpmap.demo.placing import Ground, Room
from slumpmap.demo.shapes import Outline, place, slump_outline
from slumpmap.demo.terrain import Terrain, gradient

MAPPING_YEAR = 2019
BEFORE = "before 2016"
# Initiation group -> (first year in which the slump is seen, share).
INITIATION = {
    BEFORE: (0, 306 / 837),
    "2016-2017": (2017, 455 / 837),
    "2017-2018": (2018, 21 / 837),
    "2018-2019": (2019, 55 / 837),
}
SHARE_IN_A = 0.54
MEDIAN_HA, LOG_SPREAD = 1.02, 1.12
SMALLEST_HA, LARGEST_HA = 0.055, 23.5
STABLE_SHARE = 0.3
NEAREST_M = 10.0
CLOSE_PAIRS = 0.14

_CLUSTER, _PLACE = 301, 302


@dataclass(frozen=True)
class Skin:
    """How one object departs from its landscape's look.

    Args:
        shadow: strength of the headwall's shadow relative to the landscape's.
        rim: the same of the bright edge.
        floor: opacity of the bare floor over the sward, 0..1.
        flow: strength of the flow lines and of the wet-to-dry gradient relative to a slump's.
        brightness: of the floor relative to the landscape's.
        tint: per band, relative.
        wet: darkness of wet hollows on the floor, 0..1.
        seed: of the floor's texture.
    """

    shadow: float
    rim: float
    floor: float
    flow: float
    brightness: float
    tint: tuple[float, float, float, float]
    wet: float
    seed: int


@dataclass(frozen=True)
class Slump:
    """One slump.

    Args:
        id: `S0001` and so on.
        x: easting of the anchor, metres.
        y: northing of the anchor, metres.
        azimuth: direction uphill, from toe to headwall, degrees clockwise from north.
        outline: the outline in the mapping year.
        initiation: a key of `INITIATION`.
        rate: retreat a year relative to the reach of the headwall in the mapping year; 0: stable.
        eastness: weight of landscape B, 0..1.
        skin: its look.
    """

    id: str
    x: float
    y: float
    azimuth: float
    outline: Outline
    initiation: str
    rate: float
    eastness: float
    skin: Skin

    def exists(self, year: int) -> bool:
        """Whether the slump is there in the summer of a year."""
        return year >= INITIATION[self.initiation][0]

    def points(self, year: int) -> Field:
        """(n, 2) outline in map coordinates in a year, grown along the rays from the anchor."""
        years = year - MAPPING_YEAR
        growth = self.rate * years
        # Looking back, the retreat slows down so that no outline shrinks through its anchor.
        share = growth if years >= 0 else -0.75 * math.tanh(-growth / 0.75)
        return place(self.outline.points * (1.0 + share * self.outline.reach)[:, None], self.x, self.y, self.azimuth)

    def polygon(self, year: int) -> Polygon:
        """The outline in a year as a polygon."""
        return Polygon(self.points(year))

    @property
    def landscape(self) -> str:
        """`A` or `B`."""
        return landscape_name(self.eastness)


def sizes(count: int) -> Field:
    """Areas in hectares, log-normal, evenly spread over the quantiles so that small sets keep the tail."""
    quantiles = (np.arange(count) + 0.5) / count
    areas: Field = np.clip(MEDIAN_HA * np.exp(LOG_SPREAD * ndtri(quantiles)), SMALLEST_HA, LARGEST_HA)
    return areas


def shares(count: int, parts: Sequence[float]) -> NDArray[np.int64]:
    """Whole numbers that add up to `count` in proportion to `parts`, by largest remainder."""
    exact = count * np.asarray(parts) / sum(parts)
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(whole - exact, kind="stable")
    whole[order[: count - int(whole.sum())]] += 1
    return whole


class _Sites:
    """Draws places for slumps: gentle north-facing slopes, in clusters, each landscape by itself."""

    def __init__(self, terrain: Terrain, landscape: Landscape) -> None:
        self._rise = gradient(terrain.dem, 60.0)
        self._landscape = landscape
        self._ground = Ground(terrain.dem, landscape.bounds)
        weight = self._suitability()
        east = eastness(self._ground.x, self._ground.y, landscape.bounds, landscape.seed) >= 0.5
        self._totals = [np.cumsum(np.where(side, weight, 0.0)) for side in (~east, east)]

    def _suitability(self) -> Field:
        rise_x, rise_y = (self._ground.of(rise) for rise in self._rise)
        steepness = np.hypot(rise_x, rise_y)
        slope = np.degrees(np.arctan(steepness))
        # North-facing: uphill is south.
        northness = -rise_y / np.maximum(steepness, 1e-6)
        aspect = 0.06 + np.clip((northness + 0.3) / 1.3, 0.0, 1.0) ** 2
        shape, step = slope.shape, self._ground.step
        stream = 1000 * self._landscape.seed + _CLUSTER
        cluster = fbm_grid(shape, self._ground.x[0, 0], self._ground.y[0, 0], step, 1300.0, 2, stream)
        weight: Field = np.exp(-(((slope - 6.0) / 1.8) ** 2)) * aspect * np.exp(1.3 * cluster) + 1e-12
        return weight

    def draw(self, side: int, area_ha: float, placed: list[Slump], rng: np.random.Generator) -> tuple[float, float]:
        """A place in landscape A (side 0) or B (1); now and then right beside a slump that is there."""
        mates = [slump for slump in placed[-40:] if slump.landscape == "AB"[side]]
        if mates and rng.random() < CLOSE_PAIRS:
            mate = mates[rng.integers(len(mates))]
            radius = 0.75 * math.sqrt(Polygon(mate.outline.points).area) + 60.0 * math.sqrt(area_ha) + 30.0
            # Along the contour, where a neighbour finds the same slope.
            bearing = math.radians(mate.azimuth + rng.choice([-90.0, 90.0]) + rng.normal(0.0, 20.0))
            return mate.x + radius * math.sin(bearing), mate.y + radius * math.cos(bearing)
        return self._ground.draw(self._totals[side], rng)

    def uphill(self, x: float, y: float) -> float:
        """Direction of the steepest rise, degrees clockwise from north."""
        at_x, at_y = np.array([x]), np.array([y])
        return math.degrees(math.atan2(*(float(rise.at(at_x, at_y)[0]) for rise in self._rise))) % 360.0

    def eastness(self, x: float, y: float) -> float:
        """Weight of landscape B at a place."""
        return float(eastness(np.array([x]), np.array([y]), self._landscape.bounds, self._landscape.seed)[0])


def make_slumps(terrain: Terrain, landscape: Landscape, count: int, room: Room) -> tuple[Slump, ...]:
    """Places `count` slumps in the study area, the largest first, and marks their ground as taken.

    Raises:
        RuntimeError: the area has no room for so many slumps.
    """
    rng = np.random.default_rng([landscape.seed, _PLACE])
    sites = _Sites(terrain, landscape)
    in_a = round(SHARE_IN_A * count)
    sides = rng.permutation(np.repeat([0, 1], [in_a, count - in_a]))
    groups = rng.permutation(np.repeat(list(INITIATION), shares(count, [share for _, share in INITIATION.values()])))
    skins = slump_skins(count, rng)
    placed: list[Slump] = []
    for area, side, group, skin in zip(sizes(count)[::-1], sides, groups, skins, strict=True):
        placed.append(_settle(float(area), int(side), str(group), skin, sites, placed, room, rng))
        room.take(placed[-1].polygon(MAPPING_YEAR + 2))
    # From north to south, so that an id says nothing about the size.
    placed.sort(key=lambda slump: (-slump.y, slump.x))
    return tuple(replace(slump, id=f"S{number:04d}") for number, slump in enumerate(placed, 1))


def _settle(
    area_ha: float,
    side: int,
    group: str,
    skin: Skin,
    sites: _Sites,
    placed: list[Slump],
    room: Room,
    rng: np.random.Generator,
) -> Slump:
    """Tries places until one is free."""
    rate = _rate(group, area_ha, rng)
    for _ in range(5000):
        x, y = sites.draw(side, area_ha, placed, rng)
        east = sites.eastness(x, y)
        azimuth = (sites.uphill(x, y) + rng.normal(0.0, 8.0)) % 360.0
        slump = Slump("", x, y, azimuth, slump_outline(area_ha * 1e4, rng), group, rate, east, skin)
        if slump.landscape == "AB"[side] and room.fits(slump.polygon(MAPPING_YEAR + 2), NEAREST_M):
            return slump
    raise RuntimeError(f"no room for a slump of {area_ha:.2f} ha; choose another seed or a larger area")


def _rate(group: str, area_ha: float, rng: np.random.Generator) -> float:
    """Retreat a year relative to the headwall's reach: a third of the old ones have come to rest."""
    if group == BEFORE and rng.random() < STABLE_SHARE / INITIATION[BEFORE][1] * 0.4:
        return 0.0
    speed = rng.uniform(0.05, 0.11) if group == BEFORE else rng.uniform(0.09, 0.2)
    # The largest retreat by tens of metres, not by hundreds.
    return float(speed / max(1.0, (area_ha / 3.0) ** 0.3))


def slump_skins(count: int, rng: np.random.Generator) -> list[Skin]:
    """Looks of slumps: most typical, some with a faint shadow, some partly grown over."""
    faint, regreened = round(looks.FAINT_SHARE * count), round(looks.REGREENED_SHARE * count)
    kinds = rng.permutation(np.repeat([1, 2, 0], [faint, regreened, count - faint - regreened]))
    return [
        skin_of(
            shadow=looks.FAINT_SHADOW if kind == 1 else rng.uniform(0.85, 1.1),
            rim=looks.FAINT_SHADOW if kind == 1 else rng.uniform(0.7, 1.3),
            floor=looks.REGREENED_FLOOR if kind == 2 else rng.uniform(0.86, 0.97),
            flow=rng.uniform(0.7, 1.3),
            rng=rng,
        )
        for kind in kinds
    ]


def skin_of(shadow: float, rim: float, floor: float, flow: float, rng: np.random.Generator, wet: float = 0.0) -> Skin:
    """A skin with the object-to-object variation in brightness and tint, the same for all kinds of objects."""
    tint = 1.0 + looks.OBJECT_TINT * rng.normal(size=4)
    brightness = 1.0 + looks.OBJECT_BRIGHTNESS * float(np.clip(rng.normal(), -2.0, 2.0))
    blue, green, red, infrared = (float(value) for value in tint)
    return Skin(shadow, rim, floor, flow, brightness, (blue, green, red, infrared), wet, int(rng.integers(1 << 30)))
