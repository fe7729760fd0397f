"""The review room: who may enter, what is shown in which order, and the decision file that comes of it."""

import itertools

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from room_maker import Campaign, square

from slumpmap.errors import InputError
from slumpmap.review.decisions import read_decisions
from slumpmap.review.handing import hand_in, take_in
from slumpmap.review.opinion import Criteria, Opinion
from slumpmap.review.room import Room
from slumpmap.vector import read_layer, write_layer

TAB = "tab-0001"
REJECT = Opinion(verdict="reject", reason="pit", use_as_negative=True)


def spread(count):
    """Centres of candidates that lie apart."""
    return [(60 + 90 * (n % 16), 60 + 90 * (n // 16)) for n in range(count)]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    made = Campaign(tmp_path_factory.mktemp("many"), spread(60), repeat_share=0.05)
    made.render()
    return made


@pytest.fixture
def few(tmp_path):
    made = Campaign(tmp_path, [(300, 300), (700, 400), (1200, 600)])
    made.render()
    return made


def enter(campaign, reviewer="anna"):
    room = Room(campaign.config, 1, reviewer)
    room.store.enter(TAB, True)
    return room


def say(room, item, opinion, seconds=1.0):
    state = room.state(item)
    return room.store.decide(f"act-{item}-{state.version}-{room.reviewer}", TAB, item, state.version, seconds, opinion)


def test_strangers_and_iterations_to_come_are_refused(few):
    with pytest.raises(InputError, match=r"nobody of this name.*anna, ben, chen"):
        Room(few.config, 1, "eve")
    with pytest.raises(InputError, match="not there yet"):
        Room(few.config, 2, "anna")
    with pytest.raises(InputError, match="not known yet what is disputed"):
        Room(few.config, 1, "chen")


def test_missing_pictures_are_told_before_anybody_starts(few):
    pack = few.iteration / "review/chips/x001_y000.zip"
    pack.rename(pack.with_suffix(".away"))
    with pytest.raises(InputError, match=r"x001_y000\.zip"):
        Room(few.config, 1, "anna")
    # A pack of another run: there, but without this candidate.
    pack.write_bytes((few.iteration / "review/chips/x000_y000.zip").read_bytes())
    with pytest.raises(InputError, match="there are no pictures of 01-c0002"):
        Room(few.config, 1, "anna")


def test_best_first_and_neighbours_together(many):
    with enter(many) as room:
        rows = room.rows()
        by_candidate = {room.state(row["item"]).candidate: row for row in rows if not room.state(row["item"]).repeated}
    values = [by_candidate[name]["order_value"] for name in many.candidates["id"]]
    assert values == sorted(values)
    order = sorted(rows, key=lambda row: row["order_place"])
    steps = [np.hypot(a["x"] - b["x"], a["y"] - b["y"]) for a, b in itertools.pairwise(order)]
    assert np.median(steps) <= 130


def test_orders_are_whole(many):
    with enter(many) as room:
        rows = room.rows()
    for key in ("order_value", "order_place"):
        assert sorted(row[key] for row in rows) == list(range(63))


def test_repeats_come_late_and_nothing_tells_them_apart(many):
    with enter(many) as room:
        rows = {row["item"]: row for row in room.rows()}
        states = room.states()
        repeats = [state for state in states if state.repeated]
        firsts = {state.candidate: state.item for state in states if not state.repeated}
        assert len(repeats) == 3
        for state in repeats:
            first = rows[firsts[state.candidate]]
            again = rows[state.item]
            late = again["order_value"] - first["order_value"]
            assert late >= 25 or again["order_value"] >= 60
            assert abs(again["order_place"] - first["order_place"]) > 5
            assert set(again) == set(first)
            assert set(room.described(state)) == set(room.described(room.state(firsts[state.candidate])))
    with enter(many, "ben") as room:
        assert {s.candidate for s in room.states() if s.repeated} != {s.candidate for s in repeats}


def test_score_and_id_are_hidden_until_the_verdict(few):
    with enter(few) as room:
        assert room.rows()[0]["score"] is None
        told = room.described(room.state(1))
        assert told["score"] is None and "id" not in told["meta"] and "score" not in told["meta"]
        say(room, 1, REJECT)
        told = room.described(room.state(1))
        assert told["score"] == pytest.approx(0.9)
        assert told["meta"]["id"] == "01-c0000"


def test_pictures_by_name_and_nothing_else(few):
    with enter(few) as room:
        assert room.picture("01-c0000", "0")[:2] == b"\xff\xd8"
        assert room.picture("01-c0000", "context")[:2] == b"\xff\xd8"
        assert room.picture("01-c0000", "relief")[:2] == b"\xff\xd8"
        for name in ("3", "-1", "00", "meta", "../x000_y000", "frame_00"):
            assert room.picture("01-c0000", name) is None


def test_what_does_not_belong_to_the_campaign_is_refused(few):
    with enter(few) as room:
        ok = Opinion(verdict="slump", probability="low", initiation="2017-2018")
        assert room.check("01-c0000", ok) is None
        assert "initiation" in room.check("01-c0000", ok.model_copy(update={"initiation": "1999"}))
        away = shapely.geometry.mapping(square(5000, 5000, 50))
        far = Opinion(verdict="slump", probability="low", boundary=away)
        assert "leaves the ground" in room.check("01-c0000", far)


def test_the_decision_file_holds_everything(few):
    drawn = shapely.geometry.mapping(square(305, 300, 80))
    wall = {"type": "LineString", "coordinates": [[500260, 3843730], [500340, 3843735]]}
    slump = Opinion(
        verdict="slump",
        probability="medium",
        criteria=Criteria(headwall_highest=True, colour_differs=False),
        initiation="2017-2018",
        note="steep",
        boundary=drawn,
        headwall=wall,
    )
    with enter(few) as room:
        say(room, 1, slump, 12.5)
        say(room, 2, Opinion(verdict="unsure", note="cloud"))
        counts = hand_in(room)
    assert (counts["decided"], counts["unsure"], counts["open"]) == (1, 1, 1)
    back = read_decisions(few.folder / "decisions/01/anna.gpkg", few.candidates)
    row = back.loc["01-c0000"]
    assert (row["probability"], row["initiation"], row["seconds"]) == ("medium", "2017-2018", 12.5)
    assert (row["headwall_highest"], row["colour_differs"]) == (True, False)
    assert row.geometry.equals(shapely.geometry.shape(drawn))
    assert shapely.from_wkt(row["headwall"]).length == pytest.approx(np.hypot(80, 5))
    assert back.loc["01-c0001", "unsure"] and pd.isna(back.loc["01-c0001", "is_slump"])
    assert pd.read_csv(few.folder / "decisions/01/anna.csv")["candidate_id"].tolist() == list(few.candidates["id"])


def test_repeats_are_kept_apart_from_decisions(many):
    with enter(many) as room:
        for state in room.states():
            say(room, state.item, Opinion(verdict="unsure") if state.repeated else REJECT)
        hand_in(room)
    assert not read_decisions(many.folder / "decisions/01/anna.gpkg", many.candidates)["unsure"].any()
    pairs = pd.read_csv(many.folder / "decisions/01/anna.repeats.csv")
    assert pairs[["verdict", "repeat_verdict"]].drop_duplicates().to_numpy().tolist() == [["reject", "unsure"]]
    assert len(pairs) == 3


def test_what_qgis_changed_is_taken_over_and_what_the_page_changed_stays(few):
    path = few.folder / "decisions/01/anna.gpkg"
    with enter(few) as room:
        say(room, 1, REJECT)
        say(room, 2, REJECT)
        hand_in(room)
        say(room, 2, Opinion(verdict="slump", probability="high"))  # on the page, after handing in
    layer = read_layer(path, "decisions")
    layer["is_slump"] = [True, False, False]  # in QGIS: the first is a slump, the last is rejected
    layer["probability"], layer["reason"] = ["low", None, None], [None, "pit", None]
    write_layer(layer, path)
    with enter(few) as room:
        assert take_in(room) == 2
        assert take_in(room) == 0
        said = {state.candidate: state.opinion for state in room.states()}
        hand_in(room)
    assert (said["01-c0000"].verdict, said["01-c0000"].probability) == ("slump", "low")
    assert said["01-c0001"].verdict == "slump"
    assert said["01-c0002"].verdict == "reject"
    assert read_decisions(path, few.candidates)["is_slump"].tolist() == [True, True, False]


def test_a_verdict_emptied_in_qgis_is_open_again(few):
    path = few.folder / "decisions/01/anna.gpkg"
    with enter(few) as room:
        say(room, 1, REJECT)
        hand_in(room)
    layer = read_layer(path, "decisions")
    layer["is_slump"] = pd.array([None] * 3, dtype="boolean")
    write_layer(layer, path)
    with enter(few) as room:
        assert take_in(room) == 1
        assert room.state(1).opinion.verdict is None


def test_the_same_file_may_come_back(few):
    """A decision file restored from a backup has a digest that was seen before."""
    path = few.folder / "decisions/01/anna.gpkg"
    versions = []
    for opinion in (REJECT, Opinion(verdict="unsure")):
        with enter(few) as room:
            say(room, 1, opinion)
            hand_in(room)
        versions.append(path.read_bytes())
    for content, verdict in ((versions[0], "reject"), (versions[1], "unsure"), (versions[0], "reject")):
        path.write_bytes(content)
        with enter(few) as room:
            take_in(room)
            assert room.state(1).opinion.verdict == verdict


def test_a_file_changed_while_the_page_is_open_is_not_overwritten(few):
    path = few.folder / "decisions/01/anna.gpkg"
    with enter(few) as room:
        say(room, 1, REJECT)
        hand_in(room)
        layer = read_layer(path, "decisions")
        layer["note"] = "from elsewhere"
        write_layer(layer, path)
        before = path.read_bytes()
        with pytest.raises(InputError, match="another program changed it"):
            hand_in(room)
        assert path.read_bytes() == before


def test_a_refused_decision_file_stops_the_review_before_it_starts(few):
    path = few.folder / "decisions/01/anna.gpkg"
    layer = gpd.GeoDataFrame({"candidate_id": ["nobody"]}, geometry=[square(1, 1, 5)], crs="EPSG:32646")
    write_layer(layer.assign(is_slump=True, probability="high", initiation=None, use_as_negative=False), path)
    with enter(few) as room, pytest.raises(InputError, match="'nobody' was not to be inspected"):
        take_in(room)


def test_the_adjudicator_sees_the_disputed_ones_and_both_opinions(few):
    for name, verdict in (("anna", "slump"), ("ben", "reject")):
        with enter(few, name) as room:
            say(room, 1, REJECT)
            say(room, 3, REJECT)
            opinion = Opinion(verdict=verdict, probability="high" if verdict == "slump" else None)
            say(room, 2, opinion)
            hand_in(room)
    disputed = few.candidates.iloc[[1]].rename(columns={"id": "candidate_id"})[["candidate_id", "geometry"]]
    write_layer(disputed, few.iteration / "outcome/disputed.gpkg")
    with enter(few, "chen") as room:
        states = room.states()
        assert [state.candidate for state in states] == ["01-c0001"]
        opinions = room.described(states[0])["opinions"]
        assert [(one["reviewer"], one["decision"]["verdict"]) for one in opinions] == [
            ("anna", "slump"),
            ("ben", "reject"),
        ]
        assert room.check("01-c0001", Opinion(verdict="unsure")) == "the adjudicator must decide"
        say(room, states[0].item, REJECT)
        hand_in(room)
    # The next outcome lists no dispute any more; what was decided stays there.
    write_layer(disputed.iloc[:0], few.iteration / "outcome/disputed.gpkg")
    with enter(few, "chen") as room:
        assert [state.opinion.verdict for state in room.states()] == ["reject"]


def test_an_empty_queue_is_no_error(tmp_path):
    made = Campaign(tmp_path, [])
    made.render()
    with enter(made) as room:
        assert room.rows() == []
        assert hand_in(room)["open"] == 0
