"""Comparison of two inventory files: reading them by the door, and the tables that a comparison leaves behind."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from slumpmap.errors import InputError
from slumpmap.files import write_json, write_text
from slumpmap.grid import check_projected
from slumpmap.inventory.comparison import (
    ACCIDENTAL,
    MERGED,
    REPEAT,
    SPLIT,
    STABILIZED,
    UNKNOWN,
    Comparison,
    Rules,
    Zone,
    compare,
    equal_area_crs,
)
from slumpmap.inventory.foreign import Foreign, bring, read_foreign, write_repairs
from slumpmap.vector import LINES, read_layer, write_layer

_DATE = re.compile(r"\d{4}(-\d\d-\d\d)?")
_MEANING = {
    REPEAT: "one slump of A is one of B",
    MERGED: "several slumps of A are one of B",
    SPLIT: "one slump of A is several of B",
    STABILIZED: "an outline of A is a scar; B has new activity on it",
    UNKNOWN: "several of A hang together with several of B",
    ACCIDENTAL: "outlines overlap too little to be one slump (pairs)",
}


def compare_files(
    a: Path,
    b: Path,
    out: Path,
    options_a: Mapping[str, Any] | None = None,
    options_b: Mapping[str, Any] | None = None,
    names: tuple[str, str] | None = None,
    within: Path | None = None,
    roads: Path | None = None,
    road_buffer_m: float = 0.0,
    crs: str | None = None,
    rules: Rules | None = None,
    a_earlier: bool = False,
    stable: tuple[str, str] | None = None,
) -> Comparison:
    """Compares two inventory files and writes what came out.

    Written: `slumps.gpkg` and `slumps.csv` (the rows of both with status, relation and the columns of ARTS),
    `pairs.csv`, `groups.csv`, `zone.gpkg` (if there is a zone), `repairs_a.csv` and `repairs_b.csv` (what the door
    mended), `comparison.json` and `comparison.md`.

    Args:
        a: the first inventory, any that `read_foreign` takes; the earlier one, where they differ in time.
        b: the second inventory.
        out: folder to write into.
        options_a: options of `read_foreign` for A.
        options_b: options of `read_foreign` for B.
        names: what to call the inventories; None: the files' names.
        within: polygons in which slumps count, or None.
        roads: roads as lines, for a lateral zone, or None.
        road_buffer_m: width of that zone on each side of the roads, metres.
        crs: projected CRS in which areas and distances are taken; None: Lambert equal-area about the slumps.
        rules: what makes two outlines one slump.
        a_earlier: whether A is the earlier one; taken for granted if the dates of both say so.
        stable: column of A and its value that marks stabilized scars, or None.

    Raises:
        InputError: a file is refused, the CRS is not projected in metres, or the column is not there.
    """
    foreign = [read_foreign(path, **(options or {})) for path, options in ((a, options_a), (b, options_b))]
    if crs is None:
        crs = equal_area_crs(*(one.slumps for one in foreign))
    check_projected(crs, "--crs")
    foreign = [bring(one, crs) for one in foreign]
    first, second = (one.slumps for one in foreign)
    zone = read_zone(within, roads, road_buffer_m, crs)
    scars = None if stable is None else _marked(first, a, *stable)
    in_order = a_earlier or earlier(first["date"], second["date"])
    result = compare(first, second, zone, rules, in_order, scars)
    names = names or (_name(a), _name(b))
    write_comparison(result, out, names, crs, zone, road_buffer_m if roads is not None else None, in_order, foreign)
    return result


def read_zone(within: Path | None, roads: Path | None, road_buffer_m: float, crs: str) -> Zone:
    """The zone of polygons and of roads.

    Raises:
        InputError: a layer is missing, unreadable, has no rows, or the buffer has no width.
    """
    if roads is not None and not road_buffer_m > 0:
        raise InputError("--road-buffer", f"a zone {road_buffer_m:g} m wide holds nothing", "give a width in metres")
    area = None if within is None else read_layer(within, "area", crs, empty_ok=False).union_all()
    if roads is None:
        return Zone(area)
    lines = read_layer(roads, "roads", crs, kinds=LINES, empty_ok=False)
    return Zone(area, lines.geometry.to_numpy(), road_buffer_m)


def earlier(dates_a: pd.Series, dates_b: pd.Series) -> bool:
    """Whether all dates of A lie before all of B; False where any is missing or is neither YYYY nor YYYY-MM-DD."""
    both = [[str(value) for value in dates] for dates in (dates_a, dates_b)]
    if not all(both) or not all(_DATE.fullmatch(date) for dates in both for date in dates):
        return False
    # A year alone may be any day of it.
    latest = max(date if len(date) > 4 else f"{date}-12-31" for date in both[0])
    earliest = min(date if len(date) > 4 else f"{date}-01-01" for date in both[1])
    return latest < earliest


def _marked(slumps: gpd.GeoDataFrame, path: Path, column: str, value: str) -> NDArray[np.bool_]:
    """Rows whose column has the value, compared as text."""
    if column not in slumps:
        raise InputError(path, f"inventory lacks the column {column}", f"name one of {', '.join(slumps.columns[:-1])}")
    return np.asarray(slumps[column].astype(str).str.lower() == value.lower(), dtype=bool)


def _name(path: Path) -> str:
    return Path(path).stem


def write_comparison(
    result: Comparison,
    out: Path,
    names: tuple[str, str],
    crs: str,
    zone: Zone,
    road_buffer_m: float | None,
    in_order: bool,
    foreign: list[Foreign],
) -> None:
    """Writes the tables of a comparison into a folder; see `compare_files`."""
    both = gpd.GeoDataFrame(
        pd.concat([result.a.assign(inventory="a"), result.b.assign(inventory="b")], ignore_index=True), crs=crs
    )
    both = both[[name for name in both.columns if name != "geometry"] + ["geometry"]]
    write_layer(both, out / "slumps.gpkg")
    for name, table in (
        ("slumps", both.drop(columns="geometry")),
        ("pairs", result.pairs),
        ("groups", result.groups),
    ):
        text = io.StringIO()
        table.to_csv(text, index=False, lineterminator="\n", float_format="%.6g")
        write_text(out / f"{name}.csv", text.getvalue())
    outline = zone.outline()
    if outline is None:
        (out / "zone.gpkg").unlink(missing_ok=True)  # of an earlier comparison
    else:
        write_layer(gpd.GeoDataFrame({"zone": [1]}, geometry=[outline], crs=crs), out / "zone.gpkg")
    for side, one in zip("ab", foreign, strict=True):
        write_repairs(one, out / f"repairs_{side}.csv")
    summary = {
        "name_a": names[0],
        "name_b": names[1],
        "crs": crs,
        "road_buffer_m": road_buffer_m,
        "a_earlier": in_order,
        "repairs_a": _repair_counts(foreign[0]),
        "repairs_b": _repair_counts(foreign[1]),
        **result.summary,
    }
    write_json(out / "comparison.json", summary)
    write_text(out / "comparison.md", markdown(summary))


def _repair_counts(foreign: Foreign) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in foreign.counts().to_dict("records")]


def statement(summary: Mapping[str, Any]) -> str:
    """The comparison in a sentence or two, as a paper's text would say it."""
    a, b = summary["a"], summary["b"]
    where = "" if summary["zone_km2"] is None else f" in the zone of {summary['zone_km2']:.0f} km2"
    if summary["road_buffer_m"] is not None:
        where += f", up to {summary['road_buffer_m'] / 1000:g} km from the roads"
    text = (
        f"{summary['name_a']} has {_slumps(a)}{where}; {summary['name_b']} has {_slumps(b)}{' there' if where else ''}."
    )
    for name, counts in ((summary["name_a"], a), (summary["name_b"], b)):
        given = counts.get("by_probability", {})
        unsure = given.get("low", 0) + given.get("medium", 0)
        if unsure:
            text += f" Of those of {name}, {unsure} have low or medium probability."
    return (
        f"{text} Of the former {a['counterpart']} have a counterpart and {a['only_here']} none, of the latter"
        f" {b['counterpart']} and {b['only_here']}."
    )


def _slumps(counts: Mapping[str, Any]) -> str:
    """The number of slumps, and that of outlines where some are of one slump."""
    extra = f" ({counts['outlines']} outlines)" if counts["outlines"] != counts["slumps"] else ""
    return f"{counts['slumps']} slumps{extra}"


_COUNTS = {
    "slumps": "slumps",
    "counterpart": "with a counterpart in the other",
    "only_here": "only here",
    "outlines": "outlines; more than slumps where one is drawn twice",
    "outlines_outside": "outlines outside the zone, not counted",
}


def markdown(summary: Mapping[str, Any]) -> str:
    """The comparison as a page for people."""
    lines = [
        f"# {summary['name_a']} (A) and {summary['name_b']} (B)",
        "",
        statement(summary),
        "",
        *_table(("", "A", "B"), [(text, *(str(summary[side][key]) for side in "ab")) for key, text in _COUNTS.items()]),
        "",
        f"Slumps in common, as groups of linked outlines: {summary['in_common']}.",
        "",
        *_table(
            ("relation", "groups", "meaning"),
            [(name, str(count), _MEANING[name]) for name, count in summary["relations"].items()],
        ),
        "",
        "## Areas",
        "",
        *_table(
            ("ha", "A", "B", "common", "only A", "only B", "IoU"),
            [("ground", *(_number(summary["areas"][key]) for key in _AREAS))],
        ),
        "",
        *_table(
            ("outlines", "n", "sum A (ha)", "sum B (ha)", "median B/A", "B - A (ha), limits", "B/A, limits"),
            [
                (text, str(values["slumps"]), _number(values["sum_a_ha"]), _number(values["sum_b_ha"]),
                 _number(values["median_ratio"]), _interval(values["difference_ha"]), _interval(values["ratio"]))
                for text, values in (("repeats", summary["agreement"]["repeats"]),
                                     ("all groups", summary["agreement"]["groups"]))
            ],
        ),
        "",
        "Mean and limits of agreement (95 % of the slumps, Bland and Altman); the ratio is taken on logarithms.",
        "",
        "## Agreement of outlines",
        "",
        *_table(
            ("IoU above", "share of A", "share of B", "F1"),
            [(f"{row['iou']:g}", *(_number(row[key]) for key in ("share_a", "share_b", "f1"))) for row in
             summary["at_iou"]],
        ),
        "",
        *_repairs_section(summary),
        "## How",
        "",
        _method(summary),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


_AREAS = ("a_ha", "b_ha", "common_ha", "only_a_ha", "only_b_ha", "iou")


def _table(heading: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in (heading, ("---",) * len(heading), *rows)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _interval(values: Mapping[str, float | None]) -> str:
    if values["lower"] is None:
        return _number(values["mean"])
    return f"{_number(values['mean'])}, {_number(values['lower'])} to {_number(values['upper'])}"


def _repairs_section(summary: Mapping[str, Any]) -> list[str]:
    """What the door mended, left out or assumed, in both files."""
    rows = [
        (side.upper(), row["problem"], row["action"], str(row["rows"]))
        for side in "ab"
        for row in summary[f"repairs_{side}"]
    ]
    if not rows:
        return []
    heading = ("inventory", "problem", "what was done", "rows")
    return ["## What was not as it should be", "", *_table(heading, rows), "",
            "Each row stands in repairs_a.csv or repairs_b.csv.", ""]  # fmt: skip


def _method(summary: Mapping[str, Any]) -> str:
    rules = summary["rules"]
    order = (
        f"A is the earlier inventory: where outlines of B cover less than {rules['stable_share']:g} of one of A that"
        " holds them, a stabilized scar is proposed."
        if summary["a_earlier"]
        else "The order in time is not known, so that outlines alone propose no stabilized scar."
    )
    return (
        f"Two outlines are of one slump if their intersection over union is {rules['min_iou']:g} or more, or if"
        f" {rules['min_contained']:g} of the smaller one lies in the other. Relations are named as in ARTS (Yang et al."
        f" 2025); there people assign them from imagery, here they are proposed. {order} Areas and distances are taken"
        f" in {summary['crs']}. A slump counts where its centroid lies; its counterpart may lie outside the zone."
    )
