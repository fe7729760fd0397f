"""Losses over valid pixels, and the agreement of a prediction with its labels."""

from __future__ import annotations

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from slumpmap.learning.windows import IGNORE, SLUMP

_FOCUS = 2.0


def segmentation_loss(
    logits: torch.Tensor, labels: torch.Tensor, name: str, valid_px: int | None = None, share: float = 1.0
) -> torch.Tensor:
    """Loss of a batch, or what a part of a batch adds to it; pixels labelled 255 count for nothing.

    Args:
        logits: (n, s, s) float32.
        labels: (n, s, s) uint8: 0, 1, or 255.
        name: `cross_entropy`: mean binary cross entropy; `focal`: the same, each pixel weighted by (1 - p)^2, where
            p is the probability given to its class (Lin et al. 2017, doi 10.1109/ICCV.2017.324, without alpha);
            with `_dice`: plus 1 - soft Dice (Milletari et al. 2016, doi 10.1109/3DV.2016.79, without the squares),
            with 1 added above and below the line.
        valid_px: valid pixels of the whole batch, where this is a part of it; None: this is all of it.
        share: share of the batch's windows in this part. The entropies of parts add up to the batch's exactly; Dice
            is the mean of the parts' instead, since it is no sum over pixels.

    Returns:
        Scalar; 0 where no pixel is valid.
    """
    valid = labels != IGNORE
    target = (labels == SLUMP).to(logits.dtype)
    entropy = binary_cross_entropy_with_logits(logits, target, reduction="none")
    if name.startswith("focal"):
        entropy = entropy * (1 - torch.exp(-entropy)) ** _FOCUS
    total = valid.sum().clamp(min=1) if valid_px is None else max(valid_px, 1)
    loss = (entropy * valid).sum() / total
    if name.endswith("_dice"):
        probability = torch.sigmoid(logits) * valid
        dice = (2 * (probability * target).sum() + 1) / (probability.sum() + target.sum() + 1)
        # Where nothing is valid, Dice is 1 and its gradient 0.
        loss = loss + share * (1 - dice)
    return loss


def overlap(logits: torch.Tensor, labels: torch.Tensor) -> tuple[int, int]:
    """Pixels in the intersection and in the union of prediction (probability over 0.5) and labels."""
    valid = labels != IGNORE
    said, true = (logits > 0) & valid, (labels == SLUMP) & valid
    return int((said & true).sum()), int((said | true).sum())
