"""Little scenes, masks and catalogues for the tests of this room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine
from rasterio.warp import transform_bounds
from shapely.geometry import box

from slumpmap.grid import Grid
from slumpmap.imagery.catalogue import make_catalogue
from slumpmap.imagery.composite import make_tiles
from slumpmap.imagery.scaling import make_scaling
from slumpmap.raster import Mosaic
from slumpmap.settings.imagery import CompositeSettings, ScalingSettings

CRS = "EPSG:32646"
WEST, NORTH = 499_998.0, 3_840_000.0


def grid_of(width: int = 128, height: int = 128, tile_px: int = 64, area: Any = None) -> Grid:
    """A grid of 3 m pixels at the scenes' corner."""
    return Grid.over(area or box(WEST, NORTH - 3 * height, WEST + 3 * width, NORTH), CRS, 3.0, tile_px)


def write_scene(
    path: Path,
    values: NDArray[Any],
    west: float = WEST,
    north: float = NORTH,
    size: float = 3.0,
    crs: str | None = CRS,
    nodata: float | None = 0,
    **tags: str,
) -> Path:
    """Writes a scene, (bands, rows, columns)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=values.shape[0],
        height=values.shape[1],
        width=values.shape[2],
        dtype=values.dtype,
        crs=crs,
        transform=Affine(size, 0, west, 0, -size, north),
        nodata=nodata,
        tiled=True,
        blockxsize=64,
        blockysize=64,
    ) as target:
        if tags:
            target.update_tags(**tags)
        target.write(values)
    return path


def udm_like(clear: NDArray[np.bool_], filled: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """A UDM2: clear where `clear`, cloud elsewhere, black fill where not `filled`."""
    udm = np.zeros((8, *clear.shape), np.uint8)
    udm[0], udm[5] = clear, ~clear
    if filled is not None:
        udm[:7, ~filled] = 0
        udm[7] = ~filled
    return udm


def flat(value: int, height: int = 128, width: int = 128, bands: int = 4) -> NDArray[np.uint16]:
    """A scene of one value."""
    return np.full((bands, height, width), value, np.uint16)


def textured(seed: int, height: int = 128, width: int = 128) -> NDArray[np.uint16]:
    """A scene of smooth bumps with noise, 4 bands, 300..2700."""
    noise = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    bumps = 1500 + 900 * np.sin(x / 7.0 + seed) * np.cos(y / 9.0)
    return (bumps + noise.uniform(-300, 300, (4, height, width))).astype(np.uint16)


def write_catalogue(path: Path, rows: Sequence[dict[str, Any]], crs: str = CRS) -> Path:
    """Writes a scene catalogue; a row without footprint gets the outline of its scene."""
    full = []
    for row in rows:
        if "geometry" not in row:
            with rasterio.open(path.parent / row["path"]) as scene:
                row = row | {"geometry": box(*transform_bounds(scene.crs, crs, *scene.bounds))}
        full.append(row)
    gpd.GeoDataFrame(full, geometry="geometry", crs=crs).to_file(path, driver="GPKG")
    return path


def mosaic(folder: Path, source: Path, grid: Grid, name: str = "run", **settings: Any) -> NDArray[np.uint8]:
    """Runs the three steps for 2019 with the fixed range and reads the whole image, (3, rows, columns)."""
    work, composite = folder / name, CompositeSettings(**settings)
    make_catalogue(source, grid, composite, [2019], work / "catalogue.gpkg")
    make_scaling(work / "catalogue.gpkg", grid, ScalingSettings(), composite.bands_read, work / "scaling.json")
    ids = [tile.id for tile in grid.tiles]
    make_tiles(work / "catalogue.gpkg", work / "scaling.json", grid, 2019, composite, work / "2019", ids)
    with Mosaic(grid, work / "2019", 3, 0) as tiles:
        return tiles.read(grid.extent)


def eight_bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    """The fixed range 0..3000 in 8 bit, written another way than in the package."""
    return np.clip(np.floor(values.astype(np.float64) * 254 / 3000 + 1.5), 1, 255).astype(np.uint8)
