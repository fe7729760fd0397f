"""Speed, memory and agreement of zonal statistics, beside rasterstats and exactextract, on one synthetic scene.

    python benchmarks/zonal.py [--polygons 100000] [--side 7746] [--repeats 3] [--json FILE]

100,000 outlines of the size of thaw slumps over six layers of 60 million pixels of 30 m, the size of the Qinghai-Tibet
corridor, read from compressed files. Areas are lognormal, median 0.66 ha and mean 1.9 ha, as those of 4,974 Arctic
slumps (ARTS; the corridor's 875 have 1.94 ha in the mean), none below 0.05 ha; 30 corners each. Statistics are mean,
smallest and largest value, standard deviation and count. The engines run one after the other in each repeat, each in
a process of its own, over the same files. Figures are medians; memory is the peak above what was there before
(Linux only). Loading of compiled code is in no figure: each engine is called once on ten polygons first. Where other
jobs share the machine, ratios of one run and seconds of the processor (`_cpu_s`) say more than wall seconds.

rasterstats takes milliseconds a polygon and layer: it is measured on `--subset` polygons and scaled. exactextract runs
on all, by its faster strategy (raster-sequential); the other one (feature-sequential) on ten subsets, scaled.
`empty` are polygons without a value. `max_abs_diff` is the largest difference of a mean from exactextract's, which
holds shares of pixels in float32; `max_abs_diff_shapely` that from intersections by shapely, on the subset.
`classes_max_abs_diff` compares the shares of classes with exactextract's, on the subset.
`large` repeats it with as many outlines of 1 to 10 km2 as the subset has, all of them by every engine.

exactextract is no dependency: where it is not installed, its figures are null. To measure it without installing it,
`pip install --no-deps --target FOLDER exactextract` and set PYTHONPATH=FOLDER.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.transform import from_origin
from scipy.ndimage import zoom

from slumpmap.files import write_json
from slumpmap.grid import HECTARE
from slumpmap.inventory.zonal import Layer, zonal_statistics
from slumpmap.raster import open_raster, write_raster

Floats = NDArray[np.float64]
Frame = Any

CELL_M, EPSG = 30.0, "EPSG:32646"
WEST, SOUTH = 300_000.0, 3_600_000.0
# Name, type, level, range of the relief, noise from pixel to pixel.
LAYERS: tuple[tuple[str, str, float, float, float], ...] = (
    ("elevation", "int16", 4800.0, 400.0, 2.0),
    ("slope", "float32", 7.0, 6.0, 0.8),
    ("aspect", "float32", 180.0, 150.0, 8.0),
    ("tpi", "float32", 0.0, 3.0, 0.6),
    ("pisr", "float32", 2600.0, 250.0, 20.0),
    ("vegetation", "uint8", 6.0, 5.0, 0.3),
)
MEDIAN_HA, SPREAD, SMALLEST_HA, LARGEST_HA = 0.66, 1.45, 0.05, 90.0
LARGE_HA = (100.0, 1000.0)
CORNERS = 30
STATISTICS = ("mean", "min", "max", "std", "count")


def make_layers(folder: Path, side: int) -> list[Path]:
    """Six files of smooth relief with noise, as the terrain room writes its products."""
    rng = np.random.default_rng(1)
    transform = from_origin(WEST, SOUTH + side * CELL_M, CELL_M, CELL_M)
    paths = []
    for name, kind, level, spread, noise in LAYERS:
        coarse = rng.standard_normal((side // 60 + 3, side // 60 + 3)).astype(np.float32)
        values = zoom(coarse, 60, order=1)[:side, :side]
        values *= np.float32(spread / 2)
        values += np.float32(noise) * rng.standard_normal(values.shape, dtype=np.float32) + np.float32(level)
        if kind != "float32":
            limits = np.iinfo(kind)
            values = np.clip(np.rint(values), limits.min, limits.max).astype(kind)
        paths.append(folder / f"{name}.tif")
        write_raster(paths[-1], values, transform, EPSG, 255 if kind == "uint8" else -9999)
    return paths


def outlines(areas_ha: Floats, side: int, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Lobed outlines of these areas, anywhere on the layers, some partly beyond them."""
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    phases = rng.uniform(0, 2 * np.pi, (2, len(areas_ha), 1))
    radius = 1 + 0.25 * np.sin(3 * angle + phases[0]) + 0.1 * np.sin(5 * angle + phases[1])
    across, down = radius * np.cos(angle), 1.5 * radius * np.sin(angle)
    size = np.sqrt(areas_ha * HECTARE / shapely.area(shapely.polygons(np.stack([across, down], axis=-1))))[:, None]
    centre = rng.uniform(0, side * CELL_M, (2, len(areas_ha), 1))
    points = np.stack([WEST + centre[0] + size * across, SOUTH + centre[1] + size * down], axis=-1)
    return gpd.GeoDataFrame(geometry=shapely.polygons(points), crs=EPSG)


def slump_areas(count: int, rng: np.random.Generator) -> Floats:
    return np.clip(rng.lognormal(np.log(MEDIAN_HA), SPREAD, count), SMALLEST_HA, LARGEST_HA)


# --- engines: layers and outlines to (layers, outlines, statistics) ---


def ours(layers: Sequence[Path], polygons: gpd.GeoDataFrame) -> Floats:
    tables = zonal_statistics(polygons.geometry, [Layer(path) for path in layers])
    return np.stack([table[list(STATISTICS)].to_numpy() for table in tables])


def by_rasterstats(layers: Sequence[Path], polygons: gpd.GeoDataFrame) -> Floats:
    from rasterstats import zonal_stats

    found = [zonal_stats(polygons, str(path), stats=STATISTICS) for path in layers]
    rows = [[[row[name] for name in STATISTICS] for row in table] for table in found]
    return np.array(rows, dtype=np.float64)


def by_exactextract(layers: Sequence[Path], polygons: gpd.GeoDataFrame, strategy: str = "raster-sequential") -> Floats:
    import exactextract

    files = [str(path) for path in layers]
    names = ["mean", "min", "max", "stdev", "count"]
    table = exactextract.exact_extract(files, polygons, names, strategy=strategy, output="pandas")
    columns = [[f"{path.stem}_{name}" for name in names] if len(layers) > 1 else names for path in layers]
    return np.stack([table[chosen].to_numpy(dtype=np.float64) for chosen in columns])


def by_feature(layers: Sequence[Path], polygons: gpd.GeoDataFrame) -> Floats:
    return by_exactextract(layers, polygons, "feature-sequential")


ENGINES: dict[str, Callable[[Sequence[Path], gpd.GeoDataFrame], Floats]] = {
    "ours": ours,
    "rasterstats": by_rasterstats,
    "exactextract": by_exactextract,
    "exactextract_by_feature": by_feature,
}


def memory_mb(which: str) -> float:
    """Memory of this process as Linux counts it: `VmRSS` now, `VmHWM` at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(which)) / 1024


def work(engine: str, layers: Sequence[Path], polygons: Path, count: int, out: Path) -> None:
    """One run in a process of its own: seconds, memory and results into a file."""
    shapes = gpd.read_parquet(polygons).iloc[:count]
    run = ENGINES[engine]
    run(layers, shapes.iloc[:10])
    # From here on the peak counts anew.
    Path("/proc/self/clear_refs").write_text("5")
    before = memory_mb("VmRSS")
    started, used = time.perf_counter(), time.process_time()
    values = run(layers, shapes)
    seconds = [time.perf_counter() - started, time.process_time() - used]
    np.savez(out, values=values, seconds=seconds, memory=memory_mb("VmHWM") - before)


def measured(engine: str, layers: Sequence[Path], polygons: Path, count: int) -> tuple[Floats, float, Floats]:
    """Seconds by the wall's clock and of the processor, MB and results of one run."""
    out = polygons.with_name("result.npz")
    process = multiprocessing.get_context("spawn").Process(target=work, args=(engine, layers, polygons, count, out))
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"{engine} failed")
    with np.load(out, allow_pickle=False) as found:
        return found["seconds"], float(found["memory"]), found["values"]


# --- references ---


def by_shapely(layers: Sequence[Path], polygons: gpd.GeoDataFrame) -> Floats:
    """Means by intersection of each pixel with each polygon, (layers, polygons)."""
    means = np.full((len(layers), len(polygons)), np.nan)
    for number, path in enumerate(layers):
        with open_raster(path) as source:
            values, transform = source.read(1).astype(np.float64), source.transform
        for row, shape in enumerate(polygons.geometry):
            (left, bottom), (right, top) = np.array(shape.bounds).reshape(2, 2)
            columns = np.arange(
                max(0, (left - transform.c) // CELL_M), min(values.shape[1], (right - transform.c) / CELL_M)
            )
            rows = np.arange(
                max(0, (transform.f - top) // CELL_M), min(values.shape[0], (transform.f - bottom) / CELL_M)
            )
            i, j = (axis.ravel().astype(int) for axis in np.meshgrid(rows, columns, indexing="ij"))
            x, y = transform.c + j * CELL_M, transform.f - i * CELL_M
            area = shapely.area(shapely.intersection(shape, shapely.box(x, y - CELL_M, x + CELL_M, y)))
            if area.sum() > 0:
                means[number, row] = np.average(values[i, j], weights=area)
    return means


def class_difference(layer: Path, polygons: gpd.GeoDataFrame) -> float:
    """Largest difference of a class's share from exactextract's."""
    import exactextract

    classes = tuple(range(256))
    table = zonal_statistics(polygons.geometry, [Layer(layer, "class", classes)])[0]
    found = exactextract.exact_extract(str(layer), polygons, ["unique", "frac"])
    shares = np.zeros((len(polygons), len(classes)))
    for row, feature in enumerate(found):
        properties = feature["properties"]
        shares[row, np.asarray(properties["unique"], dtype=int)] = properties["frac"]
    return largest(table[list(classes)].to_numpy() - shares)


def largest(differences: Floats) -> float:
    return float(np.nanmax(np.abs(differences)))


# --- figures ---


def scene(
    layers: Sequence[Path], polygons: Path, engines: dict[str, int], repeats: int
) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Medians of seconds and memory; `engines`: how many of the polygons each takes. Results of the last runs."""
    total = len(gpd.read_parquet(polygons, columns=["geometry"]))
    seconds: dict[str, list[Floats]] = {name: [] for name in engines}
    memory: dict[str, list[float]] = {name: [] for name in engines}
    values: dict[str, Floats] = {}
    for repeat in range(repeats):
        for name, count in engines.items():
            taken, used, values[name] = measured(name, layers, polygons, count)
            seconds[name].append(taken * total / count)
            memory[name].append(used)
            says = f"{taken[0]:.2f} s, {taken[1]:.2f} s of the processor, {used:.0f} MB"
            print(f"run {repeat + 1}: {name}, {count} polygons: {says}", flush=True)
    figures: dict[str, Any] = {f"{name}_s": None for name in ENGINES}
    for name, runs in seconds.items():
        figures[f"{name}_s"], figures[f"{name}_cpu_s"] = np.median(runs, axis=0).tolist()
        ratios = np.array(runs) / np.array(seconds["ours"])
        figures[f"{name}_ratio"], figures[f"{name}_cpu_ratio"] = np.median(ratios, axis=0).tolist()
    figures["memory_mb"] = {name: statistics.median(used) for name, used in memory.items()}
    return figures, values


def agreement(values: dict[str, Floats]) -> dict[str, Any]:
    """Polygons without a value, and differences from exactextract."""
    own = values["ours"]
    figures: dict[str, Any] = {"empty": int(np.isnan(own[..., 0]).any(axis=0).sum()), "max_abs_diff": None}
    if "rasterstats" in values:
        figures["rasterstats_empty_share"] = float(np.isnan(values["rasterstats"][..., 0]).any(axis=0).mean())
    if "exactextract" in values:
        apart = own - values["exactextract"]
        by_name = {name: largest(apart[..., number]) for number, name in enumerate(STATISTICS)}
        figures |= {"max_abs_diff": by_name["mean"], "max_abs_diff_by_statistic": by_name}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--polygons", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=7746, help="rows and columns of the layers")
    parser.add_argument("--subset", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    subset = min(options.subset, options.polygons)
    peer = importlib.util.find_spec("exactextract") is not None
    if not peer:
        print("exactextract is not installed: its figures are left out")
    with tempfile.TemporaryDirectory() as name:
        folder, rng = Path(name), np.random.default_rng(2)
        layers = make_layers(folder, options.side)
        place: Callable[[Floats], gpd.GeoDataFrame] = partial(outlines, side=options.side, rng=rng)
        shapes, wide = place(slump_areas(options.polygons, rng)), place(rng.uniform(*LARGE_HA, subset))
        # A slump wholly outside has no value by right; there is none.
        inside = shapely.box(WEST, SOUTH, WEST + options.side * CELL_M, SOUTH + options.side * CELL_M)
        assert shapely.relate_pattern(shapes.geometry.to_numpy(), inside, "T********").all()
        small, large = folder / "slumps.parquet", folder / "large.parquet"
        shapes.to_parquet(small)
        wide.to_parquet(large)
        print(f"{options.polygons} polygons over {len(layers)} layers of {options.side**2 / 1e6:.0f} Mpx", flush=True)
        engines = {"ours": options.polygons, "rasterstats": subset}
        if peer:
            engines["exactextract"] = options.polygons
            engines["exactextract_by_feature"] = min(10 * subset, options.polygons)
        figures, values = scene(layers, small, engines, options.repeats)
        figures |= agreement(values)
        figures["max_abs_diff_shapely"] = largest(
            values["ours"][:, :subset, 0] - by_shapely(layers, shapes.iloc[:subset])
        )
        figures["classes_max_abs_diff"] = class_difference(layers[-1], shapes.iloc[:subset]) if peer else None
        print(f"{subset} polygons of {LARGE_HA[0]:g} to {LARGE_HA[1]:g} ha", flush=True)
        figures["large"], values = scene(layers, large, dict.fromkeys(engines, subset), options.repeats)
        figures["large"] |= agreement(values)
    figures |= {"polygons": options.polygons, "pixels": options.side**2, "layers": len(LAYERS)}
    for key, value in figures.items():
        print(f"{key}: {value}")
    if options.json:
        write_json(options.json, figures)


if __name__ == "__main__":
    main()
