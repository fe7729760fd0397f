"""Commands of what goes in: the synthetic corridor, the grid, checked layers, labels of iteration 1."""

from __future__ import annotations

from pathlib import Path

import click

from slumpmap.cli.shared import grid_option, out_option, path_option, seed_option
from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.options import with_settings
from slumpmap.settings.inputs import GridSettings


@click.command("demo-data")
@click.option(
    "--size",
    type=click.Choice(["tiny", "demo", "large"]),
    default="demo",
    show_default=True,
    help="size of the corridor",
)
@seed_option
@click.option("--area-km2", type=float, default=None, help="area of a `large` corridor, km2")
@click.option("--years", default="2016,2017,2018,2019,2020", show_default=True, help="years of the scenes")
@click.option("--processes", type=int, default=2, show_default=True, help="scenes rendered at a time")
@click.option("--as-user", is_flag=True, help="as files that a user would have, for `slumpmap new`")
@out_option
def demo_data(
    size: str, seed: int, area_km2: float | None, years: str, processes: int, as_user: bool, out: Path
) -> None:
    """Make the synthetic corridor: scenes, DEM, layers, known slumps and the truth."""
    from slumpmap.demo import make_corridor, make_delivery

    numbers = [int(year) for year in years.split(",")]
    if as_user:
        if area_km2 is not None:
            raise InputError("--area-km2", "does not go with --as-user", "take --size tiny or demo")
        make_delivery(out, size, seed, numbers, processes)
    else:
        make_corridor(out, size, seed, area_km2, numbers, processes)


@click.command("grid")
@with_settings(GridSettings)
@out_option
def grid(settings: GridSettings, out: Path) -> None:
    """Write the tile grid of a study area."""
    from slumpmap.config import grid_of
    from slumpmap.files import write_text

    write_text(out, grid_of(settings).to_json())


@click.command("consensus")
@path_option("votes", "raster: number of experts who outlined each pixel")
@click.option("--crs", required=True, help="CRS of the grid")
@click.option("--at-least", type=int, default=6, show_default=True, help="votes from which a pixel counts")
@click.option("--training", required=True, help="west,south,east,north of the training part")
@click.option("--evaluation", required=True, help="west,south,east,north of the held-out part")
@out_option
def consensus(votes: Path, crs: str, at_least: int, training: str, evaluation: str, out: Path) -> None:
    """Write outlines from the votes of several experts, split for training and evaluation."""
    from slumpmap.consensus import make_consensus
    from slumpmap.options import validated
    from slumpmap.settings.inputs import ConsensusSettings

    texts: dict[str, str | None] = {
        "votes": str(votes),
        "at_least": str(at_least),
        "training": training,
        "evaluation": evaluation,
    }
    make_consensus(votes, validated(ConsensusSettings, texts), crs, out)


@click.command("check-layers")
@grid_option
@path_option("dem", "digital elevation model", required=False)
@path_option("roads", "roads and railways", required=False)
@path_option("vegetation", "raster of vegetation classes", required=False)
@path_option("vegetation-legend", "its legend", required=False)
@path_option("soil", "raster of soil classes", required=False)
@path_option("soil-legend", "its legend", required=False)
@out_option
def check_layers(grid_file: Path, out: Path, **layers: Path | None) -> None:
    """Check the layers that describe the ground, and say which there are."""
    from slumpmap.files import write_json
    from slumpmap.intake import check_layers as check

    check(Grid.read(grid_file), **layers)
    write_json(out, {name: str(path) for name, path in layers.items() if path is not None})


@click.command("intake")
@grid_option
@path_option("positives", "outlines of known slumps")
@path_option("negatives", "outlines of look-alikes", required=False)
@path_option("truth", "true outlines", required=False)
@path_option("training-area", "polygon outside of which nothing is used for training", required=False)
@path_option("evaluation-area", "polygon in which the evaluation counts", required=False)
@out_option
def intake(grid_file: Path, positives: Path, negatives: Path | None, out: Path, **layers: Path | None) -> None:
    """Check the user's outlines and write the labels of iteration 1."""
    from slumpmap.intake import check_layers
    from slumpmap.labels import first_labels

    campaign_grid = Grid.read(grid_file)
    check_layers(campaign_grid, **layers)
    first_labels(positives, negatives, campaign_grid, out)


COMMANDS = (
    demo_data,
    grid,
    consensus,
    check_layers,
    intake,
)
