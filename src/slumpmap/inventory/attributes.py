"""Attributes of slumps: their shape and place, what lies near, and the ground under them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from slumpmap.errors import InputError
from slumpmap.grid import HECTARE, check_projected
from slumpmap.inventory.headwall import azimuth_from, extent, headwalls
from slumpmap.inventory.omissions import Omissions
from slumpmap.inventory.sampling import bilinear
from slumpmap.inventory.zonal import Layer, zonal_statistics
from slumpmap.legend import read_legend
from slumpmap.vector import LINES, read_layer

Floats = NDArray[np.float64]
Tables = Mapping[str, pd.DataFrame]

SECTORS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")
CLASSES = ("vegetation", "soil")
SHARE_COLUMNS = ("id", "layer", "code", "name", "share")


@dataclass(frozen=True)
class Layers:
    """Files that describe the ground; None where there is none.

    Args:
        dem: elevations, metres.
        slope: degrees.
        aspect: down-slope direction, degrees clockwise from north; nodata where flat.
        tpi: topographic position index, metres.
        pisr: potential incoming solar radiation, kWh per square metre.
        streams: lines.
        roads: roads and railways, lines.
        vegetation: raster of classes.
        vegetation_legend: CSV, see `slumpmap.legend`.
        soil: raster of classes.
        soil_legend: CSV.
    """

    dem: Path | None = None
    slope: Path | None = None
    aspect: Path | None = None
    tpi: Path | None = None
    pisr: Path | None = None
    streams: Path | None = None
    roads: Path | None = None
    vegetation: Path | None = None
    vegetation_legend: Path | None = None
    soil: Path | None = None
    soil_legend: Path | None = None

    def __post_init__(self) -> None:
        for name in CLASSES:
            raster = getattr(self, name)
            if raster is not None and getattr(self, f"{name}_legend") is None:
                fault = f"raster of {name} classes comes without a legend"
                raise InputError(raster, fault, f"give {name}_legend, a CSV with the columns code,name")


def places(shapes: gpd.GeoSeries) -> pd.DataFrame:
    """Longitude and latitude (WGS84, degrees) of the centroids, taken in the plane of the shapes."""
    points = shapes.centroid.to_crs("EPSG:4326")
    return pd.DataFrame({"lon": points.x, "lat": points.y}, index=shapes.index)


def sizes(shapes: gpd.GeoSeries, area_crs: str) -> pd.DataFrame:
    """Area in ha, perimeter in m, and circularity 4 pi A / P^2 (1 for a circle, Cox 1927).

    Args:
        shapes: in a plane that keeps shapes, such as UTM: perimeter and circularity are taken there.
        area_crs: plane in which areas are taken.

    Raises:
        InputError: the area CRS is not projected in metres.
    """
    check_projected(area_crs, "inventory.area_crs")
    perimeter = shapes.length
    return pd.DataFrame(
        {
            "area_ha": shapes.to_crs(area_crs).area / HECTARE,
            "perimeter_m": perimeter,
            "circularity": 4 * np.pi * shapes.area / perimeter**2,
        },
        index=shapes.index,
    )


def distances(geometries: NDArray[np.object_], lines: NDArray[np.object_]) -> Floats:
    """Distance of each geometry from the nearest line, metres; NaN where there is no line."""
    if not len(lines) or not len(geometries):
        return np.full(len(geometries), np.nan)
    # One distance a slump: of equally near lines the first serves.
    nearest = shapely.STRtree(lines).nearest(geometries)
    return np.asarray(shapely.distance(geometries, lines[nearest]))


def near_roads(shapes: gpd.GeoSeries, roads: Path | None, near_m: float, omissions: Omissions) -> pd.DataFrame:
    """Distance from each centroid to the nearest road, metres, and whether it is at most `near_m`."""
    if roads is None:
        return _near("road", np.full(len(shapes), np.nan), None, shapes.index)
    lines = read_layer(roads, "roads", str(shapes.crs), kinds=LINES).geometry.to_numpy()
    away = distances(shapely.centroid(shapes.to_numpy()), lines)
    omissions.add("road_distance_m", "the layer has no lines", np.isnan(away))
    # No road in the layer means none near.
    return _near("road", away, away <= near_m, shapes.index)


def near_streams(
    shapes: gpd.GeoSeries, streams: Path | None, adjacent_m: float, elevation: pd.DataFrame | None, omissions: Omissions
) -> pd.DataFrame:
    """Distance from each outline to the nearest stream, metres, and whether it is at most `adjacent_m`.

    Streams are known as far as the elevation model reaches, so that a slump beyond it has no distance.

    Args:
        shapes: outlines.
        streams: lines, or None.
        adjacent_m: distance up to which a slump is adjacent; 0: it touches.
        elevation: zonal statistics of the elevation model that streams come from, or None.
        omissions: what is missing is listed there.
    """
    if streams is None:
        return _near("stream", np.full(len(shapes), np.nan), None, shapes.index)
    lines = read_layer(streams, "streams", str(shapes.crs), kinds=LINES).geometry.to_numpy()
    away = distances(shapes.to_numpy(), lines)
    omissions.add("stream_distance_m", "the layer has no lines", np.isnan(away))
    unknown = np.zeros(len(shapes), bool)
    if elevation is not None and len(lines):
        unknown = elevation["count"].to_numpy() == 0
        omissions.add("stream_distance_m", "outside the elevation model", unknown)
    near = pd.Series(away <= adjacent_m, index=shapes.index, dtype="boolean").mask(unknown)
    return _near("stream", np.where(unknown, np.nan, away), near, shapes.index)


def _near(what: str, away: Floats, near: object, index: pd.Index) -> pd.DataFrame:
    """Columns `near_<what>` (null where no layer is given) and `<what>_distance_m`."""
    flags = pd.Series(pd.NA if near is None else near, index=index, dtype="boolean")
    return pd.DataFrame({f"near_{what}": flags, f"{what}_distance_m": away}, index=index)


def ground_statistics(shapes: gpd.GeoSeries, layers: Layers, omissions: Omissions) -> dict[str, pd.DataFrame]:
    """Zonal statistics of all rasters that are given: a table for `elevation`, `slope`, ..., `soil`.

    Raises:
        InputError: a raster or a legend is refused, or a class under a slump has no name.
    """
    numbers = {"elevation": layers.dem, "slope": layers.slope, "tpi": layers.tpi, "pisr": layers.pisr}
    chosen = {name: Layer(path, what=name) for name, path in numbers.items() if path is not None}
    if layers.aspect is not None:
        chosen["aspect"] = Layer(layers.aspect, "direction", what="aspect")
    for name in CLASSES:
        path, legend = getattr(layers, name), getattr(layers, f"{name}_legend")
        if path is not None:
            chosen[name] = Layer(path, "class", tuple(read_legend(legend, name)), name)
    tables = dict(zip(chosen, zonal_statistics(shapes, list(chosen.values())), strict=True))
    for name, layer in chosen.items():
        if name != "aspect":
            omissions.of_layer(name, layer.path, tables[name])
        if layer.kind == "class":
            _check_named(tables[name], layer.path, getattr(layers, f"{name}_legend"))
    return tables


def _check_named(table: pd.DataFrame, raster: Path, legend: Path) -> None:
    """Refuses classes under slumps that the legend does not name."""
    strange = table["unnamed_value"].dropna()
    if len(strange):
        values = ", ".join(f"{value:g}" for value in sorted(strange.unique())[:5])
        fault = f"{Path(raster).name} holds values under {len(strange)} slumps that have no name here: {values}"
        raise InputError(legend, fault, "add them to the legend, or declare them as nodata of the raster")


def relief(shapes: gpd.GeoSeries, tables: Tables) -> pd.DataFrame:
    """Columns of elevation, slope, aspect, TPI and PISR, from `ground_statistics`; nulls where unknown."""
    columns = {
        "elevation_mean": ("elevation", "mean"),
        "elevation_min": ("elevation", "min"),
        "elevation_max": ("elevation", "max"),
        "slope_mean": ("slope", "mean"),
        "aspect_mean": ("aspect", "mean"),
        "aspect_concentration": ("aspect", "concentration"),
        "tpi_mean": ("tpi", "mean"),
        "pisr_mean": ("pisr", "mean"),
    }
    table = pd.DataFrame({name: _of(tables, *place, len(shapes)) for name, place in columns.items()}, shapes.index)
    return table.assign(aspect_class=aspect_class(table["aspect_mean"].to_numpy()))


def facing(
    shapes: gpd.GeoSeries, tables: Tables, dem: Path | None, drawn: NDArray[np.object_], omissions: Omissions
) -> pd.DataFrame:
    """Length and width along and across the slope, and elevation, direction and source of the headwall.

    The slope's direction is the mean aspect. It counts from the north of its raster, which may differ from the
    plane's by the convergence of meridians, a degree or two: that changes lengths by less than 0.1 %.

    Args:
        shapes: outlines, in a plane in metres.
        tables: of `ground_statistics`.
        dem: elevations, or None.
        drawn: (slumps,) headwalls as reviewers drew them, lines in the same plane; None where there is none.
        omissions: what is missing is listed there.
    """
    outlines = shapes.to_numpy()
    aspect = _of(tables, "aspect", "mean", len(shapes))
    length, width = extent(outlines, aspect)
    walls = headwalls(outlines, aspect, drawn)
    height = np.full(len(shapes), np.nan)
    if dem is not None:
        height = walls.mean(bilinear(dem, walls.x, walls.y, str(shapes.crs), "elevation"))
        there = np.array([source is not None for source in walls.source], dtype=bool)
        omissions.add("elevation_headwall", "the elevation model has no value along it", there & np.isnan(height))
    if "aspect" in tables:
        _explain_aspect(tables, omissions)
    columns = {
        "length_m": length,
        "width_m": width,
        "elevation_headwall": height,
        "headwall_azimuth": azimuth_from(walls, outlines),
        "headwall_source": walls.source,
    }
    return pd.DataFrame(columns, shapes.index)


def _explain_aspect(tables: Tables, omissions: Omissions) -> None:
    """Lists slumps without aspect; length, width and an estimated headwall need it."""
    table = tables["aspect"]
    nothing = table["count"].to_numpy() == 0
    sloping = _of(tables, "slope", "count", len(table)) > 0
    beyond = nothing & (table["outside"].to_numpy() > 0) & ~sloping
    omissions.add("aspect", "outside the layer", beyond)
    omissions.add("aspect", "flat ground", nothing & sloping)
    omissions.add("aspect", "the layer has no value there", nothing & ~beyond & ~sloping)
    omissions.add("aspect", "directions cancel out", ~nothing & table["mean"].isna().to_numpy())


def cover_classes(shapes: gpd.GeoSeries, tables: Tables, layers: Layers) -> pd.DataFrame:
    """The majority's name and share of each class raster: `vegetation`, `vegetation_share`, `soil`, `soil_share`."""
    columns: dict[str, object] = {}
    for name in CLASSES:
        columns[name] = np.full(len(shapes), None, dtype=object)
        columns[f"{name}_share"] = _of(tables, name, "majority_share", len(shapes))
        if name in tables:
            legend = read_legend(getattr(layers, f"{name}_legend"), name)
            names = tables[name]["majority"].map(legend).astype(object)
            columns[name] = names.where(names.notna(), None).to_numpy()
    return pd.DataFrame(columns, shapes.index)


def class_shares(ids: pd.Series, tables: Tables, layers: Layers) -> pd.DataFrame:
    """The share of every class of every slump: columns id, layer, code, name, share; shares above 0 only."""
    parts = [pd.DataFrame({name: pd.Series(dtype=object) for name in SHARE_COLUMNS})]
    for name in CLASSES:
        if name in tables:
            legend = read_legend(getattr(layers, f"{name}_legend"), name)
            wide = tables[name][list(legend)].set_axis(pd.Index(ids, name="id"))
            long = wide.melt(var_name="code", value_name="share", ignore_index=False).reset_index()
            long = long[long["share"] > 0].sort_values(["id", "code"])
            parts.append(long.assign(layer=name, name=long["code"].map(legend)))
    return pd.concat(parts[1:] or parts, ignore_index=True)[list(SHARE_COLUMNS)]


def aspect_class(degrees: Floats) -> NDArray[np.object_]:
    """Sector of 45 degrees, centred on the eight winds: N is 337.5 up to 22.5. None for NaN.

    Args:
        degrees: (slumps,) directions clockwise from north.
    """
    known = ~np.isnan(degrees)
    sector = np.floor((np.where(known, degrees, 0.0) + 22.5) / 45.0).astype(int) % len(SECTORS)
    names: NDArray[np.object_] = np.array(SECTORS, dtype=object)[sector]
    names[~known] = None
    return names


def _of(tables: Tables, layer: str, statistic: str, slumps: int) -> Floats:
    """A statistic of a layer, (slumps,); NaN where the layer is not given."""
    return tables[layer][statistic].to_numpy(dtype=np.float64) if layer in tables else np.full(slumps, np.nan)
