"""The numbers that a results section quotes: counts, areas, ranges and shares of an inventory and of its region.

Each number carries its unit, how many slumps (or how much ground, or how many cells) it rests on, and which columns or
files. One that cannot be had is there too, without a value and with the reason. docs/results.md defines them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pydantic import BaseModel

from slumpmap.files import write_json
from slumpmap.grid import HECTARE, Grid
from slumpmap.inventory.attributes import CLASSES, SECTORS
from slumpmap.inventory.foreign import PROBABILITIES
from slumpmap.inventory.landscape import FLAT, NUMBERS
from slumpmap.inventory.patterns import NORTH_FACING
from slumpmap.inventory.study import FACTORS, Study, read_bins, read_study, why_absent
from slumpmap.records import read_landscape, read_record
from slumpmap.settings.analysis import InventorySettings
from slumpmap.vector import read_layer

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Any]
Of = Literal["slumps", "km2", "cells"]

COUNT, SHARE = "slumps", "%"
# Limits of the classes of slope, degrees; each belongs to the class above it. The paper quotes the class of 4 to 8.
SLOPE_LIMITS = (0, 2, 4, 8, 12, 18)
# Sizes below which a share is quoted, ha: of all slumps, and of those near roads.
BELOW_HA, NEAR_BELOW_HA = (1, 10), 2
# The middle 90 % of values lie between these.
MIDDLE = (0.05, 0.95)
_CELL_COLUMNS = ("slumps", "area_ha", "affected_share")
_HECTARES = 1e6 / HECTARE  # of a square kilometre


@dataclass(frozen=True)
class Number:
    """One number.

    Attributes:
        name: for machines; the same in every campaign.
        what: what it is, for people.
        value: None where it cannot be had.
        unit: slumps, ha, m, %, ...; empty for a bare ratio.
        n: how many slumps, km2 of ground or cells it rests on.
        of: which of these.
        rests_on: columns of the inventory, or files.
        missing: why there is no value; empty where there is one.
    """

    name: str
    what: str
    value: float | None
    unit: str
    n: float
    of: Of
    rests_on: str
    missing: str = ""


class _Fields(BaseModel, strict=True, extra="forbid"):
    what: str
    value: float | None
    unit: str
    n: float
    of: Of
    rests_on: str
    missing: str = ""


class _Summary(BaseModel, strict=True, extra="allow"):
    numbers: dict[str, _Fields]


def number(
    name: str, what: str, value: float | None, unit: str, n: float, rests_on: str, missing: str, of: Of = "slumps"
) -> Number:
    """A number; `missing` says why there is none and counts only if the value is None."""
    return Number(name, what, value, unit, n, of, rests_on, missing if value is None else "")


def percent(part: float, whole: float) -> float | None:
    """A share in percent; None of nothing."""
    return 100 * part / whole if whole else None


def counted(name: str, what: str, part: int, n: int, rests_on: str, missing: str) -> list[Number]:
    """A number of slumps and its share of `n`; both None if n is 0.

    Args:
        name: of the number; the share's has `_share` before the first slash, so that `soil/sand` has `soil_share/sand`.
        what: which slumps, such as `near a road`.
        part: how many.
        n: out of how many.
        rests_on: columns.
        missing: why there are none.
    """
    group, slash, member = name.partition("/")
    return [
        number(name, f"slumps {what}", part if n else None, COUNT, n, rests_on, missing),
        number(
            f"{group}_share{slash}{member}", f"share of slumps {what}", percent(part, n), SHARE, n, rests_on, missing
        ),
    ]


def grouped(name: str, what: str, column: pd.Series, order: Sequence[str], missing: str) -> list[Number]:
    """Count and share of each value of a column among the slumps that have one, and how many have none.

    Args:
        name: of the numbers: `name/value`, `name_share/value`, `name_unknown`; `name` alone if no slump has a value.
        what: what the value is, such as `of probability`.
        column: (slumps,) texts, null where unknown.
        order: values that are named even where no slump has them; others follow, the alphabet orders them.
        missing: why no slump has a value.
    """
    known = column.dropna().astype(str)
    n, total, source = len(known), len(column), str(column.name)
    without = number(f"{name}_unknown", f"slumps without {name}", total - n, COUNT, total, source, "")
    if not n:
        return [number(name, f"slumps by {name}", None, COUNT, 0, source, missing), without]
    values = [*order, *sorted(set(known) - set(order))]
    rows = [
        one
        for value in values
        for one in counted(f"{name}/{value}", f"{what} {value}", int((known == value).sum()), n, source, missing)
    ]
    return [*rows, without]


def ranged(name: str, what: str, values: Floats, unit: str, rests_on: str, missing: str) -> list[Number]:
    """Lowest, highest and median value and the middle 90 % of those that are known."""
    known = values[~np.isnan(values)]
    of_all: Mapping[str, tuple[str, float]] = {
        "lowest": ("lowest", 0.0),
        "p05": ("5th percentile of", MIDDLE[0]),
        "median": ("median", 0.5),
        "p95": ("95th percentile of", MIDDLE[1]),
        "highest": ("highest", 1.0),
    }
    return [
        number(
            f"{name}_{key}",
            f"{words} {what}",
            float(np.quantile(known, share)) if len(known) else None,
            unit,
            len(known),
            rests_on,
            missing,
        )
        for key, (words, share) in of_all.items()
    ]


# --- groups of numbers ----------------------------------------------------------------------------------------------


def sizes(study: Study) -> list[Number]:
    """How many slumps there are, and how large they are."""
    area = study.slumps["area_ha"].to_numpy(dtype=float)
    n, region = len(area), study.area.area / 1e6
    why = "the inventory has no slump in the study area"
    rows = [
        number("slumps", "slumps in the study area", n, COUNT, study.total, "rows of the inventory, grid", ""),
        number("slumps_outside", "slumps outside the study area", study.outside, COUNT, study.total,
               "rows of the inventory, grid", ""),
        number("slumps_per_100_km2", "slumps per 100 km2 of the study area", 100 * n / region, "1/100 km2", region,
               "rows of the inventory, grid", "", "km2"),
        number("area_total", "land affected by slumps", float(area.sum()), "ha", n, "area_ha", ""),
        number("area_total_share", "share of the study area that slumps affect",
               percent(float(area.sum()), region * _HECTARES), SHARE, region, "area_ha, grid", "", "km2"),
    ]  # fmt: skip
    statistics: dict[str, Statistic] = {"largest": np.max, "smallest": np.min, "mean": np.mean, "median": np.median}
    rows += [
        number(f"area_{key}", f"{key} area of a slump", float(function(area)) if n else None, "ha", n, "area_ha", why)
        for key, function in statistics.items()
    ]
    for limit in BELOW_HA:
        rows += counted(f"below_{limit}_ha", f"smaller than {limit} ha", int((area < limit).sum()), n, "area_ha", why)
    return rows


def terrain(study: Study, landscape: Path) -> list[Number]:
    """Ranges of elevation, slope, topographic position and radiation; classes of slope; the way that slumps face."""
    rows: list[Number] = []
    for factor, (_, unit) in NUMBERS.items():
        values = study.slumps[factor].to_numpy(dtype=float)
        rows += ranged(factor, f"{factor} of a slump", values, unit, FACTORS[factor], _why(study, landscape, factor))
    return [*rows, *slope_classes(study, landscape), *facing(study, landscape)]


def slope_classes(study: Study, landscape: Path) -> list[Number]:
    """Count and share of slumps in classes of slope."""
    slope = study.slumps["slope"].dropna().to_numpy(dtype=float)
    why = _why(study, landscape, "slope")
    rows: list[Number] = []
    for low, high in zip(SLOPE_LIMITS, (*SLOPE_LIMITS[1:], None), strict=True):
        inside = (slope >= low) & (slope < (np.inf if high is None else high))
        name, words = (f"{low}+", f"{low} degrees and more") if high is None else (f"{low}-{high}", f"{low} to {high}")
        unit = "" if high is None else " degrees"
        rows += counted(
            f"slope/{name}", f"on slopes of {words}{unit}", int(inside.sum()), len(slope), "slope_mean", why
        )
    return rows


def facing(study: Study, landscape: Path) -> list[Number]:
    """Count and share of each sector, of all northern ones, and the mean direction with its resultant length."""
    why = _why(study, landscape, "aspect")
    sectors = study.slumps["aspect_class"]
    known = sectors.dropna()
    northern = int(known.isin(NORTH_FACING).sum())
    turns = np.radians(study.slumps["aspect"].dropna().to_numpy(dtype=float))
    n = len(turns)
    resultant = complex(np.exp(1j * turns).mean()) if n else 0j
    direction = float(np.degrees(np.angle(resultant)) % 360) if n else None
    return [
        *grouped("aspect", "facing", sectors, (*SECTORS, FLAT), why),
        *counted("north_facing", "facing N, NE or NW", northern, len(known), "aspect_class", why),
        number("aspect_mean", "mean direction of slumps, clockwise from north", direction, "degrees", n,
               "aspect_mean", why),
        number("aspect_concentration", "resultant length of the directions: 0 all ways, 1 one way",
               abs(resultant) if n else None, "", n, "aspect_mean", why),
    ]  # fmt: skip


def cover(study: Study, landscape: Path) -> list[Number]:
    """Count and share of slumps on each class of vegetation and soil."""
    bins = read_bins(landscape)
    rows: list[Number] = []
    for layer in CLASSES:
        names = bins.loc[bins["layer"] == layer, "class"].tolist()
        rows += grouped(layer, f"on {layer} of class", study.slumps[layer], names, _why(study, landscape, layer))
    return rows


def near(study: Study, landscape: Path, settings: InventorySettings) -> list[Number]:
    """Slumps beside streams, slumps near roads, and how large those near roads are."""
    slumps = study.slumps
    rows: list[Number] = []
    places = {"stream": f"at most {settings.adjacent_m:g} m from a stream",
              "road": f"with their centroid at most {settings.near_road_m:g} m from a road or railway"}  # fmt: skip
    for what, words in places.items():
        known = slumps[f"near_{what}"].dropna().astype(bool)
        source, why = f"near_{what}", _why(study, landscape, f"{what}_distance_m", f"near_{what}")
        rows += counted(source, words, int(known.sum()), len(known), source, why)
    flags = slumps["near_road"].fillna(False).astype(bool).to_numpy()
    area = slumps["area_ha"].to_numpy(dtype=float)[flags]
    away = slumps["road_distance_m"].to_numpy(dtype=float)[flags]
    told = bool(slumps["near_road"].notna().any())
    why = "no slump is near a road" if told else _why(study, landscape, "road_distance_m", "near_road")
    statistics: dict[str, Statistic] = {"mean": np.mean, "median": np.median, "largest": np.max, "smallest": np.min}
    for key, function in statistics.items():
        value = float(function(area)) if len(area) else None
        rows.append(number(f"near_road_area_{key}", f"{key} area of a slump near a road", value, "ha", len(area),
                           "area_ha, near_road", why))  # fmt: skip
    rows += counted(f"near_road_below_{NEAR_BELOW_HA}_ha", f"near a road that are smaller than {NEAR_BELOW_HA} ha",
                    int((area < NEAR_BELOW_HA).sum()), len(area), "area_ha, near_road", why)  # fmt: skip
    closest = float(np.nanmin(away)) if (~np.isnan(away)).any() else None
    rows.append(number("road_distance_closest", "distance of the closest slump from a road, centroid", closest, "m",
                       len(away), "road_distance_m, near_road", why))  # fmt: skip
    return rows


def groups(study: Study) -> list[Number]:
    """Groups of probability and of initiation."""
    grades, began = study.slumps["probability"], study.slumps["initiation"]
    # The group of those that the first image shows comes first, though the alphabet has it last.
    order = sorted(set(began.dropna().astype(str)), key=lambda name: (not name.startswith("before"), name))
    return [
        *grouped("probability", "of probability", grades, PROBABILITIES, "no slump of the inventory has a probability"),
        *grouped("initiation", "initiated", began, order, "no slump of the inventory has an initiation"),
    ]


def region(landscape: Path) -> list[Number]:
    """Area of the study area, range of each layer of numbers in it, share of each class of aspect and cover."""
    facts, bins = read_landscape(landscape), read_bins(landscape)
    source = "landscape.json"
    rows = [number("region_area", "study area", facts["area_km2"], "km2", facts["area_km2"], "grid", "", "km2")]
    keys = {"lowest": "minimum", "highest": "maximum"}
    for factor, (_, unit) in NUMBERS.items():
        layer = facts["layers"].get(factor, {})
        quantiles = layer.get("quantiles", {})
        values = {key: layer.get(known) for key, known in keys.items()}
        values |= {"p05": quantiles.get("0.05"), "median": quantiles.get("0.5"), "p95": quantiles.get("0.95")}
        values |= {"p01": quantiles.get("0.01"), "p99": quantiles.get("0.99")}
        for key in ("lowest", "p01", "p05", "median", "p95", "p99", "highest"):
            words = f"{_ordinal(key)} {factor} of the pixels of the study area"
            area = layer.get("area_km2", 0.0)
            rows.append(number(f"region_{factor}_{key}", words, values[key], unit, area, source,
                               why_absent(landscape, factor), "km2"))  # fmt: skip
    for layer_name in ("aspect", *CLASSES):
        own = bins[bins["layer"] == layer_name]
        rows += [
            number(f"region_{layer_name}_share/{row['class']}", f"share of the study area with {layer_name} of class"
                   f" {row['class']}", 100 * float(row["share"]), SHARE, float(own["area_km2"].sum()), "bins.csv", "",
                   "km2")
            for _, row in own[own["share"].notna()].iterrows()
        ]  # fmt: skip
    return rows


def _ordinal(key: str) -> str:
    """`p01` as `1st percentile of`; other words as they are."""
    number = key.removeprefix("p")
    return f"{int(number)}{'st' if number == '01' else 'th'} percentile of" if number.isdigit() else key


def in_cells(cells: Mapping[int, Path]) -> list[Number]:
    """How slumps are spread over square cells.

    Args:
        cells: for each side, km, the layer of its cells: columns `slumps`, `area_ha`, `affected_share`.
    """
    rows: list[Number] = []
    for side, path in cells.items():
        table = read_layer(path, "cells", columns=_CELL_COLUMNS)
        some = table[table["slumps"] > 0]
        n, why = len(table), "no cell has a slump"
        figures = {
            "occupied": ("cells with slumps", len(some), "cells"),
            "most_slumps": ("most slumps in a cell", some["slumps"].max() if len(some) else None, COUNT),
            "most_area": ("largest area affected in a cell", some["area_ha"].max() if len(some) else None, "ha"),
            "most_share": (
                "largest share of a cell that is affected",
                100 * some["affected_share"].max() if len(some) else None,
                SHARE,
            ),
            "densest_tenth_share": (
                "share of slumps in the tenth of the cells that has most",
                _in_densest(table),
                SHARE,
            ),
        }
        rows += [
            number(f"cells_{side}km/{key}", f"{words}, {side} km", None if value is None else float(value), unit, n,
                   Path(path).name, why, "cells")
            for key, (words, value, unit) in figures.items()
        ]  # fmt: skip
    return rows


def _in_densest(table: pd.DataFrame) -> float | None:
    """Share of all slumps that lie in the tenth of the cells with most of them, percent."""
    slumps = np.sort(table["slumps"].to_numpy(dtype=float))[::-1]
    return percent(float(slumps[: -(-len(slumps) // 10)].sum()), float(slumps.sum()))


def in_zones(study: Study, zones: Path, crs: str) -> list[Number]:
    """How many slumps lie in each named zone, how many of them near roads, and how many not of high probability.

    Args:
        study: the slumps.
        zones: polygons with the column `name`; several of one name are one zone.
        crs: of the study.
    """
    layer = read_layer(zones, "zones", crs, columns=("name",), empty_ok=False)
    rows: list[Number] = []
    for name, shapes in layer.groupby(layer["name"].astype(str)).geometry:
        zone = shapely.union_all(shapes.to_numpy())
        shapely.prepare(zone)
        inside = shapely.contains_xy(zone, study.xy[:, 0], study.xy[:, 1])
        there = study.slumps[inside]
        source = f"centroids, {Path(zones).name}"
        rows += counted(f"zone/{name}", f"in {name}", len(there), len(study.slumps), source, "no slump")
        for key, words, column, flags in (
            ("near_road", "near a road", "near_road", there["near_road"] == True),  # noqa: E712
            ("doubtful", "of low or medium probability", "probability", there["probability"].isin(PROBABILITIES[1:])),
        ):
            known = there[column].notna()
            value = int((flags & known).sum()) if known.any() else None
            rows.append(number(f"zone/{name}/{key}", f"slumps in {name} {words}", value, COUNT, int(known.sum()),
                               f"{source}, {column}", f"no slump there has the attribute {column}"))  # fmt: skip
    return rows


def _why(study: Study, landscape: Path, factor: str, column: str | None = None) -> str:
    """Why no slump has a value of a factor: there is no slump, no layer, or no value under any of them."""
    if not len(study.slumps):
        return "the inventory has no slump in the study area"
    if study.slumps[column or factor].notna().any():
        return ""
    return why_absent(landscape, factor) if _layer_absent(landscape, factor) else _NO_VALUE


_NO_VALUE = "the layer is there, but no slump has a value of it"


def _layer_absent(landscape: Path, factor: str) -> bool:
    layer = {"stream_distance_m": "streams", "road_distance_m": "roads"}.get(factor, factor)
    return any(row["layer"] == layer for row in read_landscape(landscape)["omissions"])


# --- the whole ------------------------------------------------------------------------------------------------------


def all_numbers(
    study: Study,
    landscape: Path,
    settings: InventorySettings,
    crs: str,
    cells: Mapping[int, Path] | None = None,
    zones: Path | None = None,
) -> list[Number]:
    """All numbers of a study.

    Args:
        study: the slumps.
        landscape: folder with `bins.csv` and `landscape.json`.
        settings: what counts as near.
        crs: of the study.
        cells: layers of square cells by side, km.
        zones: named polygons in which slumps are counted, or None.
    """
    rows = [
        *sizes(study),
        *region(landscape),
        *terrain(study, landscape),
        *cover(study, landscape),
        *near(study, landscape, settings),
        *groups(study),
        *in_cells(cells or {}),
    ]
    return rows if zones is None else [*rows, *in_zones(study, zones, crs)]


def write_numbers(
    inventory: Path,
    grid: Grid,
    landscape: Path,
    settings: InventorySettings,
    out: Path,
    about: Mapping[str, Any],
    cells: Mapping[int, Path] | None = None,
    zones: Path | None = None,
) -> None:
    """Writes the numbers of an inventory as JSON: `about`, `inventory`, `omissions` and `numbers`, by name.

    Args:
        inventory: with attributes.
        grid: the campaign's grid, whose area is the study area.
        landscape: folder that `write_landscape` filled.
        settings: what counts as near.
        out: JSON to write.
        about: what else the file shall say of the study: campaign, whether it is synthetic, ...
        cells: layers of square cells by side, km.
        zones: named polygons, or None.

    Raises:
        InputError: a file is refused, or no slump lies in the study area.
    """
    study = read_study(inventory, grid)
    rows = all_numbers(study, landscape, settings, grid.crs, cells, zones)
    facts = dict(about) | {
        "inventory": str(inventory),
        "near_road_m": settings.near_road_m,
        "adjacent_m": settings.adjacent_m,
        "omissions": study.remarks(),
        "numbers": {one.name: {key: value for key, value in asdict(one).items() if key != "name"} for one in rows},
    }
    write_json(out, facts)


def read_numbers(path: Path) -> dict[str, Number]:
    """The numbers of a `summary.json`, by name.

    Raises:
        InputError: the file is missing or no JSON.
    """
    stated = read_record(path, _Summary, "summary of a study")["numbers"]
    return {name: Number(name, **fields) for name, fields in stated.items()}
