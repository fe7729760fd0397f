"""Batches of training windows: which ones, and how they are varied; functions of the seed and the step alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from slumpmap.learning.windows import IGNORE

_PICK, _VARY = 1, 2


@dataclass(frozen=True)
class Normalisation:
    """From 8-bit values to the network's input: (value - mean) / std per band; nodata becomes 0, the mean."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, images: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """(n, 3, h, w) 8-bit values as float32 and (n, 1, h, w) bool -> (n, 3, h, w) float32."""
        mean, std = (images.new_tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.std))
        return (images - mean) / std * valid


def statistics(pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> Normalisation:
    """Mean and standard deviation of the valid pixels of some windows, one window in memory at a time."""
    sums, squares, count = np.zeros(3), np.zeros(3), 0
    for row in rows:
        values = pixels[row, :3][:, pixels[row, 3] != IGNORE].astype(np.float64)
        sums += values.sum(axis=1)
        squares += (values**2).sum(axis=1)
        count += values.shape[1]
    mean = sums / max(count, 1)
    std = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 1.0))
    return Normalisation(tuple(mean.round(3).tolist()), tuple(std.round(3).tolist()))


class Sampler:
    """Chooses the windows of each step: half hold slumps, half do not, where there are both.

    Each half runs through its windows in a random order, all of them before any comes again. Nothing is
    kept from step to step, so that a resumed run chooses as an unbroken one.

    Args:
        slump_px: (n,) slump pixels of each window.
        rows: the windows to choose from, as row numbers.
        batch: windows in a step.
        seed: seed of the order.
    """

    def __init__(self, slump_px: NDArray[np.int64], rows: NDArray[np.int64], batch: int, seed: int) -> None:
        holds = slump_px[rows] > 0
        half = batch // 2 if holds.any() and not holds.all() else batch
        pools = [(rows[holds], half), (rows[~holds], batch - half)] if holds.any() else [(rows, batch)]
        self._pools = [(pool, share) for pool, share in pools if share]
        self._seed = seed

    def __call__(self, step: int) -> NDArray[np.int64]:
        """(batch,) row numbers of a step, counted from 0."""
        return np.concatenate([self._draw(number, step) for number in range(len(self._pools))])

    def _draw(self, number: int, step: int) -> NDArray[np.int64]:
        pool, share = self._pools[number]
        wanted = step * share + np.arange(share)
        rounds = {
            turn: np.random.default_rng([self._seed, _PICK, number, turn]).permutation(pool)
            for turn in range(wanted[0] // len(pool), wanted[-1] // len(pool) + 1)
        }
        return np.array([rounds[index // len(pool)][index % len(pool)] for index in wanted.tolist()])


def vary(
    images: torch.Tensor, labels: torch.Tensor, mean: tuple[float, float, float], seed: int, step: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random flips, quarter turns, brightness, contrast and colour of a batch.

    Args:
        images: (n, 3, s, s) float32, 8-bit values.
        labels: (n, s, s) uint8.
        mean: values around which contrast changes.
        seed: seed of training.
        step: step of training.

    Returns:
        Images and labels of the same shapes; values may leave 0..255.
    """
    rng = np.random.default_rng([seed, _VARY, step])
    count = len(images)
    flags = torch.from_numpy(rng.random((3, count, 1, 1, 1)) < 0.5).to(images.device)
    layers = torch.cat([images, labels[:, None].to(images.dtype)], dim=1)
    # Two flips and a transposition make all eight symmetries of the square.
    layers = torch.where(flags[0], layers.flip(-1), layers)
    layers = torch.where(flags[1], layers.flip(-2), layers)
    layers = torch.where(flags[2], layers.transpose(-1, -2), layers)
    contrast = np.exp(rng.uniform(-0.2, 0.2, (count, 1, 1, 1)))
    gain = np.exp(rng.uniform(-0.15, 0.15, (count, 1, 1, 1)) + rng.uniform(-0.06, 0.06, (count, 3, 1, 1)))
    centre = images.new_tensor(mean).view(1, 3, 1, 1)
    contrast_, gain_ = (torch.from_numpy(v).to(images) for v in (contrast, gain))
    return ((layers[:, :3] - centre) * contrast_ + centre) * gain_, layers[:, 3].to(labels.dtype)
