"""What lies in the corridor besides slumps: the two landscapes, lakes, rivers, roads, class maps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.features import shapes
from scipy.ndimage import gaussian_filter, label
from shapely import union_all
from shapely.geometry import LineString, Polygon

from slumpmap.demo.noise import Field, fbm_grid, fbm_point
from slumpmap.demo.terrain import Raster, Terrain, gradient

Bounds = tuple[float, float, float, float]

CLASS_M = 1000.0
VEGETATION = {1: "alpine swamp meadow", 2: "alpine meadow", 3: "alpine steppe", 4: "alpine desert"}
SOIL = {1: "loam", 2: "sandy loam", 3: "sand", 4: "sandy clay loam", 5: "clay"}

_DIVIDE, _VEGETATION, _SOIL, _ROAD, _SHORE, _PONDS, _MEANDER = range(201, 208)
# Width over which one landscape passes into the other, metres.
DIVIDE_WIDTH_M = 250.0


@dataclass(frozen=True)
class River:
    """A river's line and the half-width of its water, metres."""

    line: LineString
    half_width: float


@dataclass(frozen=True)
class Road:
    """A road's or railway's line, its kind (`highway`, `railway`, `road`), name and half-width, metres."""

    line: LineString
    kind: str
    name: str
    half_width: float


@dataclass(frozen=True)
class Landscape:
    """The fixed setting of the corridor."""

    bounds: Bounds
    seed: int
    rivers: tuple[River, ...]
    lakes: tuple[Polygon, ...]
    roads: tuple[Road, ...]


def eastness(x: Field, y: Field, bounds: Bounds, seed: int) -> Field:
    """Weight of landscape B at places, 0 (A, west) to 1 (B, east), along an irregular divide.

    Args:
        x: eastings, metres, any shape.
        y: northings, same shape.
        bounds: of the study area, metres; the divide runs north-south near its middle.
        seed: of the corridor.
    """
    middle = (bounds[0] + bounds[2]) / 2
    reach = min(900.0, 0.1 * (bounds[2] - bounds[0]))
    # Ten-metre steps of the divide's line are enough: its shortest wave is 500 m.
    steps, back = np.unique(np.round(np.asarray(y) / 10.0).astype(np.int64), return_inverse=True)
    bend = np.array([fbm_point(0.0, step * 10.0, 4000.0, 4, 0.6, 1000 * seed + _DIVIDE) for step in steps])
    line = middle + reach * bend[back].reshape(np.shape(y))
    away: Field = np.clip((np.asarray(x) - line) / DIVIDE_WIDTH_M + 0.5, 0.0, 1.0)
    return away


def landscape_name(weight: float) -> str:
    """`A` or `B` for a weight of landscape B."""
    return "B" if weight >= 0.5 else "A"


def make_landscape(terrain: Terrain, bounds: Bounds, seed: int) -> Landscape:
    """Lays out lakes, rivers and roads over the whole terrain."""
    roads = _roads(bounds, seed)
    # Roads go round lakes; here the lakes give way.
    verges = union_all([road.line.buffer(60.0) for road in roads])
    lakes = tuple(lake for lake in _lakes(terrain, seed) if not lake.intersects(verges))
    return Landscape(bounds, seed, _rivers(terrain, seed), lakes, roads)


def _smooth(points: NDArray[np.float64], rounds: int) -> NDArray[np.float64]:
    """Chaikin's corner cutting of an open line, (n, 2), its ends kept."""
    for _ in range(rounds):
        if len(points) < 3:
            return points
        near, far = 0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]
        points = np.vstack([points[:1], np.stack([near, far], 1).reshape(-1, 2)[1:-1], points[-1:]])
    return points


def _rivers(terrain: Terrain, seed: int) -> tuple[River, ...]:
    """Traces the channels that drain more than 4 km2, from the springs down to the next larger river."""
    coarse, upstream, receiver = terrain.coarse, terrain.upstream, terrain.receiver
    channel = upstream > 280
    xs, ys = coarse.centres()
    columns = len(xs)
    fed = np.zeros(channel.size, dtype=bool)
    downhill = np.flatnonzero(channel & (receiver != np.arange(receiver.size)))
    fed[receiver[downhill]] = True
    taken = np.zeros(channel.size, dtype=bool)
    springs = downhill[~fed[downhill]]
    rivers = []
    # The longest rivers first: tributaries end where they meet a traced one.
    for cell in sorted(springs, key=lambda c: (-coarse.values.ravel()[c], c)):
        path = [int(cell)]
        while not taken[path[-1]] and receiver[path[-1]] != path[-1]:
            taken[path[-1]] = True
            path.append(int(receiver[path[-1]]))
        if len(path) < 6:
            continue
        cells = np.array(path)
        line = _meander(np.column_stack([xs[cells % columns], ys[cells // columns]]), 1000 * seed + _MEANDER)
        flow = float(np.median(upstream[cells]))
        rivers.append(River(LineString(line).simplify(2.0), min(14.0, 1.6 * (flow / 280.0) ** 0.4)))
    return tuple(rivers)


def _meander(points: NDArray[np.float64], stream: int) -> NDArray[np.float64]:
    """Bends a channel that follows grid cells, (n, 2); the shift depends on the place, so confluences stay."""
    dense = np.asarray(LineString(_smooth(points, 2)).segmentize(40.0).coords)
    shift = [[fbm_point(x, y, 420.0, 3, 0.6, stream), fbm_point(x, y, 420.0, 3, 0.6, stream + 500)] for x, y in dense]
    return _smooth(dense + 38.0 * np.array(shift), 1)


def _lakes(terrain: Terrain, seed: int) -> tuple[Polygon, ...]:
    """Outlines of the deeper filled depressions, 1 to 120 ha, and of small thermokarst ponds on flats."""
    dem = terrain.dem
    x, y = np.meshgrid(*dem.centres())
    depth = terrain.ponded.at(x, y)
    shore = fbm_grid(depth.shape, x[0, 0], y[0, 0], dem.step, 500.0, 4, 1000 * seed + _SHORE)
    slope_x, slope_y = (rise.values for rise in gradient(dem, 60.0))
    flat = np.exp(-((np.hypot(slope_x, slope_y) / 0.035) ** 2))
    pond = fbm_grid(depth.shape, x[0, 0], y[0, 0], dem.step, 330.0, 3, 1000 * seed + _PONDS) * flat
    # Depth and pond noise on one scale: what exceeds 0 is under water.
    level = np.maximum((depth - 4.0 + 1.1 * shore) / 3.0, pond - 2.05)
    wet, _ = label(gaussian_filter(level, 0.7) > 0.0)
    cells = np.bincount(wet.ravel())
    kept = np.isin(wet, np.flatnonzero((cells >= 3) & (cells <= 1300))) & (wet > 0)
    lakes = []
    for shape, _ in shapes(wet.astype(np.int32), mask=kept, transform=dem.transform):
        lake = Polygon(_smooth_ring(np.array(shape["coordinates"][0], dtype=np.float64)))
        if lake.is_valid and lake.area > 1500.0:
            lakes.append(lake)
    return tuple(lakes)


def _smooth_ring(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Midpoints of a closed pixel ring, twice corner-cut: (n, 2), the first point not repeated."""
    points = 0.5 * (ring[:-1] + ring[1:])
    for _ in range(2):
        following = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], 1).reshape(-1, 2)
    simple = np.asarray(Polygon(points).simplify(2.0).exterior.coords)[:-1]
    return simple if len(simple) >= 4 else points


def _roads(bounds: Bounds, seed: int) -> tuple[Road, ...]:
    """A highway and a railway side by side through the corridor, and tracks that leave the highway."""
    rng = np.random.default_rng([seed, _ROAD])
    west, south, east, north = bounds
    width = east - west
    start = np.array([west + width * rng.uniform(0.1, 0.3), south - 6000.0])
    end = np.array([east - width * rng.uniform(0.1, 0.3), north + 6000.0])
    along = np.linspace(0.0, 1.0, 120)[:, None]
    heading = (end - start) / np.linalg.norm(end - start)
    aside = np.array([-heading[1], heading[0]])
    bend = np.array([fbm_point(float(t) * 12.0, 0.5, 4.0, 4, 0.45, 1000 * seed + _ROAD) for t in along[:, 0]])
    axis = start + along * (end - start) + 0.045 * width * bend[:, None] * aside
    apart = 220.0 + 60.0 * np.sin(along * 9.0 + rng.uniform(0, 6))
    roads = [
        Road(LineString(_smooth(axis, 2)).simplify(0.5), "highway", "synthetic highway", 6.0),
        Road(LineString(_smooth(axis + apart * aside, 2)).simplify(0.5), "railway", "synthetic railway", 4.5),
    ]
    for number in range(max(2, round(width / 3500.0))):
        roads.append(_track(axis, aside, number, max(2, round(width / 3500.0)), rng))
    return tuple(roads)


def _track(axis: Field, aside: Field, number: int, count: int, rng: np.random.Generator) -> Road:
    """A track that leaves the highway to one side and winds away for one to four kilometres."""
    root = axis[int(len(axis) * (0.25 + 0.5 * (number + rng.uniform(0.2, 0.8)) / count))]
    side = -1.0 if number % 2 else 1.0
    heading = math.atan2(side * aside[1], side * aside[0]) + rng.uniform(-0.5, 0.5)
    points = [root]
    for _ in range(int(rng.integers(8, 28))):
        heading += rng.normal(0.0, 0.16)
        points.append(points[-1] + 150.0 * np.array([math.cos(heading), math.sin(heading)]))
    return Road(LineString(_smooth(np.array(points), 2)).simplify(0.5), "road", f"synthetic track {number + 1}", 2.5)


def class_maps(terrain: Terrain, bounds: Bounds, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Raster]:
    """Vegetation and soil-texture classes on a 1 km grid over the DEM's extent.

    Returns:
        (rows, columns) uint8 of `VEGETATION`, the same of `SOIL` (both without nodata), and a raster of
        the grid's elevation that carries its origin.
    """
    dem = terrain.dem
    rows = math.ceil(dem.values.shape[0] * dem.step / CLASS_M)
    columns = math.ceil(dem.values.shape[1] * dem.step / CLASS_M)
    blank = Raster(np.zeros((rows, columns), np.float32), dem.west, dem.north, CLASS_M)
    x, y = (grid.astype(np.float64) for grid in np.meshgrid(*blank.centres()))
    slope_x, slope_y = gradient(dem, 200.0)
    slope = np.degrees(np.arctan(np.hypot(slope_x.at(x, y), slope_y.at(x, y))))
    dryness = _standard(dem.at(x, y)) + 0.5 * _standard(slope)
    dryness += 1.6 * eastness(x, y, bounds, seed)
    dryness += 0.8 * fbm_grid((rows, columns), x[0, 0], y[0, 0], CLASS_M, 6000.0, 3, 1000 * seed + _VEGETATION)
    vegetation = np.digitize(dryness, np.quantile(dryness, [0.16, 0.52, 0.87])) + 1
    texture = fbm_grid((rows, columns), x[0, 0], y[0, 0], CLASS_M, 8000.0, 3, 1000 * seed + _SOIL) + 0.4 * dryness
    order = np.array([5, 4, 1, 2, 3])
    soil = order[np.digitize(texture, np.quantile(texture, [0.08, 0.25, 0.5, 0.85]))]
    origin = Raster(dem.at(x, y).astype(np.float32), dem.west, dem.north, CLASS_M)
    return vegetation.astype(np.uint8), soil.astype(np.uint8), origin


def _standard(values: Field) -> Field:
    standard: Field = (values - values.mean()) / max(1e-9, float(values.std()))
    return standard
