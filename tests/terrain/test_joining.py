"""Tiles in any CRS become one elevation model: heights, seams, order, voids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine
from rasterio.warp import transform
from shapely.geometry import box

from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.terrain import joining
from slumpmap.terrain.joining import join_dem

GRID = Grid.over(box(499_000, 3_838_000, 503_000, 3_842_000), "EPSG:32646", 3.0, 1024)


def plane(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Elevation over longitude and latitude: rises to the east and, twice as steeply, to the north."""
    return 4000 + 3000 * (np.asarray(x) - 93) + 6000 * (np.asarray(y) - 34.7)


def write_tile(path: Path, west: float, south: float, add: float = 0.0) -> Path:
    """A tile of a tenth of a degree."""
    size, step, cells = 0.1, 0.0005, 200
    frame = Affine(step, 0, west, 0, -step, south + size)
    rows, columns = np.mgrid[:cells, :cells]
    values = (plane(*(frame @ (columns + 0.5, rows + 0.5))) + add).astype(np.float32)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        width=cells,
        height=cells,
        dtype="float32",
        crs="EPSG:4326",
        transform=frame,
        nodata=-9999.0,
    ) as target:
        target.write(values, 1)
    return path


def read(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Elevations, and what the plane has there."""
    with rasterio.open(path) as dataset:
        values = dataset.read(1)
        rows, columns = np.mgrid[: dataset.height, : dataset.width]
        x, y = dataset.transform @ (columns.ravel() + 0.5, rows.ravel() + 0.5)
    lon, lat = transform("EPSG:32646", "EPSG:4326", x, y)
    return values, plane(np.array(lon), np.array(lat)).reshape(values.shape)


def test_two_tiles_make_the_plane_again(tmp_path: Path) -> None:
    tiles = [write_tile(tmp_path / "a.tif", 92.9, 34.65), write_tile(tmp_path / "b.tif", 93.0, 34.65)]
    join_dem(tiles, GRID, 300.0, 30.0, tmp_path / "dem.tif")
    values, expected = read(tmp_path / "dem.tif")
    assert np.isfinite(values).all()
    # At the seam a cell takes one side: at most half a cell of the tiles, 0.00025 degrees of 3000 m a degree.
    assert np.abs(values - expected).max() < 0.8 and np.median(np.abs(values - expected)) < 0.01
    with rasterio.open(tmp_path / "dem.tif") as dataset:
        assert dataset.crs == "EPSG:32646" and dataset.res == (30, 30)
        assert dataset.bounds.left <= 498_700 and dataset.bounds.top >= 3_842_300
        assert dataset.transform.c % 30 == 0 and dataset.transform.f % 30 == 0


@pytest.mark.parametrize("block", [64, 100, 256])
def test_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    tiles = [write_tile(tmp_path / "a.tif", 92.9, 34.65), write_tile(tmp_path / "b.tif", 93.0, 34.65)]
    join_dem(tiles, GRID, 300.0, 30.0, tmp_path / "whole.tif")
    monkeypatch.setattr(joining, "_BLOCK_PX", block)
    join_dem(tiles, GRID, 300.0, 30.0, tmp_path / "blocks.tif")
    whole, blocks = read(tmp_path / "whole.tif")[0], read(tmp_path / "blocks.tif")[0]
    # float32 has half a millimetre there.
    np.testing.assert_allclose(whole, blocks, rtol=0, atol=0.002)


def test_where_tiles_overlap_the_first_counts(tmp_path: Path) -> None:
    low, high = write_tile(tmp_path / "low.tif", 92.95, 34.65), write_tile(tmp_path / "high.tif", 92.95, 34.65, add=500)
    join_dem([low, high], GRID, 0.0, 30.0, tmp_path / "low_first.tif")
    join_dem([high, low], GRID, 0.0, 30.0, tmp_path / "high_first.tif")
    first, expected = read(tmp_path / "low_first.tif")
    other, _ = read(tmp_path / "high_first.tif")
    assert np.abs(first - expected).max() < 0.2 and np.abs(other - expected - 500).max() < 0.2


def test_ground_without_a_tile_has_no_elevation(tmp_path: Path) -> None:
    join_dem([write_tile(tmp_path / "a.tif", 92.9, 34.65)], GRID, 0.0, 30.0, tmp_path / "dem.tif")
    values, expected = read(tmp_path / "dem.tif")
    missing = np.isnan(values)
    assert missing.any() and not missing.all()
    # The tile ends at 93 degrees, the central meridian: easting 500 km, 1 km from the western edge.
    assert not missing[:, :32].any() and missing[:, 35:].all()
    assert np.abs(values - expected)[~missing].max() < 0.8


def test_only_the_margin_that_tiles_reach_is_written(tmp_path: Path) -> None:
    """Fine tiles of a small place do not make a file of what lies 15 km around."""
    join_dem([write_tile(tmp_path / "a.tif", 92.95, 34.65)], GRID, 0.0, 30.0, tmp_path / "area.tif")
    join_dem([write_tile(tmp_path / "a.tif", 92.95, 34.65)], GRID, 15_000.0, 30.0, tmp_path / "dem.tif")
    with rasterio.open(tmp_path / "area.tif") as area, rasterio.open(tmp_path / "dem.tif") as dem:
        # A tenth of a degree: 9.2 km from west to east, 11.1 km from south to north.
        assert (dem.width, dem.height) == (pytest.approx(306, abs=3), pytest.approx(370, abs=3))
        window = dem.window(*area.bounds)
        np.testing.assert_allclose(dem.read(1, window=window), area.read(1), rtol=0, atol=0.01)
    join_dem([write_tile(tmp_path / "b.tif", 93.0, 34.65)], GRID, 15_000.0, 30.0, tmp_path / "half.tif")
    with rasterio.open(tmp_path / "half.tif") as half:
        assert half.bounds.left == GRID.area.bounds[0] // 30 * 30, "the study area is there as a whole"


def test_scale_and_offset_of_the_tiles_count(tmp_path: Path) -> None:
    path = write_tile(tmp_path / "a.tif", 92.95, 34.65)
    with rasterio.open(path, "r+") as tile:
        tile.scales, tile.offsets = (0.5,), (100.0,)
    join_dem([path], GRID, 0.0, 30.0, tmp_path / "dem.tif")
    values, expected = read(tmp_path / "dem.tif")
    assert np.abs(values - (0.5 * expected + 100)).max() < 0.2


def test_tiles_of_another_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no elevation in the study area"):
        join_dem([write_tile(tmp_path / "a.tif", 10.0, 60.0)], GRID, 0.0, 30.0, tmp_path / "dem.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
