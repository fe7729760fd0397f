"""Edits of boundaries against what plane geometry says."""

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from slumpmap.review.editing import EditError, facts_of, merge, repaired, simplified, split

CRS = "EPSG:32646"
SQUARE = shapely.box(500000, 3840000, 500100, 3840100)


def line(*points):
    return shapely.LineString([(500000 + x, 3840000 + y) for x, y in points])


def test_area_perimeter_and_minimum_unit():
    facts = facts_of(SQUARE, CRS, None, 0.05)
    assert (facts.valid, facts.area_ha, facts.perimeter_m, facts.below_mmu) == (True, 1.0, 400.0, False)
    assert facts_of(shapely.box(0, 0, 20, 20), CRS, None, 0.05).below_mmu


def test_area_in_an_equal_area_plane():
    """UTM's scale at its central meridian is 0.9996: the true area is 1 / 0.9996 squared as large."""
    facts = facts_of(SQUARE, CRS, "ESRI:54034", 0.05)
    assert facts.area_ha == pytest.approx(1 / 0.9996**2, rel=1e-4)


def test_a_crossing_is_located():
    bow = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    facts = facts_of(bow, CRS, None, 0.05)
    assert not facts.valid
    assert facts.why == "self-intersection"
    assert facts.self_crossing_at == (5.0, 5.0)


def test_a_line_across_cuts_in_two():
    pieces = split(SQUARE, line((-10, 30), (110, 30)))
    assert sorted(part.area for part in pieces.geoms) == [3000, 7000]


def test_a_line_that_ends_inside_cuts_nothing():
    with pytest.raises(EditError, match="from one side to the other"):
        split(SQUARE, line((-10, 30), (50, 30)))


def test_a_hole_stays_a_hole_when_the_outline_is_cut():
    ring = SQUARE.difference(shapely.box(500040, 3840040, 500060, 3840060))
    pieces = split(ring, line((-10, 50), (110, 50)))
    assert sum(part.area for part in pieces.geoms) == pytest.approx(ring.area)
    assert len(pieces.geoms) == 2


@given(st.floats(1, 99), st.floats(1, 99))
def test_cutting_keeps_the_ground(left, right):
    pieces = split(SQUARE, line((-5, left), (105, right)))
    assert pieces.area == pytest.approx(SQUARE.area)
    assert shapely.union_all(list(pieces.geoms)).symmetric_difference(SQUARE).area < 1e-3


def test_merging_joins_what_touches_and_keeps_apart_what_does_not():
    beside = shapely.box(500100, 3840000, 500150, 3840100)
    away = shapely.box(500200, 3840000, 500250, 3840100)
    assert merge(SQUARE, beside).geom_type == "Polygon"
    assert merge(SQUARE, away).geom_type == "MultiPolygon"


def test_repair_keeps_both_wings():
    bow = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    assert repaired(bow).is_valid
    assert repaired(bow).area == pytest.approx(50)
    with pytest.raises(EditError, match="Nothing is left"):
        repaired(shapely.Polygon([(0, 0), (10, 10), (20, 20)]))


def test_stairs_become_a_slope_within_a_pixel():
    steps = [(0, 0)] + [(3 * (n // 2 + n % 2), 3 * (n // 2)) for n in range(40)] + [(0, 60)]
    stairs = shapely.Polygon(steps)
    smooth = simplified(stairs, 3.0)
    assert shapely.get_num_coordinates(smooth) < 10
    assert smooth.hausdorff_distance(stairs) <= 3.0
