"""A small made-up region on disk, for the tests of the learning room."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy.ndimage import gaussian_filter

from slumpmap.grid import Grid
from slumpmap.learning.windows import make_windows
from slumpmap.raster import write_cog
from slumpmap.settings.learning import WindowSettings

SIDE_PX = 600
RESOLUTION = 3.0


def toy_grid(tile_px: int = 256) -> Grid:
    area = shapely.box(500000, 3839000 - SIDE_PX * RESOLUTION, 500000 + SIDE_PX * RESOLUTION, 3839000)
    return Grid.over(area, "EPSG:32646", RESOLUTION, tile_px)


def toy_slumps(grid: Grid, count: int = 12) -> gpd.GeoDataFrame:
    """Blobs on a loose lattice of places, 60 to 110 m across."""
    rng = np.random.default_rng(5)
    places = [(x, y) for y in range(3) for x in range(4)][:count]
    shapes = [
        shapely.Point(grid.x0 + 250 + 430 * x + rng.uniform(-60, 60), grid.y0 - 300 - 560 * y).buffer(
            rng.uniform(30, 55)
        )
        for x, y in places
    ]
    return gpd.GeoDataFrame({"id": [f"S{n}" for n in range(len(shapes))]}, geometry=shapes, crs=grid.crs)


def toy_image(grid: Grid, slumps: gpd.GeoDataFrame) -> NDArray[np.uint8]:
    """(3, SIDE_PX, SIDE_PX) uint8: soft texture, brown slumps, a strip of nodata at the right edge."""
    rng = np.random.default_rng(6)
    texture = np.stack([gaussian_filter(rng.normal(0, 60, (SIDE_PX, SIDE_PX)), 3) for _ in range(3)])
    mask = rasterize(slumps.geometry, (SIDE_PX, SIDE_PX), transform=grid.transform)
    image = np.array([90, 100, 80])[:, None, None] + texture + mask * np.array([70, 30, -20])[:, None, None]
    image = np.clip(np.rint(image), 1, 255).astype(np.uint8)
    image[:, :, SIDE_PX - 20 :] = 0
    return image


def write_tiles(grid: Grid, image: NDArray[np.uint8], folder: Path) -> Path:
    """Writes an image that starts at the grid's origin as tiles."""
    for tile in grid.tiles:
        values = np.zeros((3, grid.tile_px, grid.tile_px), dtype=np.uint8)
        w = tile.window
        part = image[:, w.row : w.row + w.height, w.column : w.column + w.width]
        values[:, : part.shape[1], : part.shape[2]] = part
        write_cog(folder / f"{tile.id}.tif", values, grid.window_transform(w), grid.crs, nodata=0)
    return folder


class Toy:
    """A small campaign on disk: grid, imagery, labels, scaling, and a training set of 64 px windows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.grid = toy_grid()
        self.slumps = toy_slumps(self.grid)
        self.image = toy_image(self.grid, self.slumps)
        self.imagery = write_tiles(self.grid, self.image, folder / "imagery")
        self.positives = folder / "positives.gpkg"
        self.slumps.to_file(self.positives)
        self.scaling = folder / "scaling.json"
        self.scaling.write_text(json.dumps({"low": 0, "high": 3000}))
        self.index, self.pixels = folder / "windows.gpkg", folder / "windows.npy"
        self.windows = WindowSettings(window_px=64, overlap_px=16, buffer_m=60, block_m=450, validation_share=0.2)
        make_windows(self.positives, None, self.imagery, self.grid, self.windows, 1, self.index, self.pixels)

    def retiled(self, tile_px: int, image: NDArray[np.uint8] | None = None) -> tuple[Grid, Path]:
        """The same ground in tiles of another size."""
        grid = replace(self.grid, tile_px=tile_px)
        name = f"imagery_{tile_px}" if image is None else f"changed_{tile_px}"
        return grid, write_tiles(grid, self.image if image is None else image, self.folder / name)
