from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from toy_region import Toy

from slumpmap.errors import InputError
from slumpmap.learning.windows import (
    IGNORE,
    Fold,
    lay_all,
    make_windows,
    positions,
    read_windows,
    split_windows,
    training_set_hash,
    write_test_area,
)
from slumpmap.settings.learning import WindowSettings


@given(st.integers(-500, 500), st.integers(1, 3000), st.integers(32, 512), st.data())
def test_positions_cover_the_stretch(start: int, length: int, window: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, window - 1))
    found = positions(start, length, window, overlap)
    assert found == sorted(set(found))
    assert found[0] <= start
    assert found[-1] + window >= start + length
    assert all(0 < b - a <= window - overlap for a, b in pairwise(found))
    if length >= window:
        assert found[0] == start
        assert found[-1] + window == start + length
        # One window less would leave a gap.
        assert window + (len(found) - 2) * (window - overlap) < length
    else:
        assert len(found) == 1
        assert abs((start - found[0]) - (found[0] + window - start - length)) <= 1


def cut(toy: Toy, folder: Path, positives: gpd.GeoDataFrame, seed: int = 1, **changes: object) -> tuple:
    """Windows of some polygons: index and pixels."""
    negatives = changes.pop("negatives", None)
    grid, imagery = changes.pop("grid", toy.grid), changes.pop("imagery", toy.imagery)
    settings = WindowSettings(**(toy.windows.model_dump() | changes))  # type: ignore[arg-type]
    folder.mkdir(parents=True, exist_ok=True)
    positives.to_file(folder / "positives.gpkg")
    if negatives is not None:
        negatives.to_file(folder / "negatives.gpkg")  # type: ignore[attr-defined]
    second = None if negatives is None else folder / "negatives.gpkg"
    out = folder / "w.gpkg", folder / "w.npy"
    make_windows(folder / "positives.gpkg", second, imagery, grid, settings, seed, *out)  # type: ignore[arg-type]
    return read_windows(*out)


def polygon(toy: Toy, column: float, row: float, width: float, height: float) -> shapely.Polygon:
    """A rectangle in grid pixels."""
    x, y, r = toy.grid.x0, toy.grid.y0, toy.grid.resolution
    return shapely.box(x + column * r, y - (row + height) * r, x + (column + width) * r, y - row * r)


def frame(toy: Toy, *polygons: shapely.Polygon) -> gpd.GeoDataFrame:
    ids = [f"P{n}" for n in range(len(polygons))]
    return gpd.GeoDataFrame({"id": ids}, geometry=list(polygons), crs=toy.grid.crs)


def test_neighbours_holes_and_nodata_in_the_label(toy: Toy, tmp_path: Path) -> None:
    ring = polygon(toy, 300, 300, 12, 12).difference(polygon(toy, 304, 304, 4, 4))
    neighbour = polygon(toy, 324, 300, 5, 5)
    layer, pixels = cut(toy, tmp_path, frame(toy, ring, neighbour), buffer_m=30, validation_share=0)
    mine = layer.index[layer["source"] == "P0"][0]
    row, column = layer.loc[mine, ["row", "column"]]
    expected = np.zeros((64, 64), dtype=np.uint8)
    expected[300 - row : 312 - row, 300 - column : 312 - column] = 1
    expected[304 - row : 308 - row, 304 - column : 308 - column] = 0
    expected[300 - row : 305 - row, 324 - column : 329 - column] = 1
    assert np.array_equal(pixels[mine, 3], expected)
    assert layer.loc[mine, "slump_px"] == 144 - 16 + 25
    assert np.array_equal(pixels[mine, :3], toy.image[:, row : row + 64, column : column + 64])
    assert layer.loc[mine].geometry.bounds == pytest.approx(
        (
            toy.grid.x0 + 3 * column,
            toy.grid.y0 - 3 * (row + 64),
            toy.grid.x0 + 3 * (column + 64),
            toy.grid.y0 - 3 * row,
        )
    )


def test_nodata_is_ignored_and_poor_windows_left_out(toy: Toy, tmp_path: Path) -> None:
    # The image ends at column 580: the second polygon's only window is nearly all nodata.
    layer, pixels = cut(
        toy, tmp_path, frame(toy, polygon(toy, 555, 300, 4, 4), polygon(toy, 620, 300, 4, 4)), buffer_m=0
    )
    assert layer["source"].tolist() == ["P0"]
    start = int(layer.loc[0, "column"])
    assert (pixels[0, 3][:, 580 - start :] == IGNORE).all()
    assert not (pixels[0, 3][:, : 580 - start] == IGNORE).any()
    assert layer.loc[0, "valid_share"] == pytest.approx((580 - start) / 64)


def test_negatives_are_background_but_neighbouring_slumps_are_not(toy: Toy, tmp_path: Path) -> None:
    negatives = frame(toy, polygon(toy, 330, 300, 10, 10)).assign(id="N0")
    layer, pixels = cut(
        toy,
        tmp_path,
        frame(toy, polygon(toy, 300, 300, 10, 10)),
        negatives=negatives,
        buffer_m=30,
        validation_share=0,
    )
    window = layer.index[layer["kind"] == "negative"][0]
    row, column = layer.loc[window, ["row", "column"]]
    expected = np.zeros((64, 64), dtype=np.uint8)
    expected[300 - row : 310 - row, max(300 - column, 0) : 310 - column] = 1
    assert np.array_equal(pixels[window, 3], expected)


def test_same_position_once_and_positive(toy: Toy, tmp_path: Path) -> None:
    there = frame(toy, polygon(toy, 300, 300, 10, 10))
    layer, _ = cut(toy, tmp_path, there, negatives=there.assign(id="A"), validation_share=0)
    assert layer["kind"].tolist() == ["positive"]


def test_order_and_tiling_do_not_matter(toy: Toy, tmp_path: Path) -> None:
    first, first_pixels = read_windows(toy.index, toy.pixels)
    shuffled = toy.slumps.sample(frac=1, random_state=3)
    second, second_pixels = cut(toy, tmp_path / "a", shuffled)
    assert training_set_hash(first, first_pixels) == training_set_hash(second, second_pixels)
    grid, imagery = toy.retiled(128)
    third, third_pixels = cut(toy, tmp_path / "b", toy.slumps, grid=grid, imagery=imagery)
    assert training_set_hash(first, first_pixels) == training_set_hash(third, third_pixels)
    assert first.drop(columns="geometry").equals(third.drop(columns="geometry"))
    bare, _ = cut(toy, tmp_path / "c", shuffled.drop(columns="id"))
    again, _ = cut(toy, tmp_path / "d", toy.slumps.drop(columns="id"))
    assert bare["source"].tolist() == again["source"].tolist()


@pytest.mark.parametrize("seed", range(4))
def test_split_leaks_nothing(toy: Toy, tmp_path: Path, seed: int) -> None:
    layer, _ = cut(toy, tmp_path, toy.slumps, seed=seed, buffer_m=150, block_m=450)
    sides = {name: layer[layer["split"] == name] for name in ("train", "validation")}
    assert len(sides["train"])
    assert len(sides["validation"])
    shared = shapely.area(
        shapely.intersection(
            np.asarray(sides["train"].geometry)[:, None], np.asarray(sides["validation"].geometry)[None, :]
        )
    )
    assert shared.max() == 0
    centres = layer[["row", "column"]].to_numpy() + 32
    blocks = {
        name: set(map(tuple, np.floor(centres[layer["split"] == name] * 3 / 450).astype(int).tolist()))
        for name in sides
    }
    assert not blocks["train"] & blocks["validation"]


def test_blocks_keep_their_side_when_labels_are_added(toy: Toy, tmp_path: Path) -> None:
    many, _ = cut(toy, tmp_path / "many", toy.slumps, validation_share=0.4)
    few, _ = cut(toy, tmp_path / "few", toy.slumps.iloc[::2], validation_share=0.4)
    both = many.merge(few, on=["row", "column"])
    assert len(both)
    assert (both["split_x"] == both["split_y"]).all()


def test_single_block_has_no_validation(toy: Toy, tmp_path: Path) -> None:
    layer, _ = cut(toy, tmp_path, toy.slumps, block_m=1e6)
    assert set(layer["split"]) == {"train"}


def test_share_of_blocks(toy: Toy) -> None:
    import pandas as pd

    side = np.arange(0, 40 * 150, 150)
    rows, columns = np.meshgrid(side, side)
    places = pd.DataFrame({"row": rows.ravel(), "column": columns.ravel(), "kind": "positive", "source": "P"})
    settings = toy.windows.model_copy(update={"block_m": 450.0, "window_px": 64})
    split = split_windows(places, toy.grid, settings, 3)
    assert (split["split"] == "validation").mean() == pytest.approx(settings.validation_share, abs=0.02)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_folds_test_all_ground_once_and_leak_nothing(toy: Toy, tmp_path: Path, count: int) -> None:
    tested: list[tuple[int, int]] = []
    for number in range(1, count + 1):
        index, area = tmp_path / f"{number}.gpkg", tmp_path / f"area_{number}.gpkg"
        fold = Fold(number, count)
        make_windows(toy.positives, None, toy.imagery, toy.grid, toy.windows, 1, index, tmp_path / "p.npy", fold=fold)
        write_test_area(index, area)
        layer = gpd.read_file(index)
        test, rest = layer[layer["split"] == "test"], layer[layer["split"] != "test"]
        tested += list(zip(test["row"], test["column"], strict=True))
        ground = test.union_all()
        assert gpd.read_file(area).union_all().equals(ground)
        assert rest.intersection(ground).area.max() < 1e-6
        assert (rest["split"] == "train").any()
        validation = rest[rest["split"] == "validation"].union_all()
        assert rest[rest["split"] == "train"].intersection(validation).area.max() < 1e-6
    assert len(tested) == len(set(tested))
    laid = lay_all(toy.slumps, "positive", toy.grid, toy.windows)[["row", "column"]]
    assert set(tested) == set(map(tuple, laid.to_numpy().tolist()))


def test_fold_without_positives_is_refused(toy: Toy, tmp_path: Path) -> None:
    wide = toy.windows.model_copy(update={"block_m": 1e6})
    for number in (1, 2):
        with pytest.raises(InputError, match="holds no window round the positives, or all of them"):
            make_windows(
                toy.positives,
                None,
                toy.imagery,
                toy.grid,
                wide,
                1,
                tmp_path / "i.gpkg",
                tmp_path / "p.npy",
                fold=Fold(number, 2),
            )


def test_refusals(toy: Toy, tmp_path: Path) -> None:
    none = tmp_path / "none.gpkg"
    toy.slumps.iloc[:0].to_file(none)
    with pytest.raises(InputError, match=r"none\.gpkg: positives has no rows"):
        make_windows(none, None, toy.imagery, toy.grid, toy.windows, 1, tmp_path / "w.gpkg", tmp_path / "w.npy")
    with pytest.raises(InputError, match="enough valid imagery"):
        cut(toy, tmp_path / "far", frame(toy, polygon(toy, 5000, 300, 10, 10)))
    short = tmp_path / "short.npy"
    short.write_bytes(toy.pixels.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"short\.npy: pixels cannot be read"):
        read_windows(toy.index, short)
    np.save(tmp_path / "few.npy", np.load(toy.pixels)[:1])
    with pytest.raises(InputError, match="not one window for each"):
        read_windows(toy.index, tmp_path / "few.npy")


def test_grid_without_a_tile_is_refused(toy: Toy, tmp_path: Path) -> None:
    grid = replace(toy.grid, tile_px=512)
    with pytest.raises(InputError, match="tile"):
        cut(toy, tmp_path, toy.slumps, grid=grid)
