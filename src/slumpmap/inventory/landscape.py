"""The study area as a whole, against which slumps are held: how often each elevation, slope or class is there.

Every pixel of the study area counts, by the share of it that lies in the area; not a sample. The area is cut into
square blocks, and pixels are counted block by block while the rasters go by in tiles (see `slumpmap.inventory.zonal`):
so one pass gives the frequencies of the whole and what draws of blocks need. Models and tests take random points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from slumpmap.errors import InputError
from slumpmap.files import atomic, write_json
from slumpmap.grid import Grid
from slumpmap.inventory.attributes import CLASSES, SECTORS, Layers, distances
from slumpmap.inventory.clustering import random_points
from slumpmap.inventory.foreign import polygons_of
from slumpmap.inventory.sampling import nearest
from slumpmap.inventory.sums import Classes, ClassesError, Histogram, Sums
from slumpmap.inventory.zonal import Layer, walk
from slumpmap.legend import read_legend
from slumpmap.settings.analysis import LandscapeSettings
from slumpmap.vector import LINES, read_layer

Floats = NDArray[np.float64]

# Layers of numbers: the field of `Layers` and the unit.
NUMBERS = {
    "elevation": ("dem", "m"),
    "slope": ("slope", "degrees"),
    "tpi": ("tpi", "m"),
    "pisr": ("pisr", "kWh m-2"),
}
BINNED = ("elevation", "slope", "aspect", "tpi", "pisr", *CLASSES)
FLAT = "flat"
UNNAMED = "without name in the legend"
NOT_GIVEN = "the configuration has no such layer"
NOTHING_THERE = "the layer has no value in the study area"
BIN_COLUMNS = ("layer", "class", "low", "high", "pixels", "area_km2", "share")
BLOCK_COLUMNS = ("layer", "class", "x", "y", "area_km2")
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)

_KM2 = 1e6
_SECTOR = 360.0 / len(SECTORS)
# Covered pixels below this are what rounding leaves.
_NONE = 1e-6


@dataclass(frozen=True)
class Blocks:
    """The study area cut into squares.

    Args:
        shapes: (blocks,) the area's part in each.
        x: (blocks,) eastings of the squares' centres, metres.
        y: (blocks,) northings.
    """

    shapes: gpd.GeoSeries
    x: Floats
    y: Floats


def blocks_of(area: BaseGeometry, crs: str, block_m: float) -> Blocks:
    """Cuts an area into squares whose corners lie at whole multiples of their side, as `spatial_blocks` takes them."""
    west, south, east, north = (np.array(area.bounds) / block_m).tolist()
    columns, rows = np.meshgrid(
        np.arange(np.floor(west), np.ceil(east)), np.arange(np.floor(south), np.ceil(north)), indexing="xy"
    )
    left, bottom = columns.ravel() * block_m, rows.ravel() * block_m
    shapely.prepare(area)
    squares = shapely.box(left, bottom, left + block_m, bottom + block_m)
    touched = shapely.intersects(area, squares)
    parts = polygons_of(shapely.intersection(area, squares[touched]))
    some = ~shapely.is_missing(parts)
    shapes = gpd.GeoSeries(parts[some], crs=crs)
    return Blocks(shapes, left[touched][some] + block_m / 2, bottom[touched][some] + block_m / 2)


def number_class(index: int, step: float, signed: bool) -> tuple[str, float, float]:
    """Name and limits of a class of numbers, `4600-4700`; with negative ones in the layer, `-4 to -2`."""
    low, high = index * step, (index + 1) * step
    return f"{low:g} to {high:g}" if signed else f"{low:g}-{high:g}", low, high


def class_numbers(values: Floats, step: float) -> Floats:
    """Numbers of the classes of values, `floor(value / step)`; NaN for NaN."""
    return np.floor(values / step)


def write_landscape(grid: Grid, layers: Layers, settings: LandscapeSettings, seed: int, out: Path) -> None:
    """Writes what the study area is like.

    - `out`, a CSV with a row for each class of each layer: `layer`, `class`, `low`, `high`, `pixels` (covered, of the
      layer's own size), `area_km2`, `share` (of the area that the layer knows);
    - `blocks.parquet` beside it, the same block by block: `layer`, `class`, `x`, `y` (the block's centre), `area_km2`;
    - `points.parquet`, random points with the value of every layer; a layer that is not given is an absent column;
    - `landscape.json`, areas, ranges and quantiles, and under `omissions` what is missing and why.

    Args:
        grid: the campaign's grid, whose area is the study area.
        layers: what describes the ground.
        settings: number of points, widths of classes, side of the blocks.
        seed: of the points.
        out: CSV to write.

    Raises:
        InputError: a layer is refused, or has too many classes of the width that is asked for.
    """
    omissions = _Omissions(grid.area.area / _KM2)
    blocks = blocks_of(grid.area, grid.crs, 1000 * settings.block_km)
    counted = _counted(blocks, layers, settings, omissions)
    points = _points(grid, layers, settings.points, seed, omissions)
    out = Path(out)
    write_table(bins_of(counted), out)
    with atomic(out.with_name("blocks.parquet")) as temporary:
        _by_block(counted, blocks).to_parquet(temporary, index=False)
    with atomic(out.with_name("points.parquet")) as temporary:
        points.to_parquet(temporary, index=False)
    facts = {
        "area_km2": grid.area.area / _KM2,
        "crs": grid.crs,
        "block_km": settings.block_km,
        "blocks": len(blocks.x),
        "points": len(points),
        "layers": {layer.name: layer.facts for layer in counted},
        "omissions": omissions.rows,
    }
    write_json(out.with_name("landscape.json"), facts)


class _Omissions:
    """What is said of the landscape in part only, or not at all."""

    def __init__(self, area_km2: float) -> None:
        self._area = area_km2
        self.rows: list[dict[str, Any]] = []

    def add(self, layer: str, reason: str, area_km2: float | None = None) -> None:
        """Lists a layer, and the part of the study area (km2; None: all of it) to which the reason applies."""
        area = self._area if area_km2 is None else area_km2
        self.rows.append({"layer": layer, "reason": reason, "area_km2": area, "share": area / self._area})
        if reason != NOT_GIVEN:
            print(f"warning: {layer}: {reason}, {area:.4g} km2 of {self._area:.4g} km2")


@dataclass(frozen=True)
class _Counted:
    """One layer: its classes, the area of each in each block, and what is known of it as a whole."""

    name: str
    classes: pd.DataFrame
    pixels: Floats
    areas: Floats
    facts: dict[str, Any]


def _rasters(
    layers: Layers, settings: LandscapeSettings, blocks: int, omissions: _Omissions
) -> dict[str, tuple[Layer, Sums]]:
    """The layers that are given, each with empty sums."""
    steps = {
        "elevation": settings.elevation_step_m,
        "slope": settings.slope_step,
        "tpi": settings.tpi_step_m,
        "pisr": settings.pisr_step,
    }
    rasters: dict[str, tuple[Layer, Sums]] = {}
    for name in BINNED:
        path = getattr(layers, NUMBERS.get(name, (name, ""))[0])
        if path is None:
            omissions.add(name, NOT_GIVEN)
        elif name in CLASSES:
            codes = tuple(read_legend(getattr(layers, f"{name}_legend"), name))
            rasters[name] = Layer(path, "class", codes, name), Classes(blocks, codes)
        elif name == "aspect":
            rasters[name] = Layer(path, "direction", what=name), Histogram(blocks, _SECTOR, _SECTOR / 2, name)
        else:
            rasters[name] = Layer(path, what=name), Histogram(blocks, steps[name], what=name)
    return rasters


def _counted(blocks: Blocks, layers: Layers, settings: LandscapeSettings, omissions: _Omissions) -> list[_Counted]:
    """Counts the pixels of all layers that are given."""
    rasters = _rasters(layers, settings, len(blocks.shapes), omissions)
    try:
        found = walk(blocks.shapes, *zip(*rasters.values(), strict=True)) if rasters else []
    except ClassesError as error:
        raise InputError("analysis", str(error), "choose wider classes, or mend the layer") from error
    # Of each pixel of a block the area in the plane of the grid, whatever the CRS of the raster.
    whole = blocks.shapes.area.to_numpy() / _KM2
    cells = {name: area_px for name, (_, area_px) in zip(rasters, found, strict=True)}
    counted = []
    for name, (_, total) in rasters.items():
        size = np.divide(whole, cells[name], out=np.zeros_like(whole), where=cells[name] > 0)
        classes, pixels = _classes(name, total, layers)
        if name == "aspect":
            pixels[:, -1] = _flat(rasters, cells, omissions)
        areas = pixels * size[:, None]
        _explain(name, classes, areas, whole, omissions)
        counted.append(_Counted(name, classes, pixels, areas, _facts(name, total, areas)))
    return counted


def _flat(rasters: Mapping[str, tuple[Layer, Sums]], cells: Mapping[str, Floats], omissions: _Omissions) -> Floats:
    """(blocks,) pixels of flat ground: where there is a slope and no aspect, if both have the same pixels."""
    if "slope" not in cells or not np.allclose(cells["slope"], cells["aspect"], rtol=1e-9, atol=0):
        omissions.add("aspect", "flat ground is not told from ground without value: no slope on the same pixels")
        return np.zeros_like(cells["aspect"])
    pixels = rasters["slope"][1].count - rasters["aspect"][1].count
    return np.where(pixels > _NONE, pixels, 0.0)


def _classes(name: str, total: Sums, layers: Layers) -> tuple[pd.DataFrame, Floats]:
    """Classes of a layer (`class`, `low`, `high`) and the covered pixels of each, (blocks, classes); of flat none."""
    if isinstance(total, Classes):
        codes, names = pd.factorize(np.array([*read_legend(getattr(layers, f"{name}_legend"), name).values(), UNNAMED]))
        # Codes of one name are one class.
        pixels = total.areas @ np.eye(len(names))[codes]
        kept = (names != UNNAMED) | (pixels.sum(axis=0) > 0)
        return pd.DataFrame({"class": names[kept], "low": np.nan, "high": np.nan}), pixels[:, kept]
    assert isinstance(total, Histogram)
    if name != "aspect":
        signed = total.first < 0
        rows = [number_class(total.first + n, total.step, signed) for n in range(total.areas.shape[1])]
        return pd.DataFrame(rows, columns=["class", "low", "high"]), total.areas
    pixels = np.zeros((len(total.areas), len(SECTORS) + 1))
    # The ninth class is the first once more, from the other side of north.
    for place in range(total.areas.shape[1]):
        pixels[:, (total.first + place) % len(SECTORS)] += total.areas[:, place]
    low = (np.arange(len(SECTORS)) * _SECTOR - _SECTOR / 2) % 360
    limits = {"low": np.append(low, np.nan), "high": np.append((low + _SECTOR) % 360, np.nan)}
    return pd.DataFrame({"class": [*SECTORS, FLAT], **limits}), pixels


def _facts(name: str, total: Sums, areas: Floats) -> dict[str, Any]:
    """Area that a layer knows, and of numbers their range and quantiles."""
    facts: dict[str, Any] = {"area_km2": float(areas.sum())}
    if name in NUMBERS and isinstance(total, Histogram) and total.areas.size:
        facts |= {
            "unit": NUMBERS[name][1],
            "minimum": total.low,
            "maximum": total.high,
            "quantiles": dict(zip(map(str, QUANTILES), total.quantiles(QUANTILES), strict=True)),
            "quantiles_known_to": total.step / total.FINE,
        }
    return facts


def _explain(name: str, classes: pd.DataFrame, areas: Floats, whole: Floats, omissions: _Omissions) -> None:
    """Lists where a layer says nothing of the study area."""
    missing = float(whole.sum() - areas.sum())
    if not areas.sum() > 0:
        omissions.add(name, NOTHING_THERE)
    elif missing > 1e-6 * whole.sum():
        omissions.add(name, "the layer does not cover this part of the study area, or has no value there", missing)
    strange = areas[:, (classes["class"] == UNNAMED).to_numpy()].sum()
    if strange > 0:
        omissions.add(name, f"values {UNNAMED}", float(strange))


def bins_of(counted: Sequence[_Counted]) -> pd.DataFrame:
    """A row for each class of each layer."""
    parts = [pd.DataFrame(columns=list(BIN_COLUMNS))]
    for layer in counted:
        area = layer.areas.sum(axis=0)
        share = area / area.sum() if area.sum() > 0 else np.full(len(area), np.nan)
        parts.append(
            layer.classes.assign(layer=layer.name, pixels=layer.pixels.sum(axis=0), area_km2=area, share=share)
        )
    return pd.concat(parts[1:] or parts, ignore_index=True)[list(BIN_COLUMNS)]


def _by_block(counted: Sequence[_Counted], blocks: Blocks) -> pd.DataFrame:
    """A row for each class of each layer in each block that has it."""
    parts = []
    for layer in counted:
        block, column = np.nonzero(layer.areas)
        names = layer.classes["class"].to_numpy(dtype=object)[column]
        place = {"x": blocks.x[block], "y": blocks.y[block], "area_km2": layer.areas[block, column]}
        parts.append(pd.DataFrame({"layer": layer.name, "class": names, **place}))
    empty = pd.DataFrame({name: pd.Series(dtype=float if name in "x y area_km2" else str) for name in BLOCK_COLUMNS})
    return pd.concat(parts, ignore_index=True)[list(BLOCK_COLUMNS)] if parts else empty


def _points(grid: Grid, layers: Layers, count: int, seed: int, omissions: _Omissions) -> pd.DataFrame:
    """Random points of the study area with all layers."""
    x, y = random_points(grid.area, count, np.random.default_rng(seed)).T
    table: dict[str, Any] = {"x": x, "y": y}
    for name, (field, _) in (NUMBERS | {"aspect": ("aspect", "")}).items():
        path = getattr(layers, field)
        if path is not None:
            table[name] = nearest(path, x, y, grid.crs, name)
    for name in CLASSES:
        path = getattr(layers, name)
        if path is not None:
            legend = read_legend(getattr(layers, f"{name}_legend"), name)
            table[name] = pd.Series(nearest(path, x, y, grid.crs, name)).map(legend).astype("string")
    for name in ("stream", "road"):
        away = _line_distances(getattr(layers, f"{name}s"), f"{name}s", x, y, grid, omissions)
        if away is not None:
            # Streams are known as far as the elevation model reaches.
            unknown = np.isnan(table["elevation"]) if name == "stream" and "elevation" in table else False
            table[f"{name}_distance_m"] = np.where(unknown, np.nan, away)
    return pd.DataFrame(table)


def _line_distances(
    path: Path | None, what: str, x: Floats, y: Floats, grid: Grid, omissions: _Omissions
) -> Floats | None:
    """(points,) distance from the nearest line, metres; None where no line runs through the study area."""
    if path is None:
        omissions.add(what, NOT_GIVEN)
        return None
    lines = read_layer(path, what, grid.crs, kinds=LINES).geometry.to_numpy()
    if not shapely.intersects(grid.area, lines).any():
        omissions.add(what, f"none of the {len(lines)} lines of the layer runs through the study area")
        return None
    return distances(shapely.points(x, y), lines)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Writes a table of the analysis as CSV: six digits, empty fields for what is unknown."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")
