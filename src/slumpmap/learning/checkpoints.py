"""Checkpoints of a training run: written whole, read only by the run that they belong to."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from slumpmap.errors import InputError
from slumpmap.files import atomic
from slumpmap.learning.tensors import read_tensors

_LAST, _BEFORE = "last.pt", "before.pt"


def fingerprint(**parts: Any) -> str:
    """SHA-256 of all that decides the outcome of a run."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def save_checkpoint(folder: Path, mark: str, step: int, state: dict[str, Any]) -> None:
    """Adds the checkpoint of a run, and keeps the one before.

    Args:
        folder: where it is kept.
        mark: fingerprint of the run.
        step: steps that are done.
        state: tensors, numbers, and dicts and lists of them.
    """
    if (folder / _LAST).exists():
        (folder / _LAST).replace(folder / _BEFORE)
    with atomic(folder / _LAST) as temporary:
        torch.save({"mark": mark, "step": step, "state": state}, temporary)


def load_checkpoint(folder: Path, mark: str) -> tuple[int, dict[str, Any]] | None:
    """Steps done and state of the run's last whole checkpoint; says on stderr what it takes, and what not and why.

    Returns:
        None if there is none to use.
    """
    for path in (folder / _LAST, folder / _BEFORE):
        if not path.exists():
            continue
        try:
            values = read_tensors(path, "checkpoint")
            found, step, state = values["mark"], int(values["step"]), values["state"]
        except (InputError, ValueError, LookupError, TypeError) as error:
            reason = " ".join(str(error).split())[:80]
            print(f"training: {path} cannot be read ({reason}); looking for the one before", file=sys.stderr)
            continue
        if found != mark:
            print(f"training: {path} belongs to other settings or labels; starting again", file=sys.stderr)
            return None
        print(f"training: resuming after step {step}", file=sys.stderr)
        return step, state
    return None


def drop_checkpoints(folder: Path) -> None:
    """Removes the checkpoints of a run that is complete."""
    shutil.rmtree(folder, ignore_errors=True)
