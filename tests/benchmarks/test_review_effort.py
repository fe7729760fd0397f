"""The benchmark of the review effort: its curves against brute force, its figures on a made-up campaign."""

from __future__ import annotations

import importlib.util
import itertools
import json
import sys
from pathlib import Path
from types import ModuleType

import geopandas as gpd
import numpy as np
import pytest
import shapely

from slumpmap.vector import write_layer

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "review_effort.py"
CRS = "EPSG:32646"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("review_effort", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["review_effort"] = module
    spec.loader.exec_module(module)
    return module


def queue(script, shows, expected=None, iteration=1):
    """A queue whose candidates show these slumps; its order is that of the rows, the score's is the reverse."""
    shows = np.array(shows, dtype=bool)
    count = len(shows)
    expected = np.linspace(0.9, 0.1, count) if expected is None else expected
    ids = [f"01-{row:03d}" for row in range(count)]
    table = gpd.GeoDataFrame(
        {"rank": range(1, count + 1), "id": ids, "expected": expected, "probability": expected, "drawn": False},
        geometry=[shapely.box(100 * row, 0, 100 * row + 50, 50) for row in range(count)],
        crs=CRS,
    ).assign(why="", fragment_of="")
    verdicts = dict(zip(ids, shows.any(axis=1).tolist(), strict=True))
    return script.Queue("made up", iteration, table, np.arange(count)[::-1], shows, verdicts)


# Six candidates, three slumps: the second slump shows twice, the last candidate shows two.
SHOWS = [[1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 0], [0, 1, 1]]


def test_the_curve_counts_each_slump_once(script):
    one = queue(script, SHOWS)
    assert one.curve().tolist() == [0, 1, 1, 2, 2, 2, 3]
    assert one.curve(one.by_score).tolist() == [0, 2, 2, 2, 2, 2, 3]


def test_the_perfect_order_is_no_worse_than_any(script):
    one = queue(script, SHOWS)
    best = np.max([one.curve(np.array(order)) for order in itertools.permutations(range(6))], axis=0)
    assert one.perfect().tolist() == best.tolist()


def test_any_order_is_the_mean_of_all(script):
    one = queue(script, SHOWS)
    mean = np.mean([one.curve(np.array(order)) for order in itertools.permutations(range(6))], axis=0)
    assert one.any_order() == pytest.approx(mean)


def test_a_part_of_a_candidate_is_no_place(script):
    places = {count: queue(script, np.zeros((count, 0))).places for count in (0, 1, 3, 4, 10, 20, 44)}
    assert places == {0: 0, 1: 0, 3: 0, 4: 1, 10: 3, 20: 6, 44: 13}


def test_the_summary_adds_up(script):
    first = queue(script, np.eye(20)[:, :8])
    second = queue(script, np.eye(20)[::-1, 8:10], iteration=2)
    third = queue(script, np.zeros((5, 0)), iteration=3)
    found = script.summary([first, second, third])
    # 6 of 8 in 6 places, then 0 of 2, where 2 were possible; nothing in the third.
    assert found["found_at_30_percent"] == pytest.approx(6 / 10)
    assert found["perfect_at_30_percent"] == pytest.approx(8 / 10)
    assert found["found_at_30_percent_of_what_is_possible"] == pytest.approx(6 / 8)
    assert found["by_score_at_30_percent"] == pytest.approx(0.0)
    assert found["opened_per_new_slump_at_30_percent"] == pytest.approx(13 / 6)
    assert [one["opened_for_95_percent"] for one in found["iterations"]] == [8, 12, 0]
    low, high = found["found_at_30_percent_interval"]
    assert low < 0.6 < high
    assert sorted(one["rank"] for one in found["missed"]) == [7, 8, 11, 12]


def test_the_bootstrap_of_a_queue_without_chance_has_no_width(script):
    # All 20 slumps stand at the end of 100 candidates: whatever is drawn, none is found.
    share, possible = script.bootstrap([queue(script, np.eye(100)[::-1, :20])])
    assert share.max() == possible.max() == 0
    # A queue in perfect order finds what is possible in every draw.
    _, possible = script.bootstrap([queue(script, np.eye(100)[:, :60])])
    assert possible.min() == pytest.approx(1.0)


def test_an_iteration_is_read_from_its_files(script, tmp_path):
    boxes = [shapely.box(100 * x, 0, 100 * x + 50, 50) for x in range(4)]
    ids = [f"01-{x:03d}" for x in range(4)]
    ranked = gpd.GeoDataFrame({"rank": [2, 1, 3, 4], "id": ids, "score": [0.5, 0.6, 0.7, 0.7]}, geometry=boxes, crs=CRS)
    write_layer(ranked, tmp_path / "queue.gpkg")
    verdicts = gpd.GeoDataFrame({"id": ids, "is_slump": [True, False, True, True]}, geometry=boxes, crs=CRS)
    write_layer(verdicts, tmp_path / "rejected.gpkg")
    # One slump seen by two candidates, one that was drawn beside its candidate.
    outlines = [boxes[0].union(boxes[2]).convex_hull.buffer(5), shapely.box(1000, 0, 1050, 50)]
    found = gpd.GeoDataFrame({"id": [ids[0], f"{ids[3]}.2"]}, geometry=outlines, crs=CRS)
    write_layer(found, tmp_path / "accepted.gpkg")
    one = script._queue("made up", 1, tmp_path / "queue.gpkg", tmp_path)
    assert one.table["id"].tolist() == [ids[1], ids[0], ids[2], ids[3]]
    # The rejected candidate inside the first outline shows nothing.
    assert one.shows.astype(int).tolist() == [[0, 0], [1, 0], [1, 0], [0, 1]]
    assert one.by_score.tolist() == [2, 3, 0, 1]


def test_without_campaigns_it_says_what_to_run(script, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["review_effort.py"])
    with pytest.raises(SystemExit):
        script.main()
    assert "seeds.py" in capsys.readouterr().out


def test_the_figure_is_drawn_and_json_holds_the_key(script, tmp_path):
    every = [queue(script, SHOWS), queue(script, np.zeros((5, 0)), iteration=2)]
    script.draw(every, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert 0 <= json.loads(json.dumps(script.summary(every)))["found_at_30_percent"] <= 1
