"""The user's optional layers are checked before any long work starts."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from rasterio.transform import from_origin

from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.intake import check_layers
from slumpmap.raster import write_raster
from slumpmap.vector import write_layer

CRS = "EPSG:32646"
GRID = Grid.over(shapely.box(500000, 3840000, 503000, 3843000), CRS, 3.0, 256)


def dem(path, west=499000, north=3844000, crs=CRS, cell=30.0):
    write_raster(path, np.full((200, 200), 4700, np.float32), from_origin(west, north, cell, cell), crs, -9999)
    return path


def lines(path, kind=shapely.LineString):
    write_layer(gpd.GeoDataFrame({"id": ["r"]}, geometry=[kind([(500000, 3840000), (503000, 3843000)])], crs=CRS), path)
    return path


def square(path, x=500100):
    shape = shapely.box(x, 3840100, x + 500, 3840600)
    write_layer(gpd.GeoDataFrame({"id": ["a"]}, geometry=[shape], crs=CRS), path)
    return path


def test_good_layers_pass(tmp_path):
    check_layers(
        GRID,
        dem(tmp_path / "dem.tif"),
        lines(tmp_path / "roads.gpkg"),
        square(tmp_path / "truth.gpkg"),
        square(tmp_path / "training.gpkg"),
        square(tmp_path / "evaluation.gpkg"),
    )


def test_missing_dem(tmp_path):
    with pytest.raises(InputError, match=r"none\.tif: DEM is missing"):
        check_layers(GRID, dem=tmp_path / "none.tif")


def test_truncated_dem(tmp_path):
    path = dem(tmp_path / "dem.tif")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="DEM is truncated"):
        check_layers(GRID, dem=path)


def test_dem_in_degrees(tmp_path):
    with pytest.raises(InputError, match=r"in degrees.*Reproject"):
        check_layers(GRID, dem=dem(tmp_path / "dem.tif", 92.9, 34.8, "EPSG:4326", 0.0003))


def test_dem_of_another_place(tmp_path):
    with pytest.raises(InputError, match="does not touch the study area"):
        check_layers(GRID, dem=dem(tmp_path / "dem.tif", west=700000))


def test_roads_that_are_no_lines(tmp_path):
    with pytest.raises(InputError, match="a geometry that is no LineString"):
        check_layers(GRID, roads=lines(tmp_path / "roads.gpkg", shapely.MultiPoint))


@pytest.mark.parametrize("name", ["truth", "training_area", "evaluation_area"])
def test_areas_of_another_place(tmp_path, name):
    with pytest.raises(InputError, match="does not touch the study area"):
        check_layers(GRID, **{name: square(tmp_path / "away.gpkg", 900000)})


def classes(folder, west=499000):
    raster, legend = folder / "soil.tif", folder / "soil_legend.csv"
    write_raster(raster, np.ones((20, 20), np.uint8), from_origin(west, 3844000, 300, 300), CRS, 0)
    legend.write_text("code,name\n1,loam\n")
    return {"soil": raster, "soil_legend": legend}


def test_class_rasters(tmp_path):
    good = classes(tmp_path)
    check_layers(GRID, **good)
    with pytest.raises(InputError, match=r"soil\.tif: raster of soil classes comes without a legend"):
        check_layers(GRID, soil=good["soil"])
    good["soil_legend"].write_text("code,name\n1,\n")
    with pytest.raises(InputError, match="code '1' in the legend of soil has no name"):
        check_layers(GRID, **good)
    with pytest.raises(InputError, match="soil does not touch the study area"):
        check_layers(GRID, **classes(tmp_path, 400000))
