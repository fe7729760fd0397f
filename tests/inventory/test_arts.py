"""The export for ARTS: field names, formats and ids as its repository describes them."""

from __future__ import annotations

import json
import re
import uuid

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
from shapely.geometry import box

from slumpmap.errors import InputError
from slumpmap.inventory.arts import COLUMNS, export_arts
from slumpmap.settings.analysis import ArtsSettings
from slumpmap.vector import write_layer

UTM = "EPSG:32646"
SETTINGS = ArtsSettings(region="Beiluhe", creator="A. Mapper, Some University", source="PlanetScope")


def inventory(path, **columns):
    table = {
        "id": ["a", "b"],
        "lon": [93.1234567, 93.2],
        "lat": [34.7654321, 34.0],
        "area_ha": [1.23456, 0.05],
        "probability": ["high", None],
        "iteration_found": [2, 0],
        "scenes": ["one", "one,two"],
        "scene_dates": ["2019-07-28", "2019-08-05,2019-07-01,2019-07-28"],
    } | columns
    shapes = [box(511_000, 3_847_000, 511_100, 3_847_123), box(520_000, 3_762_000, 520_010, 3_762_050)]
    write_layer(gpd.GeoDataFrame(table, geometry=shapes, crs=UTM), path)
    return path


@pytest.fixture
def exported(tmp_path):
    export_arts(inventory(tmp_path / "inventory.gpkg"), SETTINGS, 3.0, tmp_path / "arts.gpkg")
    return pyogrio.read_dataframe(tmp_path / "arts.gpkg")


def test_fields(exported):
    assert list(exported.columns) == [*COLUMNS, "geometry"]
    first = exported.iloc[0]
    assert (first.CentroidLat, first.CentroidLon) == (34.76543, 93.12346)
    assert (first.RegionName, first.CreatorLab, first.BaseMapSource) == (
        "Beiluhe",
        "A. Mapper, Some University",
        "PlanetScope",
    )
    assert exported.BaseMapDate.tolist() == ["2019-07-28", "2019-07-01,2019-08-05"]
    assert exported.BaseMapID[0] == "one" and pd.isna(exported.BaseMapID[1])
    assert exported.BaseMapResolution.tolist() == [3.0, 3.0] and exported.BaseMapResolution.dtype == float
    assert (exported.TrainClass == "Positive").all() and (exported.LabelType == "Polygon").all()
    assert exported.Area.tolist() == [12345.6, 500]
    assert exported.Notes.tolist() == [
        "slumpmap id a; probability high; found in iteration 2",
        "slumpmap id b; found in iteration 0",
    ]
    generated = ["MergedRTS", "SplitRTS", "NewRTS", "StabilizedRTS", "UnknownRelationship", "ContributionDate"]
    assert exported[generated].isna().all(axis=None)


def test_required_fields_pass_the_checks_that_arts_makes(exported):
    """Types, ranges and dates as the checks of its formatting script want them."""
    assert exported.CentroidLat.between(-90, 90).all() and exported.CentroidLon.between(-180, 180).all()
    for name in ("RegionName", "CreatorLab", "BaseMapSource", "TrainClass", "LabelType"):
        assert exported[name].map(lambda value: isinstance(value, str) and value != "").all()
    assert exported.BaseMapDate.map(lambda text: bool(re.fullmatch(r"\d{4}-\d\d-\d\d(,\d{4}-\d\d-\d\d)?", text))).all()


def test_ids_are_made_as_arts_makes_them(exported):
    """Required fields one after the other, a whole resolution without decimals; version 5, name space DNS."""
    seed = "34.7654393.12346BeiluheA. Mapper, Some University2019-07-28PlanetScope3PositivePolygon"
    assert exported.UID[0] == str(uuid.uuid5(uuid.NAMESPACE_DNS, seed))
    seed = "34.093.2BeiluheA. Mapper, Some University2019-07-01,2019-08-05PlanetScope3PositivePolygon"
    assert exported.UID[1] == str(uuid.uuid5(uuid.NAMESPACE_DNS, seed))


def test_resolution_with_decimals(tmp_path):
    export_arts(inventory(tmp_path / "inventory.gpkg"), SETTINGS, 3.125, tmp_path / "arts.gpkg")
    seed = "34.7654393.12346BeiluheA. Mapper, Some University2019-07-28PlanetScope3.125PositivePolygon"
    uid = pyogrio.read_dataframe(tmp_path / "arts.gpkg").UID[0]
    assert uid == str(uuid.uuid5(uuid.NAMESPACE_DNS, seed))


def test_geojson_holds_the_same_in_longitude_and_latitude(tmp_path, exported):
    text = json.loads((tmp_path / "arts.geojson").read_text())
    assert "crs" not in text and text["name"] == "arts"
    assert list(text["features"][0]["properties"]) == list(COLUMNS)
    layer = pyogrio.read_dataframe(tmp_path / "arts.geojson")
    assert exported.crs == layer.crs == "EPSG:4326"
    assert layer.UID.tolist() == exported.UID.tolist()
    # Seven decimals, a centimetre.
    assert layer.normalize().geom_equals_exact(exported.normalize(), 1e-7).all()
    lon, lat = layer.geometry[0].centroid.coords[0]
    assert lon == pytest.approx(93.12, abs=0.01) and lat == pytest.approx(34.76, abs=0.01)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"scene_dates": ["2019-07-28", None]}, "1 of 2 slumps have no date of the image, the first is 'b'"),
        ({"scene_dates": ["2019-07-28", "July"]}, "'July' holds no dates"),
        ({"lon": [93.0] * 2, "lat": [34.0] * 2, "scene_dates": ["2019-07-28"] * 2}, "'a' and 'b' have one centre"),
        ({"id": ["a", "a"]}, "several rows with id 'a'"),
    ],
)
def test_refusals(tmp_path, columns, message):
    with pytest.raises(InputError, match=message):
        export_arts(inventory(tmp_path / "inventory.gpkg", **columns), SETTINGS, 3.0, tmp_path / "arts.gpkg")
    assert not (tmp_path / "arts.gpkg").exists()


def test_inventory_without_dates_is_refused(tmp_path):
    layer = pyogrio.read_dataframe(inventory(tmp_path / "inventory.gpkg")).drop(columns="scene_dates")
    write_layer(layer, tmp_path / "inventory.gpkg")
    with pytest.raises(InputError, match="lacks the column scene_dates"):
        export_arts(tmp_path / "inventory.gpkg", SETTINGS, 3.0, tmp_path / "arts.gpkg")
