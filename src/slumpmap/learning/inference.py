"""Image tiles to probability tiles: windows on one lattice of the grid, fused, whatever the tiling.

A chain of generators, each a few items ahead of the next in a thread of its own: images of places are read and cut
into windows, batches of windows become probabilities, those become the places' probabilities, and these are written.
The places are tiles here; `slumpmap.learning.yearly` sends others through the same chain.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import STRtree

from slumpmap.grid import Grid, Tile, Window
from slumpmap.learning.backends import Images, Mapper, Predictor, Probabilities, make_predictor
from slumpmap.learning.batches import Normalisation
from slumpmap.learning.bundle import BANDS, load_bundle
from slumpmap.learning.network import check_window, choose_device, repeatable
from slumpmap.learning.windows import SLUMP, burn
from slumpmap.progress import Progress
from slumpmap.raster import PROBABILITY_NODATA, PROBABILITY_SCALE, RGB_NODATA, Mosaic, write_cog
from slumpmap.settings.learning import InferenceSettings
from slumpmap.vector import read_layer

# A window's place: first row and first column, grid pixels.
Place = tuple[int, int]
Item = TypeVar("Item")


class Target(Protocol):
    """What gets probabilities: a tile, or any other rectangle of the grid."""

    @property
    def window(self) -> Window:
        """Its rectangle in grid pixels."""


Goal = TypeVar("Goal", bound=Target)


# Memory for windows that a later tile of the job needs again, bytes; what does not fit is computed again.
KEPT_BYTES = 256 * 2**20
_BATCHES_AHEAD = 4


@dataclass(frozen=True)
class Axis:
    """The windows of a target along one axis.

    Attributes:
        starts: their first pixels, rising.
        weights: (windows, window_px) of their pixels, which add up to 1 on every pixel of the target.
    """

    starts: Sequence[int]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Laid:
    """A window in its place.

    Attributes:
        place: the window.
        down: (window_px,) weights of its rows.
        across: (window_px,) weights of its columns.
    """

    place: Place
    down: NDArray[np.float32]
    across: NDArray[np.float32]


@dataclass(frozen=True)
class Add(Generic[Goal]):
    """One window's part in one target.

    Attributes:
        target: the target.
        laid: the window.
        fresh: whether its probabilities come next out of the network; otherwise they were kept.
        keep: whether a later target needs them too.
    """

    target: Goal
    laid: Laid
    fresh: bool
    keep: bool


@dataclass(frozen=True)
class Finish(Generic[Goal]):
    """A target to which all windows have been added.

    Attributes:
        target: the target.
        valid: (height, width) pixels that get a probability.
        kept: the windows that later targets still need.
    """

    target: Goal
    valid: NDArray[np.bool_]
    kept: frozenset[Place]


@dataclass(frozen=True)
class Load(Generic[Goal]):
    """A batch of windows, and what is to be done once their probabilities are there."""

    images: Images
    steps: Sequence[Add[Goal] | Finish[Goal]]


@dataclass(frozen=True)
class Scene(Generic[Goal]):
    """A target's images: those of all windows that touch it.

    Attributes:
        target: the target.
        images: (bands, height, width) uint8.
        corner: place of their first pixel.
        valid: (height, width) pixels of the target that get a probability.
        windows: windows, row by row, that hold a valid pixel of the target.
    """

    target: Goal
    images: Images
    corner: Place
    valid: NDArray[np.bool_]
    windows: Sequence[Laid]


def infer(
    models: Sequence[Path],
    imagery: Path,
    grid: Grid,
    out: Path,
    tile_ids: Sequence[str],
    settings: InferenceSettings,
    scaling: Path,
    threads: int = 2,
    device: str = "auto",
    within: Path | None = None,
    bands: Sequence[str] = BANDS,
) -> None:
    """Writes the probability tiles of some image tiles: `out/<tile>.tif`, 0..254 = probability x 254, 255 = nodata.

    Args:
        models: folders of model bundles; the mean of their probabilities is written.
        imagery: folder of uint8 tiles; those within `window_px` pixels around the tiles are read too.
        grid: the campaign's grid.
        out: folder to write to.
        tile_ids: the tiles to do.
        settings: window, stride, batch, fusion, turned copies, back end.
        scaling: the campaign's scaling.json, which must be the one that the models were trained with.
        threads: CPU threads.
        device: `auto`, `cpu` or `cuda`.
        within: polygon layer outside of which nothing is mapped; the network still sees what lies there.
        bands: names of the tiles' bands, which must be those that the models were trained with.

    Raises:
        InputError: an unsuitable bundle, an unreadable tile or layer, no such tile or device.
        OSError: `out` cannot be written to.
    """
    tiles = [grid.tile(tile_id) for tile_id in tile_ids]
    members = [load_mapper(model, grid, settings, scaling, bands) for model in models]
    limit = None if within is None else read_layer(within, "area to map", grid.crs).geometry.to_numpy()
    with repeatable(0, threads), Mosaic(grid, imagery, len(bands), nodata=RGB_NODATA) as mosaic:
        predict = make_predictor(members, settings, choose_device(device), threads, len(bands))
        progress = Progress("inference", len(tiles), "tiles")
        with closing(ahead(predict_tiles(mosaic, tiles, settings, predict, limit), 1)) as mapped:
            for done, (tile, values) in enumerate(mapped, 1):
                path, transform = out / f"{tile.id}.tif", grid.window_transform(tile.window)
                write_cog(path, values, transform, grid.crs, nodata=PROBABILITY_NODATA)
                progress.update(done)


def load_mapper(
    model: Path, grid: Grid, settings: InferenceSettings, scaling: Path, bands: Sequence[str] = BANDS
) -> Mapper:
    """Loads a bundle as a function from 8-bit values to probabilities.

    Raises:
        InputError: the bundle is damaged, or does not suit bands, grid, window or scaling.
    """
    network, card = load_bundle(model, bands, settings.window_px, grid.resolution, scaling)
    check_window(network, settings.window_px, "inference.window_px")
    return Mapper(network, Normalisation(card.mean, card.std), card.temperature)


def ahead(items: Generator[Item, None, None], depth: int) -> Generator[Item, None, None]:
    """Runs a generator in a thread of its own, at most `depth` items ahead; its errors surface here as themselves."""
    end = object()
    pool = ThreadPoolExecutor(1)
    try:
        coming = deque(pool.submit(next, items, end) for _ in range(depth))
        while (item := coming.popleft().result()) is not end:
            coming.append(pool.submit(next, items, end))
            yield item  # type: ignore[misc]
    finally:
        pool.shutdown(cancel_futures=True)
        items.close()


def predict_tiles(
    mosaic: Mosaic,
    tiles: Sequence[Tile],
    settings: InferenceSettings,
    predict: Predictor,
    limit: NDArray[np.object_] | None = None,
) -> Generator[tuple[Tile, NDArray[np.uint8]], None, None]:
    """Probability tiles, one after the other; a window that several of the tiles share is computed once.

    The value of a pixel is fused from its windows, row by row, whatever the tile that it falls in. Memory holds
    the images of two tiles with their margins, a few batches, and `KEPT_BYTES` of shared windows.

    Args:
        mosaic: the images.
        tiles: the tiles to do.
        settings: window, stride, batch, fusion.
        predict: from batches of images to probabilities.
        limit: polygons in the grid's CRS outside of which nothing is mapped; None: everything is.

    Yields:
        Tile and (tile_px, tile_px) uint8: 0..254 = probability x 254, 255 = nodata.
    """
    yield from predict_scenes(read_scenes(mosaic, tiles, settings, limit), tiles, settings, predict)


def predict_scenes(
    scenes: Generator[Scene[Goal], None, None], shared: Sequence[Goal], settings: InferenceSettings, predict: Predictor
) -> Generator[tuple[Goal, NDArray[np.uint8]], None, None]:
    """Probabilities of any targets, one after the other.

    Args:
        scenes: the targets' images.
        shared: the same targets where several may hold the same window of the same image, which is then computed
            once; empty where none do.
        settings: window, batch, fusion.
        predict: from batches of images to probabilities.

    Yields:
        Target and (height, width) uint8: 0..254 = probability x 254, 255 = nodata.
    """
    coming = ahead(scenes, 1)
    loads = cut_windows(coming, shared, settings)
    answers = ahead(compute(loads, predict), _BATCHES_AHEAD)
    with closing(coming), closing(loads), closing(answers):
        yield from fuse(answers, settings)


def read_scenes(
    mosaic: Mosaic, tiles: Sequence[Tile], settings: InferenceSettings, limit: NDArray[np.object_] | None
) -> Generator[Scene[Tile], None, None]:
    """Reads the images of one tile after the other."""
    tree = None if limit is None else STRtree(limit)
    for tile in tiles:
        axes = (
            lattice_axis(tile.window.row, tile.tile_px, settings),
            lattice_axis(tile.window.column, tile.tile_px, settings),
        )
        inside = None
        if limit is not None and tree is not None:
            ground = shapely.box(*mosaic.grid.bounds(tile.window))
            inside = burn(limit[tree.query(ground)], mosaic.grid, tile.window) == SLUMP
        yield read_scene(mosaic, tile, axes, settings.window_px, inside)


def read_scene(
    mosaic: Mosaic, target: Goal, axes: tuple[Axis, Axis], size: int, inside: NDArray[np.bool_] | None = None
) -> Scene[Goal]:
    """Reads the images of all windows of a target.

    Args:
        mosaic: the images.
        target: what is to get probabilities.
        axes: its windows, down and across.
        size: width of a window, pixels.
        inside: (height, width) pixels that may get one; None: all may.
    """
    (rows, columns), ground = (axis.starts for axis in axes), target.window
    images = mosaic.read(Window(rows[0], columns[0], rows[-1] - rows[0] + size, columns[-1] - columns[0] + size))
    top, left = ground.row - rows[0], ground.column - columns[0]
    valid = np.any(images[:, top : top + ground.height, left : left + ground.width] != RGB_NODATA, axis=0)
    valid = valid if inside is None else valid & inside
    return Scene(target, images, (rows[0], columns[0]), valid, _laid(ground, axes, valid, size))


def cut_windows(
    scenes: Iterable[Scene[Goal]], shared: Sequence[Goal], settings: InferenceSettings
) -> Generator[Load[Goal], None, None]:
    """Cuts scenes into full batches of windows, across the borders of targets; only the last batch may be smaller.

    Args:
        scenes: the targets' images.
        shared: the same targets, from which follows which windows are shared; empty: none are.
        settings: window, stride, batch.
    """
    size, room = settings.window_px, KEPT_BYTES // (4 * settings.window_px**2)
    kept: set[Place] = set()
    windows: list[Images] = []
    steps: list[Add[Goal] | Finish[Goal]] = []
    for number, scene in enumerate(scenes):
        later = shared[number + 1 :]
        for laid in scene.windows:
            place = laid.place
            fresh = place not in kept
            keep = (not fresh or len(kept) < room) and _wanted(place, later, size)
            (kept.add if keep else kept.discard)(place)
            if fresh:
                row, column = place[0] - scene.corner[0], place[1] - scene.corner[1]
                windows.append(scene.images[:, row : row + size, column : column + size].copy())
            steps.append(Add(scene.target, laid, fresh, keep))
            if len(windows) == settings.batch:
                yield Load(np.stack(windows), steps)
                windows, steps = [], []
        kept = {place for place in kept if _wanted(place, later, size)}
        # Any number of empty targets may wait for a batch to fill: they share one mask of no size.
        valid = scene.valid if scene.windows else np.broadcast_to(np.False_, scene.valid.shape)
        steps.append(Finish(scene.target, valid, frozenset(kept)))
    yield Load(np.stack(windows) if windows else np.empty((0, 0, size, size), np.uint8), steps)


def compute(
    loads: Iterable[Load[Goal]], predict: Predictor
) -> Generator[tuple[Sequence[Add[Goal] | Finish[Goal]], Probabilities], None, None]:
    """Puts (n, s, s) probabilities in the place of images."""
    waiting: deque[Load[Goal]] = deque()

    def batches() -> Iterator[Images]:
        for load in loads:
            waiting.append(load)
            # The last load may hold no window.
            if len(load.images):
                yield load.images

    for probabilities in predict(batches()):
        yield waiting.popleft().steps, probabilities
    for load in waiting:
        yield load.steps, np.empty((0, *load.images.shape[2:]), np.float32)


def fuse(
    answers: Iterable[tuple[Sequence[Add[Goal] | Finish[Goal]], Probabilities]], settings: InferenceSettings
) -> Iterator[tuple[Goal, NDArray[np.uint8]]]:
    """Adds windows to targets, in the order of the steps."""
    kept: dict[Place, NDArray[np.float32]] = {}
    total: NDArray[np.float32] | None = None
    for steps, probabilities in answers:
        fresh = iter(probabilities)
        for step in steps:
            if total is None:
                total = np.zeros((step.target.window.height, step.target.window.width), dtype=np.float32)
            if isinstance(step, Finish):
                yield step.target, encode(total, step.valid)
                total, kept = None, {place: kept[place] for place in step.kept}
                continue
            laid = step.laid
            values = next(fresh) if step.fresh else kept[laid.place]
            if step.fresh and step.keep:
                # A copy, since a row of a batch would hold all of the batch in memory.
                kept[laid.place] = values.copy()
            elif not step.keep:
                kept.pop(laid.place, None)
            # One window that says so is enough for `or`: what exceeds 1 is cut off when it is encoded.
            weights = laid.down[:, None] * laid.across[None, :]
            _add(total, (values > 0.5).astype(np.float32) if settings.fusion == "or" else values * weights, step)


def _add(total: NDArray[np.float32], values: NDArray[np.float32], step: Add[Goal]) -> None:
    """Adds the part of a window's values that lies in the target."""
    ground, (row, column) = step.target.window, step.laid.place
    top, left = row - ground.row, column - ground.column
    first_row, first_column = max(top, 0), max(left, 0)
    part = values[first_row - top : ground.height - top, first_column - left : ground.width - left]
    total[first_row : first_row + part.shape[0], first_column : first_column + part.shape[1]] += part


def lattice_axis(first: int, length: int, settings: InferenceSettings) -> Axis:
    """The windows of the lattice that touch a stretch of one axis, and their weights."""
    starts = lattice(first, length, settings)
    return Axis(starts, np.broadcast_to(fusion_weights(settings), (len(starts), settings.window_px)))


def lattice(first: int, length: int, settings: InferenceSettings) -> range:
    """First pixels of all windows of the lattice that touch a stretch of one axis.

    Windows start at the multiples of the stride, also at negative ones, so that the edge of the grid lies
    as deep in windows as any other ground.
    """
    lowest = -((settings.window_px - 1 - first) // settings.stride_px)
    highest = (first + length - 1) // settings.stride_px
    return range(lowest * settings.stride_px, highest * settings.stride_px + 1, settings.stride_px)


def fusion_weights(settings: InferenceSettings) -> NDArray[np.float32]:
    """(window_px,) weights along one axis, scaled so that the lattice's windows add up to 1 anywhere."""
    size, stride = settings.window_px, settings.stride_px
    shape = window_ramp(settings)
    sums = np.bincount(np.arange(size) % stride, weights=shape, minlength=stride)
    weights: NDArray[np.float32] = (shape / sums[np.arange(size) % stride]).astype(np.float32)
    return weights


def window_ramp(settings: InferenceSettings) -> NDArray[np.float64]:
    """(window_px,) weights of one window along one axis, before they are scaled to add up with its neighbours'.

    For the fusion `mean` they are equal. Otherwise they are a triangle, which nearly vanishes at the window's
    edges, so that no window begins or ends with a step.
    """
    steps = np.arange(settings.window_px) + 0.5
    return np.ones(len(steps)) if settings.fusion == "mean" else np.minimum(steps, len(steps) - steps)


def _laid(ground: Window, axes: tuple[Axis, Axis], valid: NDArray[np.bool_], size: int) -> list[Laid]:
    """Windows, row by row, that hold a valid pixel of a target."""
    down, across = axes
    found = []
    for row, down_weights in zip(down.starts, down.weights, strict=True):
        for column, across_weights in zip(across.starts, across.weights, strict=True):
            top, left = row - ground.row, column - ground.column
            if valid[max(top, 0) : top + size, max(left, 0) : left + size].any():
                found.append(Laid((row, column), down_weights, across_weights))
    return found


def _wanted(place: Place, later: Collection[Target], size: int) -> bool:
    """Whether a target that is yet to be done touches the window."""
    row, column = place
    return any(
        target.window.row - size < row < target.window.row + target.window.height
        and target.window.column - size < column < target.window.column + target.window.width
        for target in later
    )


def encode(probability: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Probabilities 0..1 as uint8 0..254, 255 where not valid."""
    scaled = np.rint(probability * PROBABILITY_SCALE).clip(0, PROBABILITY_SCALE).astype(np.uint8)
    return np.where(valid, scaled, np.uint8(PROBABILITY_NODATA))
