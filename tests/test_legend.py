"""Legends of class rasters, sound and not."""

import pytest

from slumpmap.errors import InputError
from slumpmap.legend import read_legend


def write(folder, text):
    path = folder / "legend.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_values_rise_and_other_columns_are_left_alone(tmp_path):
    path = write(tmp_path, "name,colour,code\nsteppe,#aa0,20\n meadow ,#0a0,-3\n高寒草甸,,5.0\n")
    assert list(read_legend(path, "vegetation").items()) == [(-3, "meadow"), (5, "高寒草甸"), (20, "steppe")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("value,name\n1,a\n", "lacks the column code"),
        ("code,name\n", "has no rows"),
        ("code,name\n1,a\n1,b\n", "code '1' in the legend of soil stands there twice"),
        ("code,name\n1.5,a\n", "code '1.5' in the legend of soil is no whole number"),
        ("code,name\nx,a\n", "code 'x' in the legend of soil is no whole number"),
        ("code,name\n1,a\n2, \n", "code '2' in the legend of soil has no name"),
        ("", "legend of soil is not readable as CSV"),
    ],
)
def test_refusals(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_legend(write(tmp_path, text), "soil")


def test_names_that_look_like_missing_values_are_names(tmp_path):
    assert read_legend(write(tmp_path, "code,name\n1,NA\n2,None\n"), "soil") == {1: "NA", 2: "None"}


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="legend of soil is missing"):
        read_legend(tmp_path / "none.csv", "soil")
