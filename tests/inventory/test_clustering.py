"""Clustering against theory, brute force and patterns that are clustered or regular by construction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from shapely.geometry import Point, Polygon, box

from slumpmap.inventory.clustering import border_k, nearest_neighbour, random_points, ripley

AREA = box(500_000, 3_800_000, 540_000, 3_830_000)
# An L: the border is not that of its box.
BENT = Polygon([(0, 0), (30e3, 0), (30e3, 10e3), (10e3, 10e3), (10e3, 30e3), (0, 30e3)])
R = np.array([200.0, 500.0, 1000.0, 2000.0, 3000.0])


def k_by_definition(xy, area, r):
    edge = [area.boundary.distance(Point(*place)) for place in xy]
    far = [i for i in range(len(xy)) if edge[i] > r]
    if not far:
        return float("nan"), 0
    others = sum(np.hypot(*(xy[i] - xy[j])) <= r for i in far for j in range(len(xy)) if i != j)
    return others / len(far) * area.area / (len(xy) - 1), len(far)


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(3, 25))
def test_k_by_definition(seed, count):
    xy = random_points(BENT, count, np.random.default_rng(seed))
    k, far = border_k(xy, BENT, R)
    for place, r in enumerate(R):
        expected, number = k_by_definition(xy, BENT, r)
        assert k[place] == pytest.approx(expected, nan_ok=True) and far[place] == number


def test_k_of_random_points_is_the_area_of_the_disc():
    """The expectation pi r2 in a bent area too, where counting without a correction would give much less."""
    rng = np.random.default_rng(3)
    mean = np.nanmean([border_k(random_points(BENT, 150, rng), BENT, R)[0] for _ in range(150)], axis=0)
    np.testing.assert_allclose(mean[1:], np.pi * R[1:] ** 2, rtol=0.06)


def test_random_points_are_uniform_in_the_area():
    xy = random_points(BENT, 4000, np.random.default_rng(1))
    assert BENT.covers(Point(xy.min(axis=0))) or (xy >= 0).all()
    lower = xy[xy[:, 1] < 10e3]
    assert len(lower) / len(xy) == pytest.approx(300 / 500, abs=0.03)
    assert kstest(lower[:, 0] / 30e3, "uniform").pvalue > 0.01


def clustered(rng, parents=12, size=12, spread=300.0):
    centres = rng.uniform((503_000, 3_803_000), (537_000, 3_827_000), (parents, 2))
    return (centres[:, None] + rng.normal(0, spread, (parents, size, 2))).reshape(-1, 2)


def regular():
    x, y = np.meshgrid(np.arange(501_500, 540_000, 3000.0), np.arange(3_801_500, 3_830_000, 3000.0))
    return np.column_stack([x.ravel(), y.ravel()])


def test_clusters_random_and_grid():
    rng = np.random.default_rng(5)
    found = {
        "clustered": ripley(clustered(rng), AREA, R, 1, simulations=99),
        "random": ripley(random_points(AREA, 144, rng), AREA, R, 1, simulations=99),
        "regular": ripley(regular(), AREA, R, 1, simulations=99),
    }
    assert (found["clustered"].table["finding"] == "clustered").all() and found["clustered"].p == 0.01
    assert (found["random"].table["finding"] == "random").sum() >= 4 and found["random"].p > 0.05
    assert (found["regular"].table["finding"] == "regular").iloc[2:4].all() and found["regular"].p <= 0.02
    table = found["clustered"].table
    np.testing.assert_allclose(table["l"] - table["r"], table["l_minus_r"])
    np.testing.assert_allclose(np.pi * table["l"] ** 2, table["k"])
    # A Thomas process: K = pi r2 + (1 - exp(-r2 / 4 s2)) / parents per area (Diggle 2003).
    theory = np.pi * R**2 + (1 - np.exp(-(R**2) / (4 * 300**2))) / (12 / AREA.area)
    np.testing.assert_allclose(table["k"][:3], theory[:3], rtol=0.3)


def test_random_patterns_are_seldom_called_clustered():
    rng = np.random.default_rng(11)
    p = [ripley(random_points(BENT, 60, rng), BENT, R, seed, simulations=39).p for seed in range(60)]
    assert np.mean(np.array(p) <= 0.05) <= 0.12


def test_nearest_neighbours():
    rng = np.random.default_rng(7)
    close = nearest_neighbour(clustered(rng), AREA, 1, simulations=99)
    grid = nearest_neighbour(regular(), AREA, 1, simulations=99)
    chance = nearest_neighbour(random_points(AREA, 144, rng), AREA, 1, simulations=99)
    assert close.ratio < 0.5 and close.p == pytest.approx(0.02)
    assert grid.mean_m == 3000 and grid.ratio > 1.5 and grid.p == pytest.approx(0.02)
    assert 0.85 < chance.ratio < 1.15 and chance.p > 0.05
    # Clark and Evans' own expectation, 0.5 / sqrt(density), is too short where the edge is near.
    density = 144 / AREA.area
    assert chance.uncorrected == pytest.approx(chance.mean_m * 2 * np.sqrt(density))
    assert chance.expected_m > 0.5 / np.sqrt(density)


def test_expected_distance_agrees_with_donnellys_correction():
    """Donnelly (1978) for a rectangle: 0.5 sqrt(A/n) + (0.0514 + 0.041 / sqrt n) P / n."""
    count = 80
    found = nearest_neighbour(random_points(AREA, count, np.random.default_rng(1)), AREA, 2, simulations=499)
    expected = 0.5 * np.sqrt(AREA.area / count) + (0.0514 + 0.041 / np.sqrt(count)) * AREA.length / count
    assert found.expected_m == pytest.approx(expected, rel=0.02)


def test_slumps_outside_are_counted():
    xy = np.concatenate([regular(), [[0.0, 0.0], [1.0, 1.0]]])
    assert ripley(xy, AREA, R, 1, simulations=5).outside == 2
    assert nearest_neighbour(xy, AREA, 1, simulations=5).outside == 2
    for function in (lambda: ripley(xy[-2:], AREA, R, 1), lambda: nearest_neighbour(xy[-2:], AREA, 1)):
        with pytest.raises(ValueError, match="0 slumps in the area"):
            function()


def test_distances_that_leave_no_slump_are_unknown():
    narrow = box(0, 0, 100_000, 1000)
    found = ripley(random_points(narrow, 40, np.random.default_rng(1)), narrow, np.array([100.0, 600.0]), 1, 19)
    assert found.table["finding"].iloc[1] == "unknown" and found.table["slumps"].iloc[1] == 0
    assert 0 < found.p <= 1
