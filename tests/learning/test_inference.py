from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from toy_region import SIDE_PX, Toy

from slumpmap.config import InferenceSettings
from slumpmap.errors import InputError
from slumpmap.grid import Grid, Tile
from slumpmap.learning.batches import Normalisation
from slumpmap.learning.inference import blend_weights, encode, infer, lattice, predict_tiles, predictor
from slumpmap.raster import Mosaic

SETTINGS = InferenceSettings(window_px=64, stride_px=48, batch=4)


@given(st.integers(-300, 300), st.integers(1, 500), st.integers(2, 10), st.integers(16, 160))
def test_lattice_is_every_multiple_that_touches(first: int, length: int, sixteens: int, stride: int) -> None:
    size = 16 * sixteens
    settings = InferenceSettings(window_px=size, stride_px=min(stride, size))
    stride = settings.stride_px
    expected = [k * stride for k in range(-200, 200) if k * stride < first + length and k * stride + size > first]
    assert list(lattice(first, length, settings)) == expected


@given(st.integers(2, 12), st.integers(16, 192))
def test_weights_add_up_to_one_and_vanish_at_the_edge(sixteens: int, stride: int) -> None:
    size = 16 * sixteens
    settings = InferenceSettings(window_px=size, stride_px=min(stride, size))
    weights = blend_weights(settings)
    sums = np.zeros(settings.stride_px)
    np.add.at(sums, np.arange(size) % settings.stride_px, weights)
    assert sums == pytest.approx(1, abs=1e-6)
    assert (weights > 0).all()
    if size >= 2 * settings.stride_px:
        assert weights[0] == weights.min() <= 2 / size


def test_encoding() -> None:
    values = np.array([[0.0, 1.0, 0.5, 1.0000001, 0.3]], dtype=np.float32)
    valid = np.array([[True, True, True, True, False]])
    assert encode(values, valid).tolist() == [[0, 254, 127, 254, 255]]


class Pointwise(torch.nn.Module):
    """A network that looks at one pixel at a time: any window gives the same answer."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum(dim=1, keepdim=True)


NORMAL = Normalisation((90.0, 100.0, 80.0), (40.0, 40.0, 40.0))


def test_no_seams_against_a_single_pass(toy: Toy) -> None:
    predict = predictor(Pointwise(), NORMAL, SETTINGS.batch, torch.device("cpu"))
    image = torch.from_numpy(toy.image.astype(np.float32))[None]
    whole = torch.sigmoid(NORMAL(image, image.any(dim=1, keepdim=True)).sum(dim=1))[0].numpy()
    valid = toy.image.any(axis=0)
    with Mosaic(toy.grid, toy.imagery, 3, 0) as mosaic:
        for tile, values in predict_tiles(mosaic, toy.grid.tiles, SETTINGS, predict):
            w = tile.window
            part = (slice(w.row, w.row + w.height), slice(w.column, w.column + w.width))
            expected = encode(whole[part], valid[part])
            inside = values[: expected.shape[0], : expected.shape[1]]
            assert np.array_equal(inside == 255, expected == 255)
            # A sum of weights that is 1 but for float32 may tip a value that lies half-way.
            assert np.abs(inside.astype(int) - expected).max() <= 1
            assert (values[expected.shape[0] :] == 255).all()


def test_blend_by_hand(toy: Toy) -> None:
    """Windows that answer with their own number: the blend is the weighted mean of the numbers."""
    answers: list[float] = []

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        first = len(answers)
        answers.extend((first + np.arange(len(images))) / 1000)
        return np.stack([np.full(images.shape[2:], a, np.float32) for a in answers[first:]])

    tile = toy.grid.tile("x000_y000")
    with Mosaic(toy.grid, toy.imagery, 3, 0) as mosaic:
        ((_, values),) = predict_tiles(mosaic, [tile], SETTINGS, predict)
    starts = list(lattice(0, 256, SETTINGS))
    row, column = 150, 60  # rows 144.. and 96..159, columns 48..111 and 0..63
    total = norm = 0.0
    for i, top in enumerate(starts):
        for j, left in enumerate(starts):
            dy, dx = row - top + 0.5, column - left + 0.5
            if 0 < dy < 64 and 0 < dx < 64:
                weight = min(dy, 64 - dy) * min(dx, 64 - dx)
                total, norm = total + weight * answers[i * len(starts) + j], norm + weight
    assert values[row, column] == round(254 * total / norm)


def run(toy: Toy, trained: Path, grid: Grid, imagery: Path, out: Path, jobs: list[list[Tile]]) -> NDArray[np.uint8]:
    """Probabilities of the whole region, read back from the tiles."""
    for tiles in jobs:
        ids = [tile.id for tile in tiles]
        infer(trained, imagery, grid, out, ids, SETTINGS, toy.scaling, threads=1, device="cpu")
    side = 3 * max(grid.tile_px, 256)
    whole = np.full((side, side), 255, dtype=np.uint8)
    for tile in grid.tiles:
        with rasterio.open(out / f"{tile.id}.tif") as source:
            assert (source.count, source.dtypes[0], source.nodata) == (1, "uint8", 255)
            assert source.transform == grid.window_transform(tile.window)
            w = tile.window
            whole[w.row : w.row + w.height, w.column : w.column + w.width] = source.read(1)
    return whole[:SIDE_PX, :SIDE_PX]


@pytest.fixture(scope="module")
def reference(toy: Toy, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.uint8]:
    return run(toy, trained, toy.grid, toy.imagery, tmp_path_factory.mktemp("p256"), [list(toy.grid.tiles)])


def test_nodata_exactly_where_the_image_is(toy: Toy, reference: NDArray[np.uint8]) -> None:
    assert np.array_equal(reference == 255, ~toy.image.any(axis=0))
    assert len(np.unique(reference)) > 10


@pytest.mark.parametrize("tile_px", [96, 1024])
def test_tiling_does_not_matter(
    toy: Toy, trained: Path, reference: NDArray[np.uint8], tmp_path: Path, tile_px: int
) -> None:
    grid, imagery = toy.retiled(tile_px)
    found = run(toy, trained, grid, imagery, tmp_path, [list(grid.tiles)])
    assert np.array_equal(found, reference)


def test_jobs_do_not_matter(toy: Toy, trained: Path, reference: NDArray[np.uint8], tmp_path: Path) -> None:
    tiles = list(toy.grid.tiles)
    found = run(toy, trained, toy.grid, toy.imagery, tmp_path, [tiles[5:2:-1], *([t] for t in tiles[:3] + tiles[6:])])
    assert np.array_equal(found, reference)


def test_nodata_pixel_blanks_nothing_else(
    toy: Toy, trained: Path, reference: NDArray[np.uint8], tmp_path: Path
) -> None:
    image = toy.image.copy()
    image[:, 100, 100] = 0
    image[1, 300, 300] = 0  # one band at 0 is a value, not nodata
    grid, imagery = toy.retiled(256, image)
    found = run(toy, trained, grid, imagery, tmp_path, [list(grid.tiles)])
    changed = (found == 255) != (reference == 255)
    assert np.argwhere(changed).tolist() == [[100, 100]]


def test_all_nodata_tile(toy: Toy, trained: Path, tmp_path: Path) -> None:
    grid, imagery = toy.retiled(128, np.zeros_like(toy.image))
    infer(trained, imagery, grid, tmp_path, ["x001_y001"], SETTINGS, toy.scaling, threads=1)
    with rasterio.open(tmp_path / "x001_y001.tif") as source:
        assert (source.read(1) == 255).all()


def test_refusals(toy: Toy, trained: Path, tmp_path: Path) -> None:
    _, imagery = toy.retiled(200)
    grid = replace(toy.grid, tile_px=200)
    broken = imagery / "x001_y001.tif"
    whole = broken.read_bytes()
    for content in (whole[: len(whole) // 3], b""):
        broken.write_bytes(content)
        with pytest.raises(InputError, match="x001_y001"):
            infer(trained, imagery, grid, tmp_path, ["x000_y000"], SETTINGS, toy.scaling, threads=1)
    assert not list(tmp_path.glob("*.tif"))
    wide = SETTINGS.model_copy(update={"window_px": 128})
    with pytest.raises(InputError, match="windows of 64 px, not 128"):
        infer(trained, toy.imagery, toy.grid, tmp_path, ["x000_y000"], wide, toy.scaling)
    with pytest.raises(InputError, match="no such tile"):
        infer(trained, toy.imagery, toy.grid, tmp_path, ["x009_y000"], SETTINGS, toy.scaling)
