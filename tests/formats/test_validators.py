"""The formats by the validators of their own worlds: COG, GeoPackage, GeoParquet, STAC, CF. None needs a network."""

import json
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import warnings
from contextlib import closing
from pathlib import Path

import geoparquet_validator
import numpy as np
import pystac
import pytest
import rasterio
from conftest import dem
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from rio_cogeo.cogeo import cog_validate

from slumpmap.candidates.ledger import compare
from slumpmap.errors import InputError
from slumpmap.exchange.stac import Rasters, write_stac
from slumpmap.raster import atomic_cog, write_raster
from slumpmap.settings.candidates import LedgerSettings
from slumpmap.terrain.pisr_model import PisrSettings
from slumpmap.terrain.solar import solar
from slumpmap.vector import read_layer, write_layer

GDAL_SAMPLES = "osgeo_utils.samples.validate_gpkg"


@pytest.fixture
def offline(monkeypatch):
    """No validator may ask a server, whose answer would decide the test."""

    def refuse(*_):
        raise OSError("this test has no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


# COG


def test_every_raster_is_a_valid_cog(campaign):
    assert len(campaign.rasters) == 6 + 2 * 2 + 2
    for path in campaign.rasters:
        assert cog_validate(path, strict=True, quiet=True) == (True, [], []), path


def test_a_plain_geotiff_is_found_out(campaign, tmp_path):
    """The validator tells a COG from what the terrain room wrote before."""
    with rasterio.open(campaign.terrain[0]) as source:
        write_raster(tmp_path / "plain.tif", source.read(1), source.transform, source.crs, np.nan)
    assert cog_validate(tmp_path / "plain.tif", strict=True, quiet=True)[0] is False


def test_overviews_of_directions_and_masks_are_values_that_there_are(campaign):
    """The mean of 350 and 10 degrees is not 180, and a mask is 0 or 1."""
    _, aspect, _, _, mask, _ = campaign.terrain
    for path in (aspect, mask):
        with rasterio.open(path) as whole, rasterio.open(path, overview_level=0) as coarse:
            assert set(np.unique(coarse.read(1, masked=True).compressed())) <= set(np.unique(whole.read(1)))
    with rasterio.open(campaign.terrain[0]) as whole, rasterio.open(campaign.terrain[0], overview_level=0) as coarse:
        fine, means = whole.read(1), coarse.read(1)
    four = np.nanmean(fine[100:102, 100:102])
    assert means[50, 50] == pytest.approx(four, rel=1e-5)


def test_a_cog_that_is_broken_off_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="broken"), atomic_cog(tmp_path / "x.tif") as rough:
        Path(rough).write_bytes(b"half")
        raise RuntimeError("broken")
    assert list(tmp_path.iterdir()) == []


# GeoPackage


def packages(campaign):
    return [*campaign.packages, campaign.folder / "gis" / "area.gpkg"]


def test_every_geopackage_is_sound_and_says_so_of_all_its_tables(campaign):
    for path in packages(campaign):
        with closing(sqlite3.connect(path)) as sql:
            assert sql.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert sql.execute("PRAGMA foreign_key_check").fetchall() == []
            (application,) = sql.execute("PRAGMA application_id").fetchone()
            assert application == int.from_bytes(b"GPKG", "big")
            kinds = dict(sql.execute("SELECT table_name, data_type FROM gpkg_contents"))
            tables = {name for (name,) in sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert kinds.pop("layer_styles") == "attributes" and set(kinds.values()) == {"features"}
        ours = {name for name in tables if not name.startswith(("gpkg_", "sqlite_", "rtree_"))}
        assert ours == {*kinds, "layer_styles"}


@pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="needs ogrinfo (apt install gdal-bin)")
def test_ogrinfo_reads_every_geopackage_without_a_word_of_warning(campaign):
    for path in packages(campaign):
        done = subprocess.run(["ogrinfo", "-ro", "-al", "-so", path], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert "Feature Count" in done.stdout and 'PROJCRS["WGS 84 / UTM zone 46N"' in done.stdout


def python_with_gdal():
    """A Python that has GDAL's own validator of GeoPackages, or None."""
    for name in ("/usr/bin/python3", sys.executable):
        found = subprocess.run([name, "-c", f"import {GDAL_SAMPLES}"], capture_output=True, check=False, env={})
        if found.returncode == 0:
            return name
    return None


@pytest.mark.skipif(python_with_gdal() is None, reason="needs GDAL's Python (apt install python3-gdal)")
def test_gdals_own_validator_finds_no_fault_in_a_geopackage(campaign):
    for path in packages(campaign):
        command = [python_with_gdal(), "-m", GDAL_SAMPLES, "-k", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={})
        assert done.returncode == 0 and "Req" not in done.stdout, done.stdout + done.stderr


# GeoParquet


def geoparquet(path):
    report = geoparquet_validator.check(str(path))
    passed = {outcome["id"] for outcome in report["outcomes"] if outcome["status"] == "pass"}
    return report, passed


def test_inventory_and_candidates_are_geoparquet_1_1_with_boxes(campaign):
    for path in campaign.packages[:2]:
        report, passed = geoparquet(path.with_suffix(".parquet"))
        assert report["version"] == "1.1.0"
        assert geoparquet_validator.failed(report) == []
        assert {"/conf/core/wkb", "/conf/core/crs-projjson", "/conf/covering/bbox-paths"} <= passed


def test_candidates_as_geoparquet_are_those_of_the_geopackage(campaign):
    path = campaign.packages[1]
    ours, theirs = read_layer(path.with_suffix(".parquet"), "candidates"), read_layer(path, "candidates")
    assert len(ours) == 3 and set(ours["status"]) == {"known", "rejected", "new"}
    assert list(ours["id"]) == list(theirs["id"]) and ours.geometry.geom_equals(theirs.geometry).all()
    assert ours.crs == theirs.crs


def test_no_candidates_are_geoparquet_too(campaign, tmp_path):
    folder = campaign.packages[1].parent
    empty = read_layer(folder / "polygons.gpkg", "polygons").iloc[:0]
    write_layer(empty, tmp_path / "polygons.gpkg")
    compare(tmp_path / "polygons.gpkg", folder / "known.gpkg", None, 1, LedgerSettings(), tmp_path / "candidates.gpkg")
    report, _ = geoparquet(tmp_path / "candidates.parquet")
    # Its advice on how rows are spread over the file has nothing to say of a file without rows.
    assert [name for kind in ("core", "covering") for name in geoparquet_validator.failed(report, kind)] == []


# STAC


@pytest.mark.usefixtures("offline")
def test_stac_holds_to_the_core_schemas(campaign):
    collection = pystac.Collection.from_file(str(campaign.folder / "stac" / "collection.json"))
    validator = JsonSchemaSTACValidator()
    validator.validate_core(collection.to_dict(), pystac.STACObjectType.COLLECTION, "1.1.0")
    items = list(collection.get_items(recursive=True))
    assert len(items) == 1 + 2 * 2 + 2
    for item in items:
        validator.validate_core(item.to_dict(), pystac.STACObjectType.ITEM, "1.1.0")
        assert item.get_root().id == item.collection_id == "small"


@pytest.mark.usefixtures("offline")
def test_stac_says_of_each_raster_what_is_in_it(campaign):
    """The extension's own schema is on the network: what it asks is held against the files instead."""
    collection = pystac.Collection.from_file(str(campaign.folder / "stac" / "collection.json"))
    seen = set()
    for item in collection.get_items(recursive=True):
        west, south, east, north = item.bbox
        assert 92.9 < west < east < 93.3 and 34.5 < south < north < 34.8
        for asset in item.assets.values():
            with rasterio.open(asset.get_absolute_href()) as source:
                assert asset.ext.proj.code == source.crs.to_string()
                assert asset.ext.proj.shape == list(source.shape)
                assert asset.ext.proj.transform == list(source.transform)[:6]
                assert asset.ext.proj.bbox == pytest.approx(list(source.bounds))
                bands = asset.extra_fields["bands"]
                assert [band["data_type"] for band in bands] == list(source.dtypes)
                assert [float(band.get("nodata", -1)) for band in bands] == pytest.approx(
                    [-1 if source.nodata is None else source.nodata] * source.count, nan_ok=True
                )
            seen.add(Path(asset.get_absolute_href()).resolve())
    assert seen == {path.resolve() for path in campaign.rasters}
    assert all(Path(asset.get_absolute_href()).exists() for asset in collection.assets.values())


def test_stac_moves_with_the_results(campaign, tmp_path):
    shutil.copytree(campaign.folder, tmp_path / "moved")
    collection = pystac.Collection.from_file(str(tmp_path / "moved" / "stac" / "collection.json"))
    assets = [asset for item in collection.get_items(recursive=True) for asset in item.assets.values()]
    assert assets and all(str(tmp_path) in asset.get_absolute_href() for asset in assets)
    text = "".join(path.read_text() for path in (campaign.folder / "stac").rglob("*.json"))
    assert str(campaign.folder) not in text


def test_times_of_the_images_are_those_of_the_scenes(campaign, tmp_path):
    scenes = read_layer(campaign.packages[0], "inventory").iloc[[0, 1, 2]][["geometry"]]
    times = ["2018-07-02T04:10:00+00:00", "2018-08-30T04:10:00+08:00", "2019-07-05T04:00:00+00:00"]
    scenes = scenes.assign(year=[2018, 2018, 2019], acquired=times, selected=[True, True, False])
    write_layer(scenes, tmp_path / "scenes.gpkg")
    rasters = Rasters(mosaics=campaign.mosaics, catalogue=tmp_path / "scenes.gpkg")
    write_stac("x", "x", campaign.grid, rasters, [], tmp_path / "stac")
    tile = campaign.grid.tiles[0].id
    periods = {}
    for year in (2018, 2019):
        properties = json.loads((tmp_path / "stac" / f"images-{year}" / f"{tile}.json").read_text())["properties"]
        periods[year] = properties["start_datetime"], properties["end_datetime"]
    assert periods[2018] == ("2018-07-02T04:10:00Z", "2018-08-29T20:10:00Z")
    assert periods[2019] == ("2019-01-01T00:00:00Z", "2019-12-31T23:59:59Z")


def test_terrain_without_a_year_is_refused(campaign, tmp_path):
    with pytest.raises(InputError, match="no year is given"):
        write_stac("x", "x", campaign.grid, Rasters(terrain=campaign.terrain), [], tmp_path)


# CF


def cf_faults(path, report):
    """What the IOOS compliance checker finds; it brings its tables along."""
    script = (
        "import sys; from compliance_checker.runner import CheckSuite, ComplianceChecker\n"
        "CheckSuite.load_all_available_checkers()\n"
        "source, report = sys.argv[1:]\n"
        "ComplianceChecker.run_checker(source, ['cf:1.8'], 0, 'normal', output_filename=report, output_format='json')"
    )
    command = [sys.executable, "-c", script, str(path), str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert report.exists(), done.stderr[-2000:]
    (found,) = json.loads(report.read_text()).values()
    assert found["possible_points"] > 100
    return [message for check in found["all_priorities"] for message in check["msgs"]]


@pytest.mark.parametrize("monthly", [False, True])
def test_radiation_as_netcdf_holds_to_cf(tmp_path, monthly):
    source = dem(tmp_path / "dem.tif", 20, 30)
    settings = PisrSettings(days=(15, 172), step_minutes=120)
    solar(source, tmp_path / "pisr.nc", settings, monthly=monthly)
    assert cf_faults(tmp_path / "pisr.nc", tmp_path / "report.json") == []


def test_radiation_of_a_geographic_model_holds_to_cf(tmp_path):
    source = dem(tmp_path / "dem.tif", 20, 30, "EPSG:4326", 1 / 3600, (93.0, 34.7))
    solar(source, tmp_path / "pisr.nc", PisrSettings(days=(172,), step_minutes=120))
    assert cf_faults(tmp_path / "pisr.nc", tmp_path / "report.json") == []


# docs/formats.md


def test_what_the_page_says_of_reading_works(campaign, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    monkeypatch.chdir(campaign.folder)
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for block in blocks:
            exec(
                block.replace("bbox=(495000, 3835000, 500000, 3844000)", "bbox=(500000, 3839000, 500300, 3840000)"),
                names,
            )
    assert list(names["slumps"]["id"]) == ["a", "b", "c", "d"]
    # The covering is read, and nothing else of the file.
    assert list(names["west"]["id"]) == ["a"]
    assert names["slope"].shape == (300, 620) and names["slope"].mask.any()
    assert len(names["files"]) == len(campaign.rasters) and all(Path(file).exists() for file in names["files"])
