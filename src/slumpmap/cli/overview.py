"""Commands of the figures and tables that a campaign's report opens with."""

from __future__ import annotations

from pathlib import Path

import click

from slumpmap.cli.shared import grid_option, note_option, out_option, path_option
from slumpmap.grid import Grid

outcomes_option = path_option("outcome", "outcome.json of an iteration; once for each, in order", multiple=True)
evaluation_option = path_option("evaluation", "result of `slumpmap evaluate`", required=False)
inventory_option = path_option("inventory", "the inventory")


@click.command("table2")
@outcomes_option
@evaluation_option
@out_option
def table2(outcome: tuple[Path, ...], evaluation: Path | None, out: Path) -> None:
    """Write Table 2 of the paper for this campaign, as CSV and Markdown."""
    from slumpmap.figures.tables import table2 as write_table

    write_table(outcome, out, out.with_suffix(".md"), evaluation)


@click.command("iterations-figure")
@outcomes_option
@evaluation_option
@note_option
@out_option
def iterations_figure(outcome: tuple[Path, ...], evaluation: Path | None, note: str, out: Path) -> None:
    """Draw what each iteration inspected and found, as PNG and PDF."""
    from slumpmap.figures.overview import iterations_figure as draw

    draw(outcome, evaluation, out, out.with_suffix(".pdf"), note)


@click.command("training-figure")
@path_option("history", "training_log.csv of a model bundle")
@note_option
@out_option
def training_figure(history: Path, note: str, out: Path) -> None:
    """Draw loss, learning rate and evaluations of a training."""
    from slumpmap.figures.curves import training_curves

    training_curves(history, out, note)


@click.command("reliability-figure")
@path_option("table", "reliability.csv of each iteration, in order", multiple=True)
@note_option
@out_option
def reliability_figure(table: tuple[Path, ...], note: str, out: Path) -> None:
    """Draw how far the probabilities can be believed."""
    from slumpmap.figures.curves import reliability_plot

    reliability_plot({f"iteration {number}": path for number, path in enumerate(table, 1)}, out, note)


@click.command("contact-sheet")
@grid_option
@inventory_option
@path_option("imagery", "folder with one folder of tiles a year")
@click.option("--years", required=True, help="years to show, comma separated")
@click.option("--mapping-year", type=int, required=True, help="year that gets the outline")
@note_option
@out_option
def contact_sheet(
    grid_file: Path, inventory: Path, imagery: Path, years: str, mapping_year: int, note: str, out: Path
) -> None:
    """Draw slumps through the years."""
    from slumpmap.figures.sheets import contact_sheet as draw

    shown = [int(year) for year in years.split(",")]
    draw(inventory, Grid.read(grid_file), imagery, shown, out, mapping_year, note=note)


@click.command("summary")
@click.option("--campaign", required=True, help="name of the campaign")
@click.option("--synthetic", is_flag=True, help="the campaign's data are synthetic")
@outcomes_option
@evaluation_option
@inventory_option
@path_option("benchmarks", "folder of Snakemake benchmark files")
@out_option
def summary(
    campaign: str,
    synthetic: bool,
    outcome: tuple[Path, ...],
    evaluation: Path | None,
    inventory: Path,
    benchmarks: Path,
    out: Path,
) -> None:
    """Write the figures of the run for machines, and print them for people."""
    from slumpmap.figures.summary import write_summary

    write_summary(outcome, evaluation, benchmarks, inventory, out, campaign, synthetic)


COMMANDS = (
    table2,
    iterations_figure,
    training_figure,
    reliability_figure,
    contact_sheet,
    summary,
)
