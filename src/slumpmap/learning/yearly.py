"""Yearly probabilities: the networks of an iteration look at each place in the images of all years.

Windows are laid round each place, not on the grid's lattice, so that most places cost four windows a year and lie in
the middle of all of them. They depend on the place alone, so that the answer is the same for any tiling.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from slumpmap.config import InferenceSettings
from slumpmap.errors import InputError
from slumpmap.grid import Grid, Window
from slumpmap.learning.backends import Predictor, make_predictor
from slumpmap.learning.bundle import BANDS
from slumpmap.learning.inference import Axis, Scene, load_mapper, predict_scenes, read_scene, window_ramp
from slumpmap.learning.network import choose_device, repeatable
from slumpmap.progress import Progress
from slumpmap.raster import RGB_NODATA, Mosaic
from slumpmap.vector import read_layer
from slumpmap.yearly import Yearly, write_yearly


@dataclass(frozen=True)
class View:
    """One place in one year.

    Attributes:
        name: id of the place.
        year: the year.
        window: the place in grid pixels.
    """

    name: str
    year: int
    window: Window


def write_yearly_tiles(
    models: Sequence[Path],
    imagery: Mapping[int, Path],
    mapping_year: int,
    candidates: Path,
    known: Path | None,
    grid: Grid,
    out: Path,
    tile_ids: Sequence[str],
    settings: InferenceSettings,
    margin_m: float,
    scaling: Path,
    threads: int = 2,
    device: str = "auto",
    bands: Sequence[str] = BANDS,
) -> None:
    """Writes the yearly probabilities of the new candidates of some tiles, `out/<tile>.zip` (`slumpmap.yearly`).

    A candidate belongs to the tile that holds the centre of its box.

    Args:
        models: folders of model bundles; the mean of their probabilities is written.
        imagery: year -> folder of its uint8 tiles; all tiles round the candidates are read, however large they are.
        mapping_year: the year in which candidates were mapped, one of them.
        candidates: the iteration's candidates, columns `id` and `status`; those of status `new` are done.
        known: slumps known before the first iteration, column `id`, which are done too; None: none are.
        grid: the campaign's grid.
        out: folder to write to.
        tile_ids: the tiles to do; one without candidates gets a file without places.
        settings: window, stride, batch, fusion, turned copies, back end, as in inference.
        margin_m: ground round a candidate's box that gets probabilities too, metres.
        scaling: the campaign's scaling.json, which must be the one that the models were trained with.
        threads: CPU threads.
        device: `auto`, `cpu` or `cuda`.
        bands: names of the tiles' bands, which must be those that the models were trained with.

    Raises:
        InputError: an unsuitable bundle, an unreadable tile or layer, ids that repeat, no such tile or device.
        OSError: `out` cannot be written to.
    """
    if mapping_year not in imagery:
        raise InputError("--mapping-year", f"no images of {mapping_year} are given", "give those of all years")
    windows = _windows(_places(candidates, known, grid), grid, tile_ids, margin_m)
    members = [load_mapper(model, grid, settings, scaling, bands) for model in models]
    with ExitStack() as stack:
        stack.enter_context(repeatable(0, threads))
        mosaics = {
            year: stack.enter_context(Mosaic(grid, folder, len(bands), nodata=RGB_NODATA))
            for year, folder in sorted(imagery.items())
        }
        predict = make_predictor(members, settings, choose_device(device), threads, len(bands))
        every = {name: window for tile in windows.values() for name, window in tile.items()}
        done = stack.enter_context(closing(predict_yearly(mosaics, mapping_year, every, settings, predict)))
        progress = Progress("yearly probabilities", len(every), "places")
        counted = _counted(done, progress)
        for tile_id in tile_ids:
            write_yearly(out / f"{tile_id}.zip", (next(counted) for _ in windows[tile_id]))


def _counted(places: Iterator[tuple[str, Yearly]], progress: Progress) -> Iterator[tuple[str, Yearly]]:
    for number, place in enumerate(places, 1):
        progress.update(number)
        yield place


def _places(candidates: Path, known: Path | None, grid: Grid) -> gpd.GeoDataFrame:
    """Outlines to look at, ordered by `id`."""
    layer = read_layer(candidates, "candidates", grid.crs, columns=("id", "status"), unique="id")
    layer = layer.loc[layer["status"] == "new", ["id", "geometry"]]
    if known is not None:
        slumps = read_layer(known, "known slumps", grid.crs, columns=("id",), unique="id")[["id", "geometry"]]
        both = set(slumps["id"]) & set(layer["id"])
        if both:
            raise InputError(known, f"id {min(both)!r} is that of a candidate too", "give the slump another id")
        # An empty layer must not decide the columns' types.
        filled = [part for part in (layer, slumps) if not part.empty] or [layer]
        layer = gpd.GeoDataFrame(pd.concat(filled, ignore_index=True), crs=grid.crs)
    return layer.assign(id=layer["id"].astype(str)).sort_values("id", ignore_index=True)


def _windows(
    places: gpd.GeoDataFrame, grid: Grid, tile_ids: Sequence[str], margin_m: float
) -> dict[str, dict[str, Window]]:
    """Tile -> id -> box and margin in grid pixels, of all places whose box's centre the tile holds."""
    boxes = places.bounds.to_numpy().reshape(-1, 4)
    owners = grid.tiles_at((boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2)
    found: dict[str, dict[str, Window]] = {grid.tile(tile_id).id: {} for tile_id in tile_ids}
    wide = boxes + margin_m * np.array([-1, -1, 1, 1])
    for name, owner, box in zip(places["id"], owners, wide, strict=True):
        if owner in found:
            found[owner][name] = grid.window_of(tuple(box))
    return found


def predict_yearly(
    mosaics: Mapping[int, Mosaic],
    mapping_year: int,
    windows: Mapping[str, Window],
    settings: InferenceSettings,
    predict: Predictor,
) -> Generator[tuple[str, Yearly], None, None]:
    """Yearly probabilities of places, one after the other; batches hold windows of any places and years.

    Args:
        mosaics: the images of each year, years rising.
        mapping_year: one of them.
        windows: places by id, grid pixels.
        settings: window, stride, batch, fusion.
        predict: from batches of images to probabilities.

    Yields:
        Ids and probabilities, in the order of `windows`.
    """
    views = (View(name, year, window) for name, window in windows.items() for year in mosaics)
    answers = predict_scenes(read_views(mosaics, views, settings), (), settings, predict)
    with closing(answers):
        for name, rows in groupby(answers, key=lambda answer: answer[0].name):
            values = np.stack([values for _, values in rows])
            grid = mosaics[mapping_year].grid
            yield name, Yearly.on(grid, windows[name], tuple(mosaics), mapping_year, values)


def read_views(
    mosaics: Mapping[int, Mosaic], views: Iterator[View], settings: InferenceSettings
) -> Generator[Scene[View], None, None]:
    """Reads the images of one place and year after the other."""
    for view in views:
        axes = (
            centred_axis(view.window.row, view.window.height, settings),
            centred_axis(view.window.column, view.window.width, settings),
        )
        yield read_scene(mosaics[view.year], view, axes, settings.window_px)


def centred_axis(first: int, length: int, settings: InferenceSettings) -> Axis:
    """Windows round a stretch of one axis, so that each of its pixels lies in two of them at least.

    Two windows a quarter of their width apart where they hold it, else as many as it takes, half their width apart.
    On the synthetic corridor four windows told far better than one whether a slump was there in a year (AUC 0.98
    against 0.93), since what a network says of faint ones depends on where in the window they lie.
    """
    size = settings.window_px
    if length <= size - size // 4:
        count, step = 2, size // 4
    else:
        step = size // 2
        count = 3 + max(0, -((size - length) // step))
    start = first - (size + (count - 1) * step - length) // 2
    starts = range(start, start + count * step, step)
    ramp = window_ramp(settings)
    pixels = np.arange(count)[:, None] * step + np.arange(size)
    sums = np.bincount(pixels.ravel(), weights=np.tile(ramp, count))
    return Axis(starts, (ramp / sums[pixels]).astype(np.float32))
