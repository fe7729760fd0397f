"""Imagery, 16-bit scenes to 8-bit tiles, beside the chain gdalwarp + gdal_translate + gdalbuildvrt on the same scenes.

    python benchmarks/imagery.py [--tiles 4] [--tile-px 2048] [--workers 2] [--repeats 3] [--json FILE]

Made-up scenes (four bands of 16 bit, tilted footprints with nodata around, 2333 x 4000 pixels of 3 m, each place in
1.7 of them) cover a block of tiles. Two cases: `same zone`: scenes on the grid's own pixels; `next zone`: scenes in
the neighbouring UTM zone, so that each pixel is interpolated. On the same scenes run in turn, as commands and
several times,
ours: `slumpmap tiles` on the tiles, shared by `--workers` processes, then `slumpmap mosaic`;
masked: the same with a UDM2 mask for each scene, which GDAL's chain knows nothing of;
GDAL: per tile gdalwarp (bilinear, nodata 0, the scenes that touch the tile, the clearest on top), then
gdal_translate to 8 bit, `--workers` tiles at a time; gdalbuildvrt at the end. Bands are picked by a VRT per scene.
Both write Cloud-Optimized GeoTIFFs of 512-pixel blocks, DEFLATE level 1, predictor, averaged overviews; one thread
a process.

What is compared: every pixel that both call valid. Where all pixels under the kernel are of the scene the values
must be the same but for rounding: GDAL rounds twice, to 16 bit and to 8, and finds coordinates to an eighth of a
pixel by default; `exact` is one tile more of GDAL's with exact coordinates (-et 0). Masks apart, both are to agree
which pixels have data: `valid_ours_only` and `valid_gdal_only` are the shares of pixels that one side has and the
other has not (in GDAL's 16-bit tiles), `nodata_lost` the share that gdalwarp left without data and gdal_translate
gave a value. Where other jobs share the machine, seconds of the processor say more than wall seconds.
"""

from __future__ import annotations

import argparse
import math
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from commands import Command, Cost, run, run_rows, slumpmap
from numpy.typing import NDArray
from rasterio.transform import Affine
from rasterio.warp import transform_geom
from scipy.ndimage import zoom
from shapely.geometry import box, mapping, shape
from shapely.geometry.base import BaseGeometry

from slumpmap.files import write_json, write_text
from slumpmap.grid import Grid, Tile, box_area
from slumpmap.imagery.catalogue import make_catalogue
from slumpmap.imagery.scenes import read_selected
from slumpmap.raster import write_raster
from slumpmap.settings.imagery import CompositeSettings

RESOLUTION, EPSG = 3.0, "EPSG:32646"
# Close to the border of two zones, where the next one's grid is turned but scenes of it are still sold.
WEST, NORTH = 225_000.0, 3_845_001.0
NEXT_ZONE = "EPSG:32645"
SCENE_PX, TILT = (4000, 2333), math.radians(12.5)
SPACING = 0.58
LOW, HIGH = 0, 3000
YEAR = 2019
MISSING = 4


@dataclass(frozen=True)
class Case:
    """Scenes and the grid that they are brought to."""

    folder: Path
    grid: Grid
    workers: int

    def catalogue(self, masked: bool = False) -> Path:
        """The checked catalogue, with or without masks."""
        return self.folder / ("masked.gpkg" if masked else "scenes.gpkg")

    def share(self) -> list[list[Tile]]:
        """The tiles of each worker."""
        return [list(self.grid.tiles[first :: self.workers]) for first in range(self.workers)]


def footprint_mask(rows: int, columns: int) -> NDArray[np.bool_]:
    """Which pixels of a scene's raster are ground: a tilted strip within it."""
    y, x = np.mgrid[:rows, :columns] - np.array([rows / 2, columns / 2])[:, None, None]
    along, across = y * math.cos(TILT) - x * math.sin(TILT), x * math.cos(TILT) + y * math.sin(TILT)
    return np.asarray((np.abs(along) < SCENE_PX[0] / 2) & (np.abs(across) < SCENE_PX[1] / 2))


def make_texture(rows: int, columns: int) -> NDArray[np.uint16]:
    """(4, rows, columns) soft patches with noise, all valid."""
    rng = np.random.default_rng(4)
    coarse = rng.uniform(300, 2600, (4, rows // 40 + 2, columns // 40 + 2)).astype(np.float32)
    values = np.stack([zoom(band, 40, order=1)[:rows, :columns] for band in coarse])
    values += rng.normal(0, 40, (rows, columns)).astype(np.float32)
    return np.asarray(np.clip(values, 1, 9000), np.uint16)


def make_scenes(folder: Path, grid: Grid, crs: str) -> None:
    """Writes scenes over the grid, their masks, and the checked catalogues."""
    area = shape(transform_geom(EPSG, crs, mapping(grid.area.segmentize(1000.0))))
    rows = math.ceil(SCENE_PX[0] * math.cos(TILT) + SCENE_PX[1] * math.sin(TILT))
    columns = math.ceil(SCENE_PX[1] * math.cos(TILT) + SCENE_PX[0] * math.sin(TILT))
    ground, texture = footprint_mask(rows, columns), make_texture(rows, columns)
    west, south, east, north = area.bounds
    across, along = SPACING * SCENE_PX[1] * RESOLUTION / math.cos(TILT), 0.95 * SCENE_PX[0] * RESOLUTION
    entries: list[dict[str, Any]] = []
    touched = 0
    for y in np.arange(south, north + along, along):
        for x in np.arange(west - across, east + 2 * across, across):
            centre = x + (y - (south + north) / 2) * math.tan(TILT), y
            left, top = (math.floor(value / RESOLUTION) * RESOLUTION for value in centre)
            transform = Affine(
                RESOLUTION, 0, left - columns // 2 * RESOLUTION, 0, -RESOLUTION, top + rows // 2 * RESOLUTION
            )
            outline = strip(transform, rows, columns)
            touched += outline.intersection(area).area >= 0.02 * outline.area
            # One is missing, so that there is ground without data.
            if outline.intersection(area).area < 0.02 * outline.area or touched == MISSING:
                continue
            entries.append(write_scene(folder, len(entries), transform, crs, ground, texture) | {"geometry": outline})
    layer = gpd.GeoDataFrame(entries, geometry="geometry", crs=crs)
    for name, scenes in (("masked", layer), ("scenes", layer.drop(columns="udm"))):
        scenes.to_file(folder / f"{name}_named.gpkg", driver="GPKG")
        make_catalogue(folder / f"{name}_named.gpkg", grid, CompositeSettings(), [YEAR], folder / f"{name}.gpkg")


def strip(transform: Affine, rows: int, columns: int) -> BaseGeometry:
    """Outline of a scene's ground."""
    corner = box(-SCENE_PX[1] / 2, -SCENE_PX[0] / 2, SCENE_PX[1] / 2, SCENE_PX[0] / 2)
    turned = shapely.affinity.rotate(corner, TILT, origin=(0, 0), use_radians=True)
    a, b, c, d, e, f = tuple(transform @ Affine.translation(columns / 2, rows / 2))[:6]
    return shapely.affinity.affine_transform(turned, [a, b, d, e, c, f])


def write_scene(
    folder: Path,
    number: int,
    transform: Affine,
    crs: str,
    ground: NDArray[np.bool_],
    texture: NDArray[np.uint16],
) -> dict[str, Any]:
    """Writes one scene and its mask; returns its row of the catalogue."""
    rows, columns = ground.shape
    image = np.where(ground, np.roll(texture, 997 * number, axis=(1, 2)), 0)
    name = f"{YEAR}0715_04{number // 60:02d}{number % 60:02d}_1003"
    tiled = {"tiled": True, "blockxsize": 256, "blockysize": 256}
    write_raster(folder / f"{name}.tif", image, transform, crs, nodata=0, **tiled)
    udm = np.zeros((8, rows, columns), np.uint8)
    udm[0], udm[7] = ground, ~ground
    write_raster(folder / f"{name}_udm2.tif", udm, transform, crs, predictor=1, **tiled)
    return {
        "path": f"{name}.tif",
        "udm": f"{name}_udm2.tif",
        "acquired": f"{YEAR}-07-15T04:{number // 60:02d}:{number % 60:02d}Z",
        # Different for each scene, and no order of the strips.
        "cloud_fraction": round((number * 0.618) % 1.0 * 0.25, 4),
    }


def make_case(folder: Path, options: argparse.Namespace, crs: str) -> Case:
    """The scenes of one case in a folder."""
    folder.mkdir()
    side = options.tiles * options.tile_px * RESOLUTION
    grid = Grid.over(box_area((WEST, NORTH - side, WEST + side, NORTH)), EPSG, RESOLUTION, options.tile_px)
    write_text(folder / "grid.json", grid.to_json())
    write_json(folder / "scaling.json", {"low": [LOW] * 3, "high": [HIGH] * 3})
    make_scenes(folder, grid, crs)
    return Case(folder, grid, options.workers)


def ours(case: Case, masked: bool = False) -> Cost:
    """Tiles by several processes, then the mosaic."""
    out = case.folder / ("masked" if masked else "ours")
    shutil.rmtree(out, ignore_errors=True)
    common = "--grid", case.folder / "grid.json"
    files = "--catalogue", case.catalogue(masked), "--scaling", case.folder / "scaling.json"
    tiles = [
        slumpmap("tiles", *common, *files, "--year", YEAR, "--tiles", ",".join(tile.id for tile in part), "--out", out)
        for part in case.share()
    ]
    mosaic = slumpmap("mosaic", *common, "--folder", out, "--bands", "red,green,blue", "--out", out / "mosaic.vrt")
    return run(tiles, case.workers) + run([mosaic])


def gdal(case: Case) -> Cost:
    """GDAL's programs, tile by tile."""
    out = case.folder / "gdal"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    # Clearest last: gdalwarp paints each scene over the ones before.
    scenes = [(scene.path, out / f"{scene.name}.vrt") for scene in read_selected(case.catalogue())][::-1]
    footprints = gpd.read_file(case.catalogue(), layer="scenes").set_index("path").geometry
    bands = ["-b", 3, "-b", 2, "-b", 1]
    picking: list[Command] = [["gdal_translate", "-q", "-of", "VRT", *bands, path, vrt] for path, vrt in scenes]
    rows = []
    for part in case.share():
        row: list[Command] = []
        for tile in part:
            square = box(*case.grid.bounds(tile.window))
            here = [vrt for path, vrt in scenes if footprints[str(path)].intersects(square)]
            row += warp(case.grid, tile, here, out)
        rows.append(row)
    tiles = [out / f"{tile.id}.tif" for tile in case.grid.tiles]
    made = run(picking, case.workers) + run_rows(rows, case.workers)
    return made + run([["gdalbuildvrt", "-q", out / "mosaic.vrt", *tiles]])


def warp(grid: Grid, tile: Tile, scenes: list[Path], out: Path, *further: object) -> list[Command]:
    """Commands that make one tile."""
    west, south, east, north = grid.bounds(tile.window)
    deep, flat = out / f"{tile.id}_16bit.tif", out / f"{tile.id}.tif"
    where = ["-t_srs", EPSG, "-te", west, south, east, north, "-ts", tile.tile_px, tile.tile_px]
    how = ["-r", "bilinear", "-srcnodata", 0, "-dstnodata", 0, "-wm", 256, "-co", "TILED=YES", *further]
    cog = ["COMPRESS=DEFLATE", "LEVEL=1", "PREDICTOR=YES", "BLOCKSIZE=512", "OVERVIEW_RESAMPLING=AVERAGE"]
    options = [word for item in cog for word in ("-co", item)]
    scale = ["-ot", "Byte", "-scale", LOW, HIGH, 1, 255, "-a_nodata", 0]
    return [
        ["gdalwarp", "-q", "-overwrite", *where, *how, *scenes, deep],
        ["gdal_translate", "-q", *scale, "-of", "COG", *options, deep, flat],
    ]


def agreement(case: Case, folder: Path, tiles: list[Tile]) -> dict[str, float]:
    """How ours and GDAL's tiles differ."""
    steps = np.zeros(256, np.int64)
    both = only_ours = only_gdal = lost = 0
    for tile in tiles:
        mine, theirs, deep = (
            read(path)
            for path in (
                case.folder / "ours" / f"{tile.id}.tif", folder / f"{tile.id}.tif", folder / f"{tile.id}_16bit.tif",
            )
        )  # fmt: skip
        valid, filled = mine.any(axis=0), deep.any(axis=0)
        common = valid & filled
        difference = np.abs(mine.astype(np.int16) - theirs).max(axis=0)
        steps += np.bincount(difference[common], minlength=256)
        both += int(common.sum())
        only_ours += int((valid & ~filled).sum())
        only_gdal += int((filled & ~valid).sum())
        lost += int((~filled & theirs.any(axis=0)).sum())
    pixels = sum(tile.tile_px**2 for tile in tiles)
    return {
        "same": float(steps[0] / both),
        "within_1": float(steps[:2].sum() / both),
        "within_3": float(steps[:4].sum() / both),
        "largest": float(np.flatnonzero(steps)[-1]),
        "valid_ours_only": only_ours / pixels,
        "valid_gdal_only": only_gdal / pixels,
        "nodata_lost": lost / pixels,
    }


def read(path: Path) -> NDArray[Any]:
    with rasterio.open(path) as source:
        return np.asarray(source.read())


def exact_tile(case: Case) -> dict[str, float]:
    """Agreement on the first tile with GDAL's exact coordinates."""
    out, tile = case.folder / "exact", case.grid.tiles[0]
    out.mkdir(exist_ok=True)
    scenes = [case.folder / "gdal" / f"{scene.name}.vrt" for scene in read_selected(case.catalogue())][::-1]
    run_rows([warp(case.grid, tile, scenes, out, "-et", 0)], 1)
    return agreement(case, out, [tile])


def measure(case: Case, repeats: int) -> dict[str, Any]:
    """The figures of one case, medians of the repeats."""
    runs: dict[str, Callable[[], Cost]] = {
        "gdal": lambda: gdal(case),
        "ours": lambda: ours(case),
        "masked": lambda: ours(case, masked=True),
    }
    costs: dict[str, list[Cost]] = {kind: [] for kind in runs}
    for _ in range(repeats):
        for kind, work in runs.items():
            costs[kind].append(work())
    median = {
        kind: {key: statistics.median(asdict(cost)[key] for cost in each) for key in ("wall", "cpu", "peak_mb")}
        for kind, each in costs.items()
    }
    mpx = sum(tile.tile_px**2 for tile in case.grid.tiles) / 1e6
    return {
        "mpx": mpx,
        "costs": median,
        "gdal_to_ours": {key: median["gdal"][key] / median["ours"][key] for key in ("wall", "cpu")},
        "agreement": agreement(case, case.folder / "gdal", list(case.grid.tiles)),
        "exact": exact_tile(case),
    }


def show(name: str, figures: dict[str, Any]) -> None:
    """Prints the figures of one case."""
    print(f"{name}: {figures['mpx']:.0f} Mpx")
    for kind, cost in figures["costs"].items():
        print(
            f"  {kind:6} wall {cost['wall']:7.1f} s ({figures['mpx'] / cost['wall']:.2f} Mpx/s), processor "
            f"{cost['cpu']:7.1f} s ({figures['mpx'] / cost['cpu']:.2f} Mpx/s), largest process {cost['peak_mb']:.0f} MB"
        )
    ratio = figures["gdal_to_ours"]
    print(f"  GDAL takes {ratio['wall']:.2f} times as long, {ratio['cpu']:.2f} times the processor")
    for kind in ("agreement", "exact"):
        print(f"  {kind}: " + ", ".join(f"{key} {value:.6g}" for key, value in figures[kind].items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tiles", type=int, default=4, help="tiles on a side of the block")
    parser.add_argument("--tile-px", type=int, default=2048, help="width of a tile, pixels")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time")
    parser.add_argument("--repeats", type=int, default=3, help="repeats, of which the median counts")
    parser.add_argument("--work", type=Path, help="folder for the scenes; default: the system's temporary one")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    if shutil.which("gdalwarp") is None:
        sys.exit("error: gdalwarp is not installed (Debian: gdal-bin)")
    found = {}
    for name, crs in (("same zone", EPSG), ("next zone", NEXT_ZONE)):
        with tempfile.TemporaryDirectory(dir=options.work) as folder:
            found[name] = measure(make_case(Path(folder) / "case", options, crs), options.repeats)
        show(name, found[name])
        sys.stdout.flush()
    if options.json:
        write_json(options.json, found)


if __name__ == "__main__":
    main()
