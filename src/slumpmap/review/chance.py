"""Chance that depends on names alone, so that it is the same in every run and in any order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def uniform(seed: int, reviewer: str, purpose: str, names: Sequence[str]) -> NDArray[np.float64]:
    """One number in [0, 1) a name, which depends on nothing but the arguments (not on the rows' order)."""
    keys = (f"{seed}|{reviewer}|{purpose}|{name}".encode() for name in names)
    digests = [int.from_bytes(hashlib.blake2b(key, digest_size=7).digest()) for key in keys]
    return np.array(digests, dtype=np.float64) / 2.0**56
