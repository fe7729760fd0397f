"""Losses over valid pixels, and the agreement of a prediction with its labels."""

from __future__ import annotations

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from slumpmap.learning.windows import IGNORE


def segmentation_loss(logits: torch.Tensor, labels: torch.Tensor, name: str) -> torch.Tensor:
    """Loss of a batch; pixels labelled 255 count for nothing.

    Args:
        logits: (n, s, s) float32.
        labels: (n, s, s) uint8: 0, 1, or 255.
        name: `cross_entropy`: mean binary cross entropy; `cross_entropy_dice`: plus 1 - soft Dice of the batch
            (Milletari et al. 2016, without the squares), with 1 added above and below the line.

    Returns:
        Scalar; 0 where no pixel is valid.
    """
    valid = labels != IGNORE
    target = (labels == 1).to(logits.dtype)
    entropy = binary_cross_entropy_with_logits(logits, target, reduction="none")
    loss = (entropy * valid).sum() / valid.sum().clamp(min=1)
    if name == "cross_entropy_dice" and bool(valid.any()):
        probability = torch.sigmoid(logits) * valid
        dice = (2 * (probability * target).sum() + 1) / (probability.sum() + target.sum() + 1)
        loss = loss + 1 - dice
    return loss


def overlap(logits: torch.Tensor, labels: torch.Tensor) -> tuple[int, int]:
    """Pixels in the intersection and in the union of prediction (probability over 0.5) and labels."""
    valid = labels != IGNORE
    said, true = (logits > 0) & valid, (labels == 1) & valid
    return int((said & true).sum()), int((said | true).sum())
