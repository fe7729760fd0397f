"""Several processes that train one network together, one on each GPU, as torchrun starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class Team:
    """This process among those that train together; alone, its methods change nothing.

    Attributes:
        rank: number of this process, from 0; the first one writes the files.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This process's part of `count` windows; the parts differ by one window at most."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def total(self, value: float, device: torch.device) -> float:
        """Sum of a number over all processes."""
        if self.size == 1:
            return value
        summed = torch.tensor(value, dtype=torch.float64, device=device)
        distributed.all_reduce(summed)
        return float(summed)

    def add_gradients(self, network: torch.nn.Module) -> None:
        """Replaces each gradient by its sum over all processes."""
        if self.size == 1:
            return
        gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
        # One message instead of hundreds.
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))


@contextmanager
def joined(device: torch.device) -> Iterator[tuple[Team, torch.device]]:
    """Joins the processes that torchrun started, if it did; gives this one's place and device."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team(), device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(distributed.get_rank(), size), device
    finally:
        distributed.destroy_process_group()


def spread(arguments: Sequence[str], device: str) -> int | None:
    """Runs a slumpmap command again by torchrun, one process on each GPU.

    Args:
        arguments: the command and its options.
        device: `auto`, `cpu` or `cuda`.

    Returns:
        Exit code of the processes; None, and nothing was run, where there are fewer than two GPUs or this process
        is one of torchrun's already.
    """
    count = torch.cuda.device_count()
    if device == "cpu" or count < 2 or "WORLD_SIZE" in os.environ:
        return None
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    return subprocess.run([*launcher, "-m", "slumpmap", *arguments], check=False).returncode
