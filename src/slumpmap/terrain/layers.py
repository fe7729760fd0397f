"""The network's input where it is more than red, green and blue: tiles with further layers."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from slumpmap.errors import InputError
from slumpmap.grid import Grid, Window
from slumpmap.imagery.checks import outline_of
from slumpmap.imagery.composite import open_year
from slumpmap.imagery.conversion import to_8bit
from slumpmap.imagery.resampling import Conversion, add, blocks, kernel_scale, lattice_of
from slumpmap.imagery.scaling import read_scaling
from slumpmap.imagery.spectral import spectral_layers
from slumpmap.raster import RGB_NODATA, Mosaic, open_raster, reading, write_cog
from slumpmap.settings.imagery import SPECTRAL_LAYERS, TERRAIN_LAYERS, LayerSettings
from slumpmap.terrain.hillshade import hillshade

# What becomes 1 and what 255: degrees of slope, and the share of the light.
_RANGES = {"slope": (0.0, 45.0), "hillshade": (0.0, 1.0)}
_REMEDY = "remove it and run the workflow again"


@dataclass(frozen=True)
class Terrain:
    """Slope and aspect, read together; made by `open_terrain`.

    Args:
        dataset: slope, degrees.
        aspect: aspect, degrees, on the same cells.
    """

    dataset: DatasetReader
    aspect: DatasetReader

    def read(self, window: RasterWindow) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Slope and aspect of a window of cells, (2, rows, columns), and where there is a slope, (rows, columns)."""
        with reading(Path(self.dataset.name), "slope or aspect", _REMEDY):
            values = np.stack([self.dataset.read(1, window=window), self.aspect.read(1, window=window)])
        return values, np.isfinite(values[0])

    def layers(
        self, grid: Grid, window: Window, names: Sequence[str]
    ) -> tuple[dict[str, NDArray[np.uint8]], NDArray[np.bool_]]:
        """Terrain layers of a window, a pixel being the same for any tile size.

        Both are taken of the terrain's own cells, then brought to the grid (bilinear). Where the terrain says
        nothing, a pixel is that of flat ground, so that the image alone decides over nodata.

        Args:
            grid: the campaign's grid.
            window: grid pixels.
            names: `slope`, `hillshade` or both.

        Returns:
            Name to (height, width) uint8, 1..255; and (height, width) bool, where the terrain says nothing.
        """
        scale = kernel_scale(self.dataset, grid, outline_of(self.dataset, grid.crs).bounds)
        lattice = lattice_of(self.dataset, grid, window)
        low, high = np.array([_RANGES[name] for name in names]).T
        conversion = Conversion(lambda values: _derive(values, names), low, high)
        image = np.zeros((len(names), window.height, window.width), np.uint8)
        unknown = np.ones(image.shape[1:], np.bool_)
        for block, inside in blocks(window, max(scale)):
            part = lattice.part(window, block)
            add(image[:, *inside], unknown[inside], self, part, scale, "bilinear", conversion)
        flat = _derive(np.array([[[0.0]], [[np.nan]]]), names)
        image[:, unknown] = to_8bit(flat, np.ones((1, 1), np.bool_), low, high)[..., 0]
        return dict(zip(names, image, strict=True)), unknown


@contextmanager
def open_terrain(slope: Path | None, aspect: Path | None) -> Iterator[Terrain]:
    """Opens slope and aspect, as `slumpmap.terrain.slope.slope_aspect` writes them.

    Raises:
        InputError: a file is not given, missing or unreadable.
    """
    if slope is None or aspect is None:
        raise InputError("layers", "slope and hillshade need slope and aspect of the DEM", "give --slope and --aspect")
    with open_raster(slope, "slope") as steepness, open_raster(aspect, "aspect") as direction:
        yield Terrain(steepness, direction)


def make_layers(
    imagery: Path,
    catalogue: Path,
    scaling: Path,
    grid: Grid,
    year: int,
    settings: LayerSettings,
    out: Path,
    tile_ids: Sequence[str],
    slope: Path | None = None,
    aspect: Path | None = None,
) -> None:
    """Writes the network's tiles of a year as COGs, `out/<tile>.tif`: R, G, B of its 8-bit tile, then the layers.

    Nodata is 0 in all bands, exactly where the 8-bit tile has it; elsewhere every band is 1..255. A pixel is the
    same for any tile size. The file's tags name the year and the bands.

    Args:
        imagery: folder of the year's 8-bit tiles.
        catalogue: the checked catalogue.
        scaling: scaling.json of the campaign.
        grid: the campaign's grid.
        year: year of the tiles.
        settings: the layers in their order, and what the 8-bit tiles were made with.
        out: folder of the tiles.
        tile_ids: tiles to make.
        slope: slope of the DEM, degrees; terrain layers need it.
        aspect: aspect of the DEM, degrees; terrain layers need it.

    Raises:
        InputError: an unknown tile, a file that is missing or damaged, or an 8-bit tile that was made otherwise.
    """
    spectral = [name for name in settings.layers if name in SPECTRAL_LAYERS]
    steep = [name for name in settings.layers if name in TERRAIN_LAYERS]
    with ExitStack() as stack:
        mosaic = stack.enter_context(Mosaic(grid, imagery, len(settings.bands), RGB_NODATA))
        composer = stack.enter_context(open_year(catalogue, grid, year, settings, tile_ids)) if spectral else None
        terrain = stack.enter_context(open_terrain(slope, aspect)) if steep else None
        ends = read_scaling(scaling, len(settings.bands_read))
        for tile_id in tile_ids:
            started = time.monotonic()
            window = grid.tile(tile_id).window
            rgb = mosaic.read(window)
            valid = rgb[0] != RGB_NODATA
            layers: dict[str, NDArray[np.uint8]] = {}
            unknown = np.zeros_like(valid)
            if composer is not None:
                layers |= spectral_layers(composer, window, spectral, ends, settings.sharpen)
                _check_agree(layers[spectral[0]], valid, Path(imagery) / f"{tile_id}.tif")
            if terrain is not None:
                steepness, unknown = terrain.layers(grid, window, steep)
                layers |= steepness
            image = np.stack([*rgb, *(layers[name] for name in settings.layers)])
            image[:, ~valid] = RGB_NODATA
            names = ",".join(settings.band_names)
            target = Path(out) / f"{tile_id}.tif"
            write_cog(target, image, grid.window_transform(window), grid.crs, RGB_NODATA, YEAR=str(year), BANDS=names)
            rate = valid.size / 1e6 / (time.monotonic() - started)
            missing = f"; {np.mean(unknown[valid]):.1%} of it without terrain" if (unknown & valid).any() else ""
            print(f"{year} {tile_id}: {names}; {rate:.1f} Mpx/s{missing}", file=sys.stderr, flush=True)


def _check_agree(layer: NDArray[np.uint8], valid: NDArray[np.bool_], path: Path) -> None:
    """Refuses a tile whose nodata is not that of a layer made of the same scenes."""
    if not np.array_equal(layer != RGB_NODATA, valid):
        raise InputError(path, "tile was made of other scenes, or with other settings, than its layers", _REMEDY)


def _derive(values: NDArray[np.floating], names: Sequence[str]) -> NDArray[np.floating]:
    """Terrain layers of slope and aspect, (2, rows, columns): degrees of slope, share of the light."""
    return np.stack([values[0] if name == "slope" else hillshade(values[0], values[1]) for name in names])
