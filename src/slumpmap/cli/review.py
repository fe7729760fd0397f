"""Commands round the review of candidates, beside those that the workflow's rules call."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from slumpmap.cli.shared import FILE, grid_option
from slumpmap.config import Config, read_config
from slumpmap.errors import InputError
from slumpmap.options import with_settings
from slumpmap.settings.imagery import DatedImage
from slumpmap.settings.review import ChipSettings


@click.command("chips")
@grid_option
@click.option("--candidates", type=FILE, required=True, help="candidates of the iteration")
@click.option("--known", type=FILE, required=True, help="slumps confirmed before")
@click.option("--rejected", type=FILE, help="places rejected before")
@click.option("--imagery", type=FILE, required=True, help="folder with a folder of 8-bit tiles for each year")
@click.option("--years", required=True, help="years to show, comma separated")
@click.option("--mapping-year", type=int, required=True, help="year in which slumps are mapped")
@click.option("--catalogue", type=FILE, required=True, help="checked catalogue of scenes, for the dates")
@click.option("--dem", type=FILE, help="elevation model, for relief and uphill direction")
@click.option("--image", "images", multiple=True, metavar="JSON", help="further dated image: name, path, date, bands")
@click.option("--tiles", "tile_ids", required=True, help="tile ids, comma separated")
@with_settings(ChipSettings)
@click.option("--out", type=FILE, required=True, help="folder of the packs")
def chips(
    grid_file: Path,
    candidates: Path,
    known: Path,
    rejected: Path | None,
    imagery: Path,
    years: str,
    mapping_year: int,
    catalogue: Path,
    dem: Path | None,
    images: tuple[str, ...],
    tile_ids: str,
    settings: ChipSettings,
    out: Path,
) -> None:
    """Render the time-lapse pictures of the new candidates, one pack a tile."""
    from slumpmap.grid import Grid
    from slumpmap.review.chips import Sources, make_chips

    folders = {int(year): imagery / year for year in years.split(",")}
    dated = [DatedImage.model_validate_json(text) for text in images]
    sources = Sources(Grid.read(grid_file), folders, mapping_year, catalogue, dem, dated)
    make_chips(candidates, known, rejected, sources, settings, tile_ids.split(","), out)


@click.command("timelapse")
@click.option("--chips", "packs", type=FILE, required=True, help="folder of the packs of pictures")
@click.option("--queue", type=FILE, required=True, help="candidates to inspect, ranked")
@click.option("--files", required=True, help="webp, gif, sheets; comma separated")
@click.option("--out", type=FILE, required=True, help="folder to make")
def timelapse(packs: Path, queue: Path, files: str, out: Path) -> None:
    """Write animations and contact sheets of the candidates."""
    from slumpmap.options import validated
    from slumpmap.review.timelapse import make_files

    make_files(packs, queue, validated(ChipSettings, {"files": files}).files, out)


@click.command("review")
@click.option("--campaign", type=FILE, required=True, help="campaign configuration")
@click.option("--iteration", type=click.IntRange(1), help="iteration; default: the last that has candidates")
@click.option("--reviewer", required=True, help="your name, as the configuration has it")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="port of 127.0.0.1; default: any free one")
@click.option("--browser/--no-browser", default=True, show_default=True, help="open the page")
def review(campaign: Path, iteration: int | None, reviewer: str, port: int, browser: bool) -> None:
    """Inspect the candidates of an iteration on a page in the browser; everything is saved at once."""
    from slumpmap.review.handing import hand_in, take_in
    from slumpmap.review.room import Room
    from slumpmap.review.server import serve

    config = read_config(campaign)
    number = _last_iteration(config) if iteration is None else iteration
    if config.review.mode == "simulated":
        click.echo("In this campaign programs decide (review.mode: simulated); what you decide is kept, not counted.")

    def announce(address: str) -> None:
        click.echo(f"Iteration {number:02d}, {reviewer}: {address}")
        click.echo("Keep the address to yourself. Ctrl-C ends the review; every decision is saved already.")
        if browser:
            webbrowser.open(address)

    with Room(config, number, reviewer) as room:
        taken = take_in(room)
        if taken:
            click.echo(f"{taken} decisions were taken over from {room.decision_file}.")
        serve(room, port, announce)
        counts = hand_in(room)
    click.echo(
        f"Handed in to {counts['file']}: {counts['decided']} decided, {counts['unsure']} unsure, {counts['open']} open."
    )


def _last_iteration(config: Config) -> int:
    """The last iteration that has candidates to inspect."""
    queues = sorted(config.folder.glob("iterations/*/review/queue.gpkg"))
    if not queues:
        raise InputError(config.folder, "no iteration has candidates to inspect yet", "run snakemake first")
    return int(queues[-1].parent.parent.name)


@click.command()
@click.option("--candidates", type=FILE, help="candidates of the iteration")
@click.option(
    "--reviewer", "reviewers", multiple=True, help="NAME=FILE: a reviewer and the decision file; twice or more"
)
@click.option("--campaign", type=FILE, help="campaign configuration, instead of candidates and reviewers")
@click.option("--iteration", type=click.IntRange(1), help="iteration of the campaign")
@click.option("--outlines", is_flag=True, help="FILES are outlines of the same ground by several people")
@click.option("--area", "crs", help="CRS in which outlines are compared, in metres; default: that of the first file")
@click.option("--at-least", type=int, help="people who make a majority; default: half of them")
@click.option("--mmu-ha", type=float, default=0.05, show_default=True, help="smallest polygon of a majority, ha")
@click.option("--resolution", type=float, help="side of the pixels for kappa and alpha of outlines, metres")
@click.option("--within", type=FILE, help="ground that all looked at, for the pixels; default: box round all outlines")
@click.option("--out", type=FILE, help="folder for agreement.json and agreement.csv")
@click.argument("files", nargs=-1, type=FILE)
def agreement(
    candidates: Path | None,
    reviewers: tuple[str, ...],
    campaign: Path | None,
    iteration: int | None,
    outlines: bool,
    crs: str | None,
    at_least: int | None,
    mmu_ha: float,
    resolution: float | None,
    within: Path | None,
    out: Path | None,
    files: tuple[Path, ...],
) -> None:
    """Say how far people agree: on candidates, in a campaign, or (--outlines FILES) who outlined the same ground."""
    ways = [bool(candidates or reviewers), bool(campaign or iteration), outlines]
    if sum(ways) != 1 or (files and not outlines):
        raise click.UsageError(
            "Give --candidates with --reviewer NAME=FILE, or --campaign with --iteration, or --outlines with FILES."
        )
    if outlines:
        _outline_agreement(files, crs, at_least, mmu_ha, resolution, within, out)
        return
    from slumpmap.review.agreement import agreement_of_files, agreement_text, write_agreement

    if campaign or iteration:
        candidates, decisions = _campaign_files(campaign, iteration)
    else:
        decisions = dict(_named_file(text) for text in reviewers)
    if candidates is None:
        raise click.UsageError("--candidates is missing.")
    found = agreement_of_files(candidates, decisions)
    click.echo(agreement_text(found))
    if out is not None:
        write_agreement(found, out)


def _named_file(text: str) -> tuple[str, Path]:
    """A reviewer's name and file from NAME=FILE."""
    name, _, file = text.partition("=")
    if not name or not file:
        raise InputError("--reviewer", f"{text!r} is no NAME=FILE", "write it as anna=decisions/01/anna.gpkg")
    return name, Path(file)


def _campaign_files(config: Path | None, iteration: int | None) -> tuple[Path, dict[str, Path]]:
    """Candidates and decision files of an iteration of a campaign; reviewers without a file are left out, aloud."""
    if config is None or iteration is None:
        raise click.UsageError("--campaign and --iteration go together.")
    campaign = read_config(config)
    folder = campaign.folder / "iterations" / f"{iteration:02d}"
    simulated = campaign.review.mode == "simulated"
    place = folder / "simulated_decisions" if simulated else campaign.review.decisions / f"{iteration:02d}"
    files = {name: place / f"{name}.gpkg" for name in campaign.review.reviewers}
    for name, file in files.items():
        if not file.exists():
            click.echo(f"{name} has no decision file yet ({file})", err=True)
    return folder / "candidates" / "candidates.gpkg", {name: file for name, file in files.items() if file.exists()}


def _outline_agreement(
    files: tuple[Path, ...],
    crs: str | None,
    at_least: int | None,
    mmu_ha: float,
    resolution: float | None,
    within: Path | None,
    out: Path | None,
) -> None:
    from slumpmap.review.outlines import markdown, outline_agreement, read_outlines, write_outline_agreement
    from slumpmap.vector import read_layer

    layers = read_outlines(files, crs)
    ground = None
    if within is not None:
        ground = read_layer(within, "ground", str(next(iter(layers.values())).crs)).union_all()
    found = outline_agreement(layers, at_least, mmu_ha, resolution, ground)
    click.echo(markdown(found), nl=False)
    if out is not None:
        write_outline_agreement(found, out)


@click.command()
@click.option("--outcome", "outcomes", type=FILE, multiple=True, required=True, help="outcome.json of each iteration")
@click.option("--unseen", type=int, nargs=3, help="slumps found by a cross-validation, of how many, and its iteration")
@click.option("--evaluation", type=FILE, help="evaluation.json, where there is a truth to draw beside the estimates")
@click.option("--note", default="", help="what to say behind the title of the figure")
@click.option("--out", type=FILE, required=True, help="figure, .png; .pdf, .json and .md are written beside it")
def missing(
    outcomes: tuple[Path, ...], unseen: tuple[int, int, int] | None, evaluation: Path | None, note: str, out: Path
) -> None:
    """Estimate how many slumps are still missing, and say whether to go on."""
    from slumpmap.figures.missing import write_missing
    from slumpmap.review.missing import Unseen

    write_missing(outcomes, Unseen(*unseen) if unseen else None, evaluation, out, note)


@click.command()
@click.argument("first", type=FILE)
@click.argument("second", type=FILE)
@click.option(
    "--min-iou", type=float, default=0.0, show_default=True, help="two outlines show one slump if IoU is larger"
)
@click.option("--area", "crs", help="CRS in which outlines are compared, in metres; default: that of the first file")
def recapture(first: Path, second: Path, min_iou: float, crs: str | None) -> None:
    """Estimate all slumps from two independent maps of the same ground (Chapman 1951)."""
    from slumpmap.review.outlines import read_outlines, recapture_of_outlines

    one, other = (layer.geometry.to_numpy() for layer in read_outlines((first, second), crs).values())
    found = recapture_of_outlines(one, other, min_iou)
    click.echo(f"first map {found.first} slumps, second {found.second}, both {found.both}, seen {found.seen}")
    click.echo(f"missed by both: {found.in_words()}")
    click.echo("This errs on the low side: what is easy to see for one is easy for all. It takes two maps of the same")
    click.echo("ground that were made without knowledge of each other, and nothing in them that is no slump.")


COMMANDS = (agreement, chips, missing, recapture, review, timelapse)
