"""Covered shares of cells, against hand cases, shapely's intersections and supersampling."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine, from_origin
from shapely.affinity import rotate, scale, translate
from shapely.geometry import MultiPolygon, Point, Polygon, box

from slumpmap.inventory.cover import cover, outlines_of

# Unit cells, y down: the cell of row r and column c is box(c, r, c + 1, r + 1).
CELLS = Affine.identity()


def shares(polygon, shape, transform=CELLS, window=None):
    """Shares of all cells of a raster, (rows, columns)."""
    outlines = outlines_of(np.array([polygon]), transform)
    top, left, bottom, right = window or (0, 0, *shape)
    rectangles = np.array([[top, left, bottom, right]], dtype=np.int64)
    arrays = (outlines.x, outlines.y, outlines.ring, outlines.polygon, outlines.sign, outlines.area)
    start, cell, weight = cover(*arrays, np.array([0]), rectangles, (0, 0, shape[1]))
    assert start.tolist() == [0, len(cell)]
    assert len(np.unique(cell)) == len(cell) and (weight > 0).all()
    out = np.zeros(shape)
    out.ravel()[cell] = weight
    return out


def intersections(polygon, shape, transform=CELLS):
    """The same, of shapely."""
    row, column = np.indices(shape)
    corners = [transform * (column + across, row + down) for across, down in ((0, 0), (1, 0), (1, 1), (0, 1))]
    cells = shapely.polygons(np.stack([np.stack(corner, axis=-1) for corner in corners], axis=-2))
    return shapely.area(shapely.intersection(polygon, cells)) / abs(transform.determinant)


def test_half_a_cell():
    np.testing.assert_array_equal(shares(box(0.25, 1, 0.75, 2), (3, 2)), [[0, 0], [0.5, 0], [0, 0]])


def test_one_cell_across_four():
    np.testing.assert_allclose(
        shares(box(0.75, 0.5, 1.75, 1.5), (3, 3)), [[0.125, 0.375, 0], [0.125, 0.375, 0], [0, 0, 0]], rtol=1e-14
    )


def test_triangle():
    """Below the diagonal of three cells: half of each on it, all of each under it."""
    found = shares(Polygon([(0, 0), (3, 3), (0, 3)]), (3, 3))
    np.testing.assert_allclose(found, [[0.5, 0, 0], [1, 0.5, 0], [1, 1, 0.5]], atol=1e-14)


def test_rows_count_downwards_from_the_raster_s_top():
    """A flipped axis would put the share into the other row."""
    found = shares(box(0, 60, 30, 90), (3, 1), from_origin(0, 90, 30, 30))
    assert found.tolist() == [[1], [0], [0]]
    south_up = shares(box(0, 60, 30, 90), (3, 1), Affine(30, 0, 0, 0, 30, 0))
    assert south_up.tolist() == [[0], [0], [1]]


def test_ring_with_a_hole():
    polygon = Polygon(box(0, 0, 3, 3).exterior, [box(0.5, 0.5, 2.5, 2.5).exterior])
    np.testing.assert_allclose(shares(polygon, (3, 3)), [[0.75, 0.5, 0.75], [0.5, 0, 0.5], [0.75, 0.5, 0.75]])


@pytest.mark.parametrize("turn", [1, -1])
def test_rings_may_turn_either_way(turn):
    outer, inner = list(box(0, 0, 2, 2).exterior.coords)[::turn], list(box(0, 0, 1, 1).exterior.coords)
    np.testing.assert_array_equal(shares(Polygon(outer, [inner]), (2, 2)), [[0, 1], [1, 1]])


def test_parts_add_up():
    parts = MultiPolygon([box(0, 0, 0.5, 0.5), box(0.5, 0.5, 1, 1), box(2, 2, 3, 3)])
    np.testing.assert_array_equal(shares(parts, (3, 3)), [[0.5, 0, 0], [0, 0, 0], [0, 0, 1]])


@pytest.mark.parametrize("side", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("at", [(2.5, 1.5), (29_999.3, 17_000.7)])
def test_tiny_polygon_inside_one_cell(side, at):
    column, row = int(at[0]), int(at[1])
    polygon = translate(box(0, 0, side, side), *at)
    found = shares(polygon, (row + 2, column + 2), window=(row - 1, column - 1, row + 2, column + 2))
    # Coordinates of 3e4 have steps of 4e-12.
    assert found[row, column] == pytest.approx(side**2, rel=max(1e-11 / side, 1e-12))
    assert np.count_nonzero(found) == 1


def test_polygon_that_touches_a_cell_s_edge_covers_nothing_beyond():
    assert np.count_nonzero(shares(box(1, 1, 2, 2), (3, 3))) == 1
    assert np.count_nonzero(shares(Polygon([(1, 1), (2, 1.5), (1, 2)]), (3, 4))) == 1


@pytest.mark.parametrize("away", [(-1.3, 0), (2.2, 0), (0, -0.7), (0, 1.9), (-2, -2), (9, 0), (0, 9)])
def test_what_is_beyond_the_rectangle_does_not_count(away):
    polygon = translate(Point(1.5, 1.5).buffer(1.4), *away)
    np.testing.assert_allclose(shares(polygon, (3, 3)), intersections(polygon, (3, 3)), atol=1e-12)


def test_a_window_gives_what_the_whole_gives():
    polygon = Point(5, 5).buffer(4.1).difference(Point(5, 5.5).buffer(1.7))
    whole = shares(polygon, (10, 10))
    part = shares(polygon, (10, 10), window=(2, 3, 6, 9))
    np.testing.assert_allclose(part[2:6, 3:9], whole[2:6, 3:9], atol=1e-13)
    assert part.sum() == pytest.approx(whole[2:6, 3:9].sum())


def test_several_polygons_have_their_own_cells():
    shapes = np.array([box(0, 0, 1, 1), MultiPolygon([box(1, 1, 2, 2), box(0, 1, 0.5, 2)]), box(0, 0, 2, 2)])
    outlines = outlines_of(shapes, CELLS)
    assert outlines.area.tolist() == [1, 1.5, 4]
    assert outlines.rectangles().tolist() == [[0, 0, 1, 1], [1, 0, 2, 2], [0, 0, 2, 2]]
    arrays = (outlines.x, outlines.y, outlines.ring, outlines.polygon, outlines.sign, outlines.area)
    start, cell, weight = cover(*arrays, np.array([2, 1]), outlines.rectangles()[[2, 1]], (0, 0, 2))
    assert start.tolist() == [0, 4, 6]
    assert cell.tolist() == [0, 1, 2, 3, 2, 3] and weight.tolist() == [1, 1, 1, 1, 0.5, 1]


def test_supersampling_agrees():
    """A star, counted by a million points: good to some 1e-3 of a cell."""
    angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    radius = np.where(np.arange(14) % 2, 3.9, 1.6)
    star = Polygon(np.column_stack([4.2 + radius * np.cos(angle), 3.9 + radius * np.sin(angle)]))
    fine = 125
    points = (np.arange(8 * fine) + 0.5) / fine
    inside = shapely.contains_xy(star, *(axis.ravel() for axis in np.meshgrid(points, points)))
    counted = inside.reshape(8, fine, 8, fine).mean(axis=(1, 3))
    np.testing.assert_allclose(shares(star, (8, 8)), counted, atol=4e-3)


floats = st.floats(-3, 9, allow_nan=False, width=32)


@st.composite
def polygons(draw):
    """A valid polygon, often with a hole or several parts, partly outside of 6 x 7 cells."""
    points = draw(st.lists(st.tuples(floats, floats), min_size=3, max_size=9, unique=True))
    shape = shapely.MultiPoint(points).convex_hull
    other = draw(st.lists(st.tuples(floats, floats), min_size=3, max_size=7, unique=True))
    shape = shape.symmetric_difference(shapely.MultiPoint(other).convex_hull)
    parts = [part for part in getattr(shape, "geoms", [shape]) if part.geom_type == "Polygon" and part.area > 1e-6]
    shape = MultiPolygon(parts)
    assume(parts and shape.is_valid)
    return shape


transforms = st.sampled_from(
    [CELLS, Affine(1, 0, 0, 0, -1, 6), Affine(0.5, 0, 1, 0, 1.5, -1), Affine.rotation(33), Affine(1, 0.4, 0, 0, -1, 6)]
)


@settings(max_examples=300)
@given(polygons(), transforms)
def test_shares_are_those_of_shapely(polygon, transform):
    np.testing.assert_allclose(shares(polygon, (6, 7), transform), intersections(polygon, (6, 7), transform), atol=1e-8)


@settings(max_examples=100)
@given(polygons(), st.floats(0, 360), st.floats(1e-3, 30), st.floats(-50, 50), st.floats(-50, 50))
def test_shares_sum_to_the_area_wherever_the_polygon_lies(polygon, angle, size, across, down):
    moved = translate(scale(rotate(polygon, angle), size, size), across, down)
    outlines = outlines_of(np.array([moved]), CELLS)
    arrays = (outlines.x, outlines.y, outlines.ring, outlines.polygon, outlines.sign, outlines.area)
    row, column, _, end = outlines.rectangles()[0]
    weight = cover(*arrays, np.array([0]), outlines.rectangles(), (row, column, end - column))[2]
    assert outlines.area[0] == pytest.approx(moved.area, rel=1e-9)
    assert weight.sum() == pytest.approx(moved.area, rel=1e-8)
    assert weight.max() <= 1
