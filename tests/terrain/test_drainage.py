"""Drainage by hand, by properties that hold for any ground, and against richdem and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import distance_transform_edt, minimum_filter

from slumpmap.errors import InputError
from slumpmap.terrain import drainage, richdem_door
from slumpmap.terrain.drainage import COLUMNS, NODATA, OUTLET, ROWS

E, SE, S, SW, W, NW, N, NE = range(8)
needs_richdem = pytest.mark.skipif(not richdem_door.available(), reason="richdem is optional and not installed")


def sizes(rows: int, dx: float = 30.0, dy: float = 30.0) -> tuple[np.ndarray, np.ndarray]:
    return np.full(rows, dx), np.full(rows, dy)


def drained(elevation: np.ndarray, dx: float = 30.0, dy: float = 30.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Filled elevations, directions and counts of cells."""
    filled = drainage.fill(elevation)
    direction = drainage.directions(filled, *sizes(elevation.shape[0], dx, dy))
    return filled, direction, drainage.accumulate(direction, np.ones(elevation.shape[0]))


def arrives(direction: np.ndarray) -> np.ndarray:
    """The outlet that each cell reaches (flat index), by pointer jumping; -1 for nodata and for loops."""
    target = np.arange(direction.size)
    moving = direction.ravel() >= 0
    code = direction.ravel()[moving]
    target[moving] += ROWS[code] * direction.shape[1] + COLUMNS[code]
    for _ in range(int(direction.size).bit_length()):
        target = target[target]
    return np.where(direction.ravel()[target] == OUTLET, target, -1)


def rough(shape: tuple[int, int], seed: int = 5) -> np.ndarray:
    """Hills, pits, and flats where they are cut off."""
    rng = np.random.default_rng(seed)
    row, column = np.indices(shape)
    waves = sum(np.sin(a * row + b * column + i) for i, (a, b) in enumerate(rng.uniform(-0.3, 0.3, (10, 2))))
    return (4800 + np.clip(20 * waves, -30, 40) + rng.normal(0, 0.5, shape)).astype(np.float32)


def grounds(unique: bool = False) -> st.SearchStrategy[np.ndarray]:
    """Small DEMs: few levels, hence many pits and flats, with voids; or all elevations different, without."""
    shapes = array_shapes(min_dims=2, max_dims=2, min_side=3, max_side=12)
    if unique:
        return st.tuples(shapes, st.integers(0, 2**32 - 1)).map(
            lambda made: np.random.default_rng(made[1]).permutation(np.prod(made[0])).reshape(made[0]) ** 1.37
        )
    levels = st.sampled_from([np.nan, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    return arrays(np.float32, shapes, elements=levels)


# By hand.


def test_steepest_is_not_lowest():
    """The diagonal neighbour is the lowest, but 1.3 m over 42 m are less steep than 1 m over 30 m."""
    elevation = np.full((5, 5), 20.0)
    elevation[2, 2], elevation[2, 3], elevation[3, 3], elevation[2, 4] = 10.0, 9.0, 8.7, 8.0
    direction = drainage.directions(elevation, *sizes(5))
    assert direction[2, 2] == E
    elevation[3, 3] = 8.5  # 1.5 m over 42.4 m: 0.0354 against 0.0333
    assert drainage.directions(elevation, *sizes(5))[2, 2] == SE


def test_oblong_cells():
    """One metre down to the east and to the south: the shorter way is the steeper."""
    elevation = np.full((5, 5), 20.0)
    elevation[2, 2], elevation[2, 3], elevation[3, 2] = 10.0, 9.0, 9.0
    assert drainage.directions(elevation, *sizes(5, 25, 31))[2, 2] == E
    assert drainage.directions(elevation, *sizes(5, 31, 25))[2, 2] == S


def test_equal_descents_take_the_first_code():
    elevation = np.full((5, 5), 20.0)
    elevation[2, 2] = 10
    elevation[2, 1], elevation[3, 2], elevation[1, 2] = 9.0, 9.0, 9.0
    assert drainage.directions(elevation, *sizes(5))[2, 2] == S


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_plane_drains_straight(dtype):
    elevation = (100 - np.indices((5, 7))[1]).astype(dtype)
    filled, direction, count = drained(elevation)
    assert filled.dtype == dtype
    np.testing.assert_array_equal(filled, elevation)
    assert (direction[:, :-1] == E).all() and (direction[:, -1] == OUTLET).all()
    np.testing.assert_array_equal(count, np.tile(np.arange(1.0, 8), (5, 1)))


def test_cone_drains_outward():
    row, column = np.indices((41, 41)) - 20.0
    direction = drainage.directions(500 - np.hypot(row, column), *sizes(41))
    inner = np.s_[1:-1, 1:-1]
    code = direction[inner].astype(float)
    outward = np.degrees(np.arctan2(row, column))[inner]
    turn = (code * 45 - outward + 180) % 360 - 180
    away = np.hypot(row, column)[inner] > 10
    assert (code >= 0).all()
    # The steepest of eight directions lies within half a step of the gradient; the curvature adds a little.
    assert np.abs(turn[away]).max() < 22.5 + 2


def test_pit_is_filled_to_its_spill_and_drains():
    elevation = np.full((7, 7), 10.0)
    elevation[3, 3] = 2.0
    elevation[0, 3] = 8.0
    elevation[1, 3] = 9.0
    elevation[2, 3] = 9.5
    filled, direction, count = drained(elevation)
    assert filled[3, 3] == 9.5
    assert np.count_nonzero(filled != elevation) == 1
    assert arrives(direction)[3 * 7 + 3] == 3
    assert count[0, 3] >= 4


def test_water_leaves_into_a_void():
    elevation = np.full((7, 7), 10.0)
    elevation[3, 3] = np.nan
    elevation[2, 2] = 4.0
    filled, direction, count = drained(elevation)
    assert filled[2, 2] == 4.0 and direction[2, 2] == OUTLET
    assert np.isnan(filled[3, 3]) and np.isnan(count[3, 3]) and direction[3, 3] == NODATA


def test_flat_drains_away_from_high_ground():
    """A shelf between a wall in the north and its only way out, the middle of the south edge.

    Towards the way out alone, rows beside the wall would run along it; away from the wall they leave it.
    """
    elevation = np.full((7, 9), 5.0)
    elevation[0], elevation[:, 0], elevation[:, -1], elevation[-1] = 9.0, 9.0, 9.0, 9.0
    elevation[-1, 4] = 4.0
    _, direction, count = drained(elevation)
    shelf = elevation == 5.0
    assert (arrives(direction)[np.flatnonzero(shelf)] == 6 * 9 + 4).all()
    assert set(direction[1, 1:8].tolist()) <= {SE, S, SW}
    # The wall's and the banks' cells are rim and drain onto the shelf, all but the corners, which see wall only.
    assert count[-1, 4] == np.count_nonzero(arrives(direction) == 6 * 9 + 4) >= shelf.sum() + 1


def test_flat_dem_drains_to_its_rim():
    _, direction, count = drained(np.full((9, 9), 4500.0))
    assert (arrives(direction) >= 0).all()
    assert count[direction == OUTLET].sum() == 81
    assert count[1:-1, 1:-1].max() <= 4


def test_strahler_by_hand():
    """Two heads meet (2), a third head joins (2), then a river of order 2 from the other side (3)."""
    _ = -9
    down = np.array(
        [
            [S, _, S, _, S, _, S, _],
            [SE, _, SW, _, SE, _, SW, _],
            [_, S, _, _, _, S, _, _],
            [E, E, SE, _, SW, W, _, _],
            [_, _, _, S, _, _, _, _],
            [_, _, _, OUTLET, _, _, _, _],
        ],
        np.int8,
    )
    channel = down != _
    order = drainage.strahler(np.where(channel, down, OUTLET).astype(np.int8), channel)
    expected = np.array(
        [
            [1, 0, 1, 0, 1, 0, 1, 0],
            [1, 0, 1, 0, 1, 0, 1, 0],
            [0, 2, 0, 0, 0, 2, 0, 0],
            [1, 2, 2, 0, 2, 2, 0, 0],
            [0, 0, 0, 3, 0, 0, 0, 0],
            [0, 0, 0, 3, 0, 0, 0, 0],
        ]
    )
    np.testing.assert_array_equal(order, expected)


def test_reaches_by_hand():
    """Two heads of 2 cells and one of 3 meet, and 2 cells below it is the edge."""
    _ = -9
    down = np.array([[_, SE, S, SW, _], [_, _, S, _, _], [_, _, S, _, _], [_, _, OUTLET, _, _]], np.int8)
    channel = down != _
    direction = np.where(channel, down, OUTLET).astype(np.int8)
    catchment = drainage.accumulate(direction, np.full(4, 0.5))
    order = drainage.strahler(direction, channel)
    found = drainage.reaches(direction, channel, order, catchment, *sizes(4, 30, 40))
    assert found.offsets.tolist() == [0, 2, 4, 6, 9]
    assert found.cells.tolist() == [1, 7, 2, 7, 3, 7, 7, 12, 17]
    assert found.downstream.tolist() == [3, 3, 3, -1]
    assert found.order.tolist() == [1, 1, 1, 2]
    np.testing.assert_allclose(found.length, [50, 40, 50, 80])
    np.testing.assert_allclose(found.catchment, [0.5, 0.5, 0.5, 3.0])


def test_channel_of_one_cell_at_an_outlet_makes_no_reach():
    direction = np.full((3, 3), OUTLET, np.int8)
    channel = np.ones((3, 3), bool)
    found = drainage.reaches(direction, channel, drainage.strahler(direction, channel), np.ones((3, 3)), *sizes(3))
    assert found.order.size == found.cells.size == 0


# Properties of any ground.


@given(grounds())
def test_every_cell_reaches_an_outlet(elevation):
    filled, direction, count = drained(elevation)
    known = ~np.isnan(elevation)
    np.testing.assert_array_equal(np.isnan(filled), ~known)
    np.testing.assert_array_equal(direction == NODATA, ~known)
    assert (arrives(direction)[known.ravel()] >= 0).all()
    assert (filled[known] >= elevation[known]).all()
    assert (count[known] >= 1).all()
    assert count[direction == OUTLET].sum() == known.sum()


@given(grounds())
def test_water_never_runs_uphill_and_fill_is_final(elevation):
    filled, direction, _ = drained(elevation)
    np.testing.assert_array_equal(drainage.fill(filled), filled)
    row, column = np.nonzero(direction >= 0)
    code = direction[row, column]
    assert (filled[row + ROWS[code], column + COLUMNS[code]] <= filled[row, column]).all()


@given(grounds())
def test_fill_is_the_least_highest_point_of_all_ways_out(elevation):
    """By relaxation until nothing changes: an own definition, slow."""
    known = ~np.isnan(elevation)
    padded = np.pad(elevation, 1, constant_values=np.nan)
    level = np.where(np.isnan(padded), -np.inf, np.inf)
    while True:
        ways = np.stack([np.roll(level, (-i, -j), (0, 1)) for i, j in zip(ROWS, COLUMNS, strict=True)])
        lower = np.where(np.isnan(padded), -np.inf, np.maximum(np.nan_to_num(padded), ways.min(axis=0)))
        if np.array_equal(lower, level):
            break
        level = lower
    np.testing.assert_array_equal(drainage.fill(elevation)[known], level[1:-1, 1:-1][known])


@given(grounds(unique=True))
def test_rotation_rotates_results(elevation):
    """Filled levels always; directions where no tie can be, that is on and beside ground that was not filled."""
    filled, direction, _ = drained(elevation)
    turned, its_direction, _ = drained(np.rot90(elevation))
    np.testing.assert_array_equal(turned, np.rot90(filled))
    # A quarter counter-clockwise takes east to north: two codes back.
    expected = np.where(direction >= 0, (direction + 6) % 8, direction)
    dry = np.rot90(minimum_filter(filled == elevation, 3))
    np.testing.assert_array_equal(its_direction[dry], np.rot90(expected)[dry])


@given(grounds(), st.integers(1, 6))
def test_strahler_and_reaches_of_any_network(elevation, threshold):
    _, direction, count = drained(elevation)
    channel = count >= threshold
    order = drainage.strahler(direction, channel)
    np.testing.assert_array_equal(order, _slow_orders(direction, channel))
    found = drainage.reaches(direction, channel, order, count, *sizes(elevation.shape[0]))
    ends = found.cells[found.offsets[1:] - 1]
    starts = found.cells[found.offsets[:-1]]
    for n, after in enumerate(found.downstream):
        if after >= 0:
            assert starts[after] == ends[n]
            assert found.order[after] >= found.order[n]
            assert found.catchment[after] > found.catchment[n]
        else:
            assert direction.ravel()[ends[n]] == OUTLET
    # Each step between channel cells belongs to exactly one reach.
    steps = np.flatnonzero(channel.ravel() & (direction.ravel() >= 0))
    inner = np.ones(found.cells.size, bool)
    inner[found.offsets[1:] - 1] = False
    np.testing.assert_array_equal(np.sort(found.cells[inner]), steps)


def _slow_orders(direction: np.ndarray, channel: np.ndarray) -> np.ndarray:
    """Strahler's definition, read literally."""
    above: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for row, column in np.argwhere(channel & (direction >= 0)):
        k = direction[row, column]
        above.setdefault((row + ROWS[k], column + COLUMNS[k]), []).append((row, column))

    def of(cell: tuple[int, int]) -> int:
        orders = sorted((of(upper) for upper in above.get(cell, [])), reverse=True)
        if not orders:
            return 1
        return orders[0] + 1 if orders[1:2] == orders[:1] else orders[0]

    out = np.zeros(direction.shape, int)
    for row, column in np.argwhere(channel):
        out[row, column] = of((row, column))
    return out


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=15)), st.sampled_from([0.7, 1.0, 3.0]))
def test_distance_is_exact(target, stretch):
    found = drainage.distance_to(target, *sizes(target.shape[0], 30.0 * stretch, 30.0))
    if not target.any():
        assert np.isnan(found).all()
        return
    expected = distance_transform_edt(~target, sampling=(30.0, 30.0 * stretch))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_too_many_cells_are_refused():
    with pytest.raises(ValueError, match="2\\^31"):
        drainage.fill(np.broadcast_to(np.float32(0), (2**16, 2**15)))


@needs_richdem
def test_richdem_gives_the_same():
    elevation = rough((150, 170))
    elevation[:30, 60:65] = np.nan
    filled = drainage.fill(elevation)
    np.testing.assert_array_equal(richdem_door.fill(elevation), filled)
    direction = drainage.directions(filled, *sizes(150))
    weight = np.linspace(800, 900, 150)
    expected = drainage.accumulate(direction, weight)
    np.testing.assert_allclose(richdem_door.accumulate(direction, weight), expected, rtol=1e-9)


@needs_richdem
def test_richdem_takes_an_enclosed_void_for_a_pit_and_is_refused():
    elevation = rough((50, 50))
    elevation[20, 20] = np.nan
    with pytest.raises(InputError, match="voids"):
        richdem_door.fill(elevation)
