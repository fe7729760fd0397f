"""Image tiles to probability tiles: windows on one lattice of the grid, blended, whatever the tiling."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from slumpmap.config import InferenceSettings
from slumpmap.grid import Grid, Tile, Window
from slumpmap.learning.batches import Normalisation
from slumpmap.learning.bundle import load_bundle
from slumpmap.learning.network import check_window, choose_device, repeatable
from slumpmap.learning.progress import Progress
from slumpmap.raster import PROBABILITY_NODATA, PROBABILITY_SCALE, RGB_NODATA, Mosaic, write_cog

# A window's place: first row and first column, grid pixels.
Place = tuple[int, int]
# (n, 3, window_px, window_px) uint8 -> (n, window_px, window_px) float32 probabilities
Predictor = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def infer(
    model: Path,
    imagery: Path,
    grid: Grid,
    out: Path,
    tile_ids: Sequence[str],
    settings: InferenceSettings,
    scaling: Path,
    threads: int = 2,
    device: str = "auto",
) -> None:
    """Writes the probability tiles of some image tiles: `out/<tile>.tif`, 0..254 = probability x 254, 255 = nodata.

    Args:
        model: folder of the model bundle.
        imagery: folder of 3-band uint8 tiles; those within `window_px` pixels around the tiles are read too.
        grid: the campaign's grid.
        out: folder to write to.
        tile_ids: the tiles to do.
        settings: window, stride, batch.
        scaling: the campaign's scaling.json, which must be the one that the model was trained with.
        threads: CPU threads.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        InputError: an unsuitable bundle, an unreadable tile, no such tile or device.
    """
    network, card = load_bundle(model, 3, settings.window_px, grid.resolution, scaling)
    check_window(network, settings.window_px, "inference.window_px")
    tiles = [grid.tile(tile_id) for tile_id in tile_ids]
    with repeatable(0, threads), Mosaic(grid, imagery, bands=3, nodata=RGB_NODATA) as mosaic:
        predict = predictor(network, Normalisation(card.mean, card.std), settings.batch, choose_device(device))
        progress = Progress("inference", len(tiles), "tiles")
        for done, (tile, values) in enumerate(predict_tiles(mosaic, tiles, settings, predict), 1):
            write_cog(
                out / f"{tile.id}.tif",
                values,
                grid.window_transform(tile.window),
                grid.crs,
                nodata=PROBABILITY_NODATA,
            )
            progress.update(done)


def predictor(network: torch.nn.Module, normalise: Normalisation, batch: int, device: torch.device) -> Predictor:
    """Wraps a network into a function from up to `batch` images to probabilities.

    Every call computes a full batch, padded with nodata: kernels are chosen by the shape of their input, and
    another kernel may round otherwise.
    """
    network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        padding = np.full((batch - len(images), *images.shape[1:]), RGB_NODATA, dtype=np.uint8)
        values = torch.from_numpy(np.concatenate([images, padding])).to(device)
        valid = (values != RGB_NODATA).any(dim=1, keepdim=True)
        prepared = normalise(values.float(), valid).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            probabilities = torch.sigmoid(network(prepared)[: len(images), 0].float())
        answer: NDArray[np.float32] = probabilities.cpu().numpy()
        return answer

    return predict


def lattice(first: int, length: int, settings: InferenceSettings) -> range:
    """First pixels of all windows of the lattice that touch a stretch of one axis.

    Windows start at the multiples of the stride, also at negative ones, so that the edge of the grid lies
    as deep in windows as any other ground.
    """
    lowest = -((settings.window_px - 1 - first) // settings.stride_px)
    highest = (first + length - 1) // settings.stride_px
    return range(lowest * settings.stride_px, highest * settings.stride_px + 1, settings.stride_px)


def blend_weights(settings: InferenceSettings) -> NDArray[np.float32]:
    """(window_px,) weights along one axis: a triangle, scaled so that the lattice's windows add up to 1 anywhere.

    The triangle nearly vanishes at the window's edges, so that no window begins or ends with a step.
    """
    size, stride = settings.window_px, settings.stride_px
    steps = np.arange(size) + 0.5
    triangle = np.minimum(steps, size - steps)
    sums = np.bincount(np.arange(size) % stride, weights=triangle, minlength=stride)
    weights: NDArray[np.float32] = (triangle / sums[np.arange(size) % stride]).astype(np.float32)
    return weights


def predict_tiles(
    mosaic: Mosaic, tiles: Sequence[Tile], settings: InferenceSettings, predict: Predictor
) -> Iterator[tuple[Tile, NDArray[np.uint8]]]:
    """Probability tiles, one after the other; a window that two of the tiles share is computed once.

    The value of a pixel is the sum of weight x probability over its windows, row by row, whatever the tile
    that it falls in. Memory holds one tile with its margin, and shared windows of tiles yet to come.

    Args:
        mosaic: the images.
        tiles: the tiles to do.
        settings: window, stride, batch.
        predict: from images to probabilities.

    Yields:
        Tile and (tile_px, tile_px) uint8: 0..254 = probability x 254, 255 = nodata.
    """
    shared: dict[Place, NDArray[np.float32]] = {}
    ramp = blend_weights(settings)
    weights = ramp[:, None] * ramp[None, :]
    for number, tile in enumerate(tiles):
        later = tiles[number + 1 :]
        margin = settings.window_px - 1
        images = mosaic.read(tile.window.grow(margin))
        side = tile.tile_px
        valid = np.any(images[:, margin : margin + side, margin : margin + side], axis=0)
        total = np.zeros((side, side), dtype=np.float32)
        for chunk in _chunks(_places(tile, valid, settings), shared, settings.batch):
            fresh = [place for place in chunk if place not in shared]
            if fresh:
                shared.update(zip(fresh, predict(_cut(images, tile, fresh, settings.window_px)), strict=True))
            for place in chunk:
                probability = shared[place] if _wanted(place, later, settings) else shared.pop(place)
                _add(total, probability * weights, place, tile.window)
        shared = {place: values for place, values in shared.items() if _wanted(place, later, settings)}
        yield tile, encode(total, valid)


def _places(tile: Tile, valid: NDArray[np.bool_], settings: InferenceSettings) -> list[Place]:
    """Windows, row by row, that hold a valid pixel of the tile."""
    size, found = settings.window_px, []
    for row in lattice(tile.window.row, tile.tile_px, settings):
        for column in lattice(tile.window.column, tile.tile_px, settings):
            top, left = row - tile.window.row, column - tile.window.column
            if valid[max(top, 0) : top + size, max(left, 0) : left + size].any():
                found.append((row, column))
    return found


def _chunks(places: Sequence[Place], known: dict[Place, NDArray[np.float32]], batch: int) -> Iterator[list[Place]]:
    """Cuts a list of windows so that each part has `batch` windows that are not known yet, the last one fewer."""
    part: list[Place] = []
    fresh = 0
    for place in places:
        part.append(place)
        fresh += place not in known
        if fresh == batch:
            yield part
            part, fresh = [], 0
    if part:
        yield part


def _cut(images: NDArray[np.uint8], tile: Tile, places: Sequence[Place], size: int) -> NDArray[np.uint8]:
    """(n, 3, size, size) uint8: the windows' images, out of the tile's with a margin of size - 1."""
    top, left = tile.window.row - size + 1, tile.window.column - size + 1
    return np.stack([images[:, r - top : r - top + size, c - left : c - left + size] for r, c in places])


def _wanted(place: Place, later: Sequence[Tile], settings: InferenceSettings) -> bool:
    """Whether a tile that is yet to be done touches the window."""
    row, column = place
    return any(
        tile.window.row - settings.window_px < row < tile.window.row + tile.tile_px
        and tile.window.column - settings.window_px < column < tile.window.column + tile.tile_px
        for tile in later
    )


def _add(total: NDArray[np.float32], values: NDArray[np.float32], place: Place, window: Window) -> None:
    """Adds the part of a window's values that lies in the tile."""
    top, left = place[0] - window.row, place[1] - window.column
    first_row, first_column = max(top, 0), max(left, 0)
    part = values[first_row - top : window.height - top, first_column - left : window.width - left]
    total[first_row : first_row + part.shape[0], first_column : first_column + part.shape[1]] += part


def encode(probability: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Probabilities 0..1 as uint8 0..254, 255 where not valid."""
    scaled = np.rint(probability * PROBABILITY_SCALE).clip(0, PROBABILITY_SCALE).astype(np.uint8)
    return np.where(valid, scaled, np.uint8(PROBABILITY_NODATA))
