"""One inventory held against the landscape: which classes slumps select, and whether they differ from what is there.

A study reads the inventory and the files of the landscape (see `slumpmap.inventory.landscape`), nothing else, so that
the campaign's own inventory and another person's go the same way. Whatever cannot be said is a row that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from slumpmap.errors import InputError
from slumpmap.grid import HECTARE, Grid
from slumpmap.inventory.build import NEEDED
from slumpmap.inventory.landscape import BINNED, FLAT, class_numbers, number_class, write_table
from slumpmap.inventory.selection import TwoSample, kolmogorov_smirnov, selection_ratios, watson
from slumpmap.records import read_landscape
from slumpmap.settings.analysis import SelectionSettings, ThinningSettings
from slumpmap.tables import read_csv, read_parquet
from slumpmap.vector import read_layer

Floats = NDArray[np.float64]
Texts = NDArray[np.object_]

# The inventory's column of each factor; the landscape's points have it under the factor's name.
FACTORS = {
    "elevation": "elevation_mean",
    "slope": "slope_mean",
    "aspect": "aspect_mean",
    "tpi": "tpi_mean",
    "pisr": "pisr_mean",
    "vegetation": "vegetation",
    "soil": "soil",
    "stream_distance_m": "stream_distance_m",
    "road_distance_m": "road_distance_m",
}
# What the landscape's list of omissions calls the layer of a factor, where that is not the factor's name.
_LAYER_OF = {"stream_distance_m": "streams", "road_distance_m": "roads"}
TESTED = ("elevation", "slope", "aspect", "tpi", "pisr", "stream_distance_m", "road_distance_m")
SELECTION_COLUMNS = (
    "factor",
    "class",
    "low",
    "high",
    "slumps",
    "slump_share",
    "landscape_share",
    "ratio",
    "ratio_low",
    "ratio_high",
    "finding",
    "note",
)
TEST_COLUMNS = (
    "factor",
    "test",
    "statistic",
    "p_median",
    "p",
    "slumps",
    "landscape",
    "direction",
    "unknown",
    "note",
)

# Fewer slumps with a value give no test: Watson's limit law needs ten directions, and fewer numbers decide nothing.
LEAST_TESTED = 10
# Points of the landscape in a test: thinning finds all pairs that are close, and more points add nothing beside slumps.
_TESTED_POINTS = 2000


@dataclass(frozen=True)
class Study:
    """The slumps of an inventory that lie in the study area.

    Args:
        slumps: one row a slump, index 0..n-1: a column for each factor, with the name that the landscape's points
            have; `aspect_class` (the eight winds and flat), `probability`, `initiation`, `area_ha`, `near_road`,
            `near_stream`.
        xy: (slumps, 2) centroids in the grid's CRS, metres.
        area: the study area.
        total: number of slumps in the inventory.
    """

    slumps: pd.DataFrame
    xy: Floats
    area: BaseGeometry
    total: int

    @property
    def outside(self) -> int:
        """Slumps whose centroid lies outside the study area, which do not count."""
        return self.total - len(self.slumps)

    def remarks(self) -> list[str]:
        """What is to be said of the study as a whole."""
        text = f"{self.outside} of {self.total} slumps lie outside the study area and do not count"
        return [text] if self.outside else []


def read_study(inventory: Path, grid: Grid) -> Study:
    """Reads an inventory with attributes, and keeps the slumps whose centroid lies in the study area.

    Raises:
        InputError: the file is no inventory, or none of its slumps lies in the study area.
    """
    needed = (*NEEDED, *FACTORS.values(), "near_stream")
    table = read_layer(inventory, "inventory", grid.crs, columns=needed, unique="id")
    xy = shapely.get_coordinates(shapely.centroid(table.geometry.to_numpy()))
    shapely.prepare(grid.area)
    inside = shapely.contains_xy(grid.area, xy[:, 0], xy[:, 1])
    if len(table) and not inside.any():
        fault = f"none of the {len(table)} slumps lies in the study area"
        raise InputError(inventory, fault, "check its CRS, and bounds or area of the grid")
    slumps = pd.DataFrame({name: table[column] for name, column in FACTORS.items()})
    for name in ("aspect_class", "probability", "initiation", "area_ha", "near_road", "near_stream"):
        slumps[name] = table[name]
    # Without aspect and without slope it is flat; other slumps without aspect face all ways, or no layer knows.
    flat = slumps["aspect"].isna() & (table["slope_mean"] == 0)
    slumps["aspect_class"] = slumps["aspect_class"].astype(object).mask(flat, FLAT)
    study = Study(slumps[inside].reset_index(drop=True), xy[inside], grid.area, len(table))
    for text in study.remarks():
        print(f"warning: {inventory}: {text}")
    return study


def known_text(column: pd.Series) -> Texts:
    """A text column as objects, None for what is missing."""
    return np.asarray(column.astype(object).where(column.notna(), None), dtype=object)


def why_absent(landscape: Path, factor: str) -> str:
    """Why the landscape has no such factor, as its list of omissions says."""
    layer = _LAYER_OF.get(factor, factor)
    reasons = [row["reason"] for row in read_landscape(landscape)["omissions"] if row["layer"] == layer]
    return "; ".join(dict.fromkeys(reasons)) or "the landscape has no such layer"


def notes(*texts: str | None) -> str:
    """Remarks as one text, empty where there is none."""
    return "; ".join(text for text in texts if text)


def read_bins(landscape: Path) -> pd.DataFrame:
    """The classes of the landscape, class names as text."""
    return read_csv(
        landscape / "bins.csv",
        ("layer", "class"),
        ("low", "high", "area_km2", "share"),
        "classes of the landscape",
        dtype={"layer": str, "class": str},
        keep_default_na=False,
        na_values=[""],
    )


def slump_classes(study: Study, factor: str, bins: pd.DataFrame) -> Texts:
    """(slumps,) class of each slump in a factor, named as in the landscape's bins; None where unknown.

    Args:
        study: the slumps.
        factor: a layer of the bins.
        bins: its rows.
    """
    if factor in ("vegetation", "soil"):
        return known_text(study.slumps[factor])
    if factor == "aspect":
        return known_text(study.slumps["aspect_class"])
    values = study.slumps[factor].to_numpy(dtype=float)
    step = float(bins["high"].iloc[0] - bins["low"].iloc[0])
    index = class_numbers(values, step)
    names = {n: number_class(int(n), step, bool(bins["low"].min() < 0))[0] for n in np.unique(index[~np.isnan(index)])}
    return np.array([names.get(n) for n in index.tolist()], dtype=object)


def selection_table(study: Study, landscape: Path, settings: SelectionSettings, seed: int) -> pd.DataFrame:
    """Selection ratios of all factors on the classes of the landscape, whose shares are those of every pixel.

    Args:
        study: the slumps.
        landscape: folder with `bins.csv`, `blocks.parquet` and `landscape.json`.
        settings: blocks, draws and level of the intervals.
        seed: of the draws.

    Returns:
        Columns `SELECTION_COLUMNS`; a row for each class, also without slumps, and one for a factor of which nothing
        can be said.
    """
    bins, blocks = read_bins(landscape), read_parquet(landscape / "blocks.parquet", "blocks of the landscape")
    parts = []
    for factor in BINNED:
        own = bins[bins["layer"] == factor]
        if not own["area_km2"].sum() > 0:
            parts.append(_silent(SELECTION_COLUMNS, factor, why_absent(landscape, factor)))
            continue
        classes = slump_classes(study, factor, own)
        if all(name is None for name in classes):
            parts.append(_silent(SELECTION_COLUMNS, factor, _none_known(study)))
            continue
        of_blocks = blocks[blocks["layer"] == factor]
        table = selection_ratios(
            classes,
            study.xy,
            of_blocks["class"].to_numpy(dtype=object),
            of_blocks[["x", "y"]].to_numpy(),
            1000 * settings.block_km,
            seed,
            settings.repeats,
            settings.level,
            of_blocks["area_km2"].to_numpy(),
        )
        parts.append(_selected(factor, own, table, study.remarks()))
    return pd.concat(parts, ignore_index=True)[list(SELECTION_COLUMNS)]


def _selected(factor: str, bins: pd.DataFrame, ratios: pd.DataFrame, remarks: Sequence[str]) -> pd.DataFrame:
    """Ratios in the order of the bins, classes beyond them last; the remarks stand in every row."""
    found = ratios.set_index("class")
    beyond = [name for name in found.index if name not in set(bins["class"])]
    limits = bins.set_index("class")[["low", "high"]]
    table = found.reindex([*bins["class"], *beyond]).join(limits)
    unknown, blocks = ratios.attrs["unknown_slumps"], ratios.attrs["blocks"]
    counted = table["slumps"].fillna(0).astype(int)
    total = int(counted.sum())
    of_all = notes(
        *remarks,
        f"{unknown} of {unknown + total} slumps have no value and do not count" if unknown else None,
        "all slumps lie in one block: no interval" if blocks < 2 else None,
    )
    there = table["share_landscape"].fillna(0) > 0
    own = np.select([~there & (counted > 0), ~there, counted == 0], [_BEYOND, _NOT_THERE, _NO_SLUMP], "")
    return pd.DataFrame(
        {
            "factor": factor,
            "class": table.index,
            "low": table["low"],
            "high": table["high"],
            "slumps": counted,
            "slump_share": counted / total,
            "landscape_share": table["share_landscape"].fillna(0),
            "ratio": table["ratio"],
            "ratio_low": table["lower"],
            "ratio_high": table["upper"],
            "finding": table["finding"].fillna("unknown"),
            "note": [notes(text, of_all) for text in own],
        }
    )


_BEYOND = "the class has slumps but no ground in the study area: no ratio"
_NOT_THERE = "not in the study area"
_NO_SLUMP = "no slump: no interval"


def _silent(columns: Sequence[str], factor: str, note: str, **known: Any) -> pd.DataFrame:
    """A row for a factor of which nothing can be said."""
    return pd.DataFrame([dict.fromkeys(columns) | {"factor": factor, "note": note} | known])


def _none_known(study: Study) -> str:
    return f"none of the {len(study.slumps)} slumps in the study area has a value"


def from_edge(study: Study, points: pd.DataFrame) -> pd.DataFrame:
    """Points whose distance from a stream counts as that of slumps does, from the outline.

    A slump's distance is that of its outline; a point has none. So each point stands for a disc as large as the median
    slump: its radius is taken off, down to 0.
    """
    if "stream_distance_m" not in points or not len(study.slumps):
        return points
    radius = float(np.sqrt(study.slumps["area_ha"].median() * HECTARE / np.pi))
    return points.assign(stream_distance_m=np.maximum(points["stream_distance_m"] - radius, 0.0))


def read_points(study: Study, landscape: Path) -> pd.DataFrame:
    """The landscape's random points, distances as `from_edge`."""
    return from_edge(study, read_parquet(landscape / "points.parquet", "points of the landscape"))


def two_sample_table(study: Study, landscape: Path, settings: ThinningSettings, seed: int) -> pd.DataFrame:
    """Kolmogorov-Smirnov tests of numbers, and Watson's of aspect, against random points; on thinned samples.

    Args:
        study: the slumps.
        landscape: folder with `points.parquet` and `landscape.json`.
        settings: least distance and number of the samples.
        seed: of the samples.

    Returns:
        Columns `TEST_COLUMNS`, a row for each factor.
    """
    points = read_points(study, landscape).iloc[:_TESTED_POINTS]
    return pd.concat(
        [_tested(study, points, landscape, factor, settings, seed) for factor in TESTED], ignore_index=True
    )[list(TEST_COLUMNS)]


def _tested(
    study: Study, points: pd.DataFrame, landscape: Path, factor: str, settings: ThinningSettings, seed: int
) -> pd.DataFrame:
    """One row: a test, or why there is none."""
    name, test = ("Watson U2", watson) if factor == "aspect" else ("Kolmogorov-Smirnov", kolmogorov_smirnov)
    values = study.slumps[factor].to_numpy(dtype=float)
    known, unknown = int((~np.isnan(values)).sum()), int(np.isnan(values).sum())
    if factor not in points or points[factor].notna().sum() == 0:
        return _silent(TEST_COLUMNS, factor, why_absent(landscape, factor), test=name)
    if known < LEAST_TESTED:
        note = f"{known} slumps with a value are too few: {LEAST_TESTED} or more are needed"
        return _silent(TEST_COLUMNS, factor, note, test=name, slumps=known, unknown=unknown)
    places = points[["x", "y"]].to_numpy()
    there = points[factor].to_numpy(dtype=float)
    found = test(values, study.xy, there, places, 1000 * settings.thin_km, seed, settings.samples)
    note = notes(
        *study.remarks(),
        f"{unknown} slumps have no value and do not count" if unknown else None,
        f"thinned samples of fewer than {LEAST_TESTED} slumps or points: read p with care"
        if min(found.slumps, found.landscape) < LEAST_TESTED
        else None,
        "slumps from their outline, points from a disc of the median slump" if factor == "stream_distance_m" else None,
    )
    return pd.DataFrame([{"factor": factor, "test": name} | _columns(found) | {"note": note}])


def _columns(found: TwoSample) -> dict[str, Any]:
    names = ("statistic", "p_median", "p", "slumps", "landscape", "direction", "unknown")
    return {name: getattr(found, name) for name in names}


def write_study_table(
    make: Callable[..., pd.DataFrame],
    inventory: Path,
    grid: Grid,
    landscape: Path,
    seed: int,
    out: Path,
    *settings: Any,
) -> None:
    """Reads a study, makes one of its tables and writes it as CSV.

    Args:
        make: `selection_table`, `two_sample_table` or another of their kind.
        inventory: with attributes.
        grid: the campaign's grid.
        landscape: folder with the files of the landscape.
        seed: of random choices.
        out: CSV to write.
        settings: of the table, where it has some.
    """
    study = read_study(inventory, grid)
    write_table(make(study, landscape, *settings, seed), out)
