"""The linear transformation to 8 bit, in which 0 is nodata and nothing else; and sharpening, which keeps that."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def to_byte(value: float, low: float, gain: float) -> int:
    """One finite value: `low` becomes 1, each step of 1 / `gain` adds 1; rounded half up, clipped to 1..255."""
    return int(min(255.0, max(1.0, math.floor(1.5 + (value - low) * gain))))


def gain_of(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """Steps of 8 bit in a unit of each band, so that `high` becomes 255."""
    return np.asarray(254.0 / (np.asarray(high, np.float64) - np.asarray(low, np.float64)))


@njit(cache=True, nogil=True)
def _convert(
    values: NDArray[Any], valid: NDArray[np.bool_], low: NDArray[np.float64], gain: NDArray[np.float64]
) -> NDArray[np.uint8]:
    bands, rows, columns = values.shape
    out = np.zeros((bands, rows, columns), np.uint8)
    for i in range(rows):
        for j in range(columns):
            good = valid[i, j]
            for band in range(bands):
                good = good and math.isfinite(values[band, i, j])
            if good:
                for band in range(bands):
                    out[band, i, j] = to_byte(float(values[band, i, j]), low[band], gain[band])
    return out


def to_8bit(
    values: NDArray[Any], valid: NDArray[np.bool_], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Converts values to 8 bit: low becomes 1, high becomes 255, linear between.

    Rounded half up and clipped to 1..255, so that a valid dark pixel becomes 1 and a saturated one 255.

    Args:
        values: (bands, rows, columns) of any real dtype.
        valid: (rows, columns) or (bands, rows, columns) bool.
        low: (bands,) values that become 1.
        high: (bands,) values that become 255, larger than `low`.

    Returns:
        (bands, rows, columns) uint8; 0 in all bands where any band is invalid, NaN or infinite.
    """
    every = np.asarray(np.broadcast_to(valid, values.shape).all(axis=0), np.bool_)
    return np.asarray(_convert(values, every, np.asarray(low, np.float64), gain_of(low, high)))


@njit(cache=True, nogil=True)
def sharpen(padded: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Laplacian sharpening with [[0,-1,0],[-1,5,-1],[0,-1,0]], as the authors of the paper did.

    Args:
        padded: (bands, rows + 2, columns + 2) 8-bit image with one more pixel on every side.

    Returns:
        (bands, rows, columns) uint8; nodata stays 0, valid pixels stay 1..255. A neighbour without data
        counts as the pixel itself, so that the edge of the data gets no bright rim.
    """
    bands, rows, columns = padded.shape
    out = np.zeros((bands, rows - 2, columns - 2), np.uint8)
    for band in range(bands):
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                centre = int(padded[band, i, j])
                if centre == 0:
                    continue
                total = 5 * centre
                for step in (-1, 1):
                    across, along = int(padded[band, i + step, j]), int(padded[band, i, j + step])
                    total -= across if across else centre
                    total -= along if along else centre
                out[band, i - 1, j - 1] = min(255, max(1, total))
    return out
