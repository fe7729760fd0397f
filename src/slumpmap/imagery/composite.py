"""The image of a year, tile by tile: the clearest scene on top, the next ones in its gaps."""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import rasterio
from numpy.typing import NDArray

from slumpmap.grid import Grid, Window
from slumpmap.imagery.area import area_mask
from slumpmap.imagery.conversion import sharpen
from slumpmap.imagery.resampling import (
    Conversion,
    add,
    blocks,
    kernel_scale,
    lattice_of,
)
from slumpmap.imagery.scaling import read_scaling
from slumpmap.imagery.scenes import Scene, SceneReader, read_selected
from slumpmap.raster import RGB_NODATA, write_cog
from slumpmap.settings.imagery import CompositeSettings

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


@dataclass(frozen=True)
class Composer:
    """The scenes of a year on the grid, clearest first; made by `open_year`.

    Which scene gives a pixel depends on the bands that are read, not on what is picked of them.

    Args:
        grid: the campaign's grid.
        placed: the scenes, and where they lie.
        readers: their files.
        kernel: `nearest`, `bilinear` or `cubic`.
    """

    grid: Grid
    placed: Sequence[Placed]
    readers: Readers
    kernel: str

    def compose(self, window: Window, conversion: Conversion) -> tuple[NDArray[np.uint8], list[Scene]]:
        """The image of a window, (k, height, width) uint8, 0 = nodata, and the scenes in it, clearest first."""
        wanted = area_mask(self.grid, window)
        image = np.zeros((len(conversion.low), window.height, window.width), np.uint8)
        here = [item for item in self.placed if _overlap(item.window, window)]
        lattices = {item.scene: lattice_of(self.readers.of(item.scene).dataset, self.grid, window) for item in here}
        used: set[Scene] = set()
        for block, inside in blocks(window, max((max(item.scale) for item in here), default=1.0)):
            for item in here:
                if not wanted[inside].any():
                    break
                if _overlap(item.window, block) and add(
                    image[:, *inside],
                    wanted[inside],
                    self.readers.of(item.scene),
                    lattices[item.scene].part(window, block),
                    item.scale,
                    self.kernel,
                    conversion,
                ):
                    used.add(item.scene)
        return image, [item.scene for item in here if item.scene in used]


@contextmanager
def open_year(
    catalogue: Path, grid: Grid, year: int, settings: CompositeSettings, tile_ids: Sequence[str]
) -> Iterator[Composer]:
    """The composer of a year's selected scenes, whose files stay open as long as the block lasts.

    Args:
        catalogue: the checked catalogue.
        grid: the campaign's grid.
        year: year to composite.
        settings: bands and resampling.
        tile_ids: tiles that are to be composed. Scenes that cannot reach them are not opened, so that a job takes as
            long in a large region as in a small one.

    Raises:
        InputError: an unknown tile, or the catalogue or a scene cannot be read.
    """
    windows = [grid.tile(tile_id).window.grow(1) for tile_id in tile_ids]
    scenes = [
        scene
        for scene in read_selected(catalogue)
        if scene.year == year and any(_overlap(_reach(scene, grid), window) for window in windows)
    ]
    with rasterio.Env(GDAL_CACHEMAX=_CACHE_MB), Readers(settings.bands_read) as readers:
        yield Composer(grid, [_place(scene, readers, grid) for scene in scenes], readers, settings.resampling)


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
        settings: bands, resampling, sharpening. Where near infrared is given, a usable pixel has a value there too.
        out: folder of the tiles.
        tile_ids: tiles to make.

    Raises:
        InputError: an unknown tile, or a file that was damaged since it was checked.
    """
    low, high = read_scaling(scaling, len(settings.bands))
    rgb = Conversion(lambda values: values[: len(settings.bands)], low, high)
    with open_year(catalogue, grid, year, settings, tile_ids) as composer:
        for tile_id in tile_ids:
            started = time.monotonic()
            # Sharpening needs one more pixel on every side, made as the neighbouring tile makes it.
            window = grid.tile(tile_id).window
            image, used = composer.compose(window.grow(1) if settings.sharpen else window, rgb)
            image = sharpen(image) if settings.sharpen else image
            names = [scene.name for scene in used]
            write_cog(
                Path(out) / f"{tile_id}.tif",
                image,
                grid.window_transform(window),
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
    return Placed(scene, _reach(scene, grid), kernel_scale(dataset, grid, scene.bounds))


def _reach(scene: Scene, grid: Grid) -> Window:
    """Grid pixels that a scene's raster can reach."""
    return grid.window_of(scene.bounds).grow(1)


def _overlap(one: Window, other: Window) -> bool:
    """Whether two windows share a pixel."""
    return (
        one.row < other.row + other.height
        and other.row < one.row + one.height
        and one.column < other.column + other.width
        and other.column < one.column + one.width
    )
