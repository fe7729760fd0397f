"""Where slumps are, against where they could be: selection ratios, and tests that allow for neighbours being alike.

All functions take the values at the slumps and those of a sample of the landscape (random points, or all cells), with
coordinates in metres. Neighbouring slumps share their hillside: taken one by one they pass for more evidence than they
are. Hence intervals draw whole blocks, and tests use samples that are thinned until no two places are close.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import ks_2samp

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

# Watson's series converges so fast that further terms vanish in float64 for any U2 from 0.02.
_TERMS = 30
_LEAST_U2 = 0.02
# Permuted labels are drawn in parts of so many values, to bound the memory.
_AT_A_TIME = 2_000_000


def spatial_blocks(block_m: float, *places: Floats) -> list[Rows]:
    """Numbers of the square blocks that hold points, without a gap; equal numbers are one block in all arrays.

    Args:
        block_m: side of a block, metres; corners lie at whole multiples.
        places: (points, 2) coordinates each, metres.
    """
    corners = np.floor(np.concatenate(places) / block_m)
    numbers = np.unique(corners, axis=0, return_inverse=True)[1].reshape(-1)
    return np.split(numbers, np.cumsum([len(xy) for xy in places])[:-1])


def binned(values: Floats, limits: Sequence[float], unit: str = "") -> NDArray[np.object_]:
    """Class of each number: `4 to 8`, `below 0`, `20 or more`; a limit belongs to the class above it. None for NaN.

    Args:
        values: (rows,) numbers.
        limits: rising class limits, one or more.
        unit: what to write behind, such as ` degrees`.
    """
    inner = [f"{low:g} to {high:g}{unit}" for low, high in pairwise(limits)]
    names = np.array([f"below {limits[0]:g}{unit}", *inner, f"{limits[-1]:g} or more{unit}"], dtype=object)
    classes: NDArray[np.object_] = names[np.searchsorted(np.asarray(limits, dtype=float), values, side="right")]
    classes[np.isnan(values)] = None
    return classes


_RATIO_COLUMNS = ("class", "slumps", "share_slumps", "share_landscape", "ratio", "lower", "upper", "finding")


def selection_ratios(
    slump_classes: NDArray[Any],
    slump_xy: Floats,
    landscape_classes: NDArray[Any],
    landscape_xy: Floats,
    block_m: float,
    seed: int,
    repeats: int = 2000,
    level: float = 0.9,
    landscape_weights: Floats | None = None,
) -> pd.DataFrame:
    """Selection ratio of each class: its share among the slumps by its share of the landscape.

    The forage ratio of habitat studies (Manly et al. 2002, Resource Selection by Animals, 4.2): 1 where a class holds
    as many slumps as its area lets expect. Intervals are percentiles over draws of whole blocks, slumps and landscape
    together. A class without slumps has the ratio 0 and no interval (drawing again cannot find one), a class that is
    not in the landscape sample has no ratio.

    Args:
        slump_classes: (slumps,) class at each slump; None or NaN where unknown.
        slump_xy: (slumps, 2) metres.
        landscape_classes: (points,) class at each point of the landscape; None or NaN where unknown.
        landscape_xy: (points, 2) metres.
        block_m: side of the blocks that are drawn, metres; longer than the patches in which slumps are alike.
        seed: of the draws.
        repeats: number of draws.
        level: share of the draws that the interval holds.
        landscape_weights: (points,) how much each point stands for, such as the area of a class in a block; None: all
            alike.

    Returns:
        One row a class, sorted: `class`, `slumps`, `share_slumps`, `share_landscape`, `ratio`, `lower`, `upper` (NaN
        where undefined), `finding`: preferred or avoided where the interval leaves out 1, else as available; unknown
        where there is no interval. `attrs`: `unknown_slumps` and `unknown_landscape`, rows without class that do not
        count, and `blocks`, the number of blocks with slumps.
    """
    here, there = (~pd.isna(np.asarray(classes, dtype=object)) for classes in (slump_classes, landscape_classes))
    slumps, landscape = np.asarray(slump_classes)[here], np.asarray(landscape_classes)[there]
    names = np.array(sorted(set(slumps.tolist()) | set(landscape.tolist())), dtype=object)
    blocks = spatial_blocks(block_m, slump_xy[here], landscape_xy[there])
    number = 1 + max((int(block.max(initial=-1)) for block in blocks), default=-1)
    weights = (None, None if landscape_weights is None else landscape_weights[there])
    counts = [
        _counts(block, classes, names, number, weight)
        for block, classes, weight in zip(blocks, (slumps, landscape), weights, strict=True)
    ]
    shares = [_shares(table.sum(axis=0)) for table in counts]
    lower, upper = _block_interval(counts, seed, repeats, level)
    ratio = _ratio(*shares)
    empty = counts[0].sum(axis=0) == 0
    lower[empty | np.isnan(ratio)], upper[empty | np.isnan(ratio)] = np.nan, np.nan
    findings = np.select([np.isnan(lower), lower > 1, upper < 1], ["unknown", "preferred", "avoided"], "as available")
    columns = (names, counts[0].sum(axis=0).astype(int), *shares, ratio, lower, upper, findings)
    table = pd.DataFrame(dict(zip(_RATIO_COLUMNS, columns, strict=True)))
    table.attrs = {
        "unknown_slumps": int((~here).sum()),
        "unknown_landscape": int((~there).sum()),
        "blocks": len(np.unique(blocks[0])),
    }
    return table


def _counts(block: Rows, classes: NDArray[Any], names: NDArray[Any], blocks: int, weights: Floats | None) -> Floats:
    """(blocks, classes) number of rows, or the sum of their weights."""
    column = pd.Index(names).get_indexer(pd.Index(classes)) if len(classes) else np.empty(0, dtype=np.intp)
    flat: Floats = np.bincount(block * len(names) + column, weights, minlength=blocks * len(names)).astype(np.float64)
    counts: Floats = flat.reshape(blocks, len(names))
    return counts


def _shares(counts: Floats) -> Floats:
    """Counts by their sum along the last axis; NaN where it is 0."""
    total = counts.sum(axis=-1, keepdims=True)
    return _ratio(counts, np.broadcast_to(total, counts.shape))


def _ratio(part: Floats, whole: Floats) -> Floats:
    ratio: Floats = np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
    return ratio


def _block_interval(counts: Sequence[Floats], seed: int, repeats: int, level: float) -> tuple[Floats, Floats]:
    """Lower and upper end of each class's ratio over draws of whole blocks; NaN with fewer than two blocks."""
    blocks, classes = counts[0].shape
    if blocks < 2:
        return np.full(classes, np.nan), np.full(classes, np.nan)
    times = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=repeats)
    drawn = [_shares(times @ table) for table in counts]
    ratios = _ratio(*drawn)
    result = np.full((2, classes), np.nan)
    defined = ~np.isnan(ratios).all(axis=0)
    ends = [(1 - level) / 2, (1 + level) / 2]
    result[:, defined] = np.nanquantile(ratios[:, defined], ends, axis=0)
    return result[0], result[1]


def thinned(xy: Floats, distance_m: float, rng: np.random.Generator) -> Rows:
    """A random choice of points of which no two are closer than a distance, and to which none could be added.

    The points are taken in a random order, each if none taken before is too close. Rounds settle all points at once
    that are the first of those still open around them (Luby 1986, SIAM Journal on Computing 15, 1036-1053): the result
    is that of the loop.

    Args:
        xy: (points, 2) metres.
        distance_m: least distance, metres; 0 keeps all.
        rng: of the order.

    Returns:
        Rows that are kept, rising.
    """
    count = len(xy)
    # Points at just the distance may both stay.
    pairs = cKDTree(xy).query_pairs(np.nextafter(distance_m, 0), output_type="ndarray") if distance_m > 0 else None
    if pairs is None or not len(pairs):
        return np.arange(count)
    rank = rng.permutation(count)
    taken, open_ = np.zeros(count, dtype=bool), np.ones(count, dtype=bool)
    while len(pairs):
        later = np.where(rank[pairs[:, 0]] > rank[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
        first = open_.copy()
        first[later] = False
        taken |= first
        open_ &= ~first
        beside = first[pairs]
        open_[pairs[beside[:, ::-1]]] = False
        pairs = pairs[open_[pairs].all(axis=1)]
    return np.flatnonzero(taken | open_)


@dataclass(frozen=True)
class TwoSample:
    """A test of slumps against the landscape over many thinned samples.

    Attributes:
        statistic: median over the samples.
        p_median: median p-value.
        p: bound of the p-value of all samples together, twice the median (Rueger 1978, Metrika 25, 171-178), at most 1.
        slumps: median number of slumps in a sample.
        landscape: median number of landscape points in a sample.
        direction: for numbers `lower` or `higher`, what slumps are where the distributions differ most; for
            directions the mean direction of the slumps minus that of the landscape, degrees, -180 to 180, as text.
        unknown: slumps without a value, which do not count.
    """

    statistic: float
    p_median: float
    p: float
    slumps: int
    landscape: int
    direction: str
    unknown: int


Test = Callable[[Floats, Floats], tuple[float, float]]


def kolmogorov_smirnov(
    slump_values: Floats,
    slump_xy: Floats,
    landscape_values: Floats,
    landscape_xy: Floats,
    distance_m: float,
    seed: int,
    repeats: int = 100,
) -> TwoSample:
    """Two-sample Kolmogorov-Smirnov test of a number, such as elevation, on thinned samples.

    Statistic and p-value are scipy's (`scipy.stats.ks_2samp`; Hodges 1958, Arkiv foer Matematik 3, 469-486).

    Args:
        slump_values: (slumps,) NaN where unknown.
        slump_xy: (slumps, 2) metres.
        landscape_values: (points,) NaN where unknown.
        landscape_xy: (points, 2) metres.
        distance_m: least distance within each sample, metres.
        seed: of the samples.
        repeats: number of samples.

    Raises:
        ValueError: there is no value among the slumps or in the landscape.
    """
    sides: list[int] = []

    def test(slumps: Floats, landscape: Floats) -> tuple[float, float]:
        found = ks_2samp(slumps, landscape)
        sides.append(int(found.statistic_sign))
        return float(found.statistic), float(found.pvalue)

    samples = (slump_values, slump_xy, landscape_values, landscape_xy)
    result = _over_samples(test, samples, distance_m, seed, repeats)
    # Where the slumps' distribution function runs above the landscape's, slumps have the lower values.
    return _two_sample(result, "lower" if sum(sides) > 0 else "higher", slump_values)


def watson(
    slump_degrees: Floats,
    slump_xy: Floats,
    landscape_degrees: Floats,
    landscape_xy: Floats,
    distance_m: float,
    seed: int,
    repeats: int = 100,
) -> TwoSample:
    """Watson's two-sample test of a direction, such as aspect, on thinned samples; see `watson_u2`.

    Args:
        slump_degrees: (slumps,) directions, NaN where there is none.
        slump_xy: (slumps, 2) metres.
        landscape_degrees: (points,) directions, NaN where there is none.
        landscape_xy: (points, 2) metres.
        distance_m: least distance within each sample, metres.
        seed: of the samples.
        repeats: number of samples.

    Raises:
        ValueError: there is no direction among the slumps or in the landscape.
    """

    def test(slumps: Floats, landscape: Floats) -> tuple[float, float]:
        u2 = watson_u2(slumps, landscape)
        return u2, watson_p(u2)

    samples = (slump_degrees, slump_xy, landscape_degrees, landscape_xy)
    result = _over_samples(test, samples, distance_m, seed, repeats)
    turn = _mean_direction(slump_degrees) - _mean_direction(landscape_degrees)
    return _two_sample(result, f"{(turn + 180) % 360 - 180:.0f}", slump_degrees)


def _over_samples(
    test: Test, samples: tuple[Floats, Floats, Floats, Floats], distance_m: float, seed: int, repeats: int
) -> Floats:
    """(repeats, 4) statistic, p-value and sizes of both samples."""
    values, xy, other_values, other_xy = samples
    here, there = ~np.isnan(values), ~np.isnan(other_values)
    if not here.any() or not there.any():
        raise ValueError("a test needs a value among the slumps and one in the landscape")
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(repeats):
        kept = thinned(xy[here], distance_m, rng), thinned(other_xy[there], distance_m, rng)
        rows.append((*test(values[here][kept[0]], other_values[there][kept[1]]), len(kept[0]), len(kept[1])))
    return np.array(rows)


def _two_sample(result: Floats, direction: str, values: Floats) -> TwoSample:
    statistic, p, slumps, landscape = np.median(result, axis=0).tolist()
    unknown = int(np.isnan(values).sum())
    return TwoSample(statistic, p, min(2 * p, 1.0), round(slumps), round(landscape), direction, unknown)


def _mean_direction(degrees: Floats) -> float:
    angles = np.radians(degrees[~np.isnan(degrees)])
    return float(np.degrees(np.arctan2(np.sin(angles).sum(), np.cos(angles).sum())))


def watson_u2(first: Floats, second: Floats) -> float:
    """Watson's U2 of two samples of directions (Watson 1962, Biometrika 49, 57-63), with ties.

    U2 = n1 n2 / N2 (sum t d2 - (sum t d)2 / N), d the difference of the distribution functions at each distinct
    direction and t how often it occurs (Zar 2010, Biostatistical Analysis, chapter 27). It does not depend on where the
    circle is cut; with ties it depends a little on the sense in which it is run through.

    Args:
        first: (n1,) degrees, any turn.
        second: (n2,) degrees.
    """
    pooled = np.concatenate([first, second]) % 360.0
    is_first = np.arange(len(pooled)) < len(first)
    return float(_u2(pooled, is_first[None])[0])


def watson_p(u2: float) -> float:
    """Share of U2 above a value under the null hypothesis, for large samples.

    The limit law, which Watson's one-sample and two-sample statistics share (Watson 1961, Biometrika 48, 109-114):
    2 sum (-1)^(k-1) exp(-2 k2 pi2 u2). It is good from about ten directions in each sample; for fewer there is
    `watson_permutation_p`.
    """
    if u2 < _LEAST_U2:
        return 1.0
    k = np.arange(1, _TERMS + 1)
    return float(np.clip(2 * np.sum((-1.0) ** (k - 1) * np.exp(-2 * k**2 * np.pi**2 * u2)), 0.0, 1.0))


def watson_permutation_p(first: Floats, second: Floats, seed: int, permutations: int = 9999) -> float:
    """Share of random divisions of the pooled directions with a U2 that is as large or larger; exact but for the draws.

    Args:
        first: (n1,) degrees.
        second: (n2,) degrees.
        seed: of the divisions.
        permutations: number of divisions; the samples' own counts as one more.
    """
    pooled = np.concatenate([first, second]) % 360.0
    own = np.arange(len(pooled)) < len(first)
    found = _u2(pooled, own[None])[0]
    rng = np.random.default_rng(seed)
    as_large, left = 0, permutations
    while left:
        rows = min(left, max(1, _AT_A_TIME // len(pooled)))
        divisions = rng.permuted(np.broadcast_to(own, (rows, len(own))), axis=1)
        # A rounding error must not part a division from one that equals it.
        as_large += int((_u2(pooled, divisions) >= found - 1e-12).sum())
        left -= rows
    return (1 + as_large) / (1 + permutations)


def _u2(pooled: Floats, is_first: NDArray[np.bool_]) -> Floats:
    """(divisions,) U2 of pooled directions under (divisions, N) labels."""
    order = np.argsort(pooled, kind="stable")
    values, total = pooled[order], len(pooled)
    sizes = is_first[:1].sum(), total - is_first[:1].sum()
    first = np.cumsum(is_first[:, order], axis=1)
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    times = np.diff(np.append(-1, last))
    d = first[:, last] / sizes[0] - (last + 1 - first[:, last]) / sizes[1]
    spread = (times * d**2).sum(axis=1) - (times * d).sum(axis=1) ** 2 / total
    return np.asarray(sizes[0] * sizes[1] / total**2 * spread, dtype=float)
