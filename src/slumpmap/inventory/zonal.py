"""Statistics of a raster under polygons, each pixel weighted by the area that the polygon covers of it.

A slump of 0.05 ha is half a pixel of a 30 m DEM; taking pixels by their centres would leave such slumps
without values. rasterstats reads the window round each polygon; the weights are exact intersections.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from rasterio.transform import Affine
from rasterstats.io import Raster
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from slumpmap.raster import open_raster

Floats = NDArray[np.float64]

# Below this resultant length the directions cancel out, and their mean says nothing.
_NO_DIRECTION = 1e-9


def zonal_statistics(raster: Path, layer: gpd.GeoDataFrame) -> pd.DataFrame:
    """Area-weighted mean, and smallest and largest value of the pixels that each polygon touches.

    Args:
        raster: band 1 is read; any CRS: the polygons are brought to it.
        layer: polygons with a CRS.

    Returns:
        Columns mean, min, max, one row a polygon, index of `layer`; NaN where it covers no valid pixel.

    Raises:
        InputError: the raster is missing, unreadable or without CRS.
    """
    rows = [
        (np.average(values, weights=weights), values.min(), values.max()) if len(values) else (np.nan,) * 3
        for values, weights in _covered(raster, layer)
    ]
    return pd.DataFrame(rows, index=layer.index, columns=["mean", "min", "max"], dtype=float)


def zonal_direction(raster: Path, layer: gpd.GeoDataFrame) -> pd.DataFrame:
    """Circular mean and concentration of a raster of directions under each polygon.

    Args:
        raster: directions in degrees, band 1; nodata where there is none.
        layer: polygons with a CRS.

    Returns:
        Columns mean (degrees, [0, 360)) and concentration (resultant length, 0 to 1), one row a polygon, index
        of `layer`; NaN where it covers no valid pixel.

    Raises:
        InputError: the raster is missing, unreadable or without CRS.
    """
    rows = [circular_mean(values, weights) for values, weights in _covered(raster, layer)]
    return pd.DataFrame(rows, index=layer.index, columns=["mean", "concentration"], dtype=float)


def circular_mean(degrees: Floats, weights: Floats) -> tuple[float, float]:
    """Weighted mean direction and resultant length (Mardia & Jupp 2000, Directional Statistics, 2.2).

    Returns:
        Mean in degrees, [0, 360), and length R, 0 to 1; the mean is NaN where directions cancel out, and
        both are NaN without any weight.
    """
    total = weights.sum()
    if total == 0:
        return np.nan, np.nan
    angles = np.radians(degrees)
    north, east = (weights * np.cos(angles)).sum() / total, (weights * np.sin(angles)).sum() / total
    # Rounding must not report a length above one.
    length = min(float(np.hypot(north, east)), 1.0)
    if length < _NO_DIRECTION:
        return np.nan, length
    # Rounding to 1e-9 degrees brings 359.9999999999 and what the modulo makes 360 back to north.
    return round(float(np.degrees(np.arctan2(east, north))) % 360.0, 9) % 360.0, length


def covered_area(polygon: BaseGeometry, transform: Affine, shape: tuple[int, int]) -> Floats:
    """Area that a polygon covers of each pixel, exact.

    Args:
        polygon: in the CRS of `transform`.
        transform: affine of the pixels.
        shape: rows and columns.

    Returns:
        (rows, columns), square units of the CRS.
    """
    row, column = np.indices(shape)
    left, top = transform.c + column * transform.a, transform.f + row * transform.e
    pixels = shapely.box(left, top + transform.e, left + transform.a, top)
    shapely.prepare(polygon)
    # Most pixels of a large slump lie inside: only those on its outline need an intersection.
    area = np.where(shapely.contains_properly(polygon, pixels), abs(transform.a * transform.e), 0.0)
    outline = shapely.intersects(polygon, pixels) & (area == 0)
    area[outline] = shapely.area(shapely.intersection(polygon, pixels[outline]))
    return area


def _covered(raster: Path, layer: gpd.GeoDataFrame) -> Iterator[tuple[Floats, Floats]]:
    """For each polygon the valid values that it covers, and the covered areas; both 1D, maybe empty."""
    with open_raster(raster) as source:
        crs, extent = source.crs, box(*source.bounds)
    polygons = shapely.intersection(layer.geometry.to_crs(crs).to_numpy(), extent)
    # Masked reads know the file's own nodata; a value given here only keeps rasterstats from warning of none.
    with Raster(str(raster), nodata=np.nan) as pixels:
        for polygon in polygons:
            if shapely.area(polygon) == 0:
                yield np.empty(0), np.empty(0)
                continue
            part = pixels.read(bounds=polygon.bounds, masked=True)
            area = covered_area(polygon, part.affine, part.array.shape)
            valid = (area > 0) & ~np.ma.getmaskarray(np.ma.masked_invalid(part.array))
            yield part.array.data[valid].astype(np.float64), area[valid]
