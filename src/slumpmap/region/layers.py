"""The other layers of a region: study area, slumps, roads, elevation, classes; checked and brought into form."""

from __future__ import annotations

import lzma
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from rasterio.io import DatasetReader
from rasterio.warp import transform_bounds
from rasterio.windows import from_bounds, intersect
from shapely.geometry import box

from slumpmap.errors import InputError
from slumpmap.files import write_text
from slumpmap.grid import HECTARE, Grid, check_projected
from slumpmap.labels import first_labels
from slumpmap.legend import read_legend
from slumpmap.raster import check_whole, open_raster, reading
from slumpmap.region.scenes import crs_name
from slumpmap.region.wish import Finding
from slumpmap.terrain.dem import open_dem
from slumpmap.terrain.joining import join_dem
from slumpmap.vector import LINES, load_layer, read_layer, write_layer

# Relief around the study area shades it and feeds its streams, metres.
DEM_MARGIN_M = 15_000.0
_RASTERS = (".tif", ".tiff", ".hgt", ".img", ".vrt", ".dem", ".asc", ".bil")
# What Python's zipfile raises on a damaged, encrypted or exotic one.
_NOT_A_ZIP = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
_BOX = re.compile(r"^\s*-?[\d.]+(\s*,\s*-?[\d.]+){3}\s*$")
# Over 30 km, metres; slumps lie on slopes.
_LEAST_RELIEF_M = 10.0
# Degrees of longitude: a zone of UTM has 6, and is used 3 more on either side without harm.
_WIDEST = 12.0
# Tiles of a region: with more, work is better spread; with larger ones, less is read twice.
_TILE_PX, _FEW_TILES = (4096, 2048, 1024, 512), 4
_TOO_FEW_SLUMPS = 30
_KM2 = 1e6


def read_area(text: str) -> gpd.GeoDataFrame:
    """The study area as the user gave it: polygons of a file, or `west,south,east,north` in degrees.

    Raises:
        InputError: unreadable file, no polygon, or numbers that are no box on Earth.
    """
    if not _BOX.match(text):
        return read_layer(Path(text), "study area", empty_ok=False)
    west, south, east, north = (float(part) for part in text.split(","))
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        remedy = "give west,south,east,north in degrees, or a file with polygons"
        raise InputError("--area", f"{text!r} is no box in longitude and latitude", remedy)
    return gpd.GeoDataFrame(geometry=[box(west, south, east, north)], crs="EPSG:4326")


def grid_over(area: gpd.GeoDataFrame, crs: str | None, resolution: float, source: str) -> Grid:
    """The grid of a study area: its UTM zone unless a CRS is given, and tiles of which there are some.

    Raises:
        InputError: unsuitable CRS.
    """
    if crs is None:
        code = area.estimate_utm_crs().to_epsg()
        crs = f"EPSG:{code}"
    check_projected(crs, "--crs")
    shape = area.to_crs(crs).union_all()
    if not np.isfinite(shape.bounds).all():
        raise InputError(source, f"study area has no place in {crs}", "choose another --crs")
    west, south, east, north = shape.bounds
    sides = (east - west) / resolution, (north - south) / resolution
    fits = [px for px in _TILE_PX if sides[0] * sides[1] / px**2 >= _FEW_TILES]
    return Grid.over(shape, crs, resolution, fits[0] if fits else _TILE_PX[-1], source)


def bring_area(area: gpd.GeoDataFrame, grid: Grid, source: str, out: Path) -> Finding:
    """Writes the study area in the grid's CRS."""
    came = crs_name_of(area)
    write_layer(gpd.GeoDataFrame(geometry=[grid.area], crs=grid.crs), out)
    lines = [
        f"{grid.area.area / _KM2:,.4g} km2, {len(grid.tiles)} tiles of {grid.tile_px} pixels of "
        f"{grid.resolution:g} m in {grid.crs}"
    ]
    west, _, east, _ = area.to_crs("EPSG:4326").total_bounds
    if east - west > _WIDEST:
        lines.append(f"{east - west:.0f} degrees wide: areas are distorted at its ends; give an equal-area --crs")
    return Finding("study area", source, came, None, tuple(lines))


def crs_name_of(layer: gpd.GeoDataFrame) -> str:
    """The CRS of a layer as people name it."""
    code = layer.crs.to_epsg()
    return f"EPSG:{code}" if code else str(layer.crs.name)


def bring_slumps(slumps: Path, lookalikes: Path | None, grid: Grid, folder: Path) -> list[Finding]:
    """Writes the outlines that lie in the study area, and tries them as the first iteration will.

    Args:
        slumps: outlines of known slumps.
        lookalikes: outlines of places that are no slumps, or None.
        grid: of the campaign.
        folder: gets `slumps.gpkg` and `lookalikes.gpkg`.

    Raises:
        InputError: unusable outlines, no slump in the study area, repeated ids.
    """
    found = []
    for path, what, name in ((slumps, "known slumps", "slumps"), (lookalikes, "look-alikes", "lookalikes")):
        if path is None:
            continue
        layer = read_layer(path, what, grid.crs, empty_ok=False)
        inside = layer[layer.intersects(grid.area)].reset_index(drop=True)
        if inside.empty:
            fault = f"none of {len(layer)} {what} lies in the study area"
            raise InputError(path, fault, "check the CRS of the file and the study area")
        write_layer(inside, folder / f"{name}.gpkg")
        sizes = [f"{size:.2g}" for size in (inside.area.min() / HECTARE, inside.area.max() / HECTARE)]
        lines = [f"outlines: {len(inside)}, of {' to '.join(dict.fromkeys(sizes))} ha"]
        if len(inside) < len(layer):
            lines.append(f"{len(layer) - len(inside)} more lie outside the study area and are left out")
        if name == "slumps" and len(inside) < _TOO_FEW_SLUMPS:
            lines.append("few to learn from: the first iterations will propose much that is none")
        found.append(Finding(what, str(path), crs_name_of(load_layer(path, what)), None, tuple(lines)))
    written = folder / "lookalikes.gpkg"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        first_labels(folder / "slumps.gpkg", written if written.exists() else None, grid, Path(scratch))
    return found


def bring_roads(roads: Path, grid: Grid, out: Path) -> Finding:
    """Writes the roads in the grid's CRS, those beyond the study area too, which may be the nearest.

    Raises:
        InputError: unusable lines.
    """
    layer = read_layer(roads, "roads", grid.crs, kinds=LINES, empty_ok=False)
    write_layer(layer, out)
    inside = float(shapely.length(shapely.intersection(layer.geometry.to_numpy(), grid.area)).sum())
    lines = [f"lines: {len(layer)}, {inside / 1000:.3g} km in the study area"]
    if inside == 0:
        lines.append("none in the study area: is this the right file?")
    return Finding("roads", str(roads), crs_name_of(load_layer(roads, "roads")), None, tuple(lines))


def bring_dem(sources: Sequence[Path], grid: Grid, out: Path) -> Finding:
    """Writes the elevation model of the study area and of up to 15 km around it, in the grid's CRS.

    Args:
        sources: rasters, ZIP files with rasters such as SRTM tiles, or folders of either.
        grid: of the campaign.
        out: GeoTIFF to write, cells as large as those that come, rounded to metres.

    Raises:
        InputError: nothing that is an elevation model, or none of it in the study area.
    """
    with _unpacked(sources, out.parent) as tiles:
        facts = []
        for path in tiles:
            check_whole(path, "DEM")
            with open_raster(path, "DEM") as dataset:
                if dataset.count > 1:
                    fault = f"has {dataset.count} bands, and is no elevation model"
                    raise InputError(
                        path, fault, "name the elevation model itself, or a folder that holds nothing else"
                    )
                bounds = transform_bounds(dataset.crs, grid.crs, *dataset.bounds)
                # The square that has a cell's area, where the tile is brought to the grid.
                cell = ((bounds[2] - bounds[0]) * (bounds[3] - bounds[1]) / dataset.width / dataset.height) ** 0.5
                facts.append((crs_name(dataset.crs), cell))
        resolution = max(1.0, float(round(np.median([cell for _, cell in facts]))))
        join_dem(tiles, grid, DEM_MARGIN_M, resolution, out)
    named = ", ".join(map(str, sources))
    try:
        with open_dem(out) as dem:
            lowest, highest = dem.lowest, dem.highest
    except InputError as error:
        raise InputError(named, error.fault, error.remedy) from error
    lines = [f"{lowest:.0f} to {highest:.0f} m, cells of {resolution:g} m; rasters: {len(tiles)}"]
    if highest - lowest < _LEAST_RELIEF_M:
        lines.append("hardly any relief: is this the right file?")
    cover = _cover(out, grid)
    if cover < 0.999:
        lines.append("where it has no value slumps get no terrain attributes")
    return Finding("DEM", named, ", ".join(sorted({crs for crs, _ in facts})), cover, tuple(lines))


def _cover(dem: Path, grid: Grid) -> float:
    """The share of the study area for which a raster in the grid's CRS has a value, from its overviews."""
    west, south, east, north = grid.area.bounds
    with open_raster(dem, "DEM") as dataset, reading(dem, "DEM"):
        window = dataset.window(west, south, east, north)
        shape = tuple(max(1, min(500, round(side))) for side in (window.height, window.width))
        values = dataset.read(1, window=window, out_shape=shape, boundless=True, masked=True)
    x = west + (np.arange(shape[1]) + 0.5) * (east - west) / shape[1]
    y = north - (np.arange(shape[0]) + 0.5) * (north - south) / shape[0]
    inside = shapely.contains_xy(grid.area, *np.meshgrid(x, y))
    known = ~np.ma.getmaskarray(values)
    return float(known[inside].mean()) if inside.any() else float(known.mean())


@contextmanager
def _unpacked(sources: Sequence[Path], folder: Path) -> Iterator[list[Path]]:
    """The rasters of some files, ZIP files and folders, by name; what is unpacked goes when the block ends.

    Raises:
        InputError: there is none, or one inside a ZIP file was refused in the block: then the ZIP file is named.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".dem-") as scratch:
        tiles: dict[str, Path] = {}
        for source in sources:
            for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
                if path.suffix.lower() == ".zip":
                    tiles |= dict.fromkeys(_unzipped(path, Path(scratch) / f"{len(tiles)}"), path)
                elif path.suffix.lower() in _RASTERS or path == source:
                    tiles[str(path)] = path
        if not tiles:
            listed = ", ".join(map(str, sources))
            raise InputError(
                listed, "there is no elevation model", f"give rasters ({', '.join(_RASTERS)}) or ZIP files"
            )
        try:
            yield [Path(tile) for tile in tiles]
        except InputError as error:
            came = tiles.get(error.source)
            if came is None or str(came) == error.source:
                raise
            raise InputError(came, f"{Path(error.source).name} in it: {error.fault}", error.remedy) from error


def _unzipped(path: Path, folder: Path) -> list[str]:
    """The rasters in a ZIP file; GDAL knows the place of an SRTM tile from its name, which stays."""
    found = []
    try:
        with zipfile.ZipFile(path) as archive:
            rasters = [member for member in archive.infolist() if Path(member.filename).suffix.lower() in _RASTERS]
            size = sum(member.file_size for member in rasters)
            if size > shutil.disk_usage(folder.parent).free:
                raise OSError(f"it holds {size / 1e9:.1f} GB, more than the disk has left")
            for member in rasters:
                folder.mkdir(parents=True, exist_ok=True)
                found.append(str(folder / Path(member.filename).name))
                with archive.open(member) as source, Path(found[-1]).open("wb") as target:
                    shutil.copyfileobj(source, target)
    except _NOT_A_ZIP as error:
        raise InputError(path, f"cannot be unpacked ({error})", "copy or download it again") from error
    if not found:
        raise InputError(path, "the ZIP file holds no raster", f"give one with {', '.join(_RASTERS)}")
    return found


def look_at_classes(what: str, raster: Path, legend: Path | None, grid: Grid, folder: Path) -> Finding:
    """Checks a raster of classes and its legend; where there is no legend, writes one to be filled in.

    Args:
        what: `vegetation` or `soil`.
        raster: its classes; stays where it is.
        legend: CSV with the columns code,name; or None.
        grid: of the campaign.
        folder: gets `WHAT_legend.csv` if there is none.

    Raises:
        InputError: an unusable raster or legend, or another place.
    """
    check_whole(raster, what)
    with open_raster(raster, what) as dataset:
        if np.dtype(dataset.dtypes[0]).kind not in "iu":
            fault = f"{what} has values of type {dataset.dtypes[0]}, which are no classes"
            raise InputError(raster, fault, "give a raster of whole numbers")
        came, covered = crs_name(dataset.crs), box(*transform_bounds(dataset.crs, grid.crs, *dataset.bounds))
        cover = float(shapely.intersection(covered, grid.area).area / grid.area.area)
        if cover == 0:
            raise InputError(raster, f"{what} does not touch the study area", "check its CRS and the study area")
        codes = _codes(raster, what, dataset, transform_bounds(grid.crs, dataset.crs, *grid.area.bounds))
    lines = [f"classes in the study area: {len(codes)}"]
    if legend is None:
        rows = "".join(f"{code},class {code}\n" for code in sorted(codes))
        write_text(folder / f"{what}_legend.csv", f"code,name\n{rows}")
        lines.append(f"no legend: fill in the names in {what}_legend.csv")
    elif missing := sorted(codes - read_legend(legend, what).keys()):
        lines.append(f"the legend has no name for {', '.join(map(str, missing))}")
    return Finding(what, str(raster), came, cover, tuple(lines))


def _codes(path: Path, what: str, dataset: DatasetReader, bounds: tuple[float, float, float, float]) -> set[int]:
    """The classes within some bounds."""
    place = from_bounds(*bounds, transform=dataset.transform)
    codes: set[int] = set()
    for _, window in dataset.block_windows(1):
        if intersect(window, place):
            with reading(path, what):
                codes.update(np.unique(dataset.read(1, window=window, masked=True).compressed()).tolist())
    return codes
