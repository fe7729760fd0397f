"""The checks of the paper's numbers: each sum and share again by other means, and faults that must be found."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import geopandas as gpd
import pytest
from shapely.geometry import box

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "paper_checks.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("paper_checks", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["paper_checks"] = module
    spec.loader.exec_module(module)
    return module


def verdicts(checks):
    return {one.statement: one.agrees for one in checks}


def test_table_2(script):
    found = verdicts(script.table2_checks())
    assert found["initial and newly found slumps are all"] == "yes"
    assert found["each total is positives and newly found"] == "yes"
    assert found["each iteration trains on the total before"] == "yes"
    assert found["each iteration inferred 2 to 5 thousand polygons"] == "no"
    assert found["repeated until no new slumps were found"] == "no"
    by_statement = {one.statement: one.recomputed for one in script.table2_checks()}
    assert by_statement["initial and newly found slumps are all"] == "300 + 575 = 875"
    assert by_statement["inferred polygons, all iterations"] == "35,195"
    assert by_statement["yield, newly found per inferred, %"].startswith("1.63; by iteration 7.2, 6.9, 2.3, 0.8,")


def test_a_wrong_table_is_found(script):
    rows = [list(row) for row in script.TABLE2]
    rows[2][4] += 1
    found = verdicts(script.table2_checks(rows))
    assert found["initial and newly found slumps are all"] == "no"
    assert found["each total is positives and newly found"] == "no"
    assert found["each iteration trains on the total before"] == "yes"
    rows = [list(row) for row in script.TABLE2]
    rows[3][1] -= 1
    assert verdicts(script.table2_checks(rows))["each iteration trains on the total before"] == "no"


def test_groups(script):
    checks = {one.statement: one for one in script.group_checks()}
    assert checks["slumps by probability are all"].recomputed == "810 + 33 + 32 = 875"
    assert checks["slumps by probability are all"].agrees == "yes"
    assert checks["share of high probability"].agrees == "no"  # 92.57 rounds to 93
    assert checks["share of medium probability"].agrees == checks["share of low probability"].agrees == "yes"
    begun = checks["slumps by initiation are all"]
    assert begun.recomputed == "306 + 455 + 21 + 55 = 837" and begun.agrees == "no"
    assert begun.note == "38 slumps are in no group"
    assert checks["more than half began from 2016 to 2017"].agrees == "yes"
    whole = script.INITIATION | {"2018-2019": 93}
    assert verdicts(script.group_checks(initiation=whole))["slumps by initiation are all"] == "yes"


def test_shares_that_a_count_can_have(script):
    assert script.counts_that_round_to(86.8, 38, 1) == [33]
    assert script.counts_that_round_to(98.5, 875, 1) == [862]
    assert script.counts_that_round_to(86.9, 38, 1) == []
    assert script.counts_that_round_to(50, 3) == []
    assert script.rounds_to(1, 8, 12.5, 1) and not script.rounds_to(1, 8, 12.4, 1)
    assert script.rounds_to(33, 875, 4) and not script.rounds_to(810, 875, 92)


def test_places_that_contradict_each_other(script):
    found = verdicts([*script.share_checks(), *script.area_checks()])
    assert found["slumps in Beiluhe, said twice"] == "no"
    assert found["elevations of slumps, said twice"] == "no"
    assert found["study area in both units"] == found["soils of the region sum up"] == "yes"
    assert found["near-road slumps smaller than 2 ha"] == found["0.05 ha in pixels of 3 m"] == "yes"


def test_page(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["paper_checks.py", "--json", str(tmp_path / "checks.json")])
    script.main()
    page = capsys.readouterr().out
    written = json.loads((tmp_path / "checks.json").read_text())
    assert len(written) == len(script.all_checks()) and page.count("\n| ") == len(written)
    assert f"{sum(row['agrees'] == 'yes' for row in written)} agree" in page
    assert "837" in page and "35,195" in page


def test_inventory_of_outlines(script, tmp_path, monkeypatch, capsys):
    """Two squares of 1 and 24.03 ha with grades: counts and areas come from the outlines, in degrees or not."""
    side = 2403**0.5 * 10
    shapes = [box(5e5, 38e5, 5e5 + 100, 38e5 + 100), box(51e4, 38e5, 51e4 + side, 38e5 + side)]
    table = {"id": [1, 2], "Prob": ["High", "Low"], "initiation": ["2016-2017", None]}
    gpd.GeoDataFrame(table, geometry=shapes, crs="EPSG:32646").to_crs("EPSG:4326").to_file(tmp_path / "a.shp")
    monkeypatch.setattr(sys, "argv", ["paper_checks.py", "--inventory", str(tmp_path / "a.shp")])
    script.main()
    page = capsys.readouterr().out
    assert "| 5 | largest slump | 24.03 ha | 24.0" in page and "| slumps | 875 | 2 | no |" in page
    assert "high 1, medium 0, low 1 | no" in page and "2016-2017 1" in page
    assert "| 5 | affected area | 1700 ha | 25 ha | no |" in page
