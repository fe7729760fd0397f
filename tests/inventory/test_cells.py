"""Cells of the study area against sums over the slumps by hand."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Polygon, box

from slumpmap.inventory.cells import cell_table, group_column, initiation_names

UTM = "EPSG:32646"


def slumps_at(places, side=100.0, began="2016-2017"):
    shapes = [box(x - side / 2, y - side / 2, x + side / 2, y + side / 2) for x, y in places]
    began = [began] * len(shapes) if isinstance(began, str) else began
    table = {"area_ha": [side**2 / 1e4] * len(shapes), "initiation": began}
    return gpd.GeoDataFrame(table, geometry=shapes, crs=UTM)


def test_counts_and_areas_of_known_cells():
    slumps = slumps_at([(2_000, 5_000), (10_000, 5_000), (15_000, 5_000)], began=["before 2016", None, "2016-2017"])
    groups = initiation_names(slumps)
    assert groups == ["before 2016", "2016-2017", "unknown"]
    cells = cell_table(slumps, box(0, 0, 20_000, 10_000), 10.0, groups)
    assert cells["cell"].tolist() == ["x000_y000", "x001_y000"]
    # The slump on the edge is counted once, and its ground is shared.
    assert cells["slumps"].tolist() == [2, 1]
    assert cells["area_ha"].tolist() == pytest.approx([1.5, 1.5])
    assert cells["affected_share"].tolist() == pytest.approx([1.5e4 / 1e8] * 2)
    assert cells["began_before_2016"].tolist() == [1, 0]
    assert cells["began_unknown"].tolist() == [1, 0]
    assert cells["began_2016_2017"].tolist() == [0, 1]


def test_small_and_slanting_areas():
    tiny = cell_table(slumps_at([(500, 400)]), box(0, 0, 1_000, 800), 25.0, ["2016-2017"])
    assert len(tiny) == 1 and tiny["area_km2"].tolist() == pytest.approx([0.8])
    triangle = Polygon([(0, 0), (30_000, 0), (0, 30_000)])
    cells = cell_table(slumps_at([]), triangle, 10.0, [])
    # Of nine squares three lie beyond the slanting side.
    assert len(cells) == 6 and cells["area_km2"].sum() == pytest.approx(450)


def test_ground_beyond_the_study_area_is_not_its_share():
    cells = cell_table(slumps_at([(4_990, 2_500)]), box(0, 0, 5_000, 5_000), 10.0, ["2016-2017"])
    assert cells["area_ha"].tolist() == pytest.approx([1.0])
    assert cells["affected_share"].tolist() == pytest.approx([0.6e4 / 25e6])
    outside = cell_table(slumps_at([(5_010, 2_500)]), box(0, 0, 5_000, 5_000), 10.0, ["2016-2017"])
    assert outside["slumps"].tolist() == [0] and outside["area_ha"].tolist() == [0]


@given(st.lists(st.tuples(st.integers(100, 29_900), st.integers(100, 17_900)), max_size=30), st.floats(1.0, 40.0))
def test_cells_hold_all_slumps_once(places, side_km):
    slumps = slumps_at(places)
    cells = cell_table(slumps, box(0, 0, 30_000, 18_000), side_km, ["2016-2017"])
    assert cells["slumps"].sum() == len(places) == cells[group_column("2016-2017")].sum()
    assert cells["area_ha"].sum() == pytest.approx(len(places))
    assert cells["area_km2"].sum() == pytest.approx(540)
    assert np.allclose(cells.geometry.area, (side_km * 1000) ** 2)
