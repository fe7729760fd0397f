"""Commands for those who inspect candidates in QGIS instead of on the page."""

from __future__ import annotations

from pathlib import Path

import click

from slumpmap.cli.shared import FILE
from slumpmap.config import Config, read_config

campaign_option = click.option("--campaign", type=FILE, required=True, help="campaign configuration")
iteration_option = click.option(
    "--iteration", type=click.IntRange(1, 99), required=True, help="number of the iteration"
)
reviewer_option = click.option("--reviewer", required=True, help="your name, as the configuration has it")


@click.command("review-export")
@campaign_option
@iteration_option
@reviewer_option
@click.option("--out", type=FILE, required=True, help="folder to make")
def review_export(campaign: Path, iteration: int, reviewer: str, out: Path) -> None:
    """Write a folder for QGIS: the candidates with forms, the images of all years, a project."""
    from slumpmap.review.qgis.desk import desk_of
    from slumpmap.review.qgis.export import export_review

    config = _told(read_config(campaign))
    made = export_review(desk_of(config, iteration, reviewer), out)
    click.echo(f"{made.rows} candidates, {made.open} of them open: {made.candidates}")
    click.echo(f"Open {made.project} in QGIS; README.txt beside it says what to do.")
    if made.missing:
        click.echo(f"There are no images of {', '.join(map(str, made.missing))}; they are left out.")


@click.command("review-import")
@campaign_option
@iteration_option
@reviewer_option
@click.option("--merge", is_flag=True, help="the decision file changed since: take what was edited, leave the rest")
@click.option("--dry-run", is_flag=True, help="say what would change, and change nothing")
@click.argument("file", type=FILE)
def review_import(campaign: Path, iteration: int, reviewer: str, merge: bool, dry_run: bool, file: Path) -> None:
    """Take the edited FILE back into the decisions, after checking all of it."""
    from slumpmap.review.qgis.bring_back import bring_back, summary
    from slumpmap.review.qgis.desk import desk_of

    config = _told(read_config(campaign))
    brought = bring_back(desk_of(config, iteration, reviewer), file, merge, dry_run)
    click.echo(summary(brought))
    if brought.saved is not None:
        click.echo(f"What was there is kept: {brought.saved}")
    if brought.written is not None:
        click.echo(f"Written: {brought.written}")
    else:
        click.echo("Nothing was written.")


def _told(config: Config) -> Config:
    """The campaign, after saying what people's decisions count in it."""
    if config.review.mode == "simulated":
        click.echo("In this campaign programs decide (review.mode: simulated); what you decide is kept, not counted.")
    return config


COMMANDS = (review_export, review_import)
