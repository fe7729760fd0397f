"""Whether slumps lie in clusters: Ripley's K and L, and distances to the nearest neighbour, in a study area."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from shapely.geometry.base import BaseGeometry

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ripley:
    """Ripley's L of slumps against complete randomness.

    Attributes:
        table: one row a distance: `r` (metres), `k` (square metres), `l` (metres), `l_minus_r`, `slumps` (that are
            farther than r from the edge of the area, which is what counts), `lower` and `upper` (pointwise envelope of
            l - r of the simulations), `finding`: clustered above it, regular below, else random.
        p: of the whole curve: share of curves, simulations and slumps together, whose largest distance from the
            simulations' mean is as large (maximum absolute deviation; Ripley 1977, Journal of the Royal Statistical
            Society B 39, 172-212; Baddeley et al. 2014, Ecological Monographs 84, 477-489).
        outside: slumps outside the area, which do not count.
    """

    table: pd.DataFrame
    p: float
    outside: int


@dataclass(frozen=True)
class NearestNeighbour:
    """Clark and Evans' ratio of slumps.

    Attributes:
        mean_m: mean distance to the nearest other slump, metres.
        expected_m: mean of the same in simulations in the area, which lets for its edge.
        ratio: of both; below 1 slumps lie in clusters, above 1 they keep apart.
        uncorrected: the ratio with 0.5 / sqrt(density) for the expectation (Clark and Evans 1954, Ecology 35,
            445-453), which is right in a plane without end only.
        p: two-sided, from the simulations.
        slumps: number of slumps in the area.
        outside: slumps outside the area, which do not count.
    """

    mean_m: float
    expected_m: float
    ratio: float
    uncorrected: float
    p: float
    slumps: int
    outside: int


def ripley(
    xy: Floats, area: BaseGeometry, distances: Floats, seed: int, simulations: int = 199, level: float = 0.95
) -> Ripley:
    """Ripley's K and L with the border correction, against points at random in the area.

    Args:
        xy: (slumps, 2) metres.
        area: study area, polygon in the same CRS.
        distances: (distances,) rising, metres; well below half the area's width, for farther from the edge than r no
            slump may be left.
        seed: of the simulations.
        simulations: number of simulated patterns.
        level: share of the simulations within the pointwise envelope.

    Raises:
        ValueError: fewer than three slumps lie in the area.
    """
    inside = xy[shapely.contains_xy(area, *xy.T)]
    _check_number(len(inside))
    r = np.asarray(distances, dtype=float)
    k, counted = border_k(inside, area, r)
    centred = np.sqrt(k / np.pi) - r
    rng = np.random.default_rng(seed)
    simulated = np.array(
        [np.sqrt(border_k(random_points(area, len(inside), rng), area, r)[0] / np.pi) - r for _ in range(simulations)]
    )
    ends = [(1 - level) / 2, (1 + level) / 2]
    with np.errstate(invalid="ignore"):
        lower, upper = np.quantile(simulated, ends, axis=0)
    table = pd.DataFrame(
        {
            "r": r,
            "k": k,
            "l": np.sqrt(k / np.pi),
            "l_minus_r": centred,
            "slumps": counted,
            "lower": lower,
            "upper": upper,
            "finding": np.select(
                [np.isnan(centred) | np.isnan(upper), centred > upper, centred < lower],
                ["unknown", "clustered", "regular"],
                "random",
            ),
        }
    )
    return Ripley(table, _whole_curve_p(centred, simulated), len(xy) - len(inside))


def _whole_curve_p(found: Floats, simulated: Floats) -> float:
    """Share of curves that lie as far from the simulations' mean as the one found, at the distances all have."""
    known = ~np.isnan(found) & ~np.isnan(simulated).any(axis=0)
    if not known.any():
        return float("nan")
    mean = simulated[:, known].mean(axis=0)
    farthest = np.abs(found[known] - mean).max()
    return float((1 + (np.abs(simulated[:, known] - mean).max(axis=1) >= farthest).sum()) / (1 + len(simulated)))


def border_k(xy: Floats, area: BaseGeometry, distances: Floats) -> tuple[Floats, NDArray[np.int_]]:
    """Ripley's K with the border correction.

    K(r) is the mean number of other points within r of those points that are farther than r from the edge, by the
    density (n - 1) / area: for n points at random its expectation is pi r2 whatever the area's shape (Ripley 1988,
    Statistical Inference for Spatial Processes, chapter 3).

    Args:
        xy: (points, 2) metres, inside the area.
        area: polygon.
        distances: (distances,) rising, metres.

    Returns:
        (distances,) K, square metres, NaN where no point is far enough from the edge; (distances,) number of points
        that are.
    """
    edge = shapely.distance(shapely.points(xy), shapely.boundary(area))
    pairs = cKDTree(xy).query_pairs(float(distances[-1]), output_type="ndarray")
    apart = np.hypot(*(xy[pairs[:, 0]] - xy[pairs[:, 1]]).T)
    # Each pair twice, once from either end. It counts from its length up to the end's distance from the edge.
    length, end = np.tile(apart, 2), edge[pairs.T.ravel()]
    counts = length < end
    within = np.searchsorted(np.sort(length[counts]), distances, side="right")
    gone = np.searchsorted(np.sort(end[counts]), distances, side="right")
    far = len(xy) - np.searchsorted(np.sort(edge), distances, side="right")
    density = (len(xy) - 1) / area.area
    mean = np.divide(within - gone, far, out=np.full(len(distances), np.nan), where=far > 0)
    return mean / density, far


def nearest_neighbour(xy: Floats, area: BaseGeometry, seed: int, simulations: int = 199) -> NearestNeighbour:
    """Clark and Evans' ratio, with expectation and p-value from points at random in the area.

    Args:
        xy: (slumps, 2) metres.
        area: study area, polygon in the same CRS.
        seed: of the simulations.
        simulations: number of simulated patterns.

    Raises:
        ValueError: fewer than three slumps lie in the area.
    """
    inside = xy[shapely.contains_xy(area, *xy.T)]
    count = len(inside)
    _check_number(count)
    found = _mean_nearest(inside)
    rng = np.random.default_rng(seed)
    simulated = np.array([_mean_nearest(random_points(area, count, rng)) for _ in range(simulations)])
    below, above = (simulated <= found).sum(), (simulated >= found).sum()
    p = min(1.0, 2 * (1 + int(min(below, above))) / (1 + simulations))
    expected = float(simulated.mean())
    plane = 0.5 / np.sqrt(count / area.area)
    return NearestNeighbour(found, expected, found / expected, found / plane, p, count, len(xy) - count)


def _check_number(count: int) -> None:
    if count < 3:
        raise ValueError(f"{count} slumps in the area are too few for a pattern: give three or more")


def _mean_nearest(xy: Floats) -> float:
    return float(cKDTree(xy).query(xy, k=2)[0][:, 1].mean())


def random_points(area: BaseGeometry, count: int, rng: np.random.Generator) -> Floats:
    """(count, 2) points at random in an area, each place as likely as any other."""
    west, south, east, north = area.bounds
    shapely.prepare(area)
    found = np.empty((0, 2))
    share = area.area / ((east - west) * (north - south))
    while len(found) < count:
        tries = int((count - len(found)) / share * 1.2) + 10
        xy = rng.uniform((west, south), (east, north), size=(tries, 2))
        found = np.concatenate([found, xy[shapely.contains_xy(area, *xy.T)]])
    return found[:count]
