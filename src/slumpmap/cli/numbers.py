"""Commands of the numbers: those that a results section quotes, in words, and beside the published ones."""

from __future__ import annotations

from pathlib import Path

import click

from slumpmap.cli.shared import FILE, grid_option
from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.options import with_settings
from slumpmap.settings.analysis import InventorySettings

summary_option = click.option("--summary", type=FILE, required=True, help="summary.json that `numbers` made")


@click.command()
@grid_option
@click.option("--inventory", type=FILE, required=True, help="inventory with attributes")
@click.option("--landscape", type=FILE, required=True, help="folder that `study landscape` made")
@click.option("--cells", multiple=True, help="KM=FILE: layer of square cells of that side")
@click.option("--zones", type=FILE, help="polygons with the column `name`, in which slumps are counted")
@click.option("--campaign", required=True, help="its name")
@click.option("--study", type=click.Choice(["own", "given"]), default="own", show_default=True, help="whose inventory")
@click.option("--synthetic", is_flag=True, help="say that the data are synthetic")
@with_settings(InventorySettings)
@click.option("--out", type=FILE, required=True, help="JSON to make")
def numbers(
    grid_file: Path,
    inventory: Path,
    landscape: Path,
    cells: tuple[str, ...],
    zones: Path | None,
    campaign: str,
    study: str,
    synthetic: bool,
    settings: InventorySettings,
    out: Path,
) -> None:
    """Write the numbers of a results section: each with unit, what it rests on, or why there is none."""
    from slumpmap.figures.numbers import write_numbers

    about = {"campaign": campaign, "study": study, "synthetic": synthetic}
    write_numbers(inventory, Grid.read(grid_file), landscape, settings, out, about, _cells(cells), zones)


def _cells(texts: tuple[str, ...]) -> dict[int, Path]:
    """Files by side, km."""
    files = {}
    for text in texts:
        side, equals, file = text.partition("=")
        if not side.isdigit() or not equals:
            raise InputError("--cells", f"{text!r} names no side in km", "write it as 10=cells_10km.gpkg")
        files[int(side)] = Path(file)
    return files


@click.command()
@summary_option
@click.option("--tables", type=FILE, help="folder with selection.csv, tests.csv, joint.json, ... of the same study")
@click.option("--published", type=FILE, help="published.csv of the same study")
@click.option("--out", type=FILE, required=True, help="Markdown to make")
def results(summary: Path, tables: Path | None, published: Path | None, out: Path) -> None:
    """Write the results section in words and tables."""
    from slumpmap.figures.results import write_results

    write_results(summary, tables, published, out)


@click.command()
@summary_option
@click.option("--out", type=FILE, required=True, help="CSV to make; Markdown is written beside it")
def published(summary: Path, out: Path) -> None:
    """Set the numbers of Xia et al. (2022) beside those of an inventory."""
    from slumpmap.figures.published import write_published

    write_published(summary, out)


COMMANDS = (numbers, results, published)
