"""What lies under and around the candidates on the map: images of all years, relief, what is known already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
from pyproj import CRS
from rasterio.io import DatasetReader

from slumpmap.config import Config
from slumpmap.errors import InputError
from slumpmap.files import way_to
from slumpmap.gis.project import Bounds, Layer, draw_colours, draw_contours, draw_relief
from slumpmap.gis.xml import put_single
from slumpmap.grid import Grid
from slumpmap.raster import RGB_NODATA, open_raster, reading, write_mosaic
from slumpmap.review.extra import check_image
from slumpmap.review.qgis.desk import Desk
from slumpmap.settings.imagery import DatedImage
from slumpmap.vector import read_layer, write_package

_CONTOUR_STEP_M, _CONTOURS_TO = 5.0, 30_000
# Pixels to a side of what is read of an image to find its range of values.
_GLANCE_PX = 512
_STRETCH = (2.0, 98.0)


def write_around(desk: Desk, grid: Grid, path: Path) -> list[Layer]:
    """Writes what is known already and the study area, and returns the layers that show them, faintly.

    Args:
        desk: whose review.
        grid: the campaign's grid.
        path: the GeoPackage to make, beside the project.

    Raises:
        InputError: one of the layers is refused.
    """
    crs = grid.crs
    known_file = desk.places.candidates.parents[1] / "labels" / "positives.gpkg"
    before = desk.places.candidates.parents[2] / f"{desk.iteration - 1:02d}" / "outcome" / "rejected.gpkg"
    layers = {"known": _with_id(read_layer(known_file, "known slumps", crs, columns=("id",)))}
    if desk.iteration > 1:
        rejected = read_layer(before, "rejected places", crs, columns=("id", "is_slump"))
        layers["rejected"] = _with_id(rejected[~rejected["is_slump"].astype(bool)])
    layers["study_area"] = gpd.GeoDataFrame({"id": ["study area"]}, geometry=[grid.area], crs=crs)
    write_package(layers, dict.fromkeys(layers, "MultiPolygon"), path, lambda _: None)
    looks = {
        "known": ("Known slumps", (("0,0,0,110", 0.8, "solid"), ("255,255,255,200", 0.4, "dash"))),
        "rejected": ("Rejected before", (("0,0,0,90", 0.7, "solid"), ("170,170,170,200", 0.35, "dot"))),
        "study_area": ("Study area", (("120,120,120,255", 0.5, "solid"),)),
    }
    return [
        Layer(
            key,
            looks[key][0],
            f"./{path.name}|layername={key}",
            crs,
            tuple(map(float, layer.total_bounds)) if len(layer) else grid.area.bounds,  # type: ignore[arg-type]
            lambda node, key=key: put_single(node, "fill", looks[key][1]),  # type: ignore[misc]
            "Polygon",
        )
        for key, layer in layers.items()
    ]


def _with_id(layer: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    return layer[["id", "geometry"]].astype({"id": str})


def write_mosaics(config: Config, grid: Grid, out: Path) -> tuple[int, ...]:
    """Writes a mosaic for each year that has images, `imagery/<year>.vrt`.

    Args:
        config: the campaign.
        grid: its grid.
        out: folder of the project.

    Returns:
        The years that have images.

    Raises:
        InputError: the mapping year has none.
    """
    years = []
    for year in config.imagery.years:
        folder = (config.folder / "imagery" / str(year)).resolve()
        tiles = [tile for tile in grid.tiles if (folder / f"{tile.id}.tif").exists()]
        if tiles:
            write_mosaic(grid, folder, 3, RGB_NODATA, out / "imagery" / f"{year}.vrt", tiles)
            years.append(year)
    if config.imagery.mapping_year not in years:
        folder = config.folder / "imagery" / str(config.imagery.mapping_year)
        raise InputError(folder, "there are no images of the mapping year", "run snakemake first")
    return tuple(years)


def year_layers(config: Config, grid: Grid, years: tuple[int, ...]) -> Iterator[Layer]:
    """The mosaics of the years; that of the mapping year is shown first."""
    tiles = [grid.bounds(tile.window) for tile in grid.tiles]
    west, south, _, _ = np.min(tiles, axis=0).tolist()
    _, _, east, north = np.max(tiles, axis=0).tolist()
    for year in years:
        source, bounds = f"./imagery/{year}.vrt", (west, south, east, north)
        shown = year == config.imagery.mapping_year
        yield Layer(f"year_{year}", str(year), source, grid.crs, bounds, draw_colours((1, 2, 3)), checked=shown)


def further_images(config: Config, out: Path) -> Iterator[Layer]:
    """The campaign's dated images, each with its own range of values.

    Args:
        config: the campaign.
        out: folder of the project.

    Raises:
        InputError: an image is refused, or shows nothing.
    """
    for number, image in enumerate(sorted(config.dated_images(), key=lambda image: (image.date, image.name))):
        check_image(image)
        with open_raster(image.path, f"image {image.name!r}") as source:
            bands = image.bands or ((1, 2, 3) if source.count >= 3 else (1,))
            draw = draw_colours(bands, _ranges(image, source, bands))
            title = f"{image.name} {image.date.isoformat()}"
            yield Layer(
                f"image_{number}",
                title,
                way_to(image.path.resolve(), out),
                CRS(source.crs.to_wkt()),
                source.bounds,
                draw,
                checked=False,
            )


def _ranges(image: DatedImage, source: DatasetReader, bands: tuple[int, ...]) -> list[tuple[float, float]]:
    """Lowest and highest value of each band that is shown, at a glance over the whole image."""
    size = (len(bands), min(source.height, _GLANCE_PX), min(source.width, _GLANCE_PX))
    with reading(image.path, f"image {image.name!r}"):
        values = source.read(bands, out_shape=size, masked=True).astype(np.float64)
    ranges = []
    for band in values:
        valid = band.compressed()
        valid = valid[np.isfinite(valid)]
        if not len(valid):
            raise InputError(image.path, f"image {image.name!r} has no valid pixel", "remove it from `images`")
        low, high = np.percentile(valid, _STRETCH)
        ranges.append((float(low), float(high)))
    return ranges


def relief(config: Config, out: Path) -> Iterator[Layer]:
    """Shaded relief, where the campaign has an elevation model."""
    for path, crs, bounds in _dem(config):
        yield Layer("relief", "Shaded relief", way_to(path.resolve(), out), crs, bounds, draw_relief(crs), checked=True)


def contours(config: Config, out: Path) -> Iterator[Layer]:
    """Contour lines, where the campaign has an elevation model."""
    for path, crs, bounds in _dem(config):
        title = f"Contour lines, {_CONTOUR_STEP_M:g} m"
        draw = draw_contours(_CONTOUR_STEP_M)
        yield Layer(
            "contours",
            title,
            way_to(path.resolve(), out),
            crs,
            bounds,
            draw,
            checked=False,
            smallest_scale=_CONTOURS_TO,
        )


def _dem(config: Config) -> Iterator[tuple[Path, CRS, Bounds]]:
    """The elevation model with its CRS and bounds; nothing where the campaign has none."""
    path = config.input_files().dem
    if path is not None:
        with open_raster(path, "DEM") as source:
            yield path, CRS(source.crs.to_wkt()), tuple(source.bounds)
