"""The evidence that a campaign has on each candidate of an iteration, one row each, for the ranking.

It steers the order of the queue only (`slumpmap.review.ranking`); no candidate is left out because of it. Everything is
measured in a window of the candidate's own, so that it depends neither on the tiling nor on what else is measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.features import rasterize
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from scipy.ndimage import distance_transform_edt

from slumpmap.files import atomic
from slumpmap.grid import HECTARE, Grid
from slumpmap.progress import Progress
from slumpmap.raster import BLOCK_PX, RGB_NODATA, Mosaic, open_raster, reading
from slumpmap.review.traits import MEASURED, RING_M, Floats, Mask, Patch, measure
from slumpmap.vector import read_layer

# A candidate's height is compared with the ground within this distance, metres.
RELIEF_M = 250.0
# Windows have at most this many samples to a side: of a larger candidate every second, third, ... pixel is taken.
LARGEST = 1024
# Elevations are read at this cell size at least, metres: slopes are those of hillsides, not of hummocks.
DEM_CELL_M = 30.0
# Candidates count as neighbours within this distance, metres.
NEIGHBOURS_M = 150.0
Shapes = NDArray[np.object_]

# Columns of the ledger that are taken as they are.
_LEDGER = ("score", "score_max", "nodata_share", "covered_by_slumps", "covered_by_rejected")
# What the ledger and the neighbours say of a candidate; `MEASURED` is what its window shows.
STATED = (
    "score", "score_max", "size", "solidity", "nodata_share", "covered_by_slumps", "covered_by_rejected",
    "on_negative", "near_slump", "near_rejected", "neighbours",
)  # fmt: skip


class Elevations:
    """The DEM under a study area, at the scale of hillsides; 4 bytes for each `DEM_CELL_M` squared at most.

    Args:
        dem: elevations, metres, in any CRS.
        grid: the campaign's grid.

    Raises:
        InputError: the DEM is missing, unreadable or without CRS.
    """

    def __init__(self, dem: Path, grid: Grid) -> None:
        west, south, east, north = grid.area.bounds
        with open_raster(dem, "DEM") as source, reading(dem, "DEM"):
            with WarpedVRT(source, crs=grid.crs) as native:
                own = abs(native.transform.a)
            self._cell = max(own, DEM_CELL_M)
            self._west, self._north = west - 2 * RELIEF_M, north + 2 * RELIEF_M
            width = math.ceil((east + 2 * RELIEF_M - self._west) / self._cell)
            height = math.ceil((self._north - south + 2 * RELIEF_M) / self._cell)
            options = {"transform": self._transform(0, 0), "width": width, "height": height, "dtype": "float32"}
            how = Resampling.bilinear if own >= DEM_CELL_M else Resampling.average
            with WarpedVRT(source, crs=grid.crs, resampling=how, **options) as warped:
                self._values = warped.read(1, masked=True).filled(np.nan)

    def _transform(self, row: int, column: int) -> Affine:
        """Affine of the cells from this one on."""
        west, north = self._west + column * self._cell, self._north - row * self._cell
        return Affine(self._cell, 0.0, west, 0.0, -self._cell, north)

    def ground(self, outline: shapely.Geometry) -> tuple[tuple[float, float], float]:
        """Rise of the ground in and beside an outline (least squares plane), and its height above the ground around.

        Returns:
            (east, north) rise over run, and metres; NaN where the DEM has too few cells.
        """
        west, south, east, north = outline.bounds
        reach = math.ceil(RELIEF_M / self._cell)
        left, top = int((west - self._west) // self._cell) - reach, int((self._north - north) // self._cell) - reach
        right, bottom = int((east - self._west) // self._cell) + reach, int((self._north - south) // self._cell) + reach
        left, top = max(left, 0), max(top, 0)
        elevation = self._values[top : bottom + 1, left : right + 1].astype(np.float64)
        # Small candidates lie between the centres of cells.
        own = _burn([outline], elevation.shape, self._transform(top, left), all_touched=True)
        away = distance_transform_edt(~own, sampling=self._cell)
        known = np.isfinite(elevation)
        beside, around = known & (away < 2 * self._cell), known & (away <= RELIEF_M)
        if not own.any() or beside.sum() < 6:
            return (math.nan, math.nan), math.nan
        row, column = np.nonzero(beside)
        x, y = column * self._cell, -row * self._cell
        design = np.column_stack([x - x.mean(), y - y.mean(), np.ones(len(x))])
        (rise_east, rise_north, mean), *_ = np.linalg.lstsq(design, elevation[beside], rcond=None)
        return (float(rise_east), float(rise_north)), float(mean - elevation[around].mean())


def collect_evidence(
    candidates: Path,
    known: Path,
    negatives: Path,
    rejected: Path | None,
    imagery: Mapping[int, Path],
    mapping_year: int,
    dem: Path | None,
    grid: Grid,
    out: Path,
) -> None:
    """Measures all candidates of an iteration and writes one row each, in the order of the ids.

    Args:
        candidates: the iteration's ledger of candidates.
        known: slumps confirmed when the iteration began.
        negatives: look-alikes known then.
        rejected: places rejected before, or None in the first iteration.
        imagery: folder of the 8-bit tiles of each year.
        mapping_year: the year in which the candidates were mapped.
        dem: elevations, or None.
        grid: the campaign's grid.
        out: Parquet file: `id`, `status`, and a column of numbers for each trait; empty where it is not known.

    Raises:
        InputError: an input is missing or unreadable.
    """
    layer = read_layer(candidates, "candidates", grid.crs, ("id", "status", *_LEDGER), unique="id")
    layer = layer.sort_values("id", ignore_index=True)
    slumps = read_layer(known, "confirmed slumps", grid.crs).geometry.to_numpy()
    looks = read_layer(negatives, "negatives", grid.crs).geometry.to_numpy()
    places = read_layer(rejected, "rejected places", grid.crs).geometry.to_numpy() if rejected else looks[:0]
    rows = _measure_all(layer, slumps, imagery, mapping_year, dem, grid)
    table = pd.concat([layer[["id", "status"]], _attributes(layer, slumps, looks, places), rows], axis=1)
    with atomic(out) as temporary:
        table.to_parquet(temporary)


def _attributes(layer: gpd.GeoDataFrame, slumps: Shapes, looks: Shapes, places: Shapes) -> pd.DataFrame:
    """What the ledger says of all candidates, and what lies around them."""
    shapes = layer.geometry.to_numpy()
    area = shapely.area(shapes)
    others = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=NEIGHBOURS_M)[0]
    return pd.DataFrame(
        {
            **{name: layer[name].to_numpy(float) for name in _LEDGER},
            "size": np.log(area / HECTARE),
            "solidity": area / shapely.area(shapely.convex_hull(shapes)),
            "on_negative": _covered(shapes, looks) / area,
            "near_slump": _nearness(shapes, slumps),
            "near_rejected": _nearness(shapes, np.concatenate([places, looks])),
            "neighbours": np.log(np.bincount(others, minlength=len(shapes))),
        },
        columns=STATED,
    )


def _covered(shapes: Shapes, places: Shapes) -> Floats:
    """Area of each shape that places cover, square metres; where they overlap each other it counts once."""
    row, place = shapely.STRtree(places).query(shapes, predicate="intersects")
    together = np.full(len(shapes), shapely.Polygon(), dtype=object)
    united = gpd.GeoSeries(places[place]).groupby(row).agg(shapely.union_all)
    together[united.index.to_numpy(dtype=np.intp)] = united.to_numpy()
    area: Floats = shapely.area(shapely.intersection(shapes, together))
    return area


def _nearness(shapes: Shapes, places: Shapes) -> Floats:
    """1 where a place touches, 0.5 at 100 m, towards 0 far away or where there is none."""
    near = np.zeros(len(shapes))
    if len(places) and len(shapes):
        (row, _), distance = shapely.STRtree(places).query_nearest(shapes, return_distance=True, all_matches=False)
        near[row] = 1 / (1 + distance / 100.0)
    return near


def _measure_all(
    layer: gpd.GeoDataFrame,
    slumps: Shapes,
    imagery: Mapping[int, Path],
    mapping_year: int,
    dem: Path | None,
    grid: Grid,
) -> pd.DataFrame:
    """What is measured in the candidates' windows, one row each."""
    shapes = layer.geometry.to_numpy()
    taken = np.concatenate([shapes, slumps])
    tree = shapely.STRtree(taken)
    rows: list[dict[str, float]] = [{} for _ in shapes]
    progress = Progress("evidence", len(shapes), "candidates")
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=256))
        mosaics = {
            year: stack.enter_context(Mosaic(grid, folder, bands=3, nodata=RGB_NODATA))
            for year, folder in sorted(imagery.items())
        }
        elevations = Elevations(dem, grid) if dem else None
        for done, row in enumerate(_by_place(layer, grid), 1):
            # It is among them itself, which takes nothing from the ground around it.
            near = tree.query(shapes[row], predicate="dwithin", distance=RING_M[1])
            others = taken[near]
            rows[row] = measure(_patch(shapes[row], others, mosaics, mapping_year, elevations, grid))
            progress.update(done)
    return pd.DataFrame(rows, columns=MEASURED).astype(float)


def _by_place(layer: gpd.GeoDataFrame, grid: Grid) -> NDArray[np.intp]:
    """Rows in the order in which the blocks of the tiles lie on disk, so that each is decoded about once."""
    centres = shapely.get_coordinates(shapely.centroid(layer.geometry.to_numpy())) / (grid.resolution * BLOCK_PX)
    column, row = np.floor(centres).astype(np.int64).T
    return np.lexsort((column, -row))


def _patch(
    outline: shapely.Geometry,
    others: Shapes,
    mosaics: Mapping[int, Mosaic],
    mapping_year: int,
    elevations: Elevations | None,
    grid: Grid,
) -> Patch:
    """Reads the window of one candidate."""
    window = grid.window_of(outline.bounds).grow(math.ceil(RING_M[1] / grid.resolution))
    step = math.ceil(max(window.height, window.width) / LARGEST)
    pixels = slice(None, None, step)
    shape = (-(-window.height // step), -(-window.width // step))
    # The centres of these larger cells are the centres of the pixels that are taken.
    shift = (1 - step) / 2
    transform = grid.window_transform(window) @ Affine.translation(shift, shift) @ Affine.scale(step)
    inside = _burn([outline], shape, transform)
    if not inside.any():
        # A thin candidate can slip between the samples.
        inside = _burn([outline], shape, transform, all_touched=True)
    taken = _burn(others, shape, transform)
    rise, height = elevations.ground(outline) if elevations else ((math.nan, math.nan), math.nan)
    cell = grid.resolution * step
    depth = distance_transform_edt(inside, sampling=cell) - distance_transform_edt(~inside, sampling=cell)
    # Distances are between centres; the edge lies half a cell before the first centre.
    depth -= np.sign(depth) * cell / 2
    images = {}
    for year, mosaic in mosaics.items():
        values = mosaic.read(window)[:, pixels, pixels].astype(np.float64)
        values[:, values[0] == RGB_NODATA] = np.nan
        images[year] = values
    return Patch(cell, inside, ~inside & ~taken, depth, images, mapping_year, rise, height)


def _burn(
    shapes: Iterable[shapely.Geometry], shape: tuple[int, int], transform: Affine, all_touched: bool = False
) -> Mask:
    """Where the centres of cells lie in one of the shapes."""
    these = list(shapes)
    if not these:
        return np.zeros(shape, dtype=bool)
    burnt: Mask = rasterize(these, shape, transform=transform, all_touched=all_touched, dtype="uint8") > 0
    return burnt
