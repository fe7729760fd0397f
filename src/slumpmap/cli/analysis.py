"""Commands of the analysis: the landscape, an inventory against it, and the whole for another person's inventory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from slumpmap.cli.compare import door, reading
from slumpmap.cli.inventory import ground_options
from slumpmap.cli.shared import FILE, grid_option, out_option, seed_option
from slumpmap.grid import Grid
from slumpmap.options import with_settings
from slumpmap.settings.analysis import (
    ClusterSettings,
    JointSettings,
    LandscapeSettings,
    SelectionSettings,
    ThinningSettings,
)

Command = TypeVar("Command", bound=Callable[..., Any])

inventory_option = click.option("--inventory", type=FILE, required=True, help="inventory with attributes")
landscape_option = click.option("--landscape", type=FILE, required=True, help="folder that `study landscape` made")


@click.group()
def study() -> None:
    """An inventory with attributes against the landscape in which it lies."""


@study.command()
@grid_option
@ground_options
@with_settings(LandscapeSettings)
@seed_option
@click.option("--out", type=FILE, required=True, help="bins.csv to make; the other files are written beside it")
def landscape(grid_file: Path, settings: LandscapeSettings, seed: int, out: Path, **layers: Path | None) -> None:
    """Frequencies of elevation, slope, classes ... in the whole study area, and random points of it."""
    from slumpmap.inventory.attributes import Layers
    from slumpmap.inventory.landscape import write_landscape

    write_landscape(Grid.read(grid_file), Layers(**layers), settings, seed, out)


@study.command()
@grid_option
@inventory_option
@landscape_option
@with_settings(SelectionSettings)
@seed_option
@out_option
def selection(
    grid_file: Path, inventory: Path, landscape: Path, settings: SelectionSettings, seed: int, out: Path
) -> None:
    """Selection ratios of all classes, as CSV."""
    from slumpmap.inventory.study import selection_table, write_study_table

    write_study_table(selection_table, inventory, Grid.read(grid_file), landscape, seed, out, settings)


@study.command()
@grid_option
@inventory_option
@landscape_option
@with_settings(ThinningSettings)
@seed_option
@out_option
def tests(grid_file: Path, inventory: Path, landscape: Path, settings: ThinningSettings, seed: int, out: Path) -> None:
    """Kolmogorov-Smirnov and Watson U2 tests on thinned samples, as CSV."""
    from slumpmap.inventory.study import two_sample_table, write_study_table

    write_study_table(two_sample_table, inventory, Grid.read(grid_file), landscape, seed, out, settings)


@study.command()
@grid_option
@inventory_option
@landscape_option
@with_settings(JointSettings)
@seed_option
@click.option("--out", type=FILE, required=True, help="joint.json to make; the tables are written beside it")
def joint(grid_file: Path, inventory: Path, landscape: Path, settings: JointSettings, seed: int, out: Path) -> None:
    """Which factor holds after the others: logistic model and trees, judged on blocks that they have not seen."""
    from slumpmap.inventory.patterns import write_joint
    from slumpmap.inventory.study import read_study

    write_joint(read_study(inventory, Grid.read(grid_file)), landscape, settings, seed, out)


@study.command()
@grid_option
@inventory_option
@with_settings(ClusterSettings)
@seed_option
@click.option("--out", type=FILE, required=True, help="clustering.json to make; ripley.csv is written beside it")
def clustering(grid_file: Path, inventory: Path, settings: ClusterSettings, seed: int, out: Path) -> None:
    """Whether slumps lie in clusters: Ripley's L and distances to the nearest neighbour."""
    from slumpmap.inventory.patterns import write_clustering
    from slumpmap.inventory.study import read_study

    write_clustering(read_study(inventory, Grid.read(grid_file)), settings, seed, out)


@study.command()
@grid_option
@inventory_option
@landscape_option
@seed_option
@out_option
def sensitivity(grid_file: Path, inventory: Path, landscape: Path, seed: int, out: Path) -> None:
    """Statements with all slumps, without those of low probability, with those of high probability only, as CSV."""
    from slumpmap.inventory.patterns import sensitivity_table
    from slumpmap.inventory.study import write_study_table

    write_study_table(sensitivity_table, inventory, Grid.read(grid_file), landscape, seed, out)


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--inventory", type=FILE, required=True, help="another person's inventory: any vector file")
@click.option(
    "--layers", type=FILE, required=True, help="configuration with the grid and the layers; the rest is unused"
)
@door("", " of the inventory")
@click.option("--cores", default="all", show_default=True, help="cores for snakemake")
@click.argument("snakemake", nargs=-1, type=click.UNPROCESSED)
def analyse(inventory: Path, layers: Path, cores: str, snakemake: tuple[str, ...], **values: Any) -> None:
    """Put another person's inventory through the same analysis as the campaign's own.

    It takes grid and layers of the configuration; scenes, known slumps or a model are not needed. Results are in
    results/CAMPAIGN/analysis. Further options go to snakemake.
    """
    from slumpmap.analyse import analyse as run

    sys.exit(run(inventory, layers, reading(values, ""), cores, snakemake))


COMMANDS = (study, analyse)
