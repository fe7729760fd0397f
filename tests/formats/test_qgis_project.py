"""Every product opens drawn: styles inside the GeoPackages and beside the rasters, and a project of the campaign."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import zipfile
from contextlib import closing
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from conftest import CRS, X, Y
from PIL import Image

from slumpmap.errors import InputError
from slumpmap.exchange.project import Products, write_campaign_project
from slumpmap.gis.looks import LOOKS, look_of, style_of
from slumpmap.vector import write_layer

ROOT = Path(__file__).parents[2]
SESSION = Path(__file__).with_name("open_in_qgis.py")
# Study area and tiles lie in one file, and each layer has a look.
TWO_LAYERS = {"area"}


def products_of_rules():
    """Names of all GeoPackages and terrain rasters that rules make."""
    text = "".join(path.read_text() for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")))
    return set(re.findall(r"/(\w+)\.gpkg", text)) | set(re.findall(r"TERRAIN_FOLDER}/(\w+)\.tif", text))


def test_every_product_of_the_rules_has_a_look():
    names = products_of_rules()
    assert {"inventory", "candidates", "streams", "slope", "pisr_unreliable", "cells_10km"} <= names
    assert {name for name in names if look_of(name) is None} == TWO_LAYERS


@pytest.mark.parametrize("name", sorted(LOOKS))
def test_a_style_is_a_document_that_names_colours(name):
    root = ElementTree.fromstring(style_of(LOOKS[name]))
    assert root.tag == "qgis"
    vector = LOOKS[name].geometry is not None
    assert (root.find("renderer-v2") is not None) == vector and (root.find("pipe") is not None) == (not vector)
    if vector:
        symbols = {symbol.get("name") for symbol in root.iterfind("renderer-v2/symbols/symbol")}
        assert symbols and {node.get("symbol") for node in root.iterfind("renderer-v2/categories/category")} <= symbols
    else:
        values = [float(item.get("value")) for item in root.iter("item")]
        assert len(values) >= 2 and values == sorted(values)


def style_in(path):
    with closing(sqlite3.connect(path)) as sql:
        rows = sql.execute("SELECT f_table_name, f_geometry_column, styleQML, useAsDefault FROM layer_styles")
        return {name: (column, style, default) for name, column, style, default in rows}


def test_geopackages_carry_the_style_of_their_layer(campaign):
    for path in campaign.packages:
        assert style_in(path) == {path.stem: ("geom", style_of(LOOKS[path.stem]), 1)}
    area = style_in(campaign.folder / "gis" / "area.gpkg")
    assert set(area) == {"study_area", "tiles"}


def columns_in(style):
    """Columns that a style's expressions name."""
    root = ElementTree.fromstring(style)
    texts = [node.get("attr") or "" for node in root.iter("renderer-v2")]
    texts += [node.get("fieldName") or "" for node in root.iter("text-style")]
    return {name for text in texts for name in re.findall(r'"(\w+)"', text)}


def test_styles_name_columns_that_there_are(campaign):
    seen = set()
    for path in [*campaign.packages, campaign.folder / "inventory" / "slumps.gpkg"]:
        named = columns_in(style_of(LOOKS[path.stem]))
        assert named <= set(pyogrio.read_info(path, layer=path.stem)["fields"]), path
        seen |= named
    assert seen == {"probability", "id", "status", "strahler"}


def test_styles_of_further_products_name_the_columns_that_their_rooms_write():
    """Written by rooms that need a campaign: held against what the code says of their columns."""
    written = {
        "to_inspect": "review/decisions.py", "verdicts": "review/outcome.py", "scenes": "imagery/catalogue.py",
        "windows": "learning/windows.py", "queue": "review/ranking.py", "growth": "review/growth_table.py",
        "cells": "inventory/cells.py",
    }  # fmt: skip
    for name, file in written.items():
        code = (ROOT / "src" / "slumpmap" / file).read_text()
        named = columns_in(style_of(LOOKS[name]))
        assert named and all(f'"{column}"' in code or f"{column}=" in code for column in named), (name, named)


def test_files_of_people_get_no_style(tmp_path):
    write_layer(gpd.GeoDataFrame({"id": [1]}, geometry=[shapely.box(0, 0, 1, 1)], crs=CRS), tmp_path / "anna.gpkg")
    with closing(sqlite3.connect(tmp_path / "anna.gpkg")) as sql:
        assert sql.execute("SELECT name FROM sqlite_master WHERE name = 'layer_styles'").fetchall() == []


def test_rasters_have_their_style_beside_them(campaign):
    for path in campaign.terrain:
        assert path.with_suffix(".qml").read_text() == style_of(LOOKS[path.stem])
    assert (campaign.folder / "gis" / "probability.qml").exists()


def document(project):
    with zipfile.ZipFile(project) as archive:
        return ElementTree.fromstring(archive.read(f"{project.stem}.qgs"))


def test_project_leads_to_its_files_by_relative_paths(campaign):
    sources = [node.text.partition("|")[0] for node in document(campaign.project).iter("datasource")]
    assert len(sources) == 3 + 2 + 6 + 2 + 1 + 1
    assert all(source.startswith("./") and (campaign.folder / source).exists() for source in sources)
    text = ElementTree.tostring(document(campaign.project), encoding="unicode")
    assert str(campaign.folder) not in text


def test_ids_of_a_project_are_unique_also_where_two_studies_have_the_same_files(campaign, tmp_path):
    grid = campaign.grid
    files = []
    for study in ("own", "given"):
        files.append(tmp_path / study / "cells_10km.gpkg")
        cells = {"slumps": [3], "geometry": [shapely.box(X, Y - 100, X + 100, Y)]}
        write_layer(gpd.GeoDataFrame(cells, crs=CRS), files[-1])
    write_campaign_project("two", grid, Products(files), tmp_path / "two.qgz")
    layers = list(document(tmp_path / "two.qgz").iterfind("projectlayers/maplayer"))
    assert len({layer.findtext("id") for layer in layers}) == len(layers) == 4
    titles = {layer.findtext("layername") for layer in layers}
    assert titles == {
        "Study area", "Tiles", "Slumps in cells of 10 km (own)", "Slumps in cells of 10 km (given)",
    }  # fmt: skip


def test_project_of_no_slumps_opens_on_the_study_area(campaign, tmp_path):
    empty = gpd.GeoDataFrame({"id": [], "probability": []}, geometry=[], crs=CRS)
    write_layer(empty, tmp_path / "inventory.gpkg")
    write_campaign_project("none", campaign.grid, Products([tmp_path / "inventory.gpkg"]), tmp_path / "none.qgz")
    assert len(list(document(tmp_path / "none.qgz").iterfind("projectlayers/maplayer"))) == 3


def test_what_is_no_product_is_refused(campaign, tmp_path):
    write_layer(gpd.GeoDataFrame({"id": [1]}, geometry=[shapely.box(0, 0, 1, 1)], crs=CRS), tmp_path / "roads.gpkg")
    with pytest.raises(InputError, match=r"roads\.gpkg"):
        write_campaign_project("x", campaign.grid, Products([tmp_path / "roads.gpkg"]), tmp_path / "x.qgz")
    with pytest.raises(InputError, match=r"dem\.tif"):
        write_campaign_project("x", campaign.grid, Products([campaign.dem]), tmp_path / "x.qgz")


@cache
def qgis_python():
    """A Python that has QGIS, or None."""
    for name in filter(None, (os.environ.get("QGIS_PYTHON"), "/usr/bin/python3")):
        found = subprocess.run([name, "-c", "import qgis.core"], capture_output=True, env=environment(), check=False)
        if found.returncode == 0:
            return name
    return None


def environment():
    """Without what leads QGIS's Python to our packages."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return keep | {"QT_QPA_PLATFORM": "offscreen", "LC_ALL": "C.UTF-8"}


@pytest.mark.skipif(qgis_python() is None, reason="needs QGIS and its Python (apt install python3-qgis)")
def test_qgis_opens_project_and_products_drawn(campaign, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(campaign.folder, moved)
    alone = [moved / path.relative_to(campaign.folder) for path in [*campaign.packages, *campaign.terrain]]
    command = [qgis_python(), SESSION, moved / "small.qgz", tmp_path / "report.json", tmp_path, *alone]
    surroundings = environment() | {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=surroundings, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads((tmp_path / "report.json").read_text())
    assert seen["opened"] and seen["title"] == "slumpmap: small" and seen["crs"] == CRS
    assert all(layer["valid"] and layer["crs"] == CRS for layer in seen["layers"].values())
    assert seen["groups"] == {
        "Slumps": ["Inventory", "Candidates"],
        "Around": ["Study area", "Tiles", "Streams"],
        "Network": ["Probability of the network"],
        "Terrain": [LOOKS[path.stem].title for path in campaign.terrain],
        "Images": ["2018", "2019"],
        "Relief": ["Shaded relief"],
    }
    assert seen["visible"] == ["Inventory", "Study area", "2019", "Shaded relief"]
    assert seen["layers"]["Inventory"]["count"] == 4 and seen["layers"]["Tiles"]["count"] == 2
    assert set(seen["errors"]) == {
        "2018",
        "2019",
        "Shaded relief",
        *(LOOKS[path.stem].title for path in campaign.terrain),
    }
    assert not any(seen["errors"].values())
    # By itself each file takes the style that lies in it or beside it.
    found = {Path(name).stem: look for name, look in seen["alone"].items()}
    assert {look["valid"] for look in found.values()} == {True}
    assert found["inventory"]["legend"][:3] == ["High probability", "Medium probability", "Low probability"]
    assert found["candidates"]["legend"] == ["New", "Known", "Rejected before"]
    assert found["slope"]["renderer"] == "singlebandpseudocolor"
    slumps_stand_out(tmp_path / f"{sorted(seen['errors']).index('Shaded relief'):02d}.png", campaign.grid)


def slumps_stand_out(picture, grid):
    """The slump of high probability is outlined in orange where it is, on the map of the study area."""
    pixels = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    orange = np.abs(pixels - np.array([255, 120, 0])).max(axis=2) <= 20
    rows, columns = np.nonzero(orange)
    # The map is as wide as the study area with its margins, 6 % of its width, or as high.
    west, south, east, north = grid.area.bounds
    margin = 0.03 * max(east - west, north - south)
    size = max((east - west + 2 * margin) / pixels.shape[1], (north - south + 2 * margin) / pixels.shape[0])
    middle = (pixels.shape[1] - 1) / 2 + ((X + 500) - (east + west) / 2) / size
    assert columns.mean() == pytest.approx(middle, abs=3)
    assert np.ptp(columns) * size == pytest.approx(100, abs=20) and len(rows) > 30
