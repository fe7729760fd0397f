"""Peak memory of imagery, inference and candidates at 1x and 8x area: no stage may grow with the region.

    python benchmarks/memory.py [--area-km2 12] [--json FILE]

Makes a synthetic corridor of each size (one year), runs each stage as the workflow does, in a process of its own,
and prints the peak resident memory of each process and the ratio between the sizes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from slumpmap.demo import corridor_size, make_corridor
from slumpmap.grid import Grid, box_area

TILE_PX = 512
STAGES = ("catalogue", "tiles", "infer", "parts", "polygons")


# A process counts the memory of the one that started it until it runs its own program, so a small one starts it.
STARTER = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def peak_mb(*arguments: object) -> float:
    """Runs a slumpmap command and returns its peak resident memory, MB."""
    command = [sys.executable, "-c", STARTER, sys.executable, "-m", "slumpmap", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"slumpmap {arguments[0]} failed:\n{done.stderr}")
    return int(done.stdout.split()[-1]) / 1024


def measure(area_km2: float, folder: Path) -> dict[str, float]:
    """Peak memory of each stage on a corridor of that area, MB."""
    data, out = folder / "data", folder / "out"
    make_corridor(data, "large", 1, area_km2, years=[2019])
    grid = Grid.over(box_area(corridor_size("large", area_km2).bounds), "EPSG:32646", 3.0, TILE_PX)
    (out / "grid.json").parent.mkdir(parents=True)
    (out / "grid.json").write_text(grid.to_json())
    tiles = ",".join(tile.id for tile in grid.tiles)
    common = ("--grid", out / "grid.json")
    catalogue, scaling, imagery = out / "scenes.gpkg", out / "scaling.json", out / "imagery"
    model, labels, probability = out / "model", out / "labels", out / "probability"

    peak = {"pixels": float(len(grid.tiles) * TILE_PX**2)}
    peak["catalogue"] = peak_mb(
        "catalogue", *common, "--scenes", data / "scenes.gpkg", "--years", 2019, "--out", catalogue
    )
    peak_mb("scaling", *common, "--catalogue", catalogue, "--bands", "3,2,1", "--out", scaling)
    year = ("--catalogue", catalogue, "--scaling", scaling, "--year", 2019)
    peak["tiles"] = peak_mb("tiles", *common, *year, "--tiles", tiles, "--out", imagery)
    peak_mb("intake", *common, "--positives", data / "positives.gpkg", "--out", labels)
    training = (out / "windows.gpkg", out / "windows.npy")
    both = ("--positives", labels / "positives.gpkg", "--negatives", labels / "negatives.gpkg", "--window-px", 128)
    rest = ("--overlap-px", 32, "--imagery", imagery, "--out", training[0], "--out-pixels", training[1])
    peak_mb("windows", *common, *both, *rest)
    network = ("--encoder", "tu-mobilenetv3_small_100", "--encoder-weights", "", "--steps", 2, "--batch", 2)
    files = ("--windows", training[0], "--pixels", training[1], "--scaling", scaling, "--out", model)
    peak_mb("train", *common, *network, *files)
    window = ("--window-px", 128, "--stride-px", 96, "--tiles", tiles)
    source = ("--model", model, "--imagery", imagery, "--scaling", scaling)
    peak["infer"] = peak_mb("infer", *common, *window, *source, "--out", probability)
    parts = out / "parts"
    # An untrained network is unsure everywhere; a high threshold leaves a realistic share of pixels.
    peak["parts"] = peak_mb(
        "parts", *common, "--probability", probability, "--threshold", 0.6, "--tiles", tiles, "--out", parts
    )
    peak["polygons"] = peak_mb("polygons", *common, "--parts", parts, "--out", out / "polygons.gpkg")
    return peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--area-km2", type=float, default=12.0, help="the smaller area")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small = measure(options.area_km2, Path(folder) / "1x")
        large = measure(8 * options.area_km2, Path(folder) / "8x")
    print(f"{'peak memory, MB':16} {'1x':>8} {'8x':>8} {'ratio':>6}   ({options.area_km2:g} and x8 km2)")
    for stage in STAGES:
        print(f"{stage:16} {small[stage]:8.0f} {large[stage]:8.0f} {large[stage] / small[stage]:6.2f}")
    if options.json:
        options.json.write_text(json.dumps({"1x": small, "8x": large}, indent=1) + "\n")


if __name__ == "__main__":
    main()
