"""The image of a year, tile by tile: the clearest scene on top, the next ones in its gaps."""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import rasterio
from numpy.typing import NDArray

from slumpmap.config import CompositeSettings
from slumpmap.grid import Grid, Tile, Window
from slumpmap.imagery.area import area_mask
from slumpmap.imagery.checks import outline_of
from slumpmap.imagery.conversion import sharpen
from slumpmap.imagery.resampling import (
    KERNELS,
    LATTICE_PX,
    Lattice,
    fill,
    kernel_scale,
    lattice_of,
    source_window,
)
from slumpmap.imagery.scaling import read_scaling
from slumpmap.imagery.scenes import Scene, SceneReader, read_selected
from slumpmap.raster import RGB_NODATA, write_cog

# Side of the squares in which a tile is filled, in pixels of the scene or of the grid, whichever are smaller:
# what is read at a time stays under 20 MB for three bands of 16 bit and their float copy.
_BLOCK_PX = 1024
_CACHE_MB = 256
_KEEP_OPEN = 64


@dataclass(frozen=True)
class Placed:
    """A scene and where it lies on the grid.

    Args:
        scene: the scene.
        window: grid pixels that its raster can reach.
        scale: source columns and rows in a grid pixel, see `kernel_scale`.
    """

    scene: Scene
    window: Window
    scale: tuple[float, float]


class Readers:
    """Scene files, opened once and kept open, the least recently used being closed first; a context manager."""

    def __init__(self, bands: tuple[int, ...]) -> None:
        self._bands = bands
        self._open: OrderedDict[str, SceneReader] = OrderedDict()

    def __enter__(self) -> Readers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def of(self, scene: Scene) -> SceneReader:
        """The open reader of a scene."""
        key = str(scene.path)
        if key not in self._open:
            self._open[key] = SceneReader(scene, self._bands)
            if len(self._open) > _KEEP_OPEN:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(key)
        return self._open[key]


def make_tiles(
    catalogue: Path,
    scaling: Path,
    grid: Grid,
    year: int,
    settings: CompositeSettings,
    out: Path,
    tile_ids: Sequence[str],
) -> None:
    """Writes the 8-bit tiles of a year as COGs (R, G, B; 0 = nodata), `out/<tile>.tif`.

    Each pixel comes from the clearest selected scene of the year that has a usable value there (cloud share,
    then date, then name decide). A pixel is the same for any tile size. Pixels whose centre lies outside the
    study area are nodata. The file's tags name the year and the scenes used, clearest first.

    Args:
        catalogue: the checked catalogue.
        scaling: scaling.json of the campaign.
        grid: the campaign's grid.
        year: year to composite.
        settings: bands, resampling, sharpening.
        out: folder of the tiles.
        tile_ids: tiles to make.

    Raises:
        InputError: an unknown tile, or a file that was damaged since it was checked.
    """
    low, high = read_scaling(scaling)
    scenes = [scene for scene in read_selected(catalogue) if scene.year == year]
    with rasterio.Env(GDAL_CACHEMAX=_CACHE_MB), Readers(settings.bands) as readers:
        placed = [_place(scene, readers, grid) for scene in scenes]
        for tile_id in tile_ids:
            started = time.monotonic()
            tile = grid.tile(tile_id)
            image, used = _composite(tile, grid, placed, readers, settings, (low, high))
            names = [scene.name for scene in used]
            write_cog(
                Path(out) / f"{tile_id}.tif",
                image,
                grid.window_transform(tile.window),
                grid.crs,
                RGB_NODATA,
                YEAR=str(year),
                SCENES=",".join(names),
            )
            share = np.count_nonzero(image[0]) / image[0].size
            rate = image[0].size / 1e6 / (time.monotonic() - started)
            print(
                f"{year} {tile_id}: {share:.1%} valid, {rate:.1f} Mpx/s, scenes: {', '.join(names) or 'none'}",
                file=sys.stderr,
                flush=True,
            )


def _place(scene: Scene, readers: Readers, grid: Grid) -> Placed:
    """Finds where a scene lies on the grid."""
    dataset = readers.of(scene).dataset
    bounds = outline_of(dataset, grid.crs).bounds
    return Placed(scene, grid.window_of(bounds).grow(1), kernel_scale(dataset, grid, bounds))


def _composite(
    tile: Tile,
    grid: Grid,
    placed: Sequence[Placed],
    readers: Readers,
    settings: CompositeSettings,
    range_8bit: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> tuple[NDArray[np.uint8], list[Scene]]:
    """The image of a tile, (3, tile_px, tile_px) uint8, and the scenes in it, clearest first."""
    # Sharpening needs one more pixel on every side, made as the neighbouring tile makes it.
    window = tile.window.grow(1) if settings.sharpen else tile.window
    wanted = area_mask(grid, window)
    image = np.zeros((len(settings.bands), window.height, window.width), np.uint8)
    here = [item for item in placed if _overlap(item.window, window)]
    lattices = {item.scene: lattice_of(readers.of(item.scene).dataset, grid, window) for item in here}
    used: set[Scene] = set()
    for block in _blocks(window, here):
        rows = slice(block.row - window.row, block.row - window.row + block.height)
        columns = slice(block.column - window.column, block.column - window.column + block.width)
        for item in here:
            if not wanted[rows, columns].any():
                break
            if _overlap(item.window, block) and _add(
                image[:, rows, columns],
                wanted[rows, columns],
                lattices[item.scene].part(window, block),
                item,
                readers.of(item.scene),
                settings.resampling,
                range_8bit,
            ):
                used.add(item.scene)
    ordered = [item.scene for item in here if item.scene in used]
    return (sharpen(image) if settings.sharpen else image), ordered


def _add(
    image: NDArray[np.uint8],
    wanted: NDArray[np.bool_],
    lattice: Lattice,
    item: Placed,
    reader: SceneReader,
    kernel: str,
    range_8bit: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> int:
    """Fills what is still wanted of a block from one scene; returns the number of pixels filled."""
    taps = KERNELS[kernel]
    there = source_window(lattice, reader.dataset, (taps * item.scale[0] + 1, taps * item.scale[1] + 1))
    if there is None:
        return 0
    values, usable = reader.read(there)
    if not usable.any():
        return 0
    corner = int(there.col_off), int(there.row_off)
    return fill(image, wanted, values, usable, lattice, corner, item.scale, kernel, *range_8bit)


def _blocks(window: Window, here: Sequence[Placed]) -> Iterator[Window]:
    """The squares in which a window is filled; smaller where scenes are finer than the grid."""
    finest = max((max(item.scale) for item in here), default=1.0)
    side = max(LATTICE_PX, int(_BLOCK_PX / finest) // LATTICE_PX * LATTICE_PX)
    for row in range(0, window.height, side):
        for column in range(0, window.width, side):
            height, width = min(side, window.height - row), min(side, window.width - column)
            yield Window(window.row + row, window.column + column, height, width)


def _overlap(one: Window, other: Window) -> bool:
    """Whether two windows share a pixel."""
    return (
        one.row < other.row + other.height
        and other.row < one.row + one.height
        and one.column < other.column + other.width
        and other.column < one.column + one.width
    )
