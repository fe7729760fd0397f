"""The review room at size: pictures a minute, and the page with thousands of candidates in a real browser.

    python benchmarks/review_room.py [--candidates 1000] [--queue 5000] [--chromium PATH] [--json FILE]

Makes a synthetic campaign of textured tiles of five years, renders the pictures of `--candidates` candidates with two
processes, as the workflow does on two cores, and prints the time. Then a queue of `--queue` candidates is opened with
`slumpmap review` in headless Chromium, and candidates are rejected one after the other with a key. Printed are the
time until the page shows the first candidate, the time from the key to the next candidate on the screen (median, 95th
percentile, largest) when each candidate is looked at for half a second, the same when keys follow each other as fast as
candidates come, how long after the last key everything is saved, and the memory of server and page. It is checked
that every key became a decision in the file.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import psutil
import shapely
import yaml
from scipy.ndimage import gaussian_filter

from slumpmap.config import read_config
from slumpmap.grid import Grid, box_area
from slumpmap.raster import RGB_NODATA, write_cog, write_mosaic, write_raster
from slumpmap.vector import write_layer

CRS, TILE_PX, RESOLUTION = "EPSG:32646", 1024, 3.0
YEARS = (2016, 2017, 2018, 2019, 2020)
TILES = 4
KEYS = 100
# A fast reviewer's look at an obvious candidate; meanwhile the page loads pictures ahead.
LOOK_MS = 500


def make_campaign(folder: Path, candidates: int) -> Path:
    """Writes the inputs of a review and a configuration; returns the configuration."""
    side = TILES * TILE_PX * RESOLUTION
    bounds = [500_000.0, 3_840_000.0, 500_000.0 + side, 3_840_000.0 + side]
    config = {
        "campaign": "bench",
        "data": str(folder),
        "results": str(folder / "results"),
        "inputs": {"catalogue": "scenes.gpkg", "positives": "positives.gpkg", "dem": "dem.tif"},
        "grid": {"crs": CRS, "resolution": RESOLUTION, "tile_px": TILE_PX, "bounds": bounds},
        "imagery": {"years": list(YEARS), "mapping_year": 2019},
        "review": {
            "mode": "people",
            "reviewers": ["anna"],
            "adjudicator": "chen",
            "decisions": str(folder / "decisions"),
        },
    }
    path = folder / "campaign.yaml"
    path.write_text(yaml.safe_dump(config))
    campaign = read_config(path)
    grid = Grid.over(box_area((bounds[0], bounds[1], bounds[2], bounds[3])), CRS, RESOLUTION, TILE_PX)
    (campaign.folder / "inputs").mkdir(parents=True)
    (campaign.folder / "inputs" / "grid.json").write_text(grid.to_json())
    rng = np.random.default_rng(1)
    write_images(campaign.folder / "imagery", grid, rng)
    relief = gaussian_filter(rng.normal(size=(500, 500)), 15) * 2000 + 4500
    dem = Grid(CRS, bounds[0] - 1000, bounds[3] + 1000, 30.0, 500, grid.area)
    write_raster(folder / "dem.tif", relief.astype(np.float32), dem.transform, CRS, nodata=-9999.0)
    write_vectors(campaign.folder, grid, candidates, rng)
    return path


def write_images(folder: Path, grid: Grid, rng: np.random.Generator) -> None:
    """Tiles of all years: soft ground with fine noise, as compressible as real scenes are."""
    for tile in grid.tiles:
        ground = gaussian_filter(rng.normal(size=(3, TILE_PX, TILE_PX)), (0, 12, 12)) * 900 + 120
        for year in YEARS:
            noisy = ground + rng.normal(0, 4, ground.shape)
            values = np.clip(noisy, 1, 255).astype(np.uint8)
            path = folder / str(year) / f"{tile.id}.tif"
            write_cog(path, values, grid.window_transform(tile.window), CRS, RGB_NODATA)
    for year in YEARS:
        write_mosaic(grid, folder / str(year), 3, RGB_NODATA)


def write_vectors(folder: Path, grid: Grid, count: int, rng: np.random.Generator) -> None:
    """Candidates, their queue, known slumps and scenes."""
    west, south, east, north = grid.area.bounds
    x, y = rng.uniform(west + 500, east - 500, count), rng.uniform(south + 500, north - 500, count)
    # Areas as those of the inventory of Xia et al. (2022): lognormal about 1 ha.
    radius = np.sqrt(np.exp(rng.normal(0, 1, count)) * 1e4 / np.pi).clip(12, 250)
    shapes = shapely.buffer(shapely.points(x, y), radius)
    names = [f"01-r{number:06d}" for number in range(count)]
    score = np.sort(rng.uniform(0.3, 0.95, count))[::-1]
    columns = {"score": score, "area_ha": shapely.area(shapes) / 1e4, "nodata_share": 0.0, "at_edge": False}
    ledger = gpd.GeoDataFrame({"id": names, **columns, "status": "new"}, geometry=shapes, crs=CRS)
    write_layer(ledger, folder / "iterations/01/candidates/candidates.gpkg")
    queue = ledger[["id", "geometry"]].assign(
        rank=np.arange(1, count + 1), expected=score, probability=score, drawn=False
    )
    write_layer(queue, folder / "iterations/01/review/queue.gpkg")
    write_layer(ledger.iloc[:50][["id", "geometry"]], folder / "iterations/01/labels/positives.gpkg")
    scenes = gpd.GeoDataFrame(
        {
            "acquired": [f"{year}-07-15T04:00:00+00:00" for year in YEARS],
            "year": list(YEARS),
            "cloud_fraction": 0.0,
            "reason": "",
        },
        geometry=[grid.area] * len(YEARS),
        crs=CRS,
    )
    write_layer(scenes, folder / "inputs/scenes.gpkg")


def render(config: Path, processes: int) -> float:
    """Renders all pictures with the command of the workflow's rule; seconds."""
    folder = read_config(config).folder
    grid = Grid.read(folder / "inputs/grid.json")
    command = [sys.executable, "-m", "slumpmap", "chips", "--grid", folder / "inputs/grid.json"]
    command += ["--candidates", folder / "iterations/01/candidates/candidates.gpkg"]
    command += ["--known", folder / "iterations/01/labels/positives.gpkg", "--imagery", folder / "imagery"]
    command += ["--years", ",".join(map(str, YEARS)), "--mapping-year", "2019"]
    command += ["--catalogue", folder / "inputs/scenes.gpkg", "--dem", config.parent / "dem.tif"]
    command += ["--out", folder / "iterations/01/review/chips"]
    started = time.monotonic()
    running = [
        subprocess.Popen(
            [*map(str, command), "--tiles", ",".join(tile.id for tile in grid.tiles[first::processes])],
            stderr=subprocess.DEVNULL,
        )
        for first in range(processes)
    ]
    if any(process.wait() for process in running):
        sys.exit("slumpmap chips failed")
    return time.monotonic() - started


def wait_for_marks(page: Any, name: str, count: int) -> None:
    """Waits until the page has measured something so often; its security policy forbids to wait within the page."""
    patience = time.monotonic() + 60
    while page.evaluate("name => performance.getEntriesByName(name).length", name) < count:
        if time.monotonic() > patience:
            sys.exit(f"the page did not reach {count} times {name!r} within a minute")
        page.wait_for_timeout(5)


def try_page(config: Path, chromium: str) -> dict[str, Any]:
    """Opens the page, decides with keys, and measures."""
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-m", "slumpmap", "review", "--campaign", str(config), "--iteration", "1"]
    server = subprocess.Popen(
        [*command, "--reviewer", "anna", "--no-browser"], stdout=subprocess.PIPE, text=True, cwd=config.parent
    )
    assert server.stdout is not None
    address = server.stdout.readline().split()[-1]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.goto(address)
        wait_for_marks(page, "page-up", 1)
        up = page.evaluate("performance.getEntriesByName('page-up')[0].startTime")
        for number in range(1, 2 * KEYS + 1):
            page.keyboard.press("x")
            wait_for_marks(page, "next-candidate", number)
            if number > KEYS:
                page.wait_for_timeout(LOOK_MS)
        steps = page.evaluate("performance.getEntriesByName('next-candidate').map(entry => entry.duration)")
        in_a_row, looked_at = sorted(steps[:KEYS]), sorted(steps[KEYS:])
        heap = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
        browser_mb = max(
            child.memory_info().rss
            for child in psutil.Process().children(recursive=True)
            if "--type=renderer" in " ".join(child.cmdline())
        )
        server_mb = psutil.Process(server.pid).memory_info().rss / 1e6
        started = time.monotonic()
        page.locator("[data-test=saved]:text-is('saved')").wait_for(timeout=60_000)
        saved_ms = (time.monotonic() - started) * 1000
        browser.close()
    server.terminate()
    server.wait(60)
    with closing(sqlite3.connect(config.parent / "decisions/01/anna.sqlite")) as store:
        decided = store.execute("SELECT COUNT(DISTINCT item) FROM acts WHERE kind = 'decide'").fetchone()[0]
    if decided != 2 * KEYS:
        sys.exit(f"{2 * KEYS} keys became {decided} decisions")
    return {
        "page_up_ms": up,
        "next_median_ms": statistics.median(looked_at),
        "next_p95_ms": looked_at[int(0.95 * KEYS)],
        "next_max_ms": looked_at[-1],
        "next_in_a_row_median_ms": statistics.median(in_a_row),
        "next_in_a_row_p95_ms": in_a_row[int(0.95 * KEYS)],
        "server_mb": server_mb,
        "renderer_mb": browser_mb / 1e6,
        "heap_mb": heap,
        "last_saved_after_ms": saved_ms,
        "decided": decided,
    }


def main() -> None:
    """Runs both parts and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--queue", type=int, default=5000)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, count in (("chips", arguments.candidates), ("page", arguments.queue)):
            folder = Path(scratch) / name
            folder.mkdir()
            config = make_campaign(folder, count)
            seconds = render(config, processes=2)
            if name == "chips":
                figures |= {"candidates": count, "years": len(YEARS), "chips_s": seconds, "chips_rate": count / seconds}
                print(f"{count} candidates x {len(YEARS)} years in {seconds:.1f} s, {count / seconds:.1f} a second")
            else:
                figures |= {"queue": count} | try_page(config, arguments.chromium)
    for key in list(figures)[4:]:
        print(f"{key:>16}: {figures[key]:.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
