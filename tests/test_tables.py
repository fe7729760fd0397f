"""Tables that are read: whole, with their columns and numbers, or refused by name."""

import pandas as pd
import pytest

from slumpmap.errors import InputError
from slumpmap.tables import read_csv, read_parquet


def write(folder, text):
    (folder / "a.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / "a.csv"


def test_columns_of_numbers_become_numbers(tmp_path):
    table = read_csv(write(tmp_path, "x,y,z\n1,,a\n2.5,inf,b\n"), ("z",), ("x", "y"))
    assert table["x"].tolist() == [1.0, 2.5] and table["x"].dtype == float
    assert table["y"].isna().tolist() == [True, False]
    assert table["z"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "bill is not readable as CSV"),
        (b"x\n\xff\xfe\x80", "bill is not readable as CSV"),
        ('x,y\n"1,2\n', "bill is not readable as CSV"),
        ("x,y\n1,2\n1,2,3\n", "bill is not readable as CSV"),
        ("x\n1\n", "bill lacks the column y"),
        ("x,y\n1,two\n", "bill has 'two' in the column y, which holds numbers"),
    ],
)
def test_damaged_tables_are_refused(text, fault, tmp_path):
    with pytest.raises(InputError, match=rf"a\.csv: {fault}"):
        read_csv(write(tmp_path, text), ("x",), ("y",), "bill")


def test_missing_tables_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no\.csv: table is not readable"):
        read_csv(tmp_path / "no.csv")
    with pytest.raises(InputError, match=r"no\.parquet: evidence cannot be read"):
        read_parquet(tmp_path / "no.parquet", "evidence")


def test_parquet(tmp_path):
    pd.DataFrame({"a": [1], "b": [2]}).to_parquet(tmp_path / "a.parquet")
    assert list(read_parquet(tmp_path / "a.parquet", "x", ["b"])) == ["b"]
    with pytest.raises(InputError, match=r"a\.parquet: x cannot be read"):
        read_parquet(tmp_path / "a.parquet", "x", ["c"])
    (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-20])
    with pytest.raises(InputError, match=r"a\.parquet: x cannot be read"):
        read_parquet(tmp_path / "a.parquet", "x")
