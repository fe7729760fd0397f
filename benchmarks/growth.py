"""Compares what slumpmap measures of initiation and growth with the truth of a synthetic corridor.

    python benchmarks/growth.py --campaign CONFIG [--hasty] [--json FILE]

The campaign must be finished. All slumps that it confirmed are measured inside the outlines that its simulated experts
drew, uphill as the elevation model has it; the truth gives the real group, areas and outlines of each year. Printed
are how often the suggested initiation group is right, by confidence; the error of the areas, beside that of taking
the drawn area for all years; and the error of the retreat. With --hasty, the ground round the candidates is measured,
as the review page does while people decide; ask snakemake for `iterations/NN/review/yearly/<tile>.zip` before.

True retreat: the middle slope, over all pairs of years, of the middle position of the true upslope edge, on lines
through the middle 60 % of the slump's width, along its true azimuth.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from slumpmap.config import Config, read_config
from slumpmap.files import write_json
from slumpmap.grid import HECTARE
from slumpmap.initiation import initiation_groups
from slumpmap.inventory.zonal import Layer, zonal_statistics
from slumpmap.review.growth import Growth, measure
from slumpmap.vector import read_layer
from slumpmap.yearly import Yearly, read_all_yearly

CLASSES = (0.0, 0.5, 0.8, 0.95, 1.01)
SHARED = 0.3


@dataclass(frozen=True)
class Case:
    """A confirmed slump, measured, and what it truly is.

    Attributes:
        found: what was measured.
        group: the true initiation group.
        drawn_ha: area that the expert drew.
        areas: true area of each year, ha, 0 before the slump began.
        retreat: true retreat, m a year; None with fewer than two years.
        seconds: time that the measurement took.
    """

    found: Growth
    group: str
    drawn_ha: float
    areas: dict[int, float]
    retreat: float | None
    seconds: float


def confirmed(config: Config, hasty: bool) -> Iterator[tuple[Yearly, shapely.Geometry]]:
    """Yearly probabilities and drawn outline of all slumps of a campaign that have them."""
    for number in range(1, config.iterations.maximum + 1):
        folder = config.folder / "iterations" / f"{number:02d}"
        files = sorted((folder / "review").glob("yearly/*.zip" if hasty else "yearly_slumps.zip"))
        places = {name: place for file in files for name, place in read_all_yearly(file)}
        layers = ["outcome/accepted.gpkg", *(["labels/positives.gpkg"] if number == 1 else [])]
        for layer in [folder / name for name in layers if (folder / name).exists()]:
            for slump in read_layer(layer, "slumps").itertuples():
                name = slump.id if slump.id in places else slump.id.partition(".")[0]
                if name in places:
                    yield places[name], slump.geometry


def true_group(years: list[int], first: int | None, groups: tuple[str, ...]) -> str:
    """The campaign's group of a slump that is there from a year on."""
    return groups[years.index(first)] if first in years else groups[0]


def true_retreat(outlines: dict[int, shapely.Geometry], mapping_year: int, azimuth: float) -> float | None:
    """Metres a year that the upslope edge moves."""
    if len(outlines) < 2:
        return None
    centre = outlines[mapping_year].centroid
    turned = {year: shapely.affinity.rotate(shape, azimuth, origin=centre) for year, shape in outlines.items()}
    west, _, east, _ = turned[mapping_year].bounds
    places = np.linspace(west + 0.2 * (east - west), east - 0.2 * (east - west), 41)
    tops = {
        year: np.array(
            [
                line.intersection(shape).bounds[3] if line.intersects(shape) else np.nan
                for line in _lines(places, centre.y)
            ]
        )
        for year, shape in turned.items()
    }
    middle = {year: float(np.nanmedian(top - tops[mapping_year])) for year, top in tops.items()}
    return float(np.median([(middle[b] - middle[a]) / (b - a) for a, b in combinations(sorted(middle), 2)]))


def _lines(places: NDArray[np.float64], y: float) -> list[shapely.LineString]:
    return [shapely.LineString([(x, y - 5000), (x, y + 5000)]) for x in places]


def cases(config: Config, hasty: bool) -> list[Case]:
    """All confirmed slumps that truly are slumps."""
    files = config.input_files()
    assert files.truth is not None
    truth = read_layer(files.truth, "truth", config.grid.crs)
    by_year = read_layer(files.truth.with_name("truth_years.gpkg"), "truth by year", config.grid.crs)
    slumps = list(confirmed(config, hasty))
    outlines = gpd.GeoSeries([outline for _, outline in slumps], crs=config.grid.crs)
    aspect = Layer(config.folder / "terrain" / "aspect.tif", "direction")
    uphill = (zonal_statistics(outlines, [aspect])[0]["mean"] + 180.0) % 360.0
    years, year = sorted(config.imagery.years), config.imagery.mapping_year
    groups = initiation_groups(years, year)
    found = []
    for (place, outline), direction in zip(slumps, uphill, strict=True):
        shared = shapely.area(shapely.intersection(truth.geometry.to_numpy(), outline))
        match = int(shared.argmax())
        if shared[match] < SHARED * min(outline.area, truth.geometry[match].area):
            continue
        true = by_year[by_year["id"] == truth["id"][match]].set_index("year").geometry
        outlines = {int(y): shape for y, shape in true.items() if y in years}
        started = time.perf_counter()
        growth = measure(place, outline, None, None if np.isnan(direction) else float(direction), config.growth)
        seconds = time.perf_counter() - started
        areas = {y: outlines[y].area / HECTARE if y in outlines else 0.0 for y in years}
        retreat = true_retreat(outlines, year, float(truth["headwall_azimuth"][match]))
        group = true_group(years, min(outlines), groups)
        found.append(Case(growth, group, outline.area / HECTARE, areas, retreat, seconds))
    return found


def initiation_figures(found: list[Case]) -> dict[str, Any]:
    """How often the group is right, over all and by confidence."""
    right = np.array([case.found.initiation == case.group for case in found])
    sure = np.array([case.found.confidence for case in found])
    rows = []
    for low, high in pairwise(CLASSES):
        inside = (sure >= low) & (sure < high)
        if inside.any():
            rows.append(
                {
                    "from": low,
                    "slumps": int(inside.sum()),
                    "mean_confidence": sure[inside].mean(),
                    "right": right[inside].mean(),
                }
            )
    groups = {
        group: {"slumps": int(here.sum()), "right": float(right[here].mean())}
        for group in sorted({case.group for case in found})
        if (here := np.array([case.group == group for case in found])).any()
    }
    naive = max(np.mean([case.group == group for case in found]) for group in groups)
    return {
        "slumps": len(found),
        "right": right.mean(),
        "always_the_commonest": naive,
        "by_confidence": rows,
        "by_group": groups,
    }


def area_figures(found: list[Case]) -> dict[str, Any]:
    """Errors of the areas by year, relative to the truth, where the slump is there and measured."""
    rows: dict[str, Any] = {}
    pairs = []
    for case in found:
        for area in case.found.areas:
            if case.areas[area.year] > 0 and area.area_ha is not None:
                pairs.append((area.year, area.area_ha, case.drawn_ha, case.areas[area.year], case.drawn_ha))
    table = pd.DataFrame(pairs, columns=["year", "measured", "drawn", "true", "size"])
    for year, part in table.groupby("year"):
        rows[str(year)] = {"slumps": len(part)} | {
            f"{name}_{figure}": value
            for name in ("measured", "drawn")
            for figure, value in (
                ("median_error", (part[name] / part["true"] - 1).abs().median()),
                ("bias", (part[name] / part["true"] - 1).median()),
            )
        }
    absent = [
        area.area_ha
        for case in found
        for area in case.found.areas
        if case.areas[area.year] == 0 and area.area_ha is not None
    ]
    rows["not_there_yet"] = {"years": len(absent), "right": float(np.mean(np.array(absent) == 0)) if absent else None}
    present = np.array([case.areas[area.year] > 0 for case in found for area in case.found.areas])
    unmeasured = np.array([area.area_ha is None for case in found for area in case.found.areas])
    rows["there_without_an_area"] = float(unmeasured[present].mean())
    return rows


def retreat_figures(found: list[Case]) -> dict[str, Any]:
    """Errors of the retreat, m a year."""
    both = [
        (case.found, case.retreat)
        for case in found
        if case.retreat is not None and case.found.retreat_m_per_year is not None
    ]
    measured = np.array([growth.retreat_m_per_year for growth, _ in both], dtype=float)
    true = np.array([retreat for _, retreat in both])
    held = [
        growth.retreat_low <= retreat <= growth.retreat_high
        for growth, retreat in both
        if growth.retreat_low is not None and growth.retreat_high is not None
    ]
    return {
        "slumps": len(both),
        "without": sum(case.retreat is not None for case in found) - len(both),
        "true_median": np.median(true),
        "median_error": np.median(np.abs(measured - true)),
        "bias": np.median(measured - true),
        "error_of_none": np.median(np.abs(true)),
        "rank_correlation": pd.Series(measured).corr(pd.Series(true), method="spearman"),
        "interval_holds": float(np.mean(held)) if held else None,
    }


def plain(value: Any) -> Any:
    """Numbers as Python has them, rounded, for printing."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    return round(float(value), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--campaign", type=Path, required=True, help="configuration of a synthetic campaign")
    parser.add_argument("--hasty", action="store_true", help="measure as the review page does, round candidates")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    found = cases(read_config(options.campaign), options.hasty)
    times = np.array([case.seconds for case in found])
    figures = plain(
        {
            "initiation": initiation_figures(found),
            "areas": area_figures(found),
            "retreat": retreat_figures(found),
            "milliseconds": {"median": 1000 * np.median(times), "longest": 1000 * times.max()},
        }
    )
    print(json.dumps(figures, indent=1))
    if options.json:
        write_json(options.json, figures)


if __name__ == "__main__":
    main()
