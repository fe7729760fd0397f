"""Commands of the inventory: attributes of slumps, and the export to ARTS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from slumpmap.cli.shared import FILE, grid_option
from slumpmap.errors import InputError
from slumpmap.options import with_settings
from slumpmap.settings.analysis import ArtsSettings, InventorySettings

Command = TypeVar("Command", bound=Callable[..., Any])

_NUMBERED = "NN=FOLDER: the model of an iteration; several of one iteration make an ensemble"
_NAMED = "NN:NAME=FILE: a decision file; an iteration's adjudicator comes last"


def ground_options(function: Command) -> Command:
    """Adds the options of the layers that describe the ground, named as the fields of `attributes.Layers`."""
    for option in reversed(
        (
            click.option("--dem", type=FILE, help="digital elevation model, metres"),
            click.option("--slope", type=FILE, help="slope, degrees"),
            click.option("--aspect", type=FILE, help="aspect, degrees"),
            click.option("--tpi", type=FILE, help="topographic position index, metres"),
            click.option("--pisr", type=FILE, help="potential incoming solar radiation, kWh per square metre"),
            click.option("--streams", type=FILE, help="streams, lines"),
            click.option("--roads", type=FILE, help="roads and railways, lines"),
            click.option("--vegetation", type=FILE, help="raster of vegetation classes"),
            click.option("--vegetation-legend", type=FILE, help="its legend, CSV with the columns code,name"),
            click.option("--soil", type=FILE, help="raster of soil texture classes"),
            click.option("--soil-legend", type=FILE, help="its legend, CSV with the columns code,name"),
        )
    ):
        function = option(function)
    return function


@click.command()
@grid_option
@click.option("--slumps", type=FILE, required=True, help="all slumps")
@ground_options
@click.option("--model", "models", multiple=True, help=_NUMBERED)
@click.option("--decisions", multiple=True, help=_NAMED)
@click.option("--catalogue", type=FILE, help="checked scene catalogue")
@click.option("--year", type=int, help="mapping year, whose scenes show the slumps")
@click.option("--growth", type=FILE, multiple=True, help="what was measured of the slumps of an iteration")
@with_settings(InventorySettings)
@click.option("--out", type=FILE, required=True, help="GeoPackage to make; GeoParquet and CSV are written beside it")
def inventory(
    grid_file: Path,
    slumps: Path,
    models: tuple[str, ...],
    decisions: tuple[str, ...],
    catalogue: Path | None,
    year: int | None,
    growth: tuple[Path, ...],
    settings: InventorySettings,
    out: Path,
    **layers: Path | None,
) -> None:
    """Write the inventory with its attributes as GeoPackage, GeoParquet and CSV.

    Everything but grid and slumps may be left out. Beside the inventory, omissions.csv says which attribute of which
    slump is missing and why, and class_shares.csv what vegetation and soil each slump covers.
    """
    from slumpmap.grid import Grid
    from slumpmap.inventory.attributes import Layers
    from slumpmap.inventory.build import build_inventory
    from slumpmap.inventory.provenance import Provenance

    if (catalogue is None) != (year is None):
        raise click.UsageError("--catalogue and --year go together.")
    known = Provenance(_iterations(models, decisions), catalogue, year, growth)
    build_inventory(slumps, Grid.read(grid_file), Layers(**layers), settings, out, known)


def _iterations(models: tuple[str, ...], decisions: tuple[str, ...]) -> list[Any]:
    """What each iteration left, from the texts of options."""
    from slumpmap.inventory.provenance import Iteration

    bundles: dict[int, list[Path]] = {}
    files: dict[int, dict[str, Path]] = {}
    for text in models:
        number, _, path = text.partition("=")
        bundles.setdefault(_number("--model", number, text), []).append(Path(path))
    for text in decisions:
        said, _, path = text.partition("=")
        number, _, name = said.partition(":")
        files.setdefault(_number("--decisions", number, text), {})[name] = Path(path)
    return [Iteration(n, bundles.get(n, []), files.get(n, {})) for n in sorted(bundles.keys() | files.keys())]


def _number(option: str, number: str, text: str) -> int:
    if not number.isdigit() or "=" not in text:
        raise InputError(option, f"{text!r} names no iteration", "write it as --help says, such as 02=FOLDER")
    return int(number)


@click.command()
@click.option("--inventory", "file", type=FILE, required=True, help="the inventory")
@click.option("--resolution", type=float, required=True, help="pixel size of the images, metres")
@with_settings(ArtsSettings)
@click.option("--out", type=FILE, required=True, help="GeoPackage to make; GeoJSON is written beside it")
def arts(file: Path, resolution: float, settings: ArtsSettings, out: Path) -> None:
    """Write the inventory with the fields of ARTS, the circum-Arctic data set of thaw slumps."""
    from slumpmap.inventory.arts import export_arts

    export_arts(file, settings, resolution, out)


COMMANDS = (inventory, arts)
