"""Makes a region: every layer checked and brought into form first, the configuration last, nothing overwritten."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from slumpmap.config import check_config, grid_of
from slumpmap.doctor import graphics_cards
from slumpmap.errors import InputError
from slumpmap.files import check_writable, make_folder, write_text
from slumpmap.region.layers import (
    bring_area,
    bring_dem,
    bring_roads,
    bring_slumps,
    grid_over,
    look_at_classes,
    read_area,
)
from slumpmap.region.overview import draw_overview
from slumpmap.region.scenes import bring_scenes, check_seasons, describe_scenes, seasons
from slumpmap.region.text import config_text
from slumpmap.region.wish import Finding, Wish

# Keys of `inputs` and the files that are made for them.
_MADE = {
    "catalogue": "scenes.gpkg",
    "positives": "slumps.gpkg",
    "negatives": "lookalikes.gpkg",
    "dem": "dem.tif",
    "roads": "roads.gpkg",
}
MAP = "overview.png"


@dataclass(frozen=True)
class Region:
    """A region that is ready to be mapped.

    Args:
        config: its configuration.
        data: folder of what was brought into form.
        findings: what each layer turned out to be.
        advice: what the user may want to do about it, a line each.
    """

    config: Path
    data: Path
    findings: tuple[Finding, ...]
    advice: tuple[str, ...]


def make_region(wish: Wish, config: Path, data: Path) -> Region:
    """Checks what the user brings, brings it into form, draws it, and writes the configuration.

    Nothing stays where something is refused, and nothing that is there is overwritten.

    Args:
        wish: what the user said.
        config: YAML file to write.
        data: folder to make for layers and map.

    Raises:
        InputError: a layer cannot be used, or there is such a configuration or folder already.
    """
    _check_free(config, data)
    if wish.network is None:
        wish = replace(wish, network="large" if graphics_cards() else "small")
    with _unfinished(data) as folder:
        findings, text = _make(wish, folder, data)
        _check_again(text, folder, config)
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        make_folder(data)
        for name in names:
            (folder / name).rename(data / name)
    write_text(config, text)
    return Region(config, data, tuple(findings), tuple(_advice(wish)))


def _check_free(config: Path, data: Path) -> None:
    if config.exists():
        raise InputError(config, "there is such a configuration already", "choose another name, or move it away")
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise InputError(data, "is not empty", "choose another folder with --data, or move it away")
    for folder in (config.parent, data.parent):
        check_writable(folder)


@contextmanager
def _unfinished(data: Path) -> Iterator[Path]:
    """A folder beside `data`, so that relative ways are the same from both; goes when the block ends."""
    make_folder(data.parent)
    folder = Path(tempfile.mkdtemp(dir=data.parent, prefix=f".{data.name}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make(wish: Wish, folder: Path, data: Path) -> tuple[list[Finding], str]:
    """Fills the folder; what was found, and the configuration."""
    area = read_area(wish.area)
    scenes = bring_scenes(wish, folder / _MADE["catalogue"])
    grid = grid_over(area, wish.crs, wish.resolution or round(scenes.metres, 3), wish.area)
    years = seasons(scenes, grid, wish)
    season = check_seasons(years, scenes, wish)
    findings = [bring_area(area, grid, wish.area, folder / "area.gpkg")]
    findings.append(describe_scenes(scenes, years, season, wish.scenes))
    findings += bring_slumps(wish.slumps, wish.lookalikes, grid, folder)
    if wish.roads is not None:
        findings.append(bring_roads(wish.roads, grid, folder / _MADE["roads"]))
    findings += [look_at_classes(what, *files, grid, folder) for what, files in wish.classes.items()]
    if wish.dem:
        findings.append(bring_dem(wish.dem, grid, folder / _MADE["dem"]))
    files = {key: name for key, name in _MADE.items() if (folder / name).exists()} | _classes(wish, data)
    layers = {key: folder / name for key, name in _MADE.items() if key in files}
    draw_overview(grid, years, season, layers["positives"], layers.get("roads"), layers.get("dem"), folder / MAP)
    return findings, config_text(wish, scenes, years, season, grid, files, data)


def _classes(wish: Wish, data: Path) -> dict[str, str]:
    """Keys of `inputs` for the classes, whose files stay where they are."""
    files = {}
    for what, (raster, legend) in wish.classes.items():
        files[what] = _way(raster, data)
        files[f"{what}_legend"] = f"{what}_legend.csv" if legend is None else _way(legend, data)
    return files


def _way(path: Path, data: Path) -> str:
    """How the configuration names a file that stays where it is: absolute, if the user named it so."""
    return str(path) if path.is_absolute() else os.path.relpath(path, data)


def _check_again(text: str, folder: Path, config: Path) -> None:
    """Reads the configuration as the workflow will, with the files where they are now."""
    values = yaml.safe_load(text)
    check_config(values, str(config))
    values["grid"]["area"] = str(folder / "area.gpkg")
    values["data"] = str(folder)
    settings = check_config(values, str(config))
    settings.check_files()
    grid_of(settings.grid)


def _advice(wish: Wish) -> Sequence[str]:
    """What is missing, and what that means."""
    lines = []
    if not wish.dem:
        lines.append("no DEM: slumps get no slope, aspect, radiation or streams. Give --dem.")
    if wish.roads is None:
        lines.append("no roads: nobody will know which slumps are near one. Give --roads.")
    if wish.network == "small":
        lines.append(
            "a small network, as there is no GPU here: change `model` in the configuration for a machine with one."
        )
    return lines
