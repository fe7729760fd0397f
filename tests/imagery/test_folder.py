"""A folder as Planet delivers it becomes a scene catalogue; what cannot be used is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from rasterio.warp import transform_bounds
from scene_maker import CRS, NORTH, WEST, flat, grid_of, udm_like, write_scene
from shapely.geometry import box, mapping

from slumpmap.cli import app
from slumpmap.errors import InputError
from slumpmap.imagery.catalogue import make_catalogue
from slumpmap.imagery.folder import Listing, catalogue_folder
from slumpmap.imagery.naming import PlanetName, planet_name, udm_of
from slumpmap.settings.imagery import CompositeSettings

NEW, OLD, DOVE_R = "20210821_041233_37_2262", "20170721_040107_0f4e", "20190721_041233_1057"
XML = """<?xml version="1.0" encoding="UTF-8"?>
<ps:EarthObservation xmlns:ps="http://schemas.planet.com/ps/v1/planet_product_metadata_geocorrected_level"
 xmlns:eop="http://earth.esa.int/eop" xmlns:opt="http://earth.esa.int/opt" xmlns:gml="http://www.opengis.net/gml">
 <gml:using><eop:EarthObservationEquipment>
  <eop:instrument><eop:Instrument><eop:shortName>PS2</eop:shortName></eop:Instrument></eop:instrument>
  <eop:acquisitionParameters><ps:Acquisition>
   <ps:acquisitionDateTime>2017-07-21T04:01:07+00:00</ps:acquisitionDateTime>
  </ps:Acquisition></eop:acquisitionParameters>
 </eop:EarthObservationEquipment></gml:using>
 <gml:resultOf><opt:cloudCoverPercentage uom="percentage">12.5</opt:cloudCoverPercentage></gml:resultOf>
</ps:EarthObservation>
"""


def write_mask(path: Path, cloudy: int = 0, **place: Any) -> Path:
    clear = np.ones((128, 128), bool)
    clear[:cloudy] = False
    return write_scene(path, udm_like(clear), nodata=None, **place)


def outline(metres: float = 384.0, west: float = WEST) -> dict[str, Any]:
    found: dict[str, Any] = mapping(
        box(*transform_bounds(CRS, "EPSG:4326", west, NORTH - metres, west + metres, NORTH))
    )
    return found


def write_metadata(path: Path, geometry: Any = None, **properties: Any) -> Path:
    path.write_text(json.dumps({"type": "Feature", "id": "x", "geometry": geometry, "properties": properties}))
    return path


def listed(folder: Path, **options: Any) -> tuple[Listing, gpd.GeoDataFrame]:
    out = folder.parent / "scenes.gpkg"
    listing = catalogue_folder(folder, out, **options)
    return listing, gpd.read_file(out).set_index("scene")


@pytest.fixture
def delivered(tmp_path: Path) -> Path:
    """Three generations of Planet's naming, in folders as orders have them."""
    folder = tmp_path / "planet"
    write_scene(folder / "a" / "PSScene" / f"{NEW}_3B_AnalyticMS_SR_clip.tif", flat(900))
    write_mask(folder / "a" / "PSScene" / f"{NEW}_3B_udm2_clip.tif", cloudy=32)
    write_metadata(
        folder / "a" / "PSScene" / f"{NEW}_metadata.json",
        outline(192),
        acquired="2021-08-21T04:12:33.518Z",
        cloud_cover=0.9,
        instrument="PSB.SD",
    )
    write_scene(folder / "b" / f"{OLD}_3B_AnalyticMS_SR.tif", flat(800))
    write_scene(folder / "b" / f"{OLD}_3B_AnalyticMS_DN_udm.tif", flat(0, bands=1).astype(np.uint8), nodata=None)
    (folder / "b" / f"{OLD}_3B_AnalyticMS_metadata.xml").write_text(XML)
    write_scene(folder / "c" / f"{DOVE_R}_3B_AnalyticMS_SR.tif", flat(700))
    return folder


def test_what_lies_beside_a_scene_is_read(delivered: Path) -> None:
    listing, rows = listed(delivered)
    assert listing == Listing(3, "analytic_sr", {})
    new, old, dove = (
        rows.loc[f"{item}_3B_AnalyticMS_SR{tail}"] for item, tail in ((NEW, "_clip"), (OLD, ""), (DOVE_R, ""))
    )
    # The mask knows what is clouded within the clip, the metadata speak of the whole scene.
    assert new["cloud_fraction"] == 0.25 and new["acquired"].startswith("2021-08-21T04:12:33")
    assert new["udm"] == f"planet/a/PSScene/{NEW}_3B_udm2_clip.tif" and new["instrument"] == "PSB.SD"
    assert old["cloud_fraction"] == 0.125 and old["acquired"] == "2017-07-21T04:01:07+00:00"
    assert old["instrument"] == "PS2" and old["udm"] in ("", None)
    assert np.isnan(dove["cloud_fraction"]) and dove["acquired"] == "2019-07-21T04:12:33+00:00"
    assert (rows["bands"] == 4).all() and (rows["resolution"] == 3.0).all()
    assert list(rows["acquired"]) == sorted(rows["acquired"])


def test_footprint_is_what_metadata_and_raster_agree_on(delivered: Path) -> None:
    _, rows = listed(delivered)
    areas = rows.to_crs(CRS).area
    assert areas[f"{NEW}_3B_AnalyticMS_SR_clip"] == pytest.approx(192**2, rel=0.01)
    assert areas[f"{OLD}_3B_AnalyticMS_SR"] == pytest.approx(384**2, rel=0.001)


def test_campaign_takes_the_catalogue(delivered: Path) -> None:
    listed(delivered)
    out = delivered.parent / "checked.gpkg"
    make_catalogue(delivered.parent / "scenes.gpkg", grid_of(), CompositeSettings(), [2017, 2019, 2021], out)
    checked = gpd.read_file(out)
    assert checked["selected"].all() and checked["cloud_fraction"].tolist() == [0.125, 0.0, 0.25]


def test_eight_bands(tmp_path: Path) -> None:
    write_scene(tmp_path / "p" / f"{NEW}_3B_AnalyticMS_SR_8b_harmonized_clip.tif", flat(9, bands=8))
    write_mask(tmp_path / "p" / f"{NEW}_3B_udm2_clip.tif")
    listing, rows = listed(tmp_path / "p")
    assert listing.product == "analytic_8b_sr" and rows["bands"].tolist() == [8] and rows["udm"].iloc[0]


def test_several_products_are_chosen_from(delivered: Path) -> None:
    write_scene(delivered / "d" / f"{NEW}_3B_AnalyticMS_SR_8b.tif", flat(9, bands=8))
    write_scene(delivered / "d" / f"{NEW}_3B_AnalyticMS.tif", flat(9))
    with pytest.raises(InputError, match=r"3 analytic_sr, 1 analytic_8b_sr, 1 analytic\. Choose one with --product"):
        listed(delivered)
    listing, rows = listed(delivered, product="analytic_sr")
    assert len(rows) == 3 and sorted(listing.left_out.values()) == [
        "another product: analytic",
        "another product: analytic_8b_sr",
    ]
    assert listed(delivered, product="analytic")[1]["bands"].tolist() == [4]
    with pytest.raises(InputError, match="has no scene, but"):
        listed(delivered, product="scene")


def test_basic_scenes_and_pictures_are_left_out(delivered: Path) -> None:
    write_scene(delivered / "d" / f"{NEW}_1B_AnalyticMS.tif", flat(9), crs=None)
    write_scene(delivered / "d" / f"{NEW}_3B_Visual_clip.tif", flat(9).astype(np.uint8))
    listing, rows = listed(delivered)
    assert len(rows) == 3 and "1 left out: basic scene, not orthorectified" in str(listing)
    assert "1 left out: picture for the eye" in str(listing)


def test_folder_of_basic_scenes_only(tmp_path: Path) -> None:
    write_scene(tmp_path / "p" / f"{NEW}_1B_AnalyticMS.tif", flat(9), crs=None)
    with pytest.raises(InputError, match=r"no scenes .*basic scene, not orthorectified"):
        listed(tmp_path / "p")


def test_same_item_twice_counts_once(delivered: Path) -> None:
    write_scene(delivered / "again" / f"{NEW}_3B_AnalyticMS_SR.tif", flat(900))
    listing, rows = listed(delivered)
    assert len(rows) == 3 and f"{NEW}_3B_AnalyticMS_SR" in rows.index
    assert list(listing.left_out.values()) == ["another copy of the same item"]


def test_scenes_of_different_bands(tmp_path: Path) -> None:
    write_scene(tmp_path / "p" / "one_20190721.tif", flat(9))
    write_scene(tmp_path / "p" / "two_20190722.tif", flat(9, bands=3))
    with pytest.raises(InputError, match="different bands: 1 with 3 bands, 1 with 4 bands"):
        listed(tmp_path / "p")


def test_whole_and_clipped_mask_beside_each_other(tmp_path: Path) -> None:
    clipped = write_scene(tmp_path / f"{NEW}_3B_AnalyticMS_SR_clip.tif", flat(9))
    whole = write_scene(tmp_path / f"{NEW}_3B_AnalyticMS_SR.tif", flat(9))
    masks = [write_mask(tmp_path / f"{NEW}_3B_udm2{tail}.tif") for tail in ("_clip", "")]
    assert [udm_of(clipped), udm_of(whole)] == masks


def test_other_scenes_by_date_in_the_name(tmp_path: Path) -> None:
    write_scene(tmp_path / "p" / "S2B_T46SEB_20190721T041233_L2A.tif", flat(9))
    write_mask(tmp_path / "p" / "S2B_T46SEB_20190721T041233_L2A_udm2.tif", cloudy=64)
    write_scene(tmp_path / "p" / "ortho_2018-08-03.tif", flat(9))
    listing, rows = listed(tmp_path / "p")
    assert listing.product == "scene"
    assert rows["acquired"].tolist() == ["2018-08-03T00:00:00+00:00", "2019-07-21T04:12:33+00:00"]
    assert rows["cloud_fraction"].iloc[1] == 0.5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"properties": 3}',
        '{"properties": {"cloud_cover": 12}}',
        '{"properties": {"cloud_cover": "x"}}',
        '{"properties": {"acquired": "soon"}}',
        '{"properties": {}, "geometry": {"type": "Point"}}',
    ],
)
def test_metadata_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    write_scene(tmp_path / "p" / f"{NEW}_3B_AnalyticMS_SR.tif", flat(9))
    (tmp_path / "p" / f"{NEW}_metadata.json").write_text(text)
    with pytest.raises(InputError, match=f"{NEW}_metadata.json"):
        listed(tmp_path / "p")


@pytest.mark.parametrize("text", ["", "<a>", XML.replace("12.5", "125"), XML.replace("2017-07-21T", "x")])
def test_xml_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    write_scene(tmp_path / "p" / f"{OLD}_3B_AnalyticMS_SR.tif", flat(9))
    (tmp_path / "p" / f"{OLD}_3B_AnalyticMS_metadata.xml").write_text(text)
    with pytest.raises(InputError, match="is no metadata of a scene"):
        listed(tmp_path / "p")


def test_metadata_of_another_scene(tmp_path: Path) -> None:
    write_scene(tmp_path / "p" / f"{NEW}_3B_AnalyticMS_SR.tif", flat(9))
    write_metadata(tmp_path / "p" / f"{NEW}_metadata.json", outline(west=WEST + 9000))
    with pytest.raises(InputError, match="lies elsewhere than the metadata beside it say"):
        listed(tmp_path / "p")


@pytest.mark.parametrize("make", [False, True])
def test_no_folder_or_nothing_in_it(tmp_path: Path, make: bool) -> None:
    if make:
        (tmp_path / "p").mkdir()
    with pytest.raises(InputError, match="no scenes" if make else "is no folder"):
        listed(tmp_path / "p")


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        (f"{OLD}_3B_AnalyticMS", PlanetName(OLD, "3B", "analytic", ())),
        (f"{OLD}_3B_AnalyticMS_SR", PlanetName(OLD, "3B", "analytic_sr", ())),
        (f"{NEW}_3B_AnalyticMS_8b_clip", PlanetName(NEW, "3B", "analytic_8b", ("clip",))),
        (f"{NEW}_3B_AnalyticMS_SR_8b_harmonized", PlanetName(NEW, "3B", "analytic_8b_sr", ("harmonized",))),
        (f"{NEW}_1B_AnalyticMS_8b", PlanetName(NEW, "1B", "analytic_8b", ())),
        (
            "4657223_2019-07-21_RE5_3A_Analytic_SR",
            PlanetName("4657223_2019-07-21_RE5", "3A", "analytic_sr", ()),
        ),
        (f"{NEW}_3B_Visual", None),
        ("S2B_T46SEB_20190721T041233_L2A", None),
    ],
)
def test_names(stem: str, expected: PlanetName | None) -> None:
    assert planet_name(Path(f"{stem}.tif")) == expected


def test_command(delivered: Path) -> None:
    out = delivered.parent / "list" / "scenes.gpkg"
    done = CliRunner().invoke(app, ["catalogue", str(delivered), "--out", str(out)])
    assert done.exit_code == 0 and done.output == "3 scenes (analytic_sr)\n"
    rows = gpd.read_file(out)
    for path in rows["path"]:
        with rasterio.open(out.parent / path) as scene:
            assert scene.count == 4
