"""Extent and headwalls of shapes whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shapely.affinity import rotate, scale, translate
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from slumpmap.inventory.headwall import azimuth_from, extent, headwalls

NONE = np.array([None], dtype=object)


def alone(shape):
    return np.array([shape], dtype=object)


def wall_of(shape, aspect, drawn=NONE):
    walls = headwalls(alone(shape), np.array([float(aspect)]), drawn)
    return walls, azimuth_from(walls, alone(shape))[0]


def apart(one, other):
    """Angle between two directions, degrees."""
    return abs((one - other + 180) % 360 - 180)


@pytest.mark.parametrize(
    ("aspect", "length", "width"),
    [(0, 30, 10), (180, 30, 10), (90, 10, 30), (270, 10, 30), (45, 40 / 2**0.5, 40 / 2**0.5)],
)
def test_extent_of_a_box(aspect, length, width):
    found = extent(alone(box(100, 200, 110, 230)), np.array([float(aspect)]))
    assert (found[0][0], found[1][0]) == pytest.approx((length, width))


def test_unknown_aspect_has_no_extent_and_no_headwall():
    shapes = np.array([box(0, 0, 1, 1), box(5, 5, 6, 7)])
    length, width = extent(shapes, np.array([np.nan, 0.0]))
    assert np.isnan([length[0], width[0]]).all() and (length[1], width[1]) == (2, 1)
    walls = headwalls(shapes, np.array([np.nan, 0.0]), np.array([None, None]))
    assert walls.source.tolist() == [None, "estimated"] and set(walls.slump) == {1}
    assert np.isnan(azimuth_from(walls, shapes)[0])
    assert np.isnan(walls.mean(walls.x)[0])


@pytest.mark.parametrize("aspect", [0, 37, 90, 180, 271, 350])
def test_slump_that_runs_straight_down_faces_as_the_slope_does(aspect):
    """An ellipse whose long axis lies along the slope; the headwall is its upper end."""
    ellipse = rotate(scale(Point(0, 0).buffer(1, 64), 30, 80), -aspect)
    walls, azimuth = wall_of(translate(ellipse, 5e5, 3.8e6), aspect)
    assert apart(azimuth, aspect) < 0.5
    down = np.radians(aspect)
    along = (walls.x - 5e5) * np.sin(down) + (walls.y - 3.8e6) * np.cos(down)
    assert along.max() <= -80 + 0.2 * 160 and along.min() == pytest.approx(-80, abs=1)
    # Up to 0.2 of the length an ellipse is 0.8 as wide as it gets.
    across = (walls.x - 5e5) * np.cos(down) - (walls.y - 3.8e6) * np.sin(down)
    assert across.max() == pytest.approx(0.8 * 30, abs=5)


def test_slump_that_runs_aslant_faces_another_way_than_the_slope():
    """The slope falls north; the slump runs from its headwall in the south to the north-east."""
    shape = Polygon([(-20, 0), (20, 0), (120, 100), (80, 100)])
    _, azimuth = wall_of(shape, 0)
    assert 35 < azimuth < 55


def test_drawn_headwall_counts_before_the_outline():
    square = box(0, 0, 100, 100)
    line = LineString([(100, 0), (100, 100)])
    walls, azimuth = wall_of(square, 0, alone(line))
    assert walls.source[0] == "drawn" and azimuth == 270
    assert walls.length.sum() == pytest.approx(100) and (walls.x == 100).all()
    assert walls.mean(walls.y)[0] == pytest.approx(50)
    assert wall_of(square, np.nan, alone(line))[1] == 270


def test_a_hole_is_no_headwall():
    """Its upper rim would lie within the upper fifth."""
    shape = Polygon(box(0, 0, 100, 100).exterior, [box(40, 3, 60, 60).exterior])
    walls, _ = wall_of(shape, 0)
    assert not ((walls.y > 0) & (walls.x > 30) & (walls.x < 70)).any()


def test_each_slump_has_its_own_headwall():
    """Drawn and estimated ones in any order; of several parts the upper one."""
    parts = MultiPolygon([box(0, 0, 10, 10), box(0, 500, 10, 510)])
    shapes = np.array([box(0, 0, 10, 10), box(50, 0, 60, 10), parts])
    drawn = np.array([LineString([(0, 10), (10, 10)]), None, None])
    walls = headwalls(shapes, np.array([90.0, 0.0, 0.0]), drawn)
    assert walls.source.tolist() == ["drawn", "estimated", "estimated"]
    assert (np.diff(walls.slump) >= 0).all()
    # The whole rim of the upper part: a fifth of 510 m reaches beyond it.
    assert walls.mean(walls.y) == pytest.approx([10, 0.7, 5], abs=0.5)
    assert azimuth_from(walls, shapes)[:2] == pytest.approx([180, 0])


def test_nobody():
    none = np.empty(0, dtype=object)
    walls = headwalls(none, np.empty(0), none)
    assert len(walls.x) == 0 and len(azimuth_from(walls, none)) == 0
    assert [len(values) for values in extent(none, np.empty(0))] == [0, 0]


@settings(max_examples=80)
@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=3, max_size=8),
    st.floats(0, 359),
    st.floats(0, 359),
)
def test_turning_a_slump_turns_its_direction_and_keeps_its_extent(corners, aspect, turn):
    shape = shapely.MultiPoint(corners).convex_hull
    assume(shape.geom_type == "Polygon" and shape.area > 10)
    turned = rotate(shape, -turn, origin=(0, 0))
    before, after = (
        extent(alone(one), np.array([direction])) for one, direction in ((shape, aspect), (turned, aspect + turn))
    )
    np.testing.assert_allclose(np.ravel(before), np.ravel(after), atol=1e-6)
    (_, first), (_, second) = wall_of(shape, aspect), wall_of(turned, aspect + turn)
    # Where a piece's middle is on the limit, rounding may take it or leave it.
    assert apart(second - turn, first) < 12
