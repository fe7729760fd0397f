"""The only door to files that torch wrote: tensors and plain containers; nothing in a file is executed."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from slumpmap import observed
from slumpmap.errors import InputError


def read_tensors(path: Path, what: str) -> Any:
    """What `torch.save` wrote of tensors, numbers, texts, and dicts and lists of them; on the CPU.

    Args:
        path: the file.
        what: what it is to the user (`encoder weights`), for the message.

    Raises:
        InputError: the file is missing, damaged, holds anything else, or is compressed (torch never does that), which
            may stand for any size.
    """
    try:
        if zipfile.is_zipfile(path):
            _check_stored(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGED as error:
        raise InputError(path, f"{what} cannot be read ({error})", "correct the path, or save tensors only") from error


def read_safetensors(path: Path, what: str) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file by name, on the CPU.

    Raises:
        InputError: the file is missing or damaged.
    """
    observed.read([path])
    try:
        return dict(load_file(path))
    except (SafetensorError, *_DAMAGED) as error:
        raise InputError(path, f"{what} cannot be read ({error})", "correct the path, or bring it again") from error


def _check_stored(path: Path) -> None:
    """Refuses a ZIP with a compressed member."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                raise ValueError(f"{member.filename} in it is compressed")


# What torch's readers raise on a damaged file: the reader of the ZIP, of the old format, and the unpickler.
_DAMAGED = (
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    MemoryError,
    NotImplementedError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)
