"""Studies of planted inventories: ratios counted by hand, scipy's tests, preferences, and what cannot be said."""

from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner
from rasterio.transform import from_origin
from scipy.stats import ks_2samp
from shapely.geometry import LineString, box

from slumpmap.cli import app
from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.inventory.attributes import Layers, aspect_class
from slumpmap.inventory.build import COLUMNS
from slumpmap.inventory.landscape import FLAT, write_landscape
from slumpmap.inventory.patterns import sensitivity_table, usable_factors, write_clustering, write_joint
from slumpmap.inventory.selection import watson_u2
from slumpmap.inventory.study import (
    FACTORS,
    from_edge,
    read_points,
    read_study,
    selection_table,
    slump_classes,
    two_sample_table,
)
from slumpmap.raster import write_raster
from slumpmap.settings.analysis import (
    ClusterSettings,
    JointSettings,
    LandscapeSettings,
    SelectionSettings,
    ThinningSettings,
)
from slumpmap.vector import write_layer

UTM = "EPSG:32646"
X, Y = 500_000.0, 3_840_000.0
WIDTH = 6000.0
AREA = box(X, Y, X + WIDTH, Y + WIDTH)
GRID = Grid.over(AREA, UTM, 3.0, 512)
CELLS, SIDE = 60, 100.0


@pytest.fixture(scope="module")
def landscape(tmp_path_factory):
    """Elevation rises eastwards from 4000 m, 10 m a cell; aspect turns northwards; the west is meadow; soil is loam."""
    folder = tmp_path_factory.mktemp("landscape")
    row, column = np.indices((CELLS, CELLS))
    transform = from_origin(X, Y + WIDTH, SIDE, SIDE)
    rasters = {
        "dem": (4000 + 10 * column).astype(np.float32),
        "slope": np.where(row < 3, 0, 5).astype(np.float32),
        "aspect": np.where(row < 3, np.nan, 6.0 * row).astype(np.float32),
        "vegetation": (1 + (column >= 15)).astype(np.uint8),
        "soil": np.ones((CELLS, CELLS), np.uint8),
    }
    for name, values in rasters.items():
        write_raster(folder / f"{name}.tif", values, transform, UTM, np.nan if values.dtype.kind == "f" else None)
    (folder / "vegetation.csv").write_text("code,name\n1,meadow\n2,steppe\n3,desert\n")
    (folder / "soil.csv").write_text("code,name\n1,loam\n")
    stream = LineString([(X, Y + 3000), (X + WIDTH, Y + 3000)])
    write_layer(gpd.GeoDataFrame(geometry=[stream], crs=UTM), folder / "streams.gpkg")
    layers = {name: folder / f"{name}.tif" for name in rasters}
    layers |= {f"{name}_legend": folder / f"{name}.csv" for name in ("vegetation", "soil")}
    settings = LandscapeSettings(points=3000, block_km=1)
    write_landscape(GRID, Layers(**layers, streams=folder / "streams.gpkg"), settings, 1, folder / "bins.csv")
    return folder


def inventory(path, xy, **columns):
    """An inventory of squares of 0.04 ha with what the rasters have at their centroids; further columns replace it."""
    xy = np.asarray(xy, dtype=float).reshape(-1, 2)
    column, row = np.floor((xy[:, 0] - X) / SIDE), np.floor((Y + WIDTH - xy[:, 1]) / SIDE)
    aspect = np.where(row < 3, np.nan, 6.0 * row)
    table = {name: np.full(len(xy), None) for name in COLUMNS}
    table |= {
        "id": [f"s{n}" for n in range(len(xy))],
        "iteration_found": np.zeros(len(xy), dtype=int),
        "area_ha": np.full(len(xy), 0.04),
        "elevation_mean": 4000 + 10 * column,
        "slope_mean": np.where(row < 3, 0.0, 5.0),
        "aspect_mean": aspect,
        "aspect_class": aspect_class(aspect),
        "vegetation": np.where(column < 15, "meadow", "steppe").astype(object),
        "soil": np.full(len(xy), "loam", dtype=object),
        "stream_distance_m": np.maximum(np.abs(xy[:, 1] - Y - 3000) - 10, 0),
        "near_stream": np.abs(xy[:, 1] - Y - 3000) < 40,
    } | columns
    for name in ("tpi_mean", "pisr_mean", "road_distance_m"):
        table[name] = np.asarray(table[name], dtype=float)
    shapes = shapely.box(xy[:, 0] - 10, xy[:, 1] - 10, xy[:, 0] + 10, xy[:, 1] + 10)
    write_layer(gpd.GeoDataFrame(table, geometry=shapes, crs=UTM), path)
    return path


def spread(count, seed=1, west=0.0, east=WIDTH):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.uniform(X + west, X + east, count), rng.uniform(Y, Y + WIDTH, count)])


def study(folder, xy, **columns):
    return read_study(inventory(folder / "inventory.gpkg", xy, **columns), GRID)


SELECTION = SelectionSettings(block_km=1, repeats=400)


def test_ratios_are_shares_by_shares_of_every_pixel(landscape, tmp_path):
    xy = spread(40)
    found = study(tmp_path, xy)
    table = selection_table(found, landscape, SELECTION, 1).set_index(["factor", "class"])
    meadow = (xy[:, 0] < X + 1500).sum()
    row = table.loc[("vegetation", "meadow")]
    assert (row.slumps, row.slump_share) == (meadow, meadow / 40)
    assert row.landscape_share == pytest.approx(0.25, abs=1e-9) and row.ratio == pytest.approx(meadow / 40 / 0.25)
    assert row.ratio_low < row.ratio < row.ratio_high
    high = table.loc[("elevation", "4500-4600")]
    assert (high.slumps, high.landscape_share) == ((xy[:, 0] >= X + 5000).sum(), pytest.approx(1 / 6))
    flat = table.loc[("aspect", FLAT)]
    assert (flat.slumps, flat.landscape_share) == ((xy[:, 1] > Y + 5700).sum(), pytest.approx(0.05))
    assert table.loc[("vegetation", "desert"), "note"] == "not in the study area"
    assert table.loc[("soil", "loam"), "ratio"] == 1
    for factor in ("elevation", "slope", "aspect", "vegetation", "soil"):
        assert table.loc[factor, ["slump_share", "landscape_share"]].sum().tolist() == pytest.approx([1, 1])
    for factor in ("tpi", "pisr"):
        [silent] = table.loc[factor].to_dict("records")
        assert silent["note"] == "the configuration has no such layer" and silent["ratio"] is None


def test_the_bins_are_those_of_the_landscape(landscape, tmp_path):
    bins = pd.read_csv(landscape / "bins.csv")
    table = selection_table(study(tmp_path, spread(40)), landscape, SELECTION, 1)
    for factor, own in bins.groupby("layer"):
        there = table[table["factor"] == factor]
        assert there["class"].tolist() == own["class"].tolist()
        assert there["landscape_share"].tolist() == pytest.approx(own["share"].tolist(), abs=1e-5)


def test_intervals_cover_a_planted_preference(landscape, tmp_path):
    """Three in four slumps in the quarter that is meadow: a ratio of 3."""
    xy = np.concatenate([spread(150, 2, 0, 1500), spread(50, 3, 1500)])
    table = selection_table(study(tmp_path, xy), landscape, SELECTION, 1).set_index("class")
    assert table.loc["meadow", "ratio"] == pytest.approx(3)
    assert table.loc["meadow", "finding"] == "preferred" and table.loc["steppe", "finding"] == "avoided"
    assert 1 < table.loc["meadow", "ratio_low"] < 3 < table.loc["meadow", "ratio_high"] < 5


def test_slumps_that_do_not_count_are_said(landscape, tmp_path):
    xy = np.concatenate([spread(12), [[X - 500, Y + 50], [X + 9000, Y + 50]]])
    vegetation = np.array([None, None, *["meadow"] * 12], dtype=object)
    found = study(tmp_path, xy, vegetation=vegetation)
    assert (len(found.slumps), found.outside, found.total) == (12, 2, 14)
    table = selection_table(found, landscape, SELECTION, 1).set_index("class")
    note = table.loc["meadow", "note"]
    assert "2 of 14 slumps lie outside the study area" in note and "2 of 12 slumps have no value" in note
    assert table.loc["meadow", "slumps"] == 10
    tests = two_sample_table(found, landscape, ThinningSettings(thin_km=0, samples=1), 1)
    assert tests["note"].iloc[0].startswith("2 of 14 slumps lie outside")
    write_clustering(found, ClusterSettings(simulations=19), 1, tmp_path / "clustering.json")
    facts = json.loads((tmp_path / "clustering.json").read_text())
    assert (facts["slumps"], facts["outside"]) == (12, 2) and "2 of 14" in facts["omissions"][0]
    assert "2 of 14" in sensitivity_table(found, landscape, 1)["note"].iloc[0]


def test_a_class_beyond_the_landscape_has_no_ratio(landscape, tmp_path):
    xy = spread(12)
    found = study(tmp_path, xy, elevation_mean=np.array([5050.0, *[4050.0] * 11]))
    rows = selection_table(found, landscape, SELECTION, 1).set_index(["factor", "class"])
    row = rows.loc[("elevation", "5000-5100")]
    assert row.slumps == 1 and np.isnan(row.ratio) and "no ground in the study area" in row.note


def test_slumps_in_one_block_have_no_interval(landscape, tmp_path):
    xy = [[X + 100 + 50 * n, Y + 100] for n in range(5)]
    table = selection_table(study(tmp_path, xy), landscape, SELECTION, 1).set_index(["factor", "class"])
    row = table.loc[("vegetation", "meadow")]
    assert row.ratio == pytest.approx(4) and "all slumps lie in one block" in row.note


def test_classes_of_slumps_end_where_those_of_the_landscape_do(landscape, tmp_path):
    heights = np.array([4099.999, 4100.0, 4199.999, np.nan])
    found = study(tmp_path, spread(4), elevation_mean=heights)
    bins = pd.read_csv(landscape / "bins.csv").query("layer == 'elevation'")
    assert slump_classes(found, "elevation", bins).tolist() == ["4000-4100", "4100-4200", "4100-4200", None]


def test_without_thinning_the_tests_are_scipys(landscape, tmp_path):
    found = study(tmp_path, spread(60, 5, 0, 3000))
    table = two_sample_table(found, landscape, ThinningSettings(thin_km=0, samples=3), 1).set_index("factor")
    points = read_points(found, landscape).iloc[:2000]
    expected = ks_2samp(found.slumps["elevation"], points["elevation"])
    row = table.loc["elevation"]
    assert (row.statistic, row.p_median) == pytest.approx((expected.statistic, expected.pvalue))
    assert (row.direction, row.slumps, row.landscape) == ("lower", 60, 2000)
    known = points["aspect"].dropna().to_numpy()
    u2 = watson_u2(found.slumps["aspect"].dropna().to_numpy(), known)
    assert table.loc["aspect", "statistic"] == pytest.approx(u2) and table.loc["aspect", "test"] == "Watson U2"
    assert table.loc["aspect", "unknown"] == found.slumps["aspect"].isna().sum()
    assert table.loc["tpi", "note"] == table.loc["road_distance_m", "note"] == "the configuration has no such layer"
    assert "disc of the median slump" in table.loc["stream_distance_m", "note"]


def test_thinning_leaves_fewer(landscape, tmp_path):
    found = study(tmp_path, spread(60, 5))
    row = (
        two_sample_table(found, landscape, ThinningSettings(thin_km=2, samples=3), 1)
        .set_index("factor")
        .loc["elevation"]
    )
    assert row.slumps < 15 and "read p with care" in row.note


def test_too_few_slumps_give_a_row_that_says_so(landscape, tmp_path):
    table = two_sample_table(study(tmp_path, spread(9)), landscape, ThinningSettings(thin_km=0, samples=1), 1)
    row = table.set_index("factor").loc["elevation"]
    assert row.statistic is None and row.slumps == 9 and row.note.startswith("9 slumps with a value are too few")


def test_points_stand_for_discs_as_large_as_slumps(tmp_path):
    found = study(tmp_path, spread(5), area_ha=np.full(5, np.pi * 0.25))
    points = pd.DataFrame({"stream_distance_m": [20.0, 50.0, 80.0, np.nan]})
    assert from_edge(found, points)["stream_distance_m"].tolist() == pytest.approx([0, 0, 30, np.nan], nan_ok=True)


JOINT = JointSettings(block_km=1, joint_repeats=30)


def joint_of(folder):
    tables = {name: pd.read_csv(folder / f"{name}.csv") for name in ("coefficients", "factors", "dependence")}
    return json.loads((folder / "joint.json").read_text()), tables


def test_the_joint_model_finds_the_planted_factor(landscape, tmp_path):
    """Slumps in the meadow alone, wherever else: vegetation holds, or elevation, which says the same; aspect not."""
    found = study(tmp_path, np.concatenate([spread(140, 2, 0, 1500), spread(20, 3, 1500)]))
    write_joint(found, landscape, JOINT, 1, tmp_path / "joint.json")
    facts, tables = joint_of(tmp_path)
    assert list(facts["models"]) == ["logistic", "trees"] and facts["omissions"] == []
    left_out = {row["factor"]: row["reason"] for row in facts["factors_left_out"]}
    assert left_out["soil"] == "the study area has one class only: loam"
    assert left_out["tpi"] == left_out["road_distance_m"] == "the configuration has no such layer"
    assert "slope" in facts["factors"] and "soil" not in facts["factors"]
    notes = tables["factors"].set_index("factor")["note"].dropna()
    assert notes.to_dict() == left_out
    logistic = tables["factors"].query("model == 'logistic'").set_index("factor")
    assert facts["models"]["logistic"]["auc"] > 0.8
    assert logistic.loc["vegetation", "alone"] > 0.3 > logistic.loc["aspect", "alone"]
    assert not logistic.loc["aspect", "holds"]
    steppe = tables["dependence"].query("model == 'logistic' and factor == 'vegetation'").set_index("value")["relative"]
    assert steppe["meadow"] > steppe["steppe"]
    dropped = facts["models"]["logistic"]
    assert dropped["dropped"] > 0 and dropped["slumps"] == found.slumps["aspect"].notna().sum()


def test_the_joint_model_says_why_there_is_none(landscape, tmp_path):
    write_joint(study(tmp_path, spread(8)), landscape, JOINT, 1, tmp_path / "joint.json")
    facts, tables = joint_of(tmp_path)
    assert facts["models"] == {} and "slumps with all values are too few" in facts["omissions"][0]
    assert [len(tables[name]) for name in ("coefficients", "dependence")] == [0, 0]
    assert tables["factors"]["note"].notna().all()
    crowded = np.random.default_rng(1).uniform([X + 10, Y + 10], [X + 990, Y + 990], (40, 2))
    write_joint(study(tmp_path, crowded), landscape, JOINT, 1, tmp_path / "joint.json")
    assert "too few for 5 folds" in joint_of(tmp_path)[0]["omissions"][0]


def test_a_factor_unknown_of_most_slumps_stays_out_of_the_model(landscape, tmp_path):
    vegetation = np.array(["meadow"] * 10 + [None] * 30, dtype=object)
    found = study(tmp_path, spread(40), vegetation=vegetation)
    factors, left_out = usable_factors(found, read_points(found, landscape), landscape)
    assert "vegetation" not in [factor.name for factor in factors]
    assert {"factor": "vegetation", "reason": "30 of 40 slumps have no value"} in left_out


def test_clusters(tmp_path):
    centres = np.repeat(spread(8, 4), 6, axis=0).clip([X + 200, Y + 200], [X + 5800, Y + 5800])
    xy = centres + np.random.default_rng(5).uniform(-100, 100, centres.shape)
    write_clustering(study(tmp_path, xy), ClusterSettings(simulations=99, farthest_km=0.5), 1, tmp_path / "c.json")
    facts, table = json.loads((tmp_path / "c.json").read_text()), pd.read_csv(tmp_path / "ripley.csv")
    away = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1)) + np.where(np.eye(48), np.inf, 0)
    assert facts["nearest_neighbour"]["mean_m"] == pytest.approx(away.min(axis=1).mean())
    assert facts["nearest_neighbour"]["ratio"] < 0.5 and facts["ripley"]["p"] <= 0.02
    assert facts["ripley"]["farthest_m"] == table["r"].max() == 500 and len(table) == 20
    first, last = facts["ripley"]["clustered_m"]
    assert first <= 100 < last and facts["omissions"] == []


def test_two_slumps_are_no_pattern(tmp_path):
    write_clustering(study(tmp_path, spread(2)), ClusterSettings(), 1, tmp_path / "c.json")
    facts = json.loads((tmp_path / "c.json").read_text())
    assert facts["nearest_neighbour"] is facts["ripley"] is None
    assert facts["omissions"] == ["2 slumps are too few for a pattern: 3 or more are needed"]
    assert len(pd.read_csv(tmp_path / "ripley.csv")) == 0


def test_sensitivity_to_doubtful_slumps(landscape, tmp_path):
    xy = spread(30, 6)
    probability = np.array(["low"] * 5 + ["medium"] * 5 + ["high"] * 15 + [None] * 5, dtype=object)
    area = np.linspace(0.1, 3, 30)
    found = study(tmp_path, xy, probability=probability, area_ha=area)
    table = sensitivity_table(found, landscape, 1).set_index("statement")
    subsets = [slice(0, 30), slice(5, 30), slice(10, 30)]

    def row(name):
        return table.loc[name, ["all", "without_low", "high_only"]].tolist()

    assert row("slumps") == [30, 25, 20]
    assert row("affected area, ha") == pytest.approx([area[rows].sum() for rows in subsets])
    heights = 4000 + 10 * np.floor((xy[:, 0] - X) / SIDE)
    assert row("median elevation, m") == [np.median(heights[rows]) for rows in subsets]
    north = np.isin(found.slumps["aspect_class"], ["N", "NE", "NW"])
    known = found.slumps["aspect_class"].notna().to_numpy()
    assert row("share facing N, NE or NW") == pytest.approx([north[rows].sum() / known[rows].sum() for rows in subsets])
    [name] = [text for text in table.index if text.startswith("selection ratio of the most frequent vegetation")]
    steppe = (found.slumps["vegetation"] == name.split(", ")[-1]).to_numpy()
    assert row(name) == pytest.approx([steppe[rows].mean() / 0.75 for rows in subsets], rel=1e-5)
    assert table.loc["slumps", "note"] == "5 slumps without probability count throughout"
    assert "no slumps with a value" in table.loc["median pisr, kWh m-2", "note"]
    assert table.loc["affected area, ha", "note"] == ""


def test_an_inventory_without_slumps_runs_through_and_says_so(landscape, tmp_path):
    found = study(tmp_path, np.empty((0, 2)))
    selected = selection_table(found, landscape, SELECTION, 1)
    assert selected["note"].isin({"none of the 0 slumps in the study area has a value", *selected["note"][3:5]}).all()
    assert selected["ratio"].isna().all() and selected["note"].ne("").all()
    assert two_sample_table(found, landscape, ThinningSettings(), 1)["note"].ne("").all()
    write_joint(found, landscape, JOINT, 1, tmp_path / "joint.json")
    assert len(joint_of(tmp_path)[0]["omissions"]) == 2
    assert sensitivity_table(found, landscape, 1).set_index("statement").loc["slumps", "all"] == 0


def test_slumps_of_another_place_are_refused(tmp_path):
    with pytest.raises(InputError, match="none of the 3 slumps lies in the study area"):
        study(tmp_path, spread(3) + 1e5)


def test_an_inventory_without_attributes_is_refused(tmp_path):
    path = inventory(tmp_path / "inventory.gpkg", spread(3))
    write_layer(gpd.read_file(path).drop(columns="tpi_mean"), path)
    with pytest.raises(InputError, match="lacks the column tpi_mean"):
        read_study(path, GRID)


def test_commands_write_the_same_tables(landscape, tmp_path):
    path = inventory(tmp_path / "inventory.gpkg", spread(30))
    (tmp_path / "grid.json").write_text(GRID.to_json())
    common = ["--grid", str(tmp_path / "grid.json"), "--inventory", str(path), "--seed", "3"]
    there = ["--landscape", str(landscape)]
    for name, options in {
        "selection": [*there, "--block-km=1", "--repeats=200"],
        "tests": [*there, "--thin-km=0.2", "--samples=5"],
        "sensitivity": there,
        "clustering": ["--simulations=19", "--farthest-km="],
    }.items():
        out = tmp_path / (f"{name}.json" if name == "clustering" else f"{name}.csv")
        done = CliRunner().invoke(app, ["study", name, *common, *options, "--out", str(out)], catch_exceptions=False)
        assert done.exit_code == 0 and out.exists(), done.output
    written = pd.read_csv(tmp_path / "selection.csv", keep_default_na=False)
    made = selection_table(read_study(path, GRID), landscape, SelectionSettings(block_km=1, repeats=200), 3)
    assert written["class"].tolist() == made["class"].fillna("").tolist()
    assert pd.to_numeric(written["ratio"]).tolist() == pytest.approx(
        pd.to_numeric(made["ratio"]).round(9).tolist(), rel=1e-5, nan_ok=True
    )


def test_every_factor_has_a_column_in_the_inventory():
    assert set(FACTORS.values()) <= set(COLUMNS)
