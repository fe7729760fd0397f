"""How good a network is on the held-out blocks, and how far its probabilities can be believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from slumpmap.learning.calibration import Reliability, fit_temperature
from slumpmap.learning.losses import overlap, segmentation_loss
from slumpmap.learning.metrics import window_average_precision
from slumpmap.learning.windows import IGNORE

# An object is found if it overlaps a true one by more than this IoU: the middle threshold of Huang et al. (2020).
OBJECT_IOU = 0.4
_THRESHOLD = 0.5
# Pixels of each window from which the temperature is fitted, at most: more do not change it.
_SAMPLE_PX = 4096
# (logits (n, s, s) float32, labels (n, s, s) uint8) of a batch of windows
Answers = Iterator[tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Validation:
    """Agreement with the labels of the held-out windows.

    Attributes:
        loss: mean loss.
        iou: IoU of all slump pixels; None where neither labels nor prediction hold any.
        average_precision: of the objects in the windows, over their scores; None where the labels hold none.
    """

    loss: float
    iou: float | None
    average_precision: float | None


def validate(answers: Answers, loss: str) -> Validation:
    """Compares a network's answers with the labels.

    Args:
        answers: logits and labels, batch by batch.
        loss: name of the loss.
    """
    losses: list[float] = []
    common = union = 0
    probabilities, truths = [], []
    for logits, labels in answers:
        losses += [float(segmentation_loss(logits, labels, loss))] * len(labels)
        both, either = overlap(logits, labels)
        common, union = common + both, union + either
        probabilities.append(torch.sigmoid(logits).cpu().numpy())
        truths.append(labels.cpu().numpy())
    precision = window_average_precision(np.concatenate(probabilities), np.concatenate(truths), _THRESHOLD, OBJECT_IOU)
    return Validation(float(np.mean(losses)), common / union if union else None, precision)


def calibrate(answers: Answers, fit: bool) -> tuple[float, Reliability]:
    """Temperature that suits the held-out windows, and how reliable the probabilities are with it.

    Args:
        answers: logits and labels, batch by batch; an even sample of each window's valid pixels is used.
        fit: False leaves the temperature at 1.
    """
    samples = [_sample(logits, labels) for logits, labels in answers]
    logits = np.concatenate([np.empty(0, np.float32), *(values for values, _ in samples)])
    labels = np.concatenate([np.empty(0, np.uint8), *(values for _, values in samples)])
    temperature = fit_temperature(logits, labels) if fit else 1.0
    return temperature, Reliability.of(1 / (1 + np.exp(-logits.astype(np.float64) / temperature)), labels)


def _sample(logits: torch.Tensor, labels: torch.Tensor) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    step = max(1, labels[0].numel() // _SAMPLE_PX)
    flat, known = logits.flatten(1)[:, ::step], labels.flatten(1)[:, ::step]
    valid = known != IGNORE
    return flat[valid].cpu().numpy(), known[valid].cpu().numpy()
