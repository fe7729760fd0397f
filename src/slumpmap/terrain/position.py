"""Topographic position: how high a cell lies above the ground around it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray
from rasterio.windows import Window

from slumpmap.errors import InputError
from slumpmap.terrain.dem import open_dem, write_blocks

Floats = NDArray[np.float64]

# Elevations are summed as whole numbers of 2^-20 m (1 micrometre), which is exact: sums do not depend on where a
# block begins. Running sums of a row of 10^5 cells at 9000 m stay below 2^50.
_UNIT = 2.0**20
# Shares of a cell by which a neighbour may lie beyond the radius: what rounding makes of "just within".
_TOUCH = 1e-9


def topographic_position(dem: Path, out: Path, radius_m: float = 100.0, any_elevation: bool = False) -> None:
    """Writes the topographic position index of an elevation model, see `tpi`, metres, float32, nodata NaN.

    Args:
        dem: as `slumpmap.terrain.dem.open_dem` takes it.
        out: GeoTIFF to write.
        radius_m: radius of the neighbourhood, metres.
        any_elevation: accepts elevations that are implausible on Earth's land.

    Raises:
        InputError: the DEM is refused by `open_dem`, or the radius reaches no neighbour.
    """
    with open_dem(dem, any_elevation) as source:
        dx, dy = source.cell_size()
        widest, narrowest = float(max(dx.max(), dy.max())), float(min(dx.min(), dy.min()))
        if radius_m < widest:
            fault = f"the radius of {radius_m:g} m is smaller than the cells, up to {widest:.1f} m"
            raise InputError("radius", fault, f"give one of {math.ceil(widest)} m at least")
        halo = math.floor(radius_m / narrowest + _TOUCH)

        def of_block(elevation: Floats, window: Window) -> tuple[Floats]:
            sizes = source.cell_size(window.row_off, window.height)
            return (tpi(elevation, radius_m, *sizes, halo=halo),)

        write_blocks(source, (out,), halo, of_block)


def tpi(elevation: NDArray[np.floating], radius_m: float, dx: Floats, dy: Floats, halo: int = 0) -> Floats:
    """Topographic position index: elevation less the mean of its neighbours (Weiss 2001; Gallant & Wilson 2000).

    Neighbours are the cells whose centres lie within the radius, the cell itself excluded. Where some have no
    elevation, or lie beyond the raster, the mean is that of the others.

    Args:
        elevation: (rows + 2 halo, columns + 2 halo), metres; NaN = nodata.
        radius_m: radius of the neighbourhood, metres.
        dx: (rows, 1) east-west size of the cells of a row, metres; without the halo's rows.
        dy: (rows, 1) north-south size.
        halo: cells at each side of `elevation` that serve as neighbours only.

    Returns:
        (rows, columns) metres, positive on ridges; NaN where there is no elevation, or no neighbour. Elevations
        count in steps of 1e-6 m.
    """
    reach = max(halo, math.floor(radius_m / float(min(dx.min(), dy.min())) + _TOUCH))
    padded = np.pad(elevation, reach - halo, constant_values=np.nan)
    known = ~np.isnan(padded)
    whole = np.rint(np.where(known, padded, 0.0) * _UNIT).astype(np.int64)
    north = np.arange(-reach, reach + 1) * dy
    chord = np.sqrt(np.maximum(radius_m**2 - north**2, 0.0))
    half = np.floor(chord / dx + _TOUCH).astype(np.int64)
    half[np.abs(north) > radius_m * (1 + _TOUCH)] = -1
    return np.asarray(_above_mean(whole, known, _running(whole), _running(known), half, reach))


def _running(values: NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.int64]:
    """Running sums along rows, starting with 0: (rows, columns + 1)."""
    out = np.zeros((values.shape[0], values.shape[1] + 1), np.int64)
    np.cumsum(values, axis=1, out=out[:, 1:])
    return out


@njit(cache=True, nogil=True)
def _above_mean(
    whole: NDArray[np.int64],
    known: NDArray[np.bool_],
    heights: NDArray[np.int64],
    counts: NDArray[np.int64],
    half: NDArray[np.int64],
    reach: int,
) -> Floats:
    """Elevation less the mean of the neighbours, by differences of running sums; `half` widths for each row."""
    rows, columns = half.shape[0], whole.shape[1] - 2 * reach
    out = np.empty((rows, columns))
    total, count = np.empty(columns, np.int64), np.empty(columns, np.int64)
    for row in range(rows):
        total[:] = 0
        count[:] = 0
        for k in range(2 * reach + 1):
            width = half[row, k]
            if width < 0:
                continue
            left, right = reach - width, reach + width + 1
            for column in range(columns):
                total[column] += heights[row + k, column + right] - heights[row + k, column + left]
                count[column] += counts[row + k, column + right] - counts[row + k, column + left]
        for column in range(columns):
            here, others = whole[row + reach, column + reach], count[column] - 1
            if known[row + reach, column + reach] and others > 0:
                out[row, column] = (here * (others + 1) - total[column]) / (others * _UNIT)
            else:
                out[row, column] = np.nan
    return out
