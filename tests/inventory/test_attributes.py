"""Sizes, distances, classes of aspect."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from slumpmap.inventory.attributes import aspect_class, distances, near_roads, sizes
from slumpmap.inventory.omissions import Omissions
from slumpmap.vector import write_layer

UTM = "EPSG:32646"
X, Y = 500_000.0, 3_840_000.0


def test_aspect_classes():
    degrees = np.array([0, 22.4, 22.5, 45, 90, 135, 180, 225, 270, 315, 337.4, 337.5, 359.9, np.nan])
    expected = ["N", "N", "NE", "NE", "E", "SE", "S", "SW", "W", "NW", "NW", "N", "N", None]
    assert aspect_class(degrees).tolist() == expected


def test_circularity_is_taken_in_a_plane_that_keeps_shapes():
    """A cylindrical equal-area plane squeezes a circle at 35 N by 15 %; its area it keeps."""
    circle = gpd.GeoSeries([Point(X, Y).buffer(50, 64)], crs=UTM)
    table = sizes(circle, "EPSG:6933")
    assert table["circularity"].iloc[0] == pytest.approx(1, abs=2e-3)
    assert table["area_ha"].iloc[0] == pytest.approx(np.pi / 4 * 0.9996**-2, rel=1e-3)
    assert table["perimeter_m"].iloc[0] == pytest.approx(100 * np.pi, rel=1e-3)


def test_size_of_a_slump_with_a_hole_and_two_parts():
    ring = Polygon(box(X, Y, X + 100, Y + 100).exterior, [box(X + 40, Y + 40, X + 60, Y + 60).exterior])
    shapes = gpd.GeoSeries([ring, MultiPolygon([ring, box(X + 200, Y, X + 210, Y + 10)])], crs=UTM)
    table = sizes(shapes, UTM)
    assert table["area_ha"].tolist() == pytest.approx([0.96, 0.97])
    assert table["perimeter_m"].tolist() == pytest.approx([480, 520])


points = st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000))


@settings(max_examples=50)
@given(st.lists(points, min_size=1, max_size=8), st.lists(st.tuples(points, points), min_size=1, max_size=8))
def test_distance_is_that_of_the_nearest_line(at, ends):
    lines = np.array([LineString(pair) for pair in ends])
    shapes = shapely.points(np.array(at))
    expected = [min(shapely.distance(shape, line) for line in lines) for shape in shapes]
    np.testing.assert_allclose(distances(shapes, lines), expected)


def test_a_layer_without_lines_is_listed(tmp_path):
    write_layer(gpd.GeoDataFrame(geometry=[], crs=UTM), tmp_path / "roads.gpkg")
    omissions = Omissions(pd.Series(["a"]))
    table = near_roads(gpd.GeoSeries([box(X, Y, X + 1, Y + 1)], crs=UTM), tmp_path / "roads.gpkg", 500, omissions)
    assert not table["near_road"].iloc[0] and np.isnan(table["road_distance_m"].iloc[0])
    assert omissions.of_slumps().tolist() == ["road_distance_m"]
    assert omissions.table()["reason"].tolist() == ["the layer has no lines"]
