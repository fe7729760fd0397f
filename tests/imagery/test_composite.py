"""The image of a year: order, masks, the same pixels for any tiling, other grids of the scenes, sharpening."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject, transform_bounds
from rasterio.warp import transform as transform_points
from scene_maker import (
    CRS,
    NORTH,
    WEST,
    eight_bit,
    flat,
    grid_of,
    mosaic,
    textured,
    udm_like,
    write_catalogue,
    write_scene,
)
from shapely.geometry import Point, box

from slumpmap.errors import InputError
from slumpmap.grid import Window
from slumpmap.imagery.area import area_mask
from slumpmap.imagery.catalogue import make_catalogue
from slumpmap.imagery.composite import make_tiles
from slumpmap.imagery.resampling import LATTICE_PX, blocks, lattice_of
from slumpmap.imagery.scaling import make_scaling
from slumpmap.settings.imagery import CompositeSettings, ScalingSettings

CLEAR = {"acquired": "2019-07-21", "cloud_fraction": 0.0}


def single(folder: Path, **where: object) -> Path:
    """A catalogue of one textured scene."""
    write_scene(folder / "a.tif", textured(1), **where)  # type: ignore[arg-type]
    return write_catalogue(folder / "s.gpkg", [CLEAR | {"path": "a.tif"}])


def test_aligned_scene_is_copied_and_converted(tmp_path: Path) -> None:
    values = textured(1)
    values[:, 5, 5] = (65535, 4, 1, 2000)
    write_scene(tmp_path / "a.tif", values)
    image = mosaic(tmp_path, write_catalogue(tmp_path / "s.gpkg", [CLEAR | {"path": "a.tif"}]), grid_of())
    assert np.array_equal(image, eight_bit(values[[2, 1, 0]]))
    assert image[:, 5, 5].tolist() == [1, 1, 255]


def test_clearest_on_top_then_oldest_then_by_name(tmp_path: Path) -> None:
    """Each scene covers 32 columns less than the one that is to lie on it."""
    order = [
        ("d", 600, "2019-08-30", 0.00),
        ("c", 900, "2019-07-02", 0.01),
        ("a", 1200, "2019-07-09", 0.01),
        ("b", 1500, "2019-07-09", 0.01),
    ]
    rows = []
    for rank, (name, value, acquired, cloud) in enumerate(order):
        write_scene(tmp_path / f"{name}.tif", flat(value, width=32 * (rank + 1)))
        rows.append({"path": f"{name}.tif", "acquired": acquired, "cloud_fraction": cloud})
    for turn, source in enumerate((rows, rows[::-1])):
        image = mosaic(tmp_path, write_catalogue(tmp_path / f"s{turn}.gpkg", source), grid_of(), f"run{turn}")
        wanted = np.repeat([value for _, value, _, _ in order], 32)
        assert np.array_equal(image, eight_bit(np.broadcast_to(wanted, (3, 128, 128))))
    with rasterio.open(tmp_path / "run0" / "2019" / "x000_y000.tif") as tile:
        assert tile.tags()["SCENES"] == "d,c"
        assert tile.tags()["YEAR"] == "2019"


def test_mask_gives_way_to_the_next_scene(tmp_path: Path) -> None:
    clear = np.ones((128, 128), bool)
    clear[10:20, 10:20] = False
    udm = udm_like(clear)
    udm[7, 30:40, 30:40] = 2
    write_scene(tmp_path / "top.tif", flat(600))
    write_scene(tmp_path / "udm.tif", udm, nodata=None)
    write_scene(tmp_path / "below.tif", flat(1500))
    rows = [CLEAR | {"path": "top.tif", "udm": "udm.tif"}, CLEAR | {"path": "below.tif", "cloud_fraction": 0.1}]
    image = mosaic(tmp_path, write_catalogue(tmp_path / "s.gpkg", rows), grid_of())
    wanted = flat(600, bands=3)
    wanted[:, 10:20, 10:20] = wanted[:, 30:40, 30:40] = 1500
    assert np.array_equal(image, eight_bit(wanted))


@pytest.mark.parametrize("kernel", ["bilinear", "cubic"])
@pytest.mark.parametrize("masked", [False, True])
def test_no_dark_rim_and_no_cloud_rim(tmp_path: Path, masked: bool, kernel: str) -> None:
    """Nodata (0) and masked cloud (60000) leave no trace in their resampled neighbours."""
    hole = np.zeros((128, 128), bool)
    hole[40:60, 50:70] = True
    values = flat(1500)
    values[:, hole] = 60000 if masked else 0
    shifted = {"west": WEST + 1.4, "north": NORTH - 0.8}
    write_scene(tmp_path / "a.tif", values, **shifted)
    row = CLEAR | {"path": "a.tif"}
    if masked:
        write_scene(tmp_path / "udm.tif", udm_like(~hole), nodata=None, **shifted)
        row["udm"] = "udm.tif"
    image = mosaic(tmp_path, write_catalogue(tmp_path / "s.gpkg", [row]), grid_of(), resampling=kernel)
    assert set(np.unique(image)) == {0, 128}
    assert (image[0] == 0).sum() == 400


@pytest.mark.parametrize("nodata", [None, 0.0, np.nan])
def test_float_scenes_and_scenes_without_nodata(tmp_path: Path, nodata: float | None) -> None:
    values = textured(1).astype(np.float32)
    bad = np.zeros((128, 128), bool)
    if nodata is not None:
        bad[3:6, 7:9] = True
        values[1, bad] = nodata
    values[2, 90, 90] = np.inf
    bad[90, 90] = True
    write_scene(tmp_path / "a.tif", values, nodata=nodata, west=WEST + 96)
    image = mosaic(tmp_path, write_catalogue(tmp_path / "s.gpkg", [CLEAR | {"path": "a.tif"}]), grid_of())
    assert not image[:, :, :32].any()
    assert np.array_equal(image[0, :, 32:] > 0, ~bad[:, :96])


SCENES = {
    "aligned": {},
    "half a pixel off": {"west": WEST + 1.5, "north": NORTH - 1.5},
    "a third of a pixel off": {"west": WEST + 1.0, "north": NORTH - 1.1},
    "coarser": {"size": 10.0, "west": WEST - 4.0},
    "finer": {"size": 1.7},
    "other zone": {"crs": "EPSG:32647", "west": None},
    "geographic": {"crs": "EPSG:4326", "west": None, "size": 3e-5},
}


def placed(kind: str) -> dict[str, object]:
    """Where a scene of a kind lies: scenes in another CRS begin where the grid does, or a little before."""
    where = dict(SCENES[kind])
    if "crs" in where:
        west, _, _, north = transform_bounds(CRS, where["crs"], WEST, NORTH - 384, WEST + 384, NORTH)
        where |= {"west": west, "north": north}
    return where


@pytest.mark.parametrize(("kernel", "sharpen"), [("nearest", False), ("bilinear", True), ("cubic", False)])
@pytest.mark.parametrize("kind", SCENES)
def test_same_pixels_for_any_tile_size(tmp_path: Path, kind: str, kernel: str, sharpen: bool) -> None:
    area = Point(WEST + 190, NORTH - 200).buffer(170)
    source = single(tmp_path, **placed(kind))
    images = []
    for tile_px in (128, 64, 48):
        grid = grid_of(tile_px=tile_px, area=area)
        images.append(mosaic(tmp_path, source, grid, f"of{tile_px}", resampling=kernel, sharpen=sharpen))
    assert images[0].any()
    assert all(np.array_equal(images[0], image) for image in images[1:])


@pytest.mark.parametrize("kind", SCENES)
def test_resampling_agrees_with_gdal(tmp_path: Path, kind: str) -> None:
    """GDAL's exact warper on smooth values; it treats edges otherwise, hence the inner part only."""
    where = placed(kind)
    rows, columns = np.mgrid[:128, :128]
    values = np.broadcast_to(400 + 9 * rows + 8 * columns, (4, 128, 128)).astype(np.uint16)
    write_scene(tmp_path / "a.tif", values, **where)  # type: ignore[arg-type]
    image = mosaic(tmp_path, write_catalogue(tmp_path / "s.gpkg", [CLEAR | {"path": "a.tif"}]), grid_of())[0]
    wanted = np.zeros((128, 128), np.float32)
    with rasterio.open(tmp_path / "a.tif") as scene:
        reproject(
            rasterio.band(scene, 3),
            wanted,
            dst_transform=Affine(3, 0, WEST, 0, -3, NORTH),
            dst_crs=CRS,
            dst_nodata=0,
            resampling=Resampling.bilinear,
            tolerance=1e-6,
        )
    inner = np.lib.stride_tricks.sliding_window_view(np.pad(wanted, 3), (7, 7)).min(axis=(2, 3)) > 0
    assert inner.sum() > 500
    assert np.abs(image[inner].astype(int) - eight_bit(wanted[inner])).max() <= 1


def test_lattice_is_exact_enough(tmp_path: Path) -> None:
    """Interpolated source coordinates against PROJ at each pixel, into the neighbouring zone."""
    grid = grid_of(512, 512)
    with rasterio.open(write_scene(tmp_path / "a.tif", textured(1), **placed("other zone"))) as scene:  # type: ignore[arg-type]
        lattice = lattice_of(scene, grid, grid.extent)
        pixel = np.arange(512) + 0.5
        columns, rows = np.meshgrid(pixel, pixel)
        x, _ = transform_points(
            CRS, scene.crs, (grid.x0 + 3 * columns).ravel().tolist(), (grid.y0 - 3 * rows).ravel().tolist()
        )
        wanted = (np.array(x) - scene.transform.c) / 3
    f, k = np.modf(pixel / LATTICE_PX)
    k = k.astype(int)
    across = lattice.u[:, k] * (1 - f) + lattice.u[:, k + 1] * f
    u = across[k] * (1 - f)[:, None] + across[k + 1] * f[:, None]
    assert np.abs(u.ravel() - wanted).max() < 1e-4


@pytest.mark.parametrize(("finest", "side"), [(1.0, 1024), (3.0, 320), (500.0, LATTICE_PX)])
def test_blocks_cover_a_window_once(finest: float, side: int) -> None:
    window = Window(5, -7, 2100, 1500)
    count = np.zeros((2100, 1500), int)
    for block, inside in blocks(window, finest):
        count[inside] += 1
        assert count[inside].shape == (block.height, block.width) and max(block.height, block.width) <= side
        assert (block.row, block.column) == (5 + inside[0].start, -7 + inside[1].start)
    assert (count == 1).all()


def test_same_pixels_for_any_block_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = single(tmp_path, **placed("a third of a pixel off"))
    whole = mosaic(tmp_path, source, grid_of(tile_px=128), "whole")
    monkeypatch.setattr("slumpmap.imagery.resampling._BLOCK_PX", 32)
    assert np.array_equal(mosaic(tmp_path, source, grid_of(tile_px=128), "parts"), whole)


def test_finer_scene_is_averaged(tmp_path: Path) -> None:
    """A checkerboard of half-size pixels becomes grey, not moire."""
    y, x = np.mgrid[:256, :256]
    values = np.broadcast_to(np.where((x + y) % 2, 2000, 1000), (4, 256, 256)).astype(np.uint16)
    write_scene(tmp_path / "a.tif", values, size=1.5)
    image = mosaic(tmp_path, write_catalogue(tmp_path / "s.gpkg", [CLEAR | {"path": "a.tif"}]), grid_of())
    assert set(np.unique(image[:, 2:-2, 2:-2])) == {128}


def test_sharpened_image(tmp_path: Path) -> None:
    source = single(tmp_path)
    plain = mosaic(tmp_path, source, grid_of(), "plain").astype(int)
    sharp = mosaic(tmp_path, source, grid_of(), "sharp", sharpen=True)
    padded = np.pad(plain, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    assert np.array_equal(sharp, np.clip(5 * plain - around, 1, 255))


def test_outside_the_study_area_is_nodata(tmp_path: Path) -> None:
    area = Point(WEST + 190, NORTH - 200).buffer(170)
    grid = grid_of(area=area)
    image = mosaic(tmp_path, single(tmp_path), grid)
    x = grid.x0 + 3 * (np.arange(grid.extent.width) + 0.5)
    y = grid.y0 - 3 * (np.arange(grid.extent.height) + 0.5)
    inside = [[area.covers(Point(east, north)) for east in x] for north in y]
    assert np.array_equal(image[0] > 0, inside)
    assert np.array_equal(area_mask(grid, grid.extent), inside)


def test_all_nodata_tile_works(tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", flat(900, width=60))
    grid = grid_of()
    image = mosaic(tmp_path, write_catalogue(tmp_path / "s.gpkg", [CLEAR | {"path": "a.tif"}]), grid)
    assert image[:, :, :60].all() and not image[:, :, 60:].any()
    with rasterio.open(tmp_path / "run" / "2019" / "x001_y001.tif") as tile:
        assert not tile.read().any()
        assert tile.tags().get("SCENES", "") == ""


def test_tiles_are_cogs(tmp_path: Path) -> None:
    grid = grid_of(700, 700, 1024)
    write_scene(tmp_path / "a.tif", flat(900, 700, 700))
    mosaic(tmp_path, write_catalogue(tmp_path / "s.gpkg", [CLEAR | {"path": "a.tif"}]), grid)
    with rasterio.open(tmp_path / "run" / "2019" / "x000_y000.tif") as tile:
        assert tile.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert tile.profile["tiled"] and tile.block_shapes == [(512, 512)] * 3
        assert tile.overviews(1) == [2]
        assert (tile.count, tile.dtypes[0], tile.nodata, tile.crs) == (3, "uint8", 0, CRS)
        assert tile.transform == Affine(3, 0, WEST, 0, -3, NORTH)


def test_file_damaged_after_the_check(tmp_path: Path) -> None:
    grid = grid_of()
    source = single(tmp_path)
    mosaic(tmp_path, source, grid)
    path = tmp_path / "a.tif"
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: len(content) // 2])
    out, work = tmp_path / "again", tmp_path / "run"
    with pytest.raises(InputError, match=r"a\.tif"):
        make_tiles(work / "catalogue.gpkg", work / "scaling.json", grid, 2019, CompositeSettings(), out, ["x001_y001"])
    assert not list(out.glob("*.tif"))


def test_a_line_for_each_tile(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mosaic(tmp_path, single(tmp_path), grid_of(area=box(WEST, NORTH - 100, WEST + 192, NORTH)))
    log = capfd.readouterr().err
    assert "2019 x000_y000: " in log and "% valid" in log and "scenes: a" in log


def test_only_scenes_of_the_year(tmp_path: Path) -> None:
    rows = []
    for year, value in ((2018, 600), (2019, 1500)):
        write_scene(tmp_path / f"{year}.tif", flat(value))
        rows.append({"path": f"{year}.tif", "acquired": f"{year}-07-01", "cloud_fraction": 0.0})
    source, grid, how = write_catalogue(tmp_path / "s.gpkg", rows), grid_of(), CompositeSettings()
    catalogue, scaling = tmp_path / "catalogue.gpkg", tmp_path / "scaling.json"
    make_catalogue(source, grid, how, [2018, 2019], catalogue)
    make_scaling(catalogue, grid, ScalingSettings(), how.bands, scaling)
    for year, value in ((2018, 52), (2019, 128)):
        make_tiles(catalogue, scaling, grid, year, how, tmp_path / str(year), ["x000_y000"])
        with rasterio.open(tmp_path / str(year) / "x000_y000.tif") as tile:
            assert set(np.unique(tile.read())) == {value}


def test_scenes_out_of_reach_are_not_opened(tmp_path: Path) -> None:
    """A job that opened every scene of the year would take longer the larger the region is."""
    write_scene(tmp_path / "near.tif", flat(600, width=64))
    write_scene(tmp_path / "far.tif", flat(900, width=32), west=WEST + 96 * 3.0)
    rows = [CLEAR | {"path": "near.tif"}, CLEAR | {"path": "far.tif"}]
    grid, source = grid_of(), write_catalogue(tmp_path / "s.gpkg", rows)
    catalogue, scaling = tmp_path / "catalogue.gpkg", tmp_path / "scaling.json"
    settings = CompositeSettings()
    make_catalogue(source, grid, settings, [2019], catalogue)
    make_scaling(catalogue, grid, ScalingSettings(), settings.bands, scaling)
    (tmp_path / "far.tif").unlink()
    make_tiles(catalogue, scaling, grid, 2019, settings, tmp_path / "out", ["x000_y000"])
    with rasterio.open(tmp_path / "out" / "x000_y000.tif") as tile:
        assert np.array_equal(tile.read(), eight_bit(flat(600, 64, 64, 3)))
    with pytest.raises(InputError, match="far"):
        make_tiles(catalogue, scaling, grid, 2019, settings, tmp_path / "out", ["x001_y000"])
