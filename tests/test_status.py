"""What `slumpmap status` says at each stage of a campaign."""

import os

import pytest

from slumpmap.config import check_config
from slumpmap.files import write_json
from slumpmap.status import campaign_status

ROW = {
    "state": "decided",
    "waiting_for": {},
    "positives": 10,
    "negatives": 2,
    "inferred": 30,
    "known": 9,
    "rejected_before": 4,
    "inspected": 17,
    "new": 3,
    "total": 13,
}


@pytest.fixture
def config(tmp_path):
    return check_config(
        {
            "campaign": "x",
            "results": str(tmp_path),
            "inputs": {"catalogue": "a", "positives": "b"},
            "grid": {"crs": "EPSG:32646", "bounds": [0, 0, 3, 3]},
            "iterations": {"maximum": 2},
        }
    )


def outcome(config, number, **changes):
    write_json(
        config.folder / "iterations" / f"{number:02d}" / "outcome" / "outcome.json",
        {"iteration": number} | ROW | changes,
    )


def test_nothing_done_yet(config):
    assert campaign_status(config).endswith("Next: run snakemake with this configuration.")


def test_steps_of_an_unfinished_iteration(config):
    (config.folder / "iterations/01/labels").mkdir(parents=True)
    (config.folder / "iterations/01/labels/positives.gpkg").touch()
    assert "iteration 01: done so far: labels" in campaign_status(config)


def test_waiting_for_people_names_files_to_copy(config):
    outcome(config, 1, state="waiting", waiting_for={"first": 17, "adjudicator": 2})
    text = campaign_status(config)
    assert "first: 17 candidates" in text
    assert f"{config.folder / 'iterations/01/review/to_inspect.gpkg'} to decisions/01/first.gpkg" in text
    assert f"{config.folder / 'iterations/01/outcome/disputed.gpkg'} to decisions/01/adjudicator.gpkg" in text
    assert text.endswith("run snakemake again with the same configuration.")


def test_who_has_handed_in_since_is_not_asked_again(config, tmp_path):
    config = config.model_copy(update={"review": config.review.model_copy(update={"decisions": tmp_path / "decided"})})
    outcome(config, 1, state="waiting", waiting_for={"first": 17, "second": 17})
    file = tmp_path / "decided" / "01" / "first.gpkg"
    file.parent.mkdir(parents=True)
    file.touch()
    made = (config.folder / "iterations/01/outcome/outcome.json").stat().st_mtime
    os.utime(file, (made - 9, made - 9))
    assert "first: 17 candidates" in campaign_status(config)
    os.utime(file, (made + 9, made + 9))
    text = campaign_status(config)
    assert f"first: {file} was changed since the last run, which found 17 candidates open" in text
    assert "second: 17 candidates" in text


def test_convergence_and_maximum(config):
    outcome(config, 1, new=0)
    assert "Converged: iteration 01 found no new slump." in campaign_status(config)
    outcome(config, 1)
    outcome(config, 2)
    assert "Ended at the configured maximum" in campaign_status(config)


COUNTS = {
    "known_found_again": 9,
    "reviews": {name: {"accepted": 3, "rejected": 14, "unsure": 0} for name in ("first", "second")},
    "captures": [{"by": ["first", "second"], "count": 2}, {"by": ["first"], "count": 1}],
}


def test_yield_and_what_is_missing_stand_before_the_next_act(config):
    outcome(config, 1, **COUNTS)
    lines = campaign_status(config).splitlines()
    assert lines[2] == (
        "    17.6 new slumps per 100 inspected, mapped 9 of 10 known slumps again,"
        " all reviewers accepted 2 of 3 confirmed candidates"
    )
    assert lines[3] == "Still missing:"
    assert lines[-2].startswith("  Go on: the next iteration should find ")
    assert lines[-1].startswith("Next:")


def test_outcomes_of_an_older_slumpmap_have_a_forecast_and_no_more(config):
    outcome(config, 1)
    text = campaign_status(config)
    assert "Go on:" in text and "turned down" not in text and "per 100 inspected" not in text


def test_a_waiting_iteration_does_not_count(config):
    outcome(config, 1, state="waiting", waiting_for={"first": 17}, **COUNTS)
    text = campaign_status(config)
    assert "Still missing" not in text and "per 100 inspected" not in text


def test_cross_validation_is_told_once_all_its_parts_are_done(config):
    outcome(config, 1, **COUNTS)
    for part in range(1, 6):
        assert "cross-validation" not in campaign_status(config)
        scores = {"truth": 4, "polygons": [{"threshold": 0.0, "false_negatives": part % 2}]}
        write_json(config.folder / "crossval" / f"fold_{part:02d}" / "scores.json", scores)
    assert "networks mapped 17 of 20 slumps that they had not learned" in campaign_status(config)
