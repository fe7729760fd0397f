"""Labels to training windows: where they lie, what they hold, and which are held out for validation."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely import STRtree

from slumpmap.errors import InputError
from slumpmap.files import atomic
from slumpmap.grid import Grid, Window
from slumpmap.raster import RGB_NODATA, Mosaic
from slumpmap.settings.learning import WindowSettings
from slumpmap.vector import read_layer, write_layer

BACKGROUND, SLUMP, IGNORE = 0, 1, 255
TRAIN, VALIDATION, TEST = "train", "validation", "test"
POSITIVE, NEGATIVE = "positive", "negative"

# Generators of the R2 sequence (M. Roberts 2018, "The unreasonable effectiveness of quasirandom sequences").
_R2 = (0.7548776662466927, 0.5698402909980532)


def make_windows(
    positives: Path,
    negatives: Path | None,
    imagery: Path,
    grid: Grid,
    settings: WindowSettings,
    seed: int,
    out_index: Path,
    out_pixels: Path,
    area: Path | None = None,
    bands: int = 3,
    fold: Fold | None = None,
) -> None:
    """Cuts labelled windows around polygons and splits them by spatial blocks.

    The result depends on the polygons' outlines and ids, the grid's origin and resolution, the settings and
    the seed; neither on the order of the polygons nor on the tile size.

    Args:
        positives: outlines of slumps.
        negatives: outlines of look-alikes; None for none.
        imagery: folder of uint8 tiles, 0 in all bands is nodata.
        grid: the campaign's grid.
        settings: geometry of the windows and of the split.
        seed: seed of the split.
        out_index: GeoPackage to write, one row a window in the order (row, column): `id`, `row`, `column`,
            `kind`, `source`, `split`, `valid_share`, `slump_px`, and the window's box.
        out_pixels: .npy to write, (windows, bands + 1, window_px, window_px) uint8: the bands and the label
            (0 background, 1 slump, 255 nodata, to be ignored).
        area: polygons outside of which pixels count as nodata, such as the part of a scene that is not held out
            for evaluation; None for no limit.
        bands: bands of the tiles.
        fold: the part of the blocks that is kept for testing, in a cross-validation; None: no part is.

    Raises:
        InputError: no positives, or none of them on valid imagery or in the fold; unreadable files.
    """
    slumps = _read_labels(positives, "positives", grid)
    places = _places(slumps, negatives, grid, settings)
    limit = None if area is None else read_layer(area, "training area", grid.crs).geometry.to_numpy()
    with Mosaic(grid, imagery, bands, nodata=RGB_NODATA) as mosaic:
        places["valid_share"] = [
            float(_read(mosaic, window, limit).any(axis=0).mean()) for window in _windows(places, settings.window_px)
        ]
        places = places[places["valid_share"] >= settings.min_valid]
        if not places["kind"].eq(POSITIVE).any():
            raise InputError(
                positives,
                "none of the positives lies on enough valid imagery for a training window",
                "give outlines inside the study area, images of their place, or a lower windows.min_valid",
            )
        places = split_windows(places.reset_index(drop=True), grid, settings, seed, fold)
        outlines = slumps.geometry.to_numpy()
        places["slump_px"] = _write_pixels(out_pixels, places, outlines, mosaic, limit, settings.window_px)
    _write_index(out_index, places, grid, settings.window_px)


def _places(slumps: gpd.GeoDataFrame, negatives: Path | None, grid: Grid, settings: WindowSettings) -> pd.DataFrame:
    """The positions of windows around slumps and look-alikes, each once, in the order (row, column)."""
    places = lay_all(slumps, POSITIVE, grid, settings)
    if negatives is not None:
        places = pd.concat([places, lay_all(_read_labels(negatives, "negatives", grid), NEGATIVE, grid, settings)])
    # A position that both kinds ask for counts as a positive's.
    order = places["kind"].ne(POSITIVE)
    places = places.assign(order=order).sort_values(["row", "column", "order", "source"])
    return places.drop_duplicates(["row", "column"]).drop(columns="order").reset_index(drop=True)


def _read_labels(path: Path, what: str, grid: Grid) -> gpd.GeoDataFrame:
    """Polygons in the grid's CRS, with an `id`; positives may not be empty."""
    layer = read_layer(path, what, grid.crs, empty_ok=what != "positives")
    if "id" not in layer.columns:
        # Numbered by place, so that the ids do not depend on the order of the rows.
        bounds = layer.bounds.to_numpy()
        ranks = np.empty(len(layer), dtype=int)
        ranks[np.lexsort((bounds[:, 2], bounds[:, 1], bounds[:, 0], -bounds[:, 3]))] = np.arange(len(layer))
        layer["id"] = [f"{what[0].upper()}{rank + 1:05d}" for rank in ranks]
    layer["id"] = layer["id"].astype(str)
    return layer


def positions(start: int, length: int, window_px: int, overlap_px: int) -> list[int]:
    """First pixels of the windows that cover a stretch of pixels along one axis.

    One centred window if it covers the stretch; else windows at a step of window_px - overlap_px from the
    start on, the last one flush with the end (and overlapping more, if need be).
    """
    if length <= window_px:
        return [start - (window_px - length) // 2]
    step = window_px - overlap_px
    count = -(-(length - window_px) // step)
    return [start + number * step for number in range(count)] + [start + length - window_px]


def lay_all(labels: gpd.GeoDataFrame, kind: str, grid: Grid, settings: WindowSettings) -> pd.DataFrame:
    """Windows over the sub-images (box and buffer) of all polygons: `row`, `column`, `kind`, `source`."""
    rows = []
    boxes = labels.bounds.to_numpy() + settings.buffer_m * np.array([-1, -1, 1, 1])
    for source, (west, south, east, north) in zip(labels["id"], boxes, strict=True):
        image = grid.window_of((west, south, east, north))
        for row in positions(image.row, image.height, settings.window_px, settings.overlap_px):
            for column in positions(image.column, image.width, settings.window_px, settings.overlap_px):
                rows.append((row, column, kind, source))
    return pd.DataFrame(rows, columns=["row", "column", "kind", "source"])


def split_windows(
    places: pd.DataFrame, grid: Grid, settings: WindowSettings, seed: int, fold: Fold | None = None
) -> pd.DataFrame:
    """Adds the column `split`; leaves out windows that share a pixel with one of a part that is to stay unseen.

    A window belongs to the block of its centre. Which blocks are held out follows from the seed and the
    block's place alone (a low-discrepancy sequence, so that held-out blocks are spread evenly), not from
    the labels: a block that taught the last iteration's model does not become validation in the next one
    because labels were added elsewhere.

    Raises:
        InputError: a fold without positives, or with all of them.
    """
    blocks_per_px = grid.resolution / settings.block_m
    centres = places[["row", "column"]].to_numpy() + settings.window_px / 2
    blocks = np.floor(centres * blocks_per_px).astype(int)
    draw = _draw(blocks, seed)
    positive = places["kind"].eq(POSITIVE).to_numpy()
    if fold is not None:
        draw, tested = fold.divide(draw)
        if not 0 < np.count_nonzero(tested & positive) < np.count_nonzero(positive):
            fault = f"part {fold.number} of {fold.count} holds no window round the positives, or all of them"
            raise InputError("crossval.folds", fault, "take fewer folds, or a smaller windows.block_m")
        apart = ~tested & _overlaps(places, tested, settings.window_px)
        places, blocks, draw = places[~apart], blocks[~apart], draw[~apart]
        positive, tested = positive[~apart], tested[~apart]
        rest = _split_rest(places[~tested], blocks[~tested], draw[~tested], positive[~tested], settings)
        return pd.concat([rest, places[tested].assign(split=TEST)]).sort_values(["row", "column"], ignore_index=True)
    return _split_rest(places, blocks, draw, positive, settings).reset_index(drop=True)


def _split_rest(
    places: pd.DataFrame,
    blocks: NDArray[np.int64],
    draw: NDArray[np.float64],
    positive: NDArray[np.bool_],
    settings: WindowSettings,
) -> pd.DataFrame:
    """Divides windows that are not for testing into those that train and those of held-out blocks."""
    held_out = draw < settings.validation_share
    if settings.validation_share == 0 or len(np.unique(blocks[positive], axis=0)) < 2:
        held_out[:] = False
    elif not held_out[positive].any():
        held_out |= draw == draw[positive].min()
    elif held_out[positive].all():
        held_out &= draw != draw[positive].max()
    keep = held_out | ~_overlaps(places, held_out, settings.window_px)
    if not (positive & keep & ~held_out).any():
        print("windows: too few to hold any out for validation; all of them train", file=sys.stderr)
        held_out[:], keep[:] = False, True
    return places.assign(split=np.where(held_out, VALIDATION, TRAIN))[keep]


@dataclass(frozen=True)
class Fold:
    """One part of a cross-validation.

    Attributes:
        number: 1 to `count`.
        count: number of parts.
    """

    number: int
    count: int

    def divide(self, draw: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The draws in [0, 1) of blocks, turned to begin after the part that this fold tests, and which it tests.

        Turned so, the blocks held out for validation are others than the tested ones in every fold.
        """
        turned = np.mod(draw - self.number / self.count, 1.0)
        return turned, turned >= 1 - 1 / self.count


def _draw(blocks: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """(n,) numbers in [0, 1) for (n, 2) blocks, evenly spread over any stretch of ground."""
    shift = np.random.default_rng([seed, 11]).random()
    drawn: NDArray[np.float64] = np.mod(shift + blocks @ np.array(_R2), 1.0)
    return drawn


def _overlaps(places: pd.DataFrame, held_out: NDArray[np.bool_], window_px: int) -> NDArray[np.bool_]:
    """(n,) bool: which windows share a pixel with a held-out one."""
    corners = places[["column", "row"]].to_numpy(dtype=float)
    # Half a pixel less on each side: windows that only touch share no pixel.
    boxes = shapely.box(*(corners + 0.25).T, *(corners + window_px - 0.25).T)
    hit = np.zeros(len(places), dtype=bool)
    hit[STRtree(boxes).query(boxes[held_out], predicate="intersects")[1]] = True
    return hit


def _windows(places: pd.DataFrame, window_px: int) -> list[Window]:
    return [Window(int(row), int(column), window_px, window_px) for row, column in places[["row", "column"]].to_numpy()]


def _read(mosaic: Mosaic, window: Window, limit: NDArray[np.object_] | None) -> NDArray[np.uint8]:
    """(bands, height, width) uint8 of a window, nodata outside the limiting polygons."""
    image = mosaic.read(window)
    if limit is not None:
        image[:, burn(limit, mosaic.grid, window) == BACKGROUND] = RGB_NODATA
    return image


def _write_pixels(
    path: Path,
    places: pd.DataFrame,
    slumps: NDArray[np.object_],
    mosaic: Mosaic,
    limit: NDArray[np.object_] | None,
    window_px: int,
) -> list[int]:
    """Writes image and label of each window, one at a time; returns the slump pixels of each."""
    tree, counts = STRtree(slumps), []
    with atomic(path) as temporary:
        shape = (len(places), mosaic.bands + 1, window_px, window_px)
        pixels = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        with temporary.open("r+b") as handle:
            # A page of the map that the disk has no room for would kill the process without a word.
            os.posix_fallocate(handle.fileno(), 0, temporary.stat().st_size)
        for number, window in enumerate(_windows(places, window_px)):
            image = _read(mosaic, window, limit)
            label = burn(slumps[tree.query(shapely.box(*mosaic.grid.bounds(window)))], mosaic.grid, window)
            label[~image.any(axis=0)] = IGNORE
            pixels[number, :-1], pixels[number, -1] = image, label
            counts.append(int(np.count_nonzero(label == SLUMP)))
        pixels.flush()
        del pixels
    return counts


def burn(polygons: NDArray[np.object_], grid: Grid, window: Window) -> NDArray[np.uint8]:
    """(height, width) uint8: 1 where a pixel's centre lies in a polygon, 0 elsewhere."""
    shape = (window.height, window.width)
    if not len(polygons):
        return np.full(shape, BACKGROUND, dtype=np.uint8)
    burnt: NDArray[np.uint8] = rasterize(
        polygons,
        out_shape=shape,
        transform=grid.window_transform(window),
        fill=BACKGROUND,
        default_value=SLUMP,
        all_touched=False,
        dtype="uint8",
    )
    return burnt


def _write_index(path: Path, places: pd.DataFrame, grid: Grid, window_px: int) -> None:
    windows = _windows(places, window_px)
    boxes = [shapely.box(*grid.bounds(window)) for window in windows]
    columns = ["row", "column", "kind", "source", "split", "valid_share", "slump_px"]
    layer = gpd.GeoDataFrame(places[columns], geometry=boxes, crs=grid.crs)
    layer.insert(0, "id", [f"r{window.row}_c{window.column}" for window in windows])
    write_layer(layer, path)


def write_test_area(index: Path, out: Path) -> None:
    """Writes the ground of the windows kept for testing, as polygons."""
    layer = read_layer(index, "windows", columns=["split"])
    ground = layer[layer["split"] == TEST].union_all()
    write_layer(gpd.GeoDataFrame(geometry=[ground], crs=layer.crs).explode(ignore_index=True), out)


def read_windows(index: Path, pixels: Path) -> tuple[gpd.GeoDataFrame, NDArray[np.uint8]]:
    """Opens a training set.

    Returns:
        The rows of the index and the memory-mapped (windows, bands + 1, window_px, window_px) uint8 pixels.

    Raises:
        InputError: a file is missing or damaged, or the two do not belong together.
    """
    layer = read_layer(index, "windows", columns=["row", "column", "kind", "split", "slump_px"], empty_ok=False)
    try:
        values: NDArray[np.uint8] = np.load(pixels, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, OverflowError, EOFError, TokenError) as error:
        raise InputError(pixels, f"pixels cannot be read ({error})", "remove it and run the workflow again") from error
    if values.dtype != np.uint8 or values.ndim != 4 or len(values) != len(layer):
        fault = f"holds {values.dtype} {values.shape}, not one window for each of the {len(layer)} rows of {index.name}"
        raise InputError(pixels, fault, "remove both and run the workflow again")
    return layer, values


def training_set_hash(layer: gpd.GeoDataFrame, pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of what training sees of a training set: place, split and pixels of each window."""
    digest = hashlib.sha256()
    digest.update(layer[["row", "column", "split"]].to_csv(index=False).encode())
    for window in pixels:
        digest.update(window.tobytes())
    return digest.hexdigest()
