"""The door to elevation models: checked opening, cell sizes in metres, blocks with a halo, voids."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.io import DatasetReader
from rasterio.windows import Window
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve

from slumpmap.errors import InputError
from slumpmap.raster import atomic_cog, open_raster, reading

Floats = NDArray[np.float64]

# A block and what is computed from it take some 60 MB; a multiple of the 256 px blocks of the files.
_BLOCK_PX = 1024
# Metres; the Dead Sea's shore lies at -430, Everest at 8849.
_LOWEST, _HIGHEST = -500.0, 9000.0
_METRES = {"", "m", "metre", "metres", "meter", "meters"}
_UTM = "give one, for example with `gdalwarp -t_srs EPSG:32646`"


@dataclass(frozen=True)
class Dem:
    """An elevation model that was checked; made by `open_dem`.

    Args:
        path: the file.
        dataset: its reader; elevations are band 1.
        lowest: metres.
        highest: metres.
        voids: cells without an elevation.
    """

    path: Path
    dataset: DatasetReader
    lowest: float
    highest: float
    voids: int

    @property
    def geographic(self) -> bool:
        """Whether the cells are angles, not metres."""
        return bool(self.dataset.crs.is_geographic)

    def cell_size(self, first_row: int = 0, rows: int | None = None) -> tuple[Floats, Floats]:
        """East-west and north-south size of the cells of some rows, metres, (rows, 1) each.

        In a geographic CRS these are lengths on its ellipsoid at the middle of the row: the radii of curvature
        in the prime vertical and in the meridian (Snyder 1987, USGS Prof. Paper 1395, eqs. 4-20 and 4-18),
        times the angle. In a projected CRS they are those of the grid: its scale (0.9996 on UTM's central
        meridian) is left out, which is worth 0.004 degrees of slope at 10.

        Args:
            first_row: may lie above the raster, for a halo.
            rows: None: all rows below the first.
        """
        rows = self.dataset.height - first_row if rows is None else rows
        transform = self.dataset.transform
        dx, dy = np.full((rows, 1), transform.a), np.full((rows, 1), -transform.e)
        if not self.geographic:
            return dx, dy
        crs = CRS.from_user_input(self.dataset.crs)
        assert crs.ellipsoid is not None  # every geographic CRS has one
        radian = crs.axis_info[0].unit_conversion_factor
        axis = crs.ellipsoid.semi_major_metre
        square = 1 - (crs.ellipsoid.semi_minor_metre / axis) ** 2
        latitude = radian * (transform.f + transform.e * (first_row + np.arange(rows)[:, None] + 0.5))
        root = np.sqrt(1 - square * np.sin(latitude) ** 2)
        return dx * radian * axis * np.cos(latitude) / root, dy * radian * axis * (1 - square) / root**3

    def read(self, window: Window, halo: int = 0) -> Floats:
        """Elevations of a window with its halo, metres; NaN for voids and beyond the raster."""
        top, left = window.row_off - halo, window.col_off - halo
        out = np.full((window.height + 2 * halo, window.width + 2 * halo), np.nan)
        first_row, first_column = max(top, 0), max(left, 0)
        height = min(top + out.shape[0], self.dataset.height) - first_row
        width = min(left + out.shape[1], self.dataset.width) - first_column
        row, column = first_row - top, first_column - left
        part = Window(first_column, first_row, width, height)
        out[row : row + height, column : column + width] = _elevations(self.path, self.dataset, part)
        return out

    def read_whole(self) -> NDArray[np.float32]:
        """All elevations, float32 (0.5 mm at 5000 m), metres, (rows, columns); NaN for voids. 4 B per cell."""
        out = np.empty(self.dataset.shape, np.float32)
        for window in self.blocks():
            out[window.toslices()] = self.read(window)
        return out

    def blocks(self) -> Iterator[Window]:
        """Windows that cover the raster, row by row."""
        yield from _blocks(self.dataset)

    def profile(self) -> dict[str, object]:
        """Creation options of a float32 GeoTIFF on the same cells, nodata NaN."""
        profile: dict[str, object] = {
            "driver": "GTiff",
            "count": 1,
            "height": self.dataset.height,
            "width": self.dataset.width,
            "dtype": "float32",
            "crs": self.dataset.crs,
            "transform": self.dataset.transform,
            "nodata": float("nan"),
            "compress": "deflate",
            "zlevel": 1,
            "predictor": 3,
        }
        if min(self.dataset.shape) >= 256:
            profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256}
        return profile


@contextmanager
def open_dem(path: Path, any_elevation: bool = False) -> Iterator[Dem]:
    """Opens an elevation model, reads it once to check it, and says on standard error what it holds.

    Args:
        path: any raster that GDAL reads, a VRT mosaic of tiles too; band 1, metres; north up; a CRS that is
            projected in metres (oblong cells are fine) or geographic.
        any_elevation: accepts elevations that are implausible on Earth's land.

    Raises:
        InputError: the file is missing, unreadable, without CRS, in feet, rotated, has less than three rows or
            columns, no elevation at all, or elevations below -500 m or above 9000 m.
    """
    with open_raster(path, "DEM") as dataset:
        _check_frame(Path(path), dataset)
        dem = _scan(Path(path), dataset)
        if not any_elevation and (dem.lowest < _LOWEST or dem.highest > _HIGHEST):
            fault = f"elevations from {dem.lowest:g} to {dem.highest:g} m are no land's: feet, or voids unmarked?"
            remedy = "convert them to metres, mark voids as nodata (`rio edit-info --nodata -32768`), or allow any"
            raise InputError(path, fault, f"{remedy} elevation")
        cells = f"{dataset.height} x {dataset.width} cells, {dem.lowest:g} to {dem.highest:g} m"
        voids = f"{dem.voids} void cells ({dem.voids / (dataset.height * dataset.width):.2%})"
        print(f"DEM {dem.path.name}: {cells}, {voids}", file=sys.stderr, flush=True)
        yield dem


def write_blocks(
    dem: Dem,
    outs: Sequence[Path],
    halo: int,
    compute: Callable[[Floats, Window], Sequence[Floats]],
    directions: Path | None = None,
) -> None:
    """Writes rasters on the DEM's cells block by block, float32, nodata NaN; memory does not grow with the raster.

    They are Cloud-Optimized GeoTIFFs with overviews.

    Args:
        dem: the elevation model.
        outs: GeoTIFFs to write; all of them appear, or none.
        halo: cells around a block that `compute` needs.
        compute: makes the values of a block, (height, width) for each of `outs`, from its elevations with
            their halo and its window. A cell must not depend on the block that it falls into.
        directions: that of `outs` whose values no overview may average.
    """
    profile = dem.profile()
    with ExitStack() as stack:
        files = [stack.enter_context(atomic_cog(out, average=out != directions)) for out in outs]
        targets = [stack.enter_context(rasterio.open(file, "w", **profile)) for file in files]
        for window in dem.blocks():
            for target, values in zip(targets, compute(dem.read(window, halo), window), strict=True):
                target.write(values.astype(np.float32), 1, window=window)


def fill_voids(elevation: NDArray[np.float32], reach: int) -> tuple[NDArray[np.float32], int]:
    """Fills small voids by a membrane: every filled cell is the mean of its four neighbours (Laplace's equation).

    A plane is restored, and nothing rises above or sinks below the ground around. (GDAL's FillNodata misses a plane
    by a quarter of its rise over a cell, even in a void of one cell.) A void is filled if every cell of it lies within
    `reach` cells of an elevation and it does not touch the raster's edge, where it would be extrapolated; any other
    void stays whole.

    Args:
        elevation: (rows, columns), metres; NaN = void.
        reach: cells.

    Returns:
        The filled elevations, and how many cells were filled. Takes some 40 B per cell meanwhile.
    """
    void = np.isnan(elevation)
    regions, count = ndimage.label(void, np.ones((3, 3)))
    depth = ndimage.distance_transform_edt(void)
    small = np.asarray(ndimage.maximum(depth, regions, np.arange(count + 1))) <= reach
    small[0] = False
    for edge in (regions[0], regions[-1], regions[:, 0], regions[:, -1]):
        small[edge] = False
    filled = elevation.copy()
    cells = np.flatnonzero(small[regions])
    if cells.size:
        filled.ravel()[cells] = _membrane(elevation.ravel(), cells, elevation.shape[1])
    return filled, cells.size


def _membrane(elevation: NDArray[np.float32], cells: NDArray[np.int64], columns: int) -> Floats:
    """Elevations of inner cells (sorted flat indices) that are the means of their neighbours, known or sought."""
    matrix, known = sparse.eye_array(cells.size, format="csr"), np.zeros(cells.size)
    for step in (-columns, -1, 1, columns):
        beside = cells + step
        at = np.minimum(np.searchsorted(cells, beside), cells.size - 1)
        sought = cells[at] == beside
        known[~sought] += elevation[beside[~sought]] / 4.0
        rows = np.flatnonzero(sought)
        matrix = matrix - sparse.csr_array((np.full(rows.size, 0.25), (rows, at[sought])), shape=matrix.shape)
    return np.atleast_1d(spsolve(matrix.tocsc(), known))


def fill_dem(dem: Path, out: Path, reach: int, any_elevation: bool = False) -> None:
    """Writes an elevation model with its small voids filled, see `fill_voids`, and says how many were.

    Args:
        dem: as `open_dem` takes it.
        out: GeoTIFF to write, float32, nodata NaN.
        reach: no filled cell lies farther than this from an elevation, cells.
        any_elevation: accepts elevations that are implausible on Earth's land.

    Raises:
        InputError: as `open_dem`.
    """
    with open_dem(dem, any_elevation) as source:
        filled, count = fill_voids(source.read_whole(), reach)
        with atomic_cog(out) as file, rasterio.open(file, "w", **source.profile()) as target:
            target.write(filled, 1)
        left = source.voids - count
    print(f"filled {count} void cells within {reach} cells of an elevation; {left} stay nodata", file=sys.stderr)


def _blocks(dataset: DatasetReader) -> Iterator[Window]:
    for row in range(0, dataset.height, _BLOCK_PX):
        for column in range(0, dataset.width, _BLOCK_PX):
            height, width = min(_BLOCK_PX, dataset.height - row), min(_BLOCK_PX, dataset.width - column)
            yield Window(column, row, width, height)


def _elevations(path: Path, dataset: DatasetReader, window: Window) -> Floats:
    """Elevations of a window within the raster, scale and offset of the band applied; NaN for voids."""
    with reading(path, "DEM", "copy or download it again"):
        values = dataset.read(1, window=window, masked=True)
    out: Floats = values.astype(np.float64).filled(np.nan) * dataset.scales[0] + dataset.offsets[0]
    out[np.isinf(out)] = np.nan
    return out


def _check_frame(path: Path, dataset: DatasetReader) -> None:
    """Refuses what would make distances or directions wrong."""
    transform, crs = dataset.transform, dataset.crs
    if min(dataset.shape) < 3:
        rows, columns = dataset.shape
        raise InputError(path, f"DEM has {rows} x {columns} cells", "give one of three rows and columns at least")
    if transform.b != 0 or transform.d != 0 or transform.a <= 0 or transform.e >= 0:
        raise InputError(path, "DEM is rotated or not north-up", "bring it north-up, for example with gdalwarp")
    if crs.is_geographic:
        circle = 2 * np.pi / CRS.from_user_input(crs).axis_info[0].unit_conversion_factor
        bounds = dataset.bounds
        if max(abs(bounds.bottom), abs(bounds.top)) > circle / 4 * 1.001 or bounds.right - bounds.left > circle * 1.001:
            fault = "DEM has a geographic CRS but coordinates that are no angles, perhaps metres"
            raise InputError(path, fault, "assign the CRS in which the coordinates are given")
    elif not crs.is_projected:
        raise InputError(path, "DEM's CRS is neither projected nor geographic", _UTM)
    elif crs.linear_units_factor[1] != 1.0:
        unit = crs.linear_units_factor[0]
        raise InputError(path, f"DEM's CRS is in {unit}, not in metres", _UTM.replace("give one", "project it"))
    _check_unit(path, dataset)


def _check_unit(path: Path, dataset: DatasetReader) -> None:
    """Refuses elevations that the band or a vertical CRS says are not in metres."""
    unit = (dataset.units[0] or "").lower()
    for part in CRS.from_user_input(dataset.crs).sub_crs_list:
        if part.is_vertical and part.axis_info[0].unit_conversion_factor != 1.0:
            unit = part.axis_info[0].unit_name
    if unit not in _METRES:
        raise InputError(path, f"DEM's elevations are in {unit}", "convert them to metres")


def _scan(path: Path, dataset: DatasetReader) -> Dem:
    """Reads the raster once for its range and its voids; InputError where it has no elevation."""
    lowest, highest, voids = np.inf, -np.inf, 0
    for window in _blocks(dataset):
        values = _elevations(path, dataset, window)
        missing = int(np.isnan(values).sum())
        voids += missing
        if missing < values.size:
            lowest, highest = min(lowest, float(np.nanmin(values))), max(highest, float(np.nanmax(values)))
    if voids == dataset.height * dataset.width:
        raise InputError(path, "DEM has no elevation, all of it is nodata", "bring the right file")
    return Dem(path, dataset, lowest, highest, voids)
