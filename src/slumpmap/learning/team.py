"""One process on each GPU: together they train one network, as torchrun starts them, or share the tiles to map."""

from __future__ import annotations

import os
import subprocess
import sys
import time
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


def divide(arguments: Sequence[str], tile_ids: Sequence[str], device: str) -> int | None:
    """Runs a slumpmap command once on each GPU, each with its part of the tiles.

    Neighbouring tiles stay together, since they share windows.

    Args:
        arguments: the command and its options, `--tiles` among them.
        tile_ids: the tiles.
        device: `auto`, `cpu` or `cuda`.

    Returns:
        Exit code: that of the first process to fail, upon which the others are ended. None, and nothing was run,
        where there are fewer than two GPUs or tiles.
    """
    count = min(torch.cuda.device_count(), len(tile_ids))
    if device == "cpu" or count < 2:
        return None
    # A cluster gives a job some of a node's GPUs by this variable, by number or by name.
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = given.split(",")[:count] if given else [str(number) for number in range(count)]
    parts = [tile_ids[rank * len(tile_ids) // count : (rank + 1) * len(tile_ids) // count] for rank in range(count)]
    command = [sys.executable, "-m", "slumpmap", *arguments]
    # The last of two equal options counts. A process that sees one GPU divides no further.
    return _first_failure(
        [
            subprocess.Popen([*command, "--tiles", ",".join(part)], env=os.environ | {"CUDA_VISIBLE_DEVICES": gpu})
            for gpu, part in zip(gpus, parts, strict=True)
        ]
    )


def _first_failure(processes: Sequence[subprocess.Popen[bytes]]) -> int:
    """Waits for processes; if one fails the others are ended, and its exit code is returned, otherwise 0."""
    try:
        while True:
            codes = [process.poll() for process in processes]
            failed = [code for code in codes if code]
            if failed:
                return failed[0]
            if None not in codes:
                return 0
            time.sleep(0.2)
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
                process.wait()
