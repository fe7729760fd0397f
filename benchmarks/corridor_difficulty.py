"""How hard the synthetic corridor is: for colour alone, and for the first iterations of a campaign.

    python benchmarks/corridor_difficulty.py --sizes tiny demo --seeds 1 2 3 --json difficulty.json
    python benchmarks/corridor_difficulty.py --sizes --data results/demo/data --results results/demo

Colour alone: a gradient-boosted classifier of single pixels (blue, green, red, near infrared of the mapping
year's mosaic) is trained on the truth itself and judged on the same ground, which favours it. Its score goes through
the project's polygonization (threshold, 8-connected, minimum mapping unit). Reported is the object
precision at the highest threshold that finds nine slumps of ten; a candidate or slump counts as found
where the two touch.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine
from rasterio.windows import from_bounds
from scipy.ndimage import label
from sklearn.ensemble import HistGradientBoostingClassifier

from slumpmap.demo import corridor_size, make_corridor
from slumpmap.vector import read_layer

PIXEL_M = 3.0
MAPPING_YEAR = 2019
CLEAREST = 0.4
SMALLEST_PX = round(0.05e4 / PIXEL_M**2)
WANTED_RECALL = 0.9
EIGHT = np.ones((3, 3), dtype=int)

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


def slump_numbers(folder: Path, bounds: Bounds, shape: tuple[int, int]) -> NDArray[np.int32]:
    """(rows, columns) number of the slump at each pixel, 0 elsewhere."""
    truth = read_layer(folder / "truth.gpkg", "truth")
    transform = Affine(PIXEL_M, 0.0, bounds[0], 0.0, -PIXEL_M, bounds[3])
    pairs = zip(truth.geometry, range(1, len(truth) + 1), strict=True)
    numbers: NDArray[np.int32] = rasterize(pairs, shape, transform=transform, dtype="int32", all_touched=True)
    return numbers


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


def object_figures(score: NDArray[np.float32], numbers: NDArray[np.int32], threshold: float) -> dict[str, float]:
    """Object recall and precision of the candidates above a threshold."""
    parts, _ = label(score >= threshold, structure=EIGHT)
    area = np.bincount(parts.ravel())
    kept = area >= SMALLEST_PX
    kept[0] = False
    hit = (numbers > 0) & kept[parts]
    true = len(np.unique(parts[hit]))
    visible = np.unique(numbers[numbers > 0])
    recall = len(np.unique(numbers[hit])) / len(visible)
    return {
        "threshold": round(threshold, 4),
        "recall": recall,
        "candidates": int(kept.sum()),
        "precision": true / max(1, int(kept.sum())),
    }


def colour_alone(folder: Path, bounds: Bounds, seed: int) -> dict[str, Any]:
    """Object precision of the single-pixel classifier at the highest threshold with the wanted recall."""
    image = mosaic(folder, bounds, MAPPING_YEAR)
    numbers = slump_numbers(folder, bounds, image.shape[1:])
    score = pixel_score(image, numbers > 0, seed)
    low, high = 0.0, 1.0
    best = object_figures(score, numbers, 0.02)
    for _ in range(9):
        middle = (low + high) / 2
        figures = object_figures(score, numbers, middle)
        if figures["recall"] >= WANTED_RECALL:
            low, best = middle, figures
        else:
            high = middle
    return best | {"clear_share": round(float((image[0] > 0).mean()), 4), "slumps": int(numbers.max())}


def campaign(results: Path, data: Path) -> list[dict[str, Any]]:
    """Per iteration: slumps that its candidates meet, share of landscape B's that they miss, new ones."""
    truth = read_layer(data / "truth.gpkg", "truth")
    known = set(read_layer(data / "positives.gpkg", "positives").id)
    rows = []
    for folder in sorted((results / "iterations").glob("[0-9][0-9]")):
        path = folder / "candidates.gpkg"
        if not path.exists():
            continue
        candidates = read_layer(path, "candidates", crs=truth.crs.to_string())
        met = set(gpd.sjoin(truth, candidates[["geometry"]], predicate="intersects").id)
        in_b = set(truth.id[truth.landscape == "B"])
        rows.append(
            {
                "iteration": int(folder.name),
                "candidates": len(candidates),
                "slumps_met": len(met),
                "missed_in_b": round(len(in_b - met) / max(1, len(in_b)), 3),
                "new_slumps": len(met - known),
            }
        )
        known |= met
    return rows


def main() -> None:
    """Prints the figures and writes them as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", nargs="*", default=["demo"], help="tiny, demo")
    parser.add_argument("--seeds", nargs="*", type=int, default=[1])
    parser.add_argument("--results", type=Path, help="folder of a finished campaign")
    parser.add_argument("--data", type=Path, help="that campaign's corridor")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    figures: dict[str, Any] = {"colour_alone": [], "campaign": []}
    for size in options.sizes:
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as folder:
                make_corridor(Path(folder), size, seed, years=[MAPPING_YEAR])
                row = {"size": size, "seed": seed} | colour_alone(Path(folder), corridor_size(size).bounds, seed)
            figures["colour_alone"].append(row)
            print(
                f"{size} seed {seed}: colour alone finds {row['recall']:.0%} of {row['slumps']} slumps "
                f"among {row['candidates']} candidates, object precision {row['precision']:.3f}"
            )
    if options.results:
        if not options.data:
            parser.error("--results needs --data")
        figures["campaign"] = campaign(options.results, options.data)
        for row in figures["campaign"]:
            print(
                f"iteration {row['iteration']}: {row['candidates']} candidates, {row['new_slumps']} new slumps, "
                f"{row['missed_in_b']:.0%} of landscape B missed"
            )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
