"""The QGIS project of a campaign: all its products, drawn, in one window. Paths are relative to the project."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas as gpd
import shapely
from pyproj import CRS

from slumpmap.errors import InputError
from slumpmap.files import way_to, write_text
from slumpmap.gis.looks import LOOKS, look_of, style_of
from slumpmap.gis.project import Bounds, Group, Layer, Project, draw_colours, draw_relief, write_project
from slumpmap.gis.stored import store_styles
from slumpmap.grid import Grid
from slumpmap.raster import PROBABILITY_NODATA, open_raster, write_mosaic
from slumpmap.vector import frame_of, write_package

AREA, PROBABILITY = "gis/area.gpkg", "gis/probability.vrt"
# Which product stands where in the list of layers, from top to bottom; cells of any size are `cells`.
_SLUMPS = ("inventory", "positives", "candidates", "rejected")
_AROUND = ("study_area", "tiles", "streams", "cells", "scenes")
_SHOWN = {"inventory", "study_area"}
_MARGIN = 0.03


@dataclass(frozen=True)
class Products:
    """What a project shows.

    Args:
        files: GeoPackages and terrain rasters; their names say what they are.
        mosaics: images of a year each, in a folder with the name of the year.
        year: the year whose images are shown first; None: the relief is.
        probability: folder with the probability tiles of an iteration, or None.
        dem: elevation model for the shaded relief, or None.
    """

    files: Sequence[Path]
    mosaics: Sequence[Path] = ()
    year: int | None = None
    probability: Path | None = None
    dem: Path | None = None


def write_campaign_project(title: str, grid: Grid, products: Products, out: Path) -> None:
    """Writes the project, `gis/area.gpkg` with study area and tiles, and the style of each raster beside it (QML).

    Args:
        title: what stands above the window.
        grid: the campaign's grid.
        products: what is shown.
        out: the .qgz file.

    Raises:
        InputError: a product is missing, unreadable, or none that is known by its name.
    """
    out = Path(out)
    _write_area(grid, out.parent / AREA)
    packages = [(path, path.stem) for path in products.files if path.suffix != ".tif"]
    packages += [(out.parent / AREA, name) for name in ("study_area", "tiles")]
    vectors = _told_apart([_vector_layer(path, name, grid, out.parent) for path, name in packages])
    rasters = [_raster_layer(path, out.parent) for path in products.files if path.suffix == ".tif"]
    images = [_image(path, products.year, out.parent) for path in products.mosaics]
    groups = [
        Group("Slumps", _ordered(vectors, _SLUMPS)),
        Group("Around", _ordered(vectors, _AROUND)),
        Group("Network", _probability(grid, products.probability, out.parent)),
        Group("Terrain", rasters, one_at_a_time=True),
        Group("Images", images, one_at_a_time=True),
        Group("Relief", _relief(products.dem, out.parent)),
    ]
    groups = [group for group in groups if group.layers]
    write_project(Project(title, grid.crs, _view(grid), groups, _themes(groups)), out)


def _kind(name: str) -> str:
    """The place of a product in the lists."""
    return re.sub(r"^cells_\d+km$", "cells", name)


def _write_area(grid: Grid, path: Path) -> None:
    tiles = list(grid.tiles)
    boxes = shapely.box(*zip(*(grid.bounds(tile.window) for tile in tiles), strict=True))
    layers = {
        "study_area": gpd.GeoDataFrame({"id": ["study area"]}, geometry=[grid.area], crs=grid.crs),
        "tiles": gpd.GeoDataFrame({"id": [tile.id for tile in tiles]}, geometry=boxes, crs=grid.crs),
    }
    styles = {name: style_of(LOOKS[name]) for name in layers}
    write_package(layers, dict.fromkeys(layers, "MultiPolygon"), path, lambda file: store_styles(file, styles))


def _vector_layer(path: Path, name: str, grid: Grid, folder: Path) -> Layer:
    look = look_of(name)
    if look is None or look.geometry is None:
        raise InputError(path, "it is no product that a project can show", "leave it out")
    crs, bounds = frame_of(path, look.title.lower(), name)
    return Layer(
        _key(path.with_suffix("") if path.stem == name else path / name, folder),
        look.title,
        f"{way_to(path, folder)}|layername={name}",
        crs,
        # A layer without rows is nowhere.
        bounds or grid.area.bounds,
        look.draw,
        look.geometry,
        labels=look.labels,
        checked=name in _SHOWN,
    )


def _told_apart(layers: Sequence[Layer]) -> list[Layer]:
    """Layers with the size of cells in the title, and with the name of their folder where several are called alike."""

    def sized(layer: Layer) -> Layer:
        size = re.fullmatch(r"cells_(\d+)km", layer.source.rpartition("=")[2])
        return replace(layer, title=f"{layer.title} of {size[1]} km") if size else layer

    sizes = [sized(layer) for layer in layers]
    counts = Counter(layer.title for layer in sizes)
    folders = [Path(layer.source.partition("|")[0]).parent.name for layer in sizes]
    return [
        replace(layer, title=f"{layer.title} ({folder})") if counts[layer.title] > 1 else layer
        for layer, folder in zip(sizes, folders, strict=True)
    ]


def _ordered(layers: Sequence[Layer], kinds: Sequence[str]) -> list[Layer]:
    """The layers of some kinds, in their order."""
    found = {kind: [layer for layer in layers if _kind(layer.source.rpartition("=")[2]) == kind] for kind in kinds}
    return [layer for kind in kinds for layer in found[kind]]


def _raster_layer(path: Path, folder: Path) -> Layer:
    """A terrain raster; its style is written beside it."""
    look = look_of(path.stem)
    if look is None or look.geometry is not None:
        raise InputError(path, "it is no raster that a project can show", "leave it out")
    write_text(path.with_suffix(".qml"), style_of(look))
    with open_raster(path, look.title) as source:
        crs, bounds = CRS(source.crs.to_wkt()), tuple(source.bounds)
    return Layer(_key(path, folder), look.title, way_to(path, folder), crs, bounds, look.draw, checked=False)


def _probability(grid: Grid, tiles: Path | None, folder: Path) -> list[Layer]:
    if tiles is None:
        return []
    mosaic = folder / PROBABILITY
    write_mosaic(grid, tiles, 1, PROBABILITY_NODATA, mosaic)
    return [_raster_layer(mosaic, folder)]


def _image(path: Path, year: int | None, folder: Path) -> Layer:
    with open_raster(path, "images of a year") as source:
        crs, bounds = CRS(source.crs.to_wkt()), tuple(source.bounds)
        bands = (1, 2, 3) if source.count >= 3 else (1,)
    name = path.parent.name
    return Layer(
        f"year_{name}", name, way_to(path, folder), crs, bounds, draw_colours(bands), checked=name == str(year)
    )


def _relief(dem: Path | None, folder: Path) -> list[Layer]:
    if dem is None:
        return []
    with open_raster(dem, "DEM") as source:
        crs, bounds = CRS(source.crs.to_wkt()), tuple(source.bounds)
    return [Layer("relief", "Shaded relief", way_to(dem, folder), crs, bounds, draw_relief(crs))]


def _themes(groups: Sequence[Group]) -> dict[str, list[str]]:
    """One theme an image, one a terrain raster, one of the relief: each under the inventory."""
    above = [layer.key for group in groups if group.title in {"Slumps", "Around"} for layer in group.layers]
    shown = [key for key in above if any(name in key for name in _SHOWN)]
    below = [layer for group in groups if group.title in {"Images", "Terrain", "Relief"} for layer in group.layers]
    return {layer.title: [*shown, layer.key] for layer in below}


def _view(grid: Grid) -> Bounds:
    """The study area with a margin."""
    west, south, east, north = grid.area.bounds
    margin = _MARGIN * max(east - west, north - south)
    return west - margin, south - margin, east + margin, north + margin


def _key(path: Path, folder: Path) -> str:
    """A layer's name inside the project: its way, in letters that ids may have."""
    return re.sub(r"\W+", "_", way_to(path, folder)).strip("_")
