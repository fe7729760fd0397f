"""Slope and aspect of an elevation model, block by block."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from slumpmap.errors import InputError
from slumpmap.terrain import richdem_door
from slumpmap.terrain.dem import Dem, open_dem, write_blocks
from slumpmap.terrain.north import Convergence, convergence_of

Floats = NDArray[np.float64]
Engine = Literal["auto", "richdem", "numpy"]
Method = Literal["horn", "zevenbergen_thorne"]
North = Literal["grid", "true"]

# The window of finite differences reaches one cell to every side.
HALO_PX = 1
# Cells that are square up to rounding of the geotransform.
_SQUARE = 1e-6
_NAMES = {"horn": "Horn", "zevenbergen_thorne": "Zevenbergen-Thorne"}


class _Compute(Protocol):
    """Slope and aspect from elevations and the cells' sizes, as `horn`."""

    def __call__(self, elevation: Floats, dx: Floats, dy: Floats) -> tuple[Floats, Floats]: ...


def slope_aspect(
    dem: Path,
    out_slope: Path | None,
    out_aspect: Path | None,
    engine: Engine = "auto",
    method: Method = "horn",
    north: North = "grid",
    any_elevation: bool = False,
) -> None:
    """Writes slope and aspect of an elevation model, both in degrees, float32, nodata NaN.

    Slope is 0 to 90; aspect is the down-slope direction, 0 = north, clockwise, below 360. Flat cells have
    no aspect. Cells at the edge and beside nodata have neither. Memory does not grow with the raster.

    Args:
        dem: as `slumpmap.terrain.dem.open_dem` takes it; geographic ones get each row's cell size in metres.
        out_slope: GeoTIFF to write, or None.
        out_aspect: GeoTIFF to write, or None.
        engine: who computes: `richdem` (GPLv3, optional; Horn on square cells only), `numpy`, or `auto`: richdem
            where it is installed and serves.
        method: finite differences by `horn` or `zevenbergen_thorne`.
        north: aspect from `grid` north, which is up the columns, or from `true` north, which differs from it by
            the convergence of the projection (up to 1.7 degrees at a UTM zone's edge at 35 N).
        any_elevation: accepts elevations that are implausible on Earth's land.

    Raises:
        InputError: the DEM is refused by `open_dem`; richdem is asked for and is not installed or does not serve; or
            true north is asked for where the projection is not defined.
    """
    with open_dem(dem, any_elevation) as source:
        compute, name = _engine(engine, method, source)
        convergence = convergence_of(source)
        if north == "true" and not convergence.known:
            fault = "DEM's projection has no convergence somewhere on it"
            raise InputError(dem, fault, "project it to a CRS that is made for the place, or choose grid north")
        turn = "turned by" if north == "true" else "not turned by"
        where = f"aspect from {north} north, {turn} {convergence}"
        print(f"slope and aspect: {name} ({_NAMES[method]}), {where}", flush=True)

        def of_block(elevation: Floats, window: Window) -> list[Floats]:
            slope, aspect = of_window(source, elevation, window, compute)
            bearing = _bearing(aspect, convergence if north == "true" else None, window)
            return [values for values, out in ((slope, out_slope), (bearing, out_aspect)) if out is not None]

        outs = [out for out in (out_slope, out_aspect) if out is not None]
        write_blocks(source, outs, HALO_PX, of_block, directions=out_aspect)


def of_window(dem: Dem, elevation: Floats, window: Window, compute: _Compute) -> tuple[Floats, Floats]:
    """Slope and aspect of a window, whose elevations come with a halo of `HALO_PX`; aspect from grid north."""
    dx, dy = dem.cell_size(window.row_off - HALO_PX, elevation.shape[0])
    slope, aspect = compute(elevation, dx, dy)
    inner = np.s_[HALO_PX:-HALO_PX, HALO_PX:-HALO_PX]
    return slope[inner], aspect[inner]


def horn(
    elevation: NDArray[np.floating], dx: float | Floats, dy: float | Floats | None = None
) -> tuple[Floats, Floats]:
    """Slope and aspect by the third-order finite differences of Horn (1981, Proc. IEEE 69, 14-47).

    Args:
        elevation: (rows, columns), metres, first row in the north; NaN = nodata.
        dx: east-west size of a cell, metres; of all, or (rows, 1) of each row's.
        dy: north-south size; None: that of dx.

    Returns:
        Slope and aspect, degrees, (rows, columns) each; NaN at the edge and beside nodata, and aspect NaN
        where the gradient is zero. Aspect is the down-slope direction, 0 = north, clockwise, in [0, 360).
    """
    z = np.asarray(elevation, dtype=np.float64)
    north, south = z[:-2], z[2:]
    west, east = z[:, :-2], z[:, 2:]
    rise_east = (east[:-2] + 2 * east[1:-1] + east[2:]) - (west[:-2] + 2 * west[1:-1] + west[2:])
    rise_north = (north[:, :-2] + 2 * north[:, 1:-1] + north[:, 2:]) - (
        south[:, :-2] + 2 * south[:, 1:-1] + south[:, 2:]
    )
    return _of_gradient(z, rise_east / 8, rise_north / 8, dx, dx if dy is None else dy)


def zevenbergen_thorne(
    elevation: NDArray[np.floating], dx: float | Floats, dy: float | Floats | None = None
) -> tuple[Floats, Floats]:
    """Slope and aspect by the central differences of Zevenbergen & Thorne (1987, Earth Surf. Proc. 12, 47-56).

    Truer than `horn` on smooth ground, and more sensitive to the noise of the elevations.

    Args:
        elevation: as for `horn`.
        dx: as for `horn`.
        dy: as for `horn`.

    Returns:
        As `horn`; corners do not enter the differences, but a cell whose corner is nodata has no value either.
    """
    z = np.asarray(elevation, dtype=np.float64)
    rise_east, rise_north = (z[1:-1, 2:] - z[1:-1, :-2]) / 2, (z[:-2, 1:-1] - z[2:, 1:-1]) / 2
    rise_east[np.isnan(z[:-2, :-2] + z[:-2, 2:] + z[2:, :-2] + z[2:, 2:])] = np.nan
    return _of_gradient(z, rise_east, rise_north, dx, dx if dy is None else dy)


def _of_gradient(
    z: Floats, rise_east: Floats, rise_north: Floats, dx: float | Floats, dy: float | Floats
) -> tuple[Floats, Floats]:
    """Slope and aspect, (rows, columns), from the rise per cell of all cells but those at the edge."""
    slope, aspect = np.full(z.shape, np.nan), np.full(z.shape, np.nan)
    if min(z.shape) < 3:
        return slope, aspect
    rise_east, rise_north = rise_east / _inner(dx), rise_north / _inner(dy)
    # The differences do not use the centre: a hole there must be put back.
    rise_east[np.isnan(z[1:-1, 1:-1])] = np.nan
    gradient = np.hypot(rise_east, rise_north)
    slope[1:-1, 1:-1] = np.degrees(np.arctan(gradient))
    downhill = _wrapped(np.degrees(np.arctan2(-rise_east, -rise_north)))
    aspect[1:-1, 1:-1] = np.where(gradient > 0, downhill, np.nan)
    return slope, aspect


def _inner(size: float | Floats) -> float | Floats:
    """The cell size of the rows that have a row above and below."""
    return size[1:-1] if isinstance(size, np.ndarray) else size


def _wrapped(angle: Floats) -> Floats:
    """Angles in [0, 360)."""
    wrapped = np.asarray(angle % 360.0)
    # A tiny negative angle modulo 360 rounds to 360 itself, which is north.
    wrapped[wrapped >= 360.0] = 0.0
    return wrapped


def _bearing(aspect: Floats, convergence: Convergence | None, window: Window) -> Floats:
    """Aspect from true north where a convergence is given; what the file's precision rounds up to 360 is north."""
    turned = aspect if convergence is None else _wrapped(aspect + convergence.of(window))
    return np.where(turned.astype(np.float32) >= 360, 0.0, turned)


def _engine(engine: Engine, method: Method, dem: Dem) -> tuple[_Compute, str]:
    """The function that computes, and its name; auto takes richdem where it is installed and serves."""
    there = richdem_door.available()
    transform = dem.dataset.transform
    square = abs(transform.a + transform.e) <= _SQUARE * transform.a and not dem.geographic
    serves = square and method == "horn"
    if engine == "richdem" and not there:
        raise InputError("engine", "richdem is not installed", "install it as the README says, or choose numpy")
    if engine == "richdem" and not serves:
        raise InputError("engine", "richdem computes Horn on square cells in metres only", "choose numpy")
    if engine != "numpy" and there and serves:
        return lambda elevation, dx, dy: richdem_door.slope_aspect(elevation, transform.a), "richdem"  # noqa: ARG005
    return (horn if method == "horn" else zevenbergen_thorne), "numpy"
