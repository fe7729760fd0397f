"""The queue: what it promises, what it learns, and what it says of the rest."""

import itertools

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from slumpmap.errors import InputError
from slumpmap.review.evidence import STATED
from slumpmap.review.ranking import (
    BIASED,
    CRITERIA,
    SAME_M,
    TRAITS,
    Ranker,
    Scale,
    calibration,
    expected_left,
    first_of_its_slump,
    queue_order,
    rank_candidates,
)
from slumpmap.settings.review import RankingSettings
from slumpmap.vector import read_layer, write_layer

CRS = "EPSG:32646"
PLAIN = RankingSettings()


def traits(count, seed=1, **columns):
    """Evidence without meaning: noise in all traits but those given."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({name: rng.normal(size=count) for name in TRAITS}, index=names(count, seed))
    return table.assign(**{"on_negative": 0.0, **columns})


def names(count, iteration=1):
    return [f"{iteration:02d}-r{number:06d}" for number in range(count)]


def campaign(seed, count=150, share=0.2):
    """Candidates of which some are slumps: they became bare and have a wall uphill; the score says little."""
    rng = np.random.default_rng(seed)
    slump = rng.random(count) < share
    table = traits(count, seed)
    for name, strength in {"newly_bare": 2.0, "wall_arc": 1.5, "slope_deg": 1.0, "redness": -1.5, "score": 0.3}.items():
        table[name] += strength * slump
    return table.assign(is_slump=slump)


def found_early(order, slump, share=0.3):
    return slump[order[: int(share * len(order))]].sum() / slump.sum()


NONE = campaign(1).iloc[:0]


def test_before_any_verdict_the_criteria_beat_the_score():
    now = campaign(2)
    ranked = np.argsort(-Ranker.learn(NONE, NONE, now).probability(now))
    assert found_early(ranked, now["is_slump"].to_numpy()) > 0.8
    assert found_early(np.argsort(-now["score"]), now["is_slump"].to_numpy()) < 0.55


def test_verdicts_teach_what_the_criteria_do_not_know():
    now, past = campaign(3), pd.concat([campaign(4), campaign(5)])
    slump = now["is_slump"].to_numpy()
    before, after = Ranker.learn(NONE, NONE, now), Ranker.learn(NONE, past, now)
    place = TRAITS.index("redness")
    assert before.weights[place] == 0.0
    assert after.weights[place] < -0.25

    def loss(ranker):
        chance = ranker.probability(now)
        return -np.mean(np.log(np.where(slump, chance, 1 - chance)))

    assert loss(after) < 0.85 * loss(before)


def test_wrong_criteria_are_unlearned():
    now, past = campaign(6), pd.concat([campaign(seed) for seed in range(7, 13)])
    for table in (now, past):
        table["newly_bare"] *= -1
    weight = Ranker.learn(NONE, past, now).weights[TRAITS.index("newly_bare")]
    assert weight < 0 < CRITERIA["newly_bare"]


def test_probabilities_are_calibrated_on_what_was_not_seen():
    past = pd.concat([campaign(seed) for seed in range(20, 26)])
    now = campaign(30, count=2000)
    chance = Ranker.learn(NONE, past, now).probability(now)
    assert chance.sum() == pytest.approx(now["is_slump"].sum(), rel=0.15)
    top = chance > 0.5
    # Few verdicts are not trusted wholly: the likely ones are likelier than it says.
    assert 0 < now["is_slump"][top].mean() - chance[top].mean() < 0.15


def test_slumps_known_at_the_start_move_criteria_only_before_there_are_verdicts():
    start, now = campaign(13), campaign(14)
    start = start[start["is_slump"]].assign(redness=5.0, darker_uphill=4.0)
    ranker, without = Ranker.learn(start, NONE, now), Ranker.learn(NONE, NONE, now)
    assert ranker.weights[TRAITS.index("redness")] == 0.0
    assert ranker.weights[TRAITS.index("darker_uphill")] > without.weights[TRAITS.index("darker_uphill")]


def test_a_look_alike_that_people_drew_goes_down():
    now = campaign(14)
    on = now.index[np.argsort(-Ranker.learn(NONE, NONE, now).probability(now))[:5]]
    drawn = now.assign(on_negative=np.where(now.index.isin(on), 0.9, 0.0))
    before, after = (Ranker.learn(NONE, NONE, table).probability(table)[now.index.isin(on)] for table in (now, drawn))
    assert (after < 0.7 * before).all()


def test_what_is_known_because_a_slump_is_known_teaches_nothing():
    start, now, past = campaign(13), campaign(14), campaign(15)
    start = start[start["is_slump"]]
    shown = start.copy()
    # Shuffling keeps the scale and takes all else from the biased traits.
    for name in BIASED:
        shown[name] = shown[name].to_numpy()[::-1]
    one, other = (Ranker.learn(table, past, now).weights for table in (start, shown))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_slumps_known_at_the_start_do_not_raise_the_base_rate():
    start, past, now = campaign(16), campaign(17, count=400, share=0.05), campaign(18, count=400, share=0.05)
    many = pd.concat([start[start["is_slump"]]] * 10)
    assert Ranker.learn(many, past, now).probability(now).sum() < 1.6 * now["is_slump"].sum()


@pytest.mark.parametrize("verdict", [True, False])
def test_verdicts_of_one_kind_still_rank(verdict):
    past, now = campaign(19), campaign(20)
    chance = Ranker.learn(NONE, past.assign(is_slump=verdict), now).probability(now)
    assert np.isfinite(chance).all()
    assert (chance.mean() > 0.5) == verdict
    # With nothing but slumps or nothing but rejects the criteria still tell which is which.
    assert found_early(np.argsort(-chance), now["is_slump"].to_numpy()) > 0.6


def test_unknown_traits_say_nothing():
    now = campaign(21)
    blind = now.assign(**dict.fromkeys(TRAITS, np.nan))
    ranker = Ranker.learn(NONE, campaign(22), now)
    assert (ranker.terms(blind) == 0).all()
    assert Ranker.learn(NONE, NONE, blind).probability(blind) == pytest.approx(np.full(len(now), 0.1192), abs=1e-3)


def test_the_scale_is_robust_and_cut():
    table = traits(1000, newly_bare=np.r_[np.linspace(0, 1, 999), 1e9])
    scale = Scale.of(table)
    place = TRAITS.index("newly_bare")
    assert scale.middle[place] == pytest.approx(0.5, abs=0.01)
    assert scale.spread[place] == pytest.approx(0.34, abs=0.01)
    assert scale.apply(table)[-1, place] == 2.5
    alike = traits(10, newly_bare=3.0)
    assert (Scale.of(alike).apply(alike)[:, place] == 0).all()


def test_the_first_fragment_keeps_the_value():
    shapes = np.array([shapely.box(0, 0, 60, 60), shapely.box(66, 0, 90, 30), shapely.box(1000, 0, 1060, 60)])
    expected, fragment_of = first_of_its_slump(shapes, np.array([0.8, 0.6, 0.5]), np.array(["a", "b", "c"], object))
    assert expected[[0, 2]] == pytest.approx([0.8, 0.5])
    assert expected[1] == pytest.approx(0.6 * (1 - 0.8 * np.exp(-6 / SAME_M)))
    assert fragment_of.tolist() == ["", "a", ""]


def test_an_unlikely_neighbour_takes_nothing_away():
    shapes = np.array([shapely.box(0, 0, 60, 60), shapely.box(66, 0, 90, 30)])
    expected, fragment_of = first_of_its_slump(shapes, np.array([0.02, 0.01]), np.array(["a", "b"], object))
    assert expected == pytest.approx([0.02, 0.01], rel=0.02)
    assert fragment_of.tolist() == ["", ""]


@given(
    values=st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9]), max_size=40), share=st.floats(0, 1), seed=st.integers(0, 5)
)
def test_the_queue_holds_everything_once(values, share, seed):
    ids = np.array(names(len(values)), dtype=object)
    order, drawn = queue_order(np.array(values), ids, share, seed)
    assert sorted(order) == list(range(len(values)))
    assert drawn.sum() == int(len(values) * share + 1e-9)
    # What was not drawn stands in the order of value, then id.
    rest = [(-values[row], ids[row]) for row in order[~drawn]]
    assert rest == sorted(rest)


@given(permutation=st.permutations(range(12)), share=st.sampled_from([0.0, 0.25]))
@settings(max_examples=30)
def test_the_order_of_rows_does_not_matter(permutation, share):
    values = np.array([0.5, 0.5, 0.1, 0.9, 0.5, 0.2, 0.2, 0.7, 0.0, 0.3, 0.3, 0.3])
    ids, rows = np.array(names(12), dtype=object), np.array(permutation)
    order, drawn = queue_order(values, ids, share, 7)
    other, other_drawn = queue_order(values[rows], ids[rows], share, 7)
    assert ids[order].tolist() == ids[rows][other].tolist()
    assert drawn.tolist() == other_drawn.tolist()


def test_draws_depend_on_the_seed_and_reach_the_tail():
    values, ids = np.linspace(1, 0, 200), np.array(names(200), dtype=object)
    picks = []
    for seed in range(40):
        order, drawn = queue_order(values, ids, 0.1, seed)
        picks.append(order[drawn][0])
    # The tenth place goes to any of the 191 that are left.
    assert len(set(picks)) > 30
    assert np.mean(picks) == pytest.approx(104, abs=30)


@pytest.fixture
def folder(tmp_path):
    """Files of two iterations, the first one decided."""
    for number, seed in ((1, 40), (2, 41)):
        table = campaign(seed, 60).set_axis(names(60, number))
        status = np.where(np.arange(60) % 10 == 0, "known", "new")
        evidence = table.drop(columns="is_slump").rename_axis("id").reset_index().assign(status=status)
        evidence.to_parquet(tmp_path / f"{number}.parquet")
        boxes = [shapely.box(x * 300, 0, x * 300 + 50, 50) for x in range(60)]
        ledger = gpd.GeoDataFrame({"id": table.index, "status": status}, geometry=boxes, crs=CRS)
        write_layer(ledger, tmp_path / f"{number}.gpkg")
        decided = ledger.assign(is_slump=table["is_slump"].to_numpy())[status == "new"].drop(columns="status")
        write_layer(decided, tmp_path / f"decided{number}.gpkg")
    return tmp_path


def run(folder, iteration=2, settings=PLAIN, seed=1, rejected="decided1.gpkg", out="queue.gpkg"):
    evidence = [folder / f"{number}.parquet" for number in range(1, iteration + 1)]
    before = folder / rejected if iteration > 1 else None
    rank_candidates(folder / f"{iteration}.gpkg", evidence, before, settings, seed, folder / out)
    return read_layer(folder / out, "queue")


@pytest.mark.parametrize("iteration", [1, 2])
def test_every_new_candidate_is_in_the_queue_once(folder, iteration):
    queue = run(folder, iteration)
    ledger = read_layer(folder / f"{iteration}.gpkg", "ledger")
    assert queue["rank"].tolist() == list(range(1, len(queue) + 1))
    assert set(queue["id"]) == set(ledger.loc[ledger["status"] == "new", "id"])
    assert (queue["expected"].diff().dropna() <= 0).all()
    assert queue["expected"].between(0, 1).all()
    assert (queue["expected"] <= queue["probability"]).all()
    assert not queue["drawn"].any()
    own = ledger.set_index("id").geometry.reindex(queue["id"])
    assert shapely.equals(queue.geometry.to_numpy(), own.to_numpy()).all()


def test_the_same_input_gives_the_same_bytes(folder):
    for name in ("one", "two"):
        run(folder, settings=RankingSettings(explore_share=0.1), out=f"{name}/queue.gpkg")
    assert (folder / "one" / "queue.gpkg").read_bytes() == (folder / "two" / "queue.gpkg").read_bytes()


def test_the_order_of_the_files_rows_does_not_matter(folder):
    before = run(folder)
    for name in ("2.gpkg", "decided1.gpkg"):
        write_layer(read_layer(folder / name, "layer").sample(frac=1, random_state=1), folder / name)
    for name in ("1.parquet", "2.parquet"):
        pd.read_parquet(folder / name).sample(frac=1, random_state=2).to_parquet(folder / name)
    pd.testing.assert_frame_equal(pd.DataFrame(run(folder)), pd.DataFrame(before))


def test_verdicts_of_the_iteration_itself_are_not_looked_at(folder):
    before = run(folder)
    both = [read_layer(folder / f"decided{number}.gpkg", "layer") for number in (1, 2)]
    write_layer(gpd.GeoDataFrame(pd.concat(both, ignore_index=True)), folder / "both.gpkg")
    pd.testing.assert_frame_equal(pd.DataFrame(run(folder, rejected="both.gpkg")), pd.DataFrame(before))


def test_verdicts_before_it_are(folder):
    before = run(folder)
    decided = read_layer(folder / "decided1.gpkg", "layer")
    write_layer(decided.assign(is_slump=~decided["is_slump"]), folder / "decided1.gpkg")
    assert run(folder)["id"].tolist() != before["id"].tolist()


def test_undecided_candidates_teach_nothing(folder):
    decided = read_layer(folder / "decided1.gpkg", "layer")
    write_layer(decided.iloc[:20], folder / "few.gpkg")
    assert len(run(folder, rejected="few.gpkg")) == 54
    write_layer(decided.iloc[:0], folder / "none.gpkg")
    assert len(run(folder, rejected="none.gpkg")) == 54


def test_an_empty_queue_is_written(folder):
    ledger = read_layer(folder / "2.gpkg", "ledger").assign(status="known")
    write_layer(ledger, folder / "2.gpkg")
    queue = run(folder)
    assert len(queue) == 0
    assert {"rank", "id", "expected", "why"} <= set(queue.columns)
    assert expected_left(queue, {}).expected == 0.0


def test_an_iteration_without_any_candidate_is_ranked(folder):
    write_layer(read_layer(folder / "2.gpkg", "ledger").iloc[:0], folder / "2.gpkg")
    pd.read_parquet(folder / "2.parquet").iloc[:0].to_parquet(folder / "2.parquet")
    assert len(run(folder)) == 0


def test_why_names_the_strongest_terms(folder):
    queue = run(folder, 1)
    assert queue["why"].iloc[0].count(",") <= 2
    assert "newly bare share +" in " ".join(queue["why"].head(5))


def test_evidence_of_other_candidates_is_refused(folder):
    pd.read_parquet(folder / "2.parquet").iloc[1:].to_parquet(folder / "2.parquet")
    with pytest.raises(InputError, match="was not measured on"):
        run(folder)
    (folder / "2.parquet").write_text("nothing")
    with pytest.raises(InputError, match="cannot be read"):
        run(folder)


def test_drawn_places_are_marked(folder):
    queue = run(folder, settings=RankingSettings(explore_share=0.1))
    assert queue.loc[queue["drawn"], "rank"].tolist() == [10, 20, 30, 40, 50]


def queue_of(expected, drawn=False):
    count = len(expected)
    table = {"rank": range(1, count + 1), "id": names(count), "expected": expected, "probability": expected}
    return pd.DataFrame(table).assign(drawn=drawn)


def test_what_is_left_is_the_sum_of_the_values_before_anything_is_opened():
    left = expected_left(queue_of([0.9, 0.5, 0.2, 0.1]), {})
    assert left.expected == pytest.approx(1.7)
    assert left.low <= 1.7 <= left.high
    assert left.sampled is None


def test_what_turns_up_changes_what_is_left():
    queue = queue_of(np.linspace(0.9, 0.1, 40))
    head = names(40)[:20]
    none, some, all_of_them = (
        expected_left(queue, {name: place < many for place, name in enumerate(head)}).expected for many in (0, 13, 20)
    )
    assert none < 0.2 * queue["expected"][20:].sum() < some < all_of_them
    assert some == pytest.approx(queue["expected"][20:].sum(), rel=0.15)


def test_nothing_is_left_when_all_are_opened():
    left = expected_left(queue_of([0.9, 0.5]), dict.fromkeys(names(2), True))
    assert (left.expected, left.low, left.high) == (0.0, 0, 0)


def test_the_interval_holds_what_it_says():
    rng = np.random.default_rng(8)
    inside = 0
    for _ in range(300):
        expected = np.sort(rng.beta(0.4, 1.6, 100))[::-1]
        slump = rng.random(100) < expected
        left = expected_left(queue_of(expected), dict(zip(names(100)[:30], slump[:30], strict=True)))
        inside += left.low <= slump[30:].sum() <= left.high
    # 90 % or more, since counts are whole.
    assert 0.88 <= inside / 300 <= 0.99


def test_drawn_candidates_estimate_the_tail_without_bias():
    """The values are wrong on purpose: the tail hides more slumps than they say, the head holds most."""
    rng, estimates, truths = np.random.default_rng(9), [], []
    expected, ids = np.linspace(0.5, 0.001, 200), np.array(names(200), dtype=object)
    for seed in range(200):
        slump = rng.random(200) < np.where(np.arange(200) < 40, 0.8, 0.3)
        order, drawn = queue_order(expected, ids, 0.25, seed)
        queue = queue_of(expected[order], drawn).assign(id=ids[order])
        opened = {ids[row]: bool(slump[row]) for row in order[:60]}
        estimates.append(expected_left(queue, opened).sampled)
        truths.append(slump[order[60:]].sum())
    assert np.mean(estimates) == pytest.approx(np.mean(truths), rel=0.1)


def test_a_verdict_on_a_stranger_is_refused():
    with pytest.raises(KeyError, match="stranger"):
        expected_left(queue_of([0.5]), {"stranger": True})


def test_an_accepted_fragment_counts_little():
    queue = queue_of([0.8, 0.6, 0.5]).assign(expected=[0.8, 0.1, 0.5])
    one = expected_left(queue, {names(3)[0]: True, names(3)[1]: False})
    two = expected_left(queue, {names(3)[0]: True, names(3)[1]: True})
    assert 0 < two.expected - one.expected < 0.1


def test_calibration_counts_what_was_decided():
    table = calibration(queue_of([0.9, 0.7, 0.3, 0.1]), dict(zip(names(3), [True, True, False], strict=True)), bins=2)
    assert table.count.tolist() == [1, 2]
    assert table.observed_share.tolist() == [0.0, 1.0]


def test_every_criterion_and_biased_trait_is_a_trait():
    assert set(CRITERIA) <= set(TRAITS)
    assert set(BIASED) <= set(STATED)
    assert len(set(TRAITS)) == len(TRAITS)


def test_equal_values_stand_in_the_order_of_their_ids():
    for rows in itertools.permutations(range(3)):
        ids = np.array(names(3), dtype=object)[list(rows)]
        order, _ = queue_order(np.full(3, 0.4), ids, 0.0, 1)
        assert ids[order].tolist() == names(3)
