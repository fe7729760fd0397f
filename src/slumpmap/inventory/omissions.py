"""What an inventory does not say of which slump, and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]

COLUMNS = ("id", "attribute", "reason", "covered")
# Shares below this are what rounding leaves.
_NONE = 1e-9


class Omissions:
    """Collects, slump by slump, attributes that are missing or rest on a part of the slump only.

    Args:
        ids: (slumps,) their ids.
    """

    def __init__(self, ids: pd.Series) -> None:
        self._ids = ids.reset_index(drop=True)
        self._parts: list[pd.DataFrame] = []

    def add(self, attribute: str, reason: str, flags: Flags, covered: Floats | float = 0.0) -> None:
        """Lists an attribute of the flagged slumps; `covered`: the share of the slump that it rests on."""
        if flags.any():
            share = np.broadcast_to(covered, flags.shape)[flags]
            part = {"id": self._ids[flags], "attribute": attribute, "reason": reason, "covered": share}
            self._parts.append(pd.DataFrame(part))

    def of_layer(self, attribute: str, raster: Path, table: pd.DataFrame) -> None:
        """Lists what a raster does not cover, and says on standard output of how many slumps it says nothing."""
        nodata, outside = table["nodata"].to_numpy(), table["outside"].to_numpy()
        covered = np.clip(1 - nodata - outside, 0, 1)
        nothing, beyond, void = table["count"].to_numpy() == 0, outside > _NONE, nodata > _NONE
        self.add(attribute, "outside the layer", nothing & beyond & ~void)
        self.add(attribute, "the layer has no value there", nothing & void)
        self.add(attribute, "partly outside the layer", ~nothing & beyond & ~void, covered)
        self.add(attribute, "the layer has values of a part only", ~nothing & void, covered)
        if nothing.any():
            count = int(nothing.sum())
            print(f"warning: {raster}: no {attribute} under {count} of {len(table)} slumps; their values stay empty")

    def table(self) -> pd.DataFrame:
        """One row for each slump and attribute, by id."""
        if not self._parts:
            return pd.DataFrame({name: pd.Series(dtype=object) for name in COLUMNS})
        return pd.concat(self._parts).sort_values(["id", "attribute"], ignore_index=True)[list(COLUMNS)]

    def of_slumps(self) -> pd.Series:
        """The attributes that are missing, `slope;pisr`, or None: one text a slump."""
        table = self.table()
        missing = table[table["covered"] == 0].groupby("id")["attribute"].agg(";".join)
        texts = self._ids.map(missing).astype(object)
        return texts.where(texts.notna(), None)
