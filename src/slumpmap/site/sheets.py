"""A slump's sheet: one picture with its images of all years side by side, which the page plays as a time-lapse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rasterio.features import geometry_mask
from shapely.geometry.base import BaseGeometry

from slumpmap import observed
from slumpmap.figures.sheets import chip_window
from slumpmap.files import atomic, write_json
from slumpmap.grid import Grid, Window
from slumpmap.inventory.build import read_inventory
from slumpmap.progress import Progress
from slumpmap.raster import RGB_NODATA, Mosaic

INDEX = "sheets.json"
_QUALITY = 80
# Ground without image: a grey that is no ground.
_NO_IMAGE = 96
# Share of the slump's pixels without image from which a year is said to be partly seen, and not seen.
_PARTLY, _UNSEEN = 0.02, 0.98
# Slumps whose windows are read together, so that each tile of a year is opened about once.
_TOGETHER = 100


def write_sheets(inventory: Path, grid: Grid, imagery_root: Path, years: Sequence[int], side: int, out: Path) -> None:
    """Writes `0001.webp` and so on, and `sheets.json`: which slump each shows, the ground it covers, and its years.

    A year's picture is the square round the slump's box with 300 m to each side, as in the contact sheet; larger
    ones are reduced to `side`. Files are numbered in the inventory's order, since ids may hold any characters.

    Args:
        inventory: the inventory, GeoPackage or GeoParquet.
        grid: the campaign's grid.
        imagery_root: folder with the 8-bit tiles of each year, `<year>/x000_y000.tif`.
        years: years to show, the earliest first.
        side: width and height of a year's picture at most, pixels.
        out: folder.

    Raises:
        InputError: the inventory or a tile is missing or unreadable.
    """
    slumps = read_inventory(inventory).to_crs(grid.crs)
    out.mkdir(parents=True, exist_ok=True)
    windows = [chip_window(shape, grid) for shape in slumps.geometry]
    # Neighbours one after the other: tiles are opened once and left.
    order = sorted(range(len(windows)), key=lambda at: (windows[at].row // 2048, windows[at].column))
    entries: dict[int, dict[str, Any]] = {}
    progress = Progress("sheets", len(order), "slumps")
    for first in range(0, len(order), _TOGETHER):
        batch = order[first : first + _TOGETHER]
        strips: dict[int, list[NDArray[np.uint8]]] = {at: [] for at in batch}
        for year in years:
            with Mosaic(grid, Path(imagery_root) / str(year), bands=3, nodata=RGB_NODATA) as mosaic:
                for at in batch:
                    strips[at].append(mosaic.read(windows[at]))
        for at in batch:
            name = f"{at + 1:04d}.webp"
            inside = _inside(slumps.geometry.iloc[at], grid, windows[at])
            states = _save(out / name, strips[at], inside, side)
            entries[at] = _entry(str(slumps["id"].iloc[at]), name, grid, windows[at], years, states)
        progress.update(min(first + _TOGETHER, len(order)))
    write_json(out / INDEX, {"years": list(years), "sheets": [entries[at] for at in range(len(windows))]})
    observed.wrote_folder(out)


def _entry(
    slump: str, name: str, grid: Grid, window: Window, years: Sequence[int], states: Sequence[str]
) -> dict[str, Any]:
    frames = [{"year": year, "state": state} for year, state in zip(years, states, strict=True)]
    return {"id": slump, "file": name, "bounds": grid.bounds(window), "frames": frames}


def _inside(outline: BaseGeometry, grid: Grid, window: Window) -> NDArray[np.bool_]:
    """(rows, columns) the pixels that the outline touches: at least one, however small the slump is."""
    shape, transform = (window.height, window.width), grid.window_transform(window)
    return np.asarray(geometry_mask([outline], shape, transform, all_touched=True, invert=True))


def _save(path: Path, pictures: Sequence[NDArray[np.uint8]], inside: NDArray[np.bool_], side: int) -> list[str]:
    """Writes the years side by side; returns of each whether it shows the slump: `seen`, `partly` or `missing`."""
    states, frames = [], []
    for bands in pictures:
        void = (bands == RGB_NODATA).all(axis=0)
        share = float(void[inside].mean())
        states.append("seen" if share < _PARTLY else "missing" if share > _UNSEEN else "partly")
        colours = np.moveaxis(bands, 0, -1).copy()
        colours[void] = _NO_IMAGE
        picture = Image.fromarray(colours)
        frames.append(picture.resize((side, side), Image.Resampling.BOX) if picture.width > side else picture)
    strip = Image.new("RGB", (sum(frame.width for frame in frames), frames[0].height))
    for number, year in enumerate(frames):
        strip.paste(year, (number * year.width, 0))
    with atomic(path) as temporary:
        strip.save(temporary, quality=_QUALITY, method=3)
    return states
