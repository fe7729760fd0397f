from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from toy_region import Toy, write_tiles

from slumpmap.errors import InputError
from slumpmap.grid import Grid, Window
from slumpmap.learning.backends import Mapper, Predictor, make_predictor
from slumpmap.learning.batches import Normalisation
from slumpmap.learning.inference import encode
from slumpmap.learning.yearly import Campaign, centred_axis, predict_yearly, write_candidates, write_slumps
from slumpmap.raster import Mosaic
from slumpmap.settings.learning import InferenceSettings
from slumpmap.yearly import Yearly, read_all_yearly

SETTINGS = InferenceSettings(window_px=64, stride_px=48, batch=4)
NORMAL = Normalisation((90.0, 100.0, 80.0), (40.0, 40.0, 40.0))
YEARS = (2018, 2019)


@given(st.integers(-300, 300), st.integers(1, 400), st.sampled_from([32, 48, 64, 128, 480]))
def test_every_pixel_lies_in_two_windows_whose_weights_add_up_to_one(first: int, length: int, size: int) -> None:
    axis = centred_axis(first, length, InferenceSettings(window_px=size, stride_px=16))
    count, total = np.zeros(length), np.zeros(length)
    for start, weights in zip(axis.starts, axis.weights, strict=True):
        inside = np.arange(size) + start - first
        here = (inside >= 0) & (inside < length)
        count[inside[here]] += 1
        total[inside[here]] += weights[here]
    assert count.min() >= 2
    assert total == pytest.approx(np.ones(length), abs=1e-5)
    if length <= 0.75 * size:
        assert len(axis.starts) == 2
    # Centred: as much ground on one side as on the other, to the pixel.
    assert abs((first - axis.starts[0]) - (axis.starts[-1] + size - first - length)) <= 1


class Pointwise(torch.nn.Module):
    """A network that looks at one pixel at a time: any window gives the same answer."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum(dim=1, keepdim=True)


@pytest.fixture(scope="module")
def imagery(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The toy region in two years, the first of them darker, with a hole."""
    before = np.where(toy.image > 0, toy.image // 2 + 1, 0).astype(np.uint8)
    before[:, 60:90, 60:120] = 0
    return {2018: write_tiles(toy.grid, before, tmp_path_factory.mktemp("y2018")), 2019: toy.imagery}


def predicted(
    grid: Grid, imagery: dict[int, Path], windows: dict[str, Window], predict: Predictor
) -> dict[str, Yearly]:
    with ExitStack() as stack:
        mosaics = {year: stack.enter_context(Mosaic(grid, folder, 3, 0)) for year, folder in imagery.items()}
        return dict(predict_yearly(mosaics, 2019, windows, SETTINGS, predict))


def test_against_a_single_pass(toy: Toy, imagery: dict[int, Path]) -> None:
    """Places of all sizes, across tiles and the edge of the grid: the answer of the network on the whole image."""
    windows = {"small": Window(50, 50, 40, 45), "large": Window(200, 180, 150, 90), "edge": Window(-20, 560, 60, 70)}
    predict = make_predictor([Mapper(Pointwise(), NORMAL)], SETTINGS, torch.device("cpu"), threads=1)
    found = predicted(toy.grid, imagery, windows, predict)
    assert list(found) == list(windows)
    for number, year in enumerate(YEARS):
        with Mosaic(toy.grid, imagery[year], 3, 0) as mosaic:
            for name, window in windows.items():
                image = mosaic.read(window)
                valid = image.any(axis=0)
                tensor = torch.from_numpy(image.astype(np.float32))[None]
                whole = torch.sigmoid(NORMAL(tensor, tensor.any(dim=1, keepdim=True)).sum(dim=1))[0].numpy()
                expected = encode(whole, valid)
                place = found[name]
                assert (place.years, place.mapping_year, place.window) == (YEARS, 2019, window)
                assert np.array_equal(place.values[number] == 255, ~valid)
                assert np.abs(place.values[number].astype(int) - expected).max() <= 1
    assert (found["small"].values[0] == 255).sum() == 30 * 35


def test_batches_are_full_across_places_and_years(toy: Toy, imagery: dict[int, Path]) -> None:
    sizes: list[int] = []

    def predict(batches: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        for images in batches:
            sizes.append(len(images))
            yield np.zeros((len(images), 64, 64), np.float32)

    windows = {str(n): Window(100 + 5 * n, 100, 30, 30) for n in range(5)}
    predicted(toy.grid, imagery, windows, predict)
    assert set(sizes) == {SETTINGS.batch}
    assert sum(sizes) == 5 * 2 * 4


def candidates(toy: Toy, path: Path, status: str = "new") -> Path:
    """The toy's slumps as candidates, in another order, and one that is known."""
    layer = toy.slumps[["geometry"]].assign(id=[f"01-{name}" for name in toy.slumps["id"]], status=status)
    layer.loc[3, "status"] = "known"
    layer.iloc[::-1].to_file(path)
    return path


def campaign(toy: Toy, trained: Path, grid: Grid, imagery: dict[int, Path]) -> Campaign:
    return Campaign(grid, imagery, 2019, [trained], toy.scaling, SETTINGS, 40.0, threads=1, device="cpu")


def read(folder: Path) -> dict[str, tuple[str, Yearly]]:
    return {name: (path.stem, place) for path in folder.glob("*.zip") for name, place in read_all_yearly(path)}


def test_tiling_and_jobs_do_not_matter(toy: Toy, trained: Path, imagery: dict[int, Path], tmp_path: Path) -> None:
    layer = candidates(toy, tmp_path / "candidates.gpkg")
    ids = [tile.id for tile in toy.grid.tiles]
    write_candidates(campaign(toy, trained, toy.grid, imagery), layer, ids, tmp_path / "once")
    whole = read(tmp_path / "once")
    assert set(whole) == {f"01-{name}" for n, name in enumerate(toy.slumps["id"]) if n != 3}
    assert len(list((tmp_path / "once").glob("*.zip"))) == len(ids)
    for name, (tile, place) in whole.items():
        outline = toy.slumps.set_index("id").geometry[name.removeprefix("01-")]
        west, south, east, north = outline.bounds
        assert shapely.box(*toy.grid.bounds(toy.grid.tile(tile).window)).covers(outline.envelope.centroid)
        assert place.window == toy.grid.window_of((west - 40, south - 40, east + 40, north + 40))
        assert place.values[1][place.values[1] < 255].max() > 127
    grid, folders = replace(toy.grid, tile_px=96), {}
    for year, folder in imagery.items():
        with Mosaic(toy.grid, folder, 3, 0) as mosaic:
            folders[year] = write_tiles(grid, mosaic.read(Window(0, 0, 600, 600)), tmp_path / str(year))
    here, out = campaign(toy, trained, grid, folders), tmp_path / "small"
    names = [tile.id for tile in grid.tiles]
    for part in (names[::2], names[1::2]):
        write_candidates(here, layer, part, out)
    again = read(out)
    assert set(again) == set(whole)
    for name, (_, place) in again.items():
        assert np.array_equal(place.values, whole[name][1].values), name


def test_slumps_go_into_one_file(toy: Toy, trained: Path, imagery: dict[int, Path], tmp_path: Path) -> None:
    here = campaign(toy, trained, toy.grid, imagery)
    layer = candidates(toy, tmp_path / "candidates.gpkg")
    write_candidates(here, layer, [tile.id for tile in toy.grid.tiles], tmp_path / "tiles")
    first, second = tmp_path / "first.gpkg", tmp_path / "second.gpkg"
    toy.slumps.iloc[:2].to_file(first)
    toy.slumps.iloc[4:6].to_file(second)
    write_slumps(here, [first, second], tmp_path / "slumps.zip")
    found = dict(read_all_yearly(tmp_path / "slumps.zip"))
    assert set(found) == {"S0", "S1", "S4", "S5"}
    for name, place in found.items():
        assert np.array_equal(place.values, read(tmp_path / "tiles")[f"01-{name}"][1].values)
    with pytest.raises(InputError, match="'S0' is in another layer too"):
        write_slumps(here, [first, first], tmp_path / "twice.zip")
    assert not (tmp_path / "twice.zip").exists()


def test_no_candidates_need_no_network(toy: Toy, imagery: dict[int, Path], tmp_path: Path) -> None:
    layer = candidates(toy, tmp_path / "candidates.gpkg", "rejected")
    write_candidates(campaign(toy, tmp_path / "no model", toy.grid, imagery), layer, ["x000_y000"], tmp_path / "out")
    assert list(read_all_yearly(tmp_path / "out" / "x000_y000.zip")) == []


def test_refusals(toy: Toy, trained: Path, imagery: dict[int, Path], tmp_path: Path) -> None:
    layer, out = candidates(toy, tmp_path / "candidates.gpkg"), tmp_path / "out"
    here = campaign(toy, trained, toy.grid, imagery)
    with pytest.raises(InputError, match="no such tile"):
        write_candidates(here, layer, ["x009_y000"], out)
    with pytest.raises(InputError, match="no images of 2019"):
        write_candidates(replace(here, imagery={2018: imagery[2018]}), layer, ["x000_y000"], out)
    with pytest.raises(InputError, match="takes the bands red, green, blue"):
        write_candidates(replace(here, bands=("red", "green", "blue", "nir")), layer, ["x000_y000"], out)
    broken = tmp_path / "2018"
    broken.mkdir()
    for tile in imagery[2018].glob("*.tif"):
        (broken / tile.name).write_bytes(tile.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"2018.x00"):
        write_candidates(replace(here, imagery=imagery | {2018: broken}), layer, ["x000_y000"], out)
    twice = gpd.GeoDataFrame(
        {"id": ["a", "a"], "status": "new"}, geometry=list(toy.slumps.geometry[:2]), crs=toy.grid.crs
    )
    twice.to_file(tmp_path / "twice.gpkg")
    with pytest.raises(InputError, match="several rows with id 'a'"):
        write_candidates(here, tmp_path / "twice.gpkg", ["x000_y000"], out)
    assert not list(tmp_path.glob("out/*.zip"))
