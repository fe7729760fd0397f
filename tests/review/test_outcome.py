"""Adjudication and outcome against hand-made cases."""

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from slumpmap.files import read_json
from slumpmap.review.adjudication import adjudicate, disputed
from slumpmap.review.decisions import undecided
from slumpmap.review.outcome import make_outcome
from slumpmap.vector import read_layer, write_layer

CRS = "EPSG:32646"
NAMES = ["01-a", "01-b", "01-c", "01-d"]


def opinion(verdicts, probabilities=None, negatives=None, initiation=None):
    """Decisions indexed by candidate id; None leaves a candidate undecided."""
    boxes = [shapely.box(x * 100, 0, x * 100 + 50, 50) for x in range(len(NAMES))]
    layer = undecided(gpd.GeoDataFrame({"id": NAMES}, geometry=boxes, crs=CRS))
    layer["is_slump"] = pd.array(verdicts, dtype="boolean")
    layer["probability"] = probabilities or ["high" if verdict else None for verdict in verdicts]
    layer["use_as_negative"] = negatives or [True] * len(NAMES)
    layer["initiation"] = initiation or [None] * len(NAMES)
    return layer[layer["is_slump"].notna()].set_index("candidate_id")


def test_disputes_are_what_all_decided_but_not_alike():
    first, second = opinion([True, True, False, None]), opinion([True, False, False, True])
    assert disputed([first, second]) == ["01-b"]


def test_agreement_takes_the_lowest_probability_and_all_consents():
    first = opinion([True, False, False, None], ["high", None, None, None], [True, True, True, True])
    second = opinion([True, False, False, None], ["low", None, None, None], [True, True, False, True])
    verdicts = adjudicate([first, second], None)
    assert verdicts["is_slump"].tolist() == [True, False, False]
    assert verdicts.loc["01-a", "probability"] == "low"
    assert verdicts["use_as_negative"].tolist() == [False, True, False]


def test_missing_initiation_comes_from_the_other_reviewer():
    first = opinion([True, True, None, None], initiation=[None, "2016-2017", None, None])
    second = opinion([True, True, None, None], initiation=["before 2016", "2017-2018", None, None])
    assert adjudicate([first, second], None)["initiation"].tolist() == ["before 2016", "2016-2017"]


def test_adjudicator_decides_disputes_and_nothing_else():
    first, second = opinion([True, True, False, False]), opinion([True, False, True, False])
    final = opinion([False, True, False, True])
    verdicts = adjudicate([first, second], final)
    assert verdicts["is_slump"].to_dict() == {"01-a": True, "01-b": True, "01-c": False, "01-d": False}
    assert adjudicate([first, second], None).index.tolist() == ["01-a", "01-d"]


def unsure(opinion, *names):
    """The opinion with these candidates unsure."""
    changed = opinion.copy()
    changed.loc[list(names), ["is_slump", "probability"]] = [pd.NA, None]
    changed.loc[list(names), "unsure"] = True
    return changed


def test_who_is_unsure_leaves_it_to_the_adjudicator_even_if_all_are():
    first = unsure(opinion([True, True, False, False]), "01-a", "01-b")
    second = unsure(opinion([True, True, False, False]), "01-b")
    assert disputed([first, second]) == ["01-a", "01-b"]
    final = unsure(opinion([True, True, None, None]), "01-b")
    verdicts = adjudicate([first, second], final)
    assert verdicts["is_slump"].to_dict() == {"01-a": True, "01-c": False, "01-d": False}


def test_the_majority_of_three_boundaries():
    """Three squares shifted by 10 m: two of three cover the middle one's ground but for its rims."""
    drawn = [opinion([True] * 4) for _ in range(3)]
    for step, layer in enumerate(drawn):
        layer.geometry = layer.geometry.translate(10 * step, 0)
    merged = adjudicate(drawn, None, "majority")
    assert merged.geometry.iloc[0].equals(shapely.box(10, 0, 60, 50))
    assert adjudicate(drawn, None).geometry.iloc[0].equals(shapely.box(0, 0, 50, 50))
    apart = [opinion([True] * 4) for _ in range(2)]
    apart[1].geometry = apart[1].geometry.translate(0, 500)
    assert adjudicate(apart, None, "majority").geometry.iloc[0].equals(shapely.box(0, 0, 50, 50))


@pytest.fixture
def iteration(tmp_path):
    """An iteration's files: four new candidates, one known slump far away."""
    boxes = [shapely.box(x * 100, 0, x * 100 + 50, 50) for x in range(4)]
    ledger = gpd.GeoDataFrame({"id": NAMES, "status": "new", "score": [0.9, 0.8, 0.7, 0.6]}, geometry=boxes, crs=CRS)
    known = gpd.GeoDataFrame({"id": ["s1"]}, geometry=[shapely.box(900, 0, 960, 60)], crs=CRS)
    write_layer(ledger, tmp_path / "candidates.gpkg")
    write_layer(known, tmp_path / "positives.gpkg")
    write_layer(known.iloc[:0], tmp_path / "negatives.gpkg")
    return tmp_path


def run(folder, first, second=None, final=None, boundary="first"):
    files = {}
    for name, decisions in (("first", first), ("second", second), ("third", final)):
        files[name] = None
        if decisions is not None:
            files[name] = folder / f"{name}.gpkg"
            write_layer(decisions.reset_index(), files[name])
    make_outcome(
        folder / "candidates.gpkg",
        folder / "positives.gpkg",
        folder / "negatives.gpkg",
        None,
        {"first": files["first"], "second": files["second"]},
        ("third", files["third"]),
        1,
        boundary,
        folder / "outcome",
    )
    return read_json(folder / "outcome" / "outcome.json")


def test_outcome_waits_for_reviewers_then_for_the_adjudicator_then_is_decided(iteration):
    first, second = opinion([True, True, False, False]), opinion([True, False, False, False])
    row = run(iteration, first)
    assert row["state"] == "waiting" and row["waiting_for"] == {"second": 4} and row["new"] == 0
    row = run(iteration, first, second)
    assert row["state"] == "waiting" and row["waiting_for"] == {"third": 1} and row["new"] == 1
    todo = read_layer(iteration / "outcome" / "disputed.gpkg", "disputed")
    assert todo["candidate_id"].tolist() == ["01-b"]
    row = run(iteration, first, second, opinion([None, True, None, None]))
    assert row["state"] == "decided"
    assert (row["positives"], row["inspected"], row["new"], row["total"]) == (1, 4, 2, 3)
    rejected = read_layer(iteration / "outcome" / "rejected.gpkg", "rejected")
    assert rejected.loc[~rejected["is_slump"], "id"].tolist() == ["01-c", "01-d"]
    assert rejected.loc[rejected["is_slump"], "id"].tolist() == ["01-a", "01-b"]
    assert rejected["use_as_negative"].tolist() == [False, False, True, True]


def test_one_slump_drawn_for_two_candidates_counts_once(iteration):
    whole = shapely.box(0, 0, 150, 50)
    decisions = opinion([True, True, False, False])
    decisions.loc[["01-a", "01-b"], "geometry"] = [whole, whole.buffer(1)]
    row = run(iteration, decisions, decisions)
    assert row["new"] == 1
    accepted = read_layer(iteration / "outcome" / "accepted.gpkg", "accepted")
    assert accepted["id"].tolist() == ["01-b"]


def test_a_known_slump_drawn_again_is_not_new(iteration):
    decisions = opinion([True, False, False, False])
    decisions.loc["01-a", "geometry"] = shapely.box(905, 5, 955, 55)
    row = run(iteration, decisions, decisions)
    assert (row["new"], row["total"]) == (0, 1)


def test_parts_of_a_boundary_are_slumps_of_their_own(iteration):
    decisions = opinion([True, False, False, False])
    decisions.loc["01-a", "geometry"] = shapely.multipolygons([shapely.box(0, 0, 20, 50), shapely.box(30, 0, 50, 50)])
    assert run(iteration, decisions, decisions)["new"] == 2
    accepted = read_layer(iteration / "outcome" / "accepted.gpkg", "accepted")
    assert accepted["id"].tolist() == ["01-a.1", "01-a.2"]
    assert accepted["iteration_found"].tolist() == [1, 1]


def test_nothing_to_inspect_is_decided_with_nothing_new(iteration):
    ledger = read_layer(iteration / "candidates.gpkg", "candidates")
    write_layer(ledger.iloc[:0], iteration / "candidates.gpkg")
    row = run(iteration, opinion([None] * 4), opinion([None] * 4))
    assert (row["state"], row["inspected"], row["new"]) == ("decided", 0, 0)
    row = run(iteration, None, None)
    assert row["state"] == "decided"


def test_who_accepted_what_is_counted(iteration):
    """Both accept a; the first alone b, which the adjudicator confirms; the second alone c, which they reject."""
    first, second = opinion([True, True, False, False]), opinion([True, False, True, False])
    row = run(iteration, first, second, opinion([None, True, False, None]))
    assert row["reviews"] == {name: {"accepted": 2, "rejected": 2, "unsure": 0} for name in ("first", "second")}
    assert row["captures"] == [{"by": ["first"], "count": 1}, {"by": ["first", "second"], "count": 1}]
    assert row["known_found_again"] == 0


def test_while_a_reviewer_is_missing_nobody_caught_anything(iteration):
    row = run(iteration, opinion([True, True, False, None]))
    assert row["reviews"] == {"first": {"accepted": 2, "rejected": 1, "unsure": 0}} and row["captures"] == []


def test_a_known_slump_is_found_again_once_however_many_candidates_show_it(iteration):
    ledger = read_layer(iteration / "candidates.gpkg", "candidates")
    ledger.geometry = [shapely.box(900, 0, 930, 60), shapely.box(935, 0, 960, 60), *ledger.geometry[2:]]
    write_layer(ledger.assign(status="known"), iteration / "candidates.gpkg")
    assert run(iteration, None, None)["known_found_again"] == 1
    # A third of the candidate and of the slump is not the same slump.
    write_layer(ledger.assign(geometry=shapely.box(940, 0, 1000, 60)).iloc[:1], iteration / "candidates.gpkg")
    assert run(iteration, None, None)["known_found_again"] == 0


def test_both_opinions_are_kept_beside_the_verdict(iteration):
    first, second = opinion([True, True, False, None]), opinion([True, False, False, False])
    run(iteration, first, second, opinion([None, True, None, None]))
    kept = read_layer(iteration / "outcome" / "verdicts.gpkg", "verdicts").set_index("candidate_id")
    columns = ["is_slump", "settled_by", "verdict_first", "verdict_second"]
    assert kept[columns].to_numpy().tolist() == [
        [True, "agreement", "slump", "slump"],
        [True, "third", "slump", "reject"],
        [False, "agreement", "reject", "reject"],
    ]


def test_an_adjudicator_who_is_unsure_is_waited_for(iteration):
    first, second = opinion([True, True, False, False]), opinion([True, False, False, False])
    row = run(iteration, first, second, unsure(opinion([None, True, None, None]), "01-b"))
    assert row["waiting_for"] == {"third": 1}
