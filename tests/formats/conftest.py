"""Products of a small campaign, made by the functions that make the real ones."""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from rasterio.transform import from_origin

from slumpmap.candidates.ledger import compare
from slumpmap.exchange.project import Products, write_campaign_project
from slumpmap.exchange.stac import Rasters, write_stac
from slumpmap.grid import Grid
from slumpmap.inventory.attributes import Layers
from slumpmap.inventory.build import build_inventory
from slumpmap.raster import PROBABILITY_NODATA, RGB_NODATA, write_cog, write_mosaic, write_raster
from slumpmap.settings.analysis import InventorySettings
from slumpmap.settings.candidates import LedgerSettings
from slumpmap.terrain.pisr_model import PisrSettings
from slumpmap.terrain.position import topographic_position
from slumpmap.terrain.slope import slope_aspect
from slumpmap.terrain.solar import solar
from slumpmap.terrain.streams import streams
from slumpmap.vector import write_layer

CRS = "EPSG:32646"
X, Y = 500_000.0, 3_840_000.0
YEARS = (2018, 2019)


@dataclass(frozen=True)
class Campaign:
    """Where the products are."""

    folder: Path
    grid: Grid
    dem: Path
    terrain: list[Path]
    mosaics: list[Path]
    packages: list[Path]

    @property
    def project(self):
        return self.folder / "small.qgz"

    @property
    def rasters(self):
        tiles = [path for folder in ("imagery", "iterations") for path in (self.folder / folder).rglob("*.tif")]
        return sorted([*self.terrain, *tiles])


def slumps(path):
    table = {
        "id": ["a", "b", "c", "d"],
        "iteration_found": [0, 1, 1, 1],
        "probability": [None, "high", "medium", "low"],
        "initiation": [None, "before 2018", "2018-2019", "2018-2019"],
        "source": ["initial", *["inspection"] * 3],
    }
    shapes = [shapely.box(X + 150 + 300 * n, Y - 700, X + 250 + 300 * n, Y - 600) for n in range(4)]
    write_layer(gpd.GeoDataFrame(table, geometry=shapes, crs=CRS), path)
    return path


def dem(path, rows=300, columns=620, crs=CRS, cell=30.0, corner=(X - 3000, Y + 3000)):
    """Waves on a slope, wide enough for overviews."""
    y, x = np.mgrid[:rows, :columns]
    elevation = 4700 + 0.5 * y + 12 * np.sin(x / 9) * np.cos(y / 7)
    elevation[:5, :5] = -9999
    write_raster(path, elevation.astype(np.float32), from_origin(*corner, cell, cell), crs, -9999)
    return path


def candidates(folder):
    """Three polygons: one known, one rejected before, one new."""
    shapes = [shapely.box(X + left, Y - 400, X + left + 60, Y - 340) for left in (450, 800, 1100)]
    polygons = gpd.GeoDataFrame({"id": ["c0", "c1", "c2"], "score": [0.9, 0.8, 0.7]}, geometry=shapes, crs=CRS)
    write_layer(polygons, folder / "polygons.gpkg")
    write_layer(polygons.iloc[[0]], folder / "known.gpkg")
    write_layer(polygons.iloc[[1]].assign(iteration=1), folder / "rejected.gpkg")
    out = folder / "candidates.gpkg"
    compare(folder / "polygons.gpkg", folder / "known.gpkg", folder / "rejected.gpkg", 2, LedgerSettings(), out)
    return out


def tiles(folder, grid):
    """Images of two years, and probabilities."""
    rng = np.random.default_rng(1)
    for year in YEARS:
        for tile in grid.tiles:
            pixels = rng.integers(1, 255, (3, 512, 512), dtype=np.uint8)
            out = folder / "imagery" / str(year) / f"{tile.id}.tif"
            write_cog(out, pixels, grid.window_transform(tile.window), CRS, RGB_NODATA)
        write_mosaic(grid, folder / "imagery" / str(year), 3, RGB_NODATA)
        yield folder / "imagery" / str(year) / "mosaic.vrt"
    for tile in grid.tiles:
        chance = rng.integers(0, 254, (512, 512), dtype=np.uint8)
        out = folder / "iterations" / "01" / "probability" / f"{tile.id}.tif"
        write_cog(out, chance, grid.window_transform(tile.window), CRS, PROBABILITY_NODATA)


def terrain(folder, source):
    names = ("slope", "aspect", "tpi", "pisr", "pisr_unreliable", "stream_distance")
    slope, aspect, tpi, pisr, unreliable, distance = (folder / f"{name}.tif" for name in names)
    slope_aspect(source, slope, aspect, "numpy")
    topographic_position(source, tpi)
    solar(source, pisr, PisrSettings(days=(172,), step_minutes=120), out_unreliable=unreliable)
    streams(source, folder / "streams.gpkg", distance)
    return [slope, aspect, tpi, pisr, unreliable, distance]


@pytest.fixture(scope="session")
def campaign(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    grid = Grid.over(shapely.box(X, Y - 1500, X + 1700, Y), CRS, 3.0, 512)
    source = dem(folder / "data" / "dem.tif")
    relief = terrain(folder / "terrain", source)
    mosaics = list(tiles(folder, grid))
    inventory = folder / "inventory" / "inventory.gpkg"
    layers = Layers(dem=source, slope=relief[0], aspect=relief[1])
    build_inventory(slumps(folder / "inventory" / "slumps.gpkg"), grid, layers, InventorySettings(), inventory)
    ledger = candidates(folder / "iterations" / "01" / "candidates")
    packages = [inventory, ledger, folder / "terrain" / "streams.gpkg"]
    probability = folder / "iterations" / "01" / "probability"
    made = Campaign(folder, grid, source, relief, mosaics, packages)
    shown = Products([*packages, *relief], mosaics, 2019, probability, source)
    write_campaign_project("slumpmap: small", grid, shown, made.project)
    rasters = Rasters(relief, mosaics, probability, 2019)
    write_stac("small", "Small", grid, rasters, [inventory, inventory.with_suffix(".parquet")], folder / "stac")
    return made
