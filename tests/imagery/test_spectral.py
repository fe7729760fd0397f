"""Near infrared and the vegetation index: values by hand, always from the scene that gives red, green and blue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from rasterio.warp import transform_bounds
from scene_maker import CRS, NORTH, WEST, grid_of, mosaic, textured, udm_like, write_catalogue, write_scene
from shapely.geometry import Point

from slumpmap.errors import InputError
from slumpmap.files import read_json
from slumpmap.grid import Grid
from slumpmap.imagery.catalogue import make_catalogue
from slumpmap.imagery.composite import open_year
from slumpmap.imagery.scaling import make_scaling, read_scaling
from slumpmap.imagery.spectral import ndvi, spectral_layers
from slumpmap.settings.imagery import CompositeSettings, ScalingSettings

CLEAR = {"acquired": "2019-07-21", "cloud_fraction": 0.0}
ROW = CLEAR | {"path": "a.tif"}
BOTH = ("nir", "ndvi")


def five_bands(
    folder: Path, source: Path, grid: Grid, name: str = "run", nir_band: int = 4, **settings: object
) -> NDArray[np.uint8]:
    """Makes the tiles of 2019 and their layers, (5, rows, columns): red, green, blue, nir, ndvi."""
    rgb = mosaic(folder, source, grid, name, nir_band=nir_band, **settings)
    how = CompositeSettings(nir_band=nir_band, **settings)  # type: ignore[arg-type]
    ends = read_scaling(folder / name / "scaling.json", 4)
    height, width = rgb.shape[1:]
    image = np.zeros((2, height + grid.tile_px, width + grid.tile_px), np.uint8)
    with open_year(folder / name / "catalogue.gpkg", grid, 2019, how, [tile.id for tile in grid.tiles]) as composer:
        for tile in grid.tiles:
            window = tile.window
            made = spectral_layers(composer, window, BOTH, ends, how.sharpen)
            rows, columns = (slice(start, start + grid.tile_px) for start in (window.row, window.column))
            image[:, rows, columns] = [made[layer] for layer in BOTH]
    return np.concatenate([rgb, image[:, :height, :width]])


def bands_of(red: int, nir: int) -> NDArray[np.uint16]:
    """A scene of one colour: blue 500, green 700."""
    return np.broadcast_to(np.array([500, 700, red, nir], np.uint16)[:, None, None], (4, 128, 128)).copy()


@pytest.mark.parametrize(
    ("red", "nir", "wanted"),
    [(1000, 3000, 0.5), (3000, 1000, -0.5), (800, 800, 0), (0, 900, 1), (900, 0, -1), (0, 0, 0), (65535, 65535, 0)],
)
def test_index_by_hand(red: int, nir: int, wanted: float) -> None:
    found = ndvi(np.array([red], np.uint16), np.array([nir], np.uint16))
    assert found.dtype == np.float32 and found.tolist() == [wanted]


def test_index_of_values_below_zero() -> None:
    """Atmospheric correction may leave them in shadow."""
    assert ndvi(np.array([-5, 10, -30, -30], np.int16), np.array([10, -5, 20, -30], np.int16)).tolist() == [1, -1, 0, 0]


@given(hnp.arrays(np.int16, (2, 40)))
def test_index_is_finite_and_in_its_range(values: NDArray[np.int16]) -> None:
    found = ndvi(*values)
    assert ((found >= -1) & (found <= 1)).all()


@pytest.mark.parametrize(
    ("red", "nir", "wanted"), [(1000, 3000, [255, 192]), (1500, 500, [43, 65]), (0, 1500, [128, 255]), (9, 0, [1, 1])]
)
def test_layers_by_hand(tmp_path: Path, red: int, nir: int, wanted: list[int]) -> None:
    """1 + 254 * nir / 3000 and 1 + 127 * (1 + ndvi), rounded half up."""
    write_scene(tmp_path / "a.tif", bands_of(red, nir), nodata=None)
    image = five_bands(tmp_path, write_catalogue(tmp_path / "s.gpkg", [ROW]), grid_of())
    assert np.unique(image[3:].reshape(2, -1), axis=1).T.tolist() == [wanted]


def test_one_layer_alone(tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", textured(1))
    grid = grid_of()
    both = five_bands(tmp_path, write_catalogue(tmp_path / "s.gpkg", [ROW]), grid)[3:, :64, :64]
    ends = read_scaling(tmp_path / "run" / "scaling.json", 4)
    settings, tiles = CompositeSettings(nir_band=4), [tile.id for tile in grid.tiles]
    with open_year(tmp_path / "run" / "catalogue.gpkg", grid, 2019, settings, tiles) as composer:
        for layer, wanted in zip(BOTH, both, strict=True):
            made = spectral_layers(composer, grid.tiles[0].window, [layer], ends, False)
            assert list(made) == [layer] and np.array_equal(made[layer], wanted)


def test_near_infrared_has_its_own_range_and_the_index_a_fixed_one(tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", bands_of(500, 1500))
    grid = grid_of()
    five_bands(tmp_path, write_catalogue(tmp_path / "s.gpkg", [ROW]), grid)
    ends = np.array([0, 0, 0, 1000.0]), np.array([3000, 3000, 3000, 4000.0])
    settings, tiles = CompositeSettings(nir_band=4), [tile.id for tile in grid.tiles]
    with open_year(tmp_path / "run" / "catalogue.gpkg", grid, 2019, settings, tiles) as composer:
        made = spectral_layers(composer, grid.tiles[0].window, BOTH, ends, False)
    assert (made["nir"] == 43).all() and (made["ndvi"] == 192).all()


SCENES = {
    "aligned": {},
    "a third of a pixel off": {"west": WEST + 1.0, "north": NORTH - 1.1},
    "finer": {"size": 1.7},
    "other zone": {"crs": "EPSG:32647", "west": None},
}


def placed(kind: str) -> dict[str, object]:
    """Where a scene of a kind lies."""
    where: dict[str, object] = dict(SCENES[kind])
    if "crs" in where:
        west, _, _, north = transform_bounds(CRS, where["crs"], WEST, NORTH - 384, WEST + 384, NORTH)
        where |= {"west": west, "north": north}
    return where


@pytest.mark.parametrize("sharpen", [False, True])
@pytest.mark.parametrize("kind", SCENES)
def test_near_infrared_is_made_as_the_colours_are(tmp_path: Path, kind: str, sharpen: bool) -> None:
    """With green's band number it is green, bit for bit."""
    write_scene(tmp_path / "a.tif", textured(1), **placed(kind))  # type: ignore[arg-type]
    source = write_catalogue(tmp_path / "s.gpkg", [ROW])
    image = five_bands(tmp_path, source, grid_of(), nir_band=2, sharpen=sharpen)
    assert image.any() and np.array_equal(image[3], image[1])


def test_sharpening_leaves_the_index_alone(tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", textured(1))
    source = write_catalogue(tmp_path / "s.gpkg", [ROW])
    plain, sharp = (five_bands(tmp_path, source, grid_of(), f"run{on}", sharpen=on) for on in (False, True))
    assert np.array_equal(plain[4], sharp[4]) and not np.array_equal(plain[3], sharp[3])


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "cubic"])
def test_all_bands_come_from_the_same_scene(tmp_path: Path, kernel: str) -> None:
    """Clouds, and holes in near infrared alone, in the scene on top; the next one lies half a pixel off."""
    top, clear = bands_of(600, 2400), np.ones((128, 128), bool)
    clear[10:60, 20:70] = False
    top[:, ~clear] = 60000
    top[3, 80:100, 30:90] = 0
    write_scene(tmp_path / "a.tif", top)
    write_scene(tmp_path / "udm.tif", udm_like(clear), nodata=None)
    write_scene(tmp_path / "b.tif", bands_of(1500, 500), west=WEST - 1.4, north=NORTH + 1.6)
    rows = [ROW | {"udm": "udm.tif"}, CLEAR | {"path": "b.tif", "cloud_fraction": 0.1}]
    image = five_bands(tmp_path, write_catalogue(tmp_path / "s.gpkg", rows), grid_of(), resampling=kernel)
    lower = ~clear
    lower[80:100, 30:90] = True
    # 600 and 2400: 1 + 254 * 0.2 and 0.8, index 0.6; 1500 and 500: 1 + 254 / 2 and / 6, index -0.5.
    assert np.unique(image[:, ~lower][[0, 3, 4]], axis=1).T.tolist() == [[52, 204, 204]]
    assert np.unique(image[:, lower][[0, 3, 4]], axis=1).T.tolist() == [[128, 43, 65]]


def test_nodata_is_the_same_in_all_bands(tmp_path: Path) -> None:
    """Holes in each band by itself, a study area, one scene that covers a part only."""
    values = textured(3)
    values[np.random.default_rng(1).random(values.shape) < 0.1] = 0
    write_scene(tmp_path / "a.tif", values, west=WEST + 30.5)
    area = Point(WEST + 190, NORTH - 200).buffer(170)
    image = five_bands(tmp_path, write_catalogue(tmp_path / "s.gpkg", [ROW]), grid_of(area=area))
    assert 0.2 < (image[0] > 0).mean() < 0.8
    assert ((image > 0) == (image[0] > 0)).all()


@pytest.mark.parametrize("kind", SCENES)
def test_same_pixels_for_any_tile_size(tmp_path: Path, kind: str) -> None:
    write_scene(tmp_path / "a.tif", textured(1), **placed(kind))  # type: ignore[arg-type]
    source = write_catalogue(tmp_path / "s.gpkg", [ROW])
    images = [five_bands(tmp_path, source, grid_of(tile_px=px), f"of{px}", sharpen=True) for px in (128, 64, 48)]
    assert all(np.array_equal(images[0], image) for image in images[1:])


def test_scene_without_near_infrared_is_refused(tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", textured(1))
    source = write_catalogue(tmp_path / "s.gpkg", [ROW])
    with pytest.raises(InputError, match=r"a\.tif: scene has 4 bands, but band 5 is to be read.*imagery\.nir_band"):
        make_catalogue(source, grid_of(), CompositeSettings(nir_band=5), [2019], tmp_path / "out.gpkg")


def test_near_infrared_has_its_own_percentiles(tmp_path: Path) -> None:
    values = textured(1)
    values[3] += 1000
    write_scene(tmp_path / "a.tif", values)
    how, out = CompositeSettings(nir_band=4), tmp_path / "scaling.json"
    make_catalogue(write_catalogue(tmp_path / "s.gpkg", [ROW]), grid_of(), how, [2019], tmp_path / "c.gpkg")
    make_scaling(tmp_path / "c.gpkg", grid_of(), ScalingSettings(scaling="percentiles"), how.bands_read, out)
    wanted = np.percentile(values.reshape(4, -1)[[2, 1, 0, 3]], 99, axis=1, method="inverted_cdf")
    assert read_scaling(out, 4)[1].tolist() == wanted.tolist()
    assert read_json(out)["bands"] == [3, 2, 1, 4]


def test_scaling_without_near_infrared_is_refused(tmp_path: Path) -> None:
    make_scaling(tmp_path / "c.gpkg", grid_of(), ScalingSettings(), (3, 2, 1), tmp_path / "scaling.json")
    assert len(read_scaling(tmp_path / "scaling.json")[0]) == 3
    with pytest.raises(InputError, match="not a scaling of 4 bands"):
        read_scaling(tmp_path / "scaling.json", 4)
