"""When a slump began and how it grew, measured in its yearly probabilities.

The probabilities of different years, networks and places are not on one scale: a faint slump stays below any fixed
threshold, and a dry summer lifts all of them. So each year is measured against itself, in log-odds: 0 is the *floor*,
the middle value of the ground round the slump, and 1 is the *level* that the slump itself reaches inside the
boundary. How far level and floor lie apart, the *contrast*, says whether the slump was there. Where the edge lies
between them is learnt from the mapping year, in which a person drew it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine
from scipy.ndimage import distance_transform_edt, map_coordinates
from scipy.special import expit
from shapely.affinity import affine_transform
from shapely.geometry import LineString
from shapely.geometry.base import BaseGeometry

from slumpmap.errors import InputError
from slumpmap.grid import HECTARE
from slumpmap.initiation import initiation_groups
from slumpmap.raster import PROBABILITY_NODATA, PROBABILITY_SCALE
from slumpmap.settings.review import GrowthSettings
from slumpmap.yearly import Yearly

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# The level is this quantile of the log-odds inside the boundary, so that a slump has one which began on a third of
# today's ground.
_LEVEL = 0.7
# The floor counts ground farther than this from the boundary, metres, and needs so many pixels.
_AWAY_M, _FLOOR_PX = 24.0, 30
# A contrast, in log-odds, is noise up to about 1; its logistic spread is 0.3 (synthetic corridor, seed 2).
_SEEN, _SPREAD = 1.0, 0.3
# A slump is there in a year whose contrast is this share of the mapping year's.
_THERE = 0.4
# Where the edge lies between floor and level where no mapping year tells, and how far that may move it.
_EDGE, _EDGE_LOW, _EDGE_HIGH = 0.6, 0.2, 0.9
# Parts of a pixel's side when the cover of a pixel is counted.
_PARTS = 4
# Share of the width, in the middle, in which the upslope edge counts as headwall where nobody drew one.
_MIDDLE = 0.6
_PROFILES = 3
# No measurement on images is surer than this, whatever the arithmetic says.
_SUREST = 0.99


@dataclass(frozen=True)
class YearArea:
    """The slump in one year.

    Attributes:
        year: the year.
        area_ha: its area, 0 where it is judged not to be there yet; None where too little ground is seen.
        share_valid: share of the boundary's ground that is seen.
    """

    year: int
    area_ha: float | None
    share_valid: float


@dataclass(frozen=True)
class Growth:
    """What is measured of one slump.

    Attributes:
        areas: one entry a year, rising.
        retreat_m_per_year: of the headwall upslope; None where it cannot be measured.
        retreat_low: the smallest between any two years; None with fewer than three of them. On two synthetic corridors
            four of five true retreats lay between the ends.
        retreat_high: the largest.
        initiation: the likeliest initiation group.
        confidence: the probability of that group, 0..0.99, if all groups are equally likely beforehand. On two
            synthetic corridors 109 of 109 were right from 0.95 on, 14 of 16 from 0.8 on, 9 of 12 below.
        note: the same in words.
    """

    areas: tuple[YearArea, ...]
    retreat_m_per_year: float | None
    retreat_low: float | None
    retreat_high: float | None
    initiation: str
    confidence: float
    note: str

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the review page."""
        return asdict(self) | {"areas": [asdict(area) for area in self.areas]}


class _Retreat(NamedTuple):
    """Metres a year upslope, with the ends of the interval."""

    rate: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class _Place:
    """A slump's ground.

    Attributes:
        scaled: (years, height, width) log-odds, 0 at the floor and 1 at the level of each year; NaN where nothing is
            seen, and in years without contrast.
        distance: (height, width) from the boundary, metres, 0 inside.
        pixels: pixels that the whole boundary covers, also beyond the ground that is known.
        share_valid: (years,) share of the boundary that is seen.
        contrast: (years,) how far the slump stands out, log-odds; NaN in years that show too little.
    """

    scaled: Floats
    distance: Floats
    pixels: float
    share_valid: Floats
    contrast: Floats


def measure(
    yearly: Yearly,
    boundary: BaseGeometry,
    headwall: LineString | None,
    uphill_deg: float | None,
    settings: GrowthSettings,
) -> Growth:
    """Measures a slump in the images of all years; takes milliseconds.

    Args:
        yearly: its yearly probabilities.
        boundary: its reviewed outline in the mapping year, polygons in the same CRS.
        headwall: its headwall, or None: the middle of the upslope edge is taken.
        uphill_deg: direction in which the ground rises, degrees clockwise from grid north; None: toward the
            headwall, and without one there is no retreat.
        settings: rims, and how much ground a year must show.

    Raises:
        InputError: the boundary is empty or lies elsewhere.
    """
    here = yearly.years.index(yearly.mapping_year)
    place = _look(yearly, boundary, settings)
    groups = initiation_groups(yearly.years, yearly.mapping_year)
    chances = _chances(place.contrast, here)
    first = int(np.argmax(chances))
    edge = _edge(place, here, settings.rim_m)
    # A slump of the first group is there in all years, one of the second from the second year on, and so on.
    there = np.isfinite(place.contrast) & (np.arange(len(yearly.years)) >= first)
    areas = _areas(yearly, place, there, edge, settings)
    retreat = _Retreat()
    direction = _direction(boundary, headwall, uphill_deg)
    if direction is not None:
        retreat = _retreat(_positions(yearly, boundary, headwall, direction, place, there, edge, settings))
    note = _note(areas, groups[first], float(chances[first]), retreat, direction, place.contrast[here])
    return Growth(areas, *retreat, groups[first], round(float(chances[first]), 3), note)


def _look(yearly: Yearly, boundary: BaseGeometry, settings: GrowthSettings) -> _Place:
    """Compares the ground inside the boundary with that around it, year by year."""
    if boundary.is_empty or boundary.area == 0:
        raise InputError("boundary", "it is empty", "draw an outline")
    cover = _cover(yearly, boundary)
    inside = cover >= min(0.5, cover.max())
    if not cover.any():
        raise InputError("boundary", "it lies outside the ground that the yearly images show", "draw it there")
    distance: Floats = distance_transform_edt(~inside, sampling=yearly.transform.a)
    seen = yearly.values != PROBABILITY_NODATA
    values = np.where(seen, yearly.values, 0).astype(np.float64)
    scaled = np.where(seen, np.log((values + 0.5) / (PROBABILITY_SCALE + 0.5 - values)), np.nan)
    contrast = np.full(len(seen), np.nan)
    for year in range(len(seen)):
        ground, away = inside & seen[year], (distance > _AWAY_M) & seen[year]
        if ground.sum() < settings.min_valid * inside.sum() or away.sum() < _FLOOR_PX:
            continue
        floor = np.median(scaled[year][away])
        contrast[year] = np.quantile(scaled[year][ground], _LEVEL) - floor
        scaled[year] = (scaled[year] - floor) / (contrast[year] if contrast[year] > 0 else np.nan)
    scaled[~np.isfinite(contrast)] = np.nan
    pixels = boundary.area / yearly.transform.a**2
    return _Place(scaled, distance, pixels, np.minimum((cover * seen).sum(axis=(1, 2)) / pixels, 1.0), contrast)


def _cover(yearly: Yearly, shape: BaseGeometry) -> Floats:
    """(height, width) share of each pixel that lies inside a polygon, in sixteenths."""
    height, width = yearly.values.shape[1:]
    fine = rasterize(
        [shape],
        (height * _PARTS, width * _PARTS),
        transform=yearly.transform @ Affine.scale(1 / _PARTS),
        dtype="uint8",
    )
    shares: Floats = fine.reshape(height, _PARTS, width, _PARTS).mean(axis=(1, 3))
    return shares


def _chances(contrast: Floats, here: int) -> Floats:
    """Probability of each initiation group, if all are equally likely beforehand.

    A year whose contrast is `_THERE` of the mapping year's is as likely one with the slump as without; a year that
    shows too little may be either. Where the networks hardly see the slump in the mapping year, no year counts.
    """
    reference = contrast[here]
    if not np.isfinite(reference):
        later = contrast[here:][np.isfinite(contrast[here:])]
        reference = later[0] if len(later) else 0.0
    there = expit((contrast[:here] - _THERE * reference) / _SPREAD)
    there = np.where(np.isfinite(there), there, 0.5)
    # Absent before its first year and there from it on.
    likely = np.append(np.cumprod(there[::-1])[::-1], 1.0) * np.append(1.0, np.cumprod(1.0 - there))
    visible = expit((reference - _SEEN) / _SPREAD)
    chances: Floats = visible * likely / likely.sum() + (1.0 - visible) / len(likely)
    return np.minimum(chances, _SUREST, dtype=np.float64)


def _edge(place: _Place, here: int, rim_m: float) -> float:
    """Where the slump ends between floor (0) and level (1): there the mapping year has as many pixels as drawn."""
    values = place.scaled[here][place.distance <= rim_m]
    values = np.sort(values[np.isfinite(values)])[::-1]
    if not len(values):
        return _EDGE
    drawn = min(round(place.pixels * place.share_valid[here]), len(values))
    return float(np.clip(values[drawn - 1], _EDGE_LOW, _EDGE_HIGH))


def _areas(yearly: Yearly, place: _Place, there: Mask, edge: float, settings: GrowthSettings) -> tuple[YearArea, ...]:
    """The area of each year: the drawn one, times the pixels of the year over those of the mapping year."""
    here = yearly.years.index(yearly.mapping_year)
    # What the networks hardly see in the mapping year has no area in another that could be believed.
    known = np.isfinite(place.contrast) & (place.share_valid >= settings.min_valid) & ~(place.contrast[here] < _SEEN)
    counts = np.zeros(len(yearly.years))
    for year in np.flatnonzero(there & known):
        near = place.distance <= settings.reach_m(yearly.years[year] - yearly.mapping_year)
        counts[year] = np.count_nonzero(place.scaled[year][near] > edge) / place.share_valid[year]
    scale = place.pixels / counts[here] if counts[here] > 0 else 1.0
    hectares = counts * scale * yearly.transform.a**2 / HECTARE
    return tuple(
        YearArea(year, round(float(area), 4) if sure else None, round(float(share), 3))
        for year, area, sure, share in zip(yearly.years, hectares, known, place.share_valid, strict=True)
    )


def _direction(boundary: BaseGeometry, headwall: LineString | None, uphill_deg: float | None) -> float | None:
    """Uphill, radians clockwise from north."""
    if uphill_deg is not None:
        return float(np.radians(uphill_deg))
    if headwall is None:
        return None
    toe, head = boundary.centroid, headwall.interpolate(0.5, normalized=True)
    return float(np.arctan2(head.x - toe.x, head.y - toe.y)) if head.distance(toe) > 0 else None


def _positions(
    yearly: Yearly,
    boundary: BaseGeometry,
    headwall: LineString | None,
    direction: float,
    place: _Place,
    there: Mask,
    edge: float,
    settings: GrowthSettings,
) -> Mapping[int, float]:
    """Year -> how far upslope of the drawn edge the slump ends, metres.

    Profiles run upslope, a pixel apart. On each, the slump ends where the log-odds fall below the edge for good; the
    position of a year is the middle value of the profiles that are seen in all years (else, in that year).
    """
    step = yearly.transform.a
    turned = _Turned.of(boundary, direction)
    width = _width(turned, boundary, headwall)
    across = np.arange(width[0] + step / 2, width[1], step)
    drawn = turned.reach(boundary, across)
    offsets: dict[int, Floats] = {}
    for year in np.flatnonzero(there):
        room = settings.reach_m(yearly.years[year] - yearly.mapping_year)
        up = np.arange(np.nanmin(drawn[0], initial=0.0), np.nanmax(drawn[1], initial=0.0) + room + step, step)
        values = turned.sample(yearly, place.scaled[year], across, up)
        offsets[yearly.years[year]] = _last_crossing(values, up, edge, drawn[0], drawn[1] + room) - drawn[1]
    if not offsets:
        return {}
    common = np.isfinite(np.stack(list(offsets.values()))).all(axis=0)
    everywhere = np.count_nonzero(common) >= _PROFILES
    found = {year: found[common if everywhere else np.isfinite(found)] for year, found in offsets.items()}
    return {year: float(np.median(values)) for year, values in found.items() if len(values) >= _PROFILES}


@dataclass(frozen=True)
class _Turned:
    """Metres across and up the slope, counted from a slump's centre.

    Attributes:
        x: easting of the centre.
        y: northing of the centre.
        sine: of the direction uphill, clockwise from north.
        cosine: likewise.
    """

    x: float
    y: float
    sine: float
    cosine: float

    @classmethod
    def of(cls, boundary: BaseGeometry, direction: float) -> _Turned:
        """Counted from the centre of a boundary, uphill in radians."""
        centre = boundary.centroid
        return cls(centre.x, centre.y, float(np.sin(direction)), float(np.cos(direction)))

    def turn(self, shape: BaseGeometry) -> BaseGeometry:
        """A shape in these coordinates (across, up)."""
        c, s = self.cosine, self.sine
        return affine_transform(shape, [c, -s, s, c, s * self.y - c * self.x, -s * self.x - c * self.y])

    def reach(self, boundary: BaseGeometry, across: Floats) -> tuple[Floats, Floats]:
        """Lowest and highest point of a boundary on each profile, metres up; NaN beside it."""
        turned = self.turn(boundary)
        _, low, _, high = turned.bounds
        ends = np.stack([np.column_stack([across, np.full(len(across), end)]) for end in (low - 1, high + 1)], axis=1)
        parts = shapely.bounds(shapely.intersection(turned, shapely.linestrings(ends)))
        return parts[:, 1], parts[:, 3]

    def sample(self, yearly: Yearly, values: Floats, across: Floats, up: Floats) -> Floats:
        """(profiles, steps) of a raster of the place, bilinear; NaN where a pixel is."""
        a, u = across[:, None], up[None, :]
        x, y = self.x + a * self.cosine + u * self.sine, self.y - a * self.sine + u * self.cosine
        column = (x - yearly.transform.c) / yearly.transform.a - 0.5
        row = (y - yearly.transform.f) / yearly.transform.e - 0.5
        sampled: Floats = map_coordinates(values, [row, column], order=1, mode="constant", cval=np.nan)
        return sampled


def _width(turned: _Turned, boundary: BaseGeometry, headwall: LineString | None) -> tuple[float, float]:
    """Stretch across the slope that counts as headwall."""
    if headwall is not None:
        left, _, right, _ = turned.turn(headwall).bounds
        return left, right
    left, _, right, _ = turned.turn(boundary).bounds
    spare = (1 - _MIDDLE) / 2 * (right - left)
    return left + spare, right - spare


def _last_crossing(values: Floats, up: Floats, edge: float, low: Floats, high: Floats) -> Floats:
    """Where each profile falls below the edge for the last time, metres up, between pixels by interpolation.

    NaN where it never exceeds it, and where a part of it is not seen.

    Args:
        values: (profiles, steps).
        up: (steps,) rising at equal steps.
        edge: the value at the edge.
        low: (profiles,) where profiles begin; NaN: there is none.
        high: (profiles,) where they end.
    """
    counts = (up >= low[:, None]) & (up <= high[:, None])
    hidden = (counts & ~np.isfinite(values)).any(axis=1)
    above = counts & (values > edge)
    last = values.shape[1] - 1 - np.argmax(above[:, ::-1], axis=1)
    here = np.take_along_axis(values, last[:, None], axis=1)[:, 0]
    following = np.minimum(last + 1, values.shape[1] - 1)
    after = np.take_along_axis(values, following[:, None], axis=1)[:, 0]
    # At the end of a profile the slump may go on.
    falls = np.isfinite(after) & (after <= edge) & (here > edge)
    part = np.where(falls, (here - edge) / np.where(falls, here - after, 1.0), 0.0)
    found = np.minimum(up[last] + part * (up[1] - up[0]), high)
    return np.where(above.any(axis=1) & ~hidden, found, np.nan)


def _retreat(positions: Mapping[int, float]) -> _Retreat:
    """The middle slope between any two years (Theil 1950); from three years on with the smallest and the largest."""
    pairs = combinations(sorted(positions), 2)
    slopes = [(positions[later] - positions[earlier]) / (later - earlier) for earlier, later in pairs]
    if not slopes:
        return _Retreat()
    ends = (round(min(slopes), 2), round(max(slopes), 2)) if len(positions) > 2 else (None, None)
    return _Retreat(round(float(np.median(slopes)), 2), *ends)


def _note(
    areas: Sequence[YearArea], group: str, chance: float, retreat: _Retreat, direction: float | None, contrast: float
) -> str:
    """What was measured, in words."""
    hidden = [str(area.year) for area in areas if area.area_ha is None]
    known = [area for area in areas if area.area_ha is not None]
    parts = [
        f"Began {group} ({chance:.0%} sure)."
        if group.startswith("before")
        else f"Began in {group} ({chance:.0%} sure)."
    ]
    if contrast < _SEEN:
        return f"{parts[0]} The model hardly sees it, even in the year in which it was drawn: judge by eye."
    grown = [area for area in known if area.area_ha]
    if len(grown) > 1:
        parts.append(f"{grown[0].area_ha:.2f} ha in {grown[0].year}, {grown[-1].area_ha:.2f} ha in {grown[-1].year}.")
    if retreat.rate is not None:
        between = "" if retreat.low is None else f" ({retreat.low:.1f} to {retreat.high:.1f})"
        parts.append(f"Its headwall moves {retreat.rate:.1f} m a year upslope{between}.")
    elif direction is None:
        parts.append("No retreat without an uphill direction or a headwall.")
    if hidden:
        parts.append(f"Too little to see in {', '.join(hidden)}.")
    return " ".join(parts)
