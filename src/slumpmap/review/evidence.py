"""What a campaign knows of each candidate, in numbers: shape, colour, edge, change over the years, ground, neighbours.

The numbers follow what experts look for (Xia et al. 2022, section 4.3): a headwall on the highest side, a colour that
differs from the ground around, an arcuate shaded headwall, retreat upslope. They steer the order of the queue only
(`slumpmap.review.ranking`); no candidate is left out because of them.

All of them are measured in metres, degrees or shares, in a window of the candidate's own, so that they depend neither
on the tiling nor on what else is measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.features import rasterize
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from scipy.ndimage import distance_transform_edt

from slumpmap.files import atomic
from slumpmap.grid import HECTARE, Grid
from slumpmap.progress import Progress
from slumpmap.raster import BLOCK_PX, RGB_NODATA, Mosaic, open_raster
from slumpmap.vector import read_layer

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# The ground around, with which a candidate is compared, begins and ends at these distances from its edge, metres. The
# gap leaves out the bright rim and what the mapped edge misses.
RING_M = (9.0, 60.0)
# Where a headwall shows: so far inside the edge its shadow, so far outside its rim and what it retreats into.
WALL_M, RIM_M = 18.0, 15.0
# An edge is shaded where it is darker than the candidate by this share, in this many directions.
SHADED, SECTORS = 0.2, 36
# A candidate's height is compared with the ground within this distance, metres.
RELIEF_M = 250.0
# A year with a smaller valid share of the candidate and of its ring says nothing.
LEAST_VALID = 0.5
# Windows have at most this many samples to a side: of a larger candidate every second, third, ... pixel is taken.
LARGEST = 1024
# Elevations are read at this cell size at least, metres: slopes are those of hillsides, not of hummocks.
DEM_CELL_M = 30.0
# Candidates count as neighbours within this distance, metres.
NEIGHBOURS_M = 150.0
# Slopes below this have no direction, rise over run.
LEVEL = 1e-4


@dataclass(frozen=True)
class Patch:
    """A candidate and the ground around it, as arrays (rows, columns) of one window, rows from north to south.

    Args:
        cell: distance of neighbouring samples, metres.
        inside: the candidate.
        free: ground that belongs to no other candidate and to no known slump.
        depth: distance from the candidate's edge, metres, positive inside, negative outside.
        images: year to (3, rows, columns) float64, red, green, blue, 1..255; NaN = nodata.
        mapping_year: the year in which the candidate was mapped.
        rise: (east, north) rise of the ground over run; NaN where it is not known.
        height: height above the ground around, metres; NaN where it is not known.
    """

    cell: float
    inside: Mask
    free: Mask
    depth: Floats
    images: Mapping[int, Floats]
    mapping_year: int
    rise: tuple[float, float]
    height: float

    @property
    def ring(self) -> Mask:
        """The ground around that the candidate is compared with."""
        return self.free & (self.depth < -RING_M[0]) & (self.depth >= -RING_M[1])

    @property
    def steepness(self) -> float:
        """Rise over run; NaN where it is not known."""
        return math.hypot(*self.rise)

    @property
    def uphill(self) -> tuple[float, float] | None:
        """(east, north) of length 1; None where the ground is level or not known."""
        steep = self.steepness
        return (self.rise[0] / steep, self.rise[1] / steep) if steep > LEVEL else None

    def outward(self) -> Floats:
        """(2, rows, columns) east and north of the direction away from the candidate's middle, length 1 or 0."""
        south, east = np.gradient(self.depth, self.cell)
        away = np.stack([-east, south])
        length = np.hypot(*away)
        return np.divide(away, length, out=np.zeros_like(away), where=length > 1e-6)

    def coordinates(self) -> tuple[Floats, Floats]:
        """East and north of each sample from the candidate's centre, metres."""
        rows, columns = np.indices(self.inside.shape, dtype=np.float64)
        east, north = columns * self.cell, -rows * self.cell
        return east - east[self.inside].mean(), north - north[self.inside].mean()


def measure(patch: Patch) -> dict[str, float]:
    """All that is measured in a candidate's window; NaN where something is not known."""
    return {**shape_of(patch), **ground_of(patch), **_looks(patch)}


def shape_of(patch: Patch) -> dict[str, float]:
    """Elongation, its direction against the slope, and how much wider the upper half is than the lower.

    - `elongation`: 0 (round) to 1 (a line), 1 - minor/major axis of the second moments.
    - `along_slope`: elongation times cos(2 angle between long axis and uphill): 1 down the slope, -1 along a contour.
    - `wide_head`: (spread across of the upper half - of the lower half) / their sum.
    """
    east, north = (values[patch.inside] for values in patch.coordinates())
    # A sample has a spread of its own, so that a line of samples is no line.
    own = patch.cell**2 / 12
    xx, yy, xy = np.mean(east**2) + own, np.mean(north**2) + own, np.mean(east * north)
    middle, half = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    elongation = 1 - math.sqrt((middle - half) / (middle + half))
    along = wide = math.nan
    if (up := patch.uphill) is not None:
        turn = math.atan2(2 * xy, xx - yy) - 2 * math.atan2(up[1], up[0])
        along = elongation * math.cos(turn)
        upslope, across = east * up[0] + north * up[1], np.abs(north * up[0] - east * up[1])
        upper = upslope > np.median(upslope)
        if upper.any() and not upper.all():
            head, toe = across[upper].mean() + patch.cell / 4, across[~upper].mean() + patch.cell / 4
            wide = float((head - toe) / (head + toe))
    return {"elongation": elongation, "along_slope": along, "wide_head": wide}


def ground_of(patch: Patch) -> dict[str, float]:
    """Slope (degrees), how far it faces north and east (-1 to 1, 0 where level), and height above the ground around."""
    up = patch.uphill
    known = math.isfinite(patch.steepness)
    level = 0.0 if known else math.nan
    return {
        "slope_deg": math.degrees(math.atan(patch.steepness)) if known else math.nan,
        "faces_north": -up[1] if up else level,
        "faces_east": -up[0] if up else level,
        "height_m": patch.height,
    }


_LOOKS = (
    "valid_years", "brightness", "redness", "blueness", "contrast", "patchiness",
    "wall_dark", "wall_arc", "wall_dark_uphill", "wall_toward_uphill", "rim_bright_uphill", "darker_uphill",
    "least_bare", "bared", "bared_sd", "newly_bare", "bared_upper", "bared_ahead", "bared_around",
)  # fmt: skip


# Traits that the ledger and the neighbours give, and those measured in the candidate's window.
STATED = (
    "score", "score_max", "size", "solidity", "nodata_share", "covered_by_slumps", "covered_by_rejected",
    "near_slump", "near_rejected", "neighbours",
)  # fmt: skip
MEASURED = ("elongation", "along_slope", "wide_head", "slope_deg", "faces_north", "faces_east", "height_m", *_LOOKS)


def _looks(patch: Patch) -> dict[str, float]:
    """What the images show: colour, edge, change."""
    found = dict.fromkeys(_LOOKS, math.nan)
    inside, ring = patch.inside, patch.ring
    seen = {year: image for year, image in sorted(patch.images.items()) if _shows(image, inside, ring)}
    found["valid_years"] = float(len(seen))
    now = seen.get(patch.mapping_year)
    if now is None:
        return found
    scale = _Bareness.of(now, inside, ring)
    bare = {year: scale.share(image, ring) for year, image in seen.items()}
    return {
        **found,
        **_colour(now, bare[patch.mapping_year], scale, inside, ring),
        **_edge(patch, now),
        **_change(patch, bare, scale.contrast),
    }


def _shows(image: Floats, inside: Mask, ring: Mask) -> bool:
    """Whether enough of the candidate and of the ground around has an image."""
    valid = np.isfinite(image[0])
    return bool(ring.any()) and bool(min(valid[inside].mean(), valid[ring].mean()) >= LEAST_VALID)


@dataclass(frozen=True)
class _Bareness:
    """How much a colour is that of the candidate rather than of the ground around, by Fisher's linear discriminant.

    Args:
        weights: (3,) of red, green and blue, scaled so that the candidate's mean lies at 1, the ground's at 0.
        contrast: distance of the two means in standard deviations of the ground and the candidate (Mahalanobis).
    """

    weights: Floats
    contrast: float

    @classmethod
    def of(cls, image: Floats, inside: Mask, ring: Mask) -> _Bareness:
        """The scale of the mapping year."""
        valid = np.isfinite(image[0])
        within, around = image[:, inside & valid], image[:, ring & valid]
        step = within.mean(axis=1) - around.mean(axis=1)
        # One grey value more of noise: even ground has no spread, and 8-bit values know no finer step.
        spread = (np.cov(within, bias=True) + np.cov(around, bias=True)) / 2 + np.eye(3)
        weights = np.linalg.solve(spread, step)
        reach = float(weights @ step)
        return cls(weights / max(reach, 1e-9), math.sqrt(max(reach, 0.0)))

    def share(self, image: Floats, ring: Mask) -> Floats:
        """(rows, columns) bareness, 0: as the ground around in the same year, 1: as the candidate when mapped."""
        around = np.nanmean(image[:, ring], axis=1)
        values: Floats = np.tensordot(self.weights, image - around[:, None, None], axes=1)
        return values


def _colour(image: Floats, bare: Floats, scale: _Bareness, inside: Mask, ring: Mask) -> dict[str, float]:
    """Colour against the ground around, in the mapping year; relative differences, -1 to 1."""
    within, around = np.nanmean(image[:, inside], axis=1), np.nanmean(image[:, ring], axis=1)
    light, base = within.mean(), around.mean()
    red, ground_red = within[0] / within.sum(), around[0] / around.sum()
    blue, ground_blue = within[2] / within.sum(), around[2] / around.sum()
    return {
        "brightness": float((light - base) / (light + base)),
        "redness": float((red - ground_red) / (red + ground_red)),
        "blueness": float((blue - ground_blue) / (blue + ground_blue)),
        "contrast": math.log1p(scale.contrast),
        "patchiness": float(np.nanstd(bare[inside])),
    }


def _edge(patch: Patch, image: Floats) -> dict[str, float]:
    """Shade and light along the edge, in the mapping year, relative to the candidate's own brightness.

    - `wall_dark`: how much darker than the candidate the darkest tenth of its edge is.
    - `wall_arc`: share of the upper edge (within 60 degrees of uphill) where a shaded wall stands, less that of the
      lower edge: an arcuate shaded headwall has 1.
    - `wall_dark_uphill`: first harmonic of the edge's darkness, uphill positive.
    - `wall_toward_uphill`: cosine of the angle between its darkest direction and uphill.
    - `rim_bright_uphill`: first harmonic of the brightness just outside.
    - `darker_uphill`: how darkness rises upslope over the whole candidate, per standard deviation of its length.
    """
    light = image.mean(axis=0)
    valid = np.isfinite(light)
    own = float(np.nanmedian(light[patch.inside]))
    dark = np.where(valid, 1 - light / own, 0.0)
    wall = patch.inside & valid & (patch.depth <= WALL_M)
    found = {"wall_dark": float(np.percentile(dark[wall], 90)) if wall.any() else math.nan}
    if (up := patch.uphill) is None:
        return found
    away = patch.outward()
    darkest = _harmonic(dark, away, wall)
    length = math.hypot(*darkest)
    uphill = darkest[0] * up[0] + darkest[1] * up[1]
    rim = patch.free & valid & (patch.depth < 0) & (patch.depth >= -RIM_M)
    bright = _harmonic(-dark, away, rim)
    east, north = patch.coordinates()
    own_ground = patch.inside & valid
    height = (east * up[0] + north * up[1])[own_ground]
    spread = max(float(height.std()), patch.cell / 4)
    return found | {
        "wall_arc": _arc(patch, dark, up),
        "wall_dark_uphill": uphill,
        "wall_toward_uphill": uphill / length if length > 1e-9 else 0.0,
        "rim_bright_uphill": bright[0] * up[0] + bright[1] * up[1],
        "darker_uphill": float(np.mean((height - height.mean()) * dark[own_ground]) / spread),
    }


def _arc(patch: Patch, dark: Floats, up: tuple[float, float]) -> float:
    """Share of the directions near uphill in which the edge is shaded, less that of those near downhill."""
    east, north = patch.coordinates()
    band = (patch.depth <= WALL_M) & (patch.depth >= -RING_M[0]) & (patch.inside | patch.free)
    turn = np.arctan2(north * up[0] - east * up[1], east * up[0] + north * up[1])[band]
    sector = np.floor((turn + np.pi) / (2 * np.pi) * SECTORS).astype(np.intp) % SECTORS
    shade: Floats = np.zeros(SECTORS)
    np.maximum.at(shade, sector, dark[band])
    centre = (np.arange(SECTORS) + 0.5) / SECTORS * 2 * np.pi - np.pi
    shaded = shade >= SHADED
    return float(shaded[np.abs(centre) < np.pi / 3].mean() - shaded[np.abs(centre) > 2 * np.pi / 3].mean())


def _harmonic(values: Floats, away: Floats, where: Mask) -> tuple[float, float]:
    """(east, north) first harmonic of values round the edge: their mean product with the outward direction."""
    if not where.any():
        return 0.0, 0.0
    east, north = away[:, where]
    level = values[where] - values[where].mean()
    return float(2 * np.mean(level * east)), float(2 * np.mean(level * north))


def _change(patch: Patch, bare: Mapping[int, Floats], contrast: float) -> dict[str, float]:
    """How the ground became bare, between the years before and those after the greatest step.

    - `least_bare`: mean bareness inside in the year with least.
    - `bared`: rise of the mean bareness inside.
    - `bared_sd`: the same in standard deviations of the ground's colour.
    - `newly_bare`: share of the candidate that became bare, less the share that ceased to be.
    - `bared_upper`: rise above the candidate's middle, rims included, less that below it.
    - `bared_ahead`: rise just outside the upper edge, less that outside the lower one: retreat upslope.
    - `bared_around`: spread of the rise in the ring: seasons, clouds.
    """
    inside = patch.inside
    means = np.array([np.nanmean(values[inside]) for values in bare.values()])
    found = {"least_bare": float(means.min())}
    if len(bare) < 2:
        return found
    steps = [means[year:].mean() - means[:year].mean() for year in range(1, len(means))]
    split = int(np.argmax(steps)) + 1
    images = list(bare.values())
    before, after = _mean_of(images[:split]), _mean_of(images[split:])
    rise = after - before
    known = np.isfinite(rise)
    within, ring = inside & known, patch.ring & known
    if not within.any() or not ring.any():
        return found
    became, ceased = (before < 0.5) & (after >= 0.5), (before >= 0.5) & (after < 0.5)
    found["bared"] = float(rise[within].mean())
    found["bared_sd"] = found["bared"] * contrast
    found["newly_bare"] = float(became[within].mean() - ceased[within].mean())
    found["bared_around"] = float(np.std(rise[ring]))
    if (up := patch.uphill) is not None:
        east, north = patch.coordinates()
        height = east * up[0] + north * up[1]
        near = patch.free & known & (patch.depth >= -RIM_M) | within
        away = patch.outward()
        facing = away[0] * up[0] + away[1] * up[1]
        growth = images[-1] - images[0]
        near &= np.isfinite(growth)
        rim = near & (patch.depth < 0)
        found["bared_upper"] = _mean(growth[near & (height > 0)]) - _mean(growth[near & (height <= 0)])
        found["bared_ahead"] = _mean(growth[rim & (facing > 0.5)]) - _mean(growth[rim & (facing < -0.5)])
    return found


def _mean_of(images: Sequence[Floats]) -> Floats:
    """Mean of the years that show a pixel; NaN where none does."""
    stack = np.stack(images)
    count = np.isfinite(stack).sum(axis=0)
    mean: Floats = np.divide(np.nansum(stack, axis=0), count, out=np.full(stack.shape[1:], np.nan), where=count > 0)
    return mean


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else math.nan


class Elevations:
    """The DEM under a study area, at the scale of hillsides; 4 bytes for each `DEM_CELL_M` squared at most.

    Args:
        dem: elevations, metres, in any CRS.
        grid: the campaign's grid.

    Raises:
        InputError: the DEM is missing, unreadable or without CRS.
    """

    def __init__(self, dem: Path, grid: Grid) -> None:
        west, south, east, north = grid.area.bounds
        with open_raster(dem, "DEM") as source:
            with WarpedVRT(source, crs=grid.crs) as native:
                own = abs(native.transform.a)
            self._cell = max(own, DEM_CELL_M)
            self._west, self._north = west - 2 * RELIEF_M, north + 2 * RELIEF_M
            width = math.ceil((east + 2 * RELIEF_M - self._west) / self._cell)
            height = math.ceil((self._north - south + 2 * RELIEF_M) / self._cell)
            options = {"transform": self._transform(0, 0), "width": width, "height": height, "dtype": "float32"}
            how = Resampling.bilinear if own >= DEM_CELL_M else Resampling.average
            with WarpedVRT(source, crs=grid.crs, resampling=how, **options) as warped:
                self._values = warped.read(1, masked=True).filled(np.nan)

    def _transform(self, row: int, column: int) -> Affine:
        """Affine of the cells from this one on."""
        west, north = self._west + column * self._cell, self._north - row * self._cell
        return Affine(self._cell, 0.0, west, 0.0, -self._cell, north)

    def ground(self, outline: shapely.Geometry) -> tuple[tuple[float, float], float]:
        """Rise of the ground in and beside an outline (least squares plane), and its height above the ground around.

        Returns:
            (east, north) rise over run, and metres; NaN where the DEM has too few cells.
        """
        west, south, east, north = outline.bounds
        reach = math.ceil(RELIEF_M / self._cell)
        left, top = int((west - self._west) // self._cell) - reach, int((self._north - north) // self._cell) - reach
        right, bottom = int((east - self._west) // self._cell) + reach, int((self._north - south) // self._cell) + reach
        left, top = max(left, 0), max(top, 0)
        elevation = self._values[top : bottom + 1, left : right + 1].astype(np.float64)
        # Small candidates lie between the centres of cells.
        own = _burn([outline], elevation.shape, self._transform(top, left), all_touched=True)
        away = distance_transform_edt(~own, sampling=self._cell)
        known = np.isfinite(elevation)
        beside, around = known & (away < 2 * self._cell), known & (away <= RELIEF_M)
        if not own.any() or beside.sum() < 6:
            return (math.nan, math.nan), math.nan
        row, column = np.nonzero(beside)
        x, y = column * self._cell, -row * self._cell
        design = np.column_stack([x - x.mean(), y - y.mean(), np.ones(len(x))])
        (rise_east, rise_north, mean), *_ = np.linalg.lstsq(design, elevation[beside], rcond=None)
        return (float(rise_east), float(rise_north)), float(mean - elevation[around].mean())


def collect_evidence(
    candidates: Path,
    known: Path,
    rejected: Path | None,
    imagery: Mapping[int, Path],
    mapping_year: int,
    dem: Path | None,
    grid: Grid,
    out: Path,
) -> None:
    """Measures all candidates of an iteration and writes one row each, in the order of the ids.

    Args:
        candidates: the iteration's ledger of candidates.
        known: slumps confirmed when the iteration began.
        rejected: places rejected before, or None in the first iteration.
        imagery: folder of the 8-bit tiles of each year.
        mapping_year: the year in which the candidates were mapped.
        dem: elevations, or None.
        grid: the campaign's grid.
        out: Parquet file: `id`, `status`, and a column of numbers for each trait; empty where it is not known.

    Raises:
        InputError: an input is missing or unreadable.
    """
    layer = read_layer(candidates, "candidates", grid.crs, ("id", "status", "score", "score_max"), unique="id")
    layer = layer.sort_values("id", ignore_index=True)
    slumps = read_layer(known, "confirmed slumps", grid.crs, columns=("id",))
    places = read_layer(rejected, "rejected places", grid.crs, columns=("id",)) if rejected else slumps.iloc[:0]
    rows = _measure_all(layer, slumps, imagery, mapping_year, dem, grid)
    table = pd.concat([layer[["id", "status"]], _attributes(layer, slumps, places), rows], axis=1)
    with atomic(out) as temporary:
        table.to_parquet(temporary)


def _attributes(layer: gpd.GeoDataFrame, slumps: gpd.GeoDataFrame, places: gpd.GeoDataFrame) -> pd.DataFrame:
    """What the ledger says of all candidates, and their neighbours."""
    shapes = layer.geometry.to_numpy()
    area, score = shapely.area(shapes), layer["score"].to_numpy(float)
    others = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=NEIGHBOURS_M)[0]
    return pd.DataFrame(
        {
            "score": score,
            "score_max": layer["score_max"].to_numpy(float),
            "size": np.log(area / HECTARE),
            "solidity": area / shapely.area(shapely.convex_hull(shapes)),
            "nodata_share": layer["nodata_share"].to_numpy(float),
            "covered_by_slumps": layer["covered_by_slumps"].to_numpy(float),
            "covered_by_rejected": layer["covered_by_rejected"].to_numpy(float),
            "near_slump": _nearness(shapes, slumps.geometry.to_numpy()),
            "near_rejected": _nearness(shapes, places.geometry.to_numpy()),
            "neighbours": np.log(np.bincount(others, minlength=len(shapes))),
        },
        columns=STATED,
    )


def _nearness(shapes: NDArray[np.object_], places: NDArray[np.object_]) -> Floats:
    """1 where a place touches, 0.5 at 100 m, towards 0 far away or where there is none."""
    near = np.zeros(len(shapes))
    if len(places) and len(shapes):
        (row, _), distance = shapely.STRtree(places).query_nearest(shapes, return_distance=True, all_matches=False)
        near[row] = 1 / (1 + distance / 100.0)
    return near


def _measure_all(
    layer: gpd.GeoDataFrame,
    slumps: gpd.GeoDataFrame,
    imagery: Mapping[int, Path],
    mapping_year: int,
    dem: Path | None,
    grid: Grid,
) -> pd.DataFrame:
    """What is measured in the candidates' windows, one row each."""
    shapes = layer.geometry.to_numpy()
    taken = np.concatenate([shapes, slumps.geometry.to_numpy()])
    tree = shapely.STRtree(taken)
    rows: list[dict[str, float]] = [{} for _ in shapes]
    progress = Progress("evidence", len(shapes), "candidates")
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=256))
        mosaics = {
            year: stack.enter_context(Mosaic(grid, folder, bands=3, nodata=RGB_NODATA))
            for year, folder in sorted(imagery.items())
        }
        elevations = Elevations(dem, grid) if dem else None
        for done, row in enumerate(_by_place(layer, grid), 1):
            near = tree.query(shapes[row], predicate="dwithin", distance=RING_M[1])
            others = taken[near[near != row]]
            rows[row] = measure(_patch(shapes[row], others, mosaics, mapping_year, elevations, grid))
            progress.update(done)
    return pd.DataFrame(rows, columns=MEASURED).astype(float)


def _by_place(layer: gpd.GeoDataFrame, grid: Grid) -> NDArray[np.intp]:
    """Rows in the order in which the blocks of the tiles lie on disk, so that each is decoded about once."""
    centres = shapely.get_coordinates(shapely.centroid(layer.geometry.to_numpy())) / (grid.resolution * BLOCK_PX)
    column, row = np.floor(centres).astype(np.int64).T
    return np.lexsort((column, -row))


def _patch(
    outline: shapely.Geometry,
    others: NDArray[np.object_],
    mosaics: Mapping[int, Mosaic],
    mapping_year: int,
    elevations: Elevations | None,
    grid: Grid,
) -> Patch:
    """Reads the window of one candidate."""
    window = grid.window_of(outline.bounds).grow(math.ceil(RING_M[1] / grid.resolution))
    step = math.ceil(max(window.height, window.width) / LARGEST)
    pixels = slice(None, None, step)
    shape = (-(-window.height // step), -(-window.width // step))
    # The centres of these larger cells are the centres of the pixels that are taken.
    shift = (1 - step) / 2
    transform = grid.window_transform(window) @ Affine.translation(shift, shift) @ Affine.scale(step)
    inside = _burn([outline], shape, transform, all_touched=step > 1)
    taken = _burn(others, shape, transform)
    rise, height = elevations.ground(outline) if elevations else ((math.nan, math.nan), math.nan)
    cell = grid.resolution * step
    depth = distance_transform_edt(inside, sampling=cell) - distance_transform_edt(~inside, sampling=cell)
    # Distances are between centres; the edge lies half a cell before the first centre.
    depth -= np.sign(depth) * cell / 2
    images = {}
    for year, mosaic in mosaics.items():
        values = mosaic.read(window)[:, pixels, pixels].astype(np.float64)
        values[:, values[0] == RGB_NODATA] = np.nan
        images[year] = values
    return Patch(cell, inside, ~inside & ~taken, depth, images, mapping_year, rise, height)


def _burn(
    shapes: Sequence[shapely.Geometry], shape: tuple[int, int], transform: Affine, all_touched: bool = False
) -> Mask:
    """Where the centres of cells lie in one of the shapes."""
    if not len(shapes):
        return np.zeros(shape, dtype=bool)
    burnt: Mask = rasterize(shapes, shape, transform=transform, all_touched=all_touched, dtype="uint8") > 0
    return burnt
