"""Speed and accuracy of radiation and streams beside SAGA and GRASS, on the same synthetic DEM in one run.

    python benchmarks/terrain.py [--side 1000] [--peer-side 500] [--days 5] [--corridor] [--json FILE]

Radiation: a year with cast shadows, seconds per million cells of 30 m at 34 N, start of the process and compiling left
out for ours, start included for the peers, whose time for a few days spread over the year is scaled to 365 (a plain
time loop: SAGA `ta_lighting` 2 and GRASS `r.sun`, both in steps of 30 minutes). Accuracy: ours against brute force
(every sun, every ray), and SAGA too, beam without atmosphere (lumped transmittance of 100 %), relative to its mean as
its sun differs. `r.sun` has another atmosphere and is not compared.

Streams: from file to file, ours against SAGA's fill, flow accumulation (D8) and channels; F1 of channel cells on the
DEM that SAGA filled. --corridor: 60 million cells from file to file, with the peak memory of the process.

A peer that is not installed is skipped, and said so.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin

from slumpmap.demo.noise import fbm_grid
from slumpmap.files import write_json
from slumpmap.terrain import drainage
from slumpmap.terrain.pisr import pisr
from slumpmap.terrain.pisr_model import PisrSettings
from slumpmap.terrain.pisr_reference import pisr_reference

Heights = NDArray[np.float32]

CELL_M, LATITUDE, YEAR_DAYS = 30.0, 34.0, 365
CRS, WEST, NORTH = "EPSG:32646", 500_000.0, 3_764_000.0
CORRIDOR_PX = 60_000_000
WINDOW, HALO = 60, 60
CHANNEL_KM2 = 0.9

CHAIN = """<?xml version="1.0" encoding="UTF-8"?>
<toolchain saga-version="8.5.0">
  <group>benchmark</group><identifier>radiation</identifier><name>Radiation</name>
  <author>slumpmap</author><description>Radiation of some days of a year</description>
  <parameters>
    <option varname="SYSTEM" type="grid_system"><name>System</name></option>
    <input varname="DEM" type="grid" parent="SYSTEM"><name>DEM</name></input>
    <output varname="DIRECT" type="grid" parent="SYSTEM"><name>Direct</name></output>
    <output varname="DIFFUS" type="grid" parent="SYSTEM"><name>Diffuse</name></output>
  </parameters>
  <tools>
    <tool library="ta_lighting" tool="2" name="Potential Incoming Solar Radiation">
      <option id="LOCATION">0</option><option id="LATITUDE">{latitude}</option>
      <option id="PERIOD">2</option><option id="DAY">{first}</option><option id="DAY_STOP">2023-12-31</option>
      <option id="DAYS_STEP">{step}</option><option id="HOUR_STEP">0.5</option>
      <option id="METHOD">2</option><option id="LUMPED">100</option>
      <input id="GRD_DEM">DEM</input>
      <output id="GRD_DIRECT">DIRECT</output><output id="GRD_DIFFUS">DIFFUS</output>
    </tool>
  </tools>
</toolchain>
"""
R_SUN = """set -e
r.in.gdal -o --quiet input={dem} output=dem
g.region raster=dem
r.slope.aspect --quiet elevation=dem slope=slope aspect=aspect
start=$(date +%s.%N)
for day in {days}; do
  r.sun --quiet --overwrite elevation=dem slope=slope aspect=aspect day=$day step=0.5 nprocs=1 glob_rad=global
done
echo "seconds $(echo "$(date +%s.%N) - $start" | bc)"
"""
# A process counts the memory of the one that started it until it runs its own program, so a small one starts it.
STARTER = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
sys.exit(code)
"""


def landscape(side: int) -> Heights:
    """A plateau with ridges of 12 km and hills of 1.5 km, near 4800 m, (side, side)."""
    relief = 130 * fbm_grid((side, side), 0.0, 0.0, CELL_M, 12_000.0, 4, 1, 0.45)
    relief += 30 * fbm_grid((side, side), 0.0, 0.0, CELL_M, 1500.0, 4, 2, 0.45)
    return (4800 + relief).astype(np.float32)


def write_dem(path: Path, elevation: Heights) -> Path:
    """Writes a DEM as a tiled GeoTIFF."""
    options = {"driver": "GTiff", "count": 1, "dtype": "float32", "crs": CRS, "tiled": True, "nodata": -9999}
    transform = from_origin(WEST, NORTH, CELL_M, CELL_M)
    height, width = elevation.shape
    with rasterio.open(path, "w", height=height, width=width, transform=transform, **options) as target:
        target.write(elevation, 1)
    return path


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Median time of some runs."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def sample_days(count: int) -> tuple[list[int], int]:
    """Days spread over a year, in equal steps, and the step."""
    step = YEAR_DAYS // count
    return list(range(1 + step // 2, YEAR_DAYS + 1, step))[:count], step


def saga_radiation(dem: Path, days: Sequence[int], step: int, threads: int) -> tuple[float, Heights] | None:
    """Seconds that SAGA takes for the days, and its direct radiation; None where it is not installed."""
    if shutil.which("saga_cmd") is None:
        return None
    chains = dem.parent / "chains"
    chains.mkdir(exist_ok=True)
    first = np.datetime64("2022-12-31") + days[0]
    (chains / "radiation.xml").write_text(CHAIN.format(latitude=LATITUDE, first=first, step=step))
    out = dem.parent / "direct.sdat"
    command = ["saga_cmd", "-f=s", f"-c={threads}", "benchmark", "radiation", f"-DEM={dem}", f"-DIRECT={out}"]
    command.append(f"-DIFFUS={dem.parent / 'diffus.sdat'}")
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"SAGA_TLB": str(chains)})
    taken = time.perf_counter() - started
    with rasterio.open(out) as direct:
        return taken, direct.read(1)


def grass_radiation(dem: Path, days: Sequence[int]) -> float | None:
    """Seconds that r.sun takes for the days; None where GRASS is not installed."""
    if shutil.which("grass") is None:
        return None
    script = dem.parent / "sun.sh"
    script.write_text(R_SUN.format(dem=dem, days=" ".join(map(str, days))))
    command = ["grass", "--tmp-location", CRS, "--exec", "bash", str(script)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(next(line for line in done.stdout.splitlines() if line.startswith("seconds")).split()[1])


def radiation(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Speed of a year's radiation, ours and the peers'."""
    elevation, cell = landscape(options.side), (CELL_M, CELL_M)
    mpx = elevation.size / 1e6
    started = time.perf_counter()
    pisr(elevation[:64, :64], cell, LATITUDE)
    first = time.perf_counter() - started
    ours = {n: seconds(lambda n=n: pisr(elevation, cell, LATITUDE, threads=n)) / mpx for n in (1, 2)}  # type: ignore[misc]
    dem = write_dem(folder / "peer.tif", elevation[: options.peer_side, : options.peer_side])
    days, step = sample_days(options.days)
    scale = YEAR_DAYS / len(days) / (options.peer_side**2 / 1e6)
    saga = {threads: saga_radiation(dem, days, step, threads) for threads in (1, 2)}
    sun = grass_radiation(dem, days)
    found: dict[str, Any] = {"first_call_s": first, "ours_1_s_mpx": ours[1], "ours_2_s_mpx": ours[2]}
    found["saga_s_mpx"] = saga[1][0] * scale if saga[1] else None
    found["saga_2_s_mpx"] = saga[2][0] * scale if saga[2] else None
    found["rsun_s_mpx"] = sun * scale if sun else None
    for peer in ("saga", "rsun"):
        found[f"{peer}_to_ours"] = found[f"{peer}_s_mpx"] / ours[1] if found[f"{peer}_s_mpx"] else None
    direct = saga[1][1] if saga[1] else None
    return found | accuracy(elevation[: options.peer_side, : options.peer_side], days, direct)


def accuracy(elevation: Heights, days: Sequence[int], direct: Heights | None) -> dict[str, Any]:
    """Beam without atmosphere of a window against brute force, ours and SAGA's."""
    settings = PisrSettings(atmosphere="none", days=tuple(days))
    place = elevation.shape[0] // 2 - WINDOW // 2
    inner = np.s_[place : place + WINDOW, place : place + WINDOW]
    wide = np.s_[place - HALO : place + WINDOW + HALO, place - HALO : place + WINDOW + HALO]
    cell = (CELL_M, CELL_M)
    truth = pisr_reference(elevation[wide], cell, LATITUDE, settings, HALO).beam
    # SAGA sees the whole DEM; shadows on this ground come from far nearer than the halo.
    found = errors("", pisr(elevation[wide], cell, LATITUDE, settings, HALO).beam / truth)
    if direct is not None:
        ratio = direct[inner] / truth
        found |= errors("saga_", ratio / ratio.mean())
    return found


def errors(name: str, ratio: NDArray[np.floating]) -> dict[str, float]:
    """Root mean square, largest and mean difference from 1, percent."""
    off = 100 * (np.asarray(ratio, np.float64) - 1)
    values = {"rms": math.sqrt(np.mean(off**2)), "max": np.abs(off).max(), "bias": off.mean()}
    return {f"{name}{key}_percent": float(value) for key, value in values.items()}


def saga_streams(dem: Path) -> tuple[float, Heights, Heights] | None:
    """Seconds of SAGA's chain, its filled DEM and its accumulation (m2); None where it is not installed."""
    if shutil.which("saga_cmd") is None:
        return None
    filled, area, channels = (dem.parent / f"{name}.sdat" for name in ("filled", "area", "channels"))
    least = CHANNEL_KM2 * 1e6
    steps = (
        ["ta_preprocessor", "5", f"-ELEV={dem}", f"-FILLED={filled}", "-MINSLOPE=0.01"],
        ["ta_hydrology", "0", f"-ELEVATION={filled}", f"-FLOW={area}", "-METHOD=0"],
        ["ta_channels", "0", f"-ELEVATION={filled}", f"-INIT_GRID={area}", "-INIT_METHOD=2", f"-INIT_VALUE={least}",
         f"-CHNLNTWRK={channels}", f"-CHNLROUTE={dem.parent / 'route.sdat'}", f"-SHAPES={dem.parent / 'lines.shp'}"],
    )  # fmt: skip
    started = time.perf_counter()
    for step in steps:
        subprocess.run(["saga_cmd", "-f=s", "-c=1", *step], check=True, stdout=subprocess.DEVNULL)
    taken = time.perf_counter() - started
    with rasterio.open(filled) as one, rasterio.open(area) as other:
        return taken, one.read(1), other.read(1)


def streams(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Speed of a stream network from file to file, and agreement of the channel cells."""
    dem = write_dem(folder / "streams.tif", landscape(2 * options.side))
    to_four = 4e6 / (2 * options.side) ** 2
    command = ["streams", "--dem", str(dem), "--min-catchment-km2", str(CHANNEL_KM2)]
    child(command, folder / "streams.gpkg")
    found: dict[str, Any] = {"ours_s_4mpx": seconds(lambda: child(command, folder / "streams.gpkg")) * to_four}
    peer = saga_streams(dem)
    found |= {"saga_s_4mpx": None, "saga_to_ours": None, "f1": None}
    if peer is not None:
        taken, filled, area = peer
        size = np.full(filled.shape[0], CELL_M)
        ours = drainage.accumulate(drainage.directions(filled, size, size), np.full(filled.shape[0], CELL_M**2))
        mine, theirs = ours >= CHANNEL_KM2 * 1e6, area >= CHANNEL_KM2 * 1e6
        f1 = 2 * np.count_nonzero(mine & theirs) / (np.count_nonzero(mine) + np.count_nonzero(theirs))
        found |= {"saga_s_4mpx": taken * to_four, "saga_to_ours": taken * to_four / found["ours_s_4mpx"], "f1": f1}
    return found


def child(command: Sequence[str], out: Path) -> tuple[float, float]:
    """Seconds and peak memory (MB) of `slumpmap terrain ...` in a process of its own."""
    whole = [sys.executable, "-c", STARTER, sys.executable, "-m", "slumpmap", "terrain", *command, "--out", str(out)]
    started = time.perf_counter()
    done = subprocess.run(whole, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return time.perf_counter() - started, float(done.stdout.split()[-1])


def corridor(folder: Path) -> dict[str, Any]:
    """The whole corridor from file to file."""
    dem = write_dem(folder / "corridor.tif", landscape(math.ceil(math.sqrt(CORRIDOR_PX))))
    radiation_s, radiation_mb = child(["pisr", "--dem", str(dem), "--threads", "2"], folder / "pisr.tif")
    streams_s, streams_mb = child(["streams", "--dem", str(dem)], folder / "corridor.gpkg")
    return {
        "pisr_s": radiation_s,
        "pisr_peak_mb": radiation_mb,
        "streams_s": streams_s,
        "streams_peak_mb": streams_mb,
    }


def show(found: dict[str, Any]) -> None:
    """Prints the figures, one a line."""
    for part, figures in found.items():
        print(part)
        for name, value in (figures or {}).items():
            print(f"  {name:20} {'not installed' if value is None else f'{value:.4g}'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--side", type=int, default=1000, help="side of the DEM, cells; twice that for streams")
    parser.add_argument("--peer-side", type=int, default=500, help="side of the peers' DEM, cells")
    parser.add_argument("--days", type=int, default=5, help="days on which the peers are measured")
    parser.add_argument("--corridor", action="store_true", help="60 million cells too")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found["pisr"] = radiation(options, folder)
        found["streams"] = streams(options, folder)
        found["corridor"] = corridor(folder) if options.corridor else None
    found["peak_mb_of_this_process"] = {"rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    show(found)
    if options.json:
        write_json(options.json, found)


if __name__ == "__main__":
    main()
