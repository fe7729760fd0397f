"""Training windows to a model bundle; resumes after a kill as if nothing had happened."""

from __future__ import annotations

import math
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from slumpmap import __version__
from slumpmap.config import ModelSettings
from slumpmap.errors import InputError
from slumpmap.files import write_text
from slumpmap.learning.batches import Normalisation, Sampler, statistics, vary
from slumpmap.learning.bundle import ModelCard, load_bundle, read_scaling, save_bundle
from slumpmap.learning.checkpoints import drop_checkpoints, fingerprint, load_checkpoint, save_checkpoint
from slumpmap.learning.losses import overlap, segmentation_loss
from slumpmap.learning.network import build_network, check_window, choose_device, pretrained_statistics, repeatable
from slumpmap.learning.progress import Progress
from slumpmap.learning.windows import IGNORE, SLUMP, TRAIN, VALIDATION, read_windows, training_set_hash

LOG = "training_log.csv"
_MOMENTUM = 0.9
_WARM_UP = 0.05
_SETTLING = 20


@dataclass
class Run:
    """A training run between two steps.

    Attributes:
        settings: the model section of the configuration.
        steps: steps in all.
        seed: seed of weights, sampling, variation and dropout.
        pixels: (windows, 4, s, s) uint8: R, G, B, label.
        sampler: chooses the windows of a step.
        normalise: from 8-bit values to the network's input.
        network: the network, on the device.
        optimizer: its optimizer.
        device: where it runs.
        log: loss and learning rate of each step so far.
    """

    settings: ModelSettings
    steps: int
    seed: int
    pixels: NDArray[np.uint8]
    sampler: Sampler
    normalise: Normalisation
    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    device: torch.device
    log: list[tuple[float, float]] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps; everything else follows from settings, seed and step."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(), "log": self.log}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up the state of a checkpoint."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.log = [(float(loss), float(rate)) for loss, rate in state["log"]]


def train(
    index: Path,
    pixels: Path,
    out: Path,
    settings: ModelSettings,
    steps: int,
    seed: int,
    resolution: float,
    scaling: Path,
    start: Path | None = None,
    threads: int = 2,
    device: str = "auto",
) -> None:
    """Trains a network and writes its bundle (weights.safetensors, model.json) and training_log.csv.

    On the CPU, with the same number of threads, the outcome is a function of the arguments and files alone,
    whether or not the run was broken off and resumed.

    Args:
        index: windows, as written by `make_windows`.
        pixels: their pixels.
        out: folder of the bundle; checkpoints are kept in `checkpoints` beside it until the bundle is whole.
        settings: the model section of the configuration.
        steps: training steps.
        seed: seed of weights, sampling, variation and dropout.
        resolution: pixel size, metres.
        scaling: the campaign's scaling.json, recorded in the bundle.
        start: bundle whose weights to start from; None: as `settings.encoder_weights` says.
        threads: CPU threads.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        InputError: unusable windows, settings, start bundle or device.
    """
    layer, values = read_windows(index, pixels)
    rows = {name: np.flatnonzero(layer["split"] == name) for name in (TRAIN, VALIDATION)}
    if not rows[TRAIN].size:
        raise InputError(index, "no window is there to train on", "lower windows.validation_share")
    where = choose_device(device)
    with repeatable(seed, threads):
        network, normalise, start_hash = _beginning(values, rows[TRAIN], settings, start, resolution, scaling)
        check_window(network, values.shape[-1], "windows.window_px")
        network = network.to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
        sampler = Sampler(layer["slump_px"].to_numpy(), rows[TRAIN], settings.batch, seed)
        optimizer = _optimizer(network, settings)
        run = Run(settings, steps, seed, values, sampler, normalise, network, optimizer, where)
        training_set = training_set_hash(layer, values)
        mark = fingerprint(
            settings=settings.model_dump(exclude={"checkpoint_every"}),
            steps=steps,
            seed=seed,
            training_set=training_set,
            start=start_hash,
        )
        checkpoints = out.with_name("checkpoints")
        _advance(run, checkpoints, mark)
        settle_statistics(run)
        metrics = _evaluate(run, rows[VALIDATION])
    card = ModelCard(
        settings=settings,
        mean=normalise.mean,
        std=normalise.std,
        scaling=read_scaling(scaling),
        resolution=resolution,
        window_px=values.shape[-1],
        training_set=training_set,
        start=start_hash,
        steps=steps,
        seed=seed,
        metrics=metrics,
        versions={"slumpmap": __version__, "torch": torch.__version__, "python": platform.python_version()},
    )
    write_text(out / LOG, _log_text(run.log, metrics))
    save_bundle(out, network, card)
    drop_checkpoints(checkpoints)


def _beginning(
    pixels: NDArray[np.uint8],
    rows: NDArray[np.int64],
    settings: ModelSettings,
    start: Path | None,
    resolution: float,
    scaling: Path,
) -> tuple[torch.nn.Module, Normalisation, str | None]:
    """The network before the first step, the normalisation that its weights suit, and the start's hash."""
    if start is not None:
        network, card = load_bundle(start, window_px=pixels.shape[-1], resolution=resolution, scaling=scaling)
        for name in ("architecture", "encoder", "output_stride"):
            if getattr(card.settings, name) != getattr(settings, name):
                fault = f"has the {name} {getattr(card.settings, name)}, not {getattr(settings, name)}"
                raise InputError(start, fault, "keep model settings, or set model.start_from to pretrained")
        return network, Normalisation(card.mean, card.std), card.weights
    network = build_network(settings, pretrained=True)
    normalise = statistics(pixels, rows)
    if settings.encoder_weights is not None:
        mean, std = pretrained_statistics(settings)
        normalise = Normalisation((mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))
    _set_prior(network, pixels, rows)
    return network, normalise, None


def _set_prior(network: torch.nn.Module, pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
    """Lets an untrained network answer with the slumps' share of the ground: fewer steps go into learning it."""
    slump = sum(int(np.count_nonzero(pixels[row, 3] == SLUMP)) for row in rows)
    valid = sum(int(np.count_nonzero(pixels[row, 3] != IGNORE)) for row in rows)
    share = min(max(slump / max(valid, 1), 0.01), 0.5)
    heads = [m for m in network.segmentation_head.modules() if isinstance(m, torch.nn.Conv2d)]  # type: ignore[union-attr]
    if heads and heads[-1].bias is not None:
        torch.nn.init.constant_(heads[-1].bias, math.log(share / (1 - share)))


def _optimizer(network: torch.nn.Module, settings: ModelSettings) -> torch.optim.Optimizer:
    options: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), momentum=_MOMENTUM, **options)
    return torch.optim.AdamW(network.parameters(), **options)


def learning_rate(settings: ModelSettings, step: int, steps: int) -> float:
    """Learning rate of a step (from 0): polynomial decay; adamw first climbs linearly for 5 % of the steps."""
    rate: float = settings.learning_rate * (1 - step / steps) ** settings.poly_power
    warm = math.ceil(_WARM_UP * steps) if settings.optimizer == "adamw" else 0
    return rate * min(1.0, (step + 1) / (warm + 1))


def _advance(run: Run, checkpoints: Path, mark: str) -> None:
    """Trains from the last checkpoint, if it is this run's, to the last step."""
    done, found = 0, load_checkpoint(checkpoints, mark)
    if found is not None:
        done, state = found
        run.restore(state)
    progress = Progress("training", run.steps, "steps", done)
    run.network.train()
    for step in range(done, run.steps):
        loss = take_step(run, step)
        if (step + 1) % run.settings.checkpoint_every == 0 and step + 1 < run.steps:
            save_checkpoint(checkpoints, mark, step + 1, run.state())
        progress.update(step + 1, f"loss {loss:.4f}")


def take_step(run: Run, step: int) -> float:
    """One training step; returns the loss.

    Raises:
        InputError: the loss is not finite.
    """
    rate = learning_rate(run.settings, step, run.steps)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    # Dropout draws from torch's own generator: seeded by the step, a resumed run draws the same.
    torch.manual_seed(int(np.random.SeedSequence([run.seed, step]).generate_state(1)[0]))
    images, valid, labels = _drawn(run, step)
    run.optimizer.zero_grad(set_to_none=True)
    loss = segmentation_loss(_logits(run, images, valid), labels, run.settings.loss)
    loss.backward()  # type: ignore[no-untyped-call]
    run.optimizer.step()
    value = loss.item()
    if not math.isfinite(value):
        raise InputError("model.learning_rate", f"the loss is no number after step {step + 1}", "lower it")
    run.log.append((value, rate))
    return value


def settle_statistics(run: Run) -> None:
    """Takes batch normalisation's statistics anew, as the mean over some batches of the trained network.

    The running averages lag behind weights that still move: after a short training this raised the IoU on the
    training windows from 0.47 to 0.59 (45 steps from scratch). The batches are drawn and varied as in training,
    since those of plain windows suit the weights less (0.49); dropout is off, as in inference
    (Wu and Johnson 2021, "Rethinking Batch in BatchNorm").
    """
    run.network.eval()
    layers = [m for m in run.network.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    with torch.no_grad():
        for step in range(run.steps, run.steps + min(_SETTLING, run.steps)):
            _logits(run, *_drawn(run, step)[:2])
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    run.network.eval()


def _drawn(run: Run, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images, valid pixels (n, 1, s, s) and labels of a training step."""
    images, labels = _batch(run, run.sampler(step))
    if run.settings.augment:
        images, labels = vary(images, labels, run.normalise.mean, run.seed, step)
    return images, (labels != IGNORE)[:, None], labels


def _batch(run: Run, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, 3, s, s) float32 8-bit values and (n, s, s) uint8 labels, on the device."""
    values = torch.from_numpy(np.stack([run.pixels[row] for row in rows])).to(run.device)
    return values[:, :3].float(), values[:, 3]


def _logits(run: Run, images: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """(n, s, s) float32."""
    prepared = run.normalise(images, valid).contiguous(memory_format=torch.channels_last)
    logits: torch.Tensor = run.network(prepared)
    return logits[:, 0]


def _evaluate(run: Run, rows: NDArray[np.int64]) -> dict[str, float | None]:
    """Mean training loss of the last tenth of the steps, and loss and IoU of the validation windows."""
    last = [loss for loss, _ in run.log[-max(1, run.steps // 10) :]]
    metrics: dict[str, float | None] = {"training_loss": float(np.mean(last))}
    run.network.eval()
    losses, common, union = [], 0, 0
    with torch.inference_mode():
        for first in range(0, len(rows), run.settings.batch):
            some = rows[first : first + run.settings.batch]
            images, labels = _batch(run, some)
            logits = _logits(run, images, (labels != IGNORE)[:, None])
            losses += [float(segmentation_loss(logits, labels, run.settings.loss))] * len(some)
            both, either = overlap(logits, labels)
            common, union = common + both, union + either
    metrics["validation_loss"] = float(np.mean(losses)) if losses else None
    metrics["validation_iou"] = common / union if union else None
    return metrics


def _log_text(log: list[tuple[float, float]], metrics: dict[str, float | None]) -> str:
    """The training log as CSV; the validation's figures stand in the last row."""
    lines = ["step,loss,learning_rate,validation_loss,validation_iou"]
    lines += [f"{step},{loss:.6g},{rate:.6g},," for step, (loss, rate) in enumerate(log, 1)]
    final = ["" if (value := metrics[f"validation_{name}"]) is None else f"{value:.6g}" for name in ("loss", "iou")]
    lines[-1] = f"{lines[-1][:-2]},{final[0]},{final[1]}"
    return "\n".join(lines) + "\n"
