"""Polygons do not depend on the tiling, and are those of an independent tracing of the whole raster."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.features import shapes
from rasterio.transform import Affine
from scipy import ndimage

from slumpmap.candidates.merge import merge_parts
from slumpmap.candidates.parts import _gathered, _label, least_value, trace_parts
from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.raster import PROBABILITY_NODATA, write_raster
from slumpmap.vector import read_layer

CRS = "EPSG:32646"
PIXEL = 3.0


def polygons(values, tile_px, folder, connectivity=8, mmu_ha=0.0, threshold=0.5, area_crs=None):
    """The candidates of a whole raster cut into tiles of `tile_px`."""
    height, width = values.shape
    area = shapely.box(600000, 3840000 - height * PIXEL, 600000 + width * PIXEL, 3840000)
    grid = Grid.over(area, CRS, PIXEL, tile_px)
    folder = folder / f"{tile_px}_{connectivity}"
    for tile in grid.tiles:
        part = np.full((tile_px, tile_px), PROBABILITY_NODATA, dtype=np.uint8)
        cut = values[tile.window.row : tile.window.row + tile_px, tile.window.column : tile.window.column + tile_px]
        part[: cut.shape[0], : cut.shape[1]] = cut
        write_raster(folder / f"{tile.id}.tif", part, grid.window_transform(tile.window), CRS, PROBABILITY_NODATA)
    ids = [tile.id for tile in grid.tiles]
    trace_parts(folder, grid, folder / "parts", ids, threshold, connectivity)
    merge_parts(folder / "parts", grid, folder / "polygons.gpkg", mmu_ha, connectivity, area_crs)
    return read_layer(folder / "polygons.gpkg", "polygons")


def blobs(draw):
    """A small raster with what tilings break: blobs, holes, diagonals, nodata."""
    height, width = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    coarse = draw(hnp.arrays(np.uint8, (height, width), elements=st.sampled_from([0, 60, 127, 180, 254, 255])))
    return np.repeat(np.repeat(coarse, draw(st.integers(1, 2)), axis=0), draw(st.integers(1, 2)), axis=1)


rasters = st.composite(lambda draw: blobs(draw))()


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(values=rasters, sides=st.tuples(st.integers(5, 12), st.integers(9, 40)), connectivity=st.sampled_from([4, 8]))
def test_polygons_do_not_depend_on_the_tiling(values, sides, connectivity, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiles")
    small, large = (polygons(values, side, folder / str(n), connectivity) for n, side in enumerate(sides))
    assert_geodataframe_equal(small, large)
    assert small.is_valid.all()

    inside = (values >= 127) & (values != PROBABILITY_NODATA)
    labels, count = ndimage.label(inside, np.ones((3, 3)) if connectivity == 8 else None)
    assert len(small) == count
    # ndimage numbers labels by their first pixel, which is the order of the layer.
    first = np.array([np.argwhere(labels == label)[0] for label in range(1, count + 1)]).reshape(-1, 2)
    assert small["id"].tolist() == [f"r{row:06d}c{column:06d}" for row, column in first]
    assert small["pixels"].tolist() == np.bincount(labels.ravel(), minlength=count + 1)[1:].tolist()
    numbers = np.arange(1, count + 1)
    assert small["score"].to_numpy() == pytest.approx(ndimage.mean(values / 254, labels, numbers), abs=6e-5)
    assert small["score_max"].to_numpy() == pytest.approx(ndimage.maximum(values / 254, labels, numbers), abs=6e-5)
    assert small.area.to_numpy() == pytest.approx(small["pixels"].to_numpy() * PIXEL**2, rel=1e-12)
    transform = Affine(PIXEL, 0.0, 600000.0, 0.0, -PIXEL, 3840000.0)
    traced = [
        shapely.geometry.shape(geometry)
        for geometry, _ in shapes(inside.astype(np.uint8), mask=inside, connectivity=4, transform=transform)
    ]
    whole = gpd.GeoSeries(traced, crs=CRS).union_all() if traced else shapely.Polygon()
    assert small.union_all().symmetric_difference(whole).area == 0


@pytest.mark.parametrize("tile_px", [4, 5, 8, 64])
def test_a_slump_over_a_corner_of_four_tiles_comes_out_once_and_whole(tile_px, tmp_path):
    values = np.zeros((16, 16), dtype=np.uint8)
    values[6:10, 5:11] = 200
    found = polygons(values, tile_px, tmp_path)
    assert len(found) == 1
    assert found.geometry[0].equals(shapely.box(600015, 3839970, 600033, 3839982))
    assert len(found.geometry[0].exterior.coords) == 5
    assert found["score"][0] == pytest.approx(200 / 254, abs=1e-4)
    assert found["id"][0] == "r000006c000005"


@pytest.mark.parametrize("tile_px", [8, 64])
@pytest.mark.parametrize(("connectivity", "count"), [(8, 1), (4, 2)])
def test_diagonal_pixels_over_a_tile_corner(tile_px, connectivity, count, tmp_path):
    values = np.zeros((16, 16), dtype=np.uint8)
    values[7, 7] = values[8, 8] = 254
    found = polygons(values, tile_px, tmp_path, connectivity)
    assert len(found) == count
    assert found["pixels"].sum() == 2 and found.is_valid.all()
    assert set(found.geom_type) == {"MultiPolygon" if connectivity == 8 else "Polygon"}


def test_a_hole_over_a_seam_stays_a_hole(tmp_path):
    values = np.zeros((16, 16), dtype=np.uint8)
    values[4:12, 4:12] = 254
    values[6:10, 6:10] = 0
    found = polygons(values, 8, tmp_path)
    assert len(found.geometry[0].interiors) == 1
    assert found["pixels"][0] == 48


def test_minimum_mapping_unit_is_inclusive(tmp_path):
    values = np.zeros((16, 64), dtype=np.uint8)
    values[2:5, 2:5] = 254
    values[8:10, 2:6] = 254
    assert polygons(values, 16, tmp_path, mmu_ha=9 * 9 / 10_000)["pixels"].tolist() == [9]


@pytest.mark.parametrize("tile_px", [4, 16])
def test_minimum_mapping_unit_is_that_of_the_whole_polygon(tile_px, tmp_path):
    """Each part over the corner of four tiles is smaller than the unit, the slump is not."""
    values = np.zeros((8, 16), dtype=np.uint8)
    values[3:5, 3:5] = 254
    values[0, 14] = 254
    assert polygons(values, tile_px, tmp_path, mmu_ha=4 * 9 / 10_000)["pixels"].tolist() == [4]


@pytest.mark.parametrize("tile_px", [5, 64])
def test_areas_can_be_taken_in_another_plane(tile_px, tmp_path):
    values = np.zeros((16, 16), dtype=np.uint8)
    values[2:10, 2:10] = 254
    found = polygons(values, tile_px, tmp_path, area_crs="EPSG:6933")
    assert found["area_ha"][0] == pytest.approx(found.to_crs("EPSG:6933").area[0] / 10_000, rel=1e-9)
    assert found["area_ha"][0] != pytest.approx(64 * 9 / 10_000, rel=1e-5)


def test_shares_of_the_outline_at_nodata_and_at_the_end_of_coverage(tmp_path):
    values = np.zeros((12, 12), dtype=np.uint8)
    values[0, 3:5] = 254
    values[6:8, 6:8] = 254
    values[8, 6] = PROBABILITY_NODATA
    found = polygons(values, 4, tmp_path)
    assert found["nodata_share"].tolist() == pytest.approx([2 / 6, 1 / 8], abs=1e-4)
    assert found["at_edge"].tolist() == [True, True]
    values[8, 6] = 0
    assert polygons(values, 4, tmp_path / "clear")["at_edge"].tolist() == [True, False]


@pytest.mark.parametrize(("threshold", "least"), [(0.5, 127), (0.3, 77), (77 / 254, 77), (0.999, 254), (1e-9, 1)])
def test_threshold_is_compared_on_the_integer_scale(threshold, least, tmp_path):
    assert least_value(threshold) == least
    values = np.full((1, 2), least, dtype=np.uint8)
    values[0, 1] = least - 1
    assert polygons(values, 4, tmp_path, threshold=threshold)["pixels"].tolist() == [1]


def test_no_candidates_gives_an_empty_layer_with_all_columns(tmp_path):
    found = polygons(np.zeros((8, 8), dtype=np.uint8), 4, tmp_path)
    assert found.empty
    assert {"id", "score", "area_ha", "nodata_share", "at_edge", "west"} <= set(found.columns)


def test_missing_parts_are_refused(tmp_path):
    polygons(np.zeros((8, 8), dtype=np.uint8), 4, tmp_path)
    (tmp_path / "4_8" / "parts" / "x001_y001.parquet").unlink()
    grid = Grid.over(shapely.box(600000, 3839976, 600024, 3840000), CRS, PIXEL, 4)
    with pytest.raises(InputError, match=r"x001_y001\.parquet: parts of a tile cannot be read"):
        merge_parts(tmp_path / "4_8" / "parts", grid, tmp_path / "out.gpkg", 0, 8)


def test_a_missing_probability_tile_is_refused(tmp_path):
    polygons(np.zeros((8, 8), dtype=np.uint8), 4, tmp_path)
    (tmp_path / "4_8" / "x001_y001.tif").unlink()
    grid = Grid.over(shapely.box(600000, 3839976, 600024, 3840000), CRS, PIXEL, 4)
    with pytest.raises(InputError, match=r"x001_y001\.tif: tile cannot be read"):
        trace_parts(tmp_path / "4_8", grid, tmp_path / "parts", ["x000_y000"], 0.5, 8)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_few_candidates_in_a_large_tile_are_traced_as_in_the_whole_raster(connectivity, tmp_path):
    """Where candidates are rare they are cut out and traced on a small sheet: nothing may be lost, moved or joined."""
    rng = np.random.default_rng(5)
    values = np.zeros((160, 160), dtype=np.uint8)
    for _ in range(14):
        row, column = rng.integers(0, 140, 2)
        height, width = rng.integers(1, 20, 2)
        values[row : row + height, column : column + width] = rng.choice([0, 254], (height, width), p=[0.3, 0.7])
    # One round another that does not belong to it.
    values[60:75, 100:115], values[62:73, 102:113], values[66:69, 106:109] = 254, 0, 254

    layer = polygons(values, 160, tmp_path, connectivity)
    labels, count = ndimage.label(values >= 127, np.ones((3, 3)) if connectivity == 8 else None)
    assert len(layer) == count > 5
    transform = Affine(PIXEL, 0, 600000, 0, -PIXEL, 3840000)
    whole = {}
    for geometry, value in shapes(labels, mask=labels > 0, connectivity=4, transform=transform):
        whole.setdefault(value, []).append(shapely.geometry.shape(geometry))
    expected = [shapely.union_all(whole[number]) for number in range(1, count + 1)]
    assert shapely.equals(layer.geometry.to_numpy(), expected).all()


def test_rare_candidates_take_a_sheet_smaller_than_the_tile():
    labels = np.zeros((400, 300), dtype=np.int32)
    labels[10:30, 10:200], labels[100:104, 100:150], labels[399, 299] = 1, 2, 3
    at = np.flatnonzero(labels)
    inside = _label(at, labels.shape[1], 8)
    assert inside.label.tolist() == (labels.ravel()[at] - 1).tolist()
    sheet, to_tile = _gathered(inside, labels.shape)
    assert sheet.shape[0] <= 24
    assert np.bincount(sheet.ravel()).tolist()[1:] == [20 * 190, 4 * 50, 1]
    for number in (1, 2, 3):
        moved = np.argwhere(sheet == number) + to_tile[number - 1][::-1]
        assert moved.tolist() == np.argwhere(labels == number).tolist()


masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))


@settings(max_examples=200)
@given(inside=masks, connectivity=st.sampled_from([4, 8]))
def test_pixels_are_connected_as_scipy_connects_them(inside, connectivity):
    expected, number = ndimage.label(inside, structure=np.ones((3, 3)) if connectivity == 8 else None)
    found = _label(np.flatnonzero(inside), inside.shape[1], connectivity)
    assert found.count == number
    assert found.at.tolist() == np.flatnonzero(inside).tolist()
    assert found.label.tolist() == (expected[inside] - 1).tolist()
