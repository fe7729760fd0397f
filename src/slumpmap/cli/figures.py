"""Commands of the analysis' tables and figures."""

from __future__ import annotations

from pathlib import Path

import click

from slumpmap.cli.inventory import ground_options
from slumpmap.cli.shared import FILE, grid_option, note_option
from slumpmap.grid import Grid

inventory_option = click.option("--inventory", type=FILE, required=True, help="inventory with attributes")
folder_option = click.option("--out", type=FILE, required=True, help="folder of the study")


@click.group()
def figures() -> None:
    """Tables and figures of an inventory's results, each figure as PDF and PNG."""


@figures.command()
@grid_option
@ground_options
@click.option("--catalogue", type=FILE, help="checked scene catalogue")
@click.option("--mapping-year", type=int, help="year in which slumps are outlined")
@click.option("--outlines", type=FILE, help="known slumps")
@click.option("--negatives", type=FILE, help="known look-alikes")
@note_option
@click.option("--out", type=FILE, required=True, help="CSV to make; Markdown is written beside it")
def table1(
    grid_file: Path,
    catalogue: Path | None,
    mapping_year: int | None,
    outlines: Path | None,
    negatives: Path | None,
    note: str,
    out: Path,
    **layers: Path | None,
) -> None:
    """Table 1: the data used."""
    from slumpmap.figures.inputs_table import Inputs
    from slumpmap.figures.inputs_table import table1 as write
    from slumpmap.inventory.attributes import Layers

    inputs = Inputs(Layers(**layers), catalogue, mapping_year, outlines, negatives)
    write(inputs, Grid.read(grid_file), out, note)


@figures.command()
@grid_option
@inventory_option
@click.option("--dem", type=FILE, help="digital elevation model, metres")
@click.option("--roads", type=FILE, help="roads and railways, lines")
@note_option
@folder_option
def maps(grid_file: Path, inventory: Path, dem: Path | None, roads: Path | None, note: str, out: Path) -> None:
    """Fig. 1, 5 and 7 and the cells of 10 and 25 km."""
    from slumpmap.figures.study import map_figures

    map_figures(inventory, Grid.read(grid_file), dem, roads, out, note)


@figures.command()
@grid_option
@inventory_option
@note_option
@folder_option
def statistics(grid_file: Path, inventory: Path, note: str, out: Path) -> None:
    """Fig. 6, selection ratios, dependence and clusters, of the tables in the study's folder."""
    from slumpmap.figures.study import statistics_figures

    statistics_figures(inventory, Grid.read(grid_file), out, note)


@figures.command()
@grid_option
@inventory_option
@click.option("--imagery", type=FILE, required=True, help="folder with one folder of tiles a year")
@click.option("--years", required=True, help="years to show, comma separated")
@click.option("--mapping-year", type=int, required=True, help="year in which slumps are outlined")
@click.option("--slump", help="id of the slump; without it the one that shows most")
@note_option
@click.option("--out", type=FILE, required=True, help=".png to make; a .pdf is written beside it")
def example(
    grid_file: Path,
    inventory: Path,
    imagery: Path,
    years: str,
    mapping_year: int,
    slump: str | None,
    note: str,
    out: Path,
) -> None:
    """Fig. 3: one slump year by year, with the criteria."""
    from slumpmap.figures.example import example_sheet
    from slumpmap.figures.study import read_slumps
    from slumpmap.figures.style import journal_style, save

    grid = Grid.read(grid_file)
    shown = [int(year) for year in years.split(",")]
    with journal_style():
        figure = example_sheet(read_slumps(inventory, grid), grid, imagery, shown, mapping_year, slump, note)
        save(figure, out, out.with_suffix(".pdf"))


COMMANDS = (figures,)
