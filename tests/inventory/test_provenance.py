"""Who and what found a slump."""

from __future__ import annotations

import json

import geopandas as gpd
import pytest
from shapely.geometry import LineString, box

from slumpmap.errors import InputError
from slumpmap.inventory.provenance import Iteration, Provenance, candidates_of, drawn_headwalls, measured, origins
from slumpmap.vector import write_layer

UTM = "EPSG:32646"


def slumps(*ids, iteration=1, **columns):
    shapes = [box(100 * n, 0, 100 * n + 50, 50) for n in range(len(ids))]
    table = {"id": list(ids), "iteration_found": iteration} | columns
    return gpd.GeoDataFrame(table, geometry=shapes, crs=UTM)


def decisions(path, rows):
    """Rows: candidate, is_slump, further columns."""
    names = ["candidate_id", "is_slump", "unsure", "headwall"]
    table = [dict(zip(names, row, strict=False)) for row in rows]
    layer = gpd.GeoDataFrame(table, columns=names, geometry=[box(0, 0, 1, 1)] * len(rows), crs=UTM)
    write_layer(layer.astype({"headwall": object}), path)
    return path


def bundle(path, digest="0123456789abcdef"):
    path.mkdir(parents=True)
    (path / "model.json").write_text(json.dumps({"weights": digest}))
    return path


def test_model(tmp_path):
    models = [bundle(tmp_path / "model"), bundle(tmp_path / "model_2", "fedcba9876543210")]
    known = Provenance([Iteration(1, models[:1]), Iteration(2, models)])
    table = origins(slumps("p1", "c1", "c2", iteration=[0, 1, 2]), known)
    assert table["model"].tolist() == [None, "01:0123456789ab", "02:0123456789ab+fedcba987654"]


def test_bundle_without_digest_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"model\.json: not a model card"):
        origins(slumps("c1"), Provenance([Iteration(1, [bundle(tmp_path / "model", "")])]))


def test_reviewers_are_those_who_had_an_opinion(tmp_path):
    first = decisions(tmp_path / "first.gpkg", [("c1", True), ("c2", True), ("c3", None), ("c4", None, True)])
    second = decisions(tmp_path / "second.gpkg", [("c1", True), ("c2", False), ("c3", None), ("c4", None, False)])
    third = decisions(tmp_path / "third.gpkg", [("c2", True)])
    iteration = Iteration(1, decisions={"first": first, "second": second, "third": third})
    layer = slumps("c1", "c2", "c3", "c4", "p1", iteration=[1, 1, 1, 1, 0])
    expected = ["first;second", "first;second;third", None, "first", None]
    assert origins(layer, Provenance([iteration]))["reviewers"].tolist() == expected


def test_part_of_a_candidate_is_found_by_the_candidate_s_name(tmp_path):
    """`c.2` is a candidate of its own; `c1.2` is the second part of `c1`."""
    file = decisions(tmp_path / "first.gpkg", [("c1", True), ("c", True), ("c.2", True)])
    names = candidates_of(slumps("c1.2", "c.2", "c", "x.1")["id"], Iteration(1, decisions={"first": file}))
    assert names.tolist() == ["c1", "c.2", "c", "x.1"]


def test_ids_count_within_their_iteration(tmp_path):
    files = [decisions(tmp_path / f"{n}.gpkg", [("c1", True)]) for n in (1, 2)]
    known = Provenance([Iteration(n, decisions={f"of {n}": file}) for n, file in enumerate(files, 1)])
    table = origins(slumps("c1", "other", iteration=[2, 1]), known)
    assert table["reviewers"].tolist() == ["of 2", None]


def test_drawn_headwalls(tmp_path):
    """The adjudicator's first, then the first reviewer's."""
    wall = {n: LineString([(n, 0), (n, 9)]).wkt for n in range(1, 5)}
    first = decisions(tmp_path / "first.gpkg", [("c1", True, False, wall[1]), ("c2", True, False, wall[2])])
    second = decisions(tmp_path / "second.gpkg", [("c1", True, False, wall[3]), ("c3", True, False, "")])
    third = decisions(tmp_path / "third.gpkg", [("c2", True, False, wall[4])])
    iteration = Iteration(1, decisions={"first": first, "second": second, "third": third})
    lines = drawn_headwalls(slumps("c1", "c2.1", "c3", "p1", iteration=[1, 1, 1, 0]), [iteration])
    assert [line and line.coords[0][0] for line in lines] == [1, 4, None, None]


def test_headwall_that_is_no_line_is_refused(tmp_path):
    file = decisions(tmp_path / "first.gpkg", [("c1", True, False, "POINT (1 1)")])
    with pytest.raises(InputError, match=r"first\.gpkg: headwall 'POINT \(1 1\)' is no line"):
        drawn_headwalls(slumps("c1"), [Iteration(1, decisions={"first": file})])


def catalogue(path, rows):
    """Rows: scene, date, cloud share, west and east of the footprint, selected."""
    table = {
        "scene": [row[0] for row in rows],
        "acquired": [f"{row[1]}T04:10:00+00:00" for row in rows],
        "year": [int(row[1][:4]) for row in rows],
        "cloud_fraction": [row[2] for row in rows],
        "selected": [row[5] for row in rows],
    }
    shapes = [box(row[3], -100, row[4], 100) for row in rows]
    write_layer(gpd.GeoDataFrame(table, geometry=shapes, crs=UTM), path)
    return path


def test_scenes_are_those_that_can_show_the_slump(tmp_path):
    """Clearest first, up to the first that shows all of it without clouds."""
    rows = [
        ("hazy", "2019-07-01", 0.2, -1000, 1000, True),
        ("clear", "2019-08-02", 0.0, -1000, 70, True),
        ("other", "2019-08-05", 0.1, 120, 1000, True),
        ("same day", "2019-08-05", 0.15, 120, 1000, True),
        ("cloudy", "2019-07-20", 0.9, -1000, 1000, False),
        ("earlier", "2018-07-20", 0.0, -1000, 1000, True),
    ]
    known = Provenance(catalogue=catalogue(tmp_path / "scenes.gpkg", rows), year=2019)
    # Slumps at 0 to 50, 100 to 150 and 200 to 250.
    table = origins(slumps("a", "b", "c"), known)
    assert table["scenes"].tolist() == ["clear", "other,same day,hazy", "other,same day,hazy"]
    assert table["scene_dates"].tolist() == ["2019-08-02", "2019-08-05,2019-07-01", "2019-08-05,2019-07-01"]


def test_slump_without_a_scene(tmp_path):
    known = Provenance(catalogue=catalogue(tmp_path / "scenes.gpkg", [("a", "2019-07-01", 0, 90, 99, True)]), year=2019)
    assert origins(slumps("a"), known)[["scenes", "scene_dates"]].isna().all(axis=None)


def test_foreign_slumps_bring_their_dates():
    table = origins(slumps("a", "b", iteration=0, date=["2014-08-08", None]), Provenance())
    assert table["scene_dates"].tolist() == ["2014-08-08", None]
    assert origins(slumps("a"), Provenance()).isna().all(axis=None)


def growth(path, *rows):
    """Rows: id, measured initiation, confidence, retreat."""
    names = ("id", "initiation_measured", "measured_confidence", "retreat_m_per_year")
    table = [dict(zip(names, row, strict=True)) for row in rows]
    write_layer(gpd.GeoDataFrame(table, geometry=[box(0, 0, 1, 1)] * len(rows), crs=UTM), path)
    return path


def test_what_was_measured_stands_beside_the_slump(tmp_path):
    files = [
        growth(tmp_path / "1.gpkg", ("b", "2017-2018", 0.8, 12.5), ("gone", "before 2016", 0.5, 1.0)),
        growth(tmp_path / "2.gpkg", ("c", None, 0.1, None)),
    ]
    table = measured(slumps("a", "b", "c"), files)
    assert table["initiation_measured"].tolist() == [None, "2017-2018", None]
    assert table["measured_confidence"].tolist() == pytest.approx([float("nan"), 0.8, 0.1], nan_ok=True)
    assert table["retreat_m_per_year"].tolist() == pytest.approx([float("nan"), 12.5, float("nan")], nan_ok=True)
    assert measured(slumps("a"), []).isna().all(axis=None)
