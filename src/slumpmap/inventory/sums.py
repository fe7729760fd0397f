"""What is kept of numbers, directions and classes under polygons while the tiles of a raster go by (compiled).

Each kind takes the covered cells of a tile, piece by piece of the polygons, and gives a table in the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Cells = NDArray[np.int32]
Kind = Literal["number", "direction", "class"]

# Below this resultant length the directions cancel out, and their mean says nothing.
_NO_DIRECTION = 1e-9


class Sums(Protocol):
    """Statistics of one layer, in the making."""

    @property
    def count(self) -> Floats:
        """Covered area that has a value, (polygons,) pixels."""

    def add(self, which: Integers, start: Integers, cell: Cells, weight: Floats, values: Floats) -> None:
        """Adds the pieces of a tile.

        Args:
            which: (pieces,) numbers of their polygons, each once.
            start: (pieces + 1,) first of each piece's cells.
            cell: numbers of the cells.
            weight: covered shares of the cells.
            values: of all cells of the tile; NaN and infinities are no values.
        """

    def table(self) -> pd.DataFrame:
        """The statistics, one row a polygon."""


class Numbers:
    """Mean, extremes and standard deviation, by West's (1979) running sums: digits last, however high the ground."""

    def __init__(self, polygons: int) -> None:
        self.count, self.mean, self.square = np.zeros(polygons), np.zeros(polygons), np.zeros(polygons)
        self.low, self.high = np.full(polygons, np.inf), np.full(polygons, -np.inf)

    def add(self, which: Integers, start: Integers, cell: Cells, weight: Floats, values: Floats) -> None:
        """Adds the pieces of a tile, see `Sums`."""
        sums = (self.count, self.mean, self.square, self.low, self.high)
        _add_numbers(which, start, cell, weight, values, *sums)

    def table(self) -> pd.DataFrame:
        """Columns mean, min, max, std."""
        known = self.count > 0
        std = np.sqrt(np.maximum(self.square, 0) / np.where(known, self.count, 1))
        columns = {"mean": self.mean, "min": self.low, "max": self.high, "std": std}
        return pd.DataFrame({name: np.where(known, values, np.nan) for name, values in columns.items()})


class Directions:
    """Circular mean and resultant length (Mardia & Jupp 2000, Directional Statistics, 2.2)."""

    def __init__(self, polygons: int) -> None:
        self.count, self.north, self.east = np.zeros(polygons), np.zeros(polygons), np.zeros(polygons)

    def add(self, which: Integers, start: Integers, cell: Cells, weight: Floats, values: Floats) -> None:
        """Adds the pieces of a tile, see `Sums`; values are degrees."""
        _add_directions(which, start, cell, weight, values, self.count, self.north, self.east)

    def table(self) -> pd.DataFrame:
        """Columns mean (degrees, [0, 360)) and concentration (0 to 1)."""
        known = self.count > 0
        total = np.where(known, self.count, 1.0)
        length = np.hypot(self.north, self.east) / total
        # Rounding to 1e-9 degrees brings 359.9999999999 and what the modulo makes 360 back to north.
        mean = np.round(np.degrees(np.arctan2(self.east, self.north)) % 360.0, 9) % 360.0
        # Rounding must not report a length above one.
        concentration = np.where(known, np.minimum(length, 1.0), np.nan)
        return pd.DataFrame({"mean": np.where(length < _NO_DIRECTION, np.nan, mean), "concentration": concentration})


class Classes:
    """The share of each class; values that are no class are counted as unnamed, the last column of `areas`."""

    def __init__(self, polygons: int, classes: tuple[int, ...]) -> None:
        self.classes = classes
        self._codes = np.array(classes, np.float64)
        self.areas = np.zeros((polygons, len(classes) + 1))
        self._strange = np.full(polygons, np.nan)

    @property
    def count(self) -> Floats:
        """Covered area that has a value, pixels."""
        return np.asarray(self.areas.sum(axis=1))

    def add(self, which: Integers, start: Integers, cell: Cells, weight: Floats, values: Floats) -> None:
        """Adds the pieces of a tile, see `Sums`."""
        _add_classes(which, start, cell, weight, values, self._codes, self.areas, self._strange)

    def table(self) -> pd.DataFrame:
        """A column for each class, its share; then unnamed, unnamed_value, majority and majority_share."""
        known, named = self.count > 0, self.areas[:, :-1].sum(axis=1) > 0
        shares = np.where(known[:, None], self.areas / np.where(known, self.count, 1.0)[:, None], np.nan)
        table = pd.DataFrame(shares, columns=[*self.classes, "unnamed"]).assign(unnamed_value=self._strange)
        # The first of equals is the lowest value, since classes rise.
        first = self.areas[:, :-1].argmax(axis=1) if self.classes else np.zeros(len(known), np.int64)
        codes = np.append(self._codes, np.nan)
        table["majority"] = np.where(named, codes[first], np.nan)
        table["majority_share"] = np.where(named, shares[np.arange(len(known)), first], np.nan)
        return table


class ClassesError(ValueError):
    """Values that lie too far apart for classes of the width that is asked for."""


class Histogram:
    """Covered area of each class of numbers, `floor((value + shift) / step)`, and extremes and quantiles of all.

    Args:
        polygons: number of polygons.
        step: width of a class.
        shift: added to each value first, so that a class can lie about a multiple of the step.
        what: what the numbers are, for messages.
    """

    # Classes of a polygon at most, and parts of a class by which quantiles are known.
    MOST = 10_000
    FINE = 100

    def __init__(self, polygons: int, step: float, shift: float = 0.0, what: str = "values") -> None:
        self.step, self.shift, self.what = float(step), float(shift), what
        self.first = 0
        self.areas, self._fine = np.zeros((polygons, 0)), np.zeros(0)
        self.low, self.high = np.inf, -np.inf

    @property
    def count(self) -> Floats:
        """Covered area that has a value, pixels."""
        return np.asarray(self.areas.sum(axis=1))

    def add(self, which: Integers, start: Integers, cell: Cells, weight: Floats, values: Floats) -> None:
        """Adds the pieces of a tile, see `Sums`.

        Raises:
            ClassesError: the values lie too far apart for classes of this width.
        """
        covered = values[cell]
        known = covered[np.isfinite(covered)]
        if not len(known):
            return
        self.low, self.high = min(self.low, float(known.min())), max(self.high, float(known.max()))
        self._reach()
        _add_histogram(which, start, cell, weight, values, (self.step, self.shift), self.first, self.areas, self._fine)

    def _reach(self) -> None:
        """Makes room for classes from the lowest to the highest value."""
        first, last = (math.floor((value + self.shift) / self.step) for value in (self.low, self.high))
        if last - first >= self.MOST:
            raise ClassesError(f"{self.what} from {self.low:g} to {self.high:g} has too many classes of {self.step:g}")
        here = self.areas.shape[1]
        before = self.first - first if here else 0
        after = last + 1 - (self.first + here) if here else last + 1 - first
        if before or after > 0:
            room = (before, max(after, 0))
            self.areas = np.pad(self.areas, ((0, 0), room))
            self._fine = np.pad(self._fine, (room[0] * self.FINE, room[1] * self.FINE))
            self.first = first

    def table(self) -> pd.DataFrame:
        """A column for each class, named by its number: covered area, pixels."""
        return pd.DataFrame(self.areas, columns=range(self.first, self.first + self.areas.shape[1]))

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Values below which the given shares of the area lie, to a hundredth of a class; needs a value."""
        filled = np.flatnonzero(self._fine)
        total = np.cumsum(self._fine[filled])
        wanted = np.asarray(shares) * total[-1]
        places = np.searchsorted(total, wanted).clip(max=len(filled) - 1)
        # A hundredth is taken as evenly filled.
        within = np.clip(1 - (total[places] - wanted) / self._fine[filled[places]], 0, 1)
        values = (self.first * self.FINE + filled[places] + within) * self.step / self.FINE - self.shift
        return [float(value) for value in np.clip(values, self.low, self.high)]


def sums_of(kind: Kind, polygons: int, classes: tuple[int, ...] = ()) -> Sums:
    """Empty sums for a layer."""
    if kind == "class":
        return Classes(polygons, classes)
    return Numbers(polygons) if kind == "number" else Directions(polygons)


@njit(cache=True, nogil=True)
def add_weights(which: Integers, start: Integers, weight: Floats, total: Floats) -> None:
    """Adds the covered area of pieces to that of their polygons."""
    for piece in range(len(which)):
        total[which[piece]] += weight[start[piece] : start[piece + 1]].sum()


@njit(cache=True, nogil=True)
def _add_numbers(
    which: Integers,
    start: Integers,
    cell: Cells,
    weight: Floats,
    values: Floats,
    count: Floats,
    mean: Floats,
    square: Floats,
    low: Floats,
    high: Floats,
) -> None:
    for piece in range(len(which)):
        k = which[piece]
        for n in range(start[piece], start[piece + 1]):
            value = values[cell[n]]
            if np.isfinite(value):
                count[k] += weight[n]
                away = value - mean[k]
                # The share of the first value is 1 exactly, so that equal values have no spread.
                mean[k] += away * (weight[n] / count[k])
                square[k] += weight[n] * away * (value - mean[k])
                low[k], high[k] = min(low[k], value), max(high[k], value)


@njit(cache=True, nogil=True)
def _add_directions(
    which: Integers,
    start: Integers,
    cell: Cells,
    weight: Floats,
    values: Floats,
    count: Floats,
    north: Floats,
    east: Floats,
) -> None:
    for piece in range(len(which)):
        k = which[piece]
        for n in range(start[piece], start[piece + 1]):
            value = np.radians(values[cell[n]])
            if np.isfinite(value):
                count[k] += weight[n]
                north[k] += weight[n] * np.cos(value)
                east[k] += weight[n] * np.sin(value)


@njit(cache=True, nogil=True)
def _add_classes(
    which: Integers,
    start: Integers,
    cell: Cells,
    weight: Floats,
    values: Floats,
    codes: Floats,
    shares: Floats,
    strange: Floats,
) -> None:
    for piece in range(len(which)):
        for n in range(start[piece], start[piece + 1]):
            value = values[cell[n]]
            if np.isfinite(value):
                place = np.searchsorted(codes, value)
                if place == len(codes) or codes[place] != value:
                    place = len(codes)
                    strange[which[piece]] = value
                shares[which[piece], place] += weight[n]


@njit(cache=True, nogil=True)
def _add_histogram(
    which: Integers,
    start: Integers,
    cell: Cells,
    weight: Floats,
    values: Floats,
    classes: tuple[float, float],
    first: int,
    areas: Floats,
    fine: Floats,
) -> None:
    step, shift = classes
    parts = len(fine) // areas.shape[1]
    for piece in range(len(which)):
        for n in range(start[piece], start[piece + 1]):
            value = values[cell[n]]
            if np.isfinite(value):
                place = (value + shift) / step
                column = int(np.floor(place))
                areas[which[piece], column - first] += weight[n]
                part = min(int((place - column) * parts), parts - 1)
                fine[(column - first) * parts + part] += weight[n]
