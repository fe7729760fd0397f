"""Counts of values, from which percentiles of any amount of pixels come in bounded memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

# All values of uint8, int16 and uint16.
_FIRST, _LAST = -32768, 65535
# Float values are counted by the leading bits of their float32 representation: sign, exponent and the first
# 11 bits of the fraction. No range need be known, and no outlier makes the bins coarse.
_DROPPED_BITS = 12
_SIGN = np.uint32(0x80000000)


class Histogram:
    """Counts pixel values per band: integers of up to 16 bit exactly, floats in 2^20 bins.

    A float bin holds the values that agree in their first 12 binary digits: a percentile of floats is off by
    at most 1/4096 of itself. If scenes of both kinds occur, all values are taken as floats.

    Args:
        bands: number of bands.
    """

    def __init__(self, bands: int) -> None:
        self._integers = np.zeros((bands, _LAST - _FIRST + 1), np.int64)
        self._floats = np.zeros((bands, 1 << (32 - _DROPPED_BITS)), np.int64)
        self.pixels = 0

    def add(self, values: NDArray[Any]) -> None:
        """Counts pixels.

        Args:
            values: (bands, pixels) uint8, uint16, int16, or finite floats.
        """
        self.pixels += values.shape[1]
        for band, numbers in enumerate(values):
            if values.dtype.kind == "f":
                self._floats[band] += np.bincount(_bin_of(numbers), minlength=self._floats.shape[1])
            else:
                self._integers[band] += np.bincount(
                    numbers.astype(np.int32) - _FIRST, minlength=self._integers.shape[1]
                )

    def percentile(self, share: float) -> list[float]:
        """The smallest value of each band that at least `share` percent of the pixels do not exceed."""
        wanted = max(1, math.ceil(share / 100.0 * self.pixels))
        if not self._floats.any():
            return [float(_FIRST + _reaching(band, wanted)) for band in self._integers]
        bins = _bin_of(np.arange(_FIRST, _LAST + 1))
        both = self._floats.copy()
        for band, counts in enumerate(self._integers):
            np.add.at(both[band], bins, counts)
        return [_middle_of(_reaching(band, wanted)) for band in both]


def _reaching(counts: NDArray[np.int64], wanted: int) -> int:
    """The first bin up to which at least `wanted` pixels were counted."""
    return int(np.searchsorted(np.cumsum(counts), wanted))


def _bin_of(values: NDArray[Any]) -> NDArray[np.int64]:
    """Number of the bin of finite values; the numbers rise with the values."""
    bits = values.astype(np.float32).view(np.uint32)
    ordered = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return (ordered >> _DROPPED_BITS).astype(np.int64)


def _middle_of(number: int) -> float:
    """Value in the middle of a bin of floats."""
    ordered = np.uint32((number << _DROPPED_BITS) | (1 << (_DROPPED_BITS - 1)))
    bits = ordered ^ _SIGN if ordered & _SIGN else ~ordered
    return float(np.array(bits, np.uint32).view(np.float32))
