"""What each choice of the recipe is worth: one-factor changes on synthetic corridors, over seeds.

    python benchmarks/ablation.py [--seeds 1 2 3] [--steps 200] [--only NAME ...] [--jobs 2] [--work DIR] [--json FILE]

Each seed makes a corridor (the demo's size, one year). It is cut into squares of 3 km like a chessboard: the slumps
and a sample of the look-alikes of the white squares train, the black squares are mapped whole and compared with
the truth. A training window shows nothing of a black square. Printed for each choice, as mean and standard deviation
over the seeds: object average precision (area of the precision-recall curve over the candidates' scores) where any
overlap counts and where an IoU of 0.4 is needed, and recall and the number of candidates at a threshold of 0.3,
and the pixel IoU. The last column is the mean change of the average precision against the default, seed by seed.

A choice of inference (test-time copies, fusion, ensemble) uses the networks of the default: no training is repeated.
Finished parts are kept in --work, so that a broken run goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from slumpmap.candidates.merge import merge_parts
from slumpmap.candidates.parts import trace_parts
from slumpmap.config import Config, grid_of, read_config
from slumpmap.demo import make_corridor
from slumpmap.imagery.catalogue import make_catalogue
from slumpmap.imagery.composite import make_tiles
from slumpmap.imagery.scaling import make_scaling
from slumpmap.learning.inference import infer
from slumpmap.learning.metrics import average_precision, match_objects
from slumpmap.learning.training import train
from slumpmap.learning.windows import make_windows
from slumpmap.settings.learning import InferenceSettings, TrainingSettings, WindowSettings
from slumpmap.vector import read_layer, write_layer

ROOT = Path(__file__).parents[1]
SQUARE_M = 3000.0
NEGATIVES = 40
YEAR = 2019
# The networks are not calibrated, unless that is the choice.
THRESHOLD = 0.3


@dataclass(frozen=True)
class Choice:
    """One change of the default.

    Attributes:
        training: changed keys of the model section; none: the default's network.
        inference: changed keys of the inference section.
        members: networks in the ensemble.
    """

    training: dict[str, Any] = field(default_factory=dict)
    inference: dict[str, Any] = field(default_factory=dict)
    members: int = 1


CHOICES = {
    "default": Choice(),
    "loss: cross entropy": Choice({"loss": "cross_entropy"}),
    "loss: focal + Dice": Choice({"loss": "focal_dice"}),
    "optimizer: SGD, 0.05": Choice({"optimizer": "sgd", "learning_rate": 0.05, "weight_decay": 4e-5}),
    "schedule: cosine": Choice({"schedule": "cosine"}),
    "EMA 0.99": Choice({"ema": 0.99}),
    "sampling: uniform": Choice({"sampling": "uniform"}),
    "half of the rest hard": Choice({"hard_share": 0.25}),
    "no augmentation": Choice({"augment": ()}),
    "augmentation of Huang et al.": Choice({"augment": ("blur", "crop", "scale"), "augment_positives_only": True}),
    "augmentation: all": Choice({"augment": ("flip", "turn", "light", "blur", "crop", "scale")}),
    "best of evaluations": Choice({"evaluate_every": 50}),
    "calibrated": Choice({"calibrate": True}),
    "test time: flips": Choice(inference={"test_time": "flips"}),
    "test time: symmetries": Choice(inference={"test_time": "symmetries"}),
    "fusion: mean": Choice(inference={"fusion": "mean"}),
    "fusion: or": Choice(inference={"fusion": "or"}),
    "ensemble of 3": Choice(members=3),
}


@dataclass(frozen=True)
class Ground:
    """A corridor that is ready to train on: files in one folder."""

    folder: Path
    seed: int

    @property
    def data(self) -> Path:
        """The corridor's layers."""
        return self.folder / "data"

    @property
    def tested(self) -> Path:
        """The squares that are mapped and compared."""
        return self.folder / "tested.gpkg"

    @property
    def scaling(self) -> Path:
        """Scaling of the 8-bit tiles."""
        return self.folder / "scaling.json"


def campaign(ground: Ground) -> Config:
    """The demo's configuration."""
    config = read_config(ROOT / "config" / "demo.yaml")
    return config.model_copy(update={"data": ground.data})


def prepare(ground: Ground) -> None:
    """Makes corridor, tiles, labels and windows of a seed, unless they are there."""
    if (ground.folder / "ready").exists():
        return
    config = campaign(ground)
    grid = grid_of(config.grid)
    make_corridor(ground.data, "demo", ground.seed, years=[YEAR])
    catalogue = ground.folder / "scenes.gpkg"
    make_catalogue(ground.data / "scenes.gpkg", grid, config.imagery, [YEAR], catalogue)
    make_scaling(catalogue, grid, config.imagery, config.imagery.bands, ground.scaling)
    tiles = [tile.id for tile in grid.tiles]
    make_tiles(catalogue, ground.scaling, grid, YEAR, config.imagery, ground.folder / "imagery", tiles)
    west, south, east, north = config.grid.bounds or (0.0, 0.0, 0.0, 0.0)
    columns, rows = np.meshgrid(np.arange(west, east, SQUARE_M), np.arange(south, north, SQUARE_M))
    squares = shapely.box(columns, rows, columns + SQUARE_M, rows + SQUARE_M)
    black = (np.add.outer(np.arange(len(rows)), np.arange(columns.shape[1])) % 2).astype(bool)
    for name, chosen in (("tested", squares[black]), ("trained", squares[~black])):
        write_layer(gpd.GeoDataFrame(geometry=chosen, crs=grid.crs), ground.folder / f"{name}.gpkg")
    taught = shapely.union_all(squares[~black])
    for name, count in (("truth", None), ("lookalikes", NEGATIVES)):
        layer = read_layer(ground.data / f"{name}.gpkg", name, grid.crs)
        layer = layer[shapely.intersects(layer.geometry.to_numpy(), taught)]
        layer = layer if count is None else layer.sample(min(count, len(layer)), random_state=ground.seed)
        write_layer(layer[["geometry"]].reset_index(drop=True), ground.folder / f"known_{name}.gpkg")
    make_windows(
        ground.folder / "known_truth.gpkg",
        ground.folder / "known_lookalikes.gpkg",
        ground.folder / "imagery",
        grid,
        WindowSettings(**config.windows.model_dump()),
        ground.seed,
        ground.folder / "windows.gpkg",
        ground.folder / "windows.npy",
        ground.folder / "trained.gpkg",
    )
    (ground.folder / "ready").touch()


def taught(ground: Ground, name: str, choice: Choice, steps: int, member: int) -> Path:
    """The bundle of a choice, trained if it is not there."""
    config = campaign(ground)
    label = name if choice.training else "default"
    bundle = ground.folder / "models" / f"{label.replace(' ', '_').replace('/', '_')}_{member}"
    if not (bundle / "model.json").exists():
        keys = config.model.model_dump(include=set(TrainingSettings.model_fields)) | {"calibrate": False}
        train(
            ground.folder / "windows.gpkg",
            ground.folder / "windows.npy",
            bundle,
            TrainingSettings(**(keys | choice.training)),
            steps,
            100 * ground.seed + member,
            config.grid.resolution,
            ground.scaling,
            threads=1,
            device="auto",
        )
    return bundle


def scores(ground: Ground, name: str, steps: int) -> dict[str, float]:
    """Trains, maps the black squares and compares them with the truth."""
    choice, config = CHOICES[name], campaign(ground)
    out = ground.folder / "maps" / name.replace(" ", "_").replace("/", "_")
    if (out / "scores.json").exists():
        return dict(json.loads((out / "scores.json").read_text()))
    grid = grid_of(config.grid)
    bundles = [taught(ground, name, choice, steps, member) for member in range(1, choice.members + 1)]
    settings = InferenceSettings(**(config.inference.model_dump() | choice.inference))
    tiles = [tile.id for tile in grid.tiles]
    infer(bundles, ground.folder / "imagery", grid, out, tiles, settings, ground.scaling, 1, "auto", ground.tested)
    trace_parts(out, grid, out / "parts", tiles, THRESHOLD, config.candidates.connectivity)
    merge_parts(out / "parts", grid, out / "polygons.gpkg", config.candidates.mmu_ha, config.candidates.connectivity)
    mapped = read_layer(out / "polygons.gpkg", "polygons")
    area = read_layer(ground.tested, "tested squares").union_all()
    truth = read_layer(ground.data / "truth.gpkg", "truth")
    truth = truth.set_geometry(truth.intersection(area))
    truth = truth[truth.area >= config.candidates.mmu_ha * 1e4]
    curves = {iou: average_precision(mapped["score"].to_numpy(), mapped, truth, iou) for iou in (0.0, 0.4)}
    common, union = mapped.union_all().intersection(truth.union_all()).area, 0.0
    union = mapped.union_all().union(truth.union_all()).area
    found = {
        "ap": curves[0.0].average_precision or 0.0,
        "ap_at_0.4": curves[0.4].average_precision or 0.0,
        "recall": match_objects(mapped, truth).recall or 0.0,
        "candidates": float(len(mapped)),
        "iou": common / union if union else 0.0,
    }
    (out / "scores.json").write_text(json.dumps(found))
    return found


def job(task: tuple[Ground, str, int]) -> dict[str, float]:
    """One choice on one corridor."""
    return scores(*task)


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| choice | AP, any overlap | AP, IoU > 0.4 | recall | candidates | pixel IoU | change of AP |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, rows in results.items():
        cells = [f"{spread(rows, key):}" for key in ("ap", "ap_at_0.4", "recall")]
        change = [row["ap"] - base["ap"] for row, base in zip(rows, results["default"], strict=True)]
        cells += [f"{np.mean([row['candidates'] for row in rows]):.0f}", spread(rows, "iou")]
        cells.append("" if name == "default" else f"{np.mean(change):+.3f} ± {np.std(change, ddof=1):.3f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(rows: Sequence[dict[str, float]], key: str) -> str:
    """Mean and standard deviation over the seeds."""
    values = [row[key] for row in rows]
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="two or more")
    parser.add_argument("--steps", type=int, default=200, help="training steps")
    parser.add_argument("--only", nargs="+", default=list(CHOICES), choices=list(CHOICES), help="choices")
    parser.add_argument("--jobs", type=int, default=2, help="choices at a time, one CPU thread each")
    parser.add_argument("--work", type=Path, required=True, help="folder for the intermediate files, which are kept")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    names = ["default", *(name for name in options.only if name != "default")]
    grounds = [Ground(options.work / f"seed_{seed}", seed) for seed in options.seeds]
    for ground in grounds:
        prepare(ground)
    # The default first: choices of inference wait for its networks.
    results: dict[str, list[dict[str, float]]] = {}
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        for batch in ([n for n in names if n == "default"], [n for n in names if n != "default"]):
            tasks = [(ground, name, options.steps) for name in batch for ground in grounds]
            for (_, name, _), found in zip(tasks, pool.map(job, tasks), strict=True):
                results.setdefault(name, []).append(found)
    print(table(results))
    if options.json:
        choices = {name: asdict(CHOICES[name]) for name in names}
        options.json.write_text(json.dumps({"choices": choices, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
