"""What a command reads and writes is seen, however it reads."""

import os
import threading

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from rasterio.transform import Affine
from shapely.geometry import box

from slumpmap import observed
from slumpmap.files import write_text
from slumpmap.grid import Grid
from slumpmap.observed import recording
from slumpmap.raster import Mosaic, open_raster, write_mosaic, write_raster
from slumpmap.vector import open_layer, write_layer, write_parquet

LAYER = gpd.GeoDataFrame({"id": ["a"]}, geometry=[box(0, 0, 9, 9)], crs="EPSG:32646")


def test_python_files_are_seen_and_writing_is_no_reading(tmp_path):
    (tmp_path / "text.txt").write_text("a")
    np.save(tmp_path / "values.npy", np.zeros(3))
    with recording() as seen:
        (tmp_path / "text.txt").read_text()
        np.load(tmp_path / "values.npy")
        pd.read_csv(tmp_path / "text.txt")
        (tmp_path / "other.txt").write_text("b")
        os.close(os.open(tmp_path / "low.txt", os.O_WRONLY | os.O_CREAT))
        write_text(tmp_path / "made.txt", "c")
    assert {name for name in seen.reads if name.startswith(str(tmp_path))} == {
        str(tmp_path / "text.txt"),
        str(tmp_path / "values.npy"),
    } | {name for name in seen.reads if name.endswith(".part.txt")}
    assert list(seen.writes) == [str(tmp_path / "made.txt")]


@pytest.mark.parametrize("suffix", ["gpkg", "parquet", "shp"])
def test_layers_are_seen(tmp_path, suffix):
    path = tmp_path / f"layer.{suffix}"
    if suffix == "shp":
        LAYER.to_file(path)
    else:
        {"gpkg": write_layer, "parquet": write_parquet}[suffix](LAYER, path)
    with recording() as seen:
        open_layer(path, "layer")
    assert str(path) in seen.reads
    # The parts of a shapefile are inputs too: its attributes lie in another file.
    assert (str(tmp_path / "layer.dbf") in seen.reads) == (suffix == "shp")


def test_rasters_are_seen_and_behind_a_mosaic_its_tiles(tmp_path):
    grid = Grid.over(box(0, 0, 600, 300), "EPSG:32646", 3.0, 100)
    for tile in grid.tiles:
        write_raster(
            tmp_path / f"{tile.id}.tif", np.ones((3, 100, 100), np.uint8), grid.window_transform(tile.window), grid.crs
        )
    write_mosaic(grid, tmp_path, 3, 0)
    tiles = {str(tmp_path / f"{tile.id}.tif") for tile in grid.tiles}
    with recording() as seen, open_raster(tmp_path / "mosaic.vrt"):
        pass
    assert set(seen.reads) >= tiles | {str(tmp_path / "mosaic.vrt")}
    with recording() as seen, Mosaic(grid, tmp_path, 3, 0) as mosaic:
        mosaic.read(grid.tiles[0].window)
    assert tiles & set(seen.reads) == {str(tmp_path / f"{grid.tiles[0].id}.tif")}


def test_threads_are_seen_and_nothing_outside_of_a_recording(tmp_path):
    write_raster(tmp_path / "a.tif", np.ones((4, 4), np.uint8), Affine(3, 0, 0, 0, -3, 0), "EPSG:32646")
    (tmp_path / "text.txt").write_text("a")
    (tmp_path / "text.txt").read_text()

    def work():
        (tmp_path / "text.txt").read_text()
        with open_raster(tmp_path / "a.tif"):
            pass

    with recording() as seen:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert {str(tmp_path / "text.txt"), str(tmp_path / "a.tif")} <= set(seen.reads)
    before = dict(seen.reads)
    work()
    observed.wrote(tmp_path / "text.txt")
    assert seen.reads == before and not seen.writes
