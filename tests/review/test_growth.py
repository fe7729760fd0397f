from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine
from shapely.affinity import rotate, translate

from slumpmap.demo.slumps import INITIATION, MAPPING_YEAR
from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.initiation import initiation_groups
from slumpmap.review.growth import Growth, measure
from slumpmap.review.growth_table import write_growth
from slumpmap.settings.review import GrowthSettings
from slumpmap.vector import read_layer, write_layer
from slumpmap.yearly import Yearly, write_yearly

YEARS = (2016, 2017, 2018, 2019, 2020)
MAPPED = 2019
AREA = shapely.box(500000, 3800000, 503000, 3803000)
GRID = Grid.over(AREA, "EPSG:32646", 3.0, 512)
CENTRE = (501500.0, 3801500.0)
SETTINGS = GrowthSettings()
NOISE = 0.03

Shapes = Mapping[int, shapely.Geometry | None]


def rectangle(azimuth: float, length: float, width: float = 90.0, toe: float = -60.0) -> shapely.Polygon:
    """A slump whose headwall stands `length` metres uphill of its toe; the toe is where it is for any length."""
    x, y = CENTRE
    return rotate(shapely.box(x - width / 2, y + toe, x + width / 2, y + toe + length), -azimuth, origin=CENTRE)


def growing(
    azimuth: float, rate: float, first: int = 2016, length: float = 120.0
) -> dict[int, shapely.Geometry | None]:
    """The slump's outline in each year, `length` long in the mapping year; None before the first year."""
    return {year: rectangle(azimuth, length + rate * (year - MAPPED)) if year >= first else None for year in YEARS}


def covered(shape: shapely.Geometry, transform: Affine, shape_px: tuple[int, int]) -> np.ndarray:
    """Share that a polygon covers of each pixel."""
    row, column = np.indices(shape_px)
    left, top = transform.c + column * transform.a, transform.f + row * transform.e
    pixels = shapely.box(left, top + transform.e, left + transform.a, top)
    return shapely.area(shapely.intersection(shape, pixels)) / shapely.area(pixels)


def seen(
    shapes: Shapes, inside: float = 0.8, outside: float = 0.04, margin: float = 60.0, noise: float = NOISE
) -> Yearly:
    """What networks would say that see each pixel as far as an outline covers it, a little noise aside."""
    boundary = shapes[MAPPED]
    assert boundary is not None
    west, south, east, north = boundary.bounds
    window = GRID.window_of((west - margin, south - margin, east + margin, north + margin))
    shape_px = window.height, window.width
    rng = np.random.default_rng(4)
    layers = []
    for shape in shapes.values():
        none = np.zeros(shape_px)
        cover = none if shape is None else covered(shape, GRID.window_transform(window), shape_px)
        odds = np.log(outside / (1 - outside)) * (1 - cover) + np.log(inside / (1 - inside)) * cover
        odds = odds + noise * rng.normal(size=odds.shape)
        layers.append(np.rint(254 / (1 + np.exp(-odds))))
    return Yearly.on(GRID, window, list(shapes), MAPPED, np.stack(layers).astype(np.uint8))


def drawn(shapes: Shapes) -> shapely.Geometry:
    shape = shapes[MAPPED]
    assert shape is not None
    return shape


def areas(growth: Growth) -> dict[int, float | None]:
    return {area.year: area.area_ha for area in growth.areas}


@settings(max_examples=40)
@given(st.floats(0, 360), st.sampled_from([-4.0, 0.0, 5.0, 10.0, 14.0]))
def test_a_rectangle_retreats_as_fast_as_it_grows_whatever_the_azimuth(azimuth: float, rate: float) -> None:
    shapes = growing(azimuth, rate)
    growth = measure(seen(shapes), drawn(shapes), None, azimuth, SETTINGS)
    assert growth.retreat_m_per_year == pytest.approx(rate, abs=0.4)
    assert growth.retreat_low is not None and growth.retreat_high is not None
    assert growth.retreat_low <= growth.retreat_m_per_year <= growth.retreat_high
    assert growth.initiation == "before 2016"
    for year, area in areas(growth).items():
        assert area == pytest.approx(0.009 * (120 + rate * (year - MAPPED)), rel=0.04)


@settings(max_examples=15)
@given(st.floats(0, 360))
def test_against_the_slope_nothing_retreats(azimuth: float) -> None:
    """The toe stays where it is: a wrong sign of the azimuth finds no retreat, one of a right angle neither."""
    shapes = growing(azimuth, 10.0)
    for wrong in (180.0, 90.0, -90.0):
        growth = measure(seen(shapes), drawn(shapes), None, azimuth + wrong, SETTINGS)
        assert growth.retreat_m_per_year == pytest.approx(0, abs=0.5)


@settings(max_examples=15)
@given(st.floats(0, 360), st.integers(0, 3))
def test_groups(azimuth: float, group: int) -> None:
    shapes = growing(azimuth, 8.0, first=YEARS[group])
    growth = measure(seen(shapes), drawn(shapes), None, azimuth, SETTINGS)
    assert growth.initiation == ("before 2016", "2016-2017", "2017-2018", "2018-2019")[group]
    assert growth.confidence > 0.95
    found = areas(growth)
    assert [found[year] for year in YEARS[:group]] == [0.0] * group
    assert all(found[year] > 0.5 for year in YEARS[group:])  # type: ignore[operator]
    assert growth.retreat_m_per_year == pytest.approx(8.0, abs=0.8)
    assert (growth.retreat_low is None) == (group == 3)


def test_faint_slumps_and_other_levels_are_measured_alike() -> None:
    """No fixed threshold: a slump that reaches 0.3 over ground of 0.02 has the same areas as one of 0.95 over 0.2."""
    shapes = growing(30.0, 10.0, first=2017)
    for inside, outside in ((0.3, 0.02), (0.95, 0.2)):
        growth = measure(seen(shapes, inside, outside), drawn(shapes), None, 30.0, SETTINGS)
        assert growth.initiation == "2016-2017"
        assert growth.retreat_m_per_year == pytest.approx(10.0, abs=0.6)
        assert areas(growth)[2017] == pytest.approx(0.9, rel=0.05)


def test_a_year_that_is_brighter_as_a_whole_changes_nothing() -> None:
    shapes = growing(200.0, 10.0)
    plain, other = seen(shapes), seen(shapes, 0.95, 0.15)
    mixed = plain.values.copy()
    mixed[1] = other.values[1]
    growth = measure(replace(plain, values=mixed), drawn(shapes), None, 200.0, SETTINGS)
    assert areas(growth)[2017] == pytest.approx(0.9, rel=0.04)
    assert growth.retreat_m_per_year == pytest.approx(10.0, abs=0.4)


def test_what_is_not_seen_in_the_mapping_year_has_no_area_and_no_sure_year() -> None:
    shapes = growing(0.0, 10.0)
    growth = measure(seen(shapes, inside=0.05), drawn(shapes), None, 0.0, SETTINGS)
    assert set(areas(growth).values()) == {None}
    assert growth.confidence < 0.35
    assert "hardly sees" in growth.note


def clouded(yearly: Yearly, year: int, part: slice = slice(None)) -> Yearly:
    values = yearly.values.copy()
    values[yearly.years.index(year), part] = 255
    return replace(yearly, values=values)


def test_hidden_years() -> None:
    shapes = growing(0.0, 10.0, first=2018)
    whole = seen(shapes)
    without = measure(clouded(whole, 2020), drawn(shapes), None, 0.0, SETTINGS)
    assert areas(without)[2020] is None
    assert without.areas[-1].share_valid == 0
    assert without.initiation == "2017-2018"
    assert without.confidence > 0.95
    assert "2020" in without.note
    # With 2017 hidden, it may have begun in either year; with 2018 hidden, later.
    tied = measure(clouded(whole, 2017), drawn(shapes), None, 0.0, SETTINGS)
    assert tied.initiation in {"2016-2017", "2017-2018"}
    assert tied.confidence == pytest.approx(0.5, abs=0.02)
    tied = measure(clouded(whole, 2018), drawn(shapes), None, 0.0, SETTINGS)
    assert tied.initiation in {"2017-2018", "2018-2019"}
    assert tied.confidence == pytest.approx(0.5, abs=0.02)
    nothing = measure(replace(whole, values=np.full_like(whole.values, 255)), drawn(shapes), None, 0.0, SETTINGS)
    assert set(areas(nothing).values()) == {None}
    assert nothing.retreat_m_per_year is None
    assert nothing.confidence < 0.3


def test_a_hidden_mapping_year_leaves_the_others() -> None:
    shapes = growing(0.0, 10.0, first=2017)
    growth = measure(clouded(seen(shapes), MAPPED), drawn(shapes), None, 0.0, SETTINGS)
    found = areas(growth)
    assert (found[2016], found[MAPPED]) == (0.0, None)
    assert found[2018] == pytest.approx(0.99, rel=0.1)
    assert growth.initiation == "2016-2017"
    assert growth.retreat_m_per_year == pytest.approx(10.0, abs=0.6)


def test_half_hidden_ground_is_scaled_up_and_little_ground_gives_no_area() -> None:
    shapes = growing(90.0, 0.0)
    whole = seen(shapes)
    rows = whole.values.shape[1]
    most = measure(clouded(whole, 2017, slice(0, int(rows * 0.4))), drawn(shapes), None, 90.0, SETTINGS)
    share = most.areas[1].share_valid
    assert 0.6 < share < 0.75
    assert most.areas[1].area_ha == pytest.approx(1.08, rel=0.06)
    least = measure(clouded(whole, 2017, slice(0, int(rows * 0.6))), drawn(shapes), None, 90.0, SETTINGS)
    assert least.areas[1].share_valid < 0.4
    assert least.areas[1].area_ha is None
    shapes = growing(90.0, 0.0, first=2018)
    tied = measure(clouded(seen(shapes), 2017, slice(0, int(rows * 0.6))), drawn(shapes), None, 90.0, SETTINGS)
    assert tied.confidence == pytest.approx(0.5, abs=0.02)


def test_a_cloud_over_the_headwall_moves_nothing() -> None:
    """The year still has an area, but no edge to see: where profiles are hidden they do not count."""
    shapes = growing(0.0, 10.0)
    whole = seen(shapes)
    y = CENTRE[1]
    top = round((whole.transform.f - (y + 20)) / 3.0)
    hidden = clouded(clouded(whole, 2016, slice(0, top)), 2017, slice(0, top))
    growth = measure(hidden, drawn(shapes), None, 0.0, SETTINGS)
    assert growth.areas[1].share_valid > 0.6
    assert growth.areas[1].area_ha is not None
    assert growth.retreat_m_per_year == pytest.approx(10.0, abs=0.4)


def test_noise_before_the_slump_is_no_ground_of_it() -> None:
    shapes = growing(0.0, 10.0, first=2018)
    growth = measure(seen(shapes, noise=0.4), drawn(shapes), None, 0.0, SETTINGS)
    assert growth.initiation == "2017-2018"
    assert (areas(growth)[2016], areas(growth)[2017]) == (0.0, 0.0)
    assert growth.retreat_m_per_year == pytest.approx(10.0, abs=2)


def test_the_area_of_the_mapping_year_is_the_drawn_one() -> None:
    """Also where people see more of the slump than the networks do: then the other years are scaled with it."""
    shapes = growing(0.0, 10.0)
    wide = drawn(shapes).buffer(12, join_style="mitre")
    growth = measure(seen(shapes), wide, None, 0.0, SETTINGS)
    assert areas(growth)[2019] == pytest.approx(wide.area / 1e4, abs=1e-3)
    assert areas(growth)[2017] == pytest.approx(wide.area / 1e4 * 100 / 120, rel=0.05)


def test_a_headwall_gives_the_place_and_the_direction() -> None:
    """Half of the headwall retreats, the other half stands; the line says which of them is meant."""
    x, y = CENTRE
    shapes: dict[int, shapely.Geometry | None] = {
        year: shapely.union(
            shapely.box(x - 60, y - 60, x, y + 60 + 10 * (year - MAPPED)), shapely.box(x, y - 60, x + 60, y + 60)
        )
        for year in YEARS
    }
    for line, rate in (([(x - 58, y + 60), (x - 4, y + 60)], 10.0), ([(x + 4, y + 60), (x + 58, y + 60)], 0.0)):
        growth = measure(seen(shapes), drawn(shapes), shapely.LineString(line), 0.0, SETTINGS)
        assert growth.retreat_m_per_year == pytest.approx(rate, abs=0.4)
    whole = shapely.LineString([(x - 60, y + 60), (x + 60, y + 60)])
    shapes = growing(0.0, 10.0)
    assert measure(seen(shapes), drawn(shapes), whole, None, SETTINGS).retreat_m_per_year == pytest.approx(10, abs=0.5)
    nobody = measure(seen(shapes), drawn(shapes), None, None, SETTINGS)
    assert nobody.retreat_m_per_year is None
    assert "uphill" in nobody.note


def test_a_neighbour_outside_the_rim_is_left_out() -> None:
    shapes = growing(0.0, 0.0)
    beside = translate(drawn(shapes), xoff=90 + 2 * 18)
    both = {year: shapely.union(shape, beside) for year, shape in shapes.items()}
    yearly = seen({year: shape if year != MAPPED else shapes[year] for year, shape in both.items()}, margin=60)
    growth = measure(yearly, drawn(shapes), None, 0.0, SETTINGS)
    for year in (2016, 2017, 2018):
        assert areas(growth)[year] == pytest.approx(1.08, rel=0.04)


def test_a_boundary_beyond_the_ground_that_was_looked_at() -> None:
    shapes = growing(0.0, 10.0, first=2017)
    yearly = seen(shapes)
    x, y = CENTRE
    far = shapely.union(drawn(shapes), shapely.box(x - 45, y - 900, x + 45, y - 50))
    growth = measure(yearly, far, None, 0.0, SETTINGS)
    assert set(areas(growth).values()) == {None}
    assert growth.areas[0].share_valid < 0.3
    with pytest.raises(InputError, match="outside the ground"):
        measure(yearly, translate(drawn(shapes), xoff=5000), None, 0.0, SETTINGS)
    with pytest.raises(InputError, match="empty"):
        measure(yearly, shapely.Polygon(), None, 0.0, SETTINGS)


def lines_run(measured: Callable[[], object]) -> int:
    """Lines of the module under test that are executed."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if frame.f_code.co_filename != measure.__code__.co_filename:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        measured()
    finally:
        sys.settrace(before)
    return count


def test_people_do_not_wait() -> None:
    """Arrays do all that is done for each pixel: a slump of five times the ground takes not one line more."""
    small = {year: rectangle(40.0, 100 + 10 * (year - MAPPED)) for year in YEARS}
    large = {year: rectangle(40.0, 250 + 10 * (year - MAPPED), 180.0, -100.0) for year in YEARS}
    lines = [
        lines_run(partial(measure, seen(shapes), drawn(shapes), None, 40.0, SETTINGS)) for shapes in (small, large)
    ]
    assert lines[0] == lines[1] > 50


@pytest.mark.parametrize("years", [(2016, 2017, 2018, 2019, 2020), (2018, 2019), (2019,), (2015, 2018, 2019)])
def test_names_of_groups(years: tuple[int, ...]) -> None:
    groups = initiation_groups(years, 2019)
    shown = [year for year in years if year <= 2019]
    assert groups == (f"before {shown[0]}", *(f"{a}-{b}" for a, b in itertools.pairwise(shown)))
    assert initiation_groups([2016, 2018, 2020]) == ("before 2016", "2016-2018", "2018-2020")


def test_the_demo_names_the_same_groups() -> None:
    first = {name: year for name, (year, _) in INITIATION.items()}
    assert tuple(first) == initiation_groups(YEARS, MAPPING_YEAR)
    assert [first[name] for name in initiation_groups(YEARS, MAPPING_YEAR)[1:]] == [2017, 2018, 2019]


def confirmed(path: Path, shapes: list[Shapes], source: str = "inspection", **columns: list[str | None]) -> Path:
    rows = {
        "id": [f"01-r{n}c7" if source == "inspection" else f"S{n}" for n in range(len(shapes))],
        "iteration_found": [1] * len(shapes),
        "probability": ["high"] * len(shapes),
        "initiation": ["before 2016"] * len(shapes),
        "source": [source] * len(shapes),
    }
    layer = gpd.GeoDataFrame(rows | columns, geometry=[drawn(shape) for shape in shapes], crs=GRID.crs)
    write_layer(layer, path)
    return path


def test_table(tmp_path: Path) -> None:
    found, known = [growing(0.0, 10.0, first=2018), growing(90.0, 6.0)], [growing(180.0, 0.0)]
    accepted = confirmed(tmp_path / "accepted.gpkg", found)
    positives = confirmed(tmp_path / "positives.gpkg", known, "initial")
    yearly = tmp_path / "yearly.zip"
    names = ["01-r0c7", "01-r1c7", "S0"]
    write_yearly(yearly, zip(names, map(seen, [*found, *known]), strict=True))

    def uphill(layer: gpd.GeoDataFrame) -> pd.Series:
        return layer["id"].map({"01-r0c7": 0.0, "01-r1c7": 90.0, "S0": math.nan})

    write_growth([positives, accepted], yearly, SETTINGS, tmp_path / "growth.gpkg", uphill)
    table = read_layer(tmp_path / "growth.gpkg", "growth").set_index("id")
    assert list(table.index) == names
    assert list(table["initiation"]) == ["before 2016"] * 3
    assert list(table["initiation_measured"]) == ["2017-2018", "before 2016", "before 2016"]
    assert table["candidate_id"].isna().tolist() == [False, False, True]
    assert table["retreat_m_per_year"].tolist()[:2] == pytest.approx([10, 6], abs=0.5)
    assert math.isnan(table["retreat_m_per_year"]["S0"])
    assert table["area_ha_2016"]["01-r0c7"] == 0
    assert table["area_ha_2019"].tolist() == pytest.approx([1.08] * 3, rel=0.04)
    csv = pd.read_csv(tmp_path / "growth.csv", index_col="id")
    assert csv["initiation_measured"].tolist() == table["initiation_measured"].tolist()


def test_table_of_nothing(tmp_path: Path) -> None:
    accepted = confirmed(tmp_path / "accepted.gpkg", [])
    write_yearly(tmp_path / "yearly.zip", [])
    write_growth([accepted], tmp_path / "yearly.zip", SETTINGS, tmp_path / "growth.gpkg")
    assert len(read_layer(tmp_path / "growth.gpkg", "growth", columns=("id", "measured_confidence"))) == 0


def test_table_refuses(tmp_path: Path) -> None:
    shapes = growing(0.0, 10.0)
    write_yearly(tmp_path / "yearly.zip", [("01-r0c7", seen(shapes))])
    two = confirmed(tmp_path / "two.gpkg", [shapes, shapes])
    with pytest.raises(InputError, match="holds nothing on slump '01-r1c7'"):
        write_growth([two], tmp_path / "yearly.zip", SETTINGS, tmp_path / "growth.gpkg")
    for text in ("POINT (1 2)", "LINESTRING EMPTY", "headwall"):
        one = confirmed(tmp_path / "one.gpkg", [shapes], headwall=[text])
        with pytest.raises(InputError, match="headwall of slump '01-r0c7' is no line"):
            write_growth([one], tmp_path / "yearly.zip", SETTINGS, tmp_path / "growth.gpkg")
    assert not (tmp_path / "growth.gpkg").exists()


def test_table_takes_drawn_headwalls(tmp_path: Path) -> None:
    x, y = CENTRE
    shapes = growing(0.0, 10.0)
    write_yearly(tmp_path / "yearly.zip", [("01-r0c7", seen(shapes)), ("01-r1c7", seen(shapes))])
    line = shapely.LineString([(x - 40, y + 60), (x + 40, y + 60)]).wkt
    accepted = confirmed(tmp_path / "accepted.gpkg", [shapes, shapes], headwall=[line, None])
    write_growth([accepted], tmp_path / "yearly.zip", SETTINGS, tmp_path / "growth.gpkg")
    retreat = read_layer(tmp_path / "growth.gpkg", "growth")["retreat_m_per_year"]
    assert retreat[0] == pytest.approx(10, abs=0.5)
    assert math.isnan(retreat[1])
