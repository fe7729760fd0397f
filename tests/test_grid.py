"""The tile grid: ids, windows, neighbours, and that tiles part the extent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon, box

from slumpmap.errors import InputError
from slumpmap.grid import Grid, Tile, Window, check_projected

CRS = "EPSG:32646"
GRID = Grid.over(box(500_000, 3_839_000, 503_600, 3_841_700), CRS, 3.0, 512)

resolutions = st.sampled_from([0.1, 3.0, 10.0])
starts = st.integers(-100_000, 100_000)
sizes = st.integers(1, 700)


def grid(west: float, south: float, width: int, height: int, resolution: float, tile_px: int) -> Grid:
    return Grid.over(box(west, south, west + width * resolution, south + height * resolution), CRS, resolution, tile_px)


def test_ids_go_east_and_south() -> None:
    assert [tile.id for tile in GRID.tiles] == [
        "x000_y000",
        "x001_y000",
        "x002_y000",
        "x000_y001",
        "x001_y001",
        "x002_y001",
    ]
    assert GRID.tile("x001_y001").window == Window(512, 512, 512, 512)
    assert Tile(12, 1003, 64).id == "x1003_y012"
    assert "x002_y001" in GRID and "x003_y001" not in GRID


def test_unknown_tile() -> None:
    with pytest.raises(InputError, match="no such tile"):
        GRID.tile("x009_y009")


def test_tiles_around_a_tile() -> None:
    names = {tile.id for tile in grid(0, 0, 640, 640, 3.0, 128).around("x002_y002", 1)}
    assert names == {f"x00{x}_y00{y}" for x in (1, 2, 3) for y in (1, 2, 3)}
    assert [tile.id for tile in GRID.around("x001_y000", 0)] == ["x001_y000"]


def test_a_margin_wider_than_a_tile_reaches_the_second_ring() -> None:
    wide = grid(0, 0, 640, 640, 3.0, 128)
    assert len(wide.around("x002_y002", 128)) == 9
    assert len(wide.around("x002_y002", 129)) == 25


def test_tiles_that_the_area_does_not_touch_are_left_out() -> None:
    corner = MultiPolygon([box(0, 0, 100, 100), box(300, 300, 400, 400)])
    assert [tile.id for tile in Grid.over(corner, CRS, 1.0, 100).tiles] == ["x003_y000", "x000_y003"]


def test_area_that_ends_on_a_tile_edge_takes_no_tile_more() -> None:
    assert len(grid(3, 3, 256, 128, 3.0, 128).tiles) == 2


def test_origin_is_snapped_outward_whatever_the_tile_size() -> None:
    for tile_px in (64, 512):
        made = Grid.over(box(10.1, 20.2, 99.9, 80.7), CRS, 3.0, tile_px)
        assert (made.x0, made.y0) == (9.0, 81.0)


@given(starts, starts, sizes, sizes, resolutions, st.integers(64, 300))
def test_tiles_part_the_extent(x: int, y: int, width: int, height: int, resolution: float, tile_px: int) -> None:
    """Each pixel of the extent lies in exactly one tile."""
    made = grid(x * resolution, y * resolution, width, height, resolution, tile_px)
    seen = np.zeros((made.extent.height, made.extent.width), int)
    for tile in made.tiles:
        part = tile.window
        seen[part.row : part.row + part.height, part.column : part.column + part.width] += 1
    assert seen.shape == (height, width)
    assert (seen == 1).all()


@given(starts, starts, st.integers(-900, 900), st.integers(-900, 900), sizes, sizes, resolutions)
def test_window_of_bounds(x: int, y: int, row: int, column: int, height: int, width: int, resolution: float) -> None:
    made = grid(x * resolution, y * resolution, 10, 10, resolution, 64)
    window = Window(row, column, height, width)
    assert made.window_of(made.bounds(window)) == window
    west, south, east, north = made.bounds(window)
    inner = made.window_of((west + 0.3 * resolution, south, east, north - 0.7 * resolution))
    assert inner == window
    transform = made.window_transform(window)
    assert transform @ (0, 0) == (west, north)
    assert transform @ (width, height) == pytest.approx((east, south))


@given(st.integers(-200, 900), st.integers(-200, 900), sizes, sizes)
def test_tiles_in_a_window(row: int, column: int, height: int, width: int) -> None:
    window = Window(row, column, height, width)
    made = grid(0, 0, 600, 500, 3.0, 128)
    square = box(*made.bounds(window))
    touching = [t for t in made.tiles if shapely.relate_pattern(box(*made.bounds(t.window)), square, "T********")]
    assert list(made.tiles_in(window)) == touching


def test_grow() -> None:
    assert Window(3, 4, 5, 6).grow(2) == Window(1, 2, 9, 10)


def test_round_trip_through_a_file(tmp_path: Path) -> None:
    made = Grid.over(Polygon([(0, 0), (90, 10), (40, 80.25)]), CRS, 3.0, 64)
    (tmp_path / "grid.json").write_text(made.to_json())
    assert Grid.read(tmp_path / "grid.json") == made


STORED = '{"crs": "EPSG:32646", "x0": 0, "y0": 0, "resolution": 3, "tile_px": 64, "area_wkt": "POLYGON"}'


@pytest.mark.parametrize("content", [None, "{", "{}", STORED])
def test_unreadable_grid(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "grid.json").write_text(content)
    with pytest.raises(InputError, match=r"grid\.json: (not readable as JSON|grid lacks|not a readable grid)"):
        Grid.read(tmp_path / "grid.json")


def test_grid_of_more_tiles_than_anybody_can_map_is_refused(tmp_path: Path) -> None:
    made = Grid.over(box(0, 0, 9000, 9000), CRS, 3.0, 64)
    (tmp_path / "grid.json").write_text(made.to_json().replace('"resolution": 3.0', '"resolution": 1e-5'))
    with pytest.raises(InputError, match=r"grid\.json: the study area takes 1\.98e\+14 tiles"):
        Grid.read(tmp_path / "grid.json")
    with pytest.raises(InputError, match=r"tiles of 2 pixels of 0\.001 m"):
        Grid.over(box(0, 0, 9000, 9000), CRS, 0.001, 2)


@pytest.mark.parametrize(
    ("crs", "fault"),
    [("EPSG:99999", "unknown CRS"), ("EPSG:4326", "not projected in metres"), ("EPSG:2263", "not projected in metres")],
)
def test_unsuitable_crs(crs: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        check_projected(crs, "grid.crs")


def test_empty_area() -> None:
    with pytest.raises(InputError, match="empty"):
        Grid.over(Polygon(), CRS, 3.0, 64)


def test_each_point_has_one_tile() -> None:
    whole = Grid.over(box(999, 2001, 1899, 2601), CRS, 3.0, 100)
    x = np.array([999, 1298.9, 1299, 1898, 999, 999, 950, 2500.0])
    y = np.array([2600, 2600, 2600, 2002, 2301, 2301.1, 2700, 1000.0])
    assert whole.tiles_at(x, y).tolist() == [
        "x000_y000",
        "x000_y000",
        "x001_y000",
        "x002_y001",
        "x000_y001",
        "x000_y000",
        "x000_y000",
        "x002_y001",
    ]


def test_beyond_the_tiles_the_nearest_counts() -> None:
    corner = shapely.union(box(999, 2001, 1299, 2601), box(999, 2301, 1899, 2601))
    inside = Grid.over(corner, CRS, 3.0, 100)
    assert "x001_y001" not in inside
    assert inside.tiles_at(np.array([1449.0]), np.array([2151.0])).tolist() == ["x001_y000"]
