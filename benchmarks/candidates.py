"""Candidates of a mosaic, tile by tile and joined over the seams, beside one gdal_polygonize of the whole mosaic.

    python benchmarks/candidates.py [--tiles 8] [--tile-px 2048] [--workers 2] [--repeats 3] [--json FILE]

A mosaic of probabilities (tiles x tiles, soft blobs with ragged edges, holes and nodata, many across seams) is made
from seeded noise. On it run in turn, as commands and several times over,
ours: `slumpmap parts` on the tiles, shared by `--workers` processes, then `slumpmap polygons`;
ours, 1 worker: the same in one process after the other;
gdal_polygonize: GDAL's program on a binary mosaic of the same threshold, with the mosaic as its mask, to a
GeoPackage. The peer's binary mosaic is made beforehand; what gdalbuildvrt and gdal_calc.py take to make such a one
(`its threshold`) is measured by itself. Ours has to read probabilities, and also counts each polygon's score,
largest value and share of nodata at its edge. Both keep all polygons (no minimum size) unless `--mmu-ha` says
otherwise. Then each polygon of ours is held against the peer's of the same place: the same shape, point for point
of the plane (`shapely.equals` after repairing: GDAL draws polygons whose parts meet at corners as rings that touch
themselves). The whole takes place at two sizes, a quarter of the tiles and all of them, so that growth of memory
shows. Where other jobs share the machine, seconds of the processor say more than wall seconds.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from commands import Cost, run, run_rows, slumpmap
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from slumpmap.candidates.parts import least_value
from slumpmap.demo.noise import fbm_grid
from slumpmap.files import write_json, write_text
from slumpmap.grid import Grid, box_area
from slumpmap.raster import PROBABILITY_NODATA, PROBABILITY_SCALE, write_cog

RESOLUTION, EPSG = 3.0, "EPSG:32646"
WEST, NORTH = 300_000.0, 3_900_000.0
THRESHOLD = 0.5
# Level of the noise from which ground is a candidate: about one pixel in a hundred.
LEVEL, SHARPNESS = 2.45, 6.0


def probabilities(grid: Grid, row: int, column: int, side: int) -> NDArray[np.uint8]:
    """(side, side) uint8 tile of a field that depends on the place only; blobs of some hectares, and nodata."""
    x0, y0 = grid.x0 + (column + 0.5) * RESOLUTION, grid.y0 - (row + 0.5) * RESOLUTION
    shape = side, side
    blob = fbm_grid(shape, x0, y0, RESOLUTION, 420.0, 2, 11)
    ragged = fbm_grid(shape, x0, y0, RESOLUTION, 30.0, 3, 12)
    gap = fbm_grid(shape, x0, y0, RESOLUTION, 3000.0, 2, 13)
    value = 1.0 / (1.0 + np.exp(-SHARPNESS * (blob + 0.18 * ragged - LEVEL)))
    scaled = np.round(value * PROBABILITY_SCALE).astype(np.uint8)
    scaled[gap > 2.2] = PROBABILITY_NODATA
    return scaled


def make_mosaic(folder: Path, tiles: int, tile_px: int) -> Grid:
    """Writes probability tiles, the grid, and the binary mosaic for the peer, both strip by strip."""
    side = tiles * tile_px * RESOLUTION
    grid = Grid.over(box_area((WEST, NORTH - side, WEST + side, NORTH)), EPSG, RESOLUTION, tile_px)
    write_text(folder / "grid.json", grid.to_json())
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "crs": EPSG, "transform": grid.transform}
    profile |= {"height": tiles * tile_px, "width": tiles * tile_px, "nodata": 0, "compress": "deflate", "zlevel": 1}
    profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512}
    with rasterio.open(folder / "binary.tif", "w", **profile) as binary:
        for tile in grid.tiles:
            window = tile.window
            values = probabilities(grid, window.row, window.column, tile_px)
            path, here = folder / "probability" / f"{tile.id}.tif", grid.window_transform(window)
            write_cog(path, values, here, EPSG, nodata=PROBABILITY_NODATA)
            inside = (values >= least_value(THRESHOLD)) & (values != PROBABILITY_NODATA)
            place = RasterWindow(window.column, window.row, tile_px, tile_px)
            binary.write(inside.astype(np.uint8), 1, window=place)
    return grid


def ours(folder: Path, grid: Grid, options: argparse.Namespace, workers: int) -> Cost:
    """Parts by several processes, then polygons."""
    out = folder / "ours"
    shutil.rmtree(out, ignore_errors=True)
    common = "--grid", folder / "grid.json", "--connectivity", options.connectivity
    ids = [tile.id for tile in grid.tiles]
    parts = [
        slumpmap(
            "parts", *common, "--probability", folder / "probability", "--threshold", THRESHOLD,
            "--tiles", ",".join(ids[first::workers]), "--out", out / "parts",
        )
        for first in range(workers)
    ]  # fmt: skip
    join = slumpmap(
        "polygons", *common, "--parts", out / "parts", "--mmu-ha", options.mmu_ha, "--out", out / "polygons.gpkg"
    )
    return run(parts, workers) + run([join])


def peer(folder: Path, options: argparse.Namespace) -> Cost:
    """One gdal_polygonize of the whole mosaic."""
    out = folder / "peer.gpkg"
    out.unlink(missing_ok=True)
    eight = ["-8"] if options.connectivity == 8 else []
    binary = folder / "binary.tif"
    return run_rows([[[options.program, "-q", *eight, "-mask", binary, binary, "-f", "GPKG", out]]], 1)


def threshold(folder: Path) -> Cost:
    """What the peer's chain needs besides: the tiles as one mosaic, and its pixels above the threshold."""
    whole, inside = folder / "mosaic.vrt", folder / "inside.tif"
    least, most = least_value(THRESHOLD), PROBABILITY_SCALE
    calc = ["gdal_calc.py", "--quiet", "--overwrite", "-A", whole, f"--calc=(A>={least})&(A<={most})", "--type=Byte"]
    options = ["--NoDataValue=0", "--co=TILED=YES", "--co=COMPRESS=DEFLATE", "--co=ZLEVEL=1", f"--outfile={inside}"]
    tiles = sorted((folder / "probability").glob("*.tif"))
    return run([["gdalbuildvrt", "-q", "-overwrite", whole, *tiles]]) + run([[*calc, *options]])


def differences(folder: Path, mmu_ha: float) -> dict[str, int]:
    """How many polygons either side has, and how many are not the same on both."""
    ours_all = gpd.read_file(folder / "ours" / "polygons.gpkg", layer="polygons")
    theirs = gpd.read_file(folder / "peer.gpkg")
    whole = np.asarray(shapely.make_valid(theirs.geometry.to_numpy(), method="structure", keep_collapsed=False))
    whole = whole[shapely.area(whole) >= mmu_ha * 1e4 * (1 - 1e-9)]
    mine = ours_all.geometry.to_numpy()
    mine, whole = mine[_order(mine)], whole[_order(whole)]
    same = 0
    if len(mine) == len(whole):
        same = int(np.count_nonzero(shapely.equals(mine, whole)))
    return {"polygons": len(mine), "polygons_peer": len(whole), "not_the_same": max(len(mine), len(whole)) - same}


def _order(shapes: NDArray[np.object_]) -> NDArray[np.intp]:
    """By bounds, then area: the same order for the same shapes, however their rings are written."""
    bounds = shapely.bounds(shapes)
    return np.asarray(np.lexsort([np.round(shapely.area(shapes), 3), *bounds.T[::-1]]), dtype=np.intp)


def across_seams(folder: Path, grid: Grid) -> int:
    """Number of polygons that lie in several tiles."""
    bounds = gpd.read_file(folder / "ours" / "polygons.gpkg", layer="polygons").bounds.to_numpy()
    side = grid.tile_px * RESOLUTION
    # Just inside, so that a polygon that ends on a seam counts for one tile.
    west, east = (np.floor((bounds[:, k] - grid.x0 + shift) / side) for k, shift in ((0, 1.0), (2, -1.0)))
    north, south = (np.floor((grid.y0 - bounds[:, k] + shift) / side) for k, shift in ((3, 1.0), (1, -1.0)))
    return int(np.count_nonzero((west != east) | (north != south)))


def measure(tiles: int, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of a mosaic of tiles x tiles."""
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        folder = Path(name)
        grid = make_mosaic(folder, tiles, options.tile_px)
        runs: dict[str, Callable[[], Cost]] = {
            "gdal_polygonize": lambda: peer(folder, options),
            "its threshold": lambda: threshold(folder),
            "ours, 1 worker": lambda: ours(folder, grid, options, 1),
            "ours": lambda: ours(folder, grid, options, options.workers),
        }
        if shutil.which("gdal_calc.py") is None:
            del runs["its threshold"]
        costs: dict[str, list[Cost]] = {kind: [] for kind in runs}
        for _ in range(options.repeats):
            for kind, work in runs.items():
                costs[kind].append(work())
        facts = differences(folder, options.mmu_ha) | {"across_seams": across_seams(folder, grid)}
    median = {
        kind: {key: statistics.median(asdict(cost)[key] for cost in each) for key in ("wall", "cpu", "peak_mb")}
        for kind, each in costs.items()
    }
    pixels = (tiles * options.tile_px) ** 2 / 1e6
    return {"mpx": pixels, "connectivity": options.connectivity, **facts, "costs": median}


def show(figures: dict[str, Any]) -> None:
    """Prints the figures of one mosaic."""
    print(f"{figures['mpx']:.0f} Mpx, {figures['polygons']} polygons, {figures['across_seams']} of them across seams")
    slow = figures["costs"]["gdal_polygonize"]
    for kind, cost in figures["costs"].items():
        print(
            f"  {kind:16} wall {cost['wall']:7.1f} s, processor {cost['cpu']:7.1f} s, largest process "
            f"{cost['peak_mb']:6.0f} MB; gdal_polygonize takes {slow['wall'] / cost['wall']:.2f} times as long, "
            f"{slow['cpu'] / cost['cpu']:.2f} times the processor"
        )
    print(f"  not the same on both sides: {figures['not_the_same']} (gdal_polygonize: {figures['polygons_peer']})")


def show_rates(small: dict[str, Any], large: dict[str, Any]) -> dict[str, float]:
    """Prints and returns what each further million pixels costs, start of the processes left out."""
    pixels = large["mpx"] - small["mpx"]
    rates = {kind: (large["costs"][kind]["cpu"] - cost["cpu"]) / pixels for kind, cost in small["costs"].items()}
    for kind, rate in rates.items():
        print(f"  {kind:16} {1000 * rate:7.2f} ms of the processor a million pixels more")
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tiles", type=int, default=8, help="tiles on a side of the larger mosaic, even")
    parser.add_argument("--tile-px", type=int, default=2048, help="width of a tile, pixels")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time")
    parser.add_argument("--connectivity", type=int, default=8, choices=[4, 8])
    parser.add_argument("--mmu-ha", type=float, default=0.0, help="smaller polygons are dropped; 0: none")
    parser.add_argument("--repeats", type=int, default=3, help="repeats, of which the median counts")
    parser.add_argument("--work", type=Path, help="folder for the mosaics; default: the system's temporary one")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    options.program = shutil.which("gdal_polygonize.py") or shutil.which("gdal_polygonize")
    if options.program is None:
        sys.exit("error: gdal_polygonize is not installed (Debian: gdal-bin, python3-gdal)")
    found = []
    for tiles in (options.tiles // 2, options.tiles):
        found.append(measure(tiles, options))
        show(found[-1])
        sys.stdout.flush()
    rates = show_rates(*found)
    if options.json:
        write_json(options.json, {"mosaics": found, "cpu_s_per_mpx": rates})


if __name__ == "__main__":
    main()
