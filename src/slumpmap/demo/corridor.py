"""Makes a synthetic corridor: sizes, layers, scenes, catalogue, labels, truth."""

from __future__ import annotations

import math
import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from rasterio.transform import Affine
from shapely.affinity import translate
from shapely.geometry import Polygon

import slumpmap
from slumpmap import observed
from slumpmap.demo import looks
from slumpmap.demo.acquisitions import Acquisition, plan
from slumpmap.demo.landscape import CLASS_M, SOIL, VEGETATION, Bounds, Landscape, class_maps, make_landscape
from slumpmap.demo.lookalikes import LookAlike, make_lookalikes
from slumpmap.demo.placing import Room, take_setting
from slumpmap.demo.scenes import CRS, World, in_view, scene_files, write_scene
from slumpmap.demo.slumps import MAPPING_YEAR, Slump, make_slumps
from slumpmap.demo.terrain import Terrain, make_terrain
from slumpmap.errors import InputError
from slumpmap.files import write_text
from slumpmap.raster import write_raster
from slumpmap.vector import write_layer

YEARS = (2016, 2017, 2018, 2019, 2020)
DEM_MARGIN_M = 15000.0
POSITIVE_SHARE = 0.34
NEGATIVES_PER_POSITIVE = 72 / 300
OUTLINE_JITTER_M = 2.5

_LABELS = 801
_NAMED: dict[str, tuple[Bounds, int]] = {
    "demo": ((495000.0, 3835000.0, 505500.0, 3844000.0), 72),
    "tiny": ((499500.0, 3839000.0, 503100.0, 3841700.0), 14),
}
_CENTRE = 500250.0, 3839500.0


@dataclass(frozen=True)
class CorridorSize:
    """How large a corridor is.

    Args:
        name: `tiny`, `demo` or `large`.
        bounds: west, south, east, north in EPSG:32646, metres.
        slumps: number of slumps.
        lookalikes: number of look-alikes aimed at.
    """

    name: str
    bounds: Bounds
    slumps: int
    lookalikes: int


@dataclass(frozen=True)
class Layout:
    """The corridor without its pictures: a function of size and seed."""

    size: CorridorSize
    seed: int
    terrain: Terrain
    landscape: Landscape
    slumps: tuple[Slump, ...]
    lookalikes: tuple[LookAlike, ...]


def corridor_size(size: str, area_km2: float | None = None) -> CorridorSize:
    """The size of that name.

    Args:
        size: `tiny`, `demo`, or `large` for any area.
        area_km2: area of a `large` corridor.

    Raises:
        InputError: no such size, or an area that does not go with it.
    """
    if size in _NAMED and area_km2 is None:
        bounds, slumps = _NAMED[size]
        return CorridorSize(size, bounds, slumps, round(slumps * looks.LOOKALIKES_PER_SLUMP))
    if size != "large":
        fault = f"no corridor of size {size!r}" if size not in _NAMED else f"size {size!r} has a fixed area"
        raise InputError("size", fault, "take tiny, demo, or large with an area in km2")
    if area_km2 is None or not 4.0 <= area_km2 <= 20000.0:
        raise InputError("area_km2", f"no area for size large ({area_km2})", "give 4 to 20000 km2")
    width = round(math.sqrt(area_km2 * 1.15) * 1000.0 / 300.0) * 300.0
    height = round(area_km2 * 1e6 / width / 300.0) * 300.0
    west, south = _CENTRE[0] - width / 2, _CENTRE[1] - height / 2
    slumps = max(4, round(looks.SLUMPS_PER_KM2 * width * height / 1e6))
    bounds = west, south, west + width, south + height
    return CorridorSize(size, bounds, slumps, round(slumps * looks.LOOKALIKES_PER_SLUMP))


def make_layout(size: CorridorSize, seed: int) -> Layout:
    """Lays out terrain, setting, slumps and look-alikes; takes seconds and writes nothing."""
    terrain = make_terrain(size.bounds, DEM_MARGIN_M, seed)
    landscape = make_landscape(terrain, size.bounds, seed)
    room = Room(size.bounds, 30.0)
    take_setting(room, landscape, 12.0)
    slumps = make_slumps(terrain, landscape, size.slumps, room)
    lookalikes = make_lookalikes(terrain, landscape, size.lookalikes, room)
    return Layout(size, seed, terrain, landscape, slumps, lookalikes)


def make_corridor(
    folder: Path,
    size: str = "demo",
    seed: int = 1,
    area_km2: float | None = None,
    years: Sequence[int] = YEARS,
    processes: int = 2,
) -> None:
    """Makes a synthetic corridor with known truth; the README.txt it writes lists the files.

    All files are functions of size, seed and years only.

    Args:
        folder: where to, made if need be.
        size: `tiny`, `demo` or `large`.
        seed: 0 or more.
        area_km2: area of a `large` corridor.
        years: calendar years to image.
        processes: scenes rendered at a time.

    Raises:
        InputError: no such size, seed or years.
    """
    if seed < 0 or not years:
        raise InputError("seed" if seed < 0 else "years", "out of range", "give a seed of 0 or more and a year or more")
    layout = make_layout(corridor_size(size, area_km2), seed)
    folder = Path(folder)
    _write_rasters(layout, folder)
    _write_setting(layout, folder)
    _write_truth(layout, folder, years)
    _write_labels(layout, folder)
    world = World(folder / "dem.tif", layout.landscape, layout.slumps, layout.lookalikes)
    scenes = plan(layout.size.bounds, years, seed)
    _write_catalogue(scenes, _render_all(world, scenes, folder / "scenes", processes), folder)
    write_text(folder / "README.txt", _readme(layout, years))


def _render_all(world: World, scenes: list[Acquisition], folder: Path, processes: int) -> list[float]:
    """Renders scenes, several at a time; returns the hidden share of each."""
    work = partial(_render_one, folder)
    # What each worker is sent does not grow with the corridor.
    jobs = ((in_view(world, scene), scene) for scene in scenes)
    if processes <= 1:
        return [work(job) for job in jobs]
    # A fresh interpreter: forking one that runs threads may hang.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn, initializer=_end_with_parent) as pool:
        hidden = list(pool.map(work, jobs))
    for scene in scenes:
        for name in scene_files(scene):
            # What other processes write is not seen by itself.
            observed.wrote(folder / name)
    return hidden


def _end_with_parent() -> None:
    """Lets a worker end when its parent is killed; by itself it would wait for more work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _render_one(folder: Path, job: tuple[World, Acquisition]) -> float:
    world, scene = job
    return write_scene(world, scene, folder)


def _layer(rows: list[dict[str, Any]], columns: Sequence[str]) -> gpd.GeoDataFrame:
    """A layer in the corridor's CRS; keeps its columns where it has no rows."""
    return gpd.GeoDataFrame(rows, columns=[*columns, "geometry"], geometry="geometry", crs=CRS)


def _write_rasters(layout: Layout, folder: Path) -> None:
    """DEM, vegetation and soil classes with their legends."""
    dem = layout.terrain.dem
    write_raster(folder / "dem.tif", dem.values, dem.transform, CRS, nodata=-9999.0)
    vegetation, soil, origin = class_maps(layout.terrain, layout.size.bounds, layout.seed)
    transform = Affine(CLASS_M, 0.0, origin.west, 0.0, -CLASS_M, origin.north)
    for name, classes, legend in (("vegetation", vegetation, VEGETATION), ("soil", soil, SOIL)):
        write_raster(folder / f"{name}.tif", classes, transform, CRS, nodata=0)
        lines = ["code,name", *(f"{code},{text}" for code, text in legend.items())]
        write_text(folder / f"{name}_legend.csv", "\n".join(lines) + "\n")


def _write_setting(layout: Layout, folder: Path) -> None:
    """Roads, rivers, lakes."""
    setting = layout.landscape
    roads = [{"kind": road.kind, "name": road.name, "geometry": road.line} for road in setting.roads]
    rivers = [{"kind": "river", "width_m": 2 * river.half_width, "geometry": river.line} for river in setting.rivers]
    lakes = [{"kind": "lake", "geometry": lake} for lake in setting.lakes]
    write_layer(_layer(roads, ["kind", "name"]), folder / "roads.gpkg")
    write_layer(_layer(rivers, ["kind", "width_m"]), folder / "rivers.gpkg")
    write_layer(_layer(lakes, ["kind"]), folder / "water.gpkg")


def _write_truth(layout: Layout, folder: Path, years: Sequence[int]) -> None:
    """Slumps in the mapping year and in each year, and look-alikes."""
    truth = [
        {
            "id": slump.id,
            "area_ha": round(slump.polygon(MAPPING_YEAR).area / 1e4, 4),
            "initiation": slump.initiation,
            "stable": slump.rate == 0.0,
            "landscape": slump.landscape,
            "headwall_azimuth": round(slump.azimuth, 1),
            "geometry": slump.polygon(MAPPING_YEAR),
        }
        for slump in layout.slumps
    ]
    columns = ["id", "area_ha", "initiation", "stable", "landscape", "headwall_azimuth"]
    write_layer(_layer(truth, columns), folder / "truth.gpkg")
    yearly = [
        {"id": slump.id, "year": year, "geometry": slump.polygon(year)}
        for slump in layout.slumps
        for year in sorted(years)
        if slump.exists(year)
    ]
    write_layer(_layer(yearly, ["id", "year"]), folder / "truth_years.gpkg")
    things = [{"kind": thing.kind, "geometry": thing.polygon()} for thing in layout.lookalikes]
    write_layer(_layer(things, ["kind"]), folder / "lookalikes.gpkg")


def _write_labels(layout: Layout, folder: Path) -> None:
    """The initial labels, all of landscape A: a third of the slumps, and a few look-alikes as negatives."""
    rng = np.random.default_rng([layout.seed, _LABELS])
    slumps = [slump for slump in layout.slumps if slump.landscape == "A"]
    count = min(len(slumps), round(POSITIVE_SHARE * len(layout.slumps)))
    positives = [
        {"id": slump.id, "initiation": slump.initiation, "geometry": _drawn(slump.polygon(MAPPING_YEAR), rng)}
        for slump in (slumps[n] for n in np.sort(rng.permutation(len(slumps))[:count]))
    ]
    write_layer(_layer(positives, ["id", "initiation"]), folder / "positives.gpkg")
    things = [thing for thing in layout.lookalikes if thing.landscape == "A"]
    wanted = min(len(things), max(1, round(NEGATIVES_PER_POSITIVE * count)))
    negatives = [
        {"id": f"N{number:04d}", "kind": thing.kind, "geometry": _drawn(thing.polygon(), rng)}
        for number, thing in enumerate((things[n] for n in np.sort(rng.permutation(len(things))[:wanted])), 1)
    ]
    write_layer(_layer(negatives, ["id", "kind"]), folder / "negatives.gpkg")


def _drawn(polygon: Polygon, rng: np.random.Generator) -> Polygon:
    """An outline as a person draws it: a little off, fewer vertices."""
    shift = rng.normal(0.0, 0.5 * OUTLINE_JITTER_M, 2)
    wide = polygon.buffer(rng.normal(0.0, 0.4 * OUTLINE_JITTER_M)).simplify(1.5)
    drawn = translate(wide, float(shift[0]), float(shift[1]))
    return drawn if isinstance(drawn, Polygon) and drawn.is_valid and not drawn.is_empty else polygon


def _write_catalogue(scenes: list[Acquisition], hidden: list[float], folder: Path) -> None:
    """The scene catalogue; paths are relative to its folder."""
    rows = []
    for scene, share in zip(scenes, hidden, strict=True):
        image, mask = scene_files(scene)
        rows.append(
            {
                "path": f"scenes/{image}",
                "udm": f"scenes/{mask}",
                "acquired": scene.time.isoformat(),
                "cloud_fraction": round(share, 4),
                "geometry": scene.footprint,
            }
        )
    write_layer(_layer(rows, ["path", "udm", "acquired", "cloud_fraction"]), folder / "scenes.gpkg")


_README = """SYNTHETIC DATA. Nothing here was seen by a satellite or mapped by a person.

A made-up corridor of retrogressive thaw slumps with known truth, made by slumpmap {version}.
size {size}, seed {seed}, years {years}, bounds {bounds} (EPSG:32646)
{slumps} slumps, {lookalikes} look-alikes

scenes/*_3B_AnalyticMS_SR.tif  blue, green, red, near infrared; uint16 surface reflectance x 10000; nodata 0; 3 m
scenes/*_3B_udm2.tif           usable-data mask, 8 bands as in PlanetScope's UDM2
scenes.gpkg                    catalogue: path, udm, acquired (UTC), cloud_fraction (clouds and shadows), footprint
dem.tif                        elevation, metres, 30 m
vegetation.tif, soil.tif       classes, 1 km; names in *_legend.csv
roads.gpkg, rivers.gpkg, water.gpkg
positives.gpkg, negatives.gpkg initial labels, all from landscape A
truth.gpkg                     slumps as of {mapping_year}; for simulated experts and evaluation only
truth_years.gpkg               their outlines year by year
lookalikes.gpkg                bare ground that is no slump
"""


def _readme(layout: Layout, years: Sequence[int]) -> str:
    return _README.format(
        version=slumpmap.__version__,
        size=layout.size.name,
        seed=layout.seed,
        years=" ".join(str(year) for year in years),
        bounds=" ".join(f"{edge:.0f}" for edge in layout.size.bounds),
        slumps=len(layout.slumps),
        lookalikes=len(layout.lookalikes),
        mapping_year=MAPPING_YEAR,
    )
