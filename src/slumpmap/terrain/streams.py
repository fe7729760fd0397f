"""The stream network of an elevation model, the distance from it, and how many slumps lie near it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from numpy.typing import NDArray

from slumpmap.errors import InputError
from slumpmap.files import write_text
from slumpmap.raster import atomic_cog
from slumpmap.terrain import drainage, richdem_door
from slumpmap.terrain.dem import Dem, open_dem
from slumpmap.vector import read_layer, write_layer

Floats = NDArray[np.float64]
Engine = Literal["numba", "richdem"]

# Square metres.
_KM2 = 1e6
_OUTPUTS = ("reach", "downstream", "strahler", "length_m", "catchment_km2")


@dataclass(frozen=True)
class Drainage:
    """Where the water of a DEM runs; made by `drain`.

    Args:
        direction: (rows, columns) as `drainage.directions` gives it.
        catchment: (rows, columns) m2 that drain through a cell, itself included; NaN = nodata.
        dx: (rows,) east-west size of the cells of a row, metres.
        dy: (rows,) north-south size.
    """

    direction: NDArray[np.int8]
    catchment: Floats
    dx: Floats
    dy: Floats

    @property
    def area(self) -> float:
        """Area of the cells that have an elevation, m2."""
        return float((self.direction != drainage.NODATA).sum(axis=1) @ (self.dx * self.dy))

    def channels(self, min_catchment_km2: float) -> NDArray[np.bool_]:
        """Channel cells: those with a catchment of that size at least. All that is downstream of one is one."""
        return np.asarray(self.catchment >= min_catchment_km2 * _KM2)

    def reaches(self, channel: NDArray[np.bool_]) -> drainage.Reaches:
        """The channels' reaches."""
        order = drainage.strahler(self.direction, channel)
        return drainage.reaches(self.direction, channel, order, self.catchment, self.dx, self.dy)


def streams(
    dem: Path,
    out_lines: Path,
    out_distance: Path | None = None,
    min_catchment_km2: float = 0.9,
    engine: Engine = "numba",
    any_elevation: bool = False,
) -> None:
    """Writes the stream network of an elevation model as lines, and the distance of each cell from it.

    Depressions are filled, each cell drains to its steepest neighbour (D8, true diagonal distance), flats drain
    towards lower and away from higher ground, and every cell with a catchment of `min_catchment_km2` at least is
    a channel. Void cells and the raster's edge are outlets: what lies beyond is not known, so that catchments
    which begin outside the DEM come out too small.

    Drainage is global: the DEM is read whole, hence results do not depend on tiles (give a mosaic as a VRT). Memory
    was measured as 0.35 GB and 24 B per cell: 1.8 GB for 60 million cells, 4 GB for 150 million.

    The lines' columns are `reach` (1 to n), `downstream` (the next reach; 0 at an outlet), `strahler` (its order),
    `length_m` and `catchment_km2` (at its lower end, above the confluence).

    Args:
        dem: as `slumpmap.terrain.dem.open_dem` takes it.
        out_lines: GeoPackage to write, one line from head or confluence to confluence or outlet.
        out_distance: GeoTIFF to write: metres between cell centres, 0 on channels, float32, nodata NaN.
        min_catchment_km2: the least catchment of a channel; 0.9 is 1000 cells of 30 m.
        engine: who fills and accumulates: `numba`, or `richdem` (GPLv3, optional), which gives the same.
        any_elevation: accepts elevations that are implausible on Earth's land.

    Raises:
        InputError: the DEM is refused by `open_dem`, no catchment is large enough, the threshold is not positive,
            or richdem is asked for and is not installed.
    """
    _check_positive("min_catchment_km2", [min_catchment_km2])
    with open_dem(dem, any_elevation) as source:
        water = drain(source, engine)
        channel = water.channels(min_catchment_km2)
        found = water.reaches(channel)
        if found.order.size == 0:
            largest = float(np.nanmax(water.catchment)) / _KM2
            fault = f"no stream drains {min_catchment_km2:g} km2; the largest catchment has {largest:.3g} km2"
            raise InputError(dem, fault, "lower min_catchment_km2 or bring a larger DEM")
        lines = _layer(source, found)
        density = found.length.sum() / water.area * 1000
        _say(f"{len(lines)} reaches, {found.length.sum() / 1000:.1f} km, {density:.2f} km/km2")
        if out_distance is not None:
            away = drainage.distance_to(channel, water.dx, water.dy)
            away[water.direction == drainage.NODATA] = np.nan
            with atomic_cog(out_distance) as file, rasterio.open(file, "w", **source.profile()) as target:
                target.write(away, 1)
        write_layer(lines, out_lines)


def stream_sensitivity(
    slumps: Path,
    dem: Path,
    out: Path,
    min_catchments_km2: Sequence[float],
    distances_m: Sequence[float],
    engine: Engine = "numba",
    any_elevation: bool = False,
) -> None:
    """Writes the share of slumps near streams for every catchment threshold and distance, as CSV.

    A slump is near if its polygon comes within the distance of a stream's line. Beside it stands the share that
    points placed by chance would have, 2 x density x distance (at most 1; it neglects bends, confluences and
    the slumps' own size, all of which matter once it is not small). Water is routed once for all thresholds.

    Columns: min_catchment_km2, distance_m, slumps, near, share, chance, stream_km, density_km_per_km2.

    Args:
        slumps: polygons; those that lie wholly outside the DEM's rectangle are left out, and counted on stderr.
        dem: as `slumpmap.terrain.dem.open_dem` takes it.
        out: CSV to write.
        min_catchments_km2: thresholds.
        distances_m: distances, metres; 0: touching.
        engine: as for `streams`.
        any_elevation: accepts elevations that are implausible on Earth's land.

    Raises:
        InputError: as `streams`; no threshold or distance is given; or no slump lies on the DEM. A threshold that
            no catchment reaches gives a share of 0.
    """
    _check_positive("min_catchments_km2", min_catchments_km2)
    if not distances_m or min(distances_m) < 0:
        raise InputError("distances_m", "distances are missing or negative", "give metres, 0 or more")
    with open_dem(dem, any_elevation) as source:
        shapes = _slumps_on(slumps, source)
        water = drain(source, engine)
        rows = []
        for threshold in min_catchments_km2:
            found = water.reaches(water.channels(threshold))
            away = _distances(shapes, _layer(source, found))
            density = float(found.length.sum()) / water.area
            _say(f"{threshold:g} km2: {found.order.size} reaches, {density * 1000:.2f} km/km2")
            for distance in distances_m:
                near = int((away <= distance).sum())
                rows.append(
                    {
                        "min_catchment_km2": threshold,
                        "distance_m": distance,
                        "slumps": len(shapes),
                        "near": near,
                        "share": round(near / len(shapes), 6),
                        "chance": round(min(1.0, 2 * density * distance), 6),
                        "stream_km": round(float(found.length.sum()) / 1000, 3),
                        "density_km_per_km2": round(density * 1000, 6),
                    }
                )
    write_text(out, pd.DataFrame(rows).to_csv(index=False))


def drain(dem: Dem, engine: Engine = "numba") -> Drainage:
    """Routes the water of a whole DEM, and says on standard error how long each step took.

    Raises:
        InputError: richdem is asked for and is not installed, or the DEM has more than 2^31 - 1 cells.
    """
    if engine == "richdem" and not richdem_door.available():
        raise InputError("engine", "richdem is not installed", "install it as the README says, or choose numba")
    if dem.dataset.height * dem.dataset.width >= 2**31:
        raise InputError(dem.path, "DEM has more than 2^31 - 1 cells", "cut it along watersheds, or coarsen it")
    chosen = richdem_door if engine == "richdem" else drainage
    dx, dy = (size.ravel() for size in dem.cell_size())
    started = time.monotonic()
    filled = chosen.fill(dem.read_whole())
    started = _step("filled depressions", filled.size, started)
    direction = drainage.directions(filled, dx, dy)
    del filled
    started = _step("found directions", direction.size, started)
    catchment = chosen.accumulate(direction, dx * dy)
    _step("summed catchments", direction.size, started)
    return Drainage(direction, catchment, dx, dy)


def _layer(dem: Dem, found: drainage.Reaches) -> gpd.GeoDataFrame:
    """Reaches as lines through the centres of their cells, in the DEM's CRS."""
    transform = dem.dataset.transform
    row, column = np.divmod(found.cells, dem.dataset.width)
    points = np.column_stack([transform.c + transform.a * (column + 0.5), transform.f + transform.e * (row + 0.5)])
    number = np.arange(found.order.size)
    lines = shapely.linestrings(points, indices=np.repeat(number, np.diff(found.offsets)))
    values = (number + 1, found.downstream + 1, found.order.astype(np.int32), found.length, found.catchment / _KM2)
    return gpd.GeoDataFrame(dict(zip(_OUTPUTS, values, strict=True)), geometry=lines, crs=dem.dataset.crs)


def _slumps_on(slumps: Path, dem: Dem) -> gpd.GeoSeries:
    """Slumps that touch the DEM's rectangle, in its CRS, or in a UTM zone where that is geographic."""
    crs = dem.dataset.crs
    shapes = read_layer(slumps, "slumps", crs=crs, empty_ok=False).geometry
    inside = shapes[shapely.intersects(shapes.to_numpy(), shapely.box(*dem.dataset.bounds))]
    if inside.empty:
        raise InputError(slumps, f"no slump lies on the DEM {dem.path.name}", "bring the DEM of the slumps' ground")
    if len(inside) < len(shapes):
        _say(f"{len(shapes) - len(inside)} of {len(shapes)} slumps lie outside the DEM and are left out")
    return inside.to_crs(inside.estimate_utm_crs()) if dem.geographic else inside


def _distances(shapes: gpd.GeoSeries, lines: gpd.GeoDataFrame) -> Floats:
    """Distance of each shape from the nearest line, metres; infinite where there is no line."""
    away = np.full(len(shapes), np.inf)
    if len(lines):
        tree = shapely.STRtree(lines.geometry.to_crs(shapes.crs).to_numpy())
        (which, _), distance = tree.query_nearest(shapes.to_numpy(), return_distance=True, all_matches=False)
        away[which] = distance
    return away


def _check_positive(name: str, values: Sequence[float]) -> None:
    if not values or min(values) <= 0:
        raise InputError(name, "the least catchment of a stream is missing or not positive", "give it in km2")


def _step(what: str, cells: int, started: float) -> float:
    """Says what was done and how fast; returns the present time."""
    now = time.monotonic()
    _say(f"{what}: {cells / 1e6:.1f} Mpx in {now - started:.1f} s")
    return now


def _say(line: str) -> None:
    print(f"streams: {line}", file=sys.stderr, flush=True)
