"""Names of reviewers: what cannot be a file name of its own folder is refused."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slumpmap.config import check_config
from slumpmap.errors import InputError
from slumpmap.names import check_different, check_reviewer

MINIMAL = {
    "campaign": "x",
    "inputs": {"catalogue": "scenes.gpkg", "positives": "slumps.gpkg"},
    "grid": {"crs": "EPSG:32646", "bounds": [0, 0, 3000, 3000]},
}


@pytest.mark.parametrize(
    "name", ["anna", "Anna Müller", "夏志華", "O-2", "a.b", "ΓΙΩΡΓΟΣ", "नीलम", "محمد", "x_1", "7", "con1", "console"]
)
def test_names_of_people_pass(name):
    assert check_reviewer(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "is empty"),
        ("../x", "holds '/'"),
        ("a/b", "holds '/'"),
        ("a\\b", "holds"),
        ("/etc/passwd", "holds '/'"),
        ("a\0b", r"holds '\\x00'"),
        ("a\nb", r"holds '\\n'"),
        ("a;b", "holds ';'"),
        ("a'b", "holds"),
        ('a"b', "holds"),
        ("a`b", "holds"),
        ("$HOME", r"holds '\$'"),
        ("a=b", "holds '='"),
        ("a:b", "holds ':'"),
        ("{a}", "holds"),
        ("a*", "holds"),
        ("a\u202eb", "holds"),
        ("a\u200bb", "holds"),
        ("a\u2044b", "holds"),
        ("a\u00a0b", "holds"),
        ("a\ud800", "holds"),
        (".", "begin and end"),
        ("..", "begin and end"),
        (".anna", "begin and end"),
        ("anna.", "begin and end"),
        (" anna", "begin and end"),
        ("anna ", "begin and end"),
        ("-rf", "begin and end"),
        ("\u0301a", "begin and end"),
        ("a..b", "two dots"),
        ("nul", "reserved"),
        ("Con", "reserved"),
        ("aux.gpkg", "reserved"),
        ("LPT1.x", "reserved"),
        ("history", "reserved"),
        ("a" * 65, "more than 64"),
        ("夏" * 65, "more than 64"),
        ("𐍈" * 64, "192 bytes"),
    ],
)
def test_hostile_names_are_refused_and_shown_harmlessly(name, fault):
    with pytest.raises(InputError, match=fault) as caught:
        check_reviewer(name)
    assert str(caught.value).isprintable()


@given(st.text(max_size=80))
def test_what_passes_names_a_file_of_its_folder(name):
    try:
        passed = check_reviewer(name)
    except InputError:
        return
    folder = Path("/decisions/01")
    path = folder / f"{passed}.gpkg"
    assert path.parent == folder and path.resolve().parent == folder
    assert Path(path.name).stem == passed
    assert len(f".{passed}.00000000.part.gpkg".encode()) <= 255
    assert not passed.startswith((".", "-"))
    assert check_reviewer(passed) == passed
    assert check_reviewer(unicodedata.normalize("NFD", passed)) == passed


@pytest.mark.parametrize("names", [("anna", "Anna"), ("anna", "anna"), ("Straße", "STRASSE")])
def test_names_that_give_one_file_are_refused(names):
    check_different(("anna", "ben"))
    with pytest.raises(InputError, match="two reviewers"):
        check_different(names)


@pytest.mark.parametrize(
    "review",
    [
        {"reviewers": ["anna", "../ben"]},
        {"adjudicator": "a/b"},
        {"reviewers": ["anna", "Anna"]},
        {"reviewers": ["anna"], "adjudicator": "anna"},
    ],
)
def test_configuration_refuses_bad_names(review):
    with pytest.raises(InputError, match="review") as caught:
        check_config(MINIMAL | {"review": review}, "campaign.yaml")
    assert str(caught.value).startswith("campaign.yaml: ")


def test_configuration_composes_names():
    decomposed = unicodedata.normalize("NFD", "Zoë")
    review = check_config(MINIMAL | {"review": {"reviewers": [decomposed], "adjudicator": "b"}}).review
    assert review.reviewers == ("Zoë",)
