"""Yearly probabilities of places: what the model says of one piece of ground in each year.

One ZIP a tile (stored, not deflated) holds one GeoTIFF a place, `<id>.tif`: a band a year, named after it, 0..254 =
probability x 254, 255 = nodata, in the campaign's CRS. GIS programs open it as `/vsizip/<tile>.zip/<id>.tif`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from slumpmap.errors import InputError
from slumpmap.files import atomic, read_member
from slumpmap.grid import Grid, Window
from slumpmap.raster import PROBABILITY_NODATA, check_header, encode_raster

_REMEDY = "remove it and run the workflow again"
# ZIP stores times of writing; a fixed one keeps equal content equal to the byte.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Yearly:
    """One place in each year.

    Attributes:
        years: rising.
        mapping_year: the one of them in which slumps are outlined.
        values: (years, height, width) uint8, 0..254 = probability x 254, 255 = nodata.
        window: its rectangle in grid pixels.
        transform: affine from its own pixels (column, row) to CRS coordinates, metres.
        crs: CRS, such as EPSG:32646.
    """

    years: tuple[int, ...]
    mapping_year: int
    values: NDArray[np.uint8]
    window: Window
    transform: Affine
    crs: str

    @classmethod
    def on(
        cls, grid: Grid, window: Window, years: Sequence[int], mapping_year: int, values: NDArray[np.uint8]
    ) -> Yearly:
        """The place that a window of a campaign's grid is."""
        return cls(tuple(years), mapping_year, values, window, grid.window_transform(window), grid.crs)


def write_yearly(path: Path, places: Iterable[tuple[str, Yearly]]) -> None:
    """Writes places by id into one file, atomically."""
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, place in places:
            entry = zipfile.ZipInfo(f"{name}.tif", _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, _encode(place))


def _encode(place: Yearly) -> bytes:
    """A GeoTIFF of one place."""
    window = place.window
    return encode_raster(
        place.values,
        place.transform,
        place.crs,
        PROBABILITY_NODATA,
        [str(year) for year in place.years],
        ROW=str(window.row),
        COLUMN=str(window.column),
        MAPPING_YEAR=str(place.mapping_year),
    )


def read_yearly(path: Path, name: str) -> Yearly | None:
    """One place of a file; None where the file does not have it.

    Raises:
        InputError: the file is missing, damaged, or no file of yearly probabilities.
    """
    with _opened(path) as archive:
        entry = f"{name}.tif"
        return _read(path, archive, entry) if entry in archive.namelist() else None


def read_all_yearly(path: Path) -> Iterator[tuple[str, Yearly]]:
    """All places of a file with their ids, in the file's order.

    Raises:
        InputError: the file is missing, damaged, or no file of yearly probabilities.
    """
    with _opened(path) as archive:
        for entry in archive.namelist():
            yield entry.removesuffix(".tif"), _read(path, archive, entry)


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(path, "yearly probabilities are missing", "run the workflow") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(path, f"yearly probabilities cannot be read ({error})", _REMEDY) from error


def _read(path: Path, archive: zipfile.ZipFile, entry: str) -> Yearly:
    """Decodes one entry; the ZIP's check sums tell whether it is whole."""
    try:
        content = read_member(archive, entry)
        if not content:
            raise ValueError("it is empty")
        with MemoryFile(content) as memory, memory.open(driver="GTiff") as source:
            check_header(path, entry, source, len(content))
            tags, years = source.tags(), tuple(int(text or "") for text in source.descriptions)
            window = Window(int(tags["ROW"]), int(tags["COLUMN"]), source.height, source.width)
            mapping_year = int(tags["MAPPING_YEAR"])
            if source.dtypes[0] != "uint8" or source.nodata != PROBABILITY_NODATA or source.crs is None:
                raise ValueError("not probabilities")
            if list(years) != sorted(set(years)) or mapping_year not in years:
                raise ValueError("its years are not in order")
            return Yearly(years, mapping_year, source.read(), window, source.transform, source.crs.to_string())
    except (OSError, ValueError, KeyError, RasterioError, zipfile.BadZipFile, NotImplementedError) as error:
        raise InputError(path, f"{entry} in it cannot be read ({error})", _REMEDY) from error
