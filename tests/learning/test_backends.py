from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from toy_region import Toy

from slumpmap.errors import InputError
from slumpmap.learning import backends
from slumpmap.learning.backends import (
    TURNS,
    Ensemble,
    Mapper,
    Predictor,
    choose_backend,
    choose_precision,
    make_predictor,
    openvino_predictor,
    torch_predictor,
    turn,
    turn_back,
    turned,
)
from slumpmap.learning.batches import Normalisation
from slumpmap.learning.inference import load_mapper
from slumpmap.settings.learning import InferenceSettings

CPU = torch.device("cpu")
SETTINGS = InferenceSettings(window_px=64, stride_px=48, batch=4)
EXACT = SETTINGS.model_copy(update={"backend": "torch", "precision": "float32"})
NORMAL = Normalisation((90.0, 100.0, 80.0), (40.0, 50.0, 60.0))


@pytest.fixture(scope="module")
def mapper(toy: Toy, trained: Path) -> Mapper:
    return load_mapper(trained, toy.grid, SETTINGS, toy.scaling)


@pytest.fixture(scope="module")
def windows(toy: Toy) -> NDArray[np.uint8]:
    """Ten windows, with and without slumps and nodata."""
    return np.stack([toy.image[:, 50 * n : 50 * n + 64, 536 - 50 * n : 600 - 50 * n] for n in range(10)])


@pytest.fixture(scope="module")
def eager(mapper: Mapper, windows: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the network answers if nothing else is done than to call it."""
    images = torch.from_numpy(windows).float()
    with torch.no_grad():
        prepared = mapper.normalisation(images, images.any(dim=1, keepdim=True))
        answer: NDArray[np.float32] = torch.sigmoid(mapper.network(prepared)[:, 0] / mapper.temperature).numpy()
    return answer


def through(predict: Predictor, windows: NDArray[np.uint8], batch: int = 4) -> NDArray[np.float32]:
    """All answers to windows that come in batches of 4; the last one is smaller."""
    return np.concatenate(list(predict(windows[first : first + batch] for first in range(0, len(windows), batch))))


@pytest.mark.parametrize("backend", ["torch", "openvino"])
@pytest.mark.parametrize(("precision", "most"), [("float32", 1e-3), ("bfloat16", 0.03)])
def test_back_ends_agree(
    mapper: Mapper,
    windows: NDArray[np.uint8],
    eager: NDArray[np.float32],
    backend: str,
    precision: str,
    most: float,
) -> None:
    settings = SETTINGS.model_copy(update={"backend": backend, "precision": precision})
    found = through(make_predictor([mapper], settings, CPU, threads=1), windows)
    assert (found.dtype, found.shape) == (np.float32, (10, 64, 64))
    assert eager.max() - eager.min() > 0.5
    # Rounded to 8 bits on the way, a few answers near 0.5 move by 0.02; hardly any falls on the other side of it.
    assert np.abs(found - eager).max() <= most
    assert np.quantile(np.abs(found - eager), 0.999) <= 0.01
    assert np.abs(found - eager).mean() <= 2e-4
    assert ((found > 0.5) != (eager > 0.5)).mean() <= 2e-4
    # The two precisions are two: nothing fell back.
    assert (np.abs(found - eager).max() > 1e-4) == (precision == "bfloat16")


@pytest.mark.parametrize("backend", ["torch", "openvino"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_answers_do_not_depend_on_the_batch(
    mapper: Mapper, windows: NDArray[np.uint8], backend: str, precision: str
) -> None:
    settings = SETTINGS.model_copy(update={"backend": backend, "precision": precision})
    predict = make_predictor([mapper], settings, CPU, threads=2)
    whole = through(predict, windows)
    assert np.array_equal(through(predict, windows, batch=1), whole)
    assert np.array_equal(through(predict, windows[::-1])[::-1], whole)


class Count(torch.nn.Module):
    """Answers with the first band, and remembers the sizes of batches."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(images))
        return images[:, 0].float()


def test_every_batch_is_full() -> None:
    network = Count()
    windows = np.arange(10, dtype=np.uint8)[:, None, None, None].repeat(16, 2).repeat(16, 3)
    found = through(torch_predictor(network, 4, CPU, "float32"), windows)
    assert network.sizes == [4, 4, 4]
    assert found[:, 0, 0].tolist() == list(range(10))


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_a_predictor_takes_no_more_than_two_batches_ahead(mapper: Mapper, backend: str) -> None:
    taken: list[int] = []

    def batches() -> Iterator[NDArray[np.uint8]]:
        for number in range(6):
            taken.append(number)
            yield np.zeros((4, 3, 64, 64), np.uint8)

    settings = SETTINGS.model_copy(update={"backend": backend})
    next(make_predictor([mapper], settings, CPU, threads=1)(batches()))
    assert len(taken) <= 3


class Bands(torch.nn.Module):
    """Gives the first band as logit."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :1]


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_mapper_by_hand(backend: str) -> None:
    """Value 170 is (170 - 90) / 40 = 2 at the input, 1 at temperature 2; nodata is 0; one band at 0 is a value."""
    image = np.zeros((1, 3, 64, 64), np.uint8)
    image[0, 0, 0, :2], image[0, 1, 0, 2] = 170, 1
    settings = EXACT.model_copy(update={"backend": backend})
    found = through(make_predictor([Mapper(Bands(), NORMAL, temperature=2.0)], settings, CPU, threads=1), image)
    assert found[0, 0, :4] == pytest.approx([0.731059, 0.731059, 0.245085, 0.5], abs=1e-5)


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_ensemble_is_the_mean(mapper: Mapper, windows: NDArray[np.uint8], backend: str) -> None:
    settings = EXACT.model_copy(update={"backend": backend})
    warm = Mapper(mapper.network, mapper.normalisation, temperature=3.0)
    alone = [through(make_predictor([member], settings, CPU, threads=1), windows) for member in (mapper, warm)]
    both = through(make_predictor([mapper, warm], settings, CPU, threads=1), windows)
    assert np.abs(alone[0] - alone[1]).max() > 0.05
    assert both == pytest.approx(np.mean(alone, axis=0), abs=1e-5)


def test_turns_are_symmetries_and_can_be_undone() -> None:
    image = np.arange(9).reshape(1, 3, 3)
    for name, count in (("none", 1), ("flips", 4), ("symmetries", 8)):
        copies = [turn(image, how) for how in TURNS[name]]
        assert len({copy.tobytes() for copy in copies}) == len(TURNS[name]) == count
        assert all(np.array_equal(turn_back(c, how), image) for c, how in zip(copies, TURNS[name], strict=True))
    assert {turn(image, how)[0, 0, 0] for how in TURNS["symmetries"]} == {0, 2, 6, 8}
    assert [turn(image, how)[0, 0].tolist() for how in TURNS["flips"]] == [[0, 1, 2], [2, 1, 0], [6, 7, 8], [8, 7, 6]]


@pytest.mark.parametrize("test_time", ["flips", "symmetries"])
def test_turned_copies_change_nothing_pointwise(windows: NDArray[np.uint8], test_time: str) -> None:
    once = through(make_predictor([Mapper(Bands(), NORMAL)], EXACT, CPU, threads=1), windows)
    settings = EXACT.model_copy(update={"test_time": test_time})
    often = through(make_predictor([Mapper(Bands(), NORMAL)], settings, CPU, threads=1), windows)
    assert often == pytest.approx(once, abs=1e-6)


@pytest.mark.parametrize("test_time", ["flips", "symmetries"])
def test_answer_turns_with_the_image(mapper: Mapper, windows: NDArray[np.uint8], test_time: str) -> None:
    settings = EXACT.model_copy(update={"test_time": test_time})
    predict = make_predictor([mapper], settings, CPU, threads=1)
    upright = through(predict, windows)
    for how in TURNS[test_time]:
        assert turn_back(through(predict, turn(windows, how)), how) == pytest.approx(upright, abs=1e-4)
    plain = through(make_predictor([mapper], EXACT, CPU, threads=1), windows)
    assert np.abs(plain - upright).max() > 0.01
    assert np.abs(plain - upright).mean() < 0.1


def test_turned_copies_come_in_full_batches() -> None:
    sizes: list[int] = []

    def answer(batches: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        for images in batches:
            sizes.append(len(images))
            yield images[:, 0].astype(np.float32)

    windows = np.random.default_rng(1).integers(0, 255, (6, 3, 16, 16), dtype=np.uint8)
    assert np.array_equal(through(turned(answer, TURNS["flips"]), windows), windows[:, 0])
    assert sizes == [4] * 4 + [2] * 4


def test_without_openvino(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert choose_backend("auto", CPU) == choose_backend("openvino", CPU) == "openvino"
    assert choose_backend("auto", torch.device("cuda")) == choose_backend("openvino", torch.device("cuda")) == "torch"
    assert capsys.readouterr().err == ""
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert choose_backend("torch", CPU) == choose_backend("auto", CPU) == "torch"
    assert capsys.readouterr().err.count("OpenVINO cannot be loaded") == 1
    with pytest.raises(InputError, match="OpenVINO cannot be loaded"):
        choose_backend("openvino", CPU)


def test_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    for native, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda native=native: {"avx512_bf16": native})
        assert choose_precision("auto", CPU) == expected
        assert choose_precision("float32", CPU) == "float32"
        assert choose_precision("bfloat16", CPU) == "bfloat16"


def test_openvino_reports_to_nobody(mapper: Mapper) -> None:
    openvino_predictor(Ensemble([mapper]).eval(), (4, 3, 64, 64), "float32", 1)
    assert backends._openvino().__name__ == "openvino"
    assert sys.modules["openvino_telemetry"] is None
