"""The inventory as the page reads it: columns with their names for people, rows, outlines in whole decimetres."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from slumpmap.grid import Grid

Kind = Literal["number", "class", "flag", "text"]

# Decimetres in a metre: outlines are drawn on pixels of metres.
_SCALE = 10.0


class Column(NamedTuple):
    """How a column of the inventory is shown.

    Args:
        label: its name for people.
        kind: `number`, `class` (few values, which can be counted), `flag` (yes or no) or `text`.
        unit: of a number.
        digits: decimals of a number.
        group: heading under which it is listed.
    """

    label: str
    kind: Kind
    unit: str = ""
    digits: int = 0
    group: str = "Slump"


_GROUND, _FINDING, _GROWTH = "Ground", "How it was found", "Initiation and growth"
COLUMNS = {
    "id": Column("Id", "text"),
    "area_ha": Column("Area", "number", "ha", 2),
    "probability": Column("Probability", "class"),
    "initiation": Column("Initiation", "class", group=_GROWTH),
    "iteration_found": Column("Iteration", "class", group=_FINDING),
    "near_road": Column("Near a road", "flag"),
    "near_stream": Column("At a stream", "flag"),
    "perimeter_m": Column("Perimeter", "number", "m"),
    "circularity": Column("Circularity", "number", "", 2),
    "length_m": Column("Length along the slope", "number", "m"),
    "width_m": Column("Width across the slope", "number", "m"),
    "road_distance_m": Column("Distance to a road", "number", "m"),
    "stream_distance_m": Column("Distance to a stream", "number", "m"),
    "lon": Column("Longitude", "number", "°", 5),
    "lat": Column("Latitude", "number", "°", 5),
    "elevation_mean": Column("Elevation", "number", "m", group=_GROUND),
    "elevation_min": Column("Lowest", "number", "m", group=_GROUND),
    "elevation_max": Column("Highest", "number", "m", group=_GROUND),
    "elevation_headwall": Column("Headwall", "number", "m", group=_GROUND),
    "slope_mean": Column("Slope", "number", "°", 1, _GROUND),
    "aspect_class": Column("Aspect", "class", group=_GROUND),
    "aspect_mean": Column("Mean aspect", "number", "°", 0, _GROUND),
    "aspect_concentration": Column("Concentration of aspect", "number", "", 2, _GROUND),
    "headwall_azimuth": Column("From headwall to centroid", "number", "°", 0, _GROUND),
    "headwall_source": Column("Headwall is", "class", group=_GROUND),
    "tpi_mean": Column("Topographic position", "number", "m", 2, _GROUND),
    "pisr_mean": Column("Solar radiation", "number", "kWh/m²", 0, _GROUND),
    "vegetation": Column("Vegetation", "class", group=_GROUND),
    "vegetation_share": Column("Share of that vegetation", "number", "", 2, _GROUND),
    "soil": Column("Soil texture", "class", group=_GROUND),
    "soil_share": Column("Share of that soil", "number", "", 2, _GROUND),
    "initiation_measured": Column("Initiation, measured", "class", group=_GROWTH),
    "measured_confidence": Column("Confidence of that", "text", group=_GROWTH),
    "retreat_m_per_year": Column("Retreat", "number", "m/yr", 1, _GROWTH),
    "model": Column("Model", "text", group=_FINDING),
    "reviewers": Column("Accepted by", "text", group=_FINDING),
    "scenes": Column("Scenes", "text", group=_FINDING),
    "scene_dates": Column("Dates of the scenes", "text", group=_FINDING),
    "omissions": Column("Not known, and why", "text", group=_FINDING),
}
# Orders of classes that sort by themselves in no useful way.
_ORDERS = {
    "probability": ("high", "medium", "low"),
    "aspect_class": ("N", "NE", "E", "SE", "S", "SW", "W", "NW"),
}


def slump_data(inventory: gpd.GeoDataFrame, grid: Grid) -> dict[str, Any]:
    """What the page needs of the inventory, ready for JSON.

    Args:
        inventory: as `read_inventory` gives it; columns that nobody here knows are shown under their own names.
        grid: the campaign's grid.

    Returns:
        `columns`: name, label, kind, unit, digits, group, and for classes their values in order; `rows`: values in
        the order of the columns, null where unknown, classes as text; `origin`: x, y of the grid, metres; `shapes`:
        of each slump the rings, each x, y, x, y ... in decimetres east and north of the origin; of each ring's
        polygon the first is the outer one: `[[outer, hole, ...], ...]`.
    """
    slumps = inventory.to_crs(grid.crs)
    table = pd.DataFrame(slumps.drop(columns=slumps.geometry.name))
    names = [name for name in COLUMNS if name in table.columns]
    names += [name for name in table.columns if name not in COLUMNS]
    # A column without any value would only be an empty promise; what is missing is said in its place.
    empty = [name for name in names if table[name].isna().all() and len(table)]
    names = [name for name in names if name not in empty]
    columns = {name: COLUMNS.get(str(name)) or _guess(str(name), table[name]) for name in names}
    values = [_values(table[name], columns[name]) for name in names]
    return {
        "columns": [_described(name, columns[name], column) for name, column in zip(names, values, strict=True)],
        # Where nothing was omitted there is nothing to miss.
        "absent": [COLUMNS[name].label for name in empty if name in COLUMNS and name != "omissions"],
        "rows": [list(row) for row in zip(*values, strict=True)],
        "origin": [grid.x0, grid.y0],
        "shapes": [_rings(shape, grid) for shape in slumps.geometry],
    }


def _guess(name: str, column: pd.Series) -> Column:
    """How a column is shown that only its writer knows."""
    label = name.replace("_", " ").capitalize()
    if pd.api.types.is_bool_dtype(column):
        return Column(label, "flag", group="Further")
    if pd.api.types.is_numeric_dtype(column):
        return Column(label, "number", "", 2, "Further")
    return Column(label, "text", group="Further")


def _values(column: pd.Series, shown: Column) -> list[Any]:
    """A column's values as JSON has them."""
    return [_value(value, shown) for value in column.tolist()]


def _value(value: Any, shown: Column) -> Any:
    if value is None or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if shown.kind == "number":
        # Enough decimals to sort and filter by; the page rounds for showing.
        return round(float(value), max(shown.digits, 2))
    return bool(value) if shown.kind == "flag" else str(value)


def _described(name: str, shown: Column, values: list[Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"name": name, **shown._asdict()}
    if shown.kind == "class":
        order = _ORDERS.get(name, ())
        known = {value for value in values if value is not None}
        described["values"] = [value for value in order if value in known] + sorted(known - set(order), key=_natural)
    return described


def _natural(value: str) -> tuple[float, str]:
    """Numbers by size, and before texts; `before 2016` before `2016-2017`."""
    if value.startswith("before "):
        return -math.inf, value
    return (float(value), "") if value.replace(".", "", 1).isdigit() else (math.inf, value)


def _rings(shape: Any, grid: Grid) -> list[list[list[int]]]:
    """Polygons, each its outer ring and its holes, decimetres from the grid's origin."""
    polygons = []
    for part in shapely.get_parts(shape):
        rings = [part.exterior, *part.interiors]
        polygons.append([_flat(shapely.get_coordinates(ring), grid) for ring in rings])
    return polygons


def _flat(points: np.ndarray, grid: Grid) -> list[int]:
    flat: list[int] = np.rint((points - (grid.x0, grid.y0)) * _SCALE).astype(np.int64).ravel().tolist()
    return flat
