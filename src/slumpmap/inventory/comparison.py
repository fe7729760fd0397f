"""Comparison of two inventories: which slumps both have, how they relate, and how far their areas agree.

The relations are those of the circum-Arctic data set ARTS (Yang et al. 2025, Scientific Data 12, 18; its guide to
contributors, "Metadata Formatting for the ARTS Data Set"), which people assign there by looking at the imagery:
repeat, the same slump (one initiation) drawn again; merged, several slumps grew into one; split, one fell apart into
several; stabilized, the earlier outline is a scar that no longer moves, on which a new slump formed; accidental
overlap of neighbours that were drawn inaccurately; unknown. Outlines alone can only propose them. What is proposed
from outlines, and what from a column or dates, stands beside each relation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from shapely import STRtree
from shapely.geometry.base import BaseGeometry

from slumpmap.grid import HECTARE
from slumpmap.inventory.foreign import PROBABILITIES
from slumpmap.learning.metrics import harmonic_mean, share

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.intp]

REPEAT, MERGED, SPLIT, STABILIZED = "repeat", "merged", "split", "stabilized"
ACCIDENTAL, UNKNOWN = "accidental overlap", "unknown"
# The columns of ARTS in which the later slump names the earlier ones; the earlier one names `NewRTS`.
ARTS_COLUMNS = {
    REPEAT: "RepeatRTS",
    MERGED: "MergedRTS",
    SPLIT: "SplitRTS",
    STABILIZED: "StabilizedRTS",
    ACCIDENTAL: "AccidentalOverlap",
    UNKNOWN: "UnknownRelationship",
}
NEW = "NewRTS"
IOUS = (0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9)

# Share of normally distributed differences within the limits of agreement: 95 %.
_LIMITS = 1.96
_ARC_SEGMENTS = 32


@dataclass(frozen=True)
class Rules:
    """When two outlines are of one slump.

    Attributes:
        min_iou: intersection over union from which they are.
        min_contained: share of the smaller outline inside the larger one from which they are, whatever the IoU.
        stable_share: share of an earlier outline below which later ones inside it stand for new activity on a scar.
    """

    min_iou: float = 0.3
    min_contained: float = 0.5
    stable_share: float = 0.25


@dataclass(frozen=True)
class Zone:
    """Where slumps count: those whose centroid lies in the area and at most `metres` from a road.

    Attributes:
        area: polygon, or None for everywhere.
        roads: (lines,) lines, or None for at any distance.
        metres: width of the lateral zone on each side of the roads, metres.
    """

    area: BaseGeometry | None = None
    roads: NDArray[Any] | None = None
    metres: float = 0.0

    def holds(self, points: NDArray[Any]) -> Flags:
        """(points,) whether each point lies in the zone."""
        inside = np.ones(len(points), dtype=bool)
        if self.area is not None:
            shapely.prepare(self.area)
            inside &= shapely.covers(self.area, points)
        if self.roads is not None:
            near = STRtree(self.roads).query(points, predicate="dwithin", distance=self.metres)[0]
            inside &= np.isin(np.arange(len(points)), near)
        return inside

    def outline(self) -> BaseGeometry | None:
        """The zone as a polygon, for maps and its area; None where it is everywhere."""
        if self.roads is None:
            return self.area
        strip = shapely.union_all(shapely.buffer(self.roads, self.metres, quad_segs=_ARC_SEGMENTS))
        return strip if self.area is None else shapely.intersection(strip, self.area)


@dataclass(frozen=True)
class Comparison:
    """What two inventories have in common.

    Attributes:
        a: rows of the first inventory: its columns, and `area_ha`, `inside` (the zone), `counterpart` (whether the
            other inventory has the slump), `relation` (None without counterpart), `group` (number of the group of
            linked outlines), `best_iou`, `unit` (outlines of one inventory that cover each other have one number),
            and NewRTS.
        b: rows of the second inventory: the same, with the columns of ARTS instead of NewRTS.
        pairs: outlines that overlap: `a_id`, `b_id`, `common_ha`, `iou`, `share_a` and `share_b` (of each outline
            inside the other), `relation`, `basis`.
        groups: one row a group with both: `group`, `relation`, `slumps_a`, `slumps_b`, `area_a_ha`, `area_b_ha`,
            `inside` (any of its slumps lies in the zone).
        summary: counts, areas, agreement and F1 scores, ready for JSON.
    """

    a: gpd.GeoDataFrame
    b: gpd.GeoDataFrame
    pairs: pd.DataFrame
    groups: pd.DataFrame
    summary: dict[str, Any]


def equal_area_crs(*layers: gpd.GeoDataFrame) -> str:
    """A Lambert azimuthal equal-area CRS about the middle of the layers; good across the date line and at the pole."""
    shapes = np.concatenate([layer.to_crs("EPSG:4326").geometry.to_numpy() for layer in layers])
    lonlat = shapely.get_coordinates(shapely.point_on_surface(shapes))
    lon, lat = np.radians(lonlat).T
    x, y, z = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)
    centre = np.degrees([np.arctan2(y.mean(), x.mean()), np.arctan2(z.mean(), np.hypot(x.mean(), y.mean()))])
    return f"+proj=laea +lat_0={centre[1]:.4f} +lon_0={centre[0]:.4f} +datum=WGS84 +units=m +no_defs"


def compare(
    a: gpd.GeoDataFrame,
    b: gpd.GeoDataFrame,
    zone: Zone | None = None,
    rules: Rules | None = None,
    in_order: bool = False,
    stable: Flags | None = None,
) -> Comparison:
    """Compares two inventories.

    Outlines are linked if their IoU is `min_iou` or more, or if `min_contained` of the smaller one lies inside the
    other. Linked outlines form groups: one of A with one of B is a repeat, several of A with one of B merged, one of A
    with several of B split, several with several unknown. Outlines of one inventory that would be linked with each
    other (one slump drawn twice) are one unit and count once here. Overlaps that link nothing are accidental.

    Args:
        a: the first inventory (the earlier one, where they differ in time): `id`, polygons in an equal-area CRS.
        b: the second inventory, in the same CRS.
        zone: where slumps count, in that CRS; matching looks beyond. None: everywhere.
        rules: what makes two outlines one slump; None: the defaults.
        in_order: whether A is known to be earlier: only then can outlines propose that a slump stabilized.
        stable: (rows of A,) slumps that are known to be stabilized scars, or None.
    """
    zone, rules = zone or Zone(), rules or Rules()
    first, second = np.asarray(a.geometry), np.asarray(b.geometry)
    overlaps = _overlaps(first, second)
    linked = _linked(overlaps, rules)
    links = overlaps[linked]
    units = [_units(shapes, rules) for shapes in (first, second)]
    group = _groups(links, units, len(a), len(b))
    numbers = _Numbers(group[: len(a)], group[len(a) :], *units)
    relations, groups = _relations(overlaps, linked, numbers, first, second, rules, in_order, stable)
    pairs = _pair_table(a, b, overlaps, relations)
    tables = [
        _rows(layer, shapes, zone, numbers_of, unit, overlaps, side, groups)
        for layer, shapes, numbers_of, unit, side in (
            (a, first, numbers.group_a, numbers.unit_a, "a"),
            (b, second, numbers.group_b, numbers.unit_b, "b"),
        )
    ]
    left, right = _with_arts(tables[0], tables[1], pairs)
    groups["inside"] = _any_inside(groups["group"].to_numpy(), tables)
    return Comparison(left, right, pairs, groups, _summary(left, right, pairs, groups, zone, rules))


@dataclass(frozen=True)
class _Numbers:
    """Group and unit of each row of A and of B."""

    group_a: Rows
    group_b: Rows
    unit_a: Rows
    unit_b: Rows


def _overlaps(first: NDArray[Any], second: NDArray[Any]) -> pd.DataFrame:
    """Pairs with an area in common: rows `a` and `b`, areas in square metres, `iou`, shares; of one layer each once."""
    left, right = STRtree(second).query(first, predicate="intersects")
    if first is second:
        left, right = left[left < right], right[left < right]
    common = shapely.area(shapely.intersection(first[left], second[right]))
    left, right, common = (values[common > 0] for values in (left, right, common))
    area_a, area_b = shapely.area(first[left]), shapely.area(second[right])
    return pd.DataFrame(
        {
            "a": left,
            "b": right,
            "common": common,
            "iou": common / (area_a + area_b - common),
            "share_a": common / area_a,
            "share_b": common / area_b,
        }
    )


def _linked(overlaps: pd.DataFrame, rules: Rules) -> Flags:
    """Pairs that are one slump."""
    contained = overlaps[["share_a", "share_b"]].max(axis=1) >= rules.min_contained
    return (contained | (overlaps["iou"] >= rules.min_iou)).to_numpy(dtype=bool)


def _units(shapes: NDArray[Any], rules: Rules) -> Rows:
    """Number of the slump that each outline of one inventory is of; outlines that cover each other share it."""
    own = _overlaps(shapes, shapes)
    own = own[_linked(own, rules)]
    return _components(own["a"].to_numpy(), own["b"].to_numpy(), len(shapes))


def _groups(links: pd.DataFrame, units: Sequence[Rows], count_a: int, count_b: int) -> Rows:
    """(rows of A and then of B,) number of the group that each slump is in."""
    # A unit's outlines hang together by way of their first one.
    ties = [np.unique(unit, return_index=True)[1][np.unique(unit, return_inverse=True)[1]] for unit in units]
    ends = np.concatenate([links["a"], np.arange(count_a), count_a + np.arange(count_b)])
    others = np.concatenate([count_a + links["b"], ties[0], count_a + ties[1]])
    return _components(ends, others, count_a + count_b)


def _components(one: NDArray[Any], other: NDArray[Any], count: int) -> Rows:
    """(count,) numbers of the connected components of a graph given by its edges."""
    if not count:
        return np.empty(0, dtype=np.intp)
    graph = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.intp)


def _relations(
    overlaps: pd.DataFrame,
    linked: Flags,
    numbers: _Numbers,
    first: NDArray[Any],
    second: NDArray[Any],
    rules: Rules,
    in_order: bool,
    stable: Flags | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The relation of each overlapping pair with its basis, and the groups that hold slumps of both."""
    units_a, area_a = _per_group(numbers.group_a, numbers.unit_a, first)
    units_b, area_b = _per_group(numbers.group_b, numbers.unit_b, second)
    sides = pd.DataFrame({"slumps_a": units_a, "slumps_b": units_b, "area_a_ha": area_a, "area_b_ha": area_b})
    groups = sides.dropna().astype({"slumps_a": int, "slumps_b": int}).rename_axis("group").reset_index()
    several_a, several_b = groups["slumps_a"] > 1, groups["slumps_b"] > 1
    choices = [several_a & several_b, several_a, several_b]
    groups["relation"] = np.select(choices, [UNKNOWN, MERGED, SPLIT], default=REPEAT)
    groups["basis"] = "outlines"
    if in_order:
        covered = _covered_share(overlaps[linked], numbers, groups)
        scar = ~several_a & (covered < rules.stable_share)
        groups.loc[scar, ["relation", "basis"]] = STABILIZED, "outlines and dates"
    if stable is not None:
        known = ~several_a & np.isin(groups["group"], numbers.group_a[stable])
        groups.loc[known, ["relation", "basis"]] = STABILIZED, "column"
    of_pair = groups.set_index("group")[["relation", "basis"]].reindex(numbers.group_a[overlaps["a"]])
    relations = of_pair.reset_index(drop=True).astype(object)
    relations.loc[~linked, ["relation", "basis"]] = ACCIDENTAL, "outlines"
    return relations, groups


def _per_group(group: Rows, unit: Rows, shapes: NDArray[Any]) -> tuple[pd.Series, pd.Series]:
    """For each group the number of its units and their area, ha; an outline that stands twice counts once."""
    rows = pd.DataFrame({"group": group, "unit": unit, "area": shapely.area(shapes) / HECTARE})
    units = rows.groupby(["group", "unit"])["area"].max().reset_index()
    grouped = units.groupby("group")["area"]
    return grouped.size(), grouped.sum()


def _covered_share(links: pd.DataFrame, numbers: _Numbers, groups: pd.DataFrame) -> pd.Series:
    """Share of each group's area in A that its slumps of B cover, each unit once."""
    of_group = numbers.group_a[links["a"]]
    units = pd.DataFrame({"group": of_group, "unit": numbers.unit_b[links["b"]], "common": links["common"]})
    common = units.groupby(["group", "unit"])["common"].max().groupby("group").sum() / HECTARE
    return groups["group"].map(common) / groups["area_a_ha"]


def _pair_table(a: gpd.GeoDataFrame, b: gpd.GeoDataFrame, overlaps: pd.DataFrame, relations: pd.DataFrame) -> Any:
    table = pd.DataFrame(
        {
            "a_id": a["id"].to_numpy(dtype=object)[overlaps["a"]],
            "b_id": b["id"].to_numpy(dtype=object)[overlaps["b"]],
            "common_ha": overlaps["common"] / HECTARE,
        }
    )
    table = pd.concat([table, overlaps[["iou", "share_a", "share_b"]], relations], axis=1)
    return table.sort_values(["a_id", "b_id"], ignore_index=True)


def _rows(
    layer: gpd.GeoDataFrame,
    shapes: NDArray[Any],
    zone: Zone,
    group: Rows,
    unit: Rows,
    overlaps: pd.DataFrame,
    side: str,
    groups: pd.DataFrame,
) -> gpd.GeoDataFrame:
    """The slumps of one inventory with what the comparison found."""
    best = np.zeros(len(layer))
    np.maximum.at(best, overlaps[side].to_numpy(), overlaps["iou"].to_numpy())
    relation = pd.Series(group).map(groups.set_index("group")["relation"]).astype(object)
    return layer.reset_index(drop=True).assign(
        area_ha=shapely.area(shapes) / HECTARE,
        inside=zone.holds(shapely.centroid(shapes)),
        counterpart=relation.notna().to_numpy(),
        relation=relation.where(relation.notna(), None),
        group=group,
        best_iou=best,
        unit=unit,
    )


def _with_arts(
    a: gpd.GeoDataFrame, b: gpd.GeoDataFrame, pairs: pd.DataFrame
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """The slumps with the columns in which ARTS keeps relations: ids, comma separated, None for none."""
    columns = {
        name: b["id"].map(pairs[pairs["relation"] == relation].groupby("b_id")["a_id"].agg(",".join))
        for relation, name in ARTS_COLUMNS.items()
    }
    new = a["id"].map(pairs[pairs["relation"] == STABILIZED].groupby("a_id")["b_id"].agg(",".join))
    named = {name: ids.astype(object).where(ids.notna(), None) for name, ids in columns.items()}
    return a.assign(**{NEW: new.astype(object).where(new.notna(), None)}), b.assign(**named)


def _any_inside(groups: NDArray[Any], tables: Sequence[gpd.GeoDataFrame]) -> Flags:
    inside = np.concatenate([table.loc[table["inside"], "group"] for table in tables])
    return np.isin(groups, inside)


# --- what it comes to -----------------------------------------------------------------------------------------------


def _summary(
    a: gpd.GeoDataFrame, b: gpd.GeoDataFrame, pairs: pd.DataFrame, groups: pd.DataFrame, zone: Zone, rules: Rules
) -> dict[str, Any]:
    """Counts, areas, agreement and scores of the slumps in the zone."""
    inside_a, inside_b = a[a["inside"]], b[b["inside"]]
    counted = groups[groups["inside"]]
    outline = zone.outline()
    single = counted[counted["relation"] == REPEAT]
    return {
        "rules": asdict(rules),
        "zone_km2": None if outline is None else float(outline.area) / 1e6,
        "a": _counts(inside_a) | {"outlines_outside": int((~a["inside"]).sum())},
        "b": _counts(inside_b) | {"outlines_outside": int((~b["inside"]).sum())},
        "in_common": len(counted),
        "relations": {name: int((counted["relation"] == name).sum()) for name in (REPEAT, MERGED, SPLIT, STABILIZED)}
        | {
            UNKNOWN: int((counted["relation"] == UNKNOWN).sum()),
            ACCIDENTAL: _accidental(pairs, inside_a, inside_b),
        },
        "areas": _areas(inside_a, inside_b),
        "agreement": {
            "repeats": agreement(single["area_a_ha"].to_numpy(), single["area_b_ha"].to_numpy()),
            "groups": agreement(counted["area_a_ha"].to_numpy(), counted["area_b_ha"].to_numpy()),
        },
        "at_iou": f1_table(inside_a["best_iou"].to_numpy(), inside_b["best_iou"].to_numpy()),
    }


def _counts(slumps: gpd.GeoDataFrame) -> dict[str, Any]:
    """Counts of one inventory's slumps in the zone; outlines of one slump count once."""
    units = slumps.drop_duplicates("unit")
    counts: dict[str, Any] = {
        "outlines": len(slumps),
        "slumps": len(units),
        "counterpart": int(units["counterpart"].sum()),
        "only_here": int((~units["counterpart"]).sum()),
    }
    if "probability" in slumps and slumps["probability"].notna().any():
        given = units["probability"].fillna("unknown").value_counts()
        counts["by_probability"] = {name: int(given.get(name, 0)) for name in (*PROBABILITIES, "unknown")}
    return counts


def _accidental(pairs: pd.DataFrame, a: gpd.GeoDataFrame, b: gpd.GeoDataFrame) -> int:
    """Number of accidental overlaps of a slump in the zone."""
    near = pairs["a_id"].isin(a["id"]) | pairs["b_id"].isin(b["id"])
    return int((near & (pairs["relation"] == ACCIDENTAL)).sum())


def _areas(a: gpd.GeoDataFrame, b: gpd.GeoDataFrame) -> dict[str, float | None]:
    """Areas that the inventories cover, ha; ground under two outlines of one inventory counts once."""
    ground_a, ground_b = (shapely.union_all(np.asarray(layer.geometry)) for layer in (a, b))
    common = shapely.intersection(ground_a, ground_b).area
    either = ground_a.area + ground_b.area - common
    return {
        "a_ha": ground_a.area / HECTARE,
        "b_ha": ground_b.area / HECTARE,
        "common_ha": common / HECTARE,
        "only_a_ha": (ground_a.area - common) / HECTARE,
        "only_b_ha": (ground_b.area - common) / HECTARE,
        "iou": common / either if either else None,
    }


def agreement(area_a: Floats, area_b: Floats) -> dict[str, Any]:
    """How far two measurements of the same areas agree, without a regression.

    Limits of agreement: mean difference -/+ 1.96 standard deviations (Bland and Altman 1986, Lancet 327, 307-310).
    Differences of slumps grow with their size; the limits of the ratio, taken on logarithms, allow for that (Bland and
    Altman 1999, Statistical Methods in Medical Research 8, 135-160, section 3.1).

    Args:
        area_a: (slumps,) positive.
        area_b: (slumps,) of the same slumps.

    Returns:
        `slumps`, `sum_a_ha`, `sum_b_ha`, `median_ratio` (b / a), `difference_ha` (`mean`, `lower`, `upper`; b - a) and
        `ratio` (`mean`, the geometric one, `lower`, `upper`). Limits are None for fewer than two slumps.
    """
    result: dict[str, Any] = {"slumps": len(area_a), "sum_a_ha": float(area_a.sum()), "sum_b_ha": float(area_b.sum())}
    result["median_ratio"] = float(np.median(area_b / area_a)) if len(area_a) else None
    result["difference_ha"] = _limits(area_b - area_a)
    logarithmic = _limits(np.log(area_b / area_a))
    result["ratio"] = {name: None if value is None else float(np.exp(value)) for name, value in logarithmic.items()}
    return result


def _limits(differences: Floats) -> dict[str, float | None]:
    mean = float(differences.mean()) if len(differences) else None
    if mean is None or len(differences) < 2:
        return {"mean": mean, "lower": None, "upper": None}
    spread = _LIMITS * float(differences.std(ddof=1))
    return {"mean": mean, "lower": mean - spread, "upper": mean + spread}


def f1_table(best_a: Floats, best_b: Floats, thresholds: Sequence[float] = IOUS) -> list[dict[str, Any]]:
    """Shares of each inventory's slumps that the other has, and their harmonic mean, at several IoU.

    Args:
        best_a: (slumps of A,) largest IoU of each with a slump of B; 0 without overlap.
        best_b: (slumps of B,) the same the other way round.
        thresholds: a slump counts as found if its IoU is larger.

    Returns:
        Rows `iou`, `share_a` (recall, were A the truth), `share_b` (precision of B), `f1`; None where undefined.
    """
    shares = [(share(best_a > threshold), share(best_b > threshold)) for threshold in thresholds]
    return [
        {"iou": threshold, "share_a": of_a, "share_b": of_b, "f1": harmonic_mean(of_a, of_b)}
        for threshold, (of_a, of_b) in zip(thresholds, shares, strict=True)
    ]
