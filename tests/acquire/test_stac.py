"""Sentinel-2, Landsat and elevation models by STAC: searched, signed, verified, and fit to be scenes and a DEM."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from providers import Fault, Providers
from rasterio.transform import Affine
from rasterio.warp import transform as transform_points
from scenes import CRS, NORTH, WEST, add_asset, add_stac, grid, tiff, tiff_at
from shapely.geometry import box, mapping

from slumpmap.acquire.elevation import fetch_dem
from slumpmap.acquire.multispectral import fetch_multispectral, of_qa_pixel, of_scl, scale_of
from slumpmap.acquire.stac import public_address
from slumpmap.acquire.wanted import lonlat_area, time_windows, wanted
from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.imagery.catalogue import make_catalogue
from slumpmap.imagery.composite import make_tiles
from slumpmap.imagery.folder import catalogue_folder
from slumpmap.imagery.scaling import make_scaling
from slumpmap.settings.download import ElevationSettings, MultispectralSettings
from slumpmap.settings.imagery import CompositeSettings, ScalingSettings
from slumpmap.terrain.dem import open_dem

S2, S2_ID = "sentinel-2-c1-l2a", "S2B_T46SEB_20190721T041233_L2A"
LANDSAT_ID = "LC08_L2SP_138036_20190721_02_T1"
SCALE = {"raster:bands": [{"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": -0.1}]}
COLOURS = ("blue", "green", "red", "nir")


def settings(world: Providers, **changed: Any) -> MultispectralSettings:
    known = {"stac_api": f"{world.url}/stac", "attempts": 4, "wait_s": 0.01, "requests_per_second": 500}
    return MultispectralSettings(**(known | changed))


def fetch(world: Providers, folder: Path, name: str = "sentinel-2", **changed: Any) -> list[str]:
    wish = wanted(grid(), [2019], [7, 8], 0.3)
    return fetch_multispectral(name, wish, grid(), settings(world, **changed), folder)


def values(band: int) -> NDArray[np.uint16]:
    """Digital numbers of a band of 120 x 120 pixels, with the offset of 1000."""
    y, x = np.mgrid[:120, :120]
    return (1000 + 500 * band + 3 * x + y).astype(np.uint16)


def scl() -> NDArray[np.uint8]:
    """Plants; a cloud in the upper left of the study area, no data in its last column."""
    classes = np.full((60, 60), 4, np.uint8)
    classes[15:20, 15:25] = 9
    classes[:, 44:] = 0
    return classes


def add_sentinel(world: Providers, item: str = S2_ID, collection: str = S2, **properties: Any) -> dict[str, Any]:
    assets = {
        name: add_asset(world, f"{item}/{name}.tif", tiff(values(number)[None], 10), **SCALE)
        for number, name in enumerate(COLOURS)
    }
    assets["scl"] = add_asset(world, f"{item}/scl.tif", tiff(scl()[None], 20))
    add_stac(world, collection, item, assets, **({"eo:cloud_cover": 12.5, "platform": "sentinel-2b"} | properties))
    return assets


def read(path: Path) -> tuple[NDArray[Any], rasterio.DatasetReader]:
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset


def test_sentinel_scene_is_cut_and_scaled(world: Providers, tmp_path: Path) -> None:
    add_sentinel(world)
    assert fetch(world, tmp_path / "s") == [S2_ID]
    image, dataset = read(tmp_path / "s" / f"{S2_ID}.tif")
    # The study area is 300 m inside, 600 m wide; one more pixel on every side.
    left, top = round((dataset.transform.c - WEST) / 10), round((NORTH - dataset.transform.f) / 10)
    assert (left, top, image.shape) == (29, 29, (4, 62, 62))
    assert dataset.dtypes == ("uint16",) * 4 and dataset.nodata == 0 and str(dataset.crs) == CRS
    window = np.stack([values(band)[29:91, 29:91] for band in range(4)]).astype(int) - 1000
    inside = np.repeat(np.repeat(scl() > 0, 2, 0), 2, 1)[29:91, 29:91]
    np.testing.assert_array_equal(image, np.where(inside, np.maximum(window, 1), 0))
    mask, on = read(tmp_path / "s" / f"{S2_ID}_udm2.tif")
    assert on.transform == dataset.transform and mask.shape == (8, 62, 62)
    cloud = np.repeat(np.repeat(scl() == 9, 2, 0), 2, 1)[29:91, 29:91]
    np.testing.assert_array_equal(mask[0], inside & ~cloud)
    np.testing.assert_array_equal(mask[5], cloud)
    np.testing.assert_array_equal(mask[7], ~inside)
    assert not (tmp_path / "s_parts" / S2_ID).exists()


def test_sentinel_scenes_are_scenes_for_the_imagery_room(world: Providers, tmp_path: Path) -> None:
    """From the provider to 8-bit tiles, without any setting of bands or range."""
    add_sentinel(world)
    fetch(world, tmp_path / "s")
    catalogue_folder(tmp_path / "s", tmp_path / "scenes.gpkg")
    area, composite = grid(), CompositeSettings()
    make_catalogue(tmp_path / "scenes.gpkg", area, composite, [2019], tmp_path / "checked.gpkg")
    row = gpd.read_file(tmp_path / "checked.gpkg").iloc[0]
    assert row["selected"] and row["acquired"].startswith("2019-07-21T04:12:33")
    expected = 1 - (scl()[15:45, 15:45] == 4).sum() / (scl()[15:45, 15:45] > 0).sum()
    assert row["cloud_fraction"] == pytest.approx(expected, abs=0.01)
    make_scaling(tmp_path / "checked.gpkg", area, ScalingSettings(), (3, 2, 1), tmp_path / "scaling.json")
    ids = [tile.id for tile in area.tiles]
    make_tiles(tmp_path / "checked.gpkg", tmp_path / "scaling.json", area, 2019, composite, tmp_path / "t", ids)
    tile, _ = read(tmp_path / "t" / "x000_y000.tif")
    clear = tile[:, 60, 60]
    # Red there: digital number 1000 + 500 * 2 + 3 x + y of the 10 m pixel, in 8 bit of 0..3000.
    x = y = 30 + 60 * 0.3
    red = np.floor((500 * 2 + 3 * x + y) * 254 / 3000 + 1.5)
    assert abs(int(clear[0]) - red) <= 1 and clear[0] > clear[1] > clear[2] > 0


def test_search_asks_for_times_clouds_and_area(world: Providers, tmp_path: Path) -> None:
    add_sentinel(world)
    add_sentinel(world, "S2B_T46SEB_20190722T041233_L2A", datetime="2019-07-22T04:12:33Z")
    add_sentinel(world, "S2B_T46SEB_20190723T041233_L2A", datetime="2019-07-23T04:12:33Z")
    add_sentinel(world, "S2B_T46SEB_20190724T041233_L2A", **{"eo:cloud_cover": 31})
    add_sentinel(world, "S2B_T46SEB_20190624T041233_L2A", datetime="2019-06-24T04:12:33Z")
    add_sentinel(world, "S2B_T46SEB_20190725T041233_L2A", geometry=mapping(box(0, 0, 1, 1)))
    add_sentinel(world, "S2B_T46SEB_20190726T041233_L2A", collection="sentinel-2-l1c")
    wish = wanted(grid(), [2019], [7, 8], 0.3)
    found = fetch_multispectral("sentinel-2", wish, grid(), settings(world), tmp_path, only_list=True)
    assert [name[13:19] for name in found] == ["190721", "190722", "190723"]
    assert not world.asked("/assets") and not list(tmp_path.iterdir())
    assert len(world.asked("/stac/search")) == 2  # two pages


def test_second_run_downloads_nothing(world: Providers, tmp_path: Path) -> None:
    add_sentinel(world)
    fetch(world, tmp_path)
    count = len(world.asked("/assets"))
    fetch(world, tmp_path)
    assert len(world.asked("/assets")) == count == 5


@pytest.mark.parametrize("path", ["/stac/search", "/stac", "/assets"])
@pytest.mark.parametrize("fault", [{"status": 429, "headers": {"Retry-After": "0"}}, {"status": 503}, {"kind": "drop"}])
def test_passing_failures_are_ridden_out(world: Providers, tmp_path: Path, path: str, fault: dict[str, Any]) -> None:
    add_sentinel(world)
    world.faults = [Fault(path, times=2, **fault)]
    fetch(world, tmp_path)
    assert (tmp_path / f"{S2_ID}.tif").is_file()


def test_truncated_and_corrupt_bands(world: Providers, tmp_path: Path) -> None:
    add_sentinel(world)
    world.faults = [Fault("/assets", "truncate", after=500), Fault("/assets", "corrupt", times=1)]
    fetch(world, tmp_path)
    receipt = json.loads((tmp_path / "receipts" / f"{S2_ID}.json").read_text())
    assert [entry["verified"] for entry in receipt["downloads"]] == ["sha256"] * 5
    assert receipt["downloads"][0]["from"] == f"{world.url}/assets/{S2_ID}/blue.tif"


def test_wrong_checksum_is_told(world: Providers, tmp_path: Path) -> None:
    add_sentinel(world)["red"]["file:checksum"] = "1220" + "ab" * 32
    with pytest.raises(InputError, match=r"red\.tif: the checksum \(sha256\) is wrong"):
        fetch(world, tmp_path)
    assert not (tmp_path / f"{S2_ID}.tif").exists()


def test_band_that_is_no_whole_raster_and_has_no_checksum(world: Providers, tmp_path: Path) -> None:
    red = add_sentinel(world)["red"]
    del red["file:checksum"], red["file:size"]
    path = f"/assets/{S2_ID}/red.tif"
    good = world.files[path]
    world.files[path] = good[:-800]
    with pytest.raises(InputError, match=r"red\.tif"):
        fetch(world, tmp_path / "s")
    world.files[path] = good
    fetch(world, tmp_path / "s")
    assert (tmp_path / "s" / f"{S2_ID}.tif").is_file()


def test_band_without_scale_is_refused(world: Providers, tmp_path: Path) -> None:
    del add_sentinel(world)["green"]["raster:bands"]
    with pytest.raises(InputError, match="does not say how its values become reflectance"):
        fetch(world, tmp_path)
    assert not world.asked("/assets")


def test_scale_in_the_forms_of_stac() -> None:
    assert scale_of({"raster:bands": [{"scale": 2.75e-5, "offset": -0.2}]}, "x") == (2.75e-5, -0.2)
    assert scale_of({"raster:scale": 0.0001}, "x") == (0.0001, 0.0)
    assert scale_of({"bands": [{"raster:scale": 0.0001, "raster:offset": -0.1}]}, "x") == (0.0001, -0.1)


def test_scene_beside_the_study_area_leaves_only_its_receipt(world: Providers, tmp_path: Path) -> None:
    """Its outline touches, its pixels do not."""
    assets = {
        name: add_asset(world, f"far/{name}.tif", tiff(values(1)[None], 10, west=WEST + 90_000), **SCALE)
        for name in (*COLOURS, "scl")
    }
    add_stac(world, S2, S2_ID, assets)
    fetch(world, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["receipts"]
    fetch(world, tmp_path)
    assert len(world.asked("/assets")) == 5


def add_landsat(world: Providers) -> None:
    scale = {"raster:bands": [{"scale": 2.75e-5, "offset": -0.2}]}
    assets = {}
    for number, name in enumerate(("blue", "green", "red", "nir08")):
        pixels = np.full((1, 40, 40), 9000 + 1000 * number, np.uint16)
        assets[name] = add_asset(world, f"l/{name}.tif", tiff(pixels, 30), **scale)
    qa = np.full((1, 40, 40), 1 << 6, np.uint16)
    qa[:, 12, 12], qa[:, 12, 13], qa[:, 12, 14], qa[:, 12, 15] = 1, 1 << 3, 1 << 4, 1 << 5
    assets["qa_pixel"] = add_asset(world, "l/qa.tif", tiff(qa, 30, nodata=1))
    for asset in assets.values():
        world.signed.add(asset["href"].removeprefix(world.url))
    add_stac(world, "landsat-c2-l2", LANDSAT_ID, assets, **{"eo:cloud_cover": 2.0})


def test_landsat_is_signed_and_scaled(world: Providers, tmp_path: Path) -> None:
    add_landsat(world)
    fetch(world, tmp_path, "landsat", sign_api=f"{world.url}/sign")
    image, dataset = read(tmp_path / f"{LANDSAT_ID}.tif")
    left, top = round((dataset.transform.c - WEST) / 30), round((NORTH - dataset.transform.f) / 30)
    reflectance = [round(1e4 * ((9000 + 1000 * band) * 2.75e-5 - 0.2)) for band in range(4)]
    assert image[:, 20 - top, 20 - left].tolist() == reflectance
    mask, _ = read(tmp_path / f"{LANDSAT_ID}_udm2.tif")
    row = 12 - top
    assert image[0, row, 12 - left] == 0 and mask[7, row, 12 - left] == 1
    for band, column in ((5, 13), (2, 14), (1, 15)):
        assert mask[band, row, column - left] == 1 and mask[0, row, column - left] == 0
    assert mask[0, 20 - top, 20 - left] == 1


def test_signatures_that_run_out_are_renewed(world: Providers, tmp_path: Path) -> None:
    add_landsat(world)
    world.faults = [Fault("/assets/l/red", status=403), Fault("/sign", status=500, times=2)]
    fetch(world, tmp_path, "landsat", sign_api=f"{world.url}/sign")
    assert (tmp_path / f"{LANDSAT_ID}.tif").is_file()
    text = "".join(path.read_text() for path in (tmp_path / "receipts").iterdir())
    assert "sig=" not in text and not any(token in text for token in world.tokens)


def test_masks_in_words() -> None:
    every = of_scl(np.arange(12, dtype=np.uint8))
    assert np.flatnonzero(every.clear).tolist() == [2, 4, 5, 6, 7]
    assert np.flatnonzero(every.cloud).tolist() == [8, 9, 10]
    # 21824: clear land, 21952: clear water, 22280: cloud, 23888: cloud shadow, 30048: snow, 54596: cirrus;
    # from the USGS table of values (LSDS-1619).
    qa = of_qa_pixel(np.array([21824, 21952, 22280, 23888, 30048, 54596, 1, 0], np.uint16))
    assert qa.clear.tolist() == [True, True, False, False, False, False, False, False]
    assert qa.cloud.tolist() == [False, False, True, False, False, True, False, False]
    assert qa.shadow.tolist() == [False, False, False, True, False, False, False, False]
    assert qa.fill.tolist() == [False] * 6 + [True] * 2


def test_no_stac_api(world: Providers, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"/none: the provider has no such file or address"):
        fetch(world, tmp_path, stac_api=f"{world.url}/none")


def test_server_that_stays_down(world: Providers, tmp_path: Path) -> None:
    world.faults = [Fault("/stac", "drop", times=99)]
    with pytest.raises(InputError, match="failed 4 times in a row"):
        fetch(world, tmp_path)


def test_nothing_and_too_much(world: Providers, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has nothing for the study area in 2019-07-01T00:00:00Z/2019-08-31T23:59:59Z"):
        fetch(world, tmp_path)
    for day in (21, 22, 23):
        add_sentinel(world, f"S2B_T46SEB_201907{day}T041233_L2A")
    with pytest.raises(InputError, match="more than 2 items"):
        fetch(world, tmp_path, max_scenes=2)


@pytest.mark.parametrize("item", ["../../evil", "a/b", ".x"])
def test_items_with_hostile_names(world: Providers, tmp_path: Path, item: str) -> None:
    add_stac(world, S2, item, {})
    with pytest.raises(InputError, match="the provider names a file"):
        fetch(world, tmp_path)


def test_objects_of_s3() -> None:
    assert public_address("s3://copernicus-dem-30m/a/b.tif") == "https://copernicus-dem-30m.s3.amazonaws.com/a/b.tif"
    with pytest.raises(InputError, match="names a bucket"):
        public_address("s3://user:word@evil.org/b")


# Elevation


def elevation(lon: NDArray[Any], lat: NDArray[Any]) -> NDArray[Any]:
    """A slanting plane, so that bilinear interpolation is exact."""
    return 4500 + 1000 * (lon - 93) + 2000 * (lat - 34.5)


def add_dem(world: Providers, west: float, south: float, side: float = 0.25, name: str = "") -> None:
    """A tile in degrees, cells of three arc seconds."""
    cell = 3 / 3600
    count = round(side / cell)
    x = west + cell * (np.arange(count) + 0.5)
    y = south + side - cell * (np.arange(count) + 0.5)
    heights = elevation(*np.meshgrid(x, y)).astype(np.float32)[None]
    content = tiff_at(heights, Affine(cell, 0, west, 0, -cell, south + side), None, "EPSG:4326")
    item = name or f"DEM_{south:.2f}_{west:.2f}".replace(".", "_")
    assets = {"data": add_asset(world, f"{item}.tif", content)}
    add_stac(world, "cop-dem-glo-30", item, assets, geometry=mapping(box(west, south, west + side, south + side)))


def dem_settings(world: Providers, **changed: Any) -> ElevationSettings:
    return ElevationSettings(stac_api=f"{world.url}/stac", attempts=3, wait_s=0.01, requests_per_second=500, **changed)


def test_dem_over_the_seam_of_tiles(world: Providers, tmp_path: Path) -> None:
    for west in (92.75, 93.0):
        for south in (34.25, 34.5, 34.75):
            add_dem(world, west, south)
    add_dem(world, 10.0, 10.0)
    area = Grid.over(box(499_000, 3_838_000, 503_000, 3_842_000), CRS, 3.0, 4096)
    names = fetch_dem("copernicus", area, dem_settings(world, dem_margin_km=2), tmp_path / "dem.tif")
    assert names == ["DEM_34_50_92_75", "DEM_34_50_93_00"]
    heights, dataset = read(tmp_path / "dem.tif")
    assert str(dataset.crs) == CRS and dataset.res == (30, 30) and dataset.dtypes == ("float32",)
    assert dataset.bounds.left <= 497_000 and dataset.bounds.top >= 3_844_000
    rows, columns = np.mgrid[: dataset.height, : dataset.width]
    x, y = dataset.transform @ (columns.ravel() + 0.5, rows.ravel() + 0.5)
    lon, lat = map(np.array, transform_points(CRS, "EPSG:4326", x, y))
    expected = elevation(lon, lat).reshape(heights[0].shape)
    assert np.isfinite(heights).all()
    # On the seam of two tiles a cell takes the nearer side: half a cell of the plane, 0.5 m.
    assert np.abs(heights[0] - expected).max() < 0.6
    assert np.median(np.abs(heights[0] - expected)) < 0.01
    with open_dem(tmp_path / "dem.tif") as dem:
        assert dem.voids == 0


def test_dem_comes_in_spite_of_failures_and_once(world: Providers, tmp_path: Path) -> None:
    add_dem(world, 92.875, 34.5)
    world.faults = [
        Fault("/stac/search", status=429, headers={"Retry-After": "0"}),
        Fault("/assets", "truncate", after=1000),
        Fault("/assets", status=500),
    ]
    settings = dem_settings(world, dem_margin_km=0.2)
    fetch_dem("copernicus", grid(), settings, tmp_path / "dem.tif")
    count = len(world.asked("/assets"))
    (tmp_path / "dem.tif").unlink()
    fetch_dem("copernicus", grid(), settings, tmp_path / "dem.tif")
    assert len(world.asked("/assets")) == count == 3
    assert (tmp_path / "dem.tif").is_file() and (tmp_path / "copernicus_tiles" / "receipts" / "dem.json").is_file()


def test_months_as_windows() -> None:
    windows = [(f"{start:%Y-%m-%d}", f"{end:%Y-%m-%d}") for start, end in time_windows([2020, 2019], [8, 7, 12, 1])]
    assert windows == [
        ("2019-01-01", "2019-02-01"),
        ("2019-07-01", "2019-09-01"),
        ("2019-12-01", "2020-01-01"),
        ("2020-01-01", "2020-02-01"),
        ("2020-07-01", "2020-09-01"),
        ("2020-12-01", "2021-01-01"),
    ]


def test_area_of_many_vertices_becomes_wider_never_narrower() -> None:
    import shapely

    angle = np.linspace(0, 2 * np.pi, 5000, endpoint=False)
    radius = 20_000 * (1 + 0.05 * np.sin(200 * angle))
    star = shapely.Polygon(np.c_[500_000 + radius * np.cos(angle), 3_840_000 + radius * np.sin(angle)])
    area = lonlat_area(Grid.over(star, CRS, 3.0, 4096), 100)
    assert shapely.get_num_coordinates(area) <= 1000 and area.is_valid
    points = np.column_stack(transform_points(CRS, "EPSG:4326", *shapely.get_coordinates(star).T))
    assert shapely.contains_xy(area, points).all()
    assert area.exterior.is_ccw
