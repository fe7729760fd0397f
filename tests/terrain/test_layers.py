"""The network's tiles: terrain layers by hand, the order of bands, nodata, seams, refusals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds
from shapely.geometry import Point, box

from slumpmap.cli import app
from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.imagery.catalogue import make_catalogue
from slumpmap.imagery.composite import make_tiles
from slumpmap.imagery.scaling import make_scaling
from slumpmap.options import as_options
from slumpmap.raster import Mosaic, write_raster
from slumpmap.settings.imagery import LayerSettings, ScalingSettings
from slumpmap.terrain.hillshade import hillshade
from slumpmap.terrain.layers import make_layers, open_terrain
from slumpmap.terrain.slope import slope_aspect

CRS = "EPSG:32646"
WEST, NORTH, SIDE_M = 499_998.0, 3_840_000.0, 768.0
ALL = ("slope", "nir", "hillshade", "ndvi")
# Sun at 45 degrees: 1 + 254 * 0.70711, rounded half up.
FLAT_LIGHT = 181


def grid_of(tile_px: int = 128) -> Grid:
    """256 x 256 pixels of 3 m, of which an oblique part is the study area."""
    area = box(WEST, NORTH - SIDE_M, WEST + SIDE_M, NORTH).difference(Point(WEST, NORTH).buffer(200))
    return Grid.over(area, CRS, 3.0, tile_px)


def rough_dem(path: Path, crs: str = CRS, cell: float = 30.0, margin: float = 120.0) -> Path:
    """Hills of up to 45 degrees, 30 m cells that lie across the grid's, with a margin round the study area."""
    bounds = (WEST - margin - 7, NORTH - SIDE_M - margin - 7, WEST + SIDE_M + margin, NORTH + margin)
    west, south, east, north = transform_bounds(CRS, crs, *bounds)
    height, width = round((north - south) / cell), round((east - west) / cell)
    y, x = np.mgrid[:height, :width] * cell
    elevation = 4800 + 40 * np.sin(x / 50) * np.cos(y / 60) + 0.05 * x
    write_raster(path, elevation.astype(np.float32), from_origin(west, north, cell, cell), crs, -9999)
    return path


def plane(path: Path, slope_deg: float, aspect_deg: float) -> Path:
    """A DEM that falls by `slope_deg` towards `aspect_deg`, 1200 m around the study area's corner."""
    y, x = np.mgrid[:80, :80] * 30.0
    towards = x * math.sin(math.radians(aspect_deg)) - y * math.cos(math.radians(aspect_deg))
    elevation = 4800 - math.tan(math.radians(slope_deg)) * towards
    write_raster(path, elevation.astype(np.float64), from_origin(WEST - 1200, NORTH + 1200, 30, 30), CRS)
    return path


class Campaign:
    """One textured scene, its catalogue, scaling and tiles, and a DEM."""

    def __init__(self, folder: Path, dem: Path, settings: LayerSettings, tile_px: int = 128) -> None:
        self.folder, self.settings, self.grid = folder, settings, grid_of(tile_px)
        noise = np.random.default_rng(1).integers(1, 3000, (4, 256, 256)).astype(np.uint16)
        noise[:, 100:120, 30:60] = 0
        scene = folder / "20190721.tif"
        write_raster(scene, noise, from_origin(WEST + 40, NORTH - 1, 3, 3), CRS, 0)
        make_catalogue(scene, self.grid, settings, [2019], folder / "scenes.gpkg")
        make_scaling(folder / "scenes.gpkg", self.grid, ScalingSettings(), settings.bands_read, folder / "scaling.json")
        self.ids = [tile.id for tile in self.grid.tiles]
        self.made_of = folder / "scenes.gpkg", folder / "scaling.json", self.grid, 2019, settings
        make_tiles(*self.made_of, folder / "2019", self.ids)
        self.slope, self.aspect = folder / "slope.tif", folder / "aspect.tif"
        slope_aspect(dem, self.slope, self.aspect, "numpy", any_elevation=True)

    def layers(self) -> NDArray[np.uint8]:
        """Makes the layers, (bands, 256, 256)."""
        make_layers(self.folder / "2019", *self.made_of, self.folder / "layers", self.ids, self.slope, self.aspect)
        return self.read("layers", 3 + len(self.settings.layers))

    def read(self, name: str, bands: int) -> NDArray[np.uint8]:
        """A folder of tiles as one image."""
        with Mosaic(self.grid, self.folder / name, bands, 0) as tiles:
            return tiles.read(self.grid.extent)


def settings_of(layers: Sequence[str] = ALL, nir_band: int | None = 4, sharpen: bool = False) -> LayerSettings:
    return LayerSettings(layers=tuple(layers), nir_band=nir_band, sharpen=sharpen)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("slope", "aspect", "wanted"),
    [
        (0, math.nan, math.sqrt(0.5)),
        (45, 315, 1),
        (10, 315, math.cos(math.radians(35))),
        (10, 135, math.cos(math.radians(55))),
        (60, 135, 0),
        (30, 45, math.sqrt(0.5) * math.cos(math.radians(30))),
    ],
)
def test_light_by_hand(slope: float, aspect: float, wanted: float) -> None:
    """Down the sun's azimuth the angle between sun and normal is 45 degrees less the slope; across it, cosines."""
    assert hillshade(np.array([slope]), np.array([aspect])) == pytest.approx([wanted], abs=1e-12)


def test_no_light_without_slope() -> None:
    assert np.isnan(hillshade(np.array([np.nan]), np.array([np.nan]))).all()


@pytest.mark.parametrize(
    ("slope", "aspect", "wanted"),
    [(9, 315, [52, 206]), (22.5, 135, [128, 98]), (45, 315, [255, 255]), (60, 135, [255, 1]), (0, 0, [1, FLAT_LIGHT])],
)
def test_terrain_layers_by_hand(tmp_path: Path, slope: float, aspect: float, wanted: list[int]) -> None:
    """1 + 254 * slope / 45, and 1 + 254 * cos(45 - 9), cos(45 + 22.5), cos(0), 0, cos(45)."""
    settings = settings_of(["slope", "hillshade"], None)
    image = Campaign(tmp_path, plane(tmp_path / "dem.tif", slope, aspect), settings).layers()
    assert np.unique(image[3:, image[0] > 0], axis=1).T.tolist() == [wanted]


def test_bands_lie_in_the_order_named(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, rough_dem(tmp_path / "dem.tif"), settings_of())
    image = campaign.layers()
    assert np.array_equal(image[:3], campaign.read("2019", 3))
    with rasterio.open(tmp_path / "layers" / "x000_y000.tif") as tile:
        assert tile.tags()["BANDS"] == "red,green,blue,slope,nir,hillshade,ndvi" == ",".join(settings_of().band_names)
        assert tile.tags()["YEAR"] == "2019"
        assert tile.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (tile.count, tile.dtypes[0], tile.nodata, tile.crs) == (7, "uint8", 0, CRS)
        assert tile.transform == from_origin(WEST, NORTH, 3, 3)
    for number, layer in enumerate(ALL):
        campaign.settings = settings_of([layer])
        campaign.made_of = *campaign.made_of[:-1], campaign.settings
        assert np.array_equal(campaign.layers()[3], image[3 + number])


@pytest.mark.parametrize("sharpen", [False, True])
def test_nodata_is_that_of_the_image(tmp_path: Path, sharpen: bool) -> None:
    """Also where the DEM ends in the study area: there the ground counts as flat."""
    campaign = Campaign(tmp_path, rough_dem(tmp_path / "dem.tif", margin=-90), settings_of(sharpen=sharpen))
    image = campaign.layers()
    valid = campaign.read("2019", 3)[0] > 0
    assert 0.5 < valid.mean() < 0.95
    assert ((image > 0) == valid).all()
    rim = np.zeros_like(valid)
    # The DEM begins after 28 pixels; its outermost cells, 10 pixels wide, have no slope.
    rim[:36] = rim[:, :36] = rim[-36:] = rim[:, -36:] = True
    assert (image[3, rim & valid] == 1).all() and (image[5, rim & valid] == FLAT_LIGHT).all()
    assert np.ptp(image[3, ~rim & valid]) > 150 and np.ptp(image[5, ~rim & valid]) > 150


def test_log_says_how_much_of_the_ground_has_no_terrain(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Flat ground is no gap, nor is one where the tile has no data."""
    campaign = Campaign(tmp_path, plane(tmp_path / "dem.tif", 0, 0), settings_of(["slope"], None))
    valid = campaign.layers()[0] > 0
    slope = np.full((256, 256), 9, np.float32)
    slope[:30, :30] = math.nan
    assert not valid[:30, :30].any()
    write_raster(campaign.slope, slope, from_origin(WEST, NORTH, 3, 3), CRS, math.nan)
    write_raster(campaign.aspect, slope, from_origin(WEST, NORTH, 3, 3), CRS, math.nan)
    campaign.layers()
    assert "without terrain" not in capfd.readouterr().err
    slope[:, :64] = math.nan
    write_raster(campaign.slope, slope, from_origin(WEST, NORTH, 3, 3), CRS, math.nan)
    campaign.layers()
    share = valid[:128, :64].sum() / valid[:128, :128].sum()
    assert f"; {share:.1%} of it without terrain" in capfd.readouterr().err


def test_near_infrared_is_sharpened_with_the_image(tmp_path: Path) -> None:
    """With green's band number it is green."""
    campaign = Campaign(tmp_path, plane(tmp_path / "dem.tif", 0, 0), settings_of(["nir"], 2, sharpen=True))
    image = campaign.layers()
    assert np.array_equal(image[3], image[1])


@pytest.mark.parametrize(("crs", "cell"), [(CRS, 30.0), (CRS, 2.0), ("EPSG:32647", 30.0)])
def test_same_pixels_for_any_tile_size(tmp_path: Path, crs: str, cell: float) -> None:
    images = []
    for tile_px in (256, 128, 80):
        folder = tmp_path / str(tile_px)
        dem = rough_dem(folder / "dem.tif", crs, cell)
        images.append(Campaign(folder, dem, settings_of(sharpen=True), tile_px).layers())
    assert np.ptp(images[0][3]) > 150
    assert all(np.array_equal(images[0], image) for image in images[1:])


def test_same_pixels_for_any_block_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = Campaign(tmp_path, rough_dem(tmp_path / "dem.tif"), settings_of())
    whole = campaign.layers()
    monkeypatch.setattr("slumpmap.imagery.resampling._BLOCK_PX", 32)
    assert np.array_equal(campaign.layers(), whole)


def test_slope_is_that_of_the_dem(tmp_path: Path) -> None:
    """Interpolated between the cells' centres as numpy does it, in grid pixels that lie across them."""
    campaign = Campaign(tmp_path, rough_dem(tmp_path / "dem.tif"), settings_of(["slope"], None))
    image = campaign.layers()
    with rasterio.open(campaign.slope) as source:
        slope, place = source.read(1).astype(np.float64), ~source.transform
    pixel = np.arange(256) + 0.5
    column = (place @ (WEST + 3 * pixel, np.full(256, NORTH)))[0] - 0.5
    row = (place @ (np.full(256, WEST), NORTH - 3 * pixel))[1] - 0.5
    x, y = column.astype(int), row.astype(int)
    f, g = (column - x)[None], (row - y)[:, None]
    upper, lower = (slope[np.ix_(y + k, x)] * (1 - f) + slope[np.ix_(y + k, x + 1)] * f for k in (0, 1))
    wanted = np.clip(1 + 254 * ((1 - g) * upper + g * lower) / 45, 1, 255)
    valid = image[0] > 0
    assert np.abs(image[3] - wanted)[valid].max() < 0.51


def test_finer_terrain_is_averaged(tmp_path: Path) -> None:
    """Cells of 1 m, 10 and 20 degrees in turn: 14.4 and 15.6 by the triangle of 3 m, not 10 and 20."""
    campaign = Campaign(tmp_path, rough_dem(tmp_path / "dem.tif"), settings_of(["slope"], None))
    stripes = np.broadcast_to(np.where(np.arange(800) % 2, 20, 10), (800, 800)).astype(np.float32)
    for path in (campaign.slope, campaign.aspect):
        write_raster(path, stripes, from_origin(WEST - 10, NORTH + 10, 1, 1), CRS, math.nan)
    image = campaign.layers()
    assert set(np.unique(image[3, image[0] > 0])) == {83, 89}


def test_terrain_that_is_not_given(tmp_path: Path) -> None:
    for slope, aspect in ((None, tmp_path), (tmp_path, None)):
        with pytest.raises(InputError, match="slope and hillshade need"), open_terrain(slope, aspect):
            pass


def test_tile_of_other_settings_is_refused(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, rough_dem(tmp_path / "dem.tif"), settings_of())
    path = tmp_path / "2019" / f"{campaign.ids[-1]}.tif"
    write_raster(path, np.zeros((3, 128, 128), np.uint8), from_origin(0, 0, 3, 3), CRS, 0)
    with pytest.raises(InputError, match=rf"{path.name}: tile was made of other scenes"):
        campaign.layers()
    assert not (tmp_path / "layers" / path.name).exists()


def test_damaged_aspect_is_refused(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, rough_dem(tmp_path / "dem.tif", cell=2.0), settings_of())
    campaign.aspect.write_bytes(campaign.aspect.read_bytes()[: campaign.aspect.stat().st_size // 2])
    with pytest.raises(InputError, match=r"aspect"):
        campaign.layers()


def test_command(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, rough_dem(tmp_path / "dem.tif"), settings_of())
    image = campaign.layers()
    (tmp_path / "grid.json").write_text(campaign.grid.to_json())
    paths = {"grid": "grid.json", "imagery": "2019", "catalogue": "scenes.gpkg", "scaling": "scaling.json"}
    paths |= {"slope": "slope.tif", "aspect": "aspect.tif", "out": "again"}
    words = [f"--{name}={tmp_path / path}" for name, path in paths.items()]
    words += ["--year=2019", f"--tiles={','.join(campaign.ids)}", *as_options(campaign.settings).split()]
    app(["layers", *words], standalone_mode=False)
    assert np.array_equal(campaign.read("again", 7), image)
