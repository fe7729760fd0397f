from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from toy_region import SIDE_PX, Toy

from slumpmap.errors import InputError
from slumpmap.grid import Grid, Tile
from slumpmap.learning import inference
from slumpmap.learning.backends import Mapper, Predictor, make_predictor
from slumpmap.learning.batches import Normalisation
from slumpmap.learning.inference import encode, fusion_weights, infer, lattice, predict_tiles
from slumpmap.raster import Mosaic
from slumpmap.settings.learning import InferenceSettings

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
    weights = fusion_weights(settings)
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
    predict = make_predictor([Mapper(Pointwise(), NORMAL)], SETTINGS, torch.device("cpu"), threads=1)
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


def fake(answer: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> Predictor:
    """A predictor that answers each batch by a function."""

    def predict(batches: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        yield from map(answer, batches)

    return predict


def numbered() -> tuple[Predictor, list[float]]:
    """A predictor whose windows answer with their own number, and the list of the answers."""
    answers: list[float] = []

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        first = len(answers)
        answers.extend((first + np.arange(len(images))) / 100)
        return np.stack([np.full(images.shape[2:], a, np.float32) for a in answers[first:]])

    return fake(answer), answers


@pytest.mark.parametrize("fusion", ["blend", "mean", "or"])
def test_fusion_by_hand(toy: Toy, fusion: str) -> None:
    predict, answers = numbered()
    settings = SETTINGS.model_copy(update={"fusion": fusion})
    tile = toy.grid.tile("x000_y000")
    with Mosaic(toy.grid, toy.imagery, 3, 0) as mosaic:
        ((_, values),) = predict_tiles(mosaic, [tile], settings, predict)
    starts = list(lattice(0, 256, SETTINGS))
    row, column = 150, 60  # rows 144.. and 96..159, columns 48..111 and 0..63
    found = []
    for i, top in enumerate(starts):
        for j, left in enumerate(starts):
            dy, dx = row - top + 0.5, column - left + 0.5
            if 0 < dy < 64 and 0 < dx < 64:
                weight = min(dy, 64 - dy) * min(dx, 64 - dx) if fusion == "blend" else 1
                found.append((weight, answers[i * len(starts) + j]))
    assert len(found) == 4
    mean = sum(w * a for w, a in found) / sum(w for w, _ in found)
    assert values[row, column] == (0 if fusion == "or" else round(254 * mean))


def test_one_window_is_enough_for_or(toy: Toy) -> None:
    """Odd windows answer just above one half, even ones at it: a pixel is a slump where an odd one reaches."""
    count = 0

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        nonlocal count
        odd = (count + np.arange(len(images))) % 2
        count += len(images)
        return np.broadcast_to((0.5 + 0.001 * odd)[:, None, None], (len(images), 64, 64)).astype(np.float32)

    settings = InferenceSettings(window_px=64, stride_px=64, batch=4, fusion="or")
    with Mosaic(toy.grid, toy.imagery, 3, 0) as mosaic:
        ((_, values),) = predict_tiles(mosaic, [toy.grid.tile("x000_y000")], settings, fake(answer))
    squares = values[::64, ::64]
    assert squares.tolist() == [[0, 254, 0, 254]] * 4
    assert np.array_equal(values, squares.repeat(64, 0).repeat(64, 1))


def touching(valid: NDArray[np.bool_], tiles: Iterable[Tile]) -> set[tuple[int, int]]:
    """Lattice windows that hold a valid pixel of one of the tiles, the slow way."""
    found = set()
    for tile in tiles:
        own = np.zeros((800, 800), dtype=bool)
        rows, columns = slice(tile.window.row, SIDE_PX), slice(tile.window.column, SIDE_PX)
        own[rows, columns] = np.pad(valid, ((0, 200), (0, 200)))[rows, columns]
        own[tile.window.row + tile.tile_px :] = own[:, tile.window.column + tile.tile_px :] = False
        for top in range(-48, 700, 48):
            for left in range(-48, 700, 48):
                if own[max(top, 0) : top + 64, max(left, 0) : left + 64].any():
                    found.add((top, left))
    return found


@pytest.mark.parametrize("tile_px", [96, 256])
def test_batches_are_full_across_tiles_and_no_window_comes_twice(toy: Toy, tile_px: int) -> None:
    grid, imagery = toy.retiled(tile_px)
    sizes: list[int] = []

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert images.any(axis=(1, 2, 3)).all()
        sizes.append(len(images))
        return np.zeros((len(images), 64, 64), np.float32)

    with Mosaic(grid, imagery, 3, 0) as mosaic:
        assert len(list(predict_tiles(mosaic, grid.tiles, SETTINGS, fake(answer)))) == len(grid.tiles)
    assert set(sizes[:-1]) == {SETTINGS.batch}
    assert sum(sizes) == len(touching(toy.image.any(axis=0), grid.tiles))


def test_little_room_costs_windows(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "KEPT_BYTES", 2 * 4 * 64**2)
    predict, answers = numbered()
    with Mosaic(toy.grid, toy.imagery, 3, 0) as mosaic:
        list(predict_tiles(mosaic, toy.grid.tiles, SETTINGS, predict))
    assert len(answers) > len(touching(toy.image.any(axis=0), toy.grid.tiles))


def test_little_room_changes_nothing(
    toy: Toy, reference: NDArray[np.uint8], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "KEPT_BYTES", 2 * 4 * 64**2)
    assert np.array_equal(run(toy, trained, toy.grid, toy.imagery, tmp_path, [list(toy.grid.tiles)]), reference)


def run(toy: Toy, trained: Path, grid: Grid, imagery: Path, out: Path, jobs: list[list[Tile]]) -> NDArray[np.uint8]:
    """Probabilities of the whole region, read back from the tiles."""
    for tiles in jobs:
        ids = [tile.id for tile in tiles]
        infer([trained], imagery, grid, out, ids, SETTINGS, toy.scaling, threads=1, device="cpu")
    return read_back(grid, out)


def read_back(grid: Grid, out: Path) -> NDArray[np.uint8]:
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
    infer([trained], imagery, grid, tmp_path, ["x001_y001"], SETTINGS, toy.scaling, threads=1)
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
            infer([trained], imagery, grid, tmp_path, ["x000_y000"], SETTINGS, toy.scaling, threads=1)
    assert not list(tmp_path.glob("*.tif"))
    wide = SETTINGS.model_copy(update={"window_px": 128})
    with pytest.raises(InputError, match="windows of 64 px, not 128"):
        infer([trained], toy.imagery, toy.grid, tmp_path, ["x000_y000"], wide, toy.scaling)
    with pytest.raises(InputError, match="no such tile"):
        infer([trained], toy.imagery, toy.grid, tmp_path, ["x009_y000"], SETTINGS, toy.scaling)


def test_within(toy: Toy, trained: Path, reference: NDArray[np.uint8], tmp_path: Path) -> None:
    """Outside the polygons all is nodata; inside nothing changes, since what lies outside is still seen."""
    corner = shapely.box(toy.grid.x0 + 300, toy.grid.y0 - 900, toy.grid.x0 + 1200, toy.grid.y0 - 150)
    area = tmp_path / "area.gpkg"
    gpd.GeoDataFrame(geometry=[corner], crs=toy.grid.crs).to_crs("EPSG:4326").to_file(area)
    ids = [tile.id for tile in toy.grid.tiles]
    out = tmp_path / "out"
    infer([trained], toy.imagery, toy.grid, out, ids, SETTINGS, toy.scaling, 1, "cpu", within=area)
    whole = read_back(toy.grid, out)
    assert np.array_equal(whole[50:300, 100:400], reference[50:300, 100:400])
    whole[50:300, 100:400] = 255
    assert (whole == 255).all()


def test_no_window_is_computed_outside_the_area(toy: Toy) -> None:
    predict, answers = numbered()
    limit = np.array([shapely.box(toy.grid.x0, toy.grid.y0 - 30, toy.grid.x0 + 30, toy.grid.y0)])
    with Mosaic(toy.grid, toy.imagery, 3, 0) as mosaic:
        list(predict_tiles(mosaic, toy.grid.tiles, SETTINGS, predict, limit))
    assert len(answers) == 4


def test_windows_are_forgotten_when_no_tile_needs_them(toy: Toy) -> None:
    """A window that reaches into the next tile is kept for it, and let go where that tile has no use for it."""
    west, north = toy.grid.x0 + 3 * 245, toy.grid.y0 - 3 * 100
    limit = np.array([shapely.box(west, north - 30, west + 30, north)])
    tiles = toy.grid.tiles
    with Mosaic(toy.grid, toy.imagery, 3, 0) as mosaic:
        scenes = inference.read_scenes(mosaic, tiles, SETTINGS, limit)
        loads = list(inference.cut_windows(scenes, tiles, SETTINGS))
    kept = [step.kept for load in loads for step in load.steps if isinstance(step, inference.Finish)]
    assert kept[0] == {(48, 240), (96, 240)}
    assert not any(kept[1:])


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    """Sees that a test ends all threads that it starts; those of earlier tests may go on."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.mark.usefixtures("no_thread_left")
def test_an_error_in_the_reader_surfaces(toy: Toy, trained: Path, tmp_path: Path) -> None:
    grid, imagery = toy.retiled(128, toy.image.copy())
    broken = imagery / "x004_y004.tif"
    broken.write_bytes(broken.read_bytes()[:2000])
    ids = ["x000_y000", "x004_y004"]
    with pytest.raises(InputError, match="x004_y004"):
        infer([trained], imagery, grid, tmp_path / "out", ids, SETTINGS, toy.scaling, 1, "cpu")
    left = {path.name for path in (tmp_path / "out").glob("*")} if (tmp_path / "out").exists() else set()
    assert left <= {"x000_y000.tif"}


@pytest.mark.usefixtures("no_thread_left")
def test_an_error_in_the_writer_surfaces(toy: Toy, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("a file where the folder should be")
    with pytest.raises(InputError, match="out is a file where a folder should be"):
        infer([trained], toy.imagery, toy.grid, out, ["x000_y000", "x001_y000"], SETTINGS, toy.scaling, 1, "cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("no_thread_left")
def test_an_error_in_the_network_surfaces(toy: Toy) -> None:
    def broken(batches: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        yield np.zeros((len(next(iter(batches))), 64, 64), np.float32)
        raise InputError("network", "is broken", "mend it")

    with Mosaic(toy.grid, toy.imagery, 3, 0) as mosaic, pytest.raises(InputError, match="is broken"):
        list(predict_tiles(mosaic, toy.grid.tiles, SETTINGS, broken))


def test_nothing_runs_far_ahead() -> None:
    made: list[int] = []

    def numbers() -> Generator[int, None, None]:
        for number in range(100):
            made.append(number)
            yield number

    stream = inference.ahead(numbers(), 3)
    assert next(stream) == 0
    time.sleep(0.1)
    assert made == [0, 1, 2, 3]
    stream.close()
    assert list(inference.ahead(numbers(), 3)) == list(range(100))


def test_closing_stops_the_thread_and_the_generator() -> None:
    made: list[int] = []

    def slow() -> Generator[int, None, None]:
        for number in range(100):
            made.append(number)
            time.sleep(0.1)
            yield number

    source = slow()
    stream = inference.ahead(source, 3)
    assert next(stream) == 0
    stream.close()
    assert len(made) <= 3
    assert list(source) == []


class Near(torch.nn.Module):
    """Two convolutions of 5 x 5: an answer sees 4 pixels on each side."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 5, padding=2), torch.nn.ReLU(), torch.nn.Conv2d(4, 1, 5, padding=2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = 4 * self.layers(x)
        return answer


def test_blend_equals_a_single_pass_where_windows_see_enough(toy: Toy) -> None:
    """Within the reach of a network from a window's edge only, its answer is another than that of a single pass."""
    settings = InferenceSettings(window_px=64, stride_px=64, batch=4, backend="torch", precision="float32")
    mapper = Mapper(Near(), NORMAL)
    with torch.no_grad():
        whole = mapper(torch.from_numpy(toy.image)[None])[0].numpy()
    predict = make_predictor([mapper], settings, torch.device("cpu"), threads=1)
    with Mosaic(toy.grid, toy.imagery, 3, 0) as mosaic:
        (tile, values) = next(predict_tiles(mosaic, toy.grid.tiles, settings, predict))
    difference = np.abs(values.astype(float) - 254 * whole[: tile.tile_px, : tile.tile_px])
    deep = np.arange(256) % 64
    inside = (deep >= 4) & (deep < 60)
    assert difference[np.ix_(inside, inside)].max() <= 0.51
    assert difference.max() > 2


def test_no_seam(reference: NDArray[np.uint8]) -> None:
    """Neighbouring pixels differ no more where a window begins or ends than elsewhere."""
    values = reference[:, : SIDE_PX - 20].astype(float)
    steps = np.abs(np.diff(values, axis=1))
    columns = np.arange(1, steps.shape[1] + 1)
    border = (columns % 48 == 0) | ((columns - 64) % 48 == 0)
    # Columns of the same place in the encoder's own cells of 16 and 4 pixels, where answers are interpolated.
    alike = ~border & (columns % 16 == 0)
    assert steps[:, border].mean() <= 1.1 * steps[:, alike].mean()
