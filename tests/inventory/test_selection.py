"""Selection ratios and tests on thinned samples, against hand counts, scipy, exact enumeration and published values."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from scipy.stats import ks_2samp

from slumpmap.inventory.selection import (
    binned,
    kolmogorov_smirnov,
    selection_ratios,
    spatial_blocks,
    thinned,
    watson,
    watson_p,
    watson_permutation_p,
    watson_u2,
)

RNG = np.random.default_rng


def test_classes_of_numbers():
    values = np.array([-1.0, 0.0, 3.9, 4.0, 8.0, 90.0, np.nan])
    assert binned(values, (0, 4, 8), " degrees").tolist() == [
        "below 0 degrees", "0 to 4 degrees", "0 to 4 degrees", "4 to 8 degrees", "8 or more degrees",
        "8 or more degrees", None,
    ]  # fmt: skip


def test_blocks_are_shared_by_both_layers():
    first, second = spatial_blocks(100, np.array([[10, 10], [110, 10], [-1, 10]]), np.array([[199, 99], [0, 0]]))
    assert first[1] == second[0] and first[0] == second[1] and first[2] not in (first[0], first[1])
    assert set(first) | set(second) == {0, 1, 2}


# --- selection ratios -----------------------------------------------------------------------------------------------


def test_ratio_by_hand():
    """Meadow: 3 of 4 slumps on 4 of 10 points, 0.75 / 0.4; rock has a point and no slump; water a slump, no point."""
    slumps = np.array(["meadow", "meadow", "meadow", "water", None], dtype=object)
    landscape = np.array(["meadow"] * 4 + ["steppe"] * 5 + ["rock"], dtype=object)
    rng = RNG(1)
    table = selection_ratios(slumps, rng.uniform(0, 9e3, (5, 2)), landscape, rng.uniform(0, 9e3, (10, 2)), 1000, 1)
    rows = table.set_index("class")
    assert rows.loc["meadow", ["slumps", "share_slumps", "share_landscape"]].tolist() == [3, 0.75, 0.4]
    assert rows["ratio"].to_dict() == pytest.approx(
        {"meadow": 1.875, "rock": 0, "steppe": 0, "water": np.nan}, nan_ok=True
    )
    assert rows.loc[["rock", "steppe", "water"], "finding"].tolist() == ["unknown"] * 3
    assert table.attrs["unknown_slumps"] == 1 and table.attrs["unknown_landscape"] == 0


def wooded(seed, preference=3.0, clusters=None):
    """A landscape of square patches, half of class b; slumps prefer b; in clusters if asked."""
    rng = RNG(seed)
    landscape = rng.uniform(0, 100e3, (4000, 2))
    patch = RNG(99).random((50, 50)) < 0.5

    def is_b(xy):
        return patch[tuple((xy // 2000).astype(int).T)]

    tries = rng.uniform(2e3, 98e3, (20_000, 2))
    keep = rng.random(len(tries)) < np.where(is_b(tries), preference, 1) / max(preference, 1)
    slumps = tries[keep][: clusters or 300]
    if clusters:
        slumps = np.repeat(slumps, 300 // clusters, axis=0) + rng.uniform(-50, 50, (clusters * (300 // clusters), 2))
    names = np.array(["a", "b"], dtype=object)
    return names[is_b(slumps).astype(int)], slumps, names[is_b(landscape).astype(int)], landscape


def test_a_preference_is_found_and_has_the_right_sign():
    table = selection_ratios(*wooded(3), 5000, 1).set_index("class")
    assert table.loc["b", "finding"] == "preferred" and table.loc["a", "finding"] == "avoided"
    # Half the ground, three times as dense: shares 3/4 and 1/4, ratios 1.5 and 0.5.
    assert table.loc["b", "ratio"] == pytest.approx(1.5, abs=0.1)
    assert table.loc["b", "lower"] < table.loc["b", "ratio"] < table.loc["b", "upper"]
    none = selection_ratios(*wooded(3, preference=1.0), 5000, 1).set_index("class")
    assert none["finding"].tolist() == ["as available"] * 2


def test_intervals_of_blocks_cover_and_those_of_single_slumps_do_not():
    """300 slumps in 20 clusters without any preference: blocks hold 90 %, single slumps take chance for a choice."""
    covered = {5000.0: 0, 1.0: 0}
    for seed in range(40):
        data = wooded(seed, preference=1.0, clusters=20)
        for block_m in covered:
            row = selection_ratios(*data, block_m, 1, repeats=300).set_index("class").loc["b"]
            covered[block_m] += row["lower"] <= 1 <= row["upper"]
    assert covered[5000.0] >= 31
    assert covered[1.0] <= 20


def test_same_seed_same_interval():
    first, second = (selection_ratios(*wooded(3), 5000, 7, repeats=100) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_one_block_has_no_interval():
    table = selection_ratios(np.array(["a", "b"]), np.zeros((2, 2)), np.array(["a", "b"]), np.zeros((2, 2)), 10, 1)
    assert table["lower"].isna().all() and table["ratio"].tolist() == [1, 1]


# --- thinning -------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(0, 60), st.floats(0, 40))
def test_thinned_equals_the_loop(seed, count, distance):
    rng = RNG(seed)
    xy = rng.uniform(0, 100, (count, 2)).round()
    kept = thinned(xy, distance, RNG(seed))
    order = np.argsort(RNG(seed).permutation(count))
    taken: list[int] = []
    for row in order:
        if all(np.hypot(*(xy[row] - xy[other])) >= distance for other in taken):
            taken.append(row)
    assert kept.tolist() == sorted(taken)
    if len(kept) > 1:
        assert pdist(xy[kept]).min() >= distance


def test_points_at_just_the_distance_stay():
    xy = np.column_stack([np.arange(5) * 10.0, np.zeros(5)])
    assert thinned(xy, 10, RNG(1)).tolist() == [0, 1, 2, 3, 4] and len(thinned(xy, 10.001, RNG(1))) <= 3


# --- Kolmogorov-Smirnov ---------------------------------------------------------------------------------------------


def test_without_thinning_it_is_scipys():
    rng = RNG(2)
    slumps, landscape = rng.normal(4700, 80, 60), rng.normal(4800, 150, 500)
    xy = rng.uniform(0, 1e5, (560, 2))
    found = kolmogorov_smirnov(slumps, xy[:60], landscape, xy[60:], 0, 1, repeats=3)
    expected = ks_2samp(slumps, landscape)
    assert (found.statistic, found.p_median) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.p == pytest.approx(2 * expected.pvalue) and (found.slumps, found.landscape) == (60, 500)
    # The statistic by definition.
    grid = np.concatenate([slumps, landscape])
    gap = (slumps[:, None] <= grid).mean(axis=0) - (landscape[:, None] <= grid).mean(axis=0)
    assert found.statistic == pytest.approx(np.abs(gap).max())
    assert found.direction == "lower"
    assert kolmogorov_smirnov(slumps + 300, xy[:60], landscape, xy[60:], 0, 1, repeats=3).direction == "higher"


def test_thinning_takes_copies_for_what_they_are():
    """20 places, each 15 times: all 300 together find a difference that the 20 do not hold."""
    rng = RNG(4)
    places, values = rng.uniform(0, 1e5, (20, 2)), rng.normal(0.4, 1, 20)
    xy, repeated = np.repeat(places, 15, axis=0) + rng.uniform(-20, 20, (300, 2)), np.repeat(values, 15)
    landscape, there = rng.normal(0, 1, 2000), rng.uniform(0, 1e5, (2000, 2))
    every = kolmogorov_smirnov(repeated, xy, landscape, there, 0, 1, repeats=1)
    few = kolmogorov_smirnov(repeated, xy, landscape, there, 1000, 1, repeats=10)
    assert every.p < 0.01 < few.p_median and few.slumps == 20


def test_unknown_values_do_not_count():
    values, xy = np.array([1.0, np.nan, 3.0]), np.zeros((3, 2))
    found = kolmogorov_smirnov(values, xy, np.arange(5.0), np.zeros((5, 2)), 0, 1, repeats=1)
    assert (found.slumps, found.unknown) == (2, 1)
    with pytest.raises(ValueError, match="needs a value"):
        watson(np.full(3, np.nan), xy, np.arange(5.0), np.zeros((5, 2)), 0, 1)


# --- Watson's U2 ----------------------------------------------------------------------------------------------------


def u2_by_definition(first, second):
    """The sum over all directions, ties by their distribution functions, one by one."""
    pooled = sorted([*first, *second])
    n1, n2, total = len(first), len(second), len(pooled)
    d = [sum(x <= y for x in first) / n1 - sum(x <= y for x in second) / n2 for y in pooled]
    return n1 * n2 / total**2 * (sum(x * x for x in d) - sum(d) ** 2 / total)


@settings(max_examples=80)
@given(
    st.lists(st.integers(0, 359), min_size=1, max_size=12),
    st.lists(st.integers(0, 359), min_size=1, max_size=12),
    st.integers(-720, 720),
)
def test_u2_by_definition_and_wherever_the_circle_is_cut(first, second, turn):
    one, other = np.array(first, dtype=float), np.array(second, dtype=float)
    u2 = watson_u2(one, other)
    assert u2 == pytest.approx(u2_by_definition(first, second))
    assert watson_u2(one + turn, other + turn) == pytest.approx(u2)
    assert watson_u2(other, one) == pytest.approx(u2)


def test_u2_of_two_separate_arcs():
    """n and n directions that do not mix: d rises from 1/n to 1 and falls to 0; by hand U2 = (n2 + 2) / 24 n."""
    for n in (5, 10, 40):
        first, second = np.linspace(10, 90, n), np.linspace(190, 270, n)
        assert watson_u2(first, second) == pytest.approx((n * n + 2) / (24 * n))
        assert watson_u2(-first, -second) == pytest.approx((n * n + 2) / (24 * n))


# Critical values at 5 %, as printed in Kanji (1999), 100 Statistical Tests, table 35.
KANJI = {(5, 5): 0.225, (5, 6): 0.242, (5, 7): 0.200, (6, 6): 0.206, (6, 7): 0.194, (7, 7): 0.199, (5, 8): 0.215}


@pytest.mark.parametrize("sizes", KANJI)
def test_u2_against_published_critical_values(sizes):
    """Every division of the ranks counted: the printed value is the least that 5 % or fewer of the divisions reach."""
    n1, n2 = sizes
    ranks = np.arange(n1 + n2) * 360.0 / (n1 + n2)
    every = []
    for chosen in combinations(range(n1 + n2), n1):
        is_first = np.isin(np.arange(n1 + n2), chosen)
        every.append(watson_u2(ranks[is_first], ranks[~is_first]))
    values = np.array(every)
    reached = np.array([(values >= value - 1e-9).mean() for value in np.unique(values.round(9))])
    critical = np.unique(values.round(9))[reached <= 0.05][0]
    assert critical == pytest.approx(KANJI[sizes], abs=6e-4)


@pytest.mark.parametrize(("u2", "p"), [(0.152, 0.10), (0.187, 0.05), (0.222, 0.025), (0.268, 0.01), (0.385, 0.001)])
def test_p_values_of_large_samples(u2, p):
    """The percentage points that tables print for samples without limit (Watson 1962; Batschelet 1981, table)."""
    assert watson_p(u2) == pytest.approx(p, rel=0.03)


def test_p_values_fall_from_one_to_nothing():
    values = [watson_p(u2) for u2 in np.linspace(0, 2, 400)]
    assert values[0] == 1 and values[-1] < 1e-15 and np.all(np.diff(values) <= 1e-12)


def test_p_values_agree_with_permutations():
    rng = RNG(6)
    first, second = rng.vonmises(0, 0.6, 60) * 180 / np.pi, rng.uniform(0, 360, 90)
    exact = watson_permutation_p(first, second, 1, permutations=4000)
    assert watson_p(watson_u2(first, second)) == pytest.approx(exact, abs=0.02)
    assert 0.001 < exact < 0.5
    same = np.arange(0.0, 360, 30)
    assert watson_permutation_p(same, same, 1, permutations=200) == 1


def test_false_alarms_are_as_many_as_promised():
    rng = RNG(8)
    values = [watson_p(watson_u2(rng.uniform(0, 360, 30), rng.uniform(0, 360, 40))) for _ in range(600)]
    assert 0.025 < np.mean(np.array(values) < 0.05) < 0.08


def test_aspects_that_turn_north():
    """Slumps face 350 and 10 degrees; a test that forgets the circle would call it south."""
    rng = RNG(9)
    slumps = np.concatenate([rng.normal(350, 12, 40), rng.normal(10, 12, 40)]) % 360
    landscape = rng.normal(90, 60, 800) % 360
    xy = rng.uniform(0, 1e5, (880, 2))
    found = watson(slumps, xy[:80], landscape, xy[80:], 500, 1, repeats=10)
    assert found.p < 0.001 and float(found.direction) == pytest.approx(-90, abs=12)
    alike = watson(landscape[:80], xy[:80], landscape[80:], xy[160:], 500, 1, repeats=10)
    assert alike.p_median > 0.1
