"""Speed and accuracy of the terrain room, beside SAGA (`saga_cmd`) and GRASS (`grass`), on one synthetic landscape.

    python benchmarks/terrain.py [--side 1000] [--peer-days 4] [--repeats 3] [--corridor] [--json FILE]

Annual radiation with cast shadows: `slumpmap.terrain.pisr` on a whole year, the peers at their default atmospheres on a
few days spread over the year, steps of 30 minutes, scaled to 365 days. r.sun traces rays (no r.horizon).
Accuracy of ours: against brute force, `pisr_reference`, a whole year, in a window of the landscape. The peers' formulas
of the atmosphere are others, so their totals are not comparable; their beam at the top of the atmosphere is, and is
held against brute force on the same days. It includes their ways of finding slopes, and their time step.
Streams: fill, directions, catchments, channels with order, on 4 million cells of the same kind whatever `--side`,
against SAGA's Fill Sinks XXL (Wang & Liu), Flow Accumulation (Top-Down, D8) and Channel Network. Ours works in memory;
SAGA's figure includes its files. What programs need to start is in no figure. Each with its own filling, channels
differ on filled ground, where any way out is as good as another.
With `--corridor`, both commands run besides on 60 million cells, the Qinghai-Tibet corridor at 30 m.
A peer that is not installed is left out; its figures are null in the JSON.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine
from scipy.ndimage import zoom

from slumpmap.demo.noise import fbm_grid
from slumpmap.files import write_json
from slumpmap.terrain import drainage
from slumpmap.terrain.pisr import pisr
from slumpmap.terrain.pisr_model import PisrSettings
from slumpmap.terrain.pisr_reference import pisr_reference
from slumpmap.terrain.sun import declination_and_irradiance

Raster = NDArray[np.float32]

CELL_M, COARSE = 30.0, 4
LATITUDE, EPSG = 34.0, "EPSG:32646"
# On the central meridian, where grid north is true north, at LATITUDE.
WEST, NORTH = 500_000.0, 3_762_000.0
YEAR_DAYS, MOST_DAYS = 365, 73
# Cells: the window of the brute force, and what casts shadows around it.
WINDOW, HALO = 64, 64
# By so much the window's relief is raised to test shadows on steep ground, too.
STEEPER = 4
MIN_CHANNEL = 1000
# 4 million cells: less takes SAGA hardly longer than its start.
STREAM_SIDE = 2000
# The Qinghai-Tibet corridor, 54,000 km2.
CORRIDOR_SIDE = 7746


def landscape(shape: tuple[int, int], seed: int = 1) -> Raster:
    """Hills, valleys and filled basins at 120 m, refined to 30 m with small relief; slopes of 5 degrees in the mean."""
    coarse = -(-shape[0] // COARSE), -(-shape[1] // COARSE)
    step = COARSE * CELL_M
    valley = fbm_grid(coarse, 0, 0, step, 4600, 4, seed, 0.42)
    basin = fbm_grid(coarse, 0, 0, step, 12000, 3, seed + 1, 0.45)
    hill = fbm_grid(coarse, 0, 0, step, 1500, 4, seed + 2, 0.45)
    # It falls by 3 m per km, so that large basins drain.
    fall = 0.003 * step * (np.arange(coarse[1]) - coarse[1] / 2)
    # Valley floors are smooth, hills rise beside them.
    relief = 140 * np.sqrt(valley**2 + 0.01) + 25 * hill * np.minimum(1, 1.5 * valley) + 25 * basin
    filled = drainage.fill(4800 + fall + relief)
    smooth = zoom(filled.astype(np.float32), COARSE, order=3, mode="nearest", grid_mode=True)[: shape[0], : shape[1]]
    smooth += 1.6 * fbm_grid(shape, 0, 0, CELL_M, 420, 3, seed + 3, 0.42)
    return np.asarray(smooth, np.float32)


def write_dem(path: Path, elevation: Raster) -> None:
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "crs": EPSG, "nodata": -99999.0, "tiled": True}
    height, width = elevation.shape
    transform = Affine(CELL_M, 0, WEST, 0, -CELL_M, NORTH)
    with rasterio.open(path, "w", height=height, width=width, transform=transform, **profile) as target:
        target.write(elevation, 1)


def read(path: Path) -> Raster:
    with rasterio.open(path) as source:
        return np.asarray(source.read(1), np.float32)


def seconds_of(run: Callable[[], object], repeats: int = 1) -> float:
    """Median of the wall seconds."""
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def differences(values: NDArray[np.floating], truth: Raster) -> dict[str, float]:
    """Root mean square, largest and mean of the cells' relative differences, %, and the correlation."""
    relative = 100 * (values.astype(np.float64) / truth - 1)
    return {
        "rms_percent": float(np.sqrt(np.mean(relative**2))),
        "max_percent": float(np.abs(relative).max()),
        "bias_percent": float(relative.mean()),
        "correlation": float(np.corrcoef(values.ravel(), truth.ravel())[0, 1]),
    }


def peer_days(count: int) -> tuple[int, ...]:
    """So many days, evenly over the year."""
    step = YEAR_DAYS // count
    return tuple(step // 2 + 1 + step * n for n in range(count))


def steepest(elevation: Raster) -> Raster:
    """The window with its halo that rises most, of those at even places."""
    extent = WINDOW + 2 * HALO
    rise = np.hypot(*np.gradient(elevation))
    places = [
        (row, column)
        for row in range(0, elevation.shape[0] - extent + 1, WINDOW)
        for column in range(0, elevation.shape[1] - extent + 1, WINDOW)
    ]
    means = [rise[r + HALO : r + HALO + WINDOW, c + HALO : c + HALO + WINDOW].mean() for r, c in places]
    row, column = places[int(np.argmax(means))]
    return elevation[row : row + extent, column : column + extent]


# ---------------------------------------------------------------- SAGA

# On the command line of 8.5, -DAY is ignored, today is taken; in a tool chain it counts.
SAGA_CHAIN = """<?xml version="1.0" encoding="UTF-8"?>
<toolchain saga-version="8.5.0">
  <group>benchmark</group> <identifier>pisr</identifier> <name>PISR</name> <description>PISR</description>
  <parameters>
    <option varname="SYSTEM" type="grid_system"><name>System</name></option>
    <input varname="DEM" type="grid" parent="SYSTEM"><name>Elevation</name></input>
    <output varname="DIRECT" type="grid" parent="SYSTEM"><name>Direct</name></output>
    <output varname="DIFFUSE" type="grid" parent="SYSTEM"><name>Diffuse</name></output>
  </parameters>
  <tools>
    <tool library="ta_lighting" tool="2" name="Potential Incoming Solar Radiation">
      <input id="GRD_DEM">DEM</input>
      <output id="GRD_DIRECT">DIRECT</output> <output id="GRD_DIFFUS">DIFFUSE</output>
      <option id="LOCATION">0</option> <option id="LATITUDE">{latitude}</option>
      <option id="PERIOD">2</option> <option id="DAY">{first}</option> <option id="DAY_STOP">{last}</option>
      <option id="DAYS_STEP">{step}</option> <option id="HOUR_STEP">0.5</option>
      <option id="METHOD">2</option> <option id="LUMPED">{lumped}</option>
    </tool>
  </tools>
</toolchain>
"""


def saga(*arguments: object, cores: int | None = None, chains: Path | None = None) -> None:
    """Runs `saga_cmd`; without `cores`, with the threads that it chooses itself."""
    chosen = [] if cores is None else [f"-c={cores}"]
    environment = os.environ | ({} if chains is None else {"SAGA_TLB": str(chains)})
    command = ["saga_cmd", *chosen, "-f=s", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"saga_cmd {arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def saga_start() -> float:
    """Seconds that `saga_cmd` takes to load its libraries, which no figure counts."""
    return seconds_of(lambda: subprocess.run(["saga_cmd", "-f=s", "ta_lighting"], capture_output=True, check=False), 5)


def saga_pisr(dem: Path, out: Path, days: Sequence[int], lumped: float = 70, cores: int | None = 1) -> None:
    """Direct radiation of some days at even distances, lumped transmittance in %; the sum times their distance."""
    # The last day counts only if it lies before the end.
    first, last = (str(np.datetime64("2019-01-01") + day) for day in (days[0] - 1, days[-1]))
    chains = out.parent / "chains"
    chains.mkdir(exist_ok=True)
    text = SAGA_CHAIN.format(latitude=LATITUDE, first=first, last=last, step=YEAR_DAYS // len(days), lumped=lumped)
    (chains / "pisr.xml").write_text(text)
    files = (f"-DEM={dem}", f"-DIRECT={out}", f"-DIFFUSE={out.with_stem('diffuse')}")
    saga("benchmark", "pisr", *files, cores=cores, chains=chains)


def saga_streams(dem: Path, folder: Path) -> None:
    """Writes filled elevations, catchments (cells) and channels by SAGA."""
    filled, cells, channels = (folder / f"{name}.sdat" for name in ("filled", "cells", "channels"))
    saga("ta_preprocessor", 5, f"-ELEV={dem}", f"-FILLED={filled}", "-MINSLOPE=0.01", cores=1)
    saga("ta_hydrology", 0, f"-ELEVATION={filled}", f"-FLOW={cells}", "-METHOD=0", "-FLOW_UNIT=0", cores=1)
    rule = ("-INIT_METHOD=2", f"-INIT_VALUE={MIN_CHANNEL}")
    outs = (f"-CHNLNTWRK={channels}", f"-CHNLROUTE={folder / 'route.sdat'}", f"-SHAPES={folder / 'channels.shp'}")
    saga("ta_channels", 0, f"-ELEVATION={filled}", f"-INIT_GRID={cells}", *rule, *outs, cores=1)


# ---------------------------------------------------------------- GRASS

GRASS_SCRIPT = """set -e
r.in.gdal -o input={dem} output=dem --quiet
g.region raster=dem
r.slope.aspect elevation=dem slope=slope aspect=aspect --quiet
started=$EPOCHREALTIME
{runs}
echo seconds $started $EPOCHREALTIME
r.mapcalc expression="total = float(({total}) / 1000)" --quiet
r.out.gdal -c input=total output={out} format=GTiff type=Float32 --quiet
"""


def r_sun(dem: Path, out: Path, days: Sequence[int], threads: int = 1, linke: float = 3) -> float:
    """Writes the sum of beam radiation over the days, kWh m-2, and returns the seconds of r.sun alone."""
    declinations = declination_and_irradiance(np.array(days))[0]
    maps = "elevation=dem slope=slope aspect=aspect"
    outputs = "beam_rad=beam{day} diff_rad=diffuse{day} refl_rad=reflected{day}"
    runs = [
        f"r.sun {maps} day={day} declination={declination:.6f} step=0.5 linke_value={linke} nprocs={threads} "
        f"{outputs.format(day=day)} --quiet"
        for day, declination in zip(days, declinations, strict=True)
    ]
    total = " + ".join(f"beam{day}" for day in days)
    script = out.with_suffix(".sh")
    script.write_text(GRASS_SCRIPT.format(dem=dem, runs="\n".join(runs), total=total, out=out))
    command = ["grass", "--tmp-location", EPSG, "--exec", "bash", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not out.exists():
        sys.exit(f"grass failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    started, ended = map(float, done.stdout.split("seconds")[1].split()[:2])
    return ended - started


# ---------------------------------------------------------------- radiation

# The first call compiles, the second does not.
FIRST_CALLS = """
import sys, time
import numpy as np
from slumpmap.terrain.pisr import pisr
elevation, taken = np.load(sys.argv[1]), []
for _ in range(2):
    started = time.perf_counter()
    pisr(elevation, (30.0, 30.0), 34.0)
    taken.append(time.perf_counter() - started)
print(taken[0] - taken[1])
"""


def compile_seconds(folder: Path, elevation: Raster) -> float:
    """What the first call ever takes more than the next, with an empty cache of compiled functions."""
    np.save(folder / "small.npy", elevation[:100, :100])
    command = [sys.executable, "-c", FIRST_CALLS, str(folder / "small.npy")]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder / "cache")}
    return float(subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout)


def accuracy(window: Raster) -> dict[str, Any]:
    """Ours against brute force, all terms, the whole year."""
    cell = (CELL_M, CELL_M)
    truth = pisr_reference(window, cell, LATITUDE, halo_px=HALO).total
    return differences(pisr(window, cell, LATITUDE, halo_px=HALO).total, truth)


def beams(window: Raster, folder: Path, days: Sequence[int], saga_there: bool, grass_there: bool) -> dict[str, Any]:
    """Beam at the top of the atmosphere on some days against brute force, of ours and of the peers."""
    cell, dem, inner = (CELL_M, CELL_M), folder / "window.tif", np.s_[HALO:-HALO, HALO:-HALO]
    write_dem(dem, window)
    cooper = PisrSettings(atmosphere="none", days=tuple(days))
    truth = pisr_reference(window, cell, LATITUDE, cooper, HALO).beam
    found: dict[str, Any] = {"ours": differences(pisr(window, cell, LATITUDE, cooper, HALO).beam, truth)}
    found |= {"saga": None, "rsun": None}
    if grass_there:
        r_sun(dem, folder / "window_beam.tif", days, linke=0)
        found["rsun"] = differences(read(folder / "window_beam.tif")[inner], truth)
    if saga_there:
        # SAGA's sun is that of the calendar, not Cooper's.
        truth = pisr_reference(window, cell, LATITUDE, replace(cooper, ephemeris="spa"), HALO).beam
        saga_pisr(dem, folder / "window_direct.sdat", days, lumped=100)
        mean = read(folder / "window_direct.sdat")[inner] / (YEAR_DAYS // len(days))
        found["saga"] = differences(mean, truth)
    return found


def measure_pisr(
    folder: Path, elevation: Raster, options: argparse.Namespace, peers: dict[str, bool]
) -> dict[str, Any]:
    """Seconds per million cells of a year, ratios, differences from brute force."""
    dem, megapixels, cell = folder / "dem.tif", elevation.size / 1e6, (CELL_M, CELL_M)
    days = peer_days(options.peer_days)
    yearly = YEAR_DAYS / len(days) / megapixels
    figures: dict[str, Any] = {"compile_s": compile_seconds(folder, elevation)}
    pisr(elevation[:100, :100], cell, LATITUDE)
    for threads in (1, 2):
        taken = seconds_of(partial(pisr, elevation, cell, LATITUDE, threads=threads), options.repeats)
        figures[f"ours_{threads}_s_mpx"] = taken / megapixels
    names = ("saga_s_mpx", "saga_default_s_mpx", "rsun_s_mpx", "rsun_2_s_mpx", "saga_to_ours", "rsun_to_ours")
    figures |= dict.fromkeys(names)
    if peers["saga"]:
        out = folder / "direct.sdat"
        start = saga_start()
        figures["saga_s_mpx"] = yearly * (seconds_of(lambda: saga_pisr(dem, out, days)) - start)
        figures["saga_default_s_mpx"] = yearly * (seconds_of(lambda: saga_pisr(dem, out, days, cores=None)) - start)
        figures["saga_to_ours"] = figures["saga_s_mpx"] / figures["ours_1_s_mpx"]
    if peers["grass"]:
        figures["rsun_s_mpx"] = yearly * r_sun(dem, folder / "beam.tif", days)
        figures["rsun_2_s_mpx"] = yearly * r_sun(dem, folder / "beam2.tif", days, threads=2)
        figures["rsun_to_ours"] = figures["rsun_s_mpx"] / figures["ours_1_s_mpx"]
    window = steepest(elevation)
    figures |= accuracy(window) | {"steep": accuracy(STEEPER * (window - window.mean()) + window.mean())}
    figures["beam_without_atmosphere"] = beams(window, folder, days, peers["saga"], peers["grass"])
    return figures


# ---------------------------------------------------------------- streams


def channels_of(filled: Raster) -> NDArray[np.bool_]:
    """Channel cells of filled ground by ours."""
    size = np.full(filled.shape[0], CELL_M)
    cells = drainage.accumulate(drainage.directions(filled, size, size), np.ones(filled.shape[0]))
    return np.asarray(cells >= MIN_CHANNEL)


def streams(elevation: Raster) -> NDArray[np.bool_]:
    """Channel cells by ours from raw ground, with the channels' orders and reaches."""
    size = np.full(elevation.shape[0], CELL_M)
    direction = drainage.directions(drainage.fill(elevation), size, size)
    cells = drainage.accumulate(direction, np.ones(elevation.shape[0]))
    channel = np.asarray(cells >= MIN_CHANNEL)
    drainage.reaches(direction, channel, drainage.strahler(direction, channel), cells, size, size)
    return channel


def f1(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    """Agreement of two sets of cells: 1 if they are the same."""
    return float(2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()))


def measure_streams(folder: Path, options: argparse.Namespace, saga_there: bool) -> dict[str, float | None]:
    """Seconds for 4 million cells, and agreement of the channels' cells."""
    elevation, dem = landscape((STREAM_SIDE, STREAM_SIDE)), folder / "stream_dem.tif"
    write_dem(dem, elevation)
    own = streams(elevation)
    ours = seconds_of(lambda: streams(elevation), options.repeats)
    # Within filled depressions any way out is as good as another.
    dry = drainage.fill(elevation) == elevation
    figures: dict[str, float | None] = {"ours_s_4mpx": ours, "filled_share": float(1 - dry.mean())}
    figures |= dict.fromkeys(("saga_s_4mpx", "saga_to_ours", "f1", "f1_catchments", "f1_own_filling"))
    figures["f1_own_filling_dry"] = None
    if saga_there:
        start = 3 * saga_start()
        taken = seconds_of(lambda: saga_streams(dem, folder), options.repeats) - start
        channels, cells = read(folder / "channels.sdat"), read(folder / "cells.sdat")
        same = channels_of(read(folder / "filled.sdat"))
        # Orders are positive, -1 are mouths.
        theirs = channels > np.float32(-1.5)
        figures |= {"saga_s_4mpx": taken, "saga_to_ours": taken / ours}
        figures |= {"f1": f1(same, theirs), "f1_catchments": f1(same, cells >= MIN_CHANNEL)}
        figures |= {"f1_own_filling": f1(own, theirs), "f1_own_filling_dry": f1(own & dry, theirs & dry)}
    return figures


# ---------------------------------------------------------------- corridor

# A process counts the memory of the one that started it until it runs its own program, so a small one starts it.
STARTER = """
import resource, subprocess, sys, time
started = time.perf_counter()
status = subprocess.run(sys.argv[1:]).returncode
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
sys.exit(status)
"""


def command(*arguments: object) -> tuple[float, float]:
    """Wall seconds and peak resident memory (MB) of a `slumpmap terrain` command."""
    line = [sys.executable, "-c", STARTER, sys.executable, "-m", "slumpmap", "terrain", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"slumpmap terrain {arguments[0]} failed:\n{done.stderr[-2000:]}")
    seconds, peak = map(float, done.stdout.split()[-2:])
    return seconds, peak


def measure_corridor(folder: Path) -> dict[str, float]:
    """Seconds and peak memory of both commands on 60 million cells."""
    found: dict[str, float] = {"mpx": CORRIDOR_SIDE**2 / 1e6}
    # Small first, so that no time goes into compiling.
    for side in (300, CORRIDOR_SIDE):
        dem = folder / f"corridor_{side}.tif"
        write_dem(dem, landscape((side, side)))
        radiation = command("pisr", "--dem", dem, "--threads", 2, "--out", folder / "pisr.tif")
        lines = command("streams", "--dem", dem, "--out", folder / "streams.gpkg")
        found |= {"pisr_s": radiation[0], "pisr_peak_mb": radiation[1]}
        found |= {"streams_s": lines[0], "streams_peak_mb": lines[1]}
    return found


# ---------------------------------------------------------------- all


def show_pisr(figures: dict[str, Any], days: int) -> None:
    print(f"annual radiation with cast shadows, s per million cells (peers: {days} days, scaled to {YEAR_DAYS})")
    rows = {
        "ours, 1 thread": "ours_1_s_mpx",
        "ours, 2 threads": "ours_2_s_mpx",
        "SAGA, 1 thread": "saga_s_mpx",
        "SAGA, its own choice of threads": "saga_default_s_mpx",
        "r.sun, 1 thread": "rsun_s_mpx",
        "r.sun, 2 threads": "rsun_2_s_mpx",
    }
    for label, name in rows.items():
        print(f"  {label:32} {number(figures[name], '10.2f')}")
    print(f"  first call, to compile: {figures['compile_s']:.1f} s more, once on a machine")
    for name, label in (("saga", "SAGA"), ("rsun", "r.sun")):
        print(f"  {label} / ours, 1 thread each: {number(figures[f'{name}_to_ours'], '.0f')}")
    print("accuracy against brute force, relative, %")
    show_differences("ours, total, a year", figures)
    show_differences(f"the same, {STEEPER} x relief", figures["steep"])
    print(f"  beam without atmosphere, {days} days (totals of the peers are not comparable: other atmospheres)")
    for name, label in (("ours", "ours"), ("saga", "SAGA"), ("rsun", "r.sun")):
        show_differences(f"{label}, beam", figures["beam_without_atmosphere"][name])


def show_differences(label: str, found: dict[str, float] | None) -> None:
    if found is None:
        print(f"  {label:22} not installed")
        return
    parts = " ".join(f"{part} {found[f'{part}_percent']:.3f}" for part in ("rms", "max", "bias"))
    print(f"  {label:22} {parts} correlation {found['correlation']:.5f}")


def number(value: float | None, layout: str) -> str:
    return "not installed" if value is None else format(value, layout)


def show_streams(figures: dict[str, float | None]) -> None:
    print("streams, s for 4 million cells, 1 thread")
    print(f"  ours {figures['ours_s_4mpx']:.2f}, in memory; filled ground {figures['filled_share']:.1%}")
    if figures["saga_s_4mpx"] is None:
        print("  SAGA not installed")
        return
    print(f"  SAGA {figures['saga_s_4mpx']:.2f}, with its files; SAGA / ours {figures['saga_to_ours']:.1f}")
    print("  agreement (F1)")
    labels = {
        "f1": "channels, on SAGA's filled ground",
        "f1_catchments": f"catchments of {MIN_CHANNEL} cells, on SAGA's filled ground",
        "f1_own_filling": "channels, each with its own filling",
        "f1_own_filling_dry": "the same, outside filled ground",
    }
    for name, label in labels.items():
        print(f"    {label:48} {figures[name]:.4f}")


def show_corridor(figures: dict[str, float]) -> None:
    print(f"corridor, {figures['mpx']:.0f} million cells, file to file")
    for name in ("pisr", "streams"):
        print(f"  {name:8} {figures[f'{name}_s']:6.1f} s, peak memory {figures[f'{name}_peak_mb']:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--side", type=int, default=1000, help=f"rows and columns, at least {WINDOW + 2 * HALO}")
    parser.add_argument("--peer-days", type=int, default=4, help="days that the peers compute")
    parser.add_argument("--repeats", type=int, default=3, help="repeats, of which the median counts")
    parser.add_argument("--corridor", action="store_true", help="both commands on 60 million cells, too")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    if options.side < WINDOW + 2 * HALO or not 1 <= options.peer_days <= MOST_DAYS or options.repeats < 1:
        parser.error(f"--side is at least {WINDOW + 2 * HALO}, --peer-days 1 to {MOST_DAYS}, --repeats at least 1")
    peers = {name: shutil.which(program) is not None for name, program in (("saga", "saga_cmd"), ("grass", "grass"))}
    found: dict[str, Any] = {"load_before": os.getloadavg()[0], "processors": os.cpu_count(), "corridor": None}
    print(f"load before the start {found['load_before']:.1f} on {found['processors']} processors")
    with tempfile.TemporaryDirectory() as name:
        folder, elevation = Path(name), landscape((options.side, options.side))
        write_dem(folder / "dem.tif", elevation)
        found["pisr"] = measure_pisr(folder, elevation, options, peers)
        show_pisr(found["pisr"], options.peer_days)
        found["streams"] = measure_streams(folder, options, peers["saga"])
        show_streams(found["streams"])
        if options.corridor:
            found["corridor"] = measure_corridor(folder)
            show_corridor(found["corridor"])
    if options.json:
        write_json(options.json, found | {"side": options.side, "peer_days": options.peer_days, "peers": peers})


if __name__ == "__main__":
    main()
