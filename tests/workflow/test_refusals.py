"""Wrong input stops the whole workflow with one message before any long work starts."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from rasterio.transform import from_origin

from slumpmap.raster import write_raster
from slumpmap.vector import write_layer

CRS = "EPSG:32646"
WEST, NORTH = 500000, 3841000


@pytest.fixture
def campaign(workflow):
    """A people's campaign on one small good scene."""
    data = workflow.folder / "data"
    pixels = np.full((4, 200, 200), 900, dtype=np.uint16)
    write_raster(data / "20190801_040000_01_3B_AnalyticMS_SR.tif", pixels, from_origin(WEST, NORTH, 3, 3), CRS, 0)
    slump = shapely.box(WEST + 200, NORTH - 300, WEST + 260, NORTH - 220)
    write_layer(gpd.GeoDataFrame({"id": ["a"]}, geometry=[slump], crs=CRS), data / "slumps.gpkg")
    workflow.configure(
        demo=None,
        data=".",
        inputs={
            "catalogue": "data",
            "positives": "data/slumps.gpkg",
            "negatives": None,
            "dem": None,
            "roads": None,
            "truth": None,
            **dict.fromkeys(("vegetation", "vegetation_legend", "soil", "soil_legend")),
        },
        grid={"bounds": [WEST, NORTH - 600, WEST + 600, NORTH], "tile_px": 256},
        imagery={"years": [2019]},
        review={"mode": "people"},
    )
    return workflow


def scene(campaign):
    return campaign.folder / "data" / "20190801_040000_01_3B_AnalyticMS_SR.tif"


def stops(campaign, *words, until="catalogue"):
    """Runs up to the catalogue and expects one message that holds all words, and a non-zero exit."""
    status, output = campaign.run("--until", until)
    assert status != 0, output
    messages = {line for line in output.splitlines() if line.strip().startswith("error: ")}
    assert len(messages) == 1, output
    for word in words:
        assert word in next(iter(messages)), output


def test_good_input_passes_the_door(campaign):
    status, output = campaign.run("--until", "catalogue")
    assert status == 0, output


def test_unknown_key(campaign):
    status, output = campaign.run("--config", "candidates={thresholdd: 0.4}")
    assert status != 0
    assert "unknown key 'candidates.thresholdd'. Did you mean 'threshold'?" in output


def test_missing_positives(campaign):
    (campaign.folder / "data" / "slumps.gpkg").unlink()
    stops(campaign, "data/slumps.gpkg", "inputs.positives", "missing")


def test_truncated_scene(campaign):
    scene(campaign).write_bytes(scene(campaign).read_bytes()[:-2000])
    stops(campaign, scene(campaign).name, "truncated")


def test_scene_with_too_few_bands(campaign):
    write_raster(scene(campaign), np.ones((2, 200, 200), np.uint16), from_origin(WEST, NORTH, 3, 3), CRS, 0)
    stops(campaign, scene(campaign).name, "band")


def test_slumps_outside_the_area(campaign):
    away = gpd.GeoDataFrame({"id": ["a"]}, geometry=[shapely.box(0, 0, 50, 50)], crs=CRS)
    write_layer(away, campaign.folder / "data" / "slumps.gpkg")
    stops(campaign, "slumps.gpkg", "outside the study area")


def test_absent_data_folder(workflow):
    workflow.configure("peel", data="nowhere")
    status, output = workflow.run()
    assert status != 0
    assert "nowhere/S2_20210821" in output and "inputs.catalogue" in output and "`data`" in output
