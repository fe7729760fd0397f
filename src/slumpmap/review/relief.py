"""The ground under a candidate: shaded relief with contour lines, and which way is uphill."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from rasterio.enums import Resampling
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT

from slumpmap.raster import open_raster, reading
from slumpmap.terrain.hillshade import hillshade
from slumpmap.terrain.slope import horn

Floats = NDArray[np.float64]
Bounds = tuple[float, float, float, float]

# Steps of the contour lines, metres: the finest with at most this many lines in a picture.
_STEPS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_MOST_LINES = 14
# Percentiles of the light that become dark and bright, and the least range that is stretched: gentle ground would
# else be one flat grey, and flat ground would show the noise of the DEM.
_STRETCH = (2.0, 98.0)
_LEAST_RANGE = 0.15
_VOID_GREY = 128
_LINE_GREY = 60


@dataclass(frozen=True)
class Ground:
    """The mean plane under a candidate.

    Args:
        elevation_m: mean elevation, metres.
        slope_deg: of the plane, degrees.
        uphill_deg: direction in which it rises, degrees clockwise from grid north; None where it is level.
    """

    elevation_m: float
    slope_deg: float
    uphill_deg: float | None


class Relief:
    """The elevations of a region in the campaign's CRS, at the DEM's own resolution.

    Args:
        dem: elevations, metres, in any CRS.
        crs: the campaign's CRS.
        bounds: west, south, east, north of the region, metres; a margin is added.

    Raises:
        InputError: the DEM is missing, unreadable or without CRS.
    """

    def __init__(self, dem: Path, crs: str, bounds: Bounds) -> None:
        west, south, east, north = bounds
        with open_raster(dem, "DEM") as source, reading(dem, "DEM"):
            with WarpedVRT(source, crs=crs) as native:
                self.cell = abs(native.transform.a)
            margin = 3 * self.cell
            self.west, self.north = west - margin, north + margin
            width = math.ceil((east + margin - self.west) / self.cell)
            height = math.ceil((self.north - south + margin) / self.cell)
            transform = from_origin(self.west, self.north, self.cell, self.cell)
            options = {"transform": transform, "width": width, "height": height}
            with WarpedVRT(source, crs=crs, resampling=Resampling.bilinear, **options) as warped:
                self.elevation: Floats = warped.read(1, masked=True).astype(np.float64).filled(np.nan)
        self._light = hillshade(*horn(self.elevation, self.cell))

    def ground(self, bounds: Bounds) -> Ground | None:
        """The mean plane of the cells in and beside a box; None where fewer than three of them have a value."""
        west, south, east, north = bounds
        left, top, right, bottom = self._cells((west, south, east, north))
        columns = slice(max(math.floor(left) - 1, 0), math.ceil(right) + 1)
        rows = slice(max(math.floor(top) - 1, 0), math.ceil(bottom) + 1)
        part = self.elevation[rows, columns]
        known = np.isfinite(part)
        if known.sum() < 3:
            return None
        row, column = np.nonzero(known)
        x, y = column * self.cell, -row * self.cell
        design = np.column_stack([x - x.mean(), y - y.mean(), np.ones(len(x))])
        (east_rise, north_rise, mean), *_ = np.linalg.lstsq(design, part[known], rcond=None)
        rise = math.hypot(east_rise, north_rise)
        uphill = None if rise < 1e-6 else math.degrees(math.atan2(east_rise, north_rise)) % 360
        return Ground(float(mean), math.degrees(math.atan(rise)), uphill)

    def picture(self, bounds: Bounds, size: int) -> tuple[Image.Image, float]:
        """Shaded relief with contour lines of a square.

        Args:
            bounds: west, south, east, north, metres.
            size: pixels to a side.

        Returns:
            The picture (8-bit grey) and the step of its contour lines, metres.
        """
        picture = Image.fromarray(_greys(self._crop(self._light, bounds, size)))
        elevation = self._crop(self.elevation, bounds, size)
        step = self._step(elevation)
        _draw_contours(picture, elevation, step)
        return picture, step

    def _cells(self, bounds: Bounds) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of a box in cells of the region."""
        west, south, east, north = bounds
        columns = ((edge - self.west) / self.cell for edge in (west, east))
        rows = ((self.north - edge) / self.cell for edge in (north, south))
        left, right = columns
        top, bottom = rows
        return left, top, right, bottom

    def _crop(self, values: Floats, bounds: Bounds, size: int) -> Floats:
        """A square of the region brought to `size` pixels by cubic interpolation; NaN spreads to its neighbours."""
        picture = Image.fromarray(values.astype(np.float32))
        return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC, self._cells(bounds)), np.float64)

    @staticmethod
    def _step(elevation: Floats) -> float:
        known = elevation[np.isfinite(elevation)]
        height = float(np.ptp(known)) if len(known) else 0.0
        return next((step for step in _STEPS if height / step <= _MOST_LINES), _STEPS[-1])


def _greys(light: Floats) -> NDArray[np.uint8]:
    """Light as greys from 40 to 255; ground without elevation is a middle grey."""
    known = np.isfinite(light)
    if not known.any():
        return np.full(light.shape, _VOID_GREY, np.uint8)
    low, high = np.percentile(light[known], _STRETCH)
    wider = max(_LEAST_RANGE - (high - low), 0.0) / 2
    scaled = (np.where(known, light, low) - low + wider) / (high - low + 2 * wider)
    return np.where(known, 40 + 215 * np.clip(scaled, 0, 1), _VOID_GREY).astype(np.uint8)


def _draw_contours(picture: Image.Image, elevation: Floats, step: float) -> None:
    known = elevation[np.isfinite(elevation)]
    if not len(known):
        return
    draw = ImageDraw.Draw(picture)
    lines = contour_generator(z=np.ma.masked_invalid(elevation))
    for level in np.arange(math.ceil(known.min() / step), math.floor(known.max() / step) + 1) * step:
        for line in lines.lines(float(level)):
            draw.line(np.asarray(line).ravel().tolist(), fill=_LINE_GREY, width=1)
