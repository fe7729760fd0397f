"""How hard the synthetic corridor is: for colour alone, and for the iterations of a finished campaign.

    python benchmarks/corridor_difficulty.py [--sizes demo] [--seeds 1 2 3] [--results results/demo ...] [--json FILE]

Colour alone: a gradient-boosted classifier of single pixels (blue, green, red, near infrared of the mapping
year's mosaic) is trained on the truth itself and judged on the same ground, which favours it. Its score goes through
the project's own polygonization (`slumpmap.candidates`, 8-connected, minimum mapping unit). Reported is the object
precision at the highest threshold that finds nine slumps of ten; a candidate and a slump match where they overlap.

Campaign: which share of the second landscape's slumps each iteration's model misses, and how many are newly found,
from the evaluation and the summary of the run.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine
from rasterio.windows import from_bounds
from sklearn.ensemble import HistGradientBoostingClassifier

from slumpmap.candidates.merge import merge_parts
from slumpmap.candidates.parts import trace_parts
from slumpmap.demo import corridor_size, make_corridor
from slumpmap.files import read_json
from slumpmap.grid import Grid, box_area
from slumpmap.learning.metrics import match_objects
from slumpmap.raster import PROBABILITY_NODATA, PROBABILITY_SCALE, write_raster
from slumpmap.vector import read_layer

PIXEL_M = 3.0
MAPPING_YEAR = 2019
CLEAREST = 0.4
MMU_HA = 0.05
TILE_PX = 1024
WANTED_RECALL = 0.9
CRS = "EPSG:32646"

Bounds = tuple[float, float, float, float]


def mosaic(folder: Path, bounds: Bounds, year: int) -> NDArray[np.uint16]:
    """(4, rows, columns) clearest-on-top mosaic of July and August, 0 where nothing clear was seen."""
    catalogue = read_layer(folder / "scenes.gpkg", "scene catalogue").sort_values("cloud_fraction")
    times = catalogue.acquired.astype(str)
    summer = times.str.startswith(str(year)) & times.str[5:7].isin(["07", "08"])
    shape = round((bounds[3] - bounds[1]) / PIXEL_M), round((bounds[2] - bounds[0]) / PIXEL_M)
    out = np.zeros((4, *shape), np.uint16)
    for row in catalogue[summer & (catalogue.cloud_fraction < CLEAREST)].itertuples():
        with rasterio.open(folder / row.path) as image, rasterio.open(folder / row.udm) as mask:
            window = from_bounds(*bounds, image.transform).round_offsets().round_lengths()
            values = image.read(window=window, boundless=True, fill_value=0)
            clear = mask.read(1, window=window, boundless=True, fill_value=0) == 1
        use = clear & (values[0] > 0) & (out[0] == 0)
        out[:, use] = values[:, use]
    return out


def slump_pixels(folder: Path, bounds: Bounds, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(rows, columns) whether a pixel shows a slump."""
    truth = read_layer(folder / "truth.gpkg", "truth")
    transform = Affine(PIXEL_M, 0.0, bounds[0], 0.0, -PIXEL_M, bounds[3])
    burnt: NDArray[np.uint8] = rasterize(truth.geometry, shape, transform=transform, dtype="uint8", all_touched=True)
    return burnt > 0


def pixel_score(image: NDArray[np.uint16], slump: NDArray[np.bool_], seed: int) -> NDArray[np.float32]:
    """(rows, columns) score of the single-pixel classifier, 0 where there is no data."""
    rng = np.random.default_rng(seed)
    seen = image[0] > 0
    values = image[:, seen].T.astype(np.float32)
    target = slump[seen]
    positive, negative = np.flatnonzero(target), np.flatnonzero(~target)
    chosen = np.concatenate(
        [
            rng.choice(positive, min(len(positive), 80_000), replace=False),
            rng.choice(negative, min(len(negative), 320_000), replace=False),
        ]
    )
    model = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.2, max_leaf_nodes=63, random_state=seed)
    model.fit(values[chosen], target[chosen])
    score = np.zeros(seen.shape, np.float32)
    score[seen] = np.concatenate([model.predict_proba(part)[:, 1] for part in np.array_split(values, 8)])
    return score


def write_tiles(score: NDArray[np.float32], grid: Grid, folder: Path) -> None:
    """Writes a score as probability tiles, as inference does."""
    values = np.rint(score * PROBABILITY_SCALE).astype(np.uint8)
    for tile in grid.tiles:
        window = tile.window
        part = np.full((TILE_PX, TILE_PX), PROBABILITY_NODATA, dtype=np.uint8)
        cut = values[window.row : window.row + TILE_PX, window.column : window.column + TILE_PX]
        part[: cut.shape[0], : cut.shape[1]] = cut
        write_raster(folder / f"{tile.id}.tif", part, grid.window_transform(window), grid.crs, PROBABILITY_NODATA)


def object_figures(tiles: Path, grid: Grid, truth: Path, threshold: float) -> dict[str, float]:
    """Object recall and precision of the candidates above a threshold."""
    ids = [tile.id for tile in grid.tiles]
    trace_parts(tiles, grid, tiles / "parts", ids, threshold, 8)
    merge_parts(tiles / "parts", grid, tiles / "polygons.gpkg", MMU_HA, 8)
    match = match_objects(read_layer(tiles / "polygons.gpkg", "candidates"), read_layer(truth, "truth"))
    return {
        "threshold": round(threshold, 4),
        "recall": match.recall or 0.0,
        "candidates": len(match.mapped_right),
        "precision": match.precision or 0.0,
    }


def colour_alone(folder: Path, bounds: Bounds, seed: int) -> dict[str, Any]:
    """Object precision of the single-pixel classifier at the highest threshold with the wanted recall."""
    image = mosaic(folder, bounds, MAPPING_YEAR)
    score = pixel_score(image, slump_pixels(folder, bounds, image.shape[1:]), seed)
    grid = Grid.over(box_area(bounds), CRS, PIXEL_M, TILE_PX)
    tiles, truth = folder / "score", folder / "truth.gpkg"
    write_tiles(score, grid, tiles)
    low, high = 0.02, 1.0
    best = object_figures(tiles, grid, truth, low)
    # Eight halvings reach the steps of the tiles' integer scale.
    for _ in range(8):
        middle = (low + high) / 2
        figures = object_figures(tiles, grid, truth, middle)
        if figures["recall"] >= WANTED_RECALL:
            low, best = middle, figures
        else:
            high = middle
    return best | {"clear_share": round(float((image[0] > 0).mean()), 4)}


def campaign(results: Path) -> list[dict[str, Any]]:
    """Per iteration: candidates, share of landscape B's slumps that the model misses, slumps newly found."""
    models = {row["iteration"]: row for row in read_json(results / "report" / "evaluation.json")["models"]}
    rows = []
    for row in read_json(results / "summary.json")["iterations"]:
        number = row["iteration"]
        missed = 1 - models[number]["by_landscape"]["B"]["recall"]
        rows.append({"iteration": number, "candidates": row["inferred"], "missed_in_b": missed, "new": row["new"]})
    return rows


def main() -> None:
    """Prints the figures and writes them as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", nargs="*", default=["demo"], help="tiny, demo")
    parser.add_argument("--seeds", nargs="*", type=int, default=[1])
    parser.add_argument("--results", nargs="*", type=Path, default=[], help="folders of finished campaigns")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    figures: dict[str, Any] = {"colour_alone": [], "campaigns": {}}
    for size in options.sizes:
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as folder:
                make_corridor(Path(folder), size, seed, years=[MAPPING_YEAR])
                row = {"size": size, "seed": seed} | colour_alone(Path(folder), corridor_size(size).bounds, seed)
            figures["colour_alone"].append(row)
            print(
                f"{size} seed {seed}: colour alone finds {row['recall']:.0%} of the slumps "
                f"among {row['candidates']} candidates, object precision {row['precision']:.3f}"
            )
    for results in options.results:
        figures["campaigns"][results.name] = campaign(results)
        for row in figures["campaigns"][results.name]:
            print(
                f"{results.name} iteration {row['iteration']}: {row['candidates']} candidates, "
                f"{row['missed_in_b']:.0%} of landscape B missed by the model, {row['new']} slumps newly found"
            )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
