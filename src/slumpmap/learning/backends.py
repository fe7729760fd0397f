"""What computes: networks as functions from a stream of 8-bit windows to a stream of probabilities."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from types import ModuleType
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from slumpmap.errors import InputError
from slumpmap.learning.batches import Normalisation
from slumpmap.raster import RGB_NODATA
from slumpmap.settings.learning import InferenceSettings

Images = NDArray[np.uint8]
Probabilities = NDArray[np.float32]
# From a stream of (n <= batch, bands, s, s) uint8 windows to that of their (n, s, s) float32 probabilities, in order.
# A predictor may take a few batches before it gives the first answer, so that what computes never waits.
Predictor = Callable[[Iterable[Images]], Iterator[Probabilities]]
# Whether a copy of a window is transposed, then flipped top to bottom, then left to right.
Turn = tuple[bool, bool, bool]
FLIPS: tuple[Turn, ...] = tuple((False, down, across) for down in (False, True) for across in (False, True))
TURNS = {
    "none": FLIPS[:1],
    "flips": FLIPS,
    "symmetries": (*FLIPS, *((True, down, across) for _, down, across in FLIPS)),
}


class Mapper(torch.nn.Module):
    """A network with all that lies between 8-bit values and probabilities, so that one graph holds the whole of it.

    Args:
        network: from (n, bands, h, w) float32 to (n, 1, h, w) logits.
        normalisation: mean and std of the network's input.
        temperature: number by which logits are divided.
    """

    def __init__(self, network: torch.nn.Module, normalisation: Normalisation, temperature: float = 1.0) -> None:
        super().__init__()
        self.network = network
        self.normalisation = normalisation
        self.temperature = temperature

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(n, bands, h, w) uint8, 0 in all bands = nodata -> (n, h, w) float32 probabilities."""
        valid = (images != RGB_NODATA).any(dim=1, keepdim=True)
        logits = self.network(self.normalisation(images.float(), valid))[:, 0].float()
        return torch.sigmoid(logits / self.temperature)


class Ensemble(torch.nn.Module):
    """Several mappers as one: the mean of their probabilities."""

    def __init__(self, members: Sequence[Mapper]) -> None:
        super().__init__()
        self.members = torch.nn.ModuleList(members)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(n, bands, h, w) uint8 -> (n, h, w) float32 probabilities."""
        return torch.stack([member(images) for member in self.members]).mean(dim=0)


def make_predictor(
    members: Sequence[Mapper], settings: InferenceSettings, device: torch.device, threads: int, bands: int = 3
) -> Predictor:
    """The predictor that the settings name, for windows of `settings.window_px`.

    Args:
        members: the networks whose mean is wanted, on the CPU.
        settings: window, batch, back end, precision, turned copies.
        device: what to compute on; on a GPU it is always torch that computes.
        threads: CPU threads.
        bands: bands of the images.

    Raises:
        InputError: OpenVINO was asked for and cannot be loaded.
    """
    network = Ensemble(members).eval()
    if choose_backend(settings.backend, device) == "openvino":
        shape = (settings.batch, bands, settings.window_px, settings.window_px)
        predict = openvino_predictor(network, shape, choose_precision(settings.precision, device), threads)
    else:
        predict = torch_predictor(network, settings.batch, device, choose_precision(settings.precision, device))
    turns = TURNS[settings.test_time]
    return predict if len(turns) == 1 else turned(predict, turns)


def choose_backend(wanted: str, device: torch.device) -> str:
    """`torch` or `openvino`; where `auto` has to do without OpenVINO, a line on stderr says so.

    Raises:
        InputError: `openvino` was asked for and cannot be loaded.
    """
    if device.type != "cpu" or wanted == "torch":
        return "torch"
    try:
        _openvino()
    except ImportError as error:
        if wanted == "openvino":
            fault = f"OpenVINO cannot be loaded ({error})"
            raise InputError("inference.backend", fault, "pip install openvino, or take torch") from error
        print(f"inference: OpenVINO cannot be loaded ({error}); torch computes, slower", file=sys.stderr)
        return "torch"
    return "openvino"


def choose_precision(wanted: str, device: torch.device) -> str:
    """`float32` or `bfloat16`; `auto` is bfloat16 where the processor or GPU has instructions for it."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # torch computes with bfloat16 on any processor, but far slower than with float32 where it is emulated.
        native = any(torch.cpu.get_capabilities().get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return "bfloat16" if native else "float32"


def torch_predictor(network: torch.nn.Module, batch: int, device: torch.device, precision: str) -> Predictor:
    """Computes with torch, the reference.

    Every call computes a full batch, padded with nodata: kernels are chosen by the shape of their input, and
    another kernel may round otherwise. A GPU has the next batch before the answer to the last one is fetched.

    Args:
        network: from uint8 images to probabilities, such as `Ensemble`.
        batch: windows in a batch.
        device: CPU or GPU.
        precision: `float32` or `bfloat16`, in which convolutions are computed.
    """
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    cast_down = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
    gpu = device.type == "cuda"

    def launch(images: Images) -> tuple[torch.Tensor, Any, int]:
        """Answer, the event after which it is there (GPU), and how many of its rows count."""
        values = torch.from_numpy(pad(images, batch))
        values = values.pin_memory().to(device, non_blocking=True) if gpu else values
        with torch.inference_mode(), cast_down:
            computed = network(values.contiguous(memory_format=torch.channels_last)).float()
        if not gpu:
            return computed, None, len(images)
        answer = torch.empty(computed.shape, dtype=computed.dtype, pin_memory=True)
        answer.copy_(computed, non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record()
        return answer, done, len(images)

    def fetch(answer: torch.Tensor, done: Any, count: int) -> Probabilities:
        if done is not None:
            done.synchronize()
        return cast(Probabilities, answer.numpy()[:count])

    def predict(batches: Iterable[Images]) -> Iterator[Probabilities]:
        running: deque[tuple[torch.Tensor, Any, int]] = deque()
        for images in batches:
            running.append(launch(images))
            if len(running) > 1:
                yield fetch(*running.popleft())
        for last in running:
            yield fetch(*last)

    return predict


def openvino_predictor(
    network: torch.nn.Module, shape: tuple[int, int, int, int], precision: str, threads: int
) -> Predictor:
    """Computes with OpenVINO on the CPU; the network is converted in memory.

    Args:
        network: from uint8 images to probabilities, such as `Ensemble`, on the CPU.
        shape: batch, bands, height, width; every call computes a full batch, padded with nodata.
        precision: `float32` or `bfloat16`.
        threads: CPU threads.
    """
    openvino = _openvino()
    with torch.no_grad():
        example = torch.zeros((1, *shape[1:]), dtype=torch.uint8)
        # The converter would trace the network by itself, and then spend most of its time on checking the trace.
        traced = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
        graph = openvino.convert_model(traced, example_input=example, input=[(list(shape), openvino.Type.u8)])
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "INFERENCE_NUM_THREADS": threads,
        # All threads on one batch are as fast as a batch for each, and need less memory.
        "NUM_STREAMS": 1,
        # Jobs that pin their threads would all pin them to the same cores.
        "ENABLE_CPU_PINNING": False,
    }
    compiled = openvino.Core().compile_model(graph, "CPU", options)

    def predict(batches: Iterable[Images]) -> Iterator[Probabilities]:
        # The second request waits beside the one that is computed, so that the processor never does.
        idle = [compiled.create_infer_request() for _ in range(2)]
        running: deque[tuple[Any, int]] = deque()

        def fetch() -> Probabilities:
            request, count = running.popleft()
            request.wait()
            idle.append(request)
            return cast(Probabilities, request.get_output_tensor().data[:count].copy())

        for images in batches:
            if not idle:
                yield fetch()
            request = idle.pop()
            request.start_async({0: pad(images, shape[0])})
            running.append((request, len(images)))
        while running:
            yield fetch()

    return predict


def pad(images: Images, batch: int) -> Images:
    """Fills up a batch with nodata."""
    padding = np.full((batch - len(images), *images.shape[1:]), RGB_NODATA, dtype=np.uint8)
    return np.concatenate([images, padding])


def turned(predict: Predictor, turns: Sequence[Turn]) -> Predictor:
    """A predictor whose answer is the mean over turned copies of a window, turned back."""

    def mean(batches: Iterable[Images]) -> Iterator[Probabilities]:
        answers = predict(np.ascontiguousarray(turn(images, how)) for images in batches for how in turns)
        while group := list(islice(answers, len(turns))):
            backs = [turn_back(answer, how) for answer, how in zip(group, turns, strict=True)]
            yield np.mean(backs, axis=0, dtype=np.float32)

    return mean


def turn(images: NDArray[Any], how: Turn) -> NDArray[Any]:
    """(..., s, s) images, turned."""
    transposed, down, across = how
    images = images.swapaxes(-1, -2) if transposed else images
    return images[..., :: -1 if down else 1, :: -1 if across else 1]


def turn_back(images: NDArray[Any], how: Turn) -> NDArray[Any]:
    """Undoes `turn`."""
    transposed, down, across = how
    images = images[..., :: -1 if down else 1, :: -1 if across else 1]
    return images.swapaxes(-1, -2) if transposed else images


def _openvino() -> ModuleType:
    """OpenVINO, imported on first use, without its telemetry.

    Its converter reports every use to a server unless its telemetry cannot be imported.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return cast(ModuleType, openvino)
