"""Renders scenes: the ground as it is on a day, seen through the air by a sensor, with its mask.

A scene is rendered on its own grid, a few hundred rows at a time, from functions of the coordinates
alone; memory depends on the size of a scene and not on that of the corridor.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.transform import Affine
from rasterio.windows import from_bounds
from scipy.ndimage import gaussian_filter
from shapely.geometry import LineString, Polygon

from slumpmap.demo import looks, painting, sensing
from slumpmap.demo.acquisitions import NO_SNOW, PIXEL_M, Acquisition
from slumpmap.demo.landscape import Landscape, eastness
from slumpmap.demo.lookalikes import RAGGED_M, LookAlike
from slumpmap.demo.noise import Field
from slumpmap.demo.slumps import Skin, Slump
from slumpmap.demo.terrain import Raster, gradient
from slumpmap.raster import write_raster

CRS = "EPSG:32646"
ROWS_AT_ONCE = 384
# Ground around a scene that its light and moisture depend on, metres.
_MARGIN_M = 2000.0
_GROUND, _RIVER = 701, 702
# No slump or look-alike reaches farther from the place that it was put at, metres.
FARTHEST_M = 3000.0
# How far the painted edge of a slump strays from its outline, metres.
SLUMP_RAGGED_M = 0.8

_ROAD_COLOURS = {
    "highway": (900.0, 1000.0, 1080.0, 1250.0),
    "railway": (1150.0, 1300.0, 1400.0, 1650.0),
    "road": (1050.0, 1350.0, 1650.0, 2100.0),
}
_WATER, _PEAT_WATER = (480.0, 520.0, 330.0, 80.0), (150.0, 110.0, 25.0, 12.0)


@dataclass(frozen=True)
class World:
    """All that scenes show: terrain, setting, slumps, look-alikes."""

    dem: Path
    landscape: Landscape
    slumps: tuple[Slump, ...]
    lookalikes: tuple[LookAlike, ...]


@dataclass(frozen=True)
class _Thing:
    """A painted object: outline in map coordinates, headwall weights, colour, numbers, seed."""

    points: Field
    head: Field
    colour: Field
    numbers: Field
    seed: int
    bounds: tuple[float, float, float, float]


@dataclass(frozen=True)
class _Ground:
    """What a scene needs of its surroundings, on the DEM's grid."""

    fields: NDArray[np.float32]
    frame: tuple[float, float, float]


def render(world: World, scene: Acquisition, rows_at_once: int = ROWS_AT_ONCE) -> tuple[NDArray[Any], NDArray[Any]]:
    """Renders a scene and its mask.

    Args:
        world: what there is to see.
        scene: the acquisition.
        rows_at_once: rows rendered together; changes nothing but the memory needed.

    Returns:
        (4, rows, columns) uint16 digital numbers, 0 outside the footprint and 1 or more inside, and
        (8, rows, columns) uint8 UDM2 bands.
    """
    _, _, rows, columns = scene.grid
    values = np.zeros((4, rows, columns), np.uint16)
    udm = np.zeros((8, rows, columns), np.uint8)
    valid = _valid_columns(scene)
    ground = _read_ground(world, scene)
    world = in_view(world, scene)
    things = _things(world, scene)
    for first in range(0, rows, rows_at_once):
        last = min(rows, first + rows_at_once)
        _render_rows(world, scene, ground, things, valid, (first, last), values, udm)
    udm[sensing.UNUSABLE] = np.where(values[0] == 0, sensing.BLACKFILL, 0)
    return values, udm


def write_scene(world: World, scene: Acquisition, folder: Path) -> float:
    """Renders a scene and writes it with its mask; returns the share of valid pixels that clouds or shadow hide."""
    values, udm = render(world, scene)
    west, north, _, _ = scene.grid
    transform = Affine(PIXEL_M, 0.0, west, 0.0, -PIXEL_M, north)
    image, mask = scene_files(scene)
    tiled = {"tiled": True, "blockxsize": 256, "blockysize": 256}
    write_raster(folder / image, values, transform, CRS, nodata=0, **tiled)
    write_raster(folder / mask, udm, transform, CRS, predictor=1, **tiled)
    hidden = int(np.count_nonzero(udm[sensing.CLOUD])) + int(np.count_nonzero(udm[sensing.SHADOW]))
    return hidden / max(1, int(np.count_nonzero(values[0])))


def scene_files(scene: Acquisition) -> tuple[str, str]:
    """Names of a scene's image and mask, as PlanetScope products are named."""
    return f"{scene.name}_3B_AnalyticMS_SR.tif", f"{scene.name}_3B_udm2.tif"


def _valid_columns(scene: Acquisition) -> NDArray[np.int64]:
    """(rows, 2) first column whose centre lies in the footprint and one past the last, by row."""
    west, north, rows, _ = scene.grid
    ring = np.asarray(scene.footprint.exterior.coords)
    out = np.zeros((rows, 2), np.int64)
    for row in range(rows):
        y = north - (row + 0.5) * PIXEL_M
        crossing = []
        for (ax, ay), (bx, by) in pairwise(ring):
            if (ay > y) != (by > y):
                crossing.append(ax + (y - ay) / (by - ay) * (bx - ax))
        if crossing:
            out[row] = [math.ceil((edge - west) / PIXEL_M - 0.5) for edge in (min(crossing), max(crossing))]
    return out


def _read_ground(world: World, scene: Acquisition) -> _Ground:
    """Light, moisture, eastness and height under a scene, from the DEM on disk."""
    west, south, east, north = shapely.box(*scene.footprint.bounds).buffer(_MARGIN_M).bounds
    with rasterio.open(world.dem) as source:
        window = from_bounds(west, south, east, north, source.transform).round_offsets().round_lengths()
        elevation = source.read(1, window=window)
        corner = source.window_transform(window)
        step = source.transform.a
    dem = Raster(elevation, corner.c, corner.f, step)
    rise_x, rise_y = (rise.values for rise in gradient(dem, 20.0))
    # Sun from azimuth 140 degrees, 60 degrees high; slopes are drawn somewhat steeper than they are.
    light = 1.0 + 1.7 * (-rise_x * math.sin(math.radians(140)) - rise_y * math.cos(math.radians(140)))
    height = elevation - gaussian_filter(elevation.astype(np.float64), 300.0 / step)
    moisture = np.clip(-height / 5.0, -1.3, 1.3) - np.clip(2.5 * rise_y, -0.5, 0.5)
    x, y = np.meshgrid(*dem.centres())
    side = eastness(x, y, world.landscape.bounds, world.landscape.seed)
    fields = np.stack([np.clip(light, 0.6, 1.4), moisture, side, np.clip(height / 8.0, -1.5, 1.5)])
    return _Ground(fields.astype(np.float32), (dem.west + step / 2, dem.north - step / 2, step))


def in_view(world: World, scene: Acquisition) -> World:
    """The world without the lines and objects that the scene cannot show; lakes stay, their number is their look."""
    west, south, east, north = scene.footprint.bounds
    wide = west - FARTHEST_M, south - FARTHEST_M, east + FARTHEST_M, north + FARTHEST_M
    setting = world.landscape
    rivers = tuple(river for river in setting.rivers if _meet(river.line.bounds, wide))
    roads = tuple(road for road in setting.roads if _meet(road.line.bounds, wide))
    return replace(
        world,
        landscape=replace(setting, rivers=rivers, roads=roads),
        slumps=tuple(slump for slump in world.slumps if _meet((slump.x, slump.y, slump.x, slump.y), wide)),
        lookalikes=tuple(thing for thing in world.lookalikes if _meet((thing.x, thing.y, thing.x, thing.y), wide)),
    )


def _things(world: World, scene: Acquisition) -> list[_Thing]:
    """The objects that a scene shows, in the order in which they are painted."""
    view = shapely.box(*scene.footprint.bounds).buffer(50.0).bounds
    lakes = [(number, lake) for number, lake in enumerate(world.landscape.lakes) if _meet(lake.bounds, view)]
    things = [_lake(lake, number) for number, lake in lakes]
    things += [_lookalike(thing, scene.greenness) for thing in world.lookalikes]
    year = scene.time.year
    things += [_slump(slump, year, scene.greenness) for slump in world.slumps if slump.exists(year)]
    return [thing for thing in things if _meet(thing.bounds, view)]


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _blend(east: float, attribute: str) -> Any:
    """A look's value at a weight of landscape B."""
    west, far = (np.asarray(getattr(look, attribute)) for look in (looks.LOOK_A, looks.LOOK_B))
    return west * (1.0 - east) + far * east


def _floor(east: float, skin: Skin, greenness: float) -> Field:
    """Colour of an object's floor: bare soil, drawn toward the mean ground where the landscape's contrast is low."""
    soil, green, straw = (_blend(east, name) for name in ("soil", "green", "straw"))
    cover = 1.0 / (1.0 + math.exp(-float(_blend(east, "cover"))))
    mean = soil * (1.0 - cover) + (straw + greenness * (green - straw)) * cover
    contrast = float(_blend(east, "floor_contrast"))
    colour: Field = (mean + contrast * (soil - mean)) * skin.brightness * np.asarray(skin.tint)
    return colour


def _object(
    points: Field, head: Field, azimuth: float, area_m2: float, east: float, skin: Skin, greenness: float, ragged: float
) -> _Thing:
    """The painting of a slump or look-alike."""
    up = math.sin(math.radians(azimuth)), math.cos(math.radians(azimuth))
    centre = points.mean(axis=0)
    rise = (points - centre) @ np.array(up)
    numbers = np.zeros(painting.OBJECT_PARAMETERS)
    numbers[painting.FLOOR], numbers[painting.SOFT] = skin.floor, 2.5
    numbers[painting.MOTTLE], numbers[painting.MOTTLE_M] = _blend(east, "mottle"), _blend(east, "mottle_m")
    numbers[painting.FLOW] = skin.flow * _blend(east, "flow")
    numbers[painting.GRADIENT] = skin.flow * looks.FLOOR_GRADIENT
    numbers[painting.SHADOW] = skin.shadow * _blend(east, "shadow")
    numbers[painting.SHADOW_M] = _shadow_width(area_m2)
    numbers[painting.WET] = skin.wet
    numbers[painting.RIM] = skin.rim * _blend(east, "rim")
    numbers[painting.RIM_M], numbers[painting.RAGGED] = 6.0, ragged
    numbers[painting.X], numbers[painting.Y] = centre
    numbers[painting.UP_X], numbers[painting.UP_Y] = up
    numbers[painting.TOE], numbers[painting.HEAD] = rise.min(), rise.max()
    return _Thing(points, head, _floor(east, skin, greenness), numbers, skin.seed, _extent(points))


def _shadow_width(area_m2: float) -> float:
    """Width of a headwall's shadow, metres: wider below the higher walls of larger slumps, 1.5 to 4 pixels."""
    least, per_root_ha = looks.SHADOW_WIDTH_M
    return min(12.0, least + per_root_ha * math.sqrt(area_m2 / 1e4))


def _extent(points: Field) -> tuple[float, float, float, float]:
    low, high = points.min(axis=0), points.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _slump(slump: Slump, year: int, greenness: float) -> _Thing:
    points = slump.points(year)
    area = Polygon(points).area
    return _object(
        points, slump.outline.head, slump.azimuth, area, slump.eastness, slump.skin, greenness, SLUMP_RAGGED_M
    )


def _lookalike(thing: LookAlike, greenness: float) -> _Thing:
    points = thing.points()
    area = Polygon(points).area
    ragged = RAGGED_M[thing.kind]
    return _object(points, thing.outline.head, thing.azimuth, area, thing.eastness, thing.skin, greenness, ragged)


def _lake(lake: Polygon, number: int) -> _Thing:
    """Water with a pale shore."""
    points = np.asarray(lake.exterior.coords)[:-1]
    numbers = np.zeros(painting.OBJECT_PARAMETERS)
    numbers[painting.FLOOR], numbers[painting.SOFT] = 1.0, 2.0
    numbers[painting.MOTTLE], numbers[painting.MOTTLE_M] = 0.03, 200.0
    numbers[painting.RIM], numbers[painting.RIM_M] = 0.0, 6.0
    numbers[painting.UP_Y], numbers[painting.HEAD], numbers[painting.SHADOW_M] = 1.0, 1.0, 1.0
    numbers[painting.X], numbers[painting.Y] = points.mean(axis=0)
    # From clear to milky; one in five nearly black, so that valid dark pixels occur.
    milk = (number * 0.618) % 1.0
    colour = np.asarray(_PEAT_WATER if number % 5 == 0 else _WATER)
    if number % 5:
        colour = colour + milk**2 * np.array([350.0, 480.0, 420.0, 60.0])
    return _Thing(points, np.zeros(len(points)), colour, numbers, number, _extent(points))


def _render_rows(
    world: World,
    scene: Acquisition,
    ground: _Ground,
    things: Iterable[_Thing],
    valid: NDArray[np.int64],
    rows: tuple[int, int],
    values: NDArray[np.uint16],
    udm: NDArray[np.uint8],
) -> None:
    """Renders some rows of a scene into `values` and `udm`."""
    west, north, _, columns = scene.grid
    first, last = rows
    # One row more above and below for the blur; two columns more on either side.
    spans = np.zeros((last - first + 2, 2), np.int64)
    near = np.clip(np.arange(first - 1, last + 1), 0, len(valid) - 1)
    spans[:, 0] = np.clip(valid[near, 0] - 2, 0, columns)
    spans[:, 1] = np.clip(valid[near, 1] + 2, 0, columns)
    # A row beside the footprint borrows the columns of its neighbours, so that the blur finds ground there.
    for step in (-1, 1):
        beside = valid[np.clip(near + step, 0, len(valid) - 1)]
        has = beside[:, 1] > beside[:, 0]
        empty = spans[:, 1] - spans[:, 0] <= 4
        spans[has & empty] = np.clip(beside[has & empty] + [-2, 2], 0, columns)
        spans[has, 0] = np.minimum(spans[has, 0], np.maximum(beside[has, 0] - 2, 0))
        spans[has, 1] = np.maximum(spans[has, 1], np.minimum(beside[has, 1] + 2, columns))
    block = np.zeros((4, len(spans), columns), np.float32)
    shade, snow = np.ones_like(block[0]), np.zeros_like(block[0])
    corner = west + 0.5 * PIXEL_M, north - (first - 0.5) * PIXEL_M
    frame = corner[0] + scene.shift[0], corner[1] + scene.shift[1], PIXEL_M
    _paint(world, scene, ground, things, frame, spans, block, shade, snow)
    hidden = np.zeros((8, len(spans), columns), np.uint8)
    sensing.add_clouds(block, hidden, snow, (*corner, PIXEL_M), spans, scene.clouds, scene.sun, scene.seed)
    sensing.record(
        block,
        values[:, first:last],
        spans,
        valid[first:last],
        first,
        np.asarray(scene.gains),
        scene.haze,
        scene.blur,
        scene.noise,
        scene.seed + 7,
    )
    udm[:, first:last] = np.where(values[:1, first:last] > 0, hidden[:, 1:-1], 0)


def _paint(
    world: World,
    scene: Acquisition,
    ground: _Ground,
    things: Iterable[_Thing],
    frame: tuple[float, float, float],
    spans: NDArray[np.int64],
    block: painting.Block,
    shade: painting.Plane,
    snow: painting.Plane,
) -> None:
    """Paints the ground of a block and all that stands on it."""
    seed = 1000 * world.landscape.seed
    parameters = np.array([_parameters(look) for look in (looks.LOOK_A, looks.LOOK_B)])
    season = scene.greenness, 9.0 if scene.snow == NO_SNOW else scene.snow
    bare = looks.BARE_THRESHOLD, looks.BARE_STRENGTH
    painting.paint_ground(
        block, shade, snow, frame, spans, ground.fields, ground.frame, parameters, bare, season, seed + _GROUND
    )
    view = _view(frame, block.shape)
    gravel = np.asarray(looks.LOOK_A.soil) * 0.5 + np.asarray(looks.LOOK_B.soil) * 0.5
    rivers = [(river.line, river.half_width) for river in world.landscape.rivers]
    painting.paint_river(block, shade, frame, _distance(rivers, 70.0, frame, block, view), gravel, seed + _RIVER)
    for kind, shoulder, strength in (("road", 2.5, 0.6), ("railway", 5.0, 0.9), ("highway", 6.0, 0.95)):
        lines = [(road.line, road.half_width) for road in world.landscape.roads if road.kind == kind]
        distance = _distance(lines, 20.0, frame, block, view)
        painting.paint_road(block, distance, np.asarray(_ROAD_COLOURS[kind]), shoulder, strength)
    for thing in things:
        if _meet(thing.bounds, view):
            painting.paint_object(
                block, shade, frame, thing.points, thing.head, thing.colour, thing.numbers, thing.seed
            )


def _parameters(look: looks.Look) -> list[float]:
    return [*look.green, *look.straw, *look.soil, look.cover, look.swing, look.patch_m]


def _view(frame: tuple[float, float, float], shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Ground that a block can show, with room for edges, metres."""
    x0, y0, step = frame
    return x0 - 80.0, y0 - shape[1] * step - 80.0, x0 + shape[2] * step + 80.0, y0 + 80.0


def _distance(
    lines: list[tuple[LineString, float]],
    reach: float,
    frame: tuple[float, float, float],
    block: painting.Block,
    view: tuple[float, float, float, float],
) -> painting.Plane:
    """(rows, columns) distance from the nearest line's edge, metres; large beyond `reach` from all."""
    distance = np.full(block.shape[1:], 1e6, np.float32)
    for line, half_width in lines:
        if _meet(line.bounds, view):
            painting.line_distance(distance, frame, np.asarray(line.coords), half_width, reach)
    return distance
