"""What can be measured in a candidate's window: shape, ground, colour, edge, change over the years.

The numbers follow what experts look for (Xia et al. 2022, section 4.3): a headwall on the highest side, a colour that
differs from the ground around, an arcuate shaded headwall, retreat upslope. All are shares, degrees, metres, or
relative differences; NaN where something is not known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# The ground around, with which a candidate is compared, begins and ends at these distances from its edge, metres. The
# gap leaves out the bright rim and what the mapped edge misses.
RING_M = (9.0, 60.0)
# Where a headwall shows: so far inside the edge its shadow, so far outside its rim and what it retreats into.
WALL_M, RIM_M = 18.0, 15.0
# An edge is shaded where it is darker than the candidate by this share, in this many directions.
SHADED, SECTORS = 0.2, 36
# A year with a smaller valid share of the candidate and of its ring says nothing.
LEAST_VALID = 0.5
# Slopes below this have no direction, rise over run.
LEVEL = 1e-4


@dataclass(frozen=True)
class Patch:
    """A candidate and the ground around it, as arrays (rows, columns) of one window, rows from north to south.

    Args:
        cell: distance of neighbouring samples, metres.
        inside: the candidate.
        free: ground that belongs to no other candidate and to no known slump.
        depth: distance from the candidate's edge, metres, positive inside, negative outside.
        images: year to (3, rows, columns) float64, red, green, blue, 1..255; NaN = nodata.
        mapping_year: the year in which the candidate was mapped.
        rise: (east, north) rise of the ground over run; NaN where it is not known.
        height: height above the ground around, metres; NaN where it is not known.
    """

    cell: float
    inside: Mask
    free: Mask
    depth: Floats
    images: Mapping[int, Floats]
    mapping_year: int
    rise: tuple[float, float]
    height: float

    @property
    def ring(self) -> Mask:
        """The ground around that the candidate is compared with."""
        return self.free & (self.depth < -RING_M[0]) & (self.depth >= -RING_M[1])

    @property
    def steepness(self) -> float:
        """Rise over run; NaN where it is not known."""
        return math.hypot(*self.rise)

    @property
    def uphill(self) -> tuple[float, float] | None:
        """(east, north) of length 1; None where the ground is level or not known."""
        steep = self.steepness
        return (self.rise[0] / steep, self.rise[1] / steep) if steep > LEVEL else None

    def outward(self) -> Floats:
        """(2, rows, columns) east and north of the direction away from the candidate's middle, length 1 or 0."""
        away: Floats = np.stack(
            [-np.gradient(self.depth, self.cell, axis=1), np.gradient(self.depth, self.cell, axis=0)]
        )
        length = np.hypot(away[0], away[1])
        directions: Floats = np.divide(away, length, out=np.zeros_like(away), where=length > 1e-6)
        return directions

    def coordinates(self) -> tuple[Floats, Floats]:
        """East and north of each sample from the candidate's centre, metres."""
        rows, columns = self.inside.shape
        east, north = np.meshgrid(np.arange(columns) * self.cell, -np.arange(rows) * self.cell)
        return east - east[self.inside].mean(), north - north[self.inside].mean()


def measure(patch: Patch) -> dict[str, float]:
    """All that is measured in a candidate's window; NaN where something is not known."""
    return {**shape_of(patch), **ground_of(patch), **_looks(patch)}


def shape_of(patch: Patch) -> dict[str, float]:
    """Elongation, its direction against the slope, and how much wider the upper half is than the lower.

    - `elongation`: 0 (round) to 1 (a line), 1 - minor/major axis of the second moments.
    - `along_slope`: elongation times cos(2 angle between long axis and uphill): 1 down the slope, -1 along a contour.
    - `wide_head`: (spread across of the upper half - of the lower half) / their sum.
    """
    east, north = (values[patch.inside] for values in patch.coordinates())
    # A sample has a spread of its own, so that a line of samples is no line.
    own = patch.cell**2 / 12
    xx, yy, xy = np.mean(east**2) + own, np.mean(north**2) + own, np.mean(east * north)
    middle, half = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    elongation = 1 - math.sqrt((middle - half) / (middle + half))
    along = wide = math.nan
    if (up := patch.uphill) is not None:
        turn = math.atan2(2 * xy, xx - yy) - 2 * math.atan2(up[1], up[0])
        along = elongation * math.cos(turn)
        upslope, across = east * up[0] + north * up[1], np.abs(north * up[0] - east * up[1])
        upper = upslope > np.median(upslope)
        if upper.any() and not upper.all():
            head, toe = across[upper].mean() + patch.cell / 4, across[~upper].mean() + patch.cell / 4
            wide = float((head - toe) / (head + toe))
    return {"elongation": elongation, "along_slope": along, "wide_head": wide}


def ground_of(patch: Patch) -> dict[str, float]:
    """Slope (degrees), how far it faces north and east (-1 to 1, 0 where level), and height above the ground around."""
    up = patch.uphill
    known = math.isfinite(patch.steepness)
    level = 0.0 if known else math.nan
    return {
        "slope_deg": math.degrees(math.atan(patch.steepness)) if known else math.nan,
        "faces_north": -up[1] if up else level,
        "faces_east": -up[0] if up else level,
        "height_m": patch.height,
    }


_LOOKS = (
    "valid_years", "brightness", "redness", "blueness", "contrast", "patchiness",
    "wall_dark", "wall_arc", "wall_dark_uphill", "wall_toward_uphill", "rim_bright_uphill", "darker_uphill",
    "least_bare", "bared", "bared_sd", "newly_bare", "bared_upper", "bared_ahead", "bared_around",
)  # fmt: skip


MEASURED = ("elongation", "along_slope", "wide_head", "slope_deg", "faces_north", "faces_east", "height_m", *_LOOKS)


def _looks(patch: Patch) -> dict[str, float]:
    """What the images show: colour, edge, change."""
    found = dict.fromkeys(_LOOKS, math.nan)
    inside, ring = patch.inside, patch.ring
    seen = {year: image for year, image in sorted(patch.images.items()) if _shows(image, inside, ring)}
    found["valid_years"] = float(len(seen))
    now = seen.get(patch.mapping_year)
    if now is None:
        return found
    scale = _Bareness.of(now, inside, ring)
    bare = {year: scale.share(image, ring) for year, image in seen.items()}
    return {
        **found,
        **_colour(now, bare[patch.mapping_year], scale, inside, ring),
        **_edge(patch, now),
        **_change(patch, bare, scale.contrast),
    }


def _shows(image: Floats, inside: Mask, ring: Mask) -> bool:
    """Whether enough of the candidate and of the ground around has an image."""
    valid = np.isfinite(image[0])
    return bool(ring.any()) and bool(min(valid[inside].mean(), valid[ring].mean()) >= LEAST_VALID)


@dataclass(frozen=True)
class _Bareness:
    """How much a colour is that of the candidate rather than of the ground around, by Fisher's linear discriminant.

    Args:
        weights: (3,) of red, green and blue, scaled so that the candidate's mean lies at 1, the ground's at 0.
        contrast: distance of the two means in standard deviations of the ground and the candidate (Mahalanobis).
    """

    weights: Floats
    contrast: float

    @classmethod
    def of(cls, image: Floats, inside: Mask, ring: Mask) -> _Bareness:
        """The scale of the mapping year."""
        valid = np.isfinite(image[0])
        within, around = image[:, inside & valid], image[:, ring & valid]
        step = within.mean(axis=1) - around.mean(axis=1)
        # One grey value more of noise: even ground has no spread, and 8-bit values know no finer step.
        spread = (np.cov(within, bias=True) + np.cov(around, bias=True)) / 2 + np.eye(3)
        weights = np.linalg.solve(spread, step)
        reach = float(weights @ step)
        return cls(weights / max(reach, 1e-9), math.sqrt(max(reach, 0.0)))

    def share(self, image: Floats, ring: Mask) -> Floats:
        """(rows, columns) bareness, 0: as the ground around in the same year, 1: as the candidate when mapped."""
        around = np.nanmean(image[:, ring], axis=1)
        values: Floats = np.tensordot(self.weights, image - around[:, None, None], axes=1)
        return values


def _colour(image: Floats, bare: Floats, scale: _Bareness, inside: Mask, ring: Mask) -> dict[str, float]:
    """Colour against the ground around, in the mapping year; relative differences, -1 to 1."""
    within, around = np.nanmean(image[:, inside], axis=1), np.nanmean(image[:, ring], axis=1)
    light, base = within.mean(), around.mean()
    red, ground_red = within[0] / within.sum(), around[0] / around.sum()
    blue, ground_blue = within[2] / within.sum(), around[2] / around.sum()
    return {
        "brightness": float((light - base) / (light + base)),
        "redness": float((red - ground_red) / (red + ground_red)),
        "blueness": float((blue - ground_blue) / (blue + ground_blue)),
        "contrast": math.log1p(scale.contrast),
        "patchiness": float(np.nanstd(bare[inside])),
    }


def _edge(patch: Patch, image: Floats) -> dict[str, float]:
    """Shade and light along the edge, in the mapping year, relative to the candidate's own brightness.

    - `wall_dark`: how much darker than the candidate the darkest tenth of its edge is.
    - `wall_arc`: share of the upper edge (within 60 degrees of uphill) where a shaded wall stands, less that of the
      lower edge: an arcuate shaded headwall has 1.
    - `wall_dark_uphill`: first harmonic of the edge's darkness, uphill positive.
    - `wall_toward_uphill`: cosine of the angle between its darkest direction and uphill.
    - `rim_bright_uphill`: first harmonic of the brightness just outside.
    - `darker_uphill`: how darkness rises upslope over the whole candidate, per standard deviation of its length.
    """
    light = image.mean(axis=0)
    valid = np.isfinite(light)
    own = float(np.nanmedian(light[patch.inside]))
    dark = np.where(valid, 1 - light / own, 0.0)
    wall = patch.inside & valid & (patch.depth <= WALL_M)
    found = {"wall_dark": float(np.percentile(dark[wall], 90)) if wall.any() else math.nan}
    if (up := patch.uphill) is None:
        return found
    away = patch.outward()
    darkest = _harmonic(dark, away, wall)
    length = math.hypot(*darkest)
    uphill = darkest[0] * up[0] + darkest[1] * up[1]
    rim = patch.free & valid & (patch.depth < 0) & (patch.depth >= -RIM_M)
    bright = _harmonic(-dark, away, rim)
    east, north = patch.coordinates()
    own_ground = patch.inside & valid
    height = (east * up[0] + north * up[1])[own_ground]
    spread = max(float(height.std()), patch.cell / 4)
    return found | {
        "wall_arc": _arc(patch, dark, up),
        "wall_dark_uphill": uphill,
        "wall_toward_uphill": uphill / length if length > 1e-9 else 0.0,
        "rim_bright_uphill": bright[0] * up[0] + bright[1] * up[1],
        "darker_uphill": float(np.mean((height - height.mean()) * dark[own_ground]) / spread),
    }


def _arc(patch: Patch, dark: Floats, up: tuple[float, float]) -> float:
    """Share of the directions near uphill in which the edge is shaded, less that of those near downhill."""
    east, north = patch.coordinates()
    band = (patch.depth <= WALL_M) & (patch.depth >= -RING_M[0]) & (patch.inside | patch.free)
    turn = np.arctan2(north * up[0] - east * up[1], east * up[0] + north * up[1])[band]
    sector = np.floor((turn + np.pi) / (2 * np.pi) * SECTORS).astype(np.intp) % SECTORS
    shade: Floats = np.zeros(SECTORS)
    np.maximum.at(shade, sector, dark[band])
    centre = (np.arange(SECTORS) + 0.5) / SECTORS * 2 * np.pi - np.pi
    shaded = shade >= SHADED
    return float(shaded[np.abs(centre) < np.pi / 3].mean() - shaded[np.abs(centre) > 2 * np.pi / 3].mean())


def _harmonic(values: Floats, away: Floats, where: Mask) -> tuple[float, float]:
    """(east, north) first harmonic of values round the edge: their mean product with the outward direction."""
    if not where.any():
        return 0.0, 0.0
    east, north = away[:, where]
    level = values[where] - values[where].mean()
    return float(2 * np.mean(level * east)), float(2 * np.mean(level * north))


def _change(patch: Patch, bare: Mapping[int, Floats], contrast: float) -> dict[str, float]:
    """How the ground became bare, between the years before and those after the greatest step.

    - `least_bare`: mean bareness inside in the year with least.
    - `bared`: rise of the mean bareness inside.
    - `bared_sd`: the same in standard deviations of the ground's colour.
    - `newly_bare`: share of the candidate that became bare, less the share that ceased to be.
    - `bared_upper`: rise above the candidate's middle, rims included, less that below it.
    - `bared_ahead`: rise just outside the upper edge, less that outside the lower one: retreat upslope.
    - `bared_around`: spread of the rise in the ring: seasons, clouds.
    """
    inside = patch.inside
    means = np.array([np.nanmean(values[inside]) for values in bare.values()])
    found = {"least_bare": float(means.min())}
    if len(bare) < 2:
        return found
    steps = [means[year:].mean() - means[:year].mean() for year in range(1, len(means))]
    split = int(np.argmax(steps)) + 1
    images = list(bare.values())
    before, after = _mean_of(images[:split]), _mean_of(images[split:])
    rise = after - before
    known = np.isfinite(rise)
    within, ring = inside & known, patch.ring & known
    if not within.any() or not ring.any():
        return found
    became, ceased = (before < 0.5) & (after >= 0.5), (before >= 0.5) & (after < 0.5)
    found["bared"] = float(rise[within].mean())
    found["bared_sd"] = found["bared"] * contrast
    found["newly_bare"] = float(became[within].mean() - ceased[within].mean())
    found["bared_around"] = float(np.std(rise[ring]))
    if (up := patch.uphill) is not None:
        east, north = patch.coordinates()
        height = east * up[0] + north * up[1]
        near = patch.free & known & (patch.depth >= -RIM_M) | within
        away = patch.outward()
        facing = away[0] * up[0] + away[1] * up[1]
        growth = images[-1] - images[0]
        near &= np.isfinite(growth)
        rim = near & (patch.depth < 0)
        found["bared_upper"] = _mean(growth[near & (height > 0)]) - _mean(growth[near & (height <= 0)])
        found["bared_ahead"] = _mean(growth[rim & (facing > 0.5)]) - _mean(growth[rim & (facing < -0.5)])
    return found


def _mean_of(images: Sequence[Floats]) -> Floats:
    """Mean of the years that show a pixel; NaN where none does."""
    stack = np.stack(images)
    count = np.isfinite(stack).sum(axis=0)
    mean: Floats = np.divide(np.nansum(stack, axis=0), count, out=np.full(stack.shape[1:], np.nan), where=count > 0)
    return mean


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else math.nan
