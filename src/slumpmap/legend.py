"""Legends of class rasters: what the values mean."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from slumpmap.errors import InputError
from slumpmap.tables import read_csv

_COLUMNS = ("code", "name")


def read_legend(path: Path, what: str) -> dict[int, str]:
    """Reads a legend: CSV with the columns `code` (whole number) and `name`; other columns are left alone.

    Args:
        path: the file.
        what: what the classes are to the user (`vegetation`), for messages.

    Returns:
        Names of the codes, the codes rising.

    Raises:
        InputError: the file is missing, unreadable, lacks a column or rows, a code is no whole number or stands
            there twice, or a name is empty.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, f"legend of {what} is missing", "correct the path or bring the file")
    table = read_csv(path, what=f"legend of {what}", dtype=str, keep_default_na=False, skipinitialspace=True)
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        raise InputError(path, f"legend of {what} lacks the column {', '.join(missing)}", "name its columns code,name")
    if table.empty:
        raise InputError(path, f"legend of {what} has no rows", "give each code a name")
    values = pd.to_numeric(table["code"], errors="coerce")
    names = table["name"].str.strip()
    for wrong, fault in (
        (values.isna() | (values % 1 != 0), "is no whole number"),
        (values.duplicated(), "stands there twice"),
        (names == "", "has no name"),
    ):
        if wrong.any():
            value = table.loc[wrong, "code"].iloc[0]
            raise InputError(path, f"code {value!r} in the legend of {what} {fault}", "correct the row")
    return dict(sorted(zip(values.astype(int), names, strict=True)))
