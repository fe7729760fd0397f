"""Commands that ready the products for other programs: the QGIS project of a campaign, and its STAC catalogue."""

from __future__ import annotations

from pathlib import Path

import click

from slumpmap.cli.shared import FILE, grid_option

mosaics_option = click.option(
    "--mosaic", "mosaics", type=FILE, multiple=True, help="images of a year, in a folder named after it; for each year"
)
probability_option = click.option("--probability", type=FILE, help="folder of the last iteration's probability tiles")


@click.command("qgis-project")
@grid_option
@click.option("--title", required=True, help="what stands above the window")
@click.option(
    "--file", "files", type=FILE, multiple=True, help="GeoPackage or terrain raster, once for each; its name says what"
)
@mosaics_option
@click.option("--year", type=int, help="year whose images are shown first")
@probability_option
@click.option("--dem", type=FILE, help="digital elevation model, for the shaded relief")
@click.option("--out", type=FILE, required=True, help="project to make, .qgz")
def qgis_project(
    grid_file: Path,
    title: str,
    files: tuple[Path, ...],
    mosaics: tuple[Path, ...],
    year: int | None,
    probability: Path | None,
    dem: Path | None,
    out: Path,
) -> None:
    """Write a QGIS project that shows the products of a campaign, and the style of each raster beside it."""
    from slumpmap.exchange.project import Products, write_campaign_project
    from slumpmap.grid import Grid

    write_campaign_project(title, Grid.read(grid_file), Products(files, mosaics, year, probability, dem), out)


@click.command("stac")
@grid_option
@click.option("--campaign", required=True, help="name of the campaign, the id of the collection")
@click.option("--title", required=True, help="title of the collection")
@click.option("--catalogue", type=FILE, help="checked scene catalogue: the time that the images of a year show")
@click.option("--terrain", type=FILE, multiple=True, help="terrain raster; once for each")
@mosaics_option
@probability_option
@click.option("--year", type=int, help="year that was mapped")
@click.option("--file", "files", type=FILE, multiple=True, help="GeoPackage or GeoParquet of the collection")
@click.option("--out", type=FILE, required=True, help="folder to make")
def stac(
    grid_file: Path,
    campaign: str,
    title: str,
    catalogue: Path | None,
    terrain: tuple[Path, ...],
    mosaics: tuple[Path, ...],
    probability: Path | None,
    year: int | None,
    files: tuple[Path, ...],
    out: Path,
) -> None:
    """Write a STAC collection with an item for each raster, by relative links."""
    from slumpmap.exchange.stac import Rasters, write_stac
    from slumpmap.grid import Grid

    rasters = Rasters(terrain, mosaics, probability, year, catalogue)
    write_stac(campaign, title, Grid.read(grid_file), rasters, files, out)


COMMANDS = (qgis_project, stac)
