"""How weights move: optimizer, learning rate, frozen batch norm, moving average."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch

from slumpmap.settings.learning import TrainingSettings

_MOMENTUM = 0.9


def make_optimizer(network: torch.nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """The optimizer of the weights that are not frozen."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    options: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.optimizer == "sgd":
        return torch.optim.SGD(weights, momentum=_MOMENTUM, **options)
    return torch.optim.AdamW(weights, **options)


def learning_rate(settings: TrainingSettings, step: int, steps: int) -> float:
    """Learning rate of a step (from 0): falls by `schedule` from the first step on, and climbs during the warm-up.

    `poly`: (1 - step / steps)^poly_power (Chen et al. 2018, doi 10.1109/TPAMI.2017.2699184); `cosine`: half a wave
    (Loshchilov and Hutter 2017, arXiv 1608.03983). Warm-up multiplies by a straight line from 0 to 1.
    """
    done = step / steps
    fall = (1 - done) ** settings.poly_power if settings.schedule == "poly" else (1 + math.cos(math.pi * done)) / 2
    warm = math.ceil(settings.warm_up * steps)
    rate: float = settings.learning_rate * fall * min(1.0, (step + 1) / (warm + 1))
    return rate


def norm_layers(network: torch.nn.Module) -> list[torch.nn.modules.batchnorm._BatchNorm]:
    """The network's batch norm layers."""
    return [module for module in network.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]


def freeze_norms(network: torch.nn.Module) -> None:
    """Keeps scales and shifts of batch norm from being trained."""
    for layer in norm_layers(network):
        layer.requires_grad_(False)


def set_training(network: torch.nn.Module, settings: TrainingSettings) -> None:
    """Training mode; frozen batch norm keeps its statistics."""
    network.train()
    if settings.freeze_batch_norm:
        for layer in norm_layers(network):
            layer.eval()


class Average:
    """Exponential moving average of a network's weights; statistics of batch norm are those of the network itself.

    The decay climbs as (1 + n) / (10 + n) with the number n of updates until it reaches its value, so that the
    first weights do not linger.

    Args:
        network: the network that is trained.
        decay: 0 <= decay < 1; 0 follows the network.
    """

    def __init__(self, network: torch.nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: torch.nn.Module, count: int) -> None:
        """Takes in the network's weights after its `count`-th step, counted from 1."""
        decay = min(self._decay, (1 + count) / (10 + count))
        mine: list[torch.Tensor] = list(self.network.parameters())
        theirs: list[torch.Tensor] = list(network.parameters())
        torch._foreach_lerp_(mine, theirs, 1 - decay)
        for own, other in zip(self.network.buffers(), network.buffers(), strict=True):
            own.copy_(other)
