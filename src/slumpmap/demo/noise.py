"""Seeded fractal noise that is a pure function of the coordinates.

Because nothing is stored, any window of the corridor can be rendered at any sub-pixel offset, in
any order and by any process, and adjoining windows fit. All fields have mean 0 and a standard
deviation near 1.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Field = NDArray[np.float64]
Bits = np.uint64

_MIX_X = np.uint64(0x9E3779B97F4A7C15)
_MIX_Y = np.uint64(0xC2B2AE3D27D4EB4F)
_MIX_SEED = np.uint64(0x165667B19E3779F9)
_MIX_A = np.uint64(0xFF51AFD7ED558CCD)
_MIX_B = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)
_TOP = np.uint64(11)
_UNIT = 1.0 / float(1 << 53)

# Standard deviation of smoothly interpolated uniform values in -1..1, averaged over a cell.
_LATTICE_STD = 0.43
# Turns each octave against the last one, so that the lattice does not show.
_OCTAVE_TURN = 1.9
_NO_CELL = -(1 << 62)


@njit(cache=True)
def hash_bits(ix: int, iy: int, seed: int) -> Bits:
    """64 well-mixed bits of two integer coordinates and a seed."""
    h = np.uint64(ix) * _MIX_X + np.uint64(iy) * _MIX_Y + np.uint64(seed) * _MIX_SEED
    h ^= h >> _SHIFT
    h *= _MIX_A
    h ^= h >> _SHIFT
    h *= _MIX_B
    return h ^ (h >> _SHIFT)


@njit(cache=True)
def hash_unit(ix: int, iy: int, seed: int) -> float:
    """A uniform number in 0..1 of two integer coordinates and a seed."""
    return float(hash_bits(ix, iy, seed) >> _TOP) * _UNIT


@njit(cache=True)
def _corner(ix: int, iy: int, seed: int) -> float:
    return 2.0 * hash_unit(ix, iy, seed) - 1.0


@njit(cache=True)
def fbm_scale(octaves: int, gain: float) -> float:
    """The factor that brings a sum of octaves to a standard deviation of 1."""
    power = 0.0
    amplitude = 1.0
    for _ in range(octaves):
        power += amplitude * amplitude
        amplitude *= gain
    return 1.0 / (_LATTICE_STD * math.sqrt(power))


@njit(cache=True)
def fbm_row(
    out: Field,
    x0: float,
    y: float,
    step: float,
    span: tuple[int, int],
    wavelength: float,
    octaves: int,
    gain: float,
    seed: int,
    warp_x: Field,
    warp_y: Field,
) -> None:
    """Fractal noise along one row of pixels.

    Walks through the lattice and hashes only where a new cell begins, which makes wide octaves
    nearly free.

    Args:
        out: (columns,) receives the values within `span`.
        x0: easting of column 0, metres.
        y: northing of the row, metres.
        step: column spacing, metres.
        span: first column and one past the last.
        wavelength: lattice spacing of the first octave, metres; each further octave halves it.
        octaves: number of octaves.
        gain: amplitude of an octave relative to the one before.
        seed: stream of the noise.
        warp_x: (columns,) shift of the coordinates east, metres.
        warp_y: (columns,) shift of the coordinates north, metres.
    """
    first, last = span
    for j in range(first, last):
        out[j] = 0.0
    amplitude = fbm_scale(octaves, gain)
    for octave in range(octaves):
        turn_c = math.cos(0.6 + _OCTAVE_TURN * octave) / wavelength
        turn_s = math.sin(0.6 + _OCTAVE_TURN * octave) / wavelength
        stream = seed * 64 + octave
        cell_x, cell_y = _NO_CELL, _NO_CELL
        a = b = c = d = 0.0
        for j in range(first, last):
            px = x0 + j * step + warp_x[j]
            py = y + warp_y[j]
            u = px * turn_c - py * turn_s
            v = px * turn_s + py * turn_c
            iu, iv = math.floor(u), math.floor(v)
            if iu != cell_x or iv != cell_y:
                cell_x, cell_y = iu, iv
                a = _corner(iu, iv, stream)
                b = _corner(iu + 1, iv, stream) - a
                c = _corner(iu, iv + 1, stream) - a
                d = _corner(iu + 1, iv + 1, stream) - a - b - c
            tu, tv = u - iu, v - iv
            tu *= tu * (3.0 - 2.0 * tu)
            tv *= tv * (3.0 - 2.0 * tv)
            out[j] += amplitude * (a + b * tu + c * tv + d * tu * tv)
        wavelength *= 0.5
        amplitude *= gain


@njit(cache=True)
def fbm_point(x: float, y: float, wavelength: float, octaves: int, gain: float, seed: int) -> float:
    """Fractal noise at one place; arguments as in `fbm_row`."""
    amplitude = fbm_scale(octaves, gain)
    total = 0.0
    for octave in range(octaves):
        turn_c = math.cos(0.6 + _OCTAVE_TURN * octave) / wavelength
        turn_s = math.sin(0.6 + _OCTAVE_TURN * octave) / wavelength
        stream = seed * 64 + octave
        u = x * turn_c - y * turn_s
        v = x * turn_s + y * turn_c
        iu, iv = math.floor(u), math.floor(v)
        tu, tv = u - iu, v - iv
        tu *= tu * (3.0 - 2.0 * tu)
        tv *= tv * (3.0 - 2.0 * tv)
        low = _corner(iu, iv, stream) * (1.0 - tu) + _corner(iu + 1, iv, stream) * tu
        high = _corner(iu, iv + 1, stream) * (1.0 - tu) + _corner(iu + 1, iv + 1, stream) * tu
        total += amplitude * (low * (1.0 - tv) + high * tv)
        wavelength *= 0.5
        amplitude *= gain
    return total


@njit(cache=True)
def _fbm_grid(
    out: Field, x0: float, y0: float, step: float, wavelength: float, octaves: int, gain: float, seed: int
) -> None:
    none = np.zeros(out.shape[1])
    for i in range(out.shape[0]):
        fbm_row(out[i], x0, y0 - i * step, step, (0, out.shape[1]), wavelength, octaves, gain, seed, none, none)


def fbm_grid(
    shape: tuple[int, int],
    x0: float,
    y0: float,
    step: float,
    wavelength: float,
    octaves: int,
    seed: int,
    gain: float = 0.5,
) -> Field:
    """Fractal noise on a north-up grid.

    Args:
        shape: rows, columns.
        x0: easting of the centre of column 0, metres.
        y0: northing of the centre of row 0, metres.
        step: spacing, metres.
        wavelength: lattice spacing of the first octave, metres.
        octaves: number of octaves.
        seed: stream of the noise.
        gain: amplitude of an octave relative to the one before.

    Returns:
        (rows, columns) float64, mean 0, standard deviation about 1.
    """
    out = np.empty(shape)
    _fbm_grid(out, x0, y0, step, wavelength, octaves, gain, seed)
    return out
