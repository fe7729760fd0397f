"""Pieces of one boundary that lie side by side."""

from itertools import pairwise

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from slumpmap.review.parts import side_by_side

number = st.floats(0, 100).map(lambda value: round(value, 3))


def test_parts_that_do_not_touch_stay_as_they_are():
    parts = np.array([shapely.box(0, 0, 10, 10), shapely.box(20, 0, 30, 10)], dtype=object)
    assert side_by_side(parts).equals_exact(shapely.multipolygons(parts))


def test_halves_keep_their_ground_but_for_a_gap():
    parts = np.array([shapely.box(0, 0, 10, 10), shapely.box(10, 0, 30, 10)], dtype=object)
    both = side_by_side(parts)
    assert both.is_valid
    assert [round(part.area, 6) for part in shapely.get_parts(both)] == [99.5, 199.5]
    assert round(shapely.distance(*shapely.get_parts(both)), 6) == 0.1


@settings(max_examples=60)
@given(st.lists(number, min_size=1, max_size=4, unique=True), st.lists(number, max_size=3, unique=True))
def test_a_field_cut_along_lines_is_valid_and_nearly_whole(columns, rows):
    """Cuts at least a metre apart: a hundred metres to a side, cut into up to 20 rectangles."""
    xs = np.unique(np.round([0.0, *columns, 100.0]))
    ys = np.unique(np.round([0.0, *rows, 100.0]))
    cells = [shapely.box(x0, y0, x1, y1) for x0, x1 in pairwise(xs) for y0, y1 in pairwise(ys)]
    both = side_by_side(np.array(cells, dtype=object))
    assert both.is_valid and len(both.geoms) == len(cells)
    cuts = len(xs) + len(ys) - 4
    assert both.area >= 10_000 - 0.1 * 100 * cuts - 1e-6
    assert shapely.difference(both, shapely.box(0, 0, 100, 100)).area < 1e-9
