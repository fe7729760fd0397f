"""Batches of training windows: which ones, and how they are varied; functions of the seed and the step alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import affine_grid, conv2d, grid_sample

from slumpmap.learning.windows import IGNORE, SLUMP
from slumpmap.settings.learning import TrainingSettings

_PICK, _VARY = 1, 2
# The varied copies of a window in Huang et al. (2020, doi 10.1016/j.rse.2019.111534): sigma of the blur in pixels,
# pixels cut from each side, scale.
_COPIES = {"blur": (1.0, 2.0), "crop": (10.0, 30.0), "scale": (0.75, 1.25)}
# Divisible by any number of choices from 1 to 7, so that each is as likely as another.
_ALL_COPIES = 420


@dataclass(frozen=True)
class Normalisation:
    """From 8-bit values to the network's input: (value - mean) / std per band; nodata becomes 0, the mean."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, images: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """(n, bands, h, w) 8-bit values as float32 and (n, 1, h, w) bool -> (n, bands, h, w) float32."""
        mean, std = (images.new_tensor(v).view(1, -1, 1, 1) for v in (self.mean, self.std))
        return (images - mean) / std * valid


def statistics(pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> Normalisation:
    """Mean and standard deviation of the valid pixels of some windows, one window in memory at a time."""
    bands = pixels.shape[1] - 1
    sums, squares, count = np.zeros(bands), np.zeros(bands), 0
    for row in rows:
        values = pixels[row, :-1][:, pixels[row, -1] != IGNORE].astype(np.float64)
        sums += values.sum(axis=1)
        squares += (values**2).sum(axis=1)
        count += values.shape[1]
    mean = sums / max(count, 1)
    std = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 1.0))
    return Normalisation(tuple(mean.round(3).tolist()), tuple(std.round(3).tolist()))


class Sampler:
    """Chooses the windows of each step.

    Windows are drawn from pools, each of which gives its share of every step and runs through its windows in a
    random order, all of them before any comes again. Nothing is kept from step to step, so that a resumed run
    chooses as an unbroken one.

    Args:
        pools: row numbers of each pool's windows, and how many of them a step takes; no pool is empty.
        seed: seed of the order.
    """

    def __init__(self, pools: Sequence[tuple[NDArray[np.int64], int]], seed: int) -> None:
        self._pools = [(pool, count) for pool, count in pools if count]
        self._seed = seed

    def __call__(self, step: int) -> NDArray[np.int64]:
        """(batch,) row numbers of a step, counted from 0."""
        return np.concatenate([self._draw(number, step) for number in range(len(self._pools))])

    def _draw(self, number: int, step: int) -> NDArray[np.int64]:
        pool, count = self._pools[number]
        wanted = step * count + np.arange(count)
        rounds = {
            turn: np.random.default_rng([self._seed, _PICK, number, turn]).permutation(pool)
            for turn in range(wanted[0] // len(pool), wanted[-1] // len(pool) + 1)
        }
        return np.array([rounds[index // len(pool)][index % len(pool)] for index in wanted.tolist()])


def make_pools(
    slump_px: NDArray[np.int64], negative: NDArray[np.bool_], rows: NDArray[np.int64], settings: TrainingSettings
) -> list[tuple[NDArray[np.int64], int]]:
    """The pools of a sampler.

    `uniform`: one pool, in which a window with slumps stands once for itself and once for each varied copy that
    Huang et al. (2020) made of it. `balanced`: windows that hold slumps, windows round negatives, other windows,
    by `slump_share` and `hard_share`; a pool without windows leaves its share to the others.

    Args:
        slump_px: (n,) slump pixels of each window.
        negative: (n,) whether a window was laid round a negative.
        rows: the windows to choose from, as row numbers.
        settings: sampling, shares, batch.
    """
    holds = slump_px[rows] > 0
    if settings.sampling == "uniform":
        copies = sum(len(_COPIES[name]) for name in settings.augment if name in _COPIES)
        return [(np.concatenate([rows, np.repeat(rows[holds], copies)]), settings.batch)]
    hard = ~holds & negative[rows]
    plain = ~holds & ~hard
    slumps = round(settings.batch * settings.slump_share)
    if settings.hard_share is None:
        parts = [(rows[holds], slumps), (rows[~holds], settings.batch - slumps)]
    else:
        looks = round(settings.batch * settings.hard_share)
        parts = [(rows[holds], slumps), (rows[hard], looks), (rows[plain], settings.batch - slumps - looks)]
    there = [(pool, count) for pool, count in parts if len(pool)]
    spare = settings.batch - sum(count for _, count in there)
    pool, count = there[-1]
    return [*there[:-1], (pool, count + spare)]


def vary(
    images: torch.Tensor, labels: torch.Tensor, mean: Sequence[float], settings: TrainingSettings, seed: int, step: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Varies a batch at random, as `settings.augment` says.

    Args:
        images: (n, bands, s, s) float32, 8-bit values.
        labels: (n, s, s) uint8.
        mean: values around which contrast changes, one per band.
        settings: which variations, and whether windows without slumps take part.
        seed: seed of training.
        step: step of training.

    Returns:
        Images and labels of the same shapes; values may leave 0..255. Ground that a scale of 0.75 brings in from
        outside the window is labelled 255.
    """
    rng = np.random.default_rng([seed, _VARY, step])
    varied, moved = images, labels
    # Every variation draws its numbers whether or not it is on: switching one leaves the others as they were.
    flips, copies = rng.random((3, len(images))) < 0.5, rng.integers(0, _ALL_COPIES, len(images))
    light = rng.uniform(-1, 1, (2 + images.shape[1], len(images)))
    varied, moved = _copy(varied, moved, settings.augment, copies)
    varied, moved = _turn(varied, moved, flips * _switches(settings.augment)[:, None])
    if "light" in settings.augment:
        varied = _relight(varied, mean, light)
    if settings.augment_positives_only:
        chosen = (labels == SLUMP).flatten(1).any(dim=1)
        varied = torch.where(chosen[:, None, None, None], varied, images)
        moved = torch.where(chosen[:, None, None], moved, labels)
    return varied, moved


def _switches(augment: Sequence[str]) -> NDArray[np.bool_]:
    """(3,) whether windows are flipped left to right, top to bottom, and transposed."""
    return np.array(["flip" in augment, "flip" in augment, "turn" in augment])


def _turn(images: torch.Tensor, labels: torch.Tensor, flags: NDArray[np.bool_]) -> tuple[torch.Tensor, torch.Tensor]:
    """Flips and transposes the windows whose (3, n) flags say so: together the eight symmetries of the square."""
    layers = torch.cat([images, labels[:, None].to(images.dtype)], dim=1)
    flips = torch.from_numpy(flags).to(images.device)[:, :, None, None, None]
    layers = torch.where(flips[0], layers.flip(-1), layers)
    layers = torch.where(flips[1], layers.flip(-2), layers)
    layers = torch.where(flips[2], layers.transpose(-1, -2), layers)
    return layers[:, :-1], layers[:, -1].to(labels.dtype)


def _relight(images: torch.Tensor, mean: Sequence[float], light: NDArray[np.float64]) -> torch.Tensor:
    """Changes contrast, brightness and colour by (2 + bands, n) numbers in -1..1."""
    contrast = np.exp(0.2 * light[0])[:, None, None, None]
    gain = np.exp(0.15 * light[1] + 0.06 * light[2:]).T[:, :, None, None]
    centre = images.new_tensor(mean).view(1, -1, 1, 1)
    contrast_, gain_ = (torch.from_numpy(values).to(images) for values in (contrast, gain))
    return ((images - centre) * contrast_ + centre) * gain_


def _copy(
    images: torch.Tensor, labels: torch.Tensor, augment: Sequence[str], draws: NDArray[np.int64]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Leaves a window as it is or makes one of its copies (blurred, cropped, scaled), each as likely as another."""
    choices = [(None, 0.0)] + [(name, value) for name in augment for value in _COPIES.get(name, ())]
    if len(choices) == 1:
        return images, labels
    images, labels = images.clone(), labels.clone()
    for number, draw in enumerate(draws.tolist()):
        name, value = choices[draw % len(choices)]
        if name == "blur":
            images[number] = _blur(images[number], labels[number], value)
        elif name is not None:
            side = images.shape[-1]
            zoom = value if name == "scale" else side / (side - 2 * value)
            images[number], labels[number] = _zoom(images[number], labels[number], zoom)
    return images, labels


def _blur(image: torch.Tensor, label: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur over valid pixels; a nodata pixel lends nothing to its neighbours."""
    valid = (label != IGNORE).to(image.dtype)[None]
    ticks = torch.arange(-int(3 * sigma), int(3 * sigma) + 1, device=image.device, dtype=image.dtype)
    kernel = torch.exp(-0.5 * (ticks / sigma) ** 2)
    layers = torch.cat([image * valid, valid])[:, None]
    for shape in ((1, 1, -1, 1), (1, 1, 1, -1)):
        layers = conv2d(layers, kernel.view(shape), padding="same")
    return torch.where(valid > 0, layers[:-1, 0] / layers[-1, 0].clamp(min=1e-6), image)


def _zoom(image: torch.Tensor, label: torch.Tensor, zoom: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Enlarges (zoom > 1) or shrinks a window about its middle; what is not seen in it is labelled 255."""
    valid = (label != IGNORE).to(image.dtype)[None]
    theta = image.new_tensor([[[1 / zoom, 0, 0], [0, 1 / zoom, 0]]])
    where = affine_grid(theta, [1, 1, *label.shape], align_corners=False)
    layers = torch.cat([image * valid, valid])[None]
    seen = grid_sample(layers, where, mode="bilinear", padding_mode="zeros", align_corners=False)[0]
    classes = grid_sample(label[None, None].to(image.dtype), where, mode="nearest", align_corners=False)[0, 0]
    # Half of a pixel's weight on valid ground is enough to say what it shows.
    known = seen[-1] > 0.5
    kept = torch.where(known, classes.to(label.dtype), torch.full_like(label, IGNORE))
    return seen[:-1] / seen[-1:].clamp(min=1e-6) * known, kept
