"""The door to rasters: refusals, atomic writing, tiles read as one."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.transform import Affine
from shapely.geometry import box

from slumpmap.errors import InputError
from slumpmap.files import atomic, read_json, write_json
from slumpmap.grid import Grid, Window
from slumpmap.raster import (
    Mosaic,
    atomic_raster,
    check_whole,
    open_raster,
    reading,
    write_cog,
    write_mosaic,
    write_raster,
)

CRS = "EPSG:32646"
TRANSFORM = Affine(3, 0, 500_001, 0, -3, 3_840_000)
NOISE = np.random.default_rng(1).integers(1, 255, (3, 200, 190), np.uint8)


def write_plain(path: Path, **options: object) -> Path:
    with rasterio.open(path, "w", driver="GTiff", count=3, height=200, width=190, dtype="uint8", **options) as target:
        target.write(NOISE)
    return path


def test_missing_unreadable_and_without_crs(tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("no raster")
    write_plain(tmp_path / "bare.tif", transform=TRANSFORM)
    for name, fault in (
        ("none.tif", "DEM is missing"),
        ("text.tif", "DEM cannot be read"),
        ("bare.tif", "DEM has no CRS"),
    ):
        with pytest.raises(InputError, match=fault), open_raster(tmp_path / name, "DEM"):
            pass


LAYOUTS = {
    "strips": {},
    "bands apart": {"interleave": "band"},
    "tiles": {"tiled": True, "blockxsize": 64, "blockysize": 64},
    "tiles, bands apart": {"tiled": True, "blockxsize": 64, "blockysize": 64, "interleave": "band"},
    "deflated": {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"},
    "big": {"BIGTIFF": "YES"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_truncated_file(tmp_path: Path, layout: str) -> None:
    path = write_plain(tmp_path / "a.tif", crs=CRS, transform=TRANSFORM, **LAYOUTS[layout])
    check_whole(path)
    content = path.read_bytes()
    for lost in (1, len(content) // 2):
        path.write_bytes(content[:-lost])
        with pytest.raises(InputError, match="truncated"):
            check_whole(path)


def test_bands_written_in_any_order(tmp_path: Path) -> None:
    """The last bytes of a file may belong to a band in the middle."""
    path = tmp_path / "a.tif"
    shape = {"count": 3, "height": 200, "width": 190, "dtype": "uint8"}
    with rasterio.open(
        path, "w", driver="GTiff", crs=CRS, transform=TRANSFORM, interleave="band", compress="deflate", **shape
    ) as target:
        for band in (1, 3, 2):
            target.write(NOISE[band - 1], band)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="truncated"):
        check_whole(path)


def test_holes_in_a_sparse_file_are_no_truncation(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        height=512,
        width=512,
        dtype="uint8",
        crs=CRS,
        transform=TRANSFORM,
        tiled=True,
        SPARSE_OK=True,
    ) as target:
        target.write(NOISE[:1, :100, :100], window=((0, 100), (0, 100)))
    check_whole(path)


def test_truncated_cog(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_cog(path, np.random.default_rng(1).integers(1, 255, (3, 1024, 1024), np.uint8), TRANSFORM, CRS, 0)
    check_whole(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="truncated"):
        check_whole(path, "tile")


def test_a_fourth_band_is_no_transparency(tmp_path):
    values = np.random.default_rng(1).integers(0, 255, (4, 64, 64), np.uint8)
    write_cog(tmp_path / "a.tif", values, TRANSFORM, CRS, 0)
    with rasterio.open(tmp_path / "a.tif") as raster:
        assert ColorInterp.alpha not in raster.colorinterp
        assert np.array_equal(raster.read(), values)


def test_cog(tmp_path: Path) -> None:
    values = np.zeros((3, 1024, 1024), np.uint8)
    values[:, ::2] = 200
    write_cog(tmp_path / "a.tif", values, TRANSFORM, CRS, 0, YEAR="2019")
    with rasterio.open(tmp_path / "a.tif") as written:
        assert np.array_equal(written.read(), values)
        assert written.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert written.tags()["YEAR"] == "2019"
        assert (written.nodata, written.crs, written.transform) == (0, CRS, TRANSFORM)
        assert written.overviews(1)
        assert set(np.unique(written.read(1, out_shape=(512, 512)))) == {200}, "overviews average valid pixels only"


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_write_raster(tmp_path: Path, dtype: str) -> None:
    values = (NOISE[0] / 3).astype(dtype)
    write_raster(tmp_path / "new" / "a.tif", values, TRANSFORM, CRS, nodata=0)
    with open_raster(tmp_path / "new" / "a.tif") as written:
        assert np.array_equal(written.read(1), values)
        assert (written.dtypes[0], written.nodata) == (dtype, 0)


def test_exception_leaves_nothing_new_and_keeps_the_old(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        temporary.write_text("half")
        assert path.exists()
        raise RuntimeError
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, float("nan"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]
    assert read_json(path) == {"old": 1}


def test_raster_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"complex|dtype|type"):
        write_raster(tmp_path / "a.tif", np.zeros((4, 4), "U3"), TRANSFORM, CRS)
    assert not list(tmp_path.iterdir())


class Tiles:
    """A 3 x 2 mosaic with its whole array; the tile x001_y001 is not part of the study area."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        area = box(500_001, 3_839_616, 500_577, 3_840_000) - box(500_193, 3_839_616, 500_385, 3_839_808)
        self.grid = Grid.over(area, CRS, 3.0, 64)
        self.whole = np.random.default_rng(2).integers(0, 256, (3, 128, 192), np.uint8)
        self.whole[:, 64:, 64:128] = 7
        for tile in self.grid.tiles:
            part = tile.window
            values = self.whole[:, part.row : part.row + 64, part.column : part.column + 64]
            write_cog(folder / f"{tile.id}.tif", values, self.grid.window_transform(part), CRS, None)
        (folder / "x009_y009.tif").write_text("left over from another grid")


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Tiles:
    return Tiles(tmp_path_factory.mktemp("tiles"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(-90, 220), st.integers(-90, 280), st.integers(1, 250), st.integers(1, 300), st.integers(1, 4))
def test_mosaic_equals_the_whole(tiles: Tiles, row: int, column: int, height: int, width: int, keep_open: int) -> None:
    framed = np.pad(tiles.whole, ((0, 0), (100, 400), (100, 500)), constant_values=7)
    with Mosaic(tiles.grid, tiles.folder, 3, 7, keep_open=keep_open) as mosaic:
        read = mosaic.read(Window(row, column, height, width))
    assert np.array_equal(read, framed[:, row + 100 : row + 100 + height, column + 100 : column + 100 + width])


def test_mosaic_refuses_missing_damaged_and_other_tiles(tmp_path: Path) -> None:
    made = Tiles(tmp_path)
    window = Window(0, 0, 64, 64)
    path = tmp_path / "x000_y000.tif"

    def refused(fault: str, bands: int = 3) -> None:
        with Mosaic(made.grid, tmp_path, bands, 0) as mosaic, pytest.raises(InputError, match=fault) as caught:
            mosaic.read(window)
        assert "x000_y000.tif" in str(caught.value)

    refused("does not have the grid's shape", bands=1)
    path.write_bytes(path.read_bytes()[:-2000])
    refused("tile is damaged")
    path.unlink()
    refused("tile cannot be read")


def test_mosaic_file_shows_the_tiles_where_they_are(tmp_path):
    """Read by GDAL alone, also after the folder was moved."""
    grid = Grid.over(box(499998, 3839700, 500598, 3840000), "EPSG:32646", 3.0, 100)
    for number, tile in enumerate(grid.tiles, 1):
        image = np.full((3, 100, 100), 10 * number, np.uint8)
        write_cog(tmp_path / f"{tile.id}.tif", image, grid.window_transform(tile.window), grid.crs, 0)
    write_mosaic(grid, tmp_path, 3, 0)
    (tmp_path / "moved").mkdir()
    for file in tmp_path.glob("*.*"):
        file.rename(tmp_path / "moved" / file.name)
    with rasterio.open(tmp_path / "moved" / "mosaic.vrt") as mosaic:
        assert (mosaic.width, mosaic.height, mosaic.nodata) == (200, 100, 0)
        assert mosaic.transform == grid.transform
        assert [int(mosaic.read(1)[50, column]) for column in (0, 99, 100, 199)] == [10, 10, 20, 20]
        assert [interpretation.name for interpretation in mosaic.colorinterp] == ["red", "green", "blue"]


def test_mosaic_file_changes_with_its_tiles_and_with_nothing_else(tmp_path):
    """Snakemake takes a small file that did not change for unchanged input."""
    grid = Grid.over(box(499998, 3839700, 500598, 3840000), "EPSG:32646", 3.0, 100)
    first, second = (tmp_path / f"{tile.id}.tif" for tile in grid.tiles)
    texts = []
    for value in (1, 1, 2):
        image = np.full((3, 100, 100), value, np.uint8)
        write_cog(first, image, grid.window_transform(grid.tiles[0].window), grid.crs, 0)
        write_mosaic(grid, tmp_path, 3, 0)
        texts.append((tmp_path / "mosaic.vrt").read_text())
    assert texts[0] == texts[1] != texts[2]
    first.rename(second)
    write_mosaic(grid, tmp_path, 3, 0)
    assert (tmp_path / "mosaic.vrt").read_text() not in texts


def test_a_header_that_promises_more_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_raster(path, np.ones((1, 300, 300), np.uint8), TRANSFORM, CRS)
    data = bytearray(path.read_bytes())
    # Width and length are the first two entries of the directory: tag, type, count, value.
    start = struct.unpack("<I", data[4:8])[0] + 2
    for entry in (start, start + 12):
        assert struct.unpack("<H", data[entry : entry + 2])[0] in (256, 257)
        data[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, 2**30)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.tif: .*(promises|cannot be read)"), open_raster(path, "scene"):
        pass


def test_a_block_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    options = {"driver": "GTiff", "count": 1, "dtype": "uint8", "crs": CRS, "transform": TRANSFORM, "sparse_ok": True}
    side = 32_768
    with rasterio.open(path, "w", width=side, height=side, tiled=True, blockxsize=side, blockysize=side, **options):
        pass
    with (
        pytest.raises(InputError, match="cannot hold the 1 bands of 32768 x 32768 pixels that its header promises"),
        open_raster(path, "scene"),
    ):
        pass


def test_damaged_pixels_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.tif: DEM is damaged \(block 3\)"), reading(tmp_path / "a.tif", "DEM"):
        raise RasterioIOError("block 3")


def test_a_write_error_of_gdal_is_a_full_disk_even_if_another_process_made_room_meanwhile(tmp_path):
    path, full = tmp_path / "x.tif", "the disk is full or was so a moment ago"
    with pytest.raises(InputError, match=full), atomic_raster(path):
        raise RasterioError("TIFFAppendToStrip:Write error at scanline 512")
    with pytest.raises(RasterioError, match="something else"), atomic_raster(path):
        raise RasterioError("something else")
