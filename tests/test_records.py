"""JSON files between steps: read with what they hold, refused where something is missing or of another kind."""

import json

import pytest

from slumpmap.errors import InputError
from slumpmap.records import Evaluation, Part, Scores, read_landscape, read_outcome, read_record

OUTCOME = {
    "iteration": 1,
    "state": "decided",
    "waiting_for": {},
    "positives": 4,
    "negatives": 0,
    "inferred": 5,
    "known": 2,
    "rejected_before": 0,
    "inspected": 3,
    "new": 1,
    "total": 5,
}


def write(folder, value, name="outcome.json"):
    (folder / name).write_text(json.dumps(value))
    return folder / name


def test_what_is_in_a_file_comes_back_and_nothing_else(tmp_path):
    values = OUTCOME | {"known_found_again": 2, "captures": [{"by": ["a"], "count": 1}], "later": {"x": 1}}
    assert read_outcome(write(tmp_path, values)) == values
    assert read_outcome(write(tmp_path, OUTCOME)) == OUTCOME


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"iteration": 1, "state": "decided", "new": 1}, "outcome lacks waiting_for, positives, negatives, .*, total"),
        (OUTCOME | {"new": "1"}, "outcome is not what slumpmap writes .new: "),
        (OUTCOME | {"new": True}, "new: "),
        (OUTCOME | {"new": None}, "new: "),
        (OUTCOME | {"captures": None}, "captures: "),
        (OUTCOME | {"captures": [{"by": "anna", "count": 1}]}, "captures.0.by: "),
        ([], "as a whole: "),
        (None, "as a whole: "),
    ],
)
def test_other_outcomes_are_refused(values, fault, tmp_path):
    with pytest.raises(InputError, match=rf"outcome\.json: .*{fault}"):
        read_outcome(write(tmp_path, values))


def test_numbers_are_finite(tmp_path):
    rows = [{"iteration": 0, "recall": float("nan"), "precision": 1.0}]
    with pytest.raises(InputError, match=r"iterations\.0\.recall"):
        read_record(write(tmp_path, {"truth": 3, "iterations": rows}), Evaluation, "evaluation")
    rows[0]["recall"] = None
    assert read_record(write(tmp_path, {"truth": 3, "iterations": rows}), Evaluation, "evaluation")["truth"] == 3


def test_a_part_needs_less_than_its_scores(tmp_path):
    path = write(tmp_path, {"truth": 4, "polygons": [{"threshold": 0.0, "false_negatives": 1}]})
    assert read_record(path, Part, "scores")["polygons"][0]["false_negatives"] == 1
    with pytest.raises(InputError, match="lacks mapped, precision"):
        read_record(path, Scores, "scores")


def test_landscape_is_named_by_its_file(tmp_path):
    with pytest.raises(InputError, match=r"landscape\.json: not readable as JSON"):
        read_landscape(tmp_path)
