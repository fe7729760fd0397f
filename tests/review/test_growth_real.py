"""Real outlines of several dates (Runge et al. 2022): areas and retreat come back as they were drawn."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from slumpmap.grid import HECTARE, Grid
from slumpmap.review.growth import measure
from slumpmap.settings.review import GrowthSettings
from slumpmap.yearly import Yearly

FILE = Path(__file__).parents[3] / "shared" / "data" / "vectors" / "arctic_rts.gpkg"
SETTINGS = GrowthSettings()


def covered_area(polygon, transform, shape):
    """(rows, columns) area that a polygon covers of each pixel, by intersection."""
    row, column = np.indices(shape)
    left, top = transform.c + column * transform.a, transform.f + row * transform.e
    return shapely.area(shapely.intersection(polygon, shapely.box(left, top + transform.e, left + transform.a, top)))


def histories() -> list[gpd.GeoSeries]:
    """Outlines by year of slumps that were drawn in two years or more, each year's outline one polygon."""
    every = gpd.read_file(FILE, layer="rts_multidate")
    every["year"] = every["img_date"].astype(str).str[:4].astype(int)
    found = []
    for _, layer in every.groupby("region"):
        layer = layer.to_crs(layer.estimate_utm_crs()).reset_index(drop=True)
        layer = layer[layer.is_valid & layer.area.between(HECTARE, 60 * HECTARE)].reset_index(drop=True)
        for last in layer[layer["year"] == layer["year"].max()].geometry:
            near = layer.iloc[layer.sindex.query(last, predicate="intersects")]
            same = near[near.intersection(last).area > 0.6 * np.minimum(near.area, last.area)]
            if same["year"].is_unique and len(same) >= 2:
                found.append(same.set_index("year").geometry.sort_index())
    return found


@pytest.mark.shared
@pytest.mark.skipif(not FILE.exists(), reason="../shared/data/vectors/arctic_rts.gpkg is not there")
def test_areas_and_retreat_of_real_outlines() -> None:
    slumps = histories()
    assert len(slumps) >= 8
    errors, drifts = [], []
    for outlines in slumps:
        boundary = outlines.iloc[-1]
        area = boundary.buffer(400).envelope
        grid = Grid.over(area, str(outlines.crs), 6.0, 4096)
        window = grid.window_of(boundary.buffer(60).bounds)
        size, transform = (window.height, window.width), grid.window_transform(window)
        odds = [6 * covered_area(outline, transform, size) / 36 - 3 for outline in outlines]
        values = np.rint(254 / (1 + np.exp(-np.stack(odds)))).astype(np.uint8)
        years = [int(year) for year in outlines.index]
        yearly = Yearly.on(grid, window, years, years[-1], values)
        growth = measure(yearly, boundary, None, 0.0, SETTINGS)
        reached = shapely.intersection(outlines.to_numpy(), boundary.buffer(SETTINGS.rim_m)).tolist()
        found = [entry.area_ha for entry in growth.areas]
        assert growth.initiation == f"before {years[0]}"
        errors += [measured * HECTARE / true.area - 1 for measured, true in zip(found, reached, strict=True)]
        drifts.append((growth.retreat_m_per_year, northward(dict(zip(years, reached, strict=True)), boundary)))
    assert np.abs(errors).max() < 0.05
    assert np.median(np.abs(errors)) < 0.01
    measured, true = np.array([pair for pair in drifts if pair[0] is not None], dtype=float).T
    assert len(true) >= 8
    assert np.median(np.abs(measured - true)) < 0.5
    assert np.corrcoef(measured, true)[0, 1] > 0.95


def northward(outlines: dict[int, shapely.Geometry], boundary: shapely.Geometry) -> float:
    """Middle slope of the northern edge over all pairs of years, on lines through the middle of the width."""
    west, south, east, north = boundary.bounds
    tops = {}
    for year, outline in outlines.items():
        lines = [
            shapely.LineString([(x, south - 50), (x, north + 50)])
            for x in np.linspace(west + 0.2 * (east - west), east - 0.2 * (east - west), 60)
        ]
        tops[year] = shapely.bounds(shapely.intersection(lines, outline))[:, 3]
    both = np.isfinite(np.stack(list(tops.values()))).all(axis=0)
    middle = {year: float(np.median((top - tops[max(tops)])[both])) for year, top in tops.items()}
    return float(np.median([(middle[b] - middle[a]) / (b - a) for a, b in combinations(sorted(middle), 2)]))
