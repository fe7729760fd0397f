"""A toy campaign: fractal relief, forty slumps, two lines, three years of tiles, three iterations."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
from rasterio.features import rasterize
from rasterio.transform import from_origin
from shapely.geometry import LineString, Polygon, box

from slumpmap.grid import Grid
from slumpmap.inventory.attributes import Layers
from slumpmap.inventory.build import build_inventory
from slumpmap.raster import write_raster
from slumpmap.settings.analysis import InventorySettings
from slumpmap.terrain.slope import slope_aspect
from slumpmap.vector import write_layer

UTM = "EPSG:32646"
X, Y = 500_000.0, 3_840_000.0
WIDTH, HEIGHT = 9_000.0, 6_000.0
YEARS = (2017, 2018, 2019)
OUTCOMES = ((1, 14, 12, 90, 76, 15, 29), (2, 29, 20, 70, 32, 9, 38), (3, 38, 28, 64, 11, 2, 40))


@dataclass(frozen=True)
class Toy:
    grid: Grid
    inventory: Path
    dem: Path
    roads: Path
    imagery: Path
    outcomes: list[Path]
    evaluation: Path
    benchmarks: Path


def fractal(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Relief with a power-law spectrum, 4500 to 5200 m."""
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
    power = np.maximum(np.hypot(fx, fy), 1 / max(shape)) ** -2.2
    phases = np.exp(2j * np.pi * rng.random(power.shape))
    field = np.fft.irfft2(power * phases, s=shape)
    return (4500 + 700 * (field - field.min()) / np.ptp(field)).astype(np.float32)


def outlines(rng: np.random.Generator, count: int = 40) -> list[Polygon]:
    """Lobed blobs from 0.05 to some 15 ha."""
    shapes = []
    areas = np.geomspace(0.05, 15, count) * 1e4
    for area in rng.permutation(areas):
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        radius = 1 + 0.25 * np.sin(3 * angle + rng.uniform(0, 6)) + 0.1 * np.sin(5 * angle)
        east, north = radius * np.cos(angle), 1.6 * radius * np.sin(angle)
        blob = Polygon(np.column_stack([east, north]))
        centre = rng.uniform([X + 400, Y + 400], [X + WIDTH - 400, Y + HEIGHT - 400])
        shapes.append(Polygon(np.column_stack([east, north]) * np.sqrt(area / blob.area) + centre))
    return shapes


def imagery(grid: Grid, slumps: gpd.GeoDataFrame, folder: Path, rng: np.random.Generator) -> None:
    """Green ground, brown slumps that grow, a hole without data in the first year."""
    for number, year in enumerate(YEARS):
        for tile in grid.tiles:
            size = (grid.tile_px, grid.tile_px)
            grown = slumps.geometry.buffer(-15.0 * (len(YEARS) - 1 - number))
            shapes = [shape for shape in grown if not shape.is_empty]
            transform = grid.window_transform(tile.window)
            inside = rasterize(shapes, size, transform=transform).astype(bool)
            colour = np.where(inside, np.array([150, 125, 90])[:, None, None], np.array([80, 110, 70])[:, None, None])
            bands = np.clip(colour + rng.normal(0, 8, size), 1, 255).astype(np.uint8)
            if year == YEARS[0]:
                bands[:, 100:140, :] = 0
            write_raster(folder / str(year) / f"{tile.id}.tif", bands, transform, grid.crs, 0)


def write_outcomes(folder: Path, rows, state: str = "decided") -> list[Path]:
    """An outcome.json a row: iteration, positives, negatives, inferred, inspected, new, total."""
    keys = ("iteration", "positives", "negatives", "inferred", "inspected", "new", "total")
    paths = []
    for row in rows:
        path = folder / f"{row[0]:02d}" / "outcome.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        constant = {"state": state, "waiting_for": {}, "known": 0, "rejected_before": 0}
        path.write_text(json.dumps(dict(zip(keys, row, strict=True)) | constant))
        paths.append(path)
    return paths


def make_toy(folder: Path) -> Toy:
    """The whole campaign in a folder."""
    rng = np.random.default_rng(7)
    grid = Grid.over(box(X, Y, X + WIDTH, Y + HEIGHT), UTM, 6.0, 512)
    write_raster(
        folder / "dem.tif", fractal((280, 380), rng), from_origin(X - 1200, Y + HEIGHT + 1200, 30, 30), UTM, -9999
    )
    slope_aspect(folder / "dem.tif", folder / "slope.tif", folder / "aspect.tif", "numpy")
    north = np.linspace(Y - 800, Y + HEIGHT + 800, 30)
    road = LineString(np.column_stack([X + 3000 + 700 * np.sin(north / 900), north]))
    rail = LineString(np.column_stack([X + 3500 + 300 * np.sin(north / 2000), north]))
    write_layer(gpd.GeoDataFrame(geometry=[road, rail], crs=UTM), folder / "roads.gpkg")
    shapes = outlines(rng)
    found = np.repeat([0, 1, 2, 3], [14, 15, 9, 2])
    slumps = gpd.GeoDataFrame(
        {
            "id": [f"s{number:05d}" for number in range(len(shapes))],
            "iteration_found": found,
            "probability": np.where(found == 0, None, rng.choice(["high", "medium"], len(shapes))),
            "initiation": np.where(found == 0, None, rng.choice(["before 2016", "2016-17", "2018-19"], len(shapes))),
            "source": "toy",
        },
        geometry=shapes,
        crs=UTM,
    )
    write_layer(slumps, folder / "slumps.gpkg")
    rasters = {name: folder / f"{name}.tif" for name in ("dem", "slope", "aspect")}
    inventory = folder / "inventory.gpkg"
    layers = Layers(**rasters, roads=folder / "roads.gpkg")
    build_inventory(folder / "slumps.gpkg", grid, layers, InventorySettings(), inventory)
    imagery(grid, slumps, folder / "imagery", rng)
    scores = [(0.35, 1.0), (0.66, 1.0), (0.89, 0.98), (0.93, 0.975)]
    rows = [{"iteration": n, "recall": recall, "precision": right} for n, (recall, right) in enumerate(scores)]
    (folder / "evaluation.json").write_text(json.dumps({"truth": 41, "iterations": rows}))
    benchmark = folder / "benchmarks" / "train.tsv"
    benchmark.parent.mkdir()
    benchmark.write_text("s\th:m:s\tmax_rss\n12.5\t0:00:12\t800.0\n")
    os.utime(benchmark, (5000, 5000))
    return Toy(
        grid,
        inventory,
        rasters["dem"],
        folder / "roads.gpkg",
        folder / "imagery",
        write_outcomes(folder / "iterations", OUTCOMES),
        folder / "evaluation.json",
        folder / "benchmarks",
    )
