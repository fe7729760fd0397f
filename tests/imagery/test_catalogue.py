"""Which scenes are refused, which are selected, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from scene_maker import NORTH, WEST, flat, grid_of, textured, udm_like, write_catalogue, write_scene
from shapely.geometry import box

from slumpmap.errors import InputError
from slumpmap.imagery.catalogue import make_catalogue
from slumpmap.imagery.scenes import read_selected
from slumpmap.settings.imagery import CompositeSettings

SETTINGS = CompositeSettings()
GOOD = {"path": "a.tif", "acquired": "2019-07-21T04:12:33Z", "cloud_fraction": 0.0}
FOOTPRINT = box(WEST, NORTH - 300, WEST + 300, NORTH)


def refuse(source: Path, *parts: str, settings: CompositeSettings = SETTINGS) -> None:
    out = source.parent / "out.gpkg"
    with pytest.raises(InputError) as caught:
        make_catalogue(source, grid_of(), settings, [2019], out)
    for part in parts:
        assert part in str(caught.value)
    assert not out.exists()


def make(source: Path, settings: CompositeSettings = SETTINGS, years: tuple[int, ...] = (2019,)) -> gpd.GeoDataFrame:
    out = source.parent / "checked" / "catalogue.gpkg"
    make_catalogue(source, grid_of(), settings, years, out)
    return gpd.read_file(out).set_index("scene")


def test_catalogue_row_without_file(tmp_path: Path) -> None:
    source = write_catalogue(tmp_path / "scenes.gpkg", [GOOD | {"geometry": FOOTPRINT}])
    refuse(source, "a.tif", "scene is missing", "Correct the path or bring the file")


def test_unreadable_scene(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"this is no TIFF")
    refuse(write_catalogue(tmp_path / "scenes.gpkg", [GOOD | {"geometry": FOOTPRINT}]), "a.tif", "cannot be read")


@pytest.mark.parametrize("keep", [0.6, 0.98])
def test_truncated_scene(tmp_path: Path, keep: float) -> None:
    path = write_scene(tmp_path / "a.tif", textured(1))
    source = write_catalogue(tmp_path / "scenes.gpkg", [GOOD])
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    refuse(source, "a.tif", "truncated", "Copy or download it again")


def test_scene_truncated_before_its_directory(tmp_path: Path) -> None:
    """Files that were edited in place have their directory at the end."""
    path = write_scene(tmp_path / "a.tif", textured(1))
    with rasterio.open(path, "r+") as scene:
        scene.update_tags(note="x" * 5000)
    source = write_catalogue(tmp_path / "scenes.gpkg", [GOOD])
    path.write_bytes(path.read_bytes()[:-6000])
    refuse(source, "a.tif", "scene cannot be read", "Replace the file")


def test_scene_without_crs(tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", flat(9), crs=None)
    source = write_catalogue(tmp_path / "scenes.gpkg", [GOOD | {"geometry": FOOTPRINT}])
    refuse(source, "a.tif", "no CRS", "rio edit-info --crs")


def test_too_few_bands(tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", flat(9, bands=2))
    refuse(write_catalogue(tmp_path / "scenes.gpkg", [GOOD]), "a.tif", "2 bands", "band 3", "imagery.bands")


def test_unsupported_type(tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", flat(9).astype(np.uint32))
    refuse(write_catalogue(tmp_path / "scenes.gpkg", [GOOD]), "a.tif", "uint32", "uint16")


@pytest.mark.parametrize("nodata", [None, 0.0, -9999.0])
def test_float_scene_with_undeclared_nan(tmp_path: Path, nodata: float | None) -> None:
    values = flat(9).astype(np.float32)
    values[1, 100, 100] = np.nan
    write_scene(tmp_path / "a.tif", values, nodata=nodata)
    source = write_catalogue(tmp_path / "scenes.gpkg", [GOOD])
    refuse(source, "a.tif", "NaN", f"rio edit-info --nodata nan {tmp_path / 'a.tif'}")


def test_float_scene_with_declared_nan(tmp_path: Path) -> None:
    values = flat(9).astype(np.float32)
    values[1, 100, 100] = np.nan
    write_scene(tmp_path / "a.tif", values, nodata=np.nan)
    assert make(write_catalogue(tmp_path / "scenes.gpkg", [GOOD])).loc["a", "selected"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": (100, 128)}, "128 x 100 pixels, but its scene a.tif is 128 x 128"),
        ({"bands": 1}, "has 1 band, not 8"),
        ({"west": WEST + 3}, "does not lie on the pixels of its scene a.tif"),
        ({"crs": "EPSG:32647"}, "does not lie on the pixels of its scene a.tif"),
    ],
)
def test_mask_that_does_not_fit(tmp_path: Path, change: dict[str, object], message: str) -> None:
    write_scene(tmp_path / "a.tif", flat(9))
    height, width = change.pop("size", (128, 128))  # type: ignore[misc]
    udm = udm_like(np.ones((height, width), bool))[: change.pop("bands", 8)]
    write_scene(tmp_path / "udm.tif", udm, nodata=None, **change)  # type: ignore[arg-type]
    refuse(write_catalogue(tmp_path / "scenes.gpkg", [GOOD | {"udm": "udm.tif"}]), "udm.tif", message)


def test_missing_mask(tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", flat(9))
    source = write_catalogue(tmp_path / "scenes.gpkg", [GOOD | {"udm": "udm.tif"}])
    refuse(source, "udm.tif", "UDM2 mask is missing")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ({"acquired": "last summer"}, "the date 'last summer' in row 1"),
        ({"acquired": None}, "in row 1, which cannot be understood"),
        ({"cloud_fraction": 12.0}, "the cloud_fraction 12.0 in row 1, not a share"),
        ({"path": ""}, "no path in row 1"),
    ],
)
def test_cells_that_cannot_be_used(tmp_path: Path, cell: dict[str, object], message: str) -> None:
    write_scene(tmp_path / "a.tif", flat(9))
    refuse(write_catalogue(tmp_path / "s.gpkg", [GOOD | {"geometry": FOOTPRINT} | cell]), "s.gpkg", message)


def test_footprint_that_lies_elsewhere(tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", flat(9), west=WEST + 90_000)
    source = write_catalogue(tmp_path / "s.gpkg", [GOOD | {"geometry": FOOTPRINT}])
    refuse(source, "a.tif", "elsewhere than its footprint")


def test_same_scene_twice(tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", flat(9))
    refuse(write_catalogue(tmp_path / "s.gpkg", [GOOD, GOOD]), "s.gpkg", "several rows with path 'a.tif'")


def test_every_scene_that_can_take_part_is_checked(tmp_path: Path) -> None:
    """Also one that the month or the cloud share leaves out; but not one of another year or place."""
    for name in "ab":
        write_scene(tmp_path / f"{name}.tif", flat(9))
    broken = {"path": "b.tif", "cloud_fraction": 0.9, "geometry": FOOTPRINT}
    source = write_catalogue(tmp_path / "s.gpkg", [GOOD, broken | {"acquired": "2019-05-01"}])
    assert make(source).loc["b", "reason"] == "not in months"
    (tmp_path / "b.tif").unlink()
    refuse(source, "b.tif")
    elsewhere = {"geometry": box(WEST + 9e4, NORTH, WEST + 9.1e4, NORTH + 10), "acquired": "2019-07-01"}
    for harmless in ({"acquired": "2015-07-01"}, elsewhere):
        make(write_catalogue(tmp_path / "t.gpkg", [GOOD, broken | harmless]))


def test_selection_and_reasons(tmp_path: Path) -> None:
    cases = {
        "good": ("2019-07-01", 0.3, 0.0, ""),
        "late": ("2019-08-31T23:59:59Z", 0.0, 0.0, ""),
        "june": ("2019-06-30T23:59:59Z", 0.0, 0.0, "not in months"),
        "cloudy": ("2019-07-10", 0.31, 0.0, "above max_cloud"),
        "old": ("2018-07-10", 0.0, 0.0, "not in years"),
        "beside": ("2019-07-10", 0.0, 384.0, "outside the study area"),
    }
    rows = []
    for name, (acquired, cloud, shift, _) in cases.items():
        write_scene(tmp_path / f"{name}.tif", flat(9), west=WEST + shift)
        rows.append({"path": f"{name}.tif", "acquired": acquired, "cloud_fraction": cloud})
    table = make(write_catalogue(tmp_path / "s.gpkg", rows))
    assert table["reason"].fillna("").to_dict() == {name: case[3] for name, case in cases.items()}
    assert table["selected"].to_dict() == {name: not case[3] for name, case in cases.items()}
    assert list(table["acquired"]) == sorted(table["acquired"])
    assert table.loc["late", ["year", "month"]].tolist() == [2019, 8]
    assert table.loc["good", "path"] == str(tmp_path / "good.tif")
    assert table.crs == "EPSG:32646"


def test_campaign_can_be_moved_with_its_scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenes below the working folder are named by the way from the catalogue, others in full."""
    for name in ("first", "second"):
        home = tmp_path / name
        write_scene(home / "a.tif", flat(9))
        write_scene(home / "a_udm2.tif", udm_like(flat(9)[0] > 0))
        write_catalogue(home / "scenes.gpkg", [GOOD | {"udm": "a_udm2.tif"}])
        monkeypatch.chdir(home)
        assert make(Path("scenes.gpkg")).loc["a", ["path", "udm"]].tolist() == ["../a.tif", "../a_udm2.tif"]
    ours, theirs = (tmp_path / name / "checked" / "catalogue.gpkg" for name in ("first", "second"))
    assert ours.read_bytes() == theirs.read_bytes()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first").rename(tmp_path / "moved")
    (scene,) = read_selected(Path("moved/checked/catalogue.gpkg"))
    assert (scene.path, scene.udm) == (tmp_path / "moved" / "a.tif", tmp_path / "moved" / "a_udm2.tif")
    # The scenes lie elsewhere than where the campaign is run.
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    make_catalogue(tmp_path / "second" / "scenes.gpkg", grid_of(), SETTINGS, [2019], Path("catalogue.gpkg"))
    (scene,) = read_selected(Path("catalogue.gpkg"))
    assert scene.path == tmp_path / "second" / "a.tif"
    assert gpd.read_file("catalogue.gpkg")["path"].item() == str(tmp_path / "second" / "a.tif")


def test_no_scene_left_says_which_rule_dropped_how_many(tmp_path: Path) -> None:
    rows = []
    for number, (acquired, cloud) in enumerate([("2019-06-01", 0), ("2019-07-01", 0.8), ("2019-08-01", 0.5)]):
        write_scene(tmp_path / f"{number}.tif", flat(9))
        rows.append({"path": f"{number}.tif", "acquired": acquired, "cloud_fraction": cloud})
    write_scene(tmp_path / "3.tif", flat(9))
    rows.append({"path": "3.tif", "acquired": "2018-07-01", "cloud_fraction": 0})
    source = write_catalogue(tmp_path / "s.gpkg", rows)
    refuse(source, "no scene is left for 2019", "1 not in 2019", "1 not in months 7,8", "2 above max_cloud 0.3")
    with pytest.raises(InputError, match="no scene is left for 2020"):
        make(source, CompositeSettings(max_cloud=1), (2018, 2019, 2020))


def test_folder_of_planet_scenes(tmp_path: Path) -> None:
    folder = tmp_path / "order"
    clear = np.zeros((128, 128), bool)
    clear[:, 32:] = True
    filled = np.ones((128, 128), bool)
    filled[:64] = False
    name = "20190721_041233_83_1059_3B"
    write_scene(folder / "PSScene" / f"{name}_AnalyticMS_SR_clip.tif", flat(9))
    write_scene(folder / "PSScene" / f"{name}_udm2_clip.tif", udm_like(clear, filled), nodata=None)
    write_scene(folder / "20190801_x_AnalyticMS_SR.tif", flat(9), TIFFTAG_DATETIME="2001:01:01 00:00:00")
    make_catalogue(folder, grid_of(), SETTINGS, [2019], tmp_path / "out.gpkg")
    table = gpd.read_file(tmp_path / "out.gpkg")
    assert list(table["scene"]) == [f"{name}_AnalyticMS_SR_clip", "20190801_x_AnalyticMS_SR"]
    assert list(table["acquired"]) == ["2019-07-21T04:12:33+00:00", "2019-08-01T00:00:00+00:00"]
    assert Path(table["udm"][0]).name == f"{name}_udm2_clip.tif"
    # A quarter of the filled half is cloud; a scene without mask counts as clear.
    assert list(table["cloud_fraction"]) == [0.25, 0.0]
    assert table.total_bounds == pytest.approx([WEST, NORTH - 384, WEST + 384, NORTH])


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "order").mkdir()
    refuse(tmp_path / "order", "order", "has no scenes")


def test_single_scene_dated_by_its_name_or_its_tag(tmp_path: Path) -> None:
    named = write_scene(tmp_path / "S2_20190821T210019_20190821T210020_T08WMA.tif", flat(9))
    assert make(named)["acquired"].item() == "2019-08-21T21:00:19+00:00"
    tagged = write_scene(tmp_path / "scene.tif", flat(9), TIFFTAG_DATETIME="2019:07:03 04:05:06")
    assert make(tagged)["acquired"].item() == "2019-07-03T04:05:06+00:00"


def test_single_scene_without_date(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "scene_99999999.tif", flat(9))
    refuse(path, path.name, "no date of acquisition", "put the date into the name".capitalize())


def test_same_bytes_when_made_again(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "scene_20190721.tif", flat(9))
    for name in ("one", "two"):
        make_catalogue(path, grid_of(), SETTINGS, [2019], tmp_path / name / "catalogue.gpkg")
    assert (tmp_path / "one" / "catalogue.gpkg").read_bytes() == (tmp_path / "two" / "catalogue.gpkg").read_bytes()
