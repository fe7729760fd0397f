"""Commands that measure when slumps began and how they grow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from slumpmap.cli.shared import FILE, out_option
from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.options import with_settings
from slumpmap.settings.learning import InferenceSettings
from slumpmap.settings.review import GrowthSettings

if TYPE_CHECKING:
    from geopandas import GeoDataFrame
    from pandas import Series

    from slumpmap.learning.yearly import Campaign

Command = TypeVar("Command", bound=Callable[..., Any])


def campaign_options(function: Command) -> Command:
    """Decorates a command with the options that both kinds of yearly probabilities take."""
    options = [
        click.option("--grid", "grid_file", type=FILE, required=True, help="grid.json of the campaign"),
        click.option("--model", type=FILE, required=True, multiple=True, help="model bundle; several make an ensemble"),
        click.option("--imagery", required=True, multiple=True, help="YEAR=FOLDER of a year's tiles, for each year"),
        click.option("--mapping-year", type=int, required=True, help="year in which slumps are outlined"),
        click.option("--bands", default="red,green,blue", show_default=True, help="what the tiles' bands are"),
        click.option("--scaling", type=FILE, required=True, help="scaling.json of the campaign"),
        click.option("--margin-m", type=float, default=60.0, show_default=True, help="ground round a box, metres"),
        click.option("--threads", type=int, default=2, show_default=True, help="CPU threads of torch"),
        click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="where torch runs"),
        with_settings(InferenceSettings),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _campaign(
    grid_file: Path,
    model: tuple[Path, ...],
    imagery: tuple[str, ...],
    mapping_year: int,
    bands: str,
    scaling: Path,
    margin_m: float,
    threads: int,
    device: str,
    settings: InferenceSettings,
) -> Campaign:
    """What the options of `campaign_options` say."""
    from slumpmap.learning.yearly import Campaign

    grid, folders, names = Grid.read(grid_file), _folders(imagery), bands.split(",")
    return Campaign(grid, folders, mapping_year, model, scaling, settings, margin_m, names, threads, device)


@click.command()
@click.option("--candidates", type=FILE, required=True, help="candidates of the iteration; the new ones are done")
@click.option("--tiles", "tile_ids", required=True, help="tile ids, comma separated")
@campaign_options
@out_option
def yearly(candidates: Path, tile_ids: str, out: Path, **options: Any) -> None:
    """Write the probabilities of new candidates in the images of all years, one file a tile."""
    from slumpmap.learning.yearly import write_candidates

    write_candidates(_campaign(**options), candidates, tile_ids.split(","), out)


@click.command("yearly-slumps")
@click.option("--slumps", type=FILE, required=True, multiple=True, help="outlines of slumps")
@campaign_options
@out_option
def yearly_slumps(slumps: tuple[Path, ...], out: Path, **options: Any) -> None:
    """Write the probabilities of slumps in the images of all years, as one file."""
    from slumpmap.learning.yearly import write_slumps

    write_slumps(_campaign(**options), slumps, out)


def _folders(texts: Sequence[str]) -> dict[int, Path]:
    """Year -> folder, of YEAR=FOLDER."""
    found: dict[int, Path] = {}
    for text in texts:
        year, equals, folder = text.partition("=")
        if not year.isdigit() or not equals or not folder or int(year) in found:
            raise InputError("--imagery", f"{text!r} is no YEAR=FOLDER of another year", "see --help")
        found[int(year)] = Path(folder)
    return found


@click.command()
@click.option("--slumps", type=FILE, required=True, multiple=True, help="outlines of slumps that people confirmed")
@click.option("--yearly", "yearly_file", type=FILE, required=True, help="result of `slumpmap yearly-slumps`")
@click.option("--aspect", type=FILE, help="aspect of the DEM, degrees; without it only drawn headwalls give a retreat")
@with_settings(GrowthSettings)
@out_option
def growth(
    slumps: tuple[Path, ...], yearly_file: Path, aspect: Path | None, settings: GrowthSettings, out: Path
) -> None:
    """Measure when confirmed slumps began and how they grow, as GeoPackage and CSV."""
    from slumpmap.review.growth_table import write_growth

    write_growth(slumps, yearly_file, settings, out, None if aspect is None else partial(_uphill, aspect))


def _uphill(aspect: Path, layer: GeoDataFrame) -> Series:
    """Directions in which the ground under outlines rises, degrees clockwise from north."""
    from slumpmap.inventory.zonal import Layer, zonal_statistics

    directions: Series = zonal_statistics(layer.geometry, [Layer(aspect, "direction", what="aspect")])[0]["mean"]
    # Aspect looks down the slope.
    return (directions + 180.0) % 360.0


COMMANDS = (growth, yearly, yearly_slumps)
