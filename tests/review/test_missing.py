"""What is missing: estimators against published and exact figures, intervals by simulation, the rule to stop."""

from __future__ import annotations

from functools import cache
from math import comb

import geopandas as gpd
import numpy as np
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from slumpmap.cli import app
from slumpmap.errors import InputError
from slumpmap.review.missing import (
    Recapture,
    Unseen,
    captures_by_pair,
    estimate_missing,
    forecast,
)
from slumpmap.review.outlines import recapture_of_outlines
from slumpmap.vector import write_layer

# New slumps of each iteration of Xia et al. 2022, Table 2.
PAPER = (149, 196, 73, 86, 34, 4, 21, 12)

# Two captures


def test_estimates_of_the_textbook_turtles():
    """10 marked, 15 caught, 5 of them marked: Lincoln-Petersen 30, Chapman (11 x 16) / 6 - 1 = 28.3."""
    turtles = Recapture(10, 15, 5)
    assert turtles.lincoln_petersen == 30
    assert turtles.chapman == pytest.approx(11 * 16 / 6 - 1)
    assert (turtles.seen, turtles.missed) == (20, pytest.approx(turtles.chapman - 20))


def test_chapman_is_unbiased_where_the_captures_cover_the_slumps():
    """Exact mean over the hypergeometric distribution, which Chapman (1951) shows to be N where first + second >= N."""
    total, first, second = 30, 18, 16
    ways = {both: comb(first, both) * comb(total - first, second - both) for both in range(second + 1)}
    mean = sum(count * Recapture(first, second, both).chapman for both, count in ways.items()) / comb(total, second)
    assert mean == pytest.approx(total)


@pytest.mark.parametrize("counts", [(3, 4, 5), (5, 3, 4), (3, 3, -1)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(InputError, match="in both no more than in either"):
        Recapture(*counts)


def test_the_interval_is_that_of_the_posterior():
    """By brute force: Jeffreys' priors integrated over a fine grid of both chances, all totals alike before."""
    pair = Recapture(12, 9, 7)
    chance = np.sin(np.pi / 2 * (np.arange(4000) + 0.5) / 4000) ** 2  # evenly spaced for Jeffreys' prior
    missed = np.arange(60)
    factors = [
        [np.mean(chance**caught * (1 - chance) ** (pair.seen + u - caught)) for u in missed] for caught in (12, 9)
    ]
    ways = np.array([comb(pair.seen + int(u), int(u)) for u in missed], dtype=float)
    posterior = ways * np.prod(factors, axis=0)
    cumulated = np.cumsum(posterior / posterior.sum())
    for level in (0.5, 0.8, 0.95):
        tail = (1 - level) / 2
        assert pair.missed_interval(level) == tuple(np.searchsorted(cumulated, (tail, 1 - tail)).tolist())


@cache
def interval(first, second, both):
    return Recapture(first, second, both).missed_interval()


@pytest.mark.parametrize("total", [20, 60, 200])
@pytest.mark.parametrize("chances", [(0.4, 0.4), (0.6, 0.8), (0.9, 0.9), (0.95, 0.5)])
def test_the_interval_of_95_percent_covers_as_often(total, chances):
    """1500 campaigns of two independent reviewers; counts are few, so that it may cover more often, never much less."""
    rng = np.random.default_rng(total)
    caught = rng.random((2, 1500, total)) < np.array(chances)[:, None, None]
    first, second, both = caught[0].sum(1), caught[1].sum(1), caught.all(0).sum(1)
    missed = total - caught.any(0).sum(1)
    covered = []
    for counts, true in zip(zip(first.tolist(), second.tolist(), both.tolist(), strict=True), missed, strict=True):
        low, high = interval(*counts)
        covered.append(low <= true and (high is None or true <= high))
    # Standard error of a coverage of 95 %: 0.0056.
    assert 0.935 <= np.mean(covered) <= 1.0


def test_where_nearly_all_are_caught_twice_the_interval_is_short():
    """Sadinle's logit interval (2009) reaches beyond 200: his formula, with counts raised by one half."""
    both, alone = 20.5, 0.5
    sigma = np.sqrt(1 / both + 2 / alone + both / alone**2)
    sadinle = alone**2 / both * np.exp(1.959964 * sigma) - 0.5
    assert Recapture(20, 20, 20).missed_interval() == (0, 0)
    assert sadinle > 200


def test_dependence_makes_the_estimate_too_low():
    """Half of the slumps are easy (0.95) and half are hard (0.4) for both: what the docstring says."""
    rng = np.random.default_rng(5)
    ease = np.where(rng.random((500, 100)) < 0.5, 0.95, 0.4)
    caught = rng.random((2, 500, 100)) < ease
    totals = [
        Recapture(*map(int, (a.sum(), b.sum(), (a & b).sum()))).chapman
        for a, b in zip(caught[0], caught[1], strict=True)
    ]
    assert np.mean(totals) < 90


def test_without_any_recapture_there_is_no_upper_end():
    assert Recapture(3, 3, 0).missed_interval() == (0, None)
    assert Recapture(3, 3, 0).lincoln_petersen is None
    assert Recapture(3, 3, 0).in_words() == "unknown, since nothing was caught twice"
    assert Recapture(0, 0, 0).missed == 0
    # One of 4000 and 4000 caught twice: some millions are missing, beyond what is looked for.
    assert Recapture(4000, 4000, 1).missed_interval()[1] is None
    assert Recapture(4000, 4000, 1).in_words().endswith(" or more)")


def test_outlines_of_two_maps_are_matched_once_each():
    squares = [shapely.box(x, 0, x + 10, 10) for x in range(0, 100, 20)]
    first = np.array(squares[:4])
    second = np.array([*(shapely.affinity.translate(one, 2) for one in squares[2:]), shapely.box(41, 4, 42, 5)])
    assert recapture_of_outlines(first, second) == Recapture(4, 4, 2)
    assert recapture_of_outlines(first, second, 0.8) == Recapture(4, 4, 0)


def test_recapture_command(tmp_path):
    squares = [shapely.box(x, 0, x + 10, 10) for x in range(0, 100, 20)]
    for name, some in (("one", squares[:4]), ("two", squares[1:])):
        write_layer(
            gpd.GeoDataFrame({"id": range(len(some))}, geometry=some, crs="EPSG:32646"), tmp_path / f"{name}.gpkg"
        )
    done = CliRunner().invoke(app, ["recapture", str(tmp_path / "one.gpkg"), str(tmp_path / "two.gpkg")])
    assert "first map 4 slumps, second 4, both 3, seen 5\nmissed by both: 0 (" in done.output
    assert "errs on the low side" in done.output


# The next iteration


def test_forecast_of_the_papers_iterations():
    """One step ahead from the second iteration on: the interval of 80 % holds 5 of 7 numbers that came."""
    ahead = [forecast(PAPER[:count]) for count in range(1, len(PAPER))]
    held = [low <= came <= high for (_, low, high), came in zip(ahead, PAPER[1:], strict=True)]
    assert sum(held) == 5
    assert forecast(PAPER).expected < 12 < forecast(PAPER[:5]).expected


def test_the_forecast_covers_what_it_says_when_its_assumptions_hold():
    """Campaigns drawn from the very distributions that it assumes: 80 % or a little more, since numbers are whole."""
    rng = np.random.default_rng(11)
    held, beyond = [], []
    while len(held) < 250:
        start, fall, scatter = np.exp(rng.uniform(2, 5)), rng.uniform(0, 1), np.exp(rng.uniform(np.log(0.01), 0))
        mean = start * fall ** np.arange(rng.integers(2, 7))
        *found, came = rng.negative_binomial(1 / scatter, 1 / (1 + scatter * mean)).tolist()
        if not found[-1]:
            continue  # a campaign ends there
        _, low, high = forecast(found)
        held.append(low <= came <= high)
        beyond.append(came > high)
    # Standard errors: 0.025 and 0.019.
    assert 0.75 <= np.mean(held) <= 0.97
    assert np.mean(beyond) <= 0.15


@settings(max_examples=20)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=8))
def test_a_forecast_is_ordered(found):
    expected, low, high = forecast(found)
    assert 0 <= low <= high and expected > 0
    assert expected < 10 * max(found) + 10


# A campaign


def outcome(iteration, new, total, **changes):
    row = {
        "iteration": iteration,
        "state": "decided",
        "waiting_for": {},
        "positives": total - new,
        "negatives": 0,
        "inferred": 80,
        "known": 0,
        "rejected_before": 0,
        "inspected": 80,
        "new": new,
        "total": total,
        "known_found_again": round(0.95 * (total - new)),
        "reviews": {name: {} for name in ("anna", "ben")},
        "captures": [{"by": ["anna", "ben"], "count": new}] if new else [],
    }
    return row | changes


def campaign(*found, start=300, **changes):
    totals = np.cumsum((start, *found))[1:].tolist()
    return [
        outcome(place, new, total, **changes) for place, (new, total) in enumerate(zip(found, totals, strict=True), 1)
    ]


def test_captures_of_all_iterations_add_up():
    rows = campaign(5, 4)
    rows[0]["captures"] = [
        {"by": ["anna", "ben"], "count": 3},
        {"by": ["anna"], "count": 2},
        {"by": [], "count": 7},
    ]
    assert captures_by_pair(rows) == {("anna", "ben"): Recapture(9, 7, 7)}


def test_three_reviewers_make_three_pairs():
    names = ("a", "b", "c")
    captures = [{"by": ["a", "b", "c"], "count": 5}, {"by": ["a", "c"], "count": 2}, {"by": ["b"], "count": 1}]
    row = outcome(1, 8, 20, reviews={name: {} for name in names}, captures=captures)
    assert captures_by_pair([row]) == {
        ("a", "b"): Recapture(7, 6, 5),
        ("a", "c"): Recapture(7, 7, 7),
        ("b", "c"): Recapture(6, 7, 5),
    }


def test_the_model_is_the_second_capture_of_what_was_known():
    found = estimate_missing([outcome(1, 20, 44, known_found_again=20)])
    assert found.trained == Recapture(24, 40, 20)
    assert any("It mapped 20 of 24 known slumps, but was trained on them" in line for line in found.sentences())


def test_cross_validation_counts_from_its_own_iteration_on():
    rows = campaign(20, 10, start=24)
    found = estimate_missing(rows, Unseen(16, 24, 1))
    assert found.unseen == Recapture(24, 36, 16) and found.found_since == 10
    # 8 of 24 were not found; so of the unknown ones, 20 are two thirds, about.
    assert found.unseen.missed == pytest.approx(8 * 20 / 17)
    assert found.unseen_missed == 0
    assert any("10 found since, so that it was too low" in line for line in found.sentences())
    later = estimate_missing(rows[:1], Unseen(16, 24, 1))
    assert later.unseen_missed == pytest.approx(8 * 20 / 17)
    assert any("0 found since, so 9 now" in line for line in later.sentences())
    assert estimate_missing(rows, Unseen(16, 24, 3)).unseen is None


def test_waiting_and_older_outcomes():
    waiting = outcome(2, 3, 323, state="waiting")
    assert estimate_missing([waiting]) is None
    rows = campaign(20)
    assert estimate_missing([*rows, waiting]).rows == rows
    for row in rows:
        for key in ("known_found_again", "captures", "reviews"):
            del row[key]
    found = estimate_missing(rows)
    assert found.reviewers == {} and found.trained is None
    assert found.sentences() == [found.advice()]


def test_the_papers_campaign_goes_on_to_its_eighth_iteration():
    """The authors ended there too, by hand. The rule's shares were set with these numbers in view."""
    stops = [estimate_missing(campaign(*PAPER[:count])).stop for count in range(1, 9)]
    assert stops == [False] * 7 + [True]
    advice = estimate_missing(campaign(*PAPER)).advice()
    assert advice.startswith("Stop: the next iteration should find ") and "beside the 875 known" in advice


def test_going_on_says_what_it_costs():
    rows = campaign(40, 20, 12)
    for row, inspected in zip(rows, (200, 90, 60), strict=True):
        row["inspected"] = inspected
    found = estimate_missing(rows)
    low, high = found.next.low, found.next.high
    assert (
        found.advice()
        == f"Go on: the next iteration should find {low} to {high} new slumps (8 times in 10) of about 90 inspected."
    )
    assert 0 < low < 12 < high


def test_an_iteration_without_finds_is_the_end():
    found = estimate_missing(campaign(9, 0))
    assert found.stop and found.next is None
    assert found.advice().startswith("Stop: iteration 02 found no new slump")


def test_few_finds_are_no_reason_to_stop_while_many_seem_missing():
    rows = campaign(30, 6, 1, 1)
    assert estimate_missing(rows).stop
    # The model finds a third of the known slumps: as many unknown ones may hide from it.
    rows[-1]["known_found_again"] = 10
    found = estimate_missing(rows)
    assert not found.stop and found.trained.missed > 0.05 * 338
    assert found.advice().startswith("Go on, but not as before")
