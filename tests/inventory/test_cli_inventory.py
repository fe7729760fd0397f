"""The commands as the workflow's rules call them."""

from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from rasterio.transform import from_origin
from shapely.geometry import box

from slumpmap.cli import app
from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.raster import write_raster
from slumpmap.vector import write_layer

UTM = "EPSG:32646"
X, Y = 500_000.0, 3_840_000.0


@pytest.fixture
def campaign(tmp_path):
    """One slump of the second iteration, its model, a decision, a scene, and two layers."""
    shapes = [box(X + 100, Y + 100, X + 200, Y + 250)]
    (tmp_path / "grid.json").write_text(Grid.over(box(X, Y, X + 3000, Y + 3000), UTM, 3.0, 512).to_json())
    slump = {"id": ["c1"], "iteration_found": [2], "probability": ["high"], "initiation": [None], "source": ["x"]}
    decision = {"candidate_id": ["c1"], "is_slump": [True]}
    scene = {"scene": ["s1"], "acquired": ["2019-07-28T04:00:00+00:00"], "year": [2019]}
    scene |= {"cloud_fraction": [0.0], "selected": [True]}
    for name, table in (("slumps", slump), ("first", decision), ("scenes", scene)):
        write_layer(gpd.GeoDataFrame(table, geometry=shapes, crs=UTM), tmp_path / f"{name}.gpkg")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text(json.dumps({"weights": "ab" * 32}))
    transform = from_origin(X - 300, Y + 600, 30, 30)
    write_raster(tmp_path / "dem.tif", np.full((60, 60), 4700, np.float32), transform, UTM, -9999)
    write_raster(tmp_path / "soil.tif", np.full((60, 60), 3, np.uint8), transform, UTM, 0)
    (tmp_path / "soil.csv").write_text("code,name\n3,loam\n")
    return tmp_path


def call(folder, *arguments):
    """A command with `@` for the folder."""
    texts = [str(text).replace("@", f"{folder}/") for text in arguments]
    return CliRunner().invoke(app, texts, catch_exceptions=True)


def test_inventory_and_export(campaign):
    ground = ("--dem", "@dem.tif", "--soil", "@soil.tif", "--soil-legend", "@soil.csv")
    known = ("--model", "02=@model", "--decisions", "02:first=@first.gpkg", "--catalogue", "@scenes.gpkg")
    rest = ("--year", 2019, "--adjacent-m=50", "--out", "@inventory.gpkg")
    done = call(campaign, "inventory", "--grid", "@grid.json", "--slumps", "@slumps.gpkg", *ground, *known, *rest)
    assert done.exit_code == 0, done.output
    row = pd.read_csv(campaign / "inventory.csv").iloc[0]
    assert (row.elevation_mean, row.soil, row.area_ha) == (4700, "loam", 1.5)
    assert (row.model, row.reviewers, row.scene_dates) == ("02:" + "ab" * 6, "first", "2019-07-28")
    said = ("--region", "here", "--creator", "me", "--source", "PlanetScope")
    done = call(campaign, "arts", "--inventory", "@inventory.gpkg", "--resolution", 3, *said, "--out", "@arts.gpkg")
    assert done.exit_code == 0, done.output
    fields = json.loads((campaign / "arts.geojson").read_text())["features"][0]["properties"]
    assert (fields["BaseMapDate"], fields["RegionName"], fields["Area"]) == ("2019-07-28", "here", 15000)


def test_catalogue_needs_a_year(campaign):
    arguments = ("--grid", "@grid.json", "--slumps", "@slumps.gpkg", "--out", "@x.gpkg")
    done = call(campaign, "inventory", *arguments, "--catalogue", "@scenes.gpkg")
    assert done.exit_code == 2 and "go together" in done.output


@pytest.mark.parametrize(
    "given", [("--model", "@model"), ("--decisions", "first=@first.gpkg"), ("--model", "x=@model")]
)
def test_options_that_name_no_iteration_are_refused(campaign, given):
    arguments = ("--grid", "@grid.json", "--slumps", "@slumps.gpkg", "--out", "@x.gpkg")
    done = call(campaign, "inventory", *arguments, *given)
    assert isinstance(done.exception, InputError) and "names no iteration" in str(done.exception)


def test_required_fields_of_arts_are_required(campaign):
    done = call(campaign, "arts", "--inventory", "@inventory.gpkg", "--resolution", 3, "--out", "@arts.gpkg")
    assert isinstance(done.exception, InputError) and "--region: Field required" in str(done.exception)
