"""Traits against rasters whose answers follow from geometry."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from slumpmap.review.traits import MEASURED, Patch, measure

CELL = 3.0
SIZE = 101
NORTH, EAST, SOUTH = (0.0, 0.1), (0.1, 0.0), (0.0, -0.1)
GROUND, FLOOR = np.array([90.0, 110.0, 80.0]), np.array([150.0, 130.0, 100.0])


def grid():
    """East and north of each pixel from the middle, metres."""
    rows, columns = np.indices((SIZE, SIZE), dtype=float)
    middle = (SIZE - 1) / 2
    return (columns - middle) * CELL, (middle - rows) * CELL


def ellipse(half_along=60.0, half_across=30.0, azimuth=0.0):
    """An ellipse whose long axis points in a direction, degrees clockwise from north."""
    east, north = grid()
    a = math.radians(azimuth)
    along, across = east * math.sin(a) + north * math.cos(a), east * math.cos(a) - north * math.sin(a)
    return (along / half_along) ** 2 + (across / half_across) ** 2 <= 1


def painted(bare, noise=1.0, seed=1, shade=None):
    """(3, rows, columns) an image: bare floor on even ground, with a shaded part."""
    image = np.where(bare, FLOOR[:, None, None], GROUND[:, None, None]).astype(float)
    image += np.random.default_rng(seed).normal(0, noise, image.shape)
    if shade is not None:
        image[:, shade] *= 0.4
    return image


def patch(inside=None, images=None, rise=NORTH, free=None, year=2019):
    inside = ellipse() if inside is None else inside
    depth = distance_transform_edt(inside, sampling=CELL) - distance_transform_edt(~inside, sampling=CELL)
    depth -= np.sign(depth) * CELL / 2
    images = {2019: painted(inside)} if images is None else images
    return Patch(CELL, inside, ~inside if free is None else free & ~inside, depth, images, year, rise, 2.5)


def upper_wall(inside, azimuth=0.0):
    """The band inside the edge, where the direction from the middle is within 70 degrees of an azimuth."""
    east, north = grid()
    away = np.degrees(np.arctan2(east, north)) - azimuth
    near = np.abs((away + 180) % 360 - 180) < 70
    return inside & near & (distance_transform_edt(inside, sampling=CELL) <= 9)


def test_elongation_is_one_less_the_ratio_of_the_axes():
    assert measure(patch())["elongation"] == pytest.approx(0.5, abs=0.02)
    assert measure(patch(ellipse(45, 45)))["elongation"] == pytest.approx(0.0, abs=0.02)


@given(azimuth=st.floats(0, 180), uphill=st.floats(0, 360))
@settings(max_examples=20)
def test_the_long_axis_is_compared_with_uphill_whatever_the_compass_says(azimuth, uphill):
    rise = (0.1 * math.sin(math.radians(uphill)), 0.1 * math.cos(math.radians(uphill)))
    found = measure(patch(ellipse(azimuth=azimuth), rise=rise))
    assert found["along_slope"] == pytest.approx(0.5 * math.cos(math.radians(2 * (azimuth - uphill))), abs=0.03)


def test_a_form_that_widens_upslope_has_a_wide_head():
    east, north = grid()
    wedge = (np.abs(north) < 60) & (np.abs(east) < 20 + north / 4)
    assert measure(patch(wedge))["wide_head"] > 0.2
    assert measure(patch(wedge, rise=SOUTH))["wide_head"] < -0.2
    assert measure(patch())["wide_head"] == pytest.approx(0.0, abs=0.02)


def test_slope_and_aspect_are_those_of_the_plane():
    found = measure(patch(rise=(0.0, -math.tan(math.radians(7)))))
    assert found["slope_deg"] == pytest.approx(7.0)
    assert (found["faces_north"], found["faces_east"]) == (pytest.approx(1.0), pytest.approx(0.0))
    assert measure(patch(rise=EAST))["faces_east"] == pytest.approx(-1.0)
    assert found["height_m"] == 2.5


@pytest.mark.parametrize("uphill", [0, 90, 200])
def test_a_headwall_counts_where_it_is_uphill_and_against_where_it_is_downhill(uphill):
    inside = ellipse(45, 45)
    images = {2019: painted(inside, shade=upper_wall(inside, uphill))}
    direction = np.array([math.sin(math.radians(uphill)), math.cos(math.radians(uphill))])
    right, wrong = (measure(patch(inside, images, tuple(sign * 0.1 * direction))) for sign in (1, -1))
    aside = measure(patch(inside, images, (0.1 * direction[1], -0.1 * direction[0])))
    assert right["wall_arc"] == 1.0
    assert wrong["wall_arc"] == -1.0
    assert right["wall_toward_uphill"] == pytest.approx(1.0, abs=0.02)
    assert wrong["wall_toward_uphill"] == pytest.approx(-1.0, abs=0.02)
    assert aside["wall_toward_uphill"] == pytest.approx(0.0, abs=0.1)
    for name in ("wall_dark_uphill", "darker_uphill"):
        assert right[name] > 0.05
        assert wrong[name] == pytest.approx(-right[name], abs=0.02)
        assert abs(aside[name]) < 0.03
    assert right["wall_dark"] == pytest.approx(0.6, abs=0.05)


def test_a_bright_rim_above_the_edge_counts():
    inside = ellipse(45, 45)
    above = ~inside & (distance_transform_edt(~inside, sampling=CELL) <= 9) & (grid()[1] > 20)
    image = painted(inside)
    image[:, above] *= 2
    assert measure(patch(inside, {2019: image}))["rim_bright_uphill"] > 0.2
    assert measure(patch(inside, {2019: image}, rise=SOUTH))["rim_bright_uphill"] < -0.2


def test_colour_is_relative_to_the_ground_around():
    found = measure(patch())
    light, base = FLOOR.mean(), GROUND.mean()
    assert found["brightness"] == pytest.approx((light - base) / (light + base), abs=0.01)
    red, around = FLOOR[0] / FLOOR.sum(), GROUND[0] / GROUND.sum()
    assert found["redness"] == pytest.approx((red - around) / (red + around), abs=0.01)
    # Within noise of 1 and a step of (60, 20, 20) the means lie more than 30 standard deviations apart.
    assert found["contrast"] > math.log1p(30)


def test_what_other_objects_cover_is_no_ground_around():
    east, _ = grid()
    other = east > 50
    image = painted(ellipse() | other)
    alone = measure(patch(images={2019: painted(ellipse())}))
    assert measure(patch(images={2019: image}, free=~other))["brightness"] == pytest.approx(
        alone["brightness"], abs=0.01
    )
    assert measure(patch(images={2019: image}))["brightness"] < 0.8 * alone["brightness"]


def test_newly_bare_is_the_share_that_became_bare():
    inside = ellipse()
    _, north = grid()
    images = {2016: painted(inside & (north < 0), seed=2), 2019: painted(inside)}
    upper = float((inside & (north >= 0)).sum() / inside.sum())
    found = measure(patch(inside, images))
    assert found["newly_bare"] == pytest.approx(upper, abs=0.01)
    assert found["bared"] == pytest.approx(upper, abs=0.02)
    assert found["least_bare"] == pytest.approx(1 - upper, abs=0.02)
    assert found["bared_upper"] > 0.4
    assert measure(patch(inside, images, SOUTH))["bared_upper"] < -0.4


def test_what_was_bare_before_is_not_new_even_if_the_season_is_brighter():
    inside = ellipse()
    found = measure(patch(inside, {2016: 1.2 * painted(inside, seed=2), 2019: painted(inside)}))
    assert found["newly_bare"] == pytest.approx(0.0, abs=0.01)
    assert measure(patch(inside, {2016: painted(inside & False, seed=2), 2019: painted(inside)}))["newly_bare"] == 1.0


def test_noise_makes_nothing_newly_bare():
    inside = ellipse()
    images = {year: painted(inside, noise=60, seed=year) for year in (2018, 2019)}
    assert measure(patch(inside, images))["newly_bare"] == pytest.approx(0.0, abs=0.05)


def test_retreat_after_mapping_shows_ahead_of_the_upper_edge():
    inside = ellipse(45, 45)
    _, north = grid()
    later = inside | ((distance_transform_edt(~inside, sampling=CELL) <= 15) & (north > 0))
    images = {2016: painted(inside, seed=2), 2019: painted(inside), 2020: painted(later, seed=3)}
    assert measure(patch(inside, images))["bared_ahead"] > 0.8
    assert measure(patch(inside, images, SOUTH))["bared_ahead"] < -0.8


def test_the_step_is_found_between_any_two_years_and_noise_is_averaged():
    inside = ellipse()
    years = {
        year: painted(inside if year >= 2018 else inside & False, noise=25, seed=year) for year in range(2016, 2021)
    }
    found = measure(patch(inside, years))
    assert found["bared"] == pytest.approx(1.0, abs=0.05)
    assert found["newly_bare"] > 0.85
    assert found["bared_sd"] == pytest.approx(found["bared"] * math.expm1(found["contrast"]))


def test_a_year_without_image_says_nothing():
    inside = ellipse()
    images = {2016: np.full((3, SIZE, SIZE), np.nan), 2018: painted(inside & False, seed=2), 2019: painted(inside)}
    found = measure(patch(inside, images))
    assert found["valid_years"] == 2.0
    assert found["newly_bare"] == 1.0
    del images[2016]
    assert measure(patch(inside, images)) == found


def test_without_the_mapping_year_only_shape_and_ground_are_known():
    found = measure(patch(images={2018: painted(ellipse())}))
    unknown = {name for name, value in found.items() if math.isnan(value)}
    assert found["valid_years"] == 1.0
    assert {"contrast", "newly_bare", "wall_arc"} <= unknown
    assert not unknown & {"elongation", "slope_deg", "along_slope"}


@pytest.mark.parametrize("rise", [(0.0, 0.0), (math.nan, math.nan)])
def test_level_and_unknown_ground_have_no_uphill(rise):
    found = measure(patch(rise=rise))
    unknown = {name for name, value in found.items() if math.isnan(value)}
    assert {"along_slope", "wide_head", "wall_arc", "wall_toward_uphill"} <= unknown
    assert math.isnan(found["slope_deg"]) == math.isnan(rise[0])
    assert not math.isnan(found["contrast"])


def test_every_measure_has_a_column_and_every_column_a_measure():
    images = {2018: painted(ellipse(), seed=2), 2019: painted(ellipse())}
    assert set(measure(patch(images=images))) == set(MEASURED)
    assert all(math.isfinite(value) for value in measure(patch(images=images)).values())


def test_a_single_pixel_is_measured():
    inside = np.zeros((SIZE, SIZE), dtype=bool)
    inside[50, 50] = True
    found = measure(patch(inside))
    assert found["elongation"] == pytest.approx(0.0)
    assert found["brightness"] > 0


def test_turning_the_ground_with_the_image_changes_nothing():
    inside = ellipse(azimuth=30)
    image = painted(inside, shade=upper_wall(inside))
    before = patch(inside, {2018: painted(inside, seed=2), 2019: image})
    turned = dataclasses.replace(
        before,
        **{name: np.rot90(getattr(before, name)) for name in ("inside", "free", "depth")},
        images={year: np.rot90(values, axes=(1, 2)) for year, values in before.images.items()},
        rise=(-0.1, 0.0),
    )
    one, other = measure(before), measure(turned)
    for name in set(MEASURED) - {"faces_north", "faces_east"}:
        assert one[name] == pytest.approx(other[name], abs=1e-9), name
