"""Opinions: what contradicts itself is refused, and decision files carry all of it."""

import geopandas as gpd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from slumpmap.review.decisions import read_decisions
from slumpmap.review.opinion import Criteria, Opinion, as_row, of_row, same, suggested_probability
from slumpmap.vector import write_layer

OWN = shapely.box(0, 0, 50, 50)


def ring(*points):
    return {"type": "Polygon", "coordinates": [[*points, points[0]]]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"verdict": "slump"}, "needs a probability"),
        ({"verdict": "maybe"}, "slump"),
        ({"verdict": "reject", "reason": "dull"}, "reason"),
        ({"verdict": "reject", "nonsense": 1}, "nonsense"),
        ({"verdict": "reject", "note": "x" * 2001}, "2000"),
        ({"boundary": {"type": "Point", "coordinates": [0, 0]}}, "no Polygon"),
        ({"boundary": {"type": "Polygon"}}, "GeoJSON"),
        ({"boundary": ring((0, 0), (10, 10), (10, 0), (0, 10))}, "not valid"),
        ({"boundary": ring((0, 0), (10, 10), (float("nan"), 0))}, "boundary"),
        ({"boundary": ring(*[(n, n * n) for n in range(20001)])}, "corners"),
        ({"headwall": ring((0, 0), (10, 10), (10, 0))}, "no LineString"),
        ({"verdict": "reject", "headwall": {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}}, "no headwall"),
    ],
)
def test_what_cannot_be_is_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        Opinion.model_validate(values)


def test_four_criteria_suggest_high_three_medium_fewer_low():
    met = {"headwall_highest": True, "colour_differs": True, "headwall_arcuate": True}
    assert suggested_probability(Criteria(**met, retreats_upslope=True)) == "high"
    assert suggested_probability(Criteria(**met, retreats_upslope=False)) == "medium"
    assert suggested_probability(Criteria(colour_differs=True)) == "low"
    assert suggested_probability(Criteria()) == "low"


verdicts = st.sampled_from(["slump", "reject", "unsure"])
tri = st.sampled_from([None, True, False])
outlines = st.sampled_from([None, ring((1, 1), (40, 5), (30, 45)), ring((0, 0), (60, 0), (60, 60), (0, 60))])
lines = st.sampled_from([None, {"type": "LineString", "coordinates": [[0.0, 0.0], [10.5, 20.25]]}])


@st.composite
def opinions(draw):
    verdict = draw(verdicts)
    slump = verdict == "slump"
    return Opinion(
        verdict=verdict,
        probability=draw(st.sampled_from(["high", "medium", "low"])) if slump else None,
        criteria=Criteria(*[], **{name: draw(tri) for name in Criteria.model_fields}),
        initiation=draw(st.sampled_from([None, "2016-2017"])) if slump else None,
        reason=draw(st.sampled_from([None, "pit", "other"])) if verdict == "reject" else None,
        use_as_negative=draw(st.booleans()) if verdict == "reject" else False,
        note=draw(st.sampled_from(["", "grün; 'quoted'\nnew line"])),
        boundary=draw(outlines),
        headwall=draw(lines) if verdict != "reject" else None,
    )


@given(st.lists(opinions(), min_size=1, max_size=5))
@settings(max_examples=40)
def test_a_decision_file_carries_an_opinion_whole(tmp_path_factory, said):
    """To a GeoPackage and back: all opinions are as they were."""
    path = tmp_path_factory.mktemp("file") / "anna.gpkg"
    names = [f"01-{number}" for number in range(len(said))]
    candidates = gpd.GeoDataFrame({"id": names}, geometry=[OWN] * len(said), crs="EPSG:32646")
    rows = [{"candidate_id": name, **as_row(one, OWN)} for name, one in zip(names, said, strict=True)]
    write_layer(gpd.GeoDataFrame(rows, geometry="geometry", crs="EPSG:32646"), path)
    back = read_decisions(path, candidates)
    assert list(back.index) == names
    for name, one in zip(names, said, strict=True):
        assert same(of_row(back.loc[name], OWN), one, OWN), name


@given(opinions(), opinions())
def test_same_is_an_equality(one, other):
    assert same(one, one, OWN)
    assert same(one, other, OWN) == same(other, one, OWN)
    if one.verdict != other.verdict:
        assert not same(one, other, OWN)


def test_same_sees_a_moved_corner():
    drawn = Opinion(verdict="slump", probability="high", boundary=ring((1, 1), (40, 5), (30, 45)))
    moved = drawn.model_copy(update={"boundary": ring((1, 1), (40, 5), (30, 46))})
    assert not same(drawn, moved, OWN)
