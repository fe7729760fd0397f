"""The files of `demo-data --as-user` are what their names say, and show the corridor that they were made of."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from rasterio.warp import transform, transform_bounds

from slumpmap.cli import app
from slumpmap.demo import corridor_size, make_corridor, make_delivery
from slumpmap.demo.corridor import make_layout
from slumpmap.errors import InputError
from slumpmap.imagery.folder import catalogue_folder


def test_scenes_are_known_as_planets_with_masks_and_metadata(delivery: Path, tmp_path: Path) -> None:
    listing = catalogue_folder(delivery / "PSScene", tmp_path / "scenes.gpkg")
    table = gpd.read_file(tmp_path / "scenes.gpkg", layer="scenes")
    assert listing.product == "analytic_sr" and listing.left_out == {}
    assert (table["udm"] != "").all() and (table["instrument"] == "PSB.SD").all()
    assert set(table["acquired"].str[:4]) == {"2018", "2019"}


def test_metadata_say_what_the_scene_shows(delivery: Path) -> None:
    found = sorted((delivery / "PSScene").glob("*_metadata.json"))
    assert len(found) == len(list((delivery / "PSScene").glob("*_SR.tif"))) > 4
    for path in found:
        said = json.loads(path.read_text())
        outline = gpd.GeoDataFrame.from_features([said], crs="EPSG:4326")
        with rasterio.open(path.with_name(f"{said['id']}_3B_AnalyticMS_SR.tif")) as scene:
            west, south, east, north = outline.to_crs(scene.crs).total_bounds
            assert scene.bounds.left <= west + 1 and scene.bounds.top >= north - 1
            assert scene.bounds.right >= east - 1 and scene.bounds.bottom <= south + 1


def test_elevation_tiles_lie_where_their_names_say_and_have_the_corridors_heights(
    delivery: Path, tmp_path: Path
) -> None:
    dem = make_layout(corridor_size("tiny"), 1).terrain.dem
    names = sorted(path.name for path in (delivery / "SRTM").iterdir())
    assert names == ["N34E092.SRTMGL1.hgt.zip", "N34E093.SRTMGL1.hgt.zip"]
    for name, west in zip(names, (92, 93), strict=True):
        with zipfile.ZipFile(delivery / "SRTM" / name) as archive:
            archive.extractall(tmp_path)
        with rasterio.open(tmp_path / f"{name[:7]}.hgt") as tile:
            half = 0.5 / 3600
            assert tile.bounds == pytest.approx((west - half, 34 - half, west + 1 + half, 35 + half))
            heights = tile.read(1, masked=True)
            rows, columns = np.nonzero(~np.ma.getmaskarray(heights))
            some = np.random.default_rng(1).permutation(len(rows))[:500]
            rows, columns = rows[some], columns[some]
            x, y = tile.transform @ (columns + 0.5, rows + 0.5)
        east, north = map(np.asarray, transform("EPSG:4326", "EPSG:32646", x, y))
        column, row = ~dem.transform @ (east, north)
        inside = (column > 1) & (row > 1) & (column < dem.values.shape[1] - 1) & (row < dem.values.shape[0] - 1)
        nearest = dem.values[row[inside].astype(int), column[inside].astype(int)]
        # Within a cell of 30 m, on slopes of up to some 30 degrees.
        off = np.abs(heights[rows[inside], columns[inside]].astype(float) - nearest)
        assert inside.sum() > 400 and off.max() < 25 and np.median(off) < 3


def test_layers_come_in_other_systems_and_at_the_right_place(delivery: Path, tmp_path: Path) -> None:
    make_corridor(tmp_path / "corridor", "tiny", 1, years=[2018], processes=1)
    slumps = gpd.read_file(delivery / "thaw_slumps.shp")
    assert slumps.crs.to_epsg() == 32647
    ours = gpd.read_file(tmp_path / "corridor" / "positives.gpkg", layer="positives")
    assert slumps.to_crs(ours.crs).geometry.geom_equals_exact(ours.geometry, 0.01).all()
    assert list(slumps["initiation"]) == list(ours["initiation"])
    area = gpd.read_file(delivery / "study_area.shp")
    assert area.crs.to_epsg() == 4326
    assert area.to_crs(32646).total_bounds == pytest.approx(corridor_size("tiny").bounds, abs=0.01)
    assert gpd.read_file(delivery / "roads.zip").crs.to_epsg() == 4326
    assert len(gpd.read_file(delivery / "look_alikes.geojson")) == 1
    assert transform_bounds("EPSG:32646", "EPSG:4326", *ours.total_bounds)[0] < 93.1


def test_nothing_is_left_over(delivery: Path) -> None:
    assert [path.name for path in delivery.rglob(".*")] == []


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        make_delivery(tmp_path, "tiny", 1, [2018], processes=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("options", [("--size", "large"), ("--area-km2", "5")])
def test_no_area_for_a_users_files(tmp_path: Path, options: tuple[str, str]) -> None:
    result = CliRunner().invoke(app, ["demo-data", "--as-user", *options, "--out", str(tmp_path / "x")])
    assert isinstance(result.exception, InputError)
    assert not (tmp_path / "x").exists()
