"""The only door to richdem, which is optional: licensed under GPLv3, compiled at installation.

Written for richdem 0.3.4, the last release (2018). The module deals with what the release does not do itself:

- its import needs `pkg_resources`, which newer setuptools no longer have, and every call asks it for the version;
- without a geotransform the cell size silently becomes 1;
- flow from cells at the edge is not passed on;
- slopes at the edge and beside nodata are wrong by degrees;
- its own D8 takes the lowest neighbour, not the steepest, so that catchments are summed from our directions;
- voids within the raster are filled as pits, where those at the edge are outlets;
- progress bars fill the standard error stream, from C++.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from slumpmap.errors import InputError
from slumpmap.terrain.drainage import NODATA, OUTLET

Floats = NDArray[np.float64]

_NODATA = -9999.0
_STDERR = 2
_UNIT_CELLS = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
# richdem's marks of cells without flow and without data, and its numbers of our neighbours E, SE, S, SW, W, NW, N, NE
# (include/richdem/common/constants.hpp).
_NO_FLOW_GEN, _NO_DATA_GEN = -1, -2
_NEIGHBOURS = (5, 6, 7, 8, 1, 2, 3, 4)


def available() -> bool:
    """Whether richdem is installed and its compiled engine loads."""
    return _load() is not None


def slope_aspect(elevation: NDArray[np.floating], resolution: float) -> tuple[Floats, Floats]:
    """Slope and aspect by richdem (Horn 1981).

    Args:
        elevation: (rows, columns), metres, first row in the north; NaN = nodata.
        resolution: size of a square cell, metres.

    Returns:
        As `slumpmap.terrain.slope.horn`, in single precision.

    Raises:
        ModuleNotFoundError: richdem is not installed; ask `available` before.
    """
    richdem = _needed()
    filled = np.where(np.isnan(elevation), _NODATA, elevation).astype(np.float64)
    dem = richdem.rdarray(filled, no_data=_NODATA)
    dem.geotransform = (0.0, resolution, 0.0, 0.0, 0.0, -resolution)
    with _silent_stderr():
        slope, aspect = (
            np.array(richdem.TerrainAttribute(dem, attrib=name), dtype=np.float64)
            for name in ("slope_degrees", "aspect")
        )
    whole = _whole_neighbourhood(elevation)
    slope[~whole] = np.nan
    # On flat cells richdem gives 90, which would be east.
    aspect[~whole | (slope == 0)] = np.nan
    return slope, aspect % 360.0


def fill(elevation: NDArray[np.floating]) -> NDArray[Any]:
    """Fills depressions by richdem; as `slumpmap.terrain.drainage.fill`, which gives the same.

    Raises:
        InputError: there are voids that do not touch the edge: richdem would fill them, with the ground around.
        ModuleNotFoundError: richdem is not installed; ask `available` before.
    """
    richdem = _needed()
    nodata = np.isnan(elevation)
    if not np.array_equal(nodata & ~ndimage.binary_fill_holes(~nodata, np.ones((3, 3))), nodata):
        fault = "richdem takes voids within the DEM for pits, where water should leave"
        raise InputError("engine", fault, "fill the voids, or choose numba")
    dem = richdem.rdarray(np.where(nodata, elevation.dtype.type(_NODATA), elevation), no_data=_NODATA)
    dem.geotransform = _UNIT_CELLS
    with _silent_stderr():
        filled = np.array(richdem.FillDepressions(dem, epsilon=False, topology="D8"))
    filled[nodata] = np.nan
    return filled


def accumulate(direction: NDArray[np.int8], weight: Floats) -> Floats:
    """Sums weights downstream by richdem; as `slumpmap.terrain.drainage.accumulate`, which gives the same.

    Takes 40 B per cell more, since richdem wants the share that goes to each of the eight neighbours.

    Raises:
        ModuleNotFoundError: richdem is not installed; ask `available` before.
    """
    richdem = _needed()
    # Flow from cells at the edge is left out, hence a ring of nodata around.
    ringed = np.pad(direction, 1, constant_values=NODATA)
    shares = np.zeros((*ringed.shape, 9), np.float32)
    shares[..., 0] = np.where(ringed == NODATA, _NO_DATA_GEN, np.where(ringed == OUTLET, _NO_FLOW_GEN, 0))
    for code, neighbour in enumerate(_NEIGHBOURS):
        shares[..., neighbour] = ringed == code
    flow = richdem.rd3array(shares, no_data=_NO_DATA_GEN)
    weights = richdem.rdarray(np.repeat(np.pad(weight, 1)[:, None], ringed.shape[1], axis=1), no_data=-1)
    flow.geotransform = weights.geotransform = _UNIT_CELLS
    with _silent_stderr():
        total = np.array(richdem.FlowAccumFromProps(flow, weights=weights), dtype=np.float64)[1:-1, 1:-1]
    total[direction == NODATA] = np.nan
    return total


def _needed() -> ModuleType:
    """richdem; ModuleNotFoundError where it is not installed."""
    richdem = _load()
    if richdem is None:
        raise ModuleNotFoundError("richdem", name="richdem")
    return richdem


@cache
def _load() -> ModuleType | None:
    """Imports richdem, or gives None where it is not installed or its engine does not load."""
    if importlib.util.find_spec("richdem") is None:
        return None
    stand_in = "pkg_resources" not in sys.modules and importlib.util.find_spec("pkg_resources") is None
    if stand_in:
        sys.modules["pkg_resources"] = ModuleType("pkg_resources")
    try:
        importlib.import_module("_richdem")
        richdem = importlib.import_module("richdem")
    except ImportError:
        return None
    finally:
        if stand_in:
            del sys.modules["pkg_resources"]
    richdem._RichDEMVersion = lambda: "richdem"  # type: ignore[attr-defined]
    return richdem


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Sends the process's standard error to nowhere: the bars come from C++, beneath sys.stderr."""
    sys.stderr.flush()
    kept = os.dup(_STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    try:
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(nowhere)


def _whole_neighbourhood(elevation: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Cells whose eight neighbours and themselves all have a value."""
    whole = np.zeros(elevation.shape, dtype=bool)
    if min(elevation.shape) >= 3:
        windows = np.lib.stride_tricks.sliding_window_view(~np.isnan(elevation), (3, 3))
        whole[1:-1, 1:-1] = windows.all(axis=(2, 3))
    return whole
