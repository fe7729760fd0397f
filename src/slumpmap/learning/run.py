"""A training run, step by step; each step is a function of the settings, the seed and the step's number."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from slumpmap.errors import InputError
from slumpmap.learning.batches import Normalisation, Sampler, vary
from slumpmap.learning.losses import segmentation_loss
from slumpmap.learning.optimisation import Average, learning_rate, norm_layers, set_training
from slumpmap.learning.team import Team
from slumpmap.learning.validation import Validation, validate
from slumpmap.learning.windows import IGNORE
from slumpmap.settings.learning import TrainingSettings

_SETTLING = 20


@dataclass
class Evaluated:
    """Figures of the held-out windows after some step."""

    step: int
    figures: Validation


@dataclass
class Run:
    """A training run between two steps.

    Attributes:
        settings: the model section of the configuration.
        steps: steps in all.
        seed: seed of weights, sampling, variation and dropout.
        pixels: (windows, bands + 1, s, s) uint8: bands, label.
        sampler: chooses the windows of a step.
        held_out: rows of the windows that are held out.
        normalise: from 8-bit values to the network's input.
        network: the network, on the device.
        optimizer: its optimizer.
        device: where it runs.
        team: the processes that train together.
        micro: windows that go through the network at a time; None: all of this process's part of the batch.
        average: moving average of the weights.
        log: loss and learning rate of each step so far.
        evaluations: figures of the held-out windows so far.
        best: weights of the best evaluation so far.
    """

    settings: TrainingSettings
    steps: int
    seed: int
    pixels: NDArray[np.uint8]
    sampler: Sampler
    held_out: NDArray[np.int64]
    normalise: Normalisation
    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    device: torch.device
    team: Team = field(default_factory=Team)
    micro: int | None = None
    average: Average | None = None
    log: list[tuple[float, float]] = field(default_factory=list)
    evaluations: list[Evaluated] = field(default_factory=list)
    best: dict[str, torch.Tensor] | None = None

    @property
    def done(self) -> int:
        """Steps that were taken."""
        return len(self.log)

    @property
    def best_step(self) -> int | None:
        """The first step with the highest object average precision of the held-out windows; None: not evaluated."""
        if not self.evaluations:
            return None
        return max(self.evaluations, key=lambda e: (e.figures.average_precision or 0.0, -e.step)).step

    @property
    def finished(self) -> bool:
        """Whether all steps were taken, or the last evaluations brought nothing better."""
        if self.done >= self.steps:
            return True
        best, patience = self.best_step, self.settings.patience
        return bool(patience) and best is not None and sum(e.step > best for e in self.evaluations) >= patience

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps; everything else follows from settings, seed and step."""
        return {
            "network": self.network.state_dict(),
            "average": None if self.average is None else self.average.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "log": self.log,
            "evaluations": [(e.step, *astuple(e.figures)) for e in self.evaluations],
            "best": self.best,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up the state of a checkpoint."""
        self.network.load_state_dict(state["network"])
        if self.average is not None:
            self.average.network.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.log = [(float(loss), float(rate)) for loss, rate in state["log"]]
        self.evaluations = [Evaluated(int(step), Validation(*figures)) for step, *figures in state["evaluations"]]
        self.best = state["best"]


class Feed:
    """The windows of each step, read from disk by a second thread while the step before computes."""

    def __init__(self, pixels: NDArray[np.uint8], sampler: Sampler) -> None:
        self._pixels, self._sampler = pixels, sampler
        self._reader = ThreadPoolExecutor(1)
        self._ahead: tuple[int, Future[NDArray[np.uint8]]] | None = None

    def __call__(self, step: int) -> NDArray[np.uint8]:
        """(batch, bands + 1, s, s) uint8."""
        if self._ahead is None or self._ahead[0] != step:
            self._ahead = step, self._reader.submit(self._read, step)
        values = self._ahead[1].result()
        self._ahead = step + 1, self._reader.submit(self._read, step + 1)
        return values

    def _read(self, step: int) -> NDArray[np.uint8]:
        return np.stack([self._pixels[row] for row in self._sampler(step)])

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.shutdown(cancel_futures=True)


def take_step(run: Run, values: NDArray[np.uint8]) -> float:
    """One training step.

    Args:
        run: the run, which is changed.
        values: (batch, bands + 1, s, s) uint8, the step's windows and labels.

    Returns:
        The loss.

    Raises:
        InputError: the loss is not finite, or one window is too much for the GPU's memory.
    """
    step = run.done
    set_training(run.network, run.settings)
    rate = learning_rate(run.settings, step, run.steps)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    loss = run.team.total(_backward(run, values, step), run.device)
    if not math.isfinite(loss):
        raise InputError("model.learning_rate", f"the loss is no number after step {step + 1}", "lower it")
    run.team.add_gradients(run.network)
    run.optimizer.step()
    run.log.append((loss, rate))
    if run.average is not None:
        run.average.update(run.network, run.done)
    return loss


def _backward(run: Run, values: NDArray[np.uint8], step: int) -> float:
    """Leaves the gradient of this process's windows in the network; halves the micro-batch where memory is short."""
    images, labels = varied(run, values, step)
    valid_px, count = int((labels != IGNORE).sum()), len(labels)
    mine = run.team.share(count)
    images, labels = images[mine], labels[mine]
    while True:
        # Dropout draws from torch's own generator: seeded by the step, a resumed run draws the same.
        torch.manual_seed(int(np.random.SeedSequence([run.seed, step, run.team.rank]).generate_state(1)[0]))
        run.optimizer.zero_grad(set_to_none=True)
        try:
            return _add_up(run, images, labels, valid_px, count)
        except torch.OutOfMemoryError as error:
            run.micro = _halved(run, len(labels), error)


def _add_up(run: Run, images: torch.Tensor, labels: torch.Tensor, valid_px: int, count: int) -> float:
    """Loss and gradient of some windows of a batch of `count`, a micro-batch at a time."""
    loss, micro = 0.0, run.micro or len(labels)
    for first in range(0, len(labels), micro):
        some = labels[first : first + micro]
        answer = logits(run, run.network, images[first : first + micro], some)
        part = segmentation_loss(answer, some, run.settings.loss, valid_px, len(some) / count)
        part.backward()  # type: ignore[no-untyped-call]
        loss += part.item()
    return loss


def _halved(run: Run, windows: int, error: torch.OutOfMemoryError) -> int:
    """Half of the micro-batch that was too much for the GPU's memory."""
    micro = run.micro or windows
    if micro == 1 or run.team.size > 1:
        # Processes that train together must take the same number of steps forward and back.
        raise InputError("model.batch", f"{micro} windows do not fit the GPU's memory", "lower it") from error
    torch.cuda.empty_cache()
    print(f"training: out of GPU memory with {micro} windows at a time; going on with {micro // 2}", file=sys.stderr)
    return micro // 2


def varied(run: Run, values: NDArray[np.uint8], step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (n, bands, s, s) float32 and labels (n, s, s) uint8 of a step, on the device, varied at random."""
    images, labels = _on_device(run, values)
    return vary(images, labels, run.normalise.mean, run.settings, run.seed, step)


def _on_device(run: Run, values: NDArray[np.uint8]) -> tuple[torch.Tensor, torch.Tensor]:
    """Images as float32 8-bit values and labels of some windows, on the device."""
    tensor = torch.from_numpy(values).to(run.device)
    return tensor[:, :-1].float(), tensor[:, -1]


def logits(run: Run, network: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """A network's (n, s, s) float32 logits of images whose valid pixels the labels tell."""
    valid = (labels != IGNORE)[:, None]
    prepared = run.normalise(images, valid).contiguous(memory_format=torch.channels_last)
    with torch.autocast(run.device.type, torch.bfloat16, enabled=computes_in_bfloat16(run)):
        answer: torch.Tensor = network(prepared)
    return answer[:, 0].float()


def computes_in_bfloat16(run: Run) -> bool:
    """Whether training computes in bfloat16; `auto` does on a GPU that has it."""
    wanted = run.settings.precision
    return wanted == "bfloat16" or (
        wanted == "auto" and run.device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    )


def settle_statistics(run: Run, network: torch.nn.Module) -> None:
    """Takes batch normalisation's statistics anew, as the mean over some batches of the trained network.

    The running averages lag behind weights that still move: after a short training this raised the IoU on the
    training windows from 0.47 to 0.59 (45 steps from scratch). The batches are drawn and varied as in training,
    since those of plain windows suit the weights less (0.49); dropout is off, as in inference
    (Wu and Johnson 2021, "Rethinking Batch in BatchNorm").
    """
    network.eval()
    layers = norm_layers(network)
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    with torch.no_grad():
        for step in range(run.steps, run.steps + min(_SETTLING, run.steps)):
            values = np.stack([run.pixels[row] for row in run.sampler(step)])
            logits(run, network, *varied(run, values, step))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    network.eval()


def as_used(run: Run) -> torch.nn.Module:
    """A copy of the network of this step as it would be used: averaged, its statistics settled."""
    network = copy.deepcopy(run.network if run.average is None else run.average.network)
    if not run.settings.freeze_batch_norm:
        settle_statistics(run, network)
    return network.eval()


def answers(run: Run, network: torch.nn.Module) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Logits and labels of the held-out windows, batch by batch."""
    for first in range(0, len(run.held_out), run.settings.batch):
        values = np.stack([run.pixels[row] for row in run.held_out[first : first + run.settings.batch]])
        with torch.inference_mode():
            images, labels = _on_device(run, values)
            yield logits(run, network, images, labels), labels


def evaluate(run: Run) -> Validation:
    """Evaluates the network of this step on the held-out windows, and keeps its weights if it is the best so far."""
    network = as_used(run)
    figures = validate(answers(run, network), run.settings.loss)
    # Processes that train together decide by the first one's figure, or they might stop at different steps.
    led = figures.average_precision if run.team.leads else 0.0
    precision = None if figures.average_precision is None else run.team.total(led or 0.0, run.device)
    run.evaluations.append(Evaluated(run.done, Validation(figures.loss, figures.iou, precision)))
    if run.best_step == run.done:
        run.best = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    return figures


def kept(run: Run) -> torch.nn.Module:
    """The network that a finished run hands over: the best that was evaluated, else that of the last step."""
    if run.best is None:
        return as_used(run)
    network = copy.deepcopy(run.network)
    network.load_state_dict(run.best)
    return network.eval()
