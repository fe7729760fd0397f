"""Coefficients of agreement: Cohen's kappa with its interval, Krippendorff's alpha, quartiles of a measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Standard normal quantile of a two-sided interval of 95 %.
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Kappa:
    """How far two people agree on the same items.

    Attributes:
        count: items that both judged.
        raw: share of them that both judged alike; None where there are none.
        kappa: Cohen's kappa; None where there are none, or where both gave all items one and the same category.
        low: lower end of the interval of 95 %; None where kappa is None, and where they agree on all items, since the
            variance of the sample is 0 then.
        high: upper end; both are cut at -1 and 1.
    """

    count: int
    raw: float | None
    kappa: float | None
    low: float | None
    high: float | None


def cohen_kappa(table: NDArray[Any]) -> Kappa:
    """Cohen's kappa (1960) of a table of counts, with its large-sample interval.

    The variance is that of Fleiss, Cohen & Everitt (1969, Psychological Bulletin 72, 323-327, doi 10.1037/h0028106)
    for a kappa that is not 0. With p the shares of the table, r and c its row and column sums, k kappa and e the
    agreement by chance (sum of r_i c_i), it is

        [ sum_i p_ii (1 - (r_i + c_i)(1 - k))^2 + (1 - k)^2 sum_{i != j} p_ij (c_i + r_j)^2 - (k - e (1 - k))^2 ]
        / (n (1 - e)^2)

    and the interval is kappa +- 1.96 of its root, cut at -1 and 1.

    Args:
        table: (categories, categories) counts: one person's category in the row, the other's in the column.
    """
    count = int(table.sum())
    if count == 0:
        return Kappa(0, None, None, None, None)
    shares = table / count
    raw = float(np.trace(shares))
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    chance = float(rows @ columns)
    if np.isclose(chance, 1.0):
        return Kappa(count, raw, None, None, None)
    kappa = (raw - chance) / (1 - chance)
    if int(np.trace(table)) == count:
        return Kappa(count, raw, 1.0, None, None)
    diagonal = np.diag(shares) @ (1 - (rows + columns) * (1 - kappa)) ** 2
    weights = (columns[:, None] + rows) ** 2
    np.fill_diagonal(weights, 0.0)
    spread = diagonal + (1 - kappa) ** 2 * np.sum(shares * weights) - (kappa - chance * (1 - kappa)) ** 2
    half = _Z95 * float(np.sqrt(max(spread, 0.0) / count)) / (1 - chance)
    return Kappa(count, raw, kappa, max(kappa - half, -1.0), min(kappa + half, 1.0))


def table_of(first: NDArray[np.intp], second: NDArray[np.intp], categories: int) -> NDArray[np.int64]:
    """Counts of two people's categories.

    Args:
        first: (items,) the one's category of each item, 0 .. categories - 1; negative where there is none.
        second: (items,) the other's.
        categories: number of categories.

    Returns:
        (categories, categories), the first in the row; items that either did not judge are left out.
    """
    both = (first >= 0) & (second >= 0)
    pairs = first[both] * categories + second[both]
    return np.bincount(pairs, minlength=categories**2).reshape(categories, categories)


def krippendorff_alpha(counts: NDArray[Any]) -> float | None:
    """Krippendorff's alpha for nominal data, with any number of people and opinions missing.

    1 - observed / expected disagreement, from the coincidences of values within the items (Krippendorff 2011,
    "Computing Krippendorff's Alpha-Reliability"). Items that fewer than two people judged tell nothing.

    Args:
        counts: (items, categories) number of people who gave the item the category.

    Returns:
        At most 1; None where no item has two opinions, or where all opinions are the same.
    """
    judged = counts.sum(axis=1)
    pairable = np.asarray(counts[judged >= 2], dtype=np.float64)
    if not len(pairable):
        return None
    opinions = pairable.sum(axis=1)
    total = opinions.sum()
    alike = float(np.sum((pairable * (pairable - 1)).sum(axis=1) / (opinions - 1)))
    by_category = pairable.sum(axis=0)
    alike_by_chance = float((by_category * (by_category - 1)).sum()) / (total - 1)
    if np.isclose(alike_by_chance, total):
        return None
    return 1.0 - float((total - alike) / (total - alike_by_chance))


@dataclass(frozen=True)
class Quartiles:
    """The middle half of a measure; None where nothing was measured."""

    count: int
    lower: float | None
    median: float | None
    upper: float | None

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Quartiles:
        """Quartiles of values, interpolated linearly."""
        if not len(values):
            return cls(0, None, None, None)
        lower, median, upper = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
        return cls(len(values), lower, median, upper)
