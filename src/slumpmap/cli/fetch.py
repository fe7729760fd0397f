"""Commands that bring data in: `fetch` goes onto the network, `catalogue` looks into a folder."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import click

from slumpmap.cli.shared import FILE, grid_option, out_option
from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.options import with_settings
from slumpmap.settings.download import ElevationSettings, SceneFetchSettings

list_option = click.option("--list", "only_list", is_flag=True, help="say what there is; order and download nothing")


@click.group()
def fetch() -> None:
    """Bring scenes and elevation models from providers; keys come from the environment."""


@fetch.command()
@grid_option
@click.option("--years", required=True, help="years to composite, comma separated")
@click.option("--months", default="7,8", show_default=True, help="months of acquisition, comma separated")
@click.option("--max-cloud", type=click.FloatRange(0, 1), default=0.3, show_default=True, help="largest cloud share")
@list_option
@with_settings(SceneFetchSettings)
@out_option
def scenes(
    grid_file: Path, years: str, months: str, max_cloud: float, only_list: bool, settings: SceneFetchSettings, out: Path
) -> None:
    """Bring the scenes of the years, and write their catalogue.

    They lie in a folder beside the catalogue, named after it and the provider.
    """
    from slumpmap.acquire.secrets import without_secrets
    from slumpmap.acquire.wanted import wanted
    from slumpmap.imagery.folder import catalogue_folder

    grid, folder = Grid.read(grid_file), out.with_name(f"{out.stem}_{settings.scenes}")
    wish = wanted(grid, _numbers("--years", years), _numbers("--months", months), max_cloud)
    with without_secrets():
        if settings.scenes == "planetscope":
            _needs("planet", "requests")
            from slumpmap.acquire.planetscope import fetch_planetscope

            orders = fetch_planetscope(wish, settings, folder, only_list)
            found = [f"{order.name}: {' '.join(order.ids)}" for order in orders]
            product = settings.bundle.removesuffix("_udm2")
        elif settings.scenes is not None:
            _needs("pystac_client", "requests")
            from slumpmap.acquire.multispectral import fetch_multispectral

            found = fetch_multispectral(settings.scenes, wish, grid, settings, folder, only_list)
            product = "scene"
        else:
            raise InputError("--scenes", "no provider is named", "take planetscope, sentinel-2 or landsat")
    if only_list:
        click.echo("\n".join(found))
        return
    click.echo(str(catalogue_folder(folder, out, product)), err=True)
    shutil.rmtree(folder.with_name(f"{folder.name}_parts"), ignore_errors=True)


@fetch.command()
@grid_option
@click.option(
    "--source", type=click.Choice(["copernicus", "nasadem"]), default="copernicus", show_default=True, help="whose"
)
@list_option
@with_settings(ElevationSettings)
@out_option
def dem(grid_file: Path, source: str, only_list: bool, settings: ElevationSettings, out: Path) -> None:
    """Bring the elevation model of the study area with a margin, in the grid's CRS."""
    _needs("pystac_client", "requests")
    from slumpmap.acquire.elevation import fetch_dem
    from slumpmap.acquire.secrets import without_secrets

    with without_secrets():
        found = fetch_dem(source, Grid.read(grid_file), settings, out, only_list)
    if only_list:
        click.echo("\n".join(found))


@click.command()
@click.argument("folder", type=FILE)
@click.option(
    "--product",
    type=click.Choice(["analytic_sr", "analytic_8b_sr", "analytic", "analytic_8b", "scene"]),
    default=None,
    help="which product, where the folder has several; scene: files without one of Planet's names",
)
@out_option
def catalogue(folder: Path, product: str | None, out: Path) -> None:
    """Write the scene catalogue of a local folder, such as what Planet delivers."""
    from slumpmap.imagery.folder import catalogue_folder

    click.echo(str(catalogue_folder(folder, out, product)))


def _numbers(name: str, text: str) -> list[int]:
    """Whole numbers, comma separated."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(name, f"{text!r} are no numbers", "give them comma separated, such as 2018,2019") from None


def _needs(*packages: str) -> None:
    """Says how to install what only `fetch` needs."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise InputError("fetch", f"{', '.join(missing)} is not installed", "run `pip install 'slumpmap[fetch]'`")


COMMANDS = (fetch, catalogue)
