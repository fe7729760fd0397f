"""Command line: one thin subcommand a rule, and the commands that people use beside the workflow.

Each command imports its room when it runs, so that `slumpmap --help` and the light steps do not wait for torch.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from slumpmap import (
    __version__,
    cli_analysis,
    cli_cluster,
    cli_compare,
    cli_doctor,
    cli_exchange,
    cli_fetch,
    cli_figures,
    cli_growth,
    cli_inventory,
    cli_numbers,
    cli_plan,
    cli_provenance,
    cli_qgis,
    cli_ranking,
    cli_review,
    cli_site,
    cli_terrain,
)
from slumpmap.config import (
    BoundarySettings,
    CandidateSettings,
    CompositeSettings,
    ExpertSettings,
    GridSettings,
    InferenceSettings,
    IterationSettings,
    LayerSettings,
    LedgerSettings,
    ScalingSettings,
    TrainingSettings,
    WindowSettings,
    read_config,
)
from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.options import with_settings
from slumpmap.sidecar.command import RecordedGroup, record

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)
grid_option = click.option("--grid", "grid_file", type=FILE, required=True, help="grid.json of the campaign")
out_option = click.option("--out", type=FILE, required=True, help="file or folder to make")
tiles_option = click.option("--tiles", "tile_ids", required=True, help="tile ids, comma separated")
seed_option = click.option("--seed", type=int, default=1, show_default=True, help="seed of random choices")
threads_option = click.option("--threads", type=int, default=2, show_default=True, help="CPU threads of torch")
bands_option = click.option("--bands", default="red,green,blue", show_default=True, help="what the tiles' bands are")
device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="where torch runs"
)


def path_option(name: str, text: str, required: bool = True, multiple: bool = False) -> Callable[[Command], Command]:
    """A click option that takes a path."""
    return click.option(f"--{name}", type=FILE, required=required, multiple=multiple, help=text)


@click.group(cls=RecordedGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="slumpmap")
def app() -> None:
    """Map retrogressive thaw slumps iteratively, from satellite scenes to a reviewed inventory."""


@app.command("demo-data")
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
@out_option
def demo_data(size: str, seed: int, area_km2: float | None, years: str, processes: int, out: Path) -> None:
    """Make the synthetic corridor: scenes, DEM, layers, known slumps and the truth."""
    from slumpmap.demo import make_corridor

    make_corridor(out, size, seed, area_km2, [int(year) for year in years.split(",")], processes)


@app.command("grid")
@with_settings(GridSettings)
@out_option
def grid(settings: GridSettings, out: Path) -> None:
    """Write the tile grid of a study area."""
    from slumpmap.config import grid_of
    from slumpmap.files import write_text

    write_text(out, grid_of(settings).to_json())


@app.command("consensus")
@path_option("votes", "raster: number of experts who outlined each pixel")
@click.option("--crs", required=True, help="CRS of the grid")
@click.option("--at-least", type=int, default=6, show_default=True, help="votes from which a pixel counts")
@click.option("--training", required=True, help="west,south,east,north of the training part")
@click.option("--evaluation", required=True, help="west,south,east,north of the held-out part")
@out_option
def consensus(votes: Path, crs: str, at_least: int, training: str, evaluation: str, out: Path) -> None:
    """Write outlines from the votes of several experts, split for training and evaluation."""
    from slumpmap.config import ConsensusSettings
    from slumpmap.consensus import make_consensus
    from slumpmap.options import validated

    texts: dict[str, str | None] = {
        "votes": str(votes),
        "at_least": str(at_least),
        "training": training,
        "evaluation": evaluation,
    }
    make_consensus(votes, validated(ConsensusSettings, texts), crs, out)


@app.command("check-layers")
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


@app.command("intake")
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


@app.command("check-scenes")
@grid_option
@path_option("scenes", "scene catalogue, folder of scenes, or one scene")
@click.option("--years", required=True, help="years to composite, comma separated")
@with_settings(CompositeSettings)
@out_option
def check_scenes(grid_file: Path, scenes: Path, years: str, settings: CompositeSettings, out: Path) -> None:
    """Check every scene and say which of them make the image of each year."""
    from slumpmap.imagery.catalogue import make_catalogue

    make_catalogue(scenes, Grid.read(grid_file), settings, [int(year) for year in years.split(",")], out)


@app.command("scaling")
@grid_option
@path_option("catalogue", "checked scene catalogue")
@click.option("--bands", required=True, help="band numbers of red, green, blue, and near infrared if it is read")
@with_settings(ScalingSettings)
@out_option
def scaling(grid_file: Path, catalogue: Path, bands: str, settings: ScalingSettings, out: Path) -> None:
    """Write the campaign's linear transformation to 8 bit."""
    from slumpmap.imagery.scaling import make_scaling

    make_scaling(catalogue, Grid.read(grid_file), settings, [int(band) for band in bands.split(",")], out)


@app.command("tiles")
@grid_option
@path_option("catalogue", "checked scene catalogue")
@path_option("scaling", "scaling.json of the campaign")
@click.option("--year", type=int, required=True, help="year to composite")
@tiles_option
@with_settings(CompositeSettings)
@out_option
def tiles(
    grid_file: Path, catalogue: Path, scaling: Path, year: int, tile_ids: str, settings: CompositeSettings, out: Path
) -> None:
    """Composite scenes to 8-bit tiles."""
    from slumpmap.imagery.composite import make_tiles

    make_tiles(catalogue, scaling, Grid.read(grid_file), year, settings, out, tile_ids.split(","))


@app.command("mosaic")
@grid_option
@path_option("folder", "folder of the 8-bit tiles of a year")
@bands_option
@out_option
def mosaic(grid_file: Path, folder: Path, bands: str, out: Path) -> None:
    """Write a VRT that shows the tiles of a year as one image."""
    from slumpmap.raster import RGB_NODATA, write_mosaic

    write_mosaic(Grid.read(grid_file), folder, len(bands.split(",")), RGB_NODATA, out)


@app.command("layers")
@grid_option
@path_option("imagery", "folder of the year's 8-bit tiles")
@path_option("catalogue", "checked scene catalogue")
@path_option("scaling", "scaling.json of the campaign")
@path_option("slope", "slope of the DEM, degrees", required=False)
@path_option("aspect", "aspect of the DEM, degrees", required=False)
@click.option("--year", type=int, required=True, help="year of the tiles")
@tiles_option
@with_settings(LayerSettings)
@out_option
def layers(
    grid_file: Path,
    imagery: Path,
    catalogue: Path,
    scaling: Path,
    slope: Path | None,
    aspect: Path | None,
    year: int,
    tile_ids: str,
    settings: LayerSettings,
    out: Path,
) -> None:
    """Add further layers to the 8-bit tiles, as input of the network."""
    from slumpmap.terrain.layers import make_layers

    grid = Grid.read(grid_file)
    make_layers(imagery, catalogue, scaling, grid, year, settings, out, tile_ids.split(","), slope, aspect)


@app.command("labels")
@path_option("positives", "labels of the iteration that ended")
@path_option("negatives", "labels of the iteration that ended")
@path_option("accepted", "slumps found in it")
@path_option("rejected", "places rejected so far")
@with_settings(IterationSettings)
@out_option
def labels(
    positives: Path, negatives: Path, accepted: Path, rejected: Path, settings: IterationSettings, out: Path
) -> None:
    """Write the labels of the next iteration."""
    from slumpmap.labels import next_labels

    next_labels(positives, negatives, accepted, rejected, settings, out)


@app.command("windows")
@grid_option
@path_option("positives", "known slumps")
@path_option("negatives", "known look-alikes")
@path_option("imagery", "folder of the mapping year's tiles")
@bands_option
@seed_option
@path_option("area", "polygon outside of which nothing is used", required=False)
@click.option("--fold", help="part kept for testing in a cross-validation, such as 2/5")
@path_option("out-area", "where the part for testing lies", required=False)
@path_option("out-pixels", "windows' pixels, .npy")
@with_settings(WindowSettings)
@out_option
def windows(
    grid_file: Path,
    positives: Path,
    negatives: Path,
    imagery: Path,
    bands: str,
    seed: int,
    area: Path | None,
    fold: str | None,
    out_area: Path | None,
    out_pixels: Path,
    settings: WindowSettings,
    out: Path,
) -> None:
    """Cut the training windows."""
    from slumpmap.learning.windows import Fold, make_windows, write_test_area

    part = None if fold is None else Fold(*map(int, fold.split("/")))
    grid = Grid.read(grid_file)
    count = len(bands.split(","))
    make_windows(positives, negatives, imagery, grid, settings, seed, out, out_pixels, area, count, part)
    if out_area is not None:
        write_test_area(out, out_area)


@app.command("train")
@grid_option
@path_option("windows", "index of the training windows")
@path_option("pixels", "pixels of the training windows")
@bands_option
@path_option("scaling", "scaling.json of the campaign")
@path_option("start", "bundle whose weights to start from", required=False)
@click.option("--steps", type=int, required=True, help="training steps")
@seed_option
@threads_option
@device_option
@with_settings(TrainingSettings)
@out_option
def train(
    grid_file: Path,
    windows: Path,
    pixels: Path,
    bands: str,
    scaling: Path,
    start: Path | None,
    steps: int,
    seed: int,
    threads: int,
    device: str,
    settings: TrainingSettings,
    out: Path,
) -> None:
    """Train the network and write a model bundle; resumes from its last checkpoint. Uses all GPUs that it sees."""
    from slumpmap.learning.team import spread
    from slumpmap.learning.training import train as train_model

    code = spread(sys.argv[1:], device)
    if code is not None:
        sys.exit(code)
    resolution = Grid.read(grid_file).resolution
    names = bands.split(",")
    train_model(windows, pixels, out, settings, steps, seed, resolution, scaling, start, threads, device, names)


@app.command("model-card")
@click.argument("bundle", type=FILE)
def model_card(bundle: Path) -> None:
    """Print what a model bundle is, on what it was trained, and how good it was."""
    from slumpmap.learning.bundle import describe, read_card

    click.echo(describe(read_card(bundle)))


@app.command("infer")
@grid_option
@path_option("model", "model bundle; several make an ensemble", multiple=True)
@path_option("imagery", "folder of the mapping year's tiles")
@bands_option
@path_option("scaling", "scaling.json of the campaign")
@path_option("within", "polygons outside of which nothing is mapped", required=False)
@tiles_option
@threads_option
@device_option
@with_settings(InferenceSettings)
@out_option
def infer(
    grid_file: Path,
    model: tuple[Path, ...],
    imagery: Path,
    bands: str,
    scaling: Path,
    within: Path | None,
    tile_ids: str,
    threads: int,
    device: str,
    settings: InferenceSettings,
    out: Path,
) -> None:
    """Write probability tiles. Uses all GPUs that it sees."""
    from slumpmap.learning.team import divide

    code = divide(sys.argv[1:], tile_ids.split(","), device)
    if code is not None:
        sys.exit(code)
    from slumpmap.learning.inference import infer as infer_tiles

    grid = Grid.read(grid_file)
    names = bands.split(",")
    infer_tiles(model, imagery, grid, out, tile_ids.split(","), settings, scaling, threads, device, within, names)


@app.command("parts")
@grid_option
@path_option("probability", "folder of probability tiles")
@tiles_option
@with_settings(CandidateSettings)
@out_option
def parts(grid_file: Path, probability: Path, tile_ids: str, settings: CandidateSettings, out: Path) -> None:
    """Trace the parts of candidates in each tile."""
    from slumpmap.candidates.parts import trace_parts

    trace_parts(probability, Grid.read(grid_file), out, tile_ids.split(","), settings.threshold, settings.connectivity)


@app.command("polygons")
@grid_option
@path_option("parts", "folder of traced parts")
@click.option("--area-crs", default=None, help="CRS in which areas are taken; the grid's where left out")
@with_settings(CandidateSettings)
@out_option
def polygons(grid_file: Path, parts: Path, area_crs: str | None, settings: CandidateSettings, out: Path) -> None:
    """Join the parts across tiles to whole polygons."""
    from slumpmap.candidates.merge import merge_parts

    merge_parts(parts, Grid.read(grid_file), out, settings.mmu_ha, settings.connectivity, area_crs or None)


@app.command("ledger")
@path_option("polygons", "polygons of the iteration")
@path_option("slumps", "all slumps confirmed so far")
@path_option("rejected", "places rejected in earlier iterations", required=False)
@click.option("--iteration", type=int, required=True, help="number of the iteration")
@with_settings(LedgerSettings)
@out_option
def ledger(
    polygons: Path, slumps: Path, rejected: Path | None, iteration: int, settings: LedgerSettings, out: Path
) -> None:
    """Say of each polygon whether it is known, was rejected before, or is new."""
    from slumpmap.candidates.ledger import compare

    compare(polygons, slumps, rejected, iteration, settings, out)


@app.command("review-template")
@path_option("candidates", "candidates of the iteration")
@out_option
def review_template(candidates: Path, out: Path) -> None:
    """Write the decision file that a reviewer fills in."""
    from slumpmap.review.decisions import write_template

    write_template(candidates, out)


@app.command("simulate-review")
@path_option("candidates", "candidates of the iteration")
@path_option("known", "slumps known before")
@path_option("truth", "true outlines")
@path_option("disputed-by", "reviewers' decision files; given, only disputes are decided", False, multiple=True)
@click.option("--reviewer", required=True, help="name of the expert")
@seed_option
@with_settings(ExpertSettings)
@out_option
def simulate_review(
    candidates: Path,
    known: Path,
    truth: Path,
    disputed_by: tuple[Path, ...],
    reviewer: str,
    seed: int,
    settings: ExpertSettings,
    out: Path,
) -> None:
    """Write a simulated expert's decision file."""
    from slumpmap.review.simulated import simulate_reviewer

    simulate_reviewer(candidates, known, truth, reviewer, seed, settings, out, disputed_by)


@app.command("outcome")
@path_option("candidates", "candidates of the iteration")
@path_option("positives", "slumps known when the iteration began")
@path_option("negatives", "negatives of the iteration's training")
@path_option("rejected", "places rejected in earlier iterations", required=False)
@click.option("--reviewer", "reviewers", multiple=True, required=True, help="name of a reviewer, or NAME=FILE")
@click.option("--adjudicator", required=True, help="name of the adjudicator, or NAME=FILE")
@click.option("--iteration", type=int, required=True, help="number of the iteration")
@with_settings(BoundarySettings)
@out_option
def outcome(
    candidates: Path,
    positives: Path,
    negatives: Path,
    rejected: Path | None,
    reviewers: tuple[str, ...],
    adjudicator: str,
    iteration: int,
    settings: BoundarySettings,
    out: Path,
) -> None:
    """Count the decisions of an iteration and write what follows from them."""
    from slumpmap.review.outcome import make_outcome

    def named_file(text: str) -> tuple[str, Path | None]:
        name, _, file = text.partition("=")
        return name, Path(file) if file else None

    opinions = dict(named_file(text) for text in reviewers)
    make_outcome(
        candidates, positives, negatives, rejected, opinions, named_file(adjudicator), iteration, settings.boundary, out
    )


@app.command("slumps")
@path_option("positives", "slumps known when the last iteration began")
@path_option("accepted", "slumps found in it")
@out_option
def slumps(positives: Path, accepted: Path, out: Path) -> None:
    """Write all slumps of the campaign so far."""
    from slumpmap.labels import all_slumps

    all_slumps(positives, accepted, out)


@app.command("evaluate")
@path_option("slumps", "all slumps, with `iteration_found`")
@path_option("candidates", "candidates of an iteration; once for each, in order", False, multiple=True)
@path_option("truth", "true outlines")
@path_option("area", "polygon in which the evaluation counts", required=False)
@click.option("--mmu-ha", type=float, default=0.05, show_default=True, help="smallest true slump that counts, ha")
@out_option
def evaluate(
    slumps: Path, candidates: tuple[Path, ...], truth: Path, area: Path | None, mmu_ha: float, out: Path
) -> None:
    """Compare slumps and candidates with the truth."""
    from slumpmap.inventory.evaluate import evaluate as compare

    compare(slumps, truth, mmu_ha, out, area, candidates)


outcomes_option = path_option("outcome", "outcome.json of an iteration; once for each, in order", multiple=True)
evaluation_option = path_option("evaluation", "result of `slumpmap evaluate`", required=False)
inventory_option = path_option("inventory", "the inventory")
note_option = click.option("--note", default="", help="what to add to titles, such as `synthetic data`")


@app.command("table2")
@outcomes_option
@evaluation_option
@out_option
def table2(outcome: tuple[Path, ...], evaluation: Path | None, out: Path) -> None:
    """Write Table 2 of the paper for this campaign, as CSV and Markdown."""
    from slumpmap.figures.tables import table2 as write_table

    write_table(outcome, out, out.with_suffix(".md"), evaluation)


@app.command("iterations-figure")
@outcomes_option
@evaluation_option
@note_option
@out_option
def iterations_figure(outcome: tuple[Path, ...], evaluation: Path | None, note: str, out: Path) -> None:
    """Draw what each iteration inspected and found, as PNG and PDF."""
    from slumpmap.figures.overview import iterations_figure as draw

    draw(outcome, evaluation, out, out.with_suffix(".pdf"), note)


@app.command("training-figure")
@path_option("history", "training_log.csv of a model bundle")
@note_option
@out_option
def training_figure(history: Path, note: str, out: Path) -> None:
    """Draw loss, learning rate and evaluations of a training."""
    from slumpmap.figures.curves import training_curves

    training_curves(history, out, note)


@app.command("reliability-figure")
@path_option("table", "reliability.csv of each iteration, in order", multiple=True)
@note_option
@out_option
def reliability_figure(table: tuple[Path, ...], note: str, out: Path) -> None:
    """Draw how far the probabilities can be believed."""
    from slumpmap.figures.curves import reliability_plot

    reliability_plot({f"iteration {number}": path for number, path in enumerate(table, 1)}, out, note)


@app.command("contact-sheet")
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


@app.command("summary")
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


@app.command("score")
@path_option("polygons", "mapped polygons of the part kept for testing")
@path_option("truth", "known slumps")
@path_option("area", "where the part kept for testing lies")
@click.option("--mmu-ha", type=float, required=True, help="minimum mapping unit, ha")
@click.option("--block-m", type=float, required=True, help="side of the blocks that intervals are drawn from, metres")
@click.option("--boundary-m", type=float, required=True, help="width of the rims of the boundary IoU, metres")
@seed_option
@path_option("out-curve", "precision-recall curve, .csv")
@out_option
def score(
    polygons: Path,
    truth: Path,
    area: Path,
    mmu_ha: float,
    block_m: float,
    boundary_m: float,
    seed: int,
    out_curve: Path,
    out: Path,
) -> None:
    """Compare what a model mapped with outlines that were kept from it."""
    from slumpmap.inventory.crossval import score_part

    score_part(polygons, truth, area, mmu_ha, block_m, boundary_m, seed, out, out_curve)


@app.command("crossval-table")
@path_option("scores", "scores of a part", multiple=True)
@path_option("curve", "precision-recall curve of a part", multiple=True)
@note_option
@path_option("out-curves", "figure of the curves, .png; a .pdf is written beside it")
@out_option
def crossval_table(scores: tuple[Path, ...], curve: tuple[Path, ...], note: str, out_curves: Path, out: Path) -> None:
    """Write table and curves of a cross-validation."""
    from slumpmap.figures.curves import precision_recall_plot
    from slumpmap.inventory.crossval import write_table

    write_table(scores, out)
    curves = {f"part {number}": path for number, path in enumerate(curve, 1)}
    precision_recall_plot(curves, out_curves, f"Cross-validation{f' ({note})' if note else ''}")


@app.command("crossval", context_settings={"ignore_unknown_options": True})
@path_option("config", "campaign configuration")
@click.option("--folds", type=int, help="parts of the blocks; default: crossval.folds of the configuration")
@click.argument("snakemake", nargs=-1, type=click.UNPROCESSED)
def crossval(config: Path, folds: int | None, snakemake: tuple[str, ...]) -> None:
    """Cross-validate the model over spatial blocks, the parts at the same time.

    Further options go to snakemake, such as --cores 8 or a profile.
    """
    changed = [] if folds is None else ["--config", f"crossval={{folds: {folds}}}"]
    given = snakemake or ("--cores", "all")
    command = [sys.executable, "-m", "snakemake", "crossval", "--configfile", str(config), *changed, *given]
    sys.exit(subprocess.run(command, check=False).returncode)


@app.command("config-reference")
@out_option
def config_reference(out: Path) -> None:
    """Write the reference of every configuration key (config/README.md)."""
    from slumpmap.files import write_text
    from slumpmap.reference import config_reference as reference

    write_text(out, reference())


@app.command("status")
@path_option("config", "campaign configuration")
def status(config: Path) -> None:
    """Say for each iteration what is done and what waits."""
    from slumpmap.status import campaign_status

    click.echo(campaign_status(read_config(config)))


for room in (
    cli_analysis,
    cli_cluster,
    cli_compare,
    cli_doctor,
    cli_exchange,
    cli_fetch,
    cli_figures,
    cli_growth,
    cli_inventory,
    cli_numbers,
    cli_plan,
    cli_provenance,
    cli_qgis,
    cli_ranking,
    cli_review,
    cli_site,
    cli_terrain,
):
    for command in room.COMMANDS:
        app.add_command(command)
record(app)


def main() -> None:
    """Entry point: user errors end with one message and exit status 1."""
    try:
        app()
    except InputError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
