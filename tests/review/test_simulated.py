"""Simulated experts: their error rates, their repeatability, and that they see what is on the screen only."""

import geopandas as gpd
import numpy as np
import pytest
import shapely

from slumpmap.review.simulated import simulate_reviewer
from slumpmap.settings.review import ExpertSettings
from slumpmap.vector import read_layer, write_layer

CRS = "EPSG:32646"
COUNT = 600
PERFECT = ExpertSettings(miss_rate=0, false_accept_rate=0, jitter_m=0)


def squares(count, row, size=60.0):
    return [shapely.box(x * 200, row * 200, x * 200 + size, row * 200 + size) for x in range(count)]


@pytest.fixture
def scene(tmp_path):
    """COUNT candidates on slumps (row 0) and COUNT on nothing (row 1); the first slump is known already."""
    shapes = squares(COUNT, 0) + squares(COUNT, 1)
    ids = [f"01-{number:05d}" for number in range(2 * COUNT)]
    candidates = gpd.GeoDataFrame({"id": ids, "status": "new", "score": 0.5}, geometry=shapes, crs=CRS)
    truth = gpd.GeoDataFrame(
        {"id": [f"S{number}" for number in range(COUNT)], "initiation": "2016-2017"},
        geometry=[shape.buffer(-5) for shape in shapes[:COUNT]],
        crs=CRS,
    )
    write_layer(candidates, tmp_path / "candidates.gpkg")
    write_layer(truth, tmp_path / "truth.gpkg")
    write_layer(truth.iloc[:1], tmp_path / "known.gpkg")
    return tmp_path


def decide(scene, settings=PERFECT, reviewer="first", seed=1, disputed_by=()):
    simulate_reviewer(
        scene / "candidates.gpkg",
        scene / "known.gpkg",
        scene / "truth.gpkg",
        reviewer,
        seed,
        settings,
        scene / f"{reviewer}.gpkg",
        disputed_by,
    )
    return read_layer(scene / f"{reviewer}.gpkg", "decisions")


def test_perfect_expert_draws_the_truth_and_leaves_known_slumps_alone(scene):
    decisions = decide(scene)
    verdict = decisions["is_slump"].astype(bool).to_numpy()
    assert not verdict[0] and verdict[1:COUNT].all() and not verdict[COUNT:].any()
    truth = read_layer(scene / "truth.gpkg", "truth")
    assert shapely.equals_exact(
        shapely.normalize(decisions.geometry.to_numpy()[1:COUNT]),
        shapely.normalize(truth.geometry.to_numpy()[1:]),
        0.01,
    ).all()
    assert set(decisions.loc[verdict, "initiation"]) == {"2016-2017"}
    assert decisions.loc[~verdict, "probability"].isna().all()


def test_error_rates_are_those_of_the_settings(scene):
    verdict = decide(scene, ExpertSettings(miss_rate=0.2, false_accept_rate=0.1))["is_slump"].astype(bool).to_numpy()
    # Binomial standard errors at 600 trials are 0.016 and 0.012.
    assert 1 - verdict[1:COUNT].mean() == pytest.approx(0.2, abs=0.05)
    assert verdict[COUNT:].mean() == pytest.approx(0.1, abs=0.04)


def test_experts_err_independently_and_repeatably(scene):
    settings = ExpertSettings(miss_rate=0.3)
    first = decide(scene, settings, "first")
    again = decide(scene, settings, "first")
    second = decide(scene, settings, "second")
    assert first.equals(again)
    missed = [~layer["is_slump"].astype(bool).to_numpy()[1:COUNT] for layer in (first, second)]
    assert np.mean(missed[0] & missed[1]) == pytest.approx(0.09, abs=0.04)


def test_drawn_boundaries_scatter_by_the_jitter(scene):
    decisions = decide(scene, ExpertSettings(miss_rate=0, false_accept_rate=0, jitter_m=4))
    truth = read_layer(scene / "truth.gpkg", "truth").geometry.centroid
    offset = decisions.geometry.centroid[1:COUNT].distance(truth[1:COUNT])
    # A deviate of sqrt(2) sigma along a random direction scatters by sigma in x and in y.
    assert np.sqrt((offset**2).mean() / 2) == pytest.approx(4, rel=0.15)


def test_adjudicator_decides_the_disputed_only(scene):
    settings = ExpertSettings(miss_rate=0.3)
    first, second = decide(scene, settings, "first"), decide(scene, settings, "second")
    differ = set(first["candidate_id"][first["is_slump"] != second["is_slump"]])
    final = decide(scene, PERFECT, "third", disputed_by=[scene / "first.gpkg", scene / "second.gpkg"])
    assert set(final["candidate_id"]) == differ
