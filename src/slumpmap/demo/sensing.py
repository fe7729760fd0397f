"""Kernels between ground and file: clouds, haze, optics, noise, quantization, usable-data mask."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from slumpmap.demo.noise import Field, fbm_row, hash_bits
from slumpmap.demo.painting import Block, Plane, ramp

# Bands of a UDM2 file, from 0.
CLEAR, SNOW, SHADOW, LIGHT_HAZE, HEAVY_HAZE, CLOUD, CONFIDENCE, UNUSABLE = range(8)
BLACKFILL = 1

CLOUD_M, CLOUD_OCTAVES, CLOUD_GAIN = 1500.0, 5, 0.55
# Noise above the threshold at which a cloud is opaque, and at which the mask notices it.
_OPAQUE, _NOTICED, _SHADOW_NOTICED, _HAZE_NOTICED = 0.45, 0.09, 0.14, 0.02
_CLOUD_COLOUR = (6900.0, 6800.0, 6700.0, 6900.0)
_HAZE_BY_BAND = (1.0, 0.62, 0.38, 0.12)
_LOW = np.uint64(0xFFFF)
_WORD = np.uint64(16)


@njit(cache=True)
def add_clouds(
    block: Block,
    udm: NDArray[np.uint8],
    snow: Plane,
    frame: tuple[float, float, float],
    spans: NDArray[np.int64],
    threshold: float,
    sun: tuple[float, float],
    seed: int,
) -> None:
    """Lays cloud and cloud shadow over a block and fills its usable-data mask.

    The mask misses the thin edges of clouds and shadows, as real ones do.

    Args:
        block: reflectances, changed in place.
        udm: (8, rows, columns) receives the UDM2 bands for valid pixels.
        snow: (rows, columns) snow cover, 0..1.
        frame: x0, y0, step, metres.
        spans: (rows, 2) first column and one past the last.
        threshold: of the cloud noise; large: no clouds.
        sun: where the cloud that shades a place stands, metres east and north of it.
        seed: of the clouds.
    """
    x0, y0, step = frame
    columns = block.shape[2]
    cloud, above, still = np.full(columns, -9.0), np.full(columns, -9.0), np.zeros(columns)
    gone = np.uint8(1)
    for i in range(block.shape[1]):
        span = (spans[i, 0], spans[i, 1])
        y = y0 - i * step
        if threshold < 9.0:
            fbm_row(cloud, x0, y, step, span, CLOUD_M, CLOUD_OCTAVES, CLOUD_GAIN, seed, still, still)
            fbm_row(above, x0 + sun[0], y + sun[1], step, span, CLOUD_M, CLOUD_OCTAVES, CLOUD_GAIN, seed, still, still)
        for j in range(span[0], span[1]):
            dense = ramp(threshold, threshold + _OPAQUE, cloud[j])
            dark = 0.6 * ramp(threshold, threshold + _OPAQUE, above[j])
            for k in range(4):
                value = block[k, i, j] * (1.0 - dark * (0.8 if k == 0 else 1.0))
                thick = 1.0 + 0.25 * (cloud[j] - threshold - _OPAQUE) if dense >= 1.0 else 1.0
                block[k, i, j] = value + dense * (_CLOUD_COLOUR[k] * thick - value)
            over, under = cloud[j] - threshold, above[j] - threshold
            udm[CONFIDENCE, i, j] = np.uint8(min(99.0, 70.0 + 60.0 * abs(over))) if abs(over) < 1.0 else 99
            if over > _NOTICED:
                udm[CLOUD, i, j] = gone
            elif over > _HAZE_NOTICED:
                udm[LIGHT_HAZE, i, j] = gone
            elif under > _SHADOW_NOTICED:
                udm[SHADOW, i, j] = gone
            elif snow[i, j] > 0.4:
                udm[SNOW, i, j] = gone
            else:
                udm[CLEAR, i, j] = gone


@njit(cache=True)
def record(
    block: Block,
    out: NDArray[np.uint16],
    spans: NDArray[np.int64],
    valid: NDArray[np.int64],
    first_row: int,
    gains: Field,
    haze: float,
    blur: float,
    noise: float,
    seed: int,
) -> None:
    """Blurs, adds haze, gain and noise, and quantizes the inner rows of a block.

    Args:
        block: (4, rows + 2, columns) reflectances with one more row above and below.
        out: (4, rows, columns) receives digital numbers, 0 outside the valid columns.
        spans: (rows + 2, 2) painted columns.
        valid: (rows, 2) first valid column and one past the last.
        first_row: number of the scene's row that `out` begins with.
        gains: (4,) factors.
        haze: added reflectance x 10000 in the blue band.
        blur: weight of each neighbour in a three-tap filter along rows and columns.
        noise: standard deviation at reflectance 0.1, in digital numbers; grows with the signal.
        seed: of the noise.
    """
    for i in range(out.shape[1]):
        for j in range(valid[i, 0], valid[i, 1]):
            west = max(j - 1, spans[i + 1, 0])
            east = min(j + 1, spans[i + 1, 1] - 1)
            bits = hash_bits(first_row + i, j, seed)
            more = hash_bits(first_row + i, j, seed + 1)
            # A rare glint saturates the sensor.
            glint = 9000.0 if (bits >> np.uint64(44)) == 0 else 0.0
            for k in range(4):
                total = 0.0
                for n in range(3):
                    weight = 1.0 - 2.0 * blur if n == 1 else blur
                    row = i + n
                    total += weight * (
                        blur * (block[k, row, west] + block[k, row, east]) + (1.0 - 2.0 * blur) * block[k, row, j]
                    )
                # The sum of two uniform numbers is near enough to a normal one.
                spread = ((bits & _LOW) + (more & _LOW)) / 65536.0 - 1.0
                bits = bits >> _WORD
                more = more >> _WORD
                signal = gains[k] * total + haze * _HAZE_BY_BAND[k] + glint
                signal += 2.45 * noise * math.sqrt(max(signal, 50.0) / 1000.0) * spread
                out[k, i, j] = np.uint16(min(65535.0, max(1.0, signal + 0.5)))
