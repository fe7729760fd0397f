"""Annual solar radiation under each model option, beside the ranges that Xia et al. (2022) published.

    python benchmarks/pisr_options.py [--side-km 30] [--seed 1]

On a synthetic DEM of 30 m cells at 34 N, 4510 to 5190 m, as the corridor's plateau: mean and 1st to 99th percentile
of the whole ground and of ground like that of slumps (4582 to 5010 m, slopes of 4 to 8 degrees, facing north by up to
45 degrees), and the share of each within the published range (2500 to 3450 kWh m-2 for the region, 2900 to 3200 for
slumps). Cast shadows count.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from slumpmap.demo.terrain import make_terrain
from slumpmap.terrain.pisr import pisr
from slumpmap.terrain.pisr_model import PisrSettings
from slumpmap.terrain.slope import horn

LATITUDE = 34.0
CELL_M = 30.0
REGION, SLUMPS = (2500.0, 3450.0), (2900.0, 3200.0)
OPTIONS = {
    "Kumar, pressure (default)": PisrSettings(),
    "Kumar, pressure, SPA": PisrSettings(ephemeris="spa"),
    "Kumar, no pressure": PisrSettings(pressure=False),
    "Kumar, literal cos2(b)/2": PisrSettings(geometry="literal"),
    "top of the atmosphere": PisrSettings(atmosphere="none"),
    "SAGA, height of the atmosphere": PisrSettings(atmosphere="saga_height"),
}


def described(values: NDArray[np.floating], limits: tuple[float, float]) -> str:
    """Mean, percentiles and share within the limits, as cells of a table."""
    low, high = np.percentile(values, [1, 99])
    inside = np.mean((values >= limits[0]) & (values <= limits[1]))
    return f"{values.mean():.0f} | {low:.0f} to {high:.0f} | {inside:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--side-km", type=float, default=30.0, help="side of the area")
    parser.add_argument("--seed", type=int, default=1, help="seed of the terrain")
    options = parser.parse_args()
    side = 1000 * options.side_km
    elevation = make_terrain(
        (500_000.0, 3_764_000.0, 500_000.0 + side, 3_764_000.0 + side), 0.0, options.seed
    ).dem.values
    elevation = elevation.astype(np.float32)
    slope, aspect = horn(elevation, CELL_M)
    known = np.isfinite(slope)
    north = np.minimum(aspect, 360 - aspect) <= 45
    like = known & north & (slope >= 4) & (slope <= 8) & (elevation >= 4582) & (elevation <= 5010)
    print(f"{known.sum()} cells, slope {slope[known].mean():.1f} degrees on average; {like.sum()} like those of slumps")
    print("| option | region: mean | 1 to 99 % | share in 2500-3450 | slumps: mean | 1 to 99 % | share in 2900-3200 |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, settings in OPTIONS.items():
        total = pisr(elevation, (CELL_M, CELL_M), LATITUDE, settings).total
        print(f"| {name} | {described(total[known], REGION)} | {described(total[like], SLUMPS)} |")


if __name__ == "__main__":
    main()
