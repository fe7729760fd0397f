"""What lies under the site's map: the shaded relief and the images as pictures of bounded size, roads and streams."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image
from rasterio.enums import Resampling
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT

from slumpmap import observed
from slumpmap.files import atomic, write_json
from slumpmap.grid import Grid
from slumpmap.raster import RGB_NODATA, open_raster, reading
from slumpmap.terrain.hillshade import hillshade
from slumpmap.terrain.slope import horn
from slumpmap.vector import LINES, read_layer

Frame = tuple[Any, int, int]

INDEX = "ground.json"
# Share of the study area's longer side that is shown beyond it.
_MARGIN = 0.02
# Percentiles of light and of elevation that become the ends of the scales.
_STRETCH = (1.0, 99.0)
# Low to high ground: pale enough for coloured outlines on it.
_TINTS = np.array([(203, 213, 193), (222, 219, 197), (232, 222, 205), (242, 238, 231), (252, 251, 250)], np.float64)
_QUALITY = 88
# Vertices of streams that a browser still draws smoothly.
_MOST_VERTICES = 60_000


def write_ground(
    grid: Grid, dem: Path | None, mosaic: Path | None, roads: Path | None, streams: Path | None, longest: int, out: Path
) -> None:
    """Writes `relief.webp`, `image.webp` and `ground.json`, which says what they cover and holds the lines.

    Args:
        grid: the campaign's grid; all coordinates are in its CRS.
        dem: elevations, or None: no relief.
        mosaic: the 8-bit images of the mapping year as one raster in the grid's CRS, or None: no image.
        roads: roads and railways, lines, or None.
        streams: streams, lines, with `strahler` where there are many, or None.
        longest: longer side of the pictures at most, pixels.
        out: folder.

    Raises:
        InputError: a file is missing or unreadable.
    """
    out.mkdir(parents=True, exist_ok=True)
    west, south, east, north = grid.area.bounds
    margin = _MARGIN * max(east - west, north - south)
    bounds = (west - margin, south - margin, east + margin, north + margin)
    pictures = {}
    if dem is not None:
        pictures["relief"] = _save(out / "relief.webp", *_relief(dem, grid.crs, bounds, longest))
    if mosaic is not None:
        pictures["image"] = _save(out / "image.webp", *_image(mosaic, grid, bounds, longest))
    tolerance = (bounds[2] - bounds[0]) / longest / 2
    lines = {
        name: _lines(path, name, grid.crs, tolerance, bounds)
        for name, path in (("roads", roads), ("streams", streams))
        if path is not None
    }
    outline = [_rounded(ring) for ring in _rings(grid.area)]
    write_json(out / INDEX, {"bounds": bounds, "pictures": pictures, "lines": lines, "area": outline})
    observed.wrote_folder(out)


def _frame(bounds: tuple[float, float, float, float], pixel: float) -> Frame:
    """Transform, width and height of a picture from the upper left corner of `bounds`."""
    west, south, east, north = bounds
    width, height = math.ceil((east - west) / pixel), math.ceil((north - south) / pixel)
    return from_origin(west, north, pixel, pixel), width, height


def _pixel(finest: float, bounds: tuple[float, float, float, float], longest: int) -> float:
    """Pixel size, metres: the data's own, or what keeps the picture within its size."""
    west, south, east, north = bounds
    return max(finest, (east - west) / longest, (north - south) / longest)


def _relief(dem: Path, crs: str, bounds: tuple[float, float, float, float], longest: int) -> tuple[NDArray[Any], Any]:
    """(rows, columns, 4) shaded relief tinted by elevation, transparent where there is none; and its transform."""
    with open_raster(dem, "DEM") as source, reading(dem, "DEM"):
        with WarpedVRT(source, crs=crs) as native:
            finest = abs(native.transform.a)
        # Relief of 30 m shown finer than that only looks smoother: half a cell keeps edges from showing steps.
        pixel = _pixel(finest / 2, bounds, longest)
        transform, width, height = _frame(bounds, pixel)
        how = Resampling.average if pixel > finest else Resampling.cubic
        with WarpedVRT(source, crs=crs, transform=transform, width=width, height=height, resampling=how) as warped:
            elevation = warped.read(1, masked=True).astype(np.float64).filled(np.nan)
    light, void = hillshade(*horn(elevation, pixel)), np.isnan(elevation)
    # The rim has no slope; light of flat ground there.
    light[np.isnan(light)] = math.sqrt(0.5)
    # Bright as a whole, with the darkest and the brightest that this ground has, so that gentle ground shows too.
    shade = 0.66 + 0.42 * _scaled(light, ~void) ** 0.8
    steps = _scaled(elevation, ~void) * (len(_TINTS) - 1)
    colours = np.stack([np.interp(steps, np.arange(len(_TINTS)), _TINTS[:, band]) for band in range(3)], axis=-1)
    picture = np.clip(colours * shade[..., None], 0, 255).astype(np.uint8)
    return np.dstack([picture, np.where(void, 0, 255).astype(np.uint8)]), transform


def _scaled(values: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Values between their percentiles as 0 to 1; all 0 where nothing is valid or nothing differs."""
    if not valid.any():
        return np.zeros_like(values)
    low, high = np.percentile(values[valid], _STRETCH)
    scaled = (np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-9)
    return np.asarray(np.clip(scaled, 0.0, 1.0))


def _image(
    mosaic: Path, grid: Grid, bounds: tuple[float, float, float, float], longest: int
) -> tuple[NDArray[Any], Any]:
    """(rows, columns, 4) the images, transparent where there are none; and its transform."""
    pixel = _pixel(grid.resolution, bounds, longest)
    transform, width, height = _frame(bounds, pixel)
    how = Resampling.average if pixel > grid.resolution else Resampling.nearest
    options = {"transform": transform, "width": width, "height": height, "resampling": how}
    with (
        open_raster(mosaic, "mosaic of images") as source,
        reading(mosaic, "mosaic of images"),
        WarpedVRT(source, crs=grid.crs, nodata=RGB_NODATA, **options) as warped,
    ):
        bands = warped.read([1, 2, 3])
    seen = (bands != RGB_NODATA).any(axis=0)
    return np.dstack([*bands, np.where(seen, 255, 0).astype(np.uint8)]), transform


def _save(path: Path, picture: NDArray[Any], transform: Any) -> dict[str, Any]:
    """Writes a picture; returns its name and bounds."""
    with atomic(path) as temporary:
        Image.fromarray(picture, "RGBA").save(temporary, quality=_QUALITY, method=4)
    height, width = picture.shape[:2]
    west, north, pixel = transform.c, transform.f, transform.a
    return {"file": path.name, "bounds": [west, north - height * pixel, west + width * pixel, north], "pixel_m": pixel}


def _lines(
    path: Path, what: str, crs: str, tolerance: float, bounds: tuple[float, float, float, float]
) -> list[list[float]]:
    """Lines as x, y, x, y ..., whole metres, simplified to what the picture's pixels show.

    Of streams that are too many for a browser those of the lowest orders are left out.
    """
    layer = read_layer(path, what, crs, kinds=LINES)
    layer = _of_highest_orders(layer)
    shapes = shapely.clip_by_rect(layer.geometry.to_numpy(), *bounds)
    parts = shapely.get_parts(shapely.get_parts(shapely.simplify(shapes, tolerance)))
    return [_rounded(part) for part in parts if part.geom_type == "LineString" and not part.is_empty]


def _of_highest_orders(layer: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The lines of the highest orders, as many orders as have no more vertices than a browser draws."""
    if "strahler" not in layer.columns:
        return layer
    vertices = shapely.get_num_coordinates(layer.geometry.to_numpy())
    orders = np.sort(layer["strahler"].unique())[::-1]
    kept = [order for order in orders if vertices[(layer["strahler"] >= order).to_numpy()].sum() <= _MOST_VERTICES]
    return layer[layer["strahler"] >= (kept[-1] if kept else orders[0])] if len(orders) else layer


def _rings(area: Any) -> list[Any]:
    return [part.exterior for part in getattr(area, "geoms", [area])]


def _rounded(line: Any) -> list[float]:
    """Coordinates of a line one after the other, whole metres."""
    flat: list[float] = np.round(shapely.get_coordinates(line)).astype(int).ravel().tolist()
    return flat
