"""Checkpoints of a training run: written whole, read only by the run that they belong to."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from slumpmap.files import atomic

_FILE = "last.pt"


def fingerprint(**parts: Any) -> str:
    """SHA-256 of all that decides the outcome of a run."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def save_checkpoint(folder: Path, mark: str, step: int, state: dict[str, Any]) -> None:
    """Replaces the checkpoint of a run.

    Args:
        folder: where it is kept.
        mark: fingerprint of the run.
        step: steps that are done.
        state: tensors, numbers, and dicts and lists of them.
    """
    with atomic(folder / _FILE) as temporary:
        torch.save({"mark": mark, "step": step, "state": state}, temporary)


def load_checkpoint(folder: Path, mark: str) -> tuple[int, dict[str, Any]] | None:
    """Steps done and state of the run's last checkpoint; None, with a line that says why, if there is none to use."""
    path = folder / _FILE
    if not path.exists():
        return None
    try:
        # Plain tensors and containers only: nothing in the file is executed.
        values = torch.load(path, map_location="cpu", weights_only=True)
        found, step, state = values["mark"], int(values["step"]), values["state"]
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:80]
        print(f"training: {path} cannot be read ({reason}); starting again", file=sys.stderr)
        return None
    if found != mark:
        print(f"training: {path} belongs to other settings or labels; starting again", file=sys.stderr)
        return None
    print(f"training: resuming after step {step}", file=sys.stderr)
    return step, state


def drop_checkpoints(folder: Path) -> None:
    """Removes the checkpoints of a run that is complete."""
    shutil.rmtree(folder, ignore_errors=True)
