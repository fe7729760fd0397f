"""Whether what is said of an inventory holds without the slumps that its makers were not sure of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Rows = NDArray[np.intp]

# Which probabilities count, from all slumps to the sure ones alone.
SUBSETS: Mapping[str, tuple[str, ...]] = {
    "all": (),
    "without_low": ("low",),
    "high_only": ("low", "medium"),
}


def sensitivity(
    statements: Mapping[str, Callable[[Rows], float | None]], probability: NDArray[Any] | pd.Series
) -> pd.DataFrame:
    """Each statement for all slumps, without those of low probability, and for those of high probability alone.

    Slumps whose probability is unknown count in all three: that nobody graded them says nothing against them.

    Args:
        statements: for each name a function of the rows of the slumps that count, which gives a number, or None where
            there is none; for example `lambda rows: float(np.median(elevation[rows]))`.
        probability: (slumps,) high, medium, low, or None.

    Returns:
        One row a statement: `statement`, `all`, `without_low`, `high_only`, and `change_percent`, the largest change
        of the two against all (NaN where there is no number, or where all gives 0). `attrs["slumps"]`: how many
        slumps each column counts.
    """
    grades = np.asarray(probability, dtype=object)
    subsets = {name: np.flatnonzero(~np.isin(grades, list(out))) for name, out in SUBSETS.items()}
    rows = [
        {"statement": text} | {name: _number(function(subset)) for name, subset in subsets.items()}
        for text, function in statements.items()
    ]
    table = pd.DataFrame(rows, columns=["statement", *SUBSETS]).astype(dict.fromkeys(SUBSETS, float))
    others = table[list(SUBSETS)[1:]].to_numpy()
    whole = table[["all"]].to_numpy()
    changes = np.divide(others - whole, np.abs(whole), out=np.full_like(others, np.nan), where=whole != 0)
    place = np.where(np.isnan(changes), -1.0, np.abs(changes)).argmax(axis=1) if len(table) else np.empty(0, dtype=int)
    table["change_percent"] = 100 * changes[np.arange(len(table)), place]
    table.attrs = {"slumps": {name: len(subset) for name, subset in subsets.items()}}
    return table


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
