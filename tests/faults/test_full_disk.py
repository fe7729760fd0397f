"""A disk that runs full while files are written, in a small file system of its own."""

import os
import subprocess
import sys

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from slumpmap.errors import InputError
from slumpmap.files import atomic, check_writable, write_json
from slumpmap.raster import atomic_raster, write_cog, write_raster
from slumpmap.vector import read_layer, write_geojson, write_layer, write_parquet
from tests.faults.conftest import INVENTORY, copy_of, mounted, resize, steps_done

CRS = "EPSG:32646"
CORNER = from_origin(500000, 3841000, 3, 3)
PIXELS = np.random.default_rng(1).integers(0, 255, (700, 700), dtype=np.uint8)
PLACES = np.random.default_rng(2).random((2000, 2))
LAYER = gpd.GeoDataFrame(
    {"id": [f"place {number}" for number in range(len(PLACES))]}, geometry=shapely.points(PLACES), crs=CRS
)


@pytest.fixture
def small(tmp_path):
    """A file system of 64 KiB."""
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=64k", "tmpfs") as folder:
        yield folder


def in_blocks(path):
    """A raster written a strip of blocks at a time, whose last blocks go to the disk when it is closed."""
    profile = {"driver": "GTiff", "count": 1, "height": 700, "width": 700, "dtype": "uint8", "compress": "deflate"}
    profile |= {"crs": CRS, "transform": CORNER, "tiled": True, "blockxsize": 256, "blockysize": 256}
    with atomic_raster(path) as temporary, rasterio.open(temporary, "w", **profile) as target:
        for row in range(0, 700, 256):
            strip = PIXELS[row : row + 256]
            target.write(strip, 1, window=rasterio.windows.Window(0, row, 700, len(strip)))


def read_pixels(path):
    with rasterio.open(path) as source:
        return np.array_equal(source.read(1), PIXELS)


def read_places(path):
    return len(read_layer(path, "places", kinds=("Point",))) == len(LAYER)


WRITERS = {
    "raster.tif": (lambda path: write_raster(path, PIXELS, CORNER, CRS), read_pixels),
    "blocks.tif": (in_blocks, read_pixels),
    "cog.tif": (lambda path: write_cog(path, PIXELS, CORNER, CRS, None), read_pixels),
    "places.gpkg": (lambda path: write_layer(LAYER, path), read_places),
    "places.parquet": (lambda path: write_parquet(LAYER, path), read_places),
    "places.geojson": (lambda path: write_geojson(LAYER, path), read_places),
    "list.json": (lambda path: write_json(path, list(range(20000))), lambda path: path.stat().st_size > 100000),
}


@pytest.mark.parametrize("name", WRITERS)
def test_file_is_whole_or_not_there_whatever_room_there_is(small, name):
    """Most of these sizes are too small, by anything from a few bytes to nearly all; the last is ample."""
    write, whole = WRITERS[name]
    refused = 0
    for size in [*range(64, 704, 32), 4000]:
        resize(small, f"{size}k")
        try:
            write(small / name)
        except InputError as error:
            refused += 1
            assert (
                str(small / name) in str(error)
                and "the disk is full" in str(error)
                and "make room" in str(error).lower()
            )
        else:
            assert whole(small / name), f"{size} KiB"
            (small / name).unlink()
        assert list(small.iterdir()) == []
    assert 0 < refused < 21


def test_old_file_stays_where_there_is_no_room_for_the_new_one(small):
    write_json(small / "list.json", ["old"])
    with pytest.raises(InputError, match="the disk is full"):
        write_json(small / "list.json", list(range(50000)))
    assert (small / "list.json").read_text() == '[\n "old"\n]\n'


def test_training_pixels_without_room_end_with_a_message_not_a_signal(small):
    """The pixels are written through a memory map, where a full disk is a deadly signal."""
    program = f"""
import sys, numpy as np, pandas as pd
from pathlib import Path
from slumpmap.grid import Grid
from slumpmap.learning.windows import _write_pixels
import shapely
class Mosaic:
    bands = 3
    grid = Grid.over(shapely.box(500000, 3838000, 503000, 3841000), "{CRS}", 3.0, 512, "grid")
    def read(self, window):
        return np.full((3, window.height, window.width), 9, np.uint8)
places = pd.DataFrame({{"row": [0] * 40, "column": [0] * 40}})
_write_pixels(Path(sys.argv[1]), places, np.array([], dtype=object), Mosaic(), None, 128)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(small / "windows.npy")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done
    assert "InputError" in done.stderr and "windows.npy: cannot be written, the disk is full" in done.stderr
    assert list(small.iterdir()) == []


def test_error_that_has_another_reason_keeps_its_own_words(tmp_path):
    with pytest.raises(ValueError, match="mine"), atomic(tmp_path / "a.txt"):
        raise ValueError("mine")


def test_full_disk_is_no_place_to_start_a_run(small):
    (small / "filler").write_bytes(os.urandom(64 * 1024))
    with pytest.raises(InputError, match="the disk is full"):
        check_writable(small / "results")


@pytest.mark.faults
def test_run_on_a_full_disk_says_so_and_resumes_when_there_is_room(reference, tmp_path):
    campaign = copy_of(reference, tmp_path)
    campaign.rewind("02/outcome.log")
    results = tmp_path / "results"
    kept = tmp_path / "kept"
    results.rename(kept)
    with mounted(results, "-t", "tmpfs", "-o", "size=200m", "tmpfs"):
        subprocess.run(["cp", "-a", f"{kept}/.", str(results)], check=True)
        used = int(
            subprocess.run(["du", "-sk", str(results)], capture_output=True, text=True, check=True).stdout.split()[0]
        )
        failures, size = [], used + 300
        while True:
            resize(results, f"{size}k")
            status, output = campaign.run()
            if status == 0:
                break
            messages = {line.strip() for line in output.splitlines() if line.strip().startswith("error: ")}
            # Two jobs at a time may both have found no room, each with one message.
            assert 1 <= len(messages) <= 2, output
            for message in messages:
                assert "the disk is full" in message and "make room" in message.lower(), output
            assert "Traceback" not in output, output
            failures.extend(messages)
            assert len(failures) < 12
            size += 4000
        assert failures
        assert campaign.same_as(reference)
        assert (tmp_path / INVENTORY).exists()
    print(
        f"\ndisk full {len(failures)} times, then {steps_done(output)} jobs and the unbroken products:",
        *failures,
        sep="\n  ",
    )
