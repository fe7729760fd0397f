"""The door to rasters on disk: checked opening, atomic writing, tiles read as one mosaic."""

from __future__ import annotations

import errno
import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any
from xml.etree import ElementTree

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.shutil import copy as copy_raster
from rasterio.transform import Affine
from rasterio.windows import Window as RasterWindow

from slumpmap import observed
from slumpmap.errors import InputError
from slumpmap.files import REPLACE, atomic, write_text
from slumpmap.grid import Grid, Tile, Window
from slumpmap.sidecar.digest import known_contents

RGB_NODATA = 0
PROBABILITY_NODATA = 255
PROBABILITY_SCALE = 254

# Blocks of this size serve both whole-tile reads and the narrow halo strips of neighbours.
BLOCK_PX = 512
# A block in memory, all bands that lie together.
_MOST_BLOCK_BYTES = 2**28


@contextmanager
def open_raster(path: Path, what: str = "raster") -> Iterator[DatasetReader]:
    """Opens a raster that must exist, be readable and carry a CRS.

    Args:
        path: the file.
        what: what the file is to the user (`scene`, `UDM2 mask`, `DEM`), for the message.

    Raises:
        InputError: the file is missing, unreadable or without CRS.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, f"{what} is missing", "correct the path or bring the file")
    with opened(path, what, REPLACE) as dataset:
        if dataset.crs is None:
            raise InputError(path, f"{what} has no CRS", "assign one, for example `rio edit-info --crs EPSG:32646`")
        yield dataset


def opened(path: Path, what: str, remedy: str) -> DatasetReader:
    """A raster that is open, and whose file can hold what its header says.

    Raises:
        InputError: the file is missing, unreadable, or promises more than it holds.
    """
    try:
        dataset = rasterio.open(path)
    except (RasterioError, ValueError) as error:
        raise InputError(path, f"{what} cannot be read ({error})", remedy) from error
    try:
        check_header(Path(path), what, dataset, Path(path).stat().st_size)
    except InputError:
        dataset.close()
        raise
    # Of a VRT these are also the files that it shows.
    observed.read(dataset.files)
    return dataset


def check_header(path: Path, what: str, dataset: DatasetReader, length: int) -> None:
    """Refuses a TIFF whose header promises what the file cannot hold, before anything believes it.

    Each block has an offset and a length in the file, two bytes each at least, also where it is a hole in a sparse
    file. A block is read whole, so that one of gigabytes, which no program writes, would fill the memory.

    Args:
        path: the file, for the message.
        what: what it is to the user, for the message.
        dataset: the file or a part of it.
        length: of the TIFF, bytes.

    Raises:
        InputError: it cannot be.
    """
    if dataset.driver not in {"GTiff", "COG"}:
        return
    height, width = dataset.block_shapes[0]
    blocks = -(-dataset.height // height) * -(-dataset.width // width)
    together = dataset.count if dataset.interleaving is not None and dataset.interleaving.name == "pixel" else 1
    # NumPy does not know all of GDAL's complex types.
    cell = max(16 if "complex" in name else np.dtype(name).itemsize for name in set(dataset.dtypes))
    size = height * width * together * cell
    if 2 * blocks > length or size > _MOST_BLOCK_BYTES:
        shape = f"{dataset.count} bands of {dataset.height} x {dataset.width} pixels"
        raise InputError(path, f"{what} cannot hold the {shape} that its header promises", "copy or download it again")


@contextmanager
def reading(path: Path, what: str = "raster", remedy: str = REPLACE) -> Iterator[None]:
    """Says of what GDAL raises on damaged pixels which file they are in; round a reading, never round a writing.

    Raises:
        InputError: something in the block could not be read.
    """
    try:
        yield
    except RasterioError as error:
        reason = error.__cause__ or error
        raise InputError(path, f"{what} is damaged ({reason})", remedy) from error


@contextmanager
def atomic_raster(path: Path) -> Iterator[Path]:
    """As `slumpmap.files.atomic`, for a TIFF in which every block is written.

    GDAL closes a file without an error where the disk was too full for its last blocks, so that they are counted.
    """
    with atomic(path, _check_written) as temporary:
        yield temporary


@contextmanager
def atomic_cog(path: Path, average: bool = True) -> Iterator[Path]:
    """As `atomic_raster`, for a GeoTIFF written block by block, which becomes a Cloud-Optimized GeoTIFF at the end.

    Args:
        path: the file to make.
        average: whether the overviews average the valid pixels; else they take one of them, as classes and directions
            need it.
    """
    with atomic_raster(path) as finished:
        rough = finished.with_name(f"{finished.stem}.rough{finished.suffix}")
        try:
            yield rough
            _check_written(rough)
            way = Resampling.average if average else Resampling.nearest
            _as_cog(rough, finished, way)
        finally:
            with suppress(OSError):
                rough.unlink()


def _as_cog(source: str | Path, target: Path, way: Resampling) -> None:
    """Copies a raster to a Cloud-Optimized GeoTIFF with overviews made in a way of resampling."""
    copy_raster(
        source,
        target,
        driver="COG",
        compress="DEFLATE",
        level=1,
        predictor="YES",
        blocksize=BLOCK_PX,
        overview_resampling=way.name.upper(),
    )


def _check_written(path: Path) -> None:
    """Raises OSError where a block of a new TIFF is missing or reaches beyond the end of the file."""
    with rasterio.open(path) as dataset:
        blocks = list(_blocks(dataset))
    size = path.stat().st_size
    # A block that was never written is read as nodata or zero, without an error.
    if any(not length or offset + length > size for offset, length in blocks):
        raise OSError(errno.EIO, "raster was not written whole", str(path))


def check_whole(path: Path, what: str = "raster") -> None:
    """Refuses a TIFF whose blocks reach beyond the end of the file, without decoding it.

    Raises:
        InputError: the file is missing, unreadable, without CRS, or truncated.
    """
    with open_raster(path, what) as dataset:
        if dataset.driver not in {"GTiff", "COG"}:
            return
        size = Path(path).stat().st_size
        if any(length and offset + length > size for offset, length in _blocks(dataset)):
            raise InputError(path, f"{what} is truncated", "copy or download it again")


def _blocks(dataset: DatasetReader) -> Iterator[tuple[int, int]]:
    """Offset and length of each block of a TIFF in its file, bytes; (0, 0) of one that was never written."""
    height, width = dataset.block_shapes[-1]
    # Where bands lie apart they may have been written in any order, so that each can be the last.
    apart = dataset.interleaving is not None and dataset.interleaving.name == "band"
    for band in dataset.indexes if apart else (1,):
        for y in range(-(-dataset.height // height)):
            for x in range(-(-dataset.width // width)):
                offset = dataset.get_tag_item(f"BLOCK_OFFSET_{x}_{y}", "TIFF", bidx=band)
                length = dataset.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=band)
                yield int(offset or 0), int(length or 0)


def write_raster(
    path: Path, values: NDArray[Any], transform: Affine, crs: str | CRS, nodata: float | None = None, **options: Any
) -> None:
    """Writes a tiled, compressed GeoTIFF atomically.

    Args:
        path: the file to make.
        values: (rows, columns) or (bands, rows, columns).
        transform: affine of the upper left pixel corner.
        crs: coordinate reference system.
        nodata: nodata value, if any.
        options: further GDAL creation options.
    """
    with atomic_raster(path) as temporary:
        _write_gtiff(temporary, values, transform, crs, nodata, **options)


def _write_gtiff(
    path: str | Path, values: NDArray[Any], transform: Affine, crs: str | CRS, nodata: float | None, **options: Any
) -> None:
    bands = values[None] if values.ndim == 2 else values
    profile = {"compress": "deflate", "zlevel": 1, "predictor": 2 if bands.dtype.kind in "iu" else 3}
    if min(bands.shape[1:]) >= 256:
        profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=bands.shape[0],
        height=bands.shape[1],
        width=bands.shape[2],
        dtype=bands.dtype,
        crs=crs,
        transform=transform,
        nodata=nodata,
        **(profile | options),
    ) as target:
        target.write(bands)


def encode_raster(
    values: NDArray[Any], transform: Affine, crs: str | CRS, nodata: float | None, names: Sequence[str], **tags: str
) -> bytes:
    """A compressed GeoTIFF in memory, for a place inside another file.

    Args:
        values: (bands, rows, columns).
        transform: affine of the upper left pixel corner.
        crs: coordinate reference system.
        nodata: nodata value, if any.
        names: of the bands.
        tags: metadata items of the file.
    """
    with MemoryFile() as memory:
        # Left to itself, GDAL takes three bands for red, green and blue, and a fourth for transparency.
        _write_gtiff(memory.name, values, transform, crs, nodata, photometric="MINISBLACK", alpha="NO")
        with rasterio.open(memory.name, "r+") as target:
            target.descriptions = tuple(names)
            target.update_tags(**tags)
        return bytes(memory.read())


def write_cog(
    path: Path, values: NDArray[Any], transform: Affine, crs: str | CRS, nodata: float | None, **tags: str
) -> None:
    """Writes a Cloud-Optimized GeoTIFF with overviews, atomically.

    Args:
        path: the file to make.
        values: (rows, columns) or (bands, rows, columns).
        transform: affine of the upper left pixel corner.
        crs: coordinate reference system.
        nodata: nodata value; overviews average valid pixels only.
        tags: metadata items of the file.
    """
    with atomic_raster(path) as temporary, MemoryFile() as memory:
        # Left to itself, GDAL takes a fourth band for transparency, and the COG driver then for a mask.
        _write_gtiff(memory.name, values, transform, crs, nodata, compress="none", predictor=1, alpha="NO")
        with rasterio.open(memory.name, "r+") as source:
            source.update_tags(**tags)
        _as_cog(memory.name, temporary, Resampling.average)


def write_mosaic(
    grid: Grid, folder: Path, bands: int, nodata: int, out: Path | None = None, tiles: Iterable[Tile] | None = None
) -> None:
    """Writes a VRT that shows the 8-bit tiles of a folder as one raster to any GIS.

    It carries the hash of the tiles' content: Snakemake takes a small file that did not change for unchanged input,
    and what was made from the mosaic would stay old after a run that was broken off behind it.

    Args:
        grid: the campaign's grid.
        folder: where the tiles are, `x000_y000.tif`; the paths in the VRT are relative to it.
        bands: number of bands of each tile.
        nodata: value where there is no tile.
        out: the file to make; None: `mosaic.vrt` beside the tiles.
        tiles: those that are shown; None: all.
    """
    out = Path(folder) / "mosaic.vrt" if out is None else Path(out)
    way = Path(os.path.relpath(folder, out.parent))
    side = grid.tile_px
    columns = (max(tile.x for tile in grid.tiles) + 1) * side
    rows = (max(tile.y for tile in grid.tiles) + 1) * side
    root = ElementTree.Element("VRTDataset", rasterXSize=str(columns), rasterYSize=str(rows))
    ElementTree.SubElement(root, "SRS").text = CRS.from_user_input(grid.crs).to_wkt()
    metadata = ElementTree.SubElement(root, "Metadata")
    shown = list(grid.tiles if tiles is None else tiles)
    content = _content_of_tiles([Path(folder) / f"{tile.id}.tif" for tile in shown])
    ElementTree.SubElement(metadata, "MDI", key="TILES_SHA256").text = content
    transform = ", ".join(repr(float(value)) for value in grid.transform.to_gdal())
    ElementTree.SubElement(root, "GeoTransform").text = transform
    colours = ("Red", "Green", "Blue", *("Undefined",) * (bands - 3)) if bands >= 3 else ("Gray",) * bands
    for number, colour in enumerate(colours, 1):
        band = ElementTree.SubElement(root, "VRTRasterBand", dataType="Byte", band=str(number))
        ElementTree.SubElement(band, "NoDataValue").text = str(nodata)
        ElementTree.SubElement(band, "ColorInterp").text = colour
        for tile in shown:
            source = ElementTree.SubElement(band, "SimpleSource")
            path = (way / f"{tile.id}.tif").as_posix()
            ElementTree.SubElement(source, "SourceFilename", relativeToVRT="1").text = path
            ElementTree.SubElement(source, "SourceBand").text = str(number)
            # With this a tile is opened when it is looked at, not when the mosaic is.
            facts = {"RasterXSize": side, "RasterYSize": side, "DataType": "Byte"}
            facts |= {"BlockXSize": BLOCK_PX, "BlockYSize": BLOCK_PX}
            ElementTree.SubElement(source, "SourceProperties", {key: str(value) for key, value in facts.items()})
            for name, column, row in (("SrcRect", 0, 0), ("DstRect", tile.window.column, tile.window.row)):
                place = {"xOff": column, "yOff": row, "xSize": side, "ySize": side}
                ElementTree.SubElement(source, name, {key: str(value) for key, value in place.items()})
    ElementTree.indent(root)
    write_text(out, ElementTree.tostring(root, encoding="unicode") + "\n")


def _content_of_tiles(paths: Sequence[Path]) -> str:
    """One hash over the names and the content of tiles, as far as they are there."""
    there = [path for path in paths if path.is_file()]
    observed.read(there)
    lines = [f"{path.name} {content.sha256}\n" for path, content in known_contents(there).items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class Mosaic:
    """The tiles of one product read as one raster in grid pixels; missing ground is nodata.

    Only tiles of the grid are opened (`folder/x000_y000.tif`), never what else lies in the folder.
    Use it as a context manager. At most `keep_open` files are open at a time.

    Args:
        grid: the campaign's grid.
        folder: the folder of the product's tiles.
        bands: number of bands that each tile must have.
        nodata: value for pixels outside the tiles.
    """

    def __init__(
        self,
        grid: Grid,
        folder: Path,
        bands: int,
        nodata: int,
        keep_open: int = 16,
    ) -> None:
        self.grid = grid
        self.folder = Path(folder)
        self.bands = bands
        self.nodata = nodata
        self._keep_open = keep_open
        self._open: OrderedDict[str, DatasetReader] = OrderedDict()

    def __enter__(self) -> Mosaic:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def _dataset(self, tile_id: str) -> DatasetReader:
        if tile_id in self._open:
            self._open.move_to_end(tile_id)
            return self._open[tile_id]
        path = self.folder / f"{tile_id}.tif"
        dataset = opened(path, "tile", "remove it and run the workflow again")
        side = self.grid.tile_px
        if (dataset.count, dataset.height, dataset.width) != (self.bands, side, side):
            dataset.close()
            raise InputError(path, "tile does not have the grid's shape", "remove it and run the workflow again")
        self._open[tile_id] = dataset
        if len(self._open) > self._keep_open:
            self._open.popitem(last=False)[1].close()
        return dataset

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Reads a window of grid pixels, across tiles and beyond the grid.

        Returns:
            (bands, height, width) uint8; `nodata` where there is no tile.

        Raises:
            InputError: a tile is missing, unreadable or of another shape.
        """
        out = np.full((self.bands, window.height, window.width), self.nodata, dtype=np.uint8)
        for tile in self.grid.tiles_in(window):
            part = tile.window
            top, left = max(window.row, part.row), max(window.column, part.column)
            bottom = min(window.row + window.height, part.row + part.height)
            right = min(window.column + window.width, part.column + part.width)
            inside = RasterWindow(left - part.column, top - part.row, right - left, bottom - top)
            place = out[:, top - window.row : bottom - window.row, left - window.column : right - window.column]
            with reading(self.folder / f"{tile.id}.tif", "tile", "remove it and run the workflow again"):
                self._dataset(tile.id).read(window=inside, out=place)
        return out
