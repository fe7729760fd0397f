"""The door to tables without geometries: CSV files and Parquet tables, checked on reading."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from slumpmap import observed
from slumpmap.errors import InputError
from slumpmap.files import REPLACE, atomic

# With these a spreadsheet begins a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# What pandas and Arrow raise on a damaged Parquet file: of the file itself, of the JSON in its head, of its sizes.
PARQUET_ERRORS = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    NotImplementedError,
    RecursionError,
    MemoryError,
)


def read_csv(
    path: Path, columns: Sequence[str] = (), numbers: Sequence[str] = (), what: str = "table", **options: Any
) -> pd.DataFrame:
    """Reads a CSV file.

    Args:
        path: the file.
        columns: columns that must be there.
        numbers: columns that must be there and hold numbers or nothing; they become float64.
        what: what the table is to the user, for messages.
        options: for `pandas.read_csv`.

    Raises:
        InputError: the file is missing, unreadable, lacks a column, or has something else than numbers in one.
    """
    try:
        table: pd.DataFrame = pd.read_csv(path, **options)
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(path, f"{what} is not readable as CSV ({error})", REPLACE) from error
    missing = [name for name in (*columns, *numbers) if name not in table]
    if missing:
        raise InputError(path, f"{what} lacks the column {', '.join(missing)}", "give the file that slumpmap wrote")
    for name in numbers:
        values = pd.to_numeric(table[name], errors="coerce")
        wrong = values.isna() & table[name].notna()
        if wrong.any():
            fault = f"{what} has {str(table.loc[wrong, name].iloc[0])!r} in the column {name}, which holds numbers"
            raise InputError(path, fault, "correct the cell, or make the file again")
        table[name] = values.astype("float64")
    return table


def read_parquet(path: Path, what: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Reads a Parquet table without geometries.

    Args:
        path: the file.
        what: what the table is to the user, for messages.
        columns: those to read, which must be there; None: all.

    Raises:
        InputError: the file is missing, unreadable, or lacks a column.
    """
    observed.read([path])
    try:
        table: pd.DataFrame = pd.read_parquet(path, columns=None if columns is None else list(columns))
        return table
    except PARQUET_ERRORS as error:
        raise InputError(path, f"{what} cannot be read ({error})", "remove it and run the workflow again") from error


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Writes a CSV file for people, atomically, without the index.

    A text that a spreadsheet would take for a formula, which may run a program, gets an apostrophe in front; numbers
    stay as they are. Line breaks in a text are single ones. https://owasp.org/www-community/attacks/CSV_Injection
    """
    harmless = table.copy()
    for name in harmless.select_dtypes(["object", "string", "category"]):
        harmless[name] = harmless[name].astype(object).map(_harmless, na_action="ignore")
    harmless.columns = [_harmless(name) for name in harmless.columns]
    with atomic(path) as temporary:
        harmless.to_csv(temporary, index=False, lineterminator="\n")


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    # Readers take a carriage return for the end of a row, and it is not quoted.
    plain = value.replace("\r\n", "\n").replace("\r", "\n")
    if not value.startswith(_FORMULA):
        return plain
    try:
        float(value)
    except ValueError:
        return f"'{plain}"
    return value
