"""Training windows to a model bundle; resumes after a kill as if nothing had happened."""

from __future__ import annotations

import math
import platform
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import geopandas as gpd
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from slumpmap import __version__
from slumpmap.errors import InputError
from slumpmap.files import write_text
from slumpmap.learning.batches import Normalisation, Sampler, make_pools, statistics
from slumpmap.learning.bundle import BANDS, ModelCard, load_bundle, read_scaling, save_bundle
from slumpmap.learning.checkpoints import drop_checkpoints, fingerprint, load_checkpoint, save_checkpoint
from slumpmap.learning.network import build_network, check_window, choose_device, pretrained_statistics, repeatable
from slumpmap.learning.optimisation import Average, freeze_norms, make_optimizer
from slumpmap.learning.run import Feed, Run, answers, evaluate, kept, take_step
from slumpmap.learning.team import Team, joined
from slumpmap.learning.validation import Validation, calibrate, validate
from slumpmap.learning.windows import IGNORE, NEGATIVE, SLUMP, TRAIN, VALIDATION, read_windows, training_set_hash
from slumpmap.progress import Progress
from slumpmap.settings.learning import TrainingSettings

LOG, RELIABILITY = "training_log.csv", "reliability.csv"


def train(
    index: Path,
    pixels: Path,
    out: Path,
    settings: TrainingSettings,
    steps: int,
    seed: int,
    resolution: float,
    scaling: Path,
    start: Path | None = None,
    threads: int = 2,
    device: str = "auto",
    bands: Sequence[str] = BANDS,
) -> None:
    """Trains a network and writes its bundle, training_log.csv and reliability.csv (empty if nothing is held out).

    On the CPU, with the same number of threads, the outcome is a function of the arguments and files alone,
    whether or not the run was broken off and resumed. Progress for TensorBoard goes to `<out>_tensorboard`.

    Args:
        index: windows, as written by `make_windows`.
        pixels: their pixels.
        out: folder of the bundle; checkpoints are kept in `<out>_checkpoints` until the bundle is whole.
        settings: the model section of the configuration.
        steps: training steps.
        seed: seed of weights, sampling, variation and dropout.
        resolution: pixel size, metres.
        scaling: the campaign's scaling.json, recorded in the bundle.
        start: bundle whose weights to start from; None: as `settings.encoder_weights` says.
        threads: CPU threads.
        device: `auto`, `cpu` or `cuda`; under torchrun each process takes the GPU of its rank.
        bands: names of the images' bands.

    Raises:
        InputError: unusable windows, settings, start bundle or device.
    """
    layer, values, rows = _read(index, pixels, bands)
    with joined(choose_device(device)) as (team, where), repeatable(seed, threads, settings.deterministic):
        beginning = _beginning(values, rows[TRAIN], settings, start, resolution, scaling, bands)
        run = _prepare(layer, values, rows, settings, steps, seed, beginning, where, team)
        training_set = training_set_hash(layer, values)
        mark = fingerprint(
            settings=settings.model_dump(exclude={"checkpoint_every"}),
            steps=steps,
            seed=seed,
            training_set=training_set,
            start=beginning[2],
        )
        checkpoints = out.with_name(f"{out.name}_checkpoints")
        _advance(run, checkpoints, mark, out.with_name(f"{out.name}_tensorboard"))
        network = kept(run)
        if not team.leads:
            return
        figures = validate(answers(run, network), settings.loss) if run.held_out.size else None
        temperature = _calibrate(run, network, out)
    card = ModelCard(
        settings=settings,
        bands=tuple(bands),
        mean=run.normalise.mean,
        std=run.normalise.std,
        temperature=temperature,
        scaling=read_scaling(scaling),
        resolution=resolution,
        window_px=values.shape[-1],
        training_set=training_set,
        windows=_census(layer, rows),
        start=beginning[2],
        steps=run.done,
        kept_step=run.best_step or run.done,
        seed=seed,
        metrics=_metrics(run, figures),
        versions={"slumpmap": __version__, "torch": torch.__version__, "python": platform.python_version()},
    )
    write_text(out / LOG, _log_text(run, figures))
    save_bundle(out, network, card)
    drop_checkpoints(checkpoints)


def _read(
    index: Path, pixels: Path, bands: Sequence[str]
) -> tuple[gpd.GeoDataFrame, NDArray[np.uint8], dict[str, NDArray[np.int64]]]:
    """The windows, their pixels, and which of them train and which validate; refused where none trains."""
    layer, values = read_windows(index, pixels)
    if values.shape[1] != len(bands) + 1:
        fault = f"holds {values.shape[1] - 1} bands and a label, not {', '.join(bands)} and a label"
        raise InputError(pixels, fault, "remove it and run the workflow again")
    rows = {name: np.flatnonzero(layer["split"] == name) for name in (TRAIN, VALIDATION)}
    if not rows[TRAIN].size:
        raise InputError(index, "no window is there to train on", "lower windows.validation_share")
    return layer, values, rows


def _beginning(
    pixels: NDArray[np.uint8],
    rows: NDArray[np.int64],
    settings: TrainingSettings,
    start: Path | None,
    resolution: float,
    scaling: Path,
    bands: Sequence[str],
) -> tuple[torch.nn.Module, Normalisation, str | None]:
    """The network before the first step, the normalisation that its weights suit, and the start's hash."""
    if start is not None:
        network, card = load_bundle(start, bands, pixels.shape[-1], resolution, scaling)
        for name in ("architecture", "encoder", "output_stride", "atrous_rates"):
            if getattr(card.settings, name) != getattr(settings, name):
                fault = f"has the {name} {getattr(card.settings, name)}, not {getattr(settings, name)}"
                raise InputError(start, fault, "keep model settings, or set model.start_from to pretrained")
        return network, Normalisation(card.mean, card.std), card.weights
    network = build_network(settings, pretrained=True, bands=len(bands))
    normalise = statistics(pixels, rows)
    if settings.encoder_weights is not None:
        mean, std = pretrained_statistics(settings)
        # Bands beyond R, G, B keep their own statistics: the pretraining never saw them.
        normalise = Normalisation((*mean, *normalise.mean[3:]), (*std, *normalise.std[3:]))
    _set_prior(network, pixels, rows)
    return network, normalise, None


def _set_prior(network: torch.nn.Module, pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
    """Lets an untrained network answer with the slumps' share of the ground: fewer steps go into learning it."""
    slump = sum(int(np.count_nonzero(pixels[row, -1] == SLUMP)) for row in rows)
    valid = sum(int(np.count_nonzero(pixels[row, -1] != IGNORE)) for row in rows)
    share = min(max(slump / max(valid, 1), 0.01), 0.5)
    heads = [m for m in network.segmentation_head.modules() if isinstance(m, torch.nn.Conv2d)]  # type: ignore[union-attr]
    if heads and heads[-1].bias is not None:
        torch.nn.init.constant_(heads[-1].bias, math.log(share / (1 - share)))


def _prepare(
    layer: gpd.GeoDataFrame,
    pixels: NDArray[np.uint8],
    rows: dict[str, NDArray[np.int64]],
    settings: TrainingSettings,
    steps: int,
    seed: int,
    beginning: tuple[torch.nn.Module, Normalisation, str | None],
    device: torch.device,
    team: Team,
) -> Run:
    """A run before its first step."""
    network, normalise, _ = beginning
    check_window(network, pixels.shape[-1], "windows.window_px")
    if settings.freeze_batch_norm:
        freeze_norms(network)
    if team.size > 1 and device.type == "cuda":
        network = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    negative = (layer["kind"] == NEGATIVE).to_numpy()
    sampler = Sampler(make_pools(layer["slump_px"].to_numpy(), negative, rows[TRAIN], settings), seed)
    average = Average(network, settings.ema) if settings.ema else None
    optimizer = make_optimizer(network, settings)
    held_out = rows[VALIDATION]
    return Run(
        settings, steps, seed, pixels, sampler, held_out, normalise, network, optimizer, device, team, average=average
    )


def _advance(run: Run, checkpoints: Path, mark: str, board: Path) -> None:
    """Trains from the last checkpoint, if it is this run's, to the last step."""
    found = load_checkpoint(checkpoints, mark)
    if found is not None:
        run.restore(found[1])
    elif run.team.leads:
        shutil.rmtree(board, ignore_errors=True)
    progress = Progress("training", run.steps, "steps", run.done)
    every = run.settings.evaluate_every if run.held_out.size else 0
    # What a broken run showed after its checkpoint is taken back (purge_step).
    opened = SummaryWriter(str(board), purge_step=run.done) if run.team.leads else nullcontext()
    with opened as writer, Feed(run.pixels, run.sampler) as feed:
        while not run.finished:
            loss = take_step(run, feed(run.done))
            figures = evaluate(run) if every and run.done % every == 0 else None
            if writer is None:
                continue
            _show(writer, run, figures)
            if run.done % run.settings.checkpoint_every == 0 and not run.finished:
                save_checkpoint(checkpoints, mark, run.done, run.state())
            progress.update(run.done, f"loss {loss:.4f}")


def _show(writer: SummaryWriter, run: Run, figures: Validation | None) -> None:
    """Adds the last step to what TensorBoard shows."""
    loss, rate = run.log[-1]
    shown = {"training/loss": loss, "training/learning_rate": rate}
    if figures is not None:
        shown |= {f"validation/{name}": value for name, value in vars(figures).items() if value is not None}
    for name, value in shown.items():
        writer.add_scalar(name, value, run.done)


def _calibrate(run: Run, network: torch.nn.Module, out: Path) -> float:
    """Temperature of the network by the held-out windows, 1 where none are; writes reliability.csv."""
    temperature, reliability = calibrate(answers(run, network), run.settings.calibrate)
    write_text(out / RELIABILITY, reliability.to_csv())
    return temperature


def _census(layer: gpd.GeoDataFrame, rows: dict[str, NDArray[np.int64]]) -> dict[str, int]:
    """How many windows train, are held out, hold slumps, lie round negatives."""
    return {
        "training": int(rows[TRAIN].size),
        "validation": int(rows[VALIDATION].size),
        "with_slumps": int((layer["slump_px"] > 0).sum()),
        "round_negatives": int((layer["kind"] == NEGATIVE).sum()),
    }


def _metrics(run: Run, figures: Validation | None) -> dict[str, float | None]:
    """Mean training loss of the last tenth of the steps, and the figures of the held-out windows."""
    last = [loss for loss, _ in run.log[-max(1, run.done // 10) :]]
    found = vars(figures) if figures is not None else dict.fromkeys(Validation.__dataclass_fields__)
    return {"training_loss": float(np.mean(last))} | {f"validation_{name}": value for name, value in found.items()}


def _log_text(run: Run, figures: Validation | None) -> str:
    """The training log as CSV; the last row of a run without evaluations has the figures of its outcome."""
    seen = {e.step: e.figures for e in run.evaluations}
    if figures is not None:
        seen.setdefault(run.done, figures)
    lines = ["step,loss,learning_rate,validation_loss,validation_iou,validation_ap"]
    for step, (loss, rate) in enumerate(run.log, 1):
        found = [seen[step].loss, seen[step].iou, seen[step].average_precision] if step in seen else [None] * 3
        texts = ["" if value is None else f"{value:.6g}" for value in found]
        lines.append(",".join([f"{step},{loss:.6g},{rate:.6g}", *texts]))
    return "\n".join(lines) + "\n"
