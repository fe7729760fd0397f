from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import shapely
from scipy.stats import circmean
from shapely.geometry import box

from slumpmap.demo import corridor_size
from slumpmap.demo.corridor import Layout, make_layout
from slumpmap.demo.placing import Room
from slumpmap.demo.scenes import FARTHEST_M
from slumpmap.demo.slumps import INITIATION, MAPPING_YEAR, shares
from slumpmap.demo.terrain import gradient
from slumpmap.errors import InputError


def test_demo_has_the_papers_sizes_and_shares(layout: Layout) -> None:
    areas = np.array([slump.polygon(MAPPING_YEAR).area for slump in layout.slumps]) / 1e4
    assert len(areas) >= 60
    assert areas.min() >= 0.05
    assert areas.max() <= 24.0
    assert 1.5 < areas.mean() < 2.4
    assert (areas < 10.0).mean() >= 0.95
    # A heavy tail: the largest tenth holds more than a third of the ground.
    assert np.sort(areas)[-len(areas) // 10 :].sum() > areas.sum() / 3
    groups = [slump.initiation for slump in layout.slumps]
    expected = shares(len(areas), [share for _, share in INITIATION.values()])
    assert [groups.count(group) for group in INITIATION] == list(expected)
    assert abs([slump.landscape for slump in layout.slumps].count("A") / len(areas) - 0.54) < 0.02
    assert any(slump.rate == 0.0 for slump in layout.slumps)
    assert 250 <= len(layout.lookalikes) <= 450


def test_headwall_is_uphill(layout: Layout) -> None:
    rises = []
    for slump in layout.slumps:
        points, head = slump.points(MAPPING_YEAR), slump.outline.head
        heights = layout.terrain.dem.at(points[:, 0], points[:, 1])
        rises.append(heights[head > 0.5].mean() - heights[head == 0.0].mean())
    assert np.mean(np.array(rises) > 0) > 0.95


def test_slumps_prefer_gentle_north_facing_slopes(layout: Layout) -> None:
    east, north = gradient(layout.terrain.dem, 60.0)
    x, y = (np.array([getattr(slump, axis) for slump in layout.slumps]) for axis in "xy")
    rise = np.hypot(east.at(x, y), north.at(x, y))
    slope = np.degrees(np.arctan(rise))
    assert 4.0 <= np.median(slope) <= 8.0
    downhill = np.degrees(np.arctan2(-east.at(x, y), -north.at(x, y)))
    mean = np.degrees(circmean(np.radians(downhill), high=np.pi, low=-np.pi))
    assert abs(mean) < 60.0
    facing_north = (-north.at(x, y) / rise > 0.5).mean()
    inside = np.s_[500:-500, 500:-500]
    everywhere = (-north.values[inside] / np.hypot(east.values, north.values)[inside] > 0.5).mean()
    assert facing_north > everywhere + 0.2


def test_objects_keep_apart_and_inside(layout: Layout) -> None:
    study = shapely.box(*layout.size.bounds)
    slumps = [slump.polygon(2020) for slump in layout.slumps]
    things = [thing.polygon() for thing in layout.lookalikes]
    assert all(shape.is_valid and shape.within(study) for shape in [*slumps, *things])
    gaps = [one.distance(other) for one, other in combinations(slumps, 2)]
    assert min(gaps) >= 10.0
    assert any(gap < 60.0 for gap in gaps)
    assert not shapely.STRtree(things).query(slumps, predicate="intersects").size


def test_growth_is_monotone_and_stable_ones_rest(layout: Layout) -> None:
    for slump in layout.slumps:
        first, *later = [slump.polygon(year) for year in range(2016, 2021) if slump.exists(year)]
        for next_year in later:
            assert first.difference(next_year).area <= 1e-6 * first.area
            assert (next_year.area == first.area) == (slump.rate == 0.0)
            first = next_year


def test_layout_is_a_function_of_size_and_seed(tiny: Layout) -> None:
    again, other = make_layout(tiny.size, 1), make_layout(tiny.size, 2)
    assert [slump.polygon(2019).wkb for slump in again.slumps] == [slump.polygon(2019).wkb for slump in tiny.slumps]
    assert [slump.x for slump in other.slumps] != [slump.x for slump in tiny.slumps]


def test_large_has_slumps_in_proportion() -> None:
    size = corridor_size("large", area_km2=800.0)
    west, south, east, north = size.bounds
    assert abs((east - west) * (north - south) / 1e6 - 800.0) < 20.0
    assert abs(size.slumps / 800.0 - corridor_size("demo").slumps / 94.5) < 0.02


@pytest.mark.parametrize(("size", "area"), [("huge", None), ("large", None), ("large", 1.0), ("tiny", 50.0)])
def test_bad_sizes_are_refused(size: str, area: float | None) -> None:
    with pytest.raises(InputError):
        corridor_size(size, area)


def test_room_is_found_as_by_asking_everything() -> None:
    """Things are looked up by squares; the answer is that of the distance to every one of them."""
    rng = np.random.default_rng(3)
    room, taken, answers = Room((0.0, 0.0, 6000.0, 6000.0), 30.0), [], []
    for _ in range(400):
        x, y = rng.uniform(-100, 6000, 2)
        shape = box(x, y, x + rng.choice([20, 300, 1500]), y + rng.choice([20, 300, 900]))
        gap = float(rng.choice([0.0, 14.0, 700.0]))
        inside = shape.within(box(30, 30, 5970, 5970))
        wanted = inside and all(shape.distance(other) >= gap for other in taken)
        assert room.fits(shape, gap) == wanted
        answers.append(wanted)
        if wanted and len(taken) < 25:
            room.take(shape)
            taken.append(shape)
    assert 20 < sum(answers) < 380


def test_scenes_look_for_objects_as_far_as_any_reaches(layout: Layout) -> None:
    reaches = [
        float(np.hypot(*(thing.points(year) - [thing.x, thing.y]).T).max())
        for thing in layout.slumps
        for year in range(2010, 2031)
    ]
    reaches += [float(np.hypot(*(thing.points() - [thing.x, thing.y]).T).max()) for thing in layout.lookalikes]
    assert max(reaches) < FARTHEST_M / 2
