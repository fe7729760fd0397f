"""Agreement: coefficients against scikit-learn and published figures; reviewers and outlines made by hand."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from slumpmap.cli import app
from slumpmap.errors import InputError
from slumpmap.review.adjudication import verdicts_of
from slumpmap.review.agreement import (
    VERDICTS,
    agreement_of,
    agreement_of_files,
    agreement_text,
    boundary_distance,
    outline_iou,
    write_agreement,
)
from slumpmap.review.coefficients import Quartiles, cohen_kappa, krippendorff_alpha, table_of
from slumpmap.review.decisions import undecided
from slumpmap.review.outlines import (
    consensus_outline,
    half_of,
    markdown,
    object_f1,
    outline_agreement,
    overlay,
    pixel_agreement,
    read_outlines,
    write_outline_agreement,
)
from slumpmap.vector import read_layer, write_layer

CRS = "EPSG:32646"
ROOT = Path(__file__).parents[2]
PEEL = ROOT.parent / "shared" / "data" / "peel"
MISSING = -1


def counts_of(rows, categories):
    """Who gave what, from one row of values a person; 0 stands for no opinion."""
    values = np.array(rows)
    return np.stack([(values == category).sum(axis=0) for category in categories], axis=1)


# Cohen's kappa


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=60))
def test_kappa_is_that_of_scikit_learn(pairs):
    first, second = np.array(pairs).T
    found = cohen_kappa(table_of(first, second, 3))
    assert found.count == len(pairs) and found.raw == pytest.approx(np.mean(first == second))
    if found.kappa is None:
        assert len(set(first) | set(second)) == 1
    else:
        assert found.kappa == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


def test_kappa_leaves_out_what_one_did_not_judge():
    table = table_of(np.array([0, 1, MISSING, 0]), np.array([0, 0, 1, MISSING]), 2)
    assert table.tolist() == [[1, 0], [1, 0]]


@given(st.lists(st.integers(1, 40), min_size=9, max_size=9))
def test_the_interval_is_that_of_the_delta_method(cells):
    """Kappa's variance from its numerical gradient and the covariance of a multinomial sample."""
    table = np.array(cells, dtype=float).reshape(3, 3)
    shares, count = table / table.sum(), table.sum()

    def kappa(p):
        p = p.reshape(3, 3) / p.sum()
        chance = p.sum(axis=1) @ p.sum(axis=0)
        return (np.trace(p) - chance) / (1 - chance)

    flat, step = shares.ravel(), 1e-6
    gradient = np.array([(kappa(flat + step * e) - kappa(flat - step * e)) / (2 * step) for e in np.eye(9)])
    deviation = np.sqrt(gradient @ (np.diag(flat) - np.outer(flat, flat)) @ gradient / count)
    found = cohen_kappa(table.astype(int))
    assert found.kappa == pytest.approx(kappa(flat))
    assert found.low == pytest.approx(max(found.kappa - 1.959964 * deviation, -1), abs=1e-5)
    assert found.high == pytest.approx(min(found.kappa + 1.959964 * deviation, 1), abs=1e-5)


def test_the_interval_covers_as_often_as_it_says():
    shares = np.array([[0.25, 0.05], [0.05, 0.65]])
    truth = (0.9 - (0.3 * 0.3 + 0.7 * 0.7)) / (1 - (0.3 * 0.3 + 0.7 * 0.7))
    rng = np.random.default_rng(3)
    found = [cohen_kappa(table.reshape(2, 2)) for table in rng.multinomial(200, shares.ravel(), 2000)]
    assert np.mean([one.low <= truth <= one.high for one in found]) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(
    ("table", "kappa", "low"),
    [([[0, 0], [0, 0]], None, None), ([[7, 0], [0, 0]], None, None), ([[3, 0], [0, 4]], 1.0, None)],
)
def test_kappa_where_there_is_nothing_to_tell(table, kappa, low):
    found = cohen_kappa(np.array(table))
    assert (found.kappa, found.low, found.high) == (kappa, low, low)


# Krippendorff's alpha


def test_alpha_of_the_published_example():
    """Krippendorff (2011), section C: 4 observers, 12 units, 5 values, opinions missing; nominal alpha 0.743."""
    rows = (
        (1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0),
        (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3),
        (0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0),
        (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0),
    )
    assert round(krippendorff_alpha(counts_of(rows, range(1, 6))), 3) == 0.743


def test_alpha_of_two_people_by_hand():
    """Section A of the same paper: 10 units, two values; 4 disagree. o01 = 4, n0 = 14, n1 = 6, so 1 - 19 x 4 / 84."""
    rows = ((0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0))
    assert krippendorff_alpha(counts_of(rows, (0, 1))) == pytest.approx(1 - 19 * 4 / (14 * 6))


@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=25))
def test_alpha_is_one_minus_observed_over_expected_disagreement(units):
    """Counted pair by pair: pairs within a unit weigh 1 / (opinions - 1), pairs of the whole are all alike."""
    units = [[value for value in unit if value] for unit in units]
    kept = [unit for unit in units if len(unit) > 1]
    pairs = [(a != b) / (len(unit) - 1) for unit in kept for i, a in enumerate(unit) for b in unit[:i] + unit[i + 1 :]]
    every = [value for unit in kept for value in unit]
    whole = [a != b for i, a in enumerate(every) for b in every[:i] + every[i + 1 :]]
    found = krippendorff_alpha(np.array([[unit.count(value) for value in (1, 2, 3)] for unit in units]))
    if not any(whole):
        assert found is None
    else:
        assert found == pytest.approx(1 - (sum(pairs) / len(every)) / np.mean(whole))


# Reviewers


def candidates(count=6):
    boxes = [shapely.box(x * 100, 0, x * 100 + 40, 40) for x in range(count)]
    ids = [f"01-{letter}" for letter in "abcdefghij"[:count]]
    return gpd.GeoDataFrame({"id": ids, "status": "new", "score": 0.5}, geometry=boxes, crs=CRS)


def opinion(texts, **columns):
    """A reviewer's decisions, one letter a candidate: s(lump), r(eject), u(nsure), - for none yet."""
    layer = undecided(candidates(len(texts)))
    layer["is_slump"] = pd.array([{"s": True, "r": False}.get(letter) for letter in texts], dtype="boolean")
    layer["unsure"] = [letter == "u" for letter in texts]
    layer["probability"] = ["high" if letter == "s" else None for letter in texts]
    for name, values in columns.items():
        layer[name] = values
    return layer[[letter != "-" for letter in texts]].set_index("candidate_id")


def test_verdicts_know_unsure():
    assert verdicts_of(opinion("sru")).tolist() == list(VERDICTS)


def test_confusion_of_two_reviewers():
    found = agreement_of({"a": opinion("ssrru-"), "b": opinion("srrsss")}, 6)
    pair = found.pairs[0]
    assert pair.table == [[1, 1, 0], [1, 1, 0], [1, 0, 0]]
    assert (pair.verdict.count, pair.verdict.raw) == (5, pytest.approx(0.4))
    assert (pair.sure.count, pair.sure.kappa) == (4, pytest.approx(0.0))
    assert [(r.decided, r.slump, r.reject, r.unsure) for r in found.reviewers] == [(5, 2, 2, 1), (6, 4, 2, 0)]
    assert found.reviewers[0].minutes is None
    text = agreement_text(found)
    assert "where both were sure: 50.0% alike of 4" in text and "a: 5 decided: 2 slump, 2 reject, 1 unsure" in text


def test_boundaries_probability_and_initiation_count_where_both_accepted():
    outlines = list(candidates().geometry)
    outlines[0] = shapely.box(20, 0, 60, 40)
    groups = ["2016", "2017", None, "2017", "x", "y"]
    first = opinion("sssrrr", initiation=["2016", "2016", "2016", None, None, None])
    second = opinion("sssssr", geometry=outlines, probability=["low", "high", "high", "low", "low", None])
    second = second.assign(initiation=groups)
    pair = agreement_of({"a": first, "b": second}, 6).pairs[0]
    assert (pair.iou.count, pair.iou.median) == (3, 1.0)
    assert pair.iou.lower == pytest.approx((1 / 3 + 1) / 2)
    assert (pair.probability.count, pair.probability.raw) == (3, pytest.approx(2 / 3))
    assert (pair.initiation.count, pair.initiation.raw) == (2, 0.5)


def test_three_reviewers_have_three_pairs_and_one_alpha():
    opinions = {"a": opinion("ssrr--"), "b": opinion("srrr-s"), "c": opinion("-srrss")}
    found = agreement_of(opinions, 6)
    assert [(pair.first, pair.second) for pair in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    rows = ((1, 1, 2, 2, 0, 0), (1, 2, 2, 2, 0, 1), (0, 1, 2, 2, 1, 1))
    assert found.alpha == pytest.approx(krippendorff_alpha(counts_of(rows, (1, 2, 3))))


def test_without_common_slumps_there_is_nothing_to_measure():
    pair = agreement_of({"a": opinion("sr"), "b": opinion("rs")}, 2).pairs[0]
    assert pair.iou == pair.boundary_m == Quartiles(0, None, None, None)
    assert pair.probability.raw is None and pair.verdict.kappa == pytest.approx(-1)
    assert pair.verdict.low == -1


def test_iou_and_distance_of_squares():
    """Nested squares 10 m apart; a square and itself; two of three thirds in common."""
    left = np.array([shapely.box(0, 0, 100, 100), shapely.box(0, 0, 9, 9), shapely.box(0, 0, 10, 10)])
    right = np.array([shapely.box(10, 10, 90, 90), shapely.box(0, 0, 9, 9), shapely.box(5, 0, 15, 10)])
    assert outline_iou(left, right) == pytest.approx([0.64, 1, 1 / 3])
    inner = 10.0
    # Points of the outer square beside a corner of the inner one are farther away than 10 m.
    corner = np.hypot(10, np.linspace(0, 10, 10_001)).mean()
    outer = 0.8 * 10 + 0.2 * corner
    assert boundary_distance(left, right)[:2] == pytest.approx([(inner + outer) / 2, 0], abs=0.02)


def test_distance_knows_holes_and_parts():
    whole = shapely.box(0, 0, 100, 100)
    with_hole = whole.difference(shapely.box(40, 40, 60, 60))
    two = shapely.MultiPolygon([shapely.box(0, 0, 10, 10), shapely.box(50, 0, 60, 10)])
    moved = shapely.affinity.translate(two, 2000)
    found = boundary_distance(np.array([whole, two]), np.array([with_hole, moved]))
    assert found[0] == pytest.approx((80 / 480 * 40 + 0) / 2, rel=0.15)
    assert found[1] > 1900
    assert boundary_distance(whole_none := np.array([], dtype=object), whole_none).tolist() == []


@pytest.fixture
def files(tmp_path):
    """Candidates and the decision files of two reviewers; the first has times and repeats."""
    write_layer(candidates(), tmp_path / "candidates.gpkg")
    first = opinion("ssrrrr", seconds=[10.0, 20, 30, 40, 50, np.nan])
    second = opinion("srrrrr")
    write_layer(first.reset_index(), tmp_path / "anna.gpkg")
    write_layer(second.reset_index(), tmp_path / "ben.gpkg")
    rows = (
        "candidate_id,verdict,repeat_verdict\n01-a,slump,slump\n01-b,slump,reject\n01-c,reject,reject\n01-d,unsure,\n"
    )
    (tmp_path / "anna.repeats.csv").write_text(rows)
    return tmp_path


def named(folder):
    return {name: folder / f"{name}.gpkg" for name in ("anna", "ben")}


def test_files_with_times_and_repeats(files):
    found = agreement_of_files(files / "candidates.gpkg", named(files))
    anna, ben = found.reviewers
    assert (anna.minutes, anna.seconds_each) == (2.5, 30.0)
    assert (anna.repeats.count, anna.repeats.raw) == (3, pytest.approx(2 / 3))
    assert (ben.minutes, ben.seconds_each, ben.repeats) == (None, None, None)
    text = agreement_text(found)
    assert "2.5 minutes, 30 s a candidate" in text and "shown twice without knowing: 66.7% alike of 3" in text


def test_written_files_hold_the_same(files, tmp_path):
    found = agreement_of_files(files / "candidates.gpkg", named(files))
    write_agreement(found, tmp_path / "out")
    written = json.loads((tmp_path / "out" / "agreement.json").read_text())
    assert written["pairs"][0]["verdict"]["kappa"] == found.pairs[0].verdict.kappa
    rows = pd.read_csv(tmp_path / "out" / "agreement.csv")
    assert rows[["first", "second", "slump_reject", "reject_reject"]].values.tolist() == [["anna", "ben", 1, 4]]
    assert rows["verdict_kappa"][0] == pytest.approx(found.pairs[0].verdict.kappa, abs=1e-6)


def test_bad_files_are_refused(files):
    with pytest.raises(InputError, match="it takes two reviewers"):
        agreement_of_files(files / "candidates.gpkg", {"anna": files / "anna.gpkg"})
    (files / "anna.repeats.csv").write_text("candidate_id,verdict\n01-a,slump\n")
    with pytest.raises(InputError, match="lacks the column repeat_verdict"):
        agreement_of_files(files / "candidates.gpkg", named(files))
    (files / "anna.repeats.csv").write_text("candidate_id,verdict,repeat_verdict\n01-a,slump,perhaps\n")
    with pytest.raises(InputError, match="a verdict other than slump, reject, unsure"):
        agreement_of_files(files / "candidates.gpkg", named(files))
    (files / "anna.repeats.csv").unlink()
    write_layer(opinion("srrrrr", seconds=[-1.0] * 6).reset_index(), files / "ben.gpkg")
    with pytest.raises(InputError, match=r"seconds holds -1\.0"):
        agreement_of_files(files / "candidates.gpkg", named(files))


def test_command_for_files_and_for_a_campaign(files):
    runner = CliRunner()
    both = [f"--reviewer={name}={path}" for name, path in named(files).items()]
    done = runner.invoke(app, ["agreement", "--candidates", str(files / "candidates.gpkg"), *both])
    assert done.exit_code == 0 and "anna (rows) and ben (columns)" in done.output
    folder = files / "x" / "iterations" / "02" / "candidates"
    folder.mkdir(parents=True)
    (files / "candidates.gpkg").rename(folder / "candidates.gpkg")
    decisions = files / "decisions" / "02"
    decisions.mkdir(parents=True)
    for name, path in named(files).items():
        path.rename(decisions / f"{name}.gpkg")
    (files / "campaign.yaml").write_text(
        f"campaign: x\nresults: {files}\ninputs: {{catalogue: a, positives: b}}\n"
        "grid: {crs: 'EPSG:32646', bounds: [0, 0, 3, 3]}\n"
        f"review: {{reviewers: [anna, ben], decisions: {files / 'decisions'}}}\n"
    )
    command = ["agreement", "--campaign", str(files / "campaign.yaml"), "--iteration", "2"]
    (files / "anna.repeats.csv").rename(decisions / "anna.repeats.csv")
    assert runner.invoke(app, command).output == done.output
    (decisions / "ben.gpkg").unlink()
    alone = runner.invoke(app, command)
    assert isinstance(alone.exception, InputError) and "ben has no decision file yet" in alone.output


@pytest.mark.parametrize(
    "options",
    ["", "--candidates a --outlines b", "--candidates a b", "--campaign a", "--iteration 1", "--reviewer a=b"],
)
def test_command_refuses_half_a_question(options):
    done = CliRunner().invoke(app, ["agreement", *options.split()])
    assert done.exit_code == 2 and "Usage" in done.output


# Outlines of the same ground


boxes = st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(1, 6), st.integers(1, 6))
discs = st.tuples(st.floats(0, 50), st.floats(0, 50), st.floats(5, 30), st.integers(3, 9))
grounds = st.lists(st.lists(boxes, min_size=1, max_size=3), min_size=2, max_size=4)


def ground(rectangles):
    return shapely.union_all([shapely.box(x, y, x + w, y + h) for x, y, w, h in rectangles])


def votes_of(people):
    """Who drew what, cell by cell: an independent count on the grid that all boxes lie on."""
    votes = np.zeros((len(people), 15, 15), dtype=bool)
    for person, rectangles in enumerate(people):
        for x, y, w, h in rectangles:
            votes[person, y : y + h, x : x + w] = True
    return votes


@settings(max_examples=60)
@given(grounds)
def test_consensus_is_what_at_least_k_drew(people):
    outlines, votes = [ground(rectangles) for rectangles in people], votes_of(people).sum(axis=0)
    for number in range(1, len(people) + 1):
        found = consensus_outline(outlines, number)
        assert found.is_valid and found.area == pytest.approx((votes >= number).sum())
        cells = np.argwhere(votes >= number)
        assert shapely.contains_xy(found, cells[:, 1] + 0.5, cells[:, 0] + 0.5).all()


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(0, 50), st.floats(5, 30), st.integers(3, 9)), min_size=2, max_size=6)
)
def test_areas_of_all_majorities_add_up_to_what_all_drew(people):
    """Ground that j people drew counts in j majorities; and a majority of more people lies in that of fewer."""
    outlines = [shapely.Point(x, y).buffer(radius, quad_segs=segments) for x, y, radius, segments in people]
    steps = [consensus_outline(outlines, number) for number in range(1, len(outlines) + 1)]
    assert sum(step.area for step in steps) == pytest.approx(sum(outline.area for outline in outlines))
    assert steps[0].area == pytest.approx(shapely.union_all(outlines).area)
    assert steps[-1].area == pytest.approx(shapely.intersection_all(outlines).area, abs=1e-6)
    for outer, inner in pairwise(steps):
        assert inner.difference(outer).area == pytest.approx(0, abs=1e-6)


def test_slivers_are_dropped_and_pinholes_filled():
    first = shapely.box(0, 0, 10, 10).difference(shapely.box(4, 4, 4.1, 4.1))
    second = shapely.union_all([shapely.box(0, 0, 9, 10), shapely.box(9.99, 0, 20, 10), shapely.box(30, 0, 40, 9)])
    assert len(consensus_outline([first, second], 2).geoms) == 2
    found = consensus_outline([first, second], 2, min_area=0.5)
    assert found.geom_type == "Polygon" and found.area == pytest.approx(90) and not found.interiors
    lake = shapely.box(0, 0, 10, 10).difference(shapely.box(4, 4, 6, 6))
    assert consensus_outline([lake, lake], 2, min_area=0.5).area == pytest.approx(96)


def test_consensus_of_strangers_is_empty_and_votes_are_checked():
    apart = [shapely.box(0, 0, 1, 1), shapely.box(5, 5, 6, 6)]
    assert consensus_outline(apart, 2).is_empty and consensus_outline(apart, 2, min_area=1).is_empty
    for number in (0, 3):
        with pytest.raises(InputError, match="is not in 1 to 2"):
            consensus_outline(apart, number)


def test_faces_do_not_overlap_and_leave_holes_out():
    ring = shapely.box(0, 0, 10, 10).difference(shapely.box(2, 2, 8, 8))
    faces = overlay([ring, shapely.box(5, 0, 15, 10)])
    assert shapely.area(faces.shape).sum() == pytest.approx(shapely.union_all(faces.shape).area)
    assert shapely.area(faces.shape) @ faces.drawn == pytest.approx([64, 100])


def test_each_polygon_is_matched_once():
    """One large polygon over two small ones is one pair; and of all sets of pairs the largest is taken."""
    large, small = [shapely.box(0, 0, 10, 1)], [shapely.box(0, 0, 5, 1), shapely.box(5, 0, 10, 1)]
    assert object_f1(np.array(large), np.array(small), 0.0) == pytest.approx(2 / 3)
    assert object_f1(np.array(large), np.array(small), 0.5) == 0
    assert object_f1(np.array(large), np.array(small), 0.4) == pytest.approx(2 / 3)
    chain = np.array([shapely.box(0, 0, 4, 1), shapely.box(4, 0, 8, 1)])
    # The second polygon of the chain overlaps both of these, the first one only the former.
    assert object_f1(chain, np.array([shapely.box(3, 0, 7, 1), shapely.box(7, 0, 8, 1)]), 0.0) == 1.0
    nobody = np.array([], dtype=object)
    assert np.isnan(object_f1(nobody, nobody, 0)) and object_f1(nobody, chain, 0) == 0


def layer(*rectangles):
    return gpd.GeoDataFrame(geometry=[shapely.box(*rectangle) for rectangle in rectangles], crs=CRS)


@pytest.fixture
def three():
    """Three people over 400 m: two draw the same field, the third half of it and one of their own."""
    field = (0, 0, 200, 100)
    return {"a": layer(field), "b": layer(field), "c": layer((0, 0, 100, 100), (300, 0, 400, 100))}


def test_outlines_of_three_people(three):
    found = outline_agreement(three, resolution=10)
    assert found.objects == [1, 1, 2] and found.area_ha == pytest.approx([2, 2, 2])
    assert found.iou[0] == pytest.approx([1, 1, 1 / 3])
    assert found.f1[0, 0] == pytest.approx([1, 1, 2 / 3]) and found.f1[2, 0] == pytest.approx([1, 1, 0])
    assert found.at_least == 2 and found.majority_ha == pytest.approx([3, 2, 1])
    # Half of two others is one: the majority that each is held against is the union of the other two.
    assert found.others_iou == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert found.others_f1[0] == pytest.approx([2 / 3, 2 / 3, 2 / 3])
    assert found.grid.pixels == 400
    text = markdown(found)
    assert (
        "| c | 2 | 2.0 | 0.33 | 0.33 | 0.67 |" in text and "at least one: 3.0 ha, 2 of 3: 2.0 ha, all: 1.0 ha" in text
    )


def test_pixel_coefficients_are_those_of_the_lists_of_pixels(three):
    grounds = [one.union_all() for one in three.values()]
    grounds[2] = grounds[2].union(shapely.box(300, 0, 460, 140))
    inside = pixel_agreement(grounds, 20.0, shapely.box(-100, -60, 500, 160))
    x, y = np.meshgrid(np.arange(-90, 500, 20), np.arange(-50, 160, 20))
    pixels = np.array([shapely.contains_xy(one, x.ravel(), y.ravel()) for one in grounds])
    assert inside.pixels == pixels.shape[1]
    assert inside.kappa[0, 2] == pytest.approx(cohen_kappa_score(pixels[0], pixels[2]))
    assert inside.kappa[0, 1] == 1
    assert inside.alpha == pytest.approx(krippendorff_alpha(counts_of(pixels.astype(int), (0, 1))))


def test_a_small_piece_of_a_majority_is_no_object(three):
    three["b"] = layer((0, 0, 200, 100), (300, 0, 310, 10))
    assert outline_agreement(three).others_f1[0, 0] == pytest.approx(2 / 3)
    assert outline_agreement({"b": three["b"], "b2": three["b"]}).others_f1[0] == pytest.approx([2 / 3, 2 / 3])
    assert outline_agreement({"b": three["b"], "b2": three["b"]}, sliver_ha=0.0).others_f1[0] == pytest.approx([1, 1])


def test_bad_questions_about_outlines(three):
    with pytest.raises(InputError, match="it takes two people"):
        outline_agreement({"a": three["a"]})
    with pytest.raises(InputError, match="4 is not in 1 to 3"):
        outline_agreement(three, at_least=4)
    with pytest.raises(InputError, match="nobody drew anything"):
        outline_agreement({"a": three["a"].iloc[:0], "b": three["b"].iloc[:0]})
    for resolution in (0.0, 0.001):
        with pytest.raises(InputError, match="resolution"):
            outline_agreement(three, resolution=resolution)
    assert [half_of(people) for people in (1, 2, 3, 11, 12)] == [1, 1, 2, 6, 6]


def test_files_of_outlines_are_named_and_brought_to_one_crs(three, tmp_path):
    for name, one in three.items():
        write_layer(one.assign(id=name), tmp_path / name / "drawn.gpkg")
    paths = [tmp_path / name / "drawn.gpkg" for name in three]
    assert list(read_outlines(paths)) == ["a", "b", "c"]
    assert read_outlines(paths, "EPSG:32645")["b"].crs == "EPSG:32645"
    with pytest.raises(InputError, match="Give a CRS in metres") as refusal:
        read_outlines(paths, "EPSG:4326")
    assert "EPSG:4326" in str(refusal.value)
    with pytest.raises(InputError, match="two files of one name"):
        read_outlines([paths[0], paths[0]])
    done = CliRunner().invoke(
        app, ["agreement", "--outlines", *map(str, paths), "--resolution", "10", "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 0 and done.output == markdown(outline_agreement(three, resolution=10))
    pairs = pd.read_csv(tmp_path / "out" / "agreement.csv")
    assert pairs[["first", "second"]].values.tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert pairs["iou"].tolist() == pytest.approx([1, 0.333333, 0.333333])
    written = json.loads((tmp_path / "out" / "agreement.json").read_text())
    assert written["people"][2]["polygons"] == 2 and written["grid"]["resolution"] == 10
    write_outline_agreement(outline_agreement(three), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "agreement.json").read_text())["grid"] is None


@pytest.mark.shared
@pytest.mark.skipif(not PEEL.exists() or "CI" in os.environ, reason=f"needs the open data in {PEEL}")
def test_the_docs_quote_the_twelve_experts_as_they_are():
    experts = sorted(PEEL.glob("experts/*/Peel_digitized.shp"))
    ground = read_layer(PEEL / "Peel_AOI_2500.geojson", "ground").union_all()
    found = outline_agreement(read_outlines(experts), resolution=10, within=ground)
    docs = (ROOT / "docs" / "review.md").read_text()
    assert len(found.names) == 12 and markdown(found) in docs
    pairs = found.iou[np.triu_indices(12, 1)]
    assert f"IoU {np.median(pairs):.2f}, at worst {pairs.min():.2f}" in docs
    assert f"draws {found.area_ha.max() / found.area_ha.min():.1f} times as much" in docs
    overlap, half = (np.median(found.f1[place][np.triu_indices(12, 1)]) for place in (0, 2))
    assert f"F1 {overlap:.2f} for any overlap" in docs and f"({half:.2f} for an IoU over 0.5)" in docs
    # The authors' own raster of votes, which they made from the same outlines on 10 m pixels.
    assert found.majority_ha[[0, 5, 11]] == pytest.approx([72.90, 36.33, 15.49], rel=0.005)
