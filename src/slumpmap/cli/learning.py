"""Commands of training and inference."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from slumpmap.cli.shared import (
    FILE,
    bands_option,
    device_option,
    grid_option,
    out_option,
    path_option,
    seed_option,
    threads_option,
    tiles_option,
)
from slumpmap.grid import Grid
from slumpmap.options import with_settings
from slumpmap.settings.learning import InferenceSettings, TrainingSettings, WindowSettings
from slumpmap.settings.review import IterationSettings


@click.command("labels")
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


@click.command("windows")
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


@click.command("train")
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


@click.command("model-card")
@click.argument("bundle", type=FILE)
def model_card(bundle: Path) -> None:
    """Print what a model bundle is, on what it was trained, and how good it was."""
    from slumpmap.learning.bundle import describe, read_card

    click.echo(describe(read_card(bundle)))


@click.command("infer")
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


COMMANDS = (
    labels,
    windows,
    train,
    model_card,
    infer,
)
