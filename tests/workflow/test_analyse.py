"""`slumpmap analyse`: what is refused is refused before any rule runs; what is wrong otherwise is mended and listed."""

import json
import shutil
import sqlite3
import struct
import subprocess
import sys

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
import yaml
from click.testing import CliRunner
from rasterio.transform import from_origin
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from slumpmap.analyse import analysis_values
from slumpmap.cli import app
from slumpmap.errors import InputError
from slumpmap.raster import write_raster
from slumpmap.vector import write_layer

from .conftest import ROOT

UTM = "EPSG:32646"
X, Y = 500_000.0, 3_840_000.0
WIDTH = 3000.0
CELLS = 100


def square(east, north, side=60.0):
    return box(X + east, Y + north, X + east + side, Y + north + side)


def ground(folder):
    """A rising elevation model, vegetation of the western half only, and a road far away; the configuration."""
    row, column = np.indices((CELLS, CELLS))
    transform = from_origin(X, Y + WIDTH, 30, 30)
    dem = (4600 + 2.0 * column + row + 20 * np.sin(column / 9) * np.cos(row / 7)).astype(np.float32)
    write_raster(folder / "dem.tif", dem, transform, UTM, -9999)
    codes = np.where(column[:, :50] < 20, 1, 2).astype(np.uint8)
    write_raster(folder / "vegetation.tif", codes, transform, UTM, 0)
    (folder / "vegetation.csv").write_text("code,name\n1,meadow\n2,steppe\n")
    road = LineString([(X + 90_000, Y), (X + 90_000, Y + WIDTH)])
    write_layer(gpd.GeoDataFrame(geometry=[road], crs=UTM), folder / "roads.gpkg")
    config = {
        "campaign": "theirs",
        "data": ".",
        "inputs": {
            "dem": "dem.tif",
            "roads": "roads.gpkg",
            "vegetation": "vegetation.tif",
            "vegetation_legend": "vegetation.csv",
        },
        "grid": {"crs": UTM, "bounds": [X, Y, X + WIDTH, Y + WIDTH], "tile_px": 512},
        "terrain": {"products": ["tpi"]},
        "analysis": {"block_km": 0.5, "thin_km": 0.1, "points": 500, "samples": 3, "joint_repeats": 20},
    }
    write_config(folder, config)
    return config


def write_config(folder, config):
    (folder / "layers.yaml").write_text(yaml.safe_dump(config))


def nasty(path):
    """Slumps in longitude and latitude with every fault that has a remedy; the curved one is written in bytes."""
    rng = np.random.default_rng(1)
    plain = [square(*place) for place in rng.uniform(100, 2800, (24, 2))]
    raised = Polygon([(x, y, 4700.0) for x, y in square(300, 300).exterior.coords])
    parts = MultiPolygon([square(1000, 1500), square(1100, 1500)])
    shapes = [square(50, 50), raised, parts, None, Polygon(), Point(X + 40, Y + 40), square(40_000, 0), *plain]
    ids = ["curved", "raised", "twice", "empty", "empty too", "point", "away", "twice", *map(str, range(23))]
    layer = gpd.GeoDataFrame({"id": ids}, geometry=shapes, crs=UTM).to_crs("EPSG:4326")
    pyogrio.write_dataframe(layer, path, driver="GPKG", geometry_type="Unknown", SPATIAL_INDEX="NO")
    circle = gpd.GeoSeries([Point(X + place[0], Y + place[1]) for place in _RING], crs=UTM).to_crs("EPSG:4326")
    arcs = struct.pack("<BII", 1, 8, 5) + b"".join(struct.pack("<dd", point.x, point.y) for point in circle)
    blob = b"GP\x00\x01" + struct.pack("<i", 4326) + struct.pack("<BII", 1, 10, 1) + arcs
    with sqlite3.connect(path) as database:
        database.execute(f"UPDATE {path.stem} SET geom = ? WHERE fid = 1", (blob,))
    database.close()
    return path


# Five points of a circle of 60 m radius.
_RING = [(2000, 2060), (2060, 2120), (2120, 2060), (2060, 2000), (2000, 2060)]


@pytest.fixture(scope="module")
def analysed(tmp_path_factory):
    """A whole run from an empty results folder: the folder of the campaign, and what was printed."""
    folder = tmp_path_factory.mktemp("analyse")
    ground(folder)
    nasty(folder / "theirs.gpkg")
    command = [sys.executable, "-m", "slumpmap", "analyse", "--inventory", "theirs.gpkg", "--layers", "layers.yaml"]
    done = subprocess.run([*command, "--cores", "2"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "results" / "theirs", done.stdout + done.stderr


def table(analysed, name):
    return pd.read_csv(analysed[0] / "analysis" / "given" / name, keep_default_na=False, na_values=[""])


def test_it_needs_grid_and_layers_only(analysed):
    folder, output = analysed
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [
        "analysis", "benchmarks", "inputs", "logs", "terrain",
    ]  # fmt: skip
    for name in ("selection.csv", "tests.csv", "factors.csv", "ripley.csv", "sensitivity.csv"):
        assert len(table(analysed, name)) > 0
    given = folder / "analysis" / "given"
    joint = json.loads((given / "joint.json").read_text())
    assert joint["models"]["logistic"]["slumps"] >= 20 and joint["omissions"][0].startswith(
        "1 of 28 slumps lie outside"
    )
    summary = json.loads((given / "summary.json").read_text())
    assert summary["study"] == "given" and summary["numbers"]["slumps"]["value"] == 27
    assert summary["numbers"]["probability"]["missing"] and summary["numbers"]["elevation_p05"]["n"] == 27
    words = (given / "results.md").read_text()
    assert "1 slump of the inventory lies outside the study area and does not count here." in words
    assert "The soil of the slumps is not known: the configuration has no such layer." in words
    assert "The analysis of theirs.gpkg is in results/theirs/analysis/given" in output


def test_every_mended_or_lost_row_is_listed_and_counted(analysed):
    repairs = table(analysed, "repairs.csv")
    found = {(row.problem, row.action) for row in repairs.itertuples()}
    for problem, action in (
        ("curved geometry", "mended"),
        ("3D geometry", "mended"),
        ("several parts", "note"),
        ("empty geometry", "left out"),
        ("no polygon", "left out"),
        ("repeated id", "mended"),
        ("missing column", "note"),
    ):
        assert (problem, action) in found, problem
        assert f"{action}: {problem}" in analysed[1]
    assert (repairs["problem"] == "empty geometry").sum() == 2
    assert "28 slumps from 31 rows" in analysed[1]


def test_slumps_come_to_the_grid_with_their_parts(analysed):
    slumps = gpd.read_file(analysed[0] / "analysis" / "given" / "inventory.gpkg").set_index("id")
    assert slumps.crs == UTM and len(slumps) == 28 and not slumps.has_z.any()
    assert slumps.loc["twice", "area_ha"] == pytest.approx(0.72, rel=1e-3)
    # Arcs of degrees are no arcs on the ground; straight lines would enclose 0.72 ha, the circle 1.13 ha.
    assert 1.0 < slumps.loc["curved", "area_ha"] < 1.2
    unknown = slumps[["probability", "initiation", "model", "reviewers", "pisr_mean", "near_stream", "soil"]]
    assert unknown.isna().all(axis=None)


def test_slumps_outside_the_area_are_counted(analysed):
    assert "1 outside the study area" in analysed[1]
    selection = table(analysed, "selection.csv")
    elevation = selection[selection["factor"] == "elevation"]
    assert elevation["slumps"].sum() == 27
    assert elevation["note"].str.contains("1 of 28 slumps lie outside the study area").all()


def test_layers_that_cover_the_slumps_in_part(analysed):
    slumps = gpd.read_file(analysed[0] / "analysis" / "given" / "inventory.gpkg")
    inside = shapely.box(X, Y, X + WIDTH, Y + WIDTH).contains(slumps.centroid)
    bare = slumps.geometry.bounds["minx"] >= X + 1500
    omissions = table(analysed, "omissions.csv").query("attribute == 'vegetation'")
    assert set(slumps.loc[bare, "id"]) == set(omissions.query("covered == 0")["id"])
    unknown = int((bare & inside).sum())
    assert unknown > 0
    selection = table(analysed, "selection.csv").query("factor == 'vegetation'")
    assert selection["note"].str.contains(f"{unknown} of 27 slumps have no value").all()
    facts = json.loads((analysed[0] / "analysis" / "landscape" / "landscape.json").read_text())
    [row] = [row for row in facts["omissions"] if row["layer"] == "vegetation"]
    assert row["share"] == pytest.approx(0.5, abs=1e-6)


def test_absent_layers_and_roads_far_away_are_explained(analysed):
    tests = table(analysed, "tests.csv").set_index("factor")
    assert tests.loc["pisr", "note"] == tests.loc["stream_distance_m", "note"]
    assert tests.loc["pisr", "note"] == "the configuration has no such layer"
    assert tests.loc["road_distance_m", "note"] == "none of the 1 lines of the layer runs through the study area"
    assert "warning: roads: none of the 1 lines" in analysed[1]
    factors = table(analysed, "factors.csv").set_index("factor")["note"]
    assert factors["soil"] == "the configuration has no such layer"
    assert factors["vegetation"].endswith("of 27 slumps have no value")
    slumps = gpd.read_file(analysed[0] / "analysis" / "given" / "inventory.gpkg")
    assert not slumps["near_road"].any() and slumps["road_distance_m"].min() > 40_000


def test_the_campaign_says_that_it_maps_nothing(analysed):
    config = analysed[0] / "analysis" / "given" / "config.yaml"
    done = CliRunner().invoke(app, ["status", "--config", str(config)])
    assert "maps nothing" in done.output


# --- refused before any rule runs -----------------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A folder with good layers and one good slump, in which no program may be started."""
    config = ground(tmp_path)
    config["data"] = str(tmp_path)
    write_config(tmp_path, config)
    write_layer(gpd.GeoDataFrame({"id": ["a"]}, geometry=[square(500, 500)], crs=UTM), tmp_path / "theirs.gpkg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("a program was started"))
    return tmp_path, config


def refused(folder, *words, inventory="theirs.gpkg"):
    done = CliRunner().invoke(
        app, ["analyse", "--inventory", str(folder / inventory), "--layers", str(folder / "layers.yaml")]
    )
    assert isinstance(done.exception, InputError), done.output
    for word in words:
        assert word in str(done.exception)
    assert not (folder / "results").exists()


def test_inventory_without_crs(bare):
    gpd.GeoDataFrame({"id": ["a"]}, geometry=[square(500, 500)]).to_file(bare[0] / "plain.shp")
    refused(bare[0], "plain.shp", "no CRS", inventory="plain.shp")


def test_inventory_of_points(bare):
    gpd.GeoDataFrame({"id": ["a"]}, geometry=[Point(X, Y)], crs=UTM).to_file(bare[0] / "points.gpkg")
    refused(bare[0], "no slump with an area in 1 rows", inventory="points.gpkg")


def test_inventory_that_is_missing(bare):
    refused(bare[0], "none.shp", "missing", inventory="none.shp")


def test_inventory_of_another_place(bare):
    away = gpd.GeoDataFrame({"id": ["a", "b"]}, geometry=[square(9e4, 0), square(9e4, 90)], crs=UTM)
    write_layer(away, bare[0] / "away.gpkg")
    refused(bare[0], "none of the 2 slumps lies in the study area", inventory="away.gpkg")


def test_class_raster_without_legend(bare):
    folder, config = bare
    del config["inputs"]["vegetation_legend"]
    write_config(folder, config)
    refused(folder, "layers.yaml", "inputs.vegetation and inputs.vegetation_legend go together")


def test_legend_without_names(bare):
    (bare[0] / "vegetation.csv").write_text("code,name\n1,meadow\n2,\n")
    refused(bare[0], "vegetation.csv", "'2'", "has no name")


def test_layers_of_another_place(bare):
    write_raster(bare[0] / "dem.tif", np.ones((9, 9), np.float32), from_origin(X + 9e4, Y, 30, 30), UTM, -9999)
    refused(bare[0], "dem.tif", "does not touch the study area")


def test_missing_layer(bare):
    (bare[0] / "roads.gpkg").unlink()
    refused(bare[0], "roads.gpkg", "inputs.roads is missing")


def test_road_layer_without_lines(bare):
    write_layer(gpd.GeoDataFrame(geometry=[], crs=UTM), bare[0] / "roads.gpkg")
    refused(bare[0], "roads.gpkg", "roads has no rows")


def test_unknown_key_of_the_configuration(bare):
    folder, config = bare
    config["analysis"]["blok_km"] = 1
    write_config(folder, config)
    refused(folder, "'analysis.blok_km'", "'block_km'")


def test_configuration_that_is_no_mapping(bare):
    (bare[0] / "layers.yaml").write_text("- a\n")
    refused(bare[0], "not a mapping of sections")


def test_scenes_and_outlines_of_a_mapping_campaign_are_not_asked_for(bare):
    folder, config = bare
    config["inputs"] |= {"catalogue": "no scenes", "positives": "nothing.gpkg", "truth": "neither.gpkg"}
    config["review"] = {"mode": "simulated"}
    write_config(folder, config)
    values = analysis_values(folder / "theirs.gpkg", folder / "layers.yaml", {"columns": {"id": "FID"}, "crs": UTM})
    assert set(values["inputs"]) == {"dem", "roads", "vegetation", "vegetation_legend"} and "review" not in values
    assert values["analysis"]["columns"] == ["id=FID"] and values["analysis"]["crs_of_file"] == UTM
    assert values["analysis"]["inventory"] == str(folder / "theirs.gpkg")


def test_mapping_without_scenes_is_refused_in_words(bare, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mapping")
    for name in ("Snakefile", "workflow", "profiles", "config", "envs", "src"):
        (folder / name).symlink_to(ROOT / name)
    config = bare[1] | {"analysis": {"inventory": "theirs.gpkg"}}
    write_config(folder, config)
    shutil.copy(bare[0] / "theirs.gpkg", folder)
    head = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--configfile", "layers.yaml", "--"]
    with subprocess.Popen(
        [*head, "results/theirs/inventory/inventory.gpkg"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        output = process.communicate(timeout=120)[0]
    assert process.returncode != 0
    assert "mapping needs it. Give catalogue and positives, or analyse an inventory" in output
