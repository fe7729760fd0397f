"""Commands of the static site: the ground under its map, the images of each slump, and the site itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from slumpmap import observed
from slumpmap.cli.shared import FILE, grid_option
from slumpmap.config import check_config, read_config
from slumpmap.errors import InputError


@click.command("site-ground")
@grid_option
@click.option("--dem", type=FILE, help="digital elevation model, for the shaded relief")
@click.option("--mosaic", type=FILE, help="8-bit images of the mapping year as one raster")
@click.option("--roads", type=FILE, help="roads and railways, lines")
@click.option("--streams", type=FILE, help="streams, lines")
@click.option("--longest", type=click.IntRange(16, 8192), default=3072, show_default=True, help="longer side, pixels")
@click.option("--out", type=FILE, required=True, help="folder to make")
def site_ground(
    grid_file: Path,
    dem: Path | None,
    mosaic: Path | None,
    roads: Path | None,
    streams: Path | None,
    longest: int,
    out: Path,
) -> None:
    """Render the relief and the images under the site's map, as pictures of bounded size."""
    from slumpmap.grid import Grid
    from slumpmap.site.ground import write_ground

    write_ground(Grid.read(grid_file), dem, mosaic, roads, streams, longest, out)


@click.command("site-sheets")
@grid_option
@click.option("--inventory", type=FILE, required=True, help="the inventory")
@click.option("--imagery", type=FILE, required=True, help="folder with the 8-bit tiles of each year")
@click.option("--years", required=True, help="years to show, comma separated")
@click.option("--side", type=click.IntRange(32, 1024), default=280, show_default=True, help="side of a year's picture")
@click.option("--out", type=FILE, required=True, help="folder to make")
def site_sheets(grid_file: Path, inventory: Path, imagery: Path, years: str, side: int, out: Path) -> None:
    """Render each slump's images of all years."""
    from slumpmap.grid import Grid
    from slumpmap.site.sheets import write_sheets

    listed = years.split(",")
    if not all(year.isdigit() for year in listed):
        raise InputError("--years", f"{years!r} lists no years", "write them as 2016,2017")
    write_sheets(inventory, Grid.read(grid_file), imagery, sorted(map(int, listed)), side, out)


@click.command("site")
@click.option("--config", "config_file", type=FILE, help="campaign configuration")
@click.option("--settings", help="the configuration as JSON instead, as the workflow gives it")
@click.option("--out", type=FILE, help="page to make; default: report/index.html in the campaign's results")
def site(config_file: Path | None, settings: str | None, out: Path | None) -> None:
    """Build the static site of a campaign from what it has made so far; it opens from disk in any browser.

    The relief and the images under its map, and the slumps' images, are made by `site-ground` and `site-sheets` into
    folders `ground` and `sheets` beside the page; snakemake does all three.
    """
    from slumpmap.site.build import build_site

    if (config_file is None) == (settings is None):
        raise click.UsageError("Give either --config or --settings.")
    if config_file is not None:
        config = read_config(config_file)
    else:
        config = check_config(_parsed(settings or ""), "--settings")
    observed.used({"config": config.model_dump(mode="json")})
    build_site(config, out or config.folder / "report" / "index.html")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError("--settings", f"not readable as JSON ({error})", "give a configuration as JSON") from error


COMMANDS = (site_ground, site_sheets, site)
