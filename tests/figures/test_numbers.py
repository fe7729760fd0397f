"""The numbers of a results section: inventories of known numbers, the paper's own groups, what is missing."""

from __future__ import annotations

import csv
import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

from slumpmap.cli import app
from slumpmap.figures.numbers import all_numbers, grouped, ranged, read_numbers
from slumpmap.figures.published import beside, paper
from slumpmap.figures.results import write_results
from slumpmap.figures.words import clause, counted_words, decimals, listed, sentence, table
from slumpmap.grid import Grid
from slumpmap.inventory.build import COLUMNS
from slumpmap.inventory.landscape import BIN_COLUMNS, NOT_GIVEN
from slumpmap.inventory.study import read_study
from slumpmap.settings.analysis import InventorySettings
from slumpmap.vector import write_layer

UTM = "EPSG:32646"
X, Y, WIDTH = 500_000.0, 3_840_000.0, 20_000.0
GRID = Grid.over(box(X, Y, X + WIDTH, Y + WIDTH), UTM, 3.0, 512)
LAYERS = ("elevation", "slope", "aspect", "tpi", "pisr", "vegetation", "soil", "streams", "roads")


def landscape(folder, absent=()):
    """Files of a landscape of 400 km2 that is written by hand; layers that are absent are listed as omissions."""
    shares = {
        "vegetation": {"alpine meadow": 0.5, "alpine steppe": 0.25, "arid desert meadow": 0.25},
        "soil": {"loam": 0.233, "sandy loam": 0.713, "sand": 0.054},
        "aspect": dict.fromkeys(("N", "NE", "E", "SE", "S", "SW", "W", "NW"), 0.125),
    }
    rows = [
        dict(zip(BIN_COLUMNS, (layer, name, None, None, 1000, 400 * share, share), strict=True))
        for layer, classes in shares.items()
        if layer not in absent
        for name, share in classes.items()
    ]
    folder.mkdir(exist_ok=True)
    pd.DataFrame(rows, columns=list(BIN_COLUMNS)).to_csv(folder / "bins.csv", index=False)
    quantiles = {"0.01": 1.0, "0.05": 5.0, "0.25": 25.0, "0.5": 50.0, "0.75": 75.0, "0.95": 95.0, "0.99": 99.0}
    facts = {"area_km2": 400.0, "minimum": 0.0, "maximum": 100.0, "quantiles": quantiles}
    written = {
        "area_km2": 400.0,
        "layers": {name: facts for name in ("elevation", "slope", "tpi", "pisr") if name not in absent},
        "omissions": [{"layer": name, "reason": NOT_GIVEN, "area_km2": 400.0, "share": 1.0} for name in absent],
    }
    (folder / "landscape.json").write_text(json.dumps(written))
    return folder


def inventory(path, count, places=None, **columns):
    """An inventory of squares of 10 m, 100 m apart unless places are given; columns that are not named are null."""
    places = (
        np.array([(X + 100 + 100 * (n % 90), Y + 100 + 100 * (n // 90)) for n in range(count)])
        if places is None
        else places
    )
    values = {name: np.full(count, None) for name in COLUMNS}
    values |= {"id": [f"s{n:04d}" for n in range(count)], "iteration_found": np.zeros(count, dtype=int)}
    values |= {"area_ha": np.ones(count)}
    for name in ("elevation", "slope", "aspect", "tpi", "pisr"):
        values[f"{name}_mean"] = np.full(count, np.nan)
    values |= {"road_distance_m": np.full(count, np.nan), "stream_distance_m": np.full(count, np.nan)}
    values |= columns
    x, y = np.asarray(places, dtype=float).reshape(-1, 2).T
    write_layer(gpd.GeoDataFrame(values, geometry=shapely.box(x - 5, y - 5, x + 5, y + 5), crs=UTM), path)
    return path


def numbers_of(folder, count, absent=(), places=None, cells=None, zones=None, **columns):
    study = read_study(inventory(folder / "inventory.gpkg", count, places, **columns), GRID)
    rows = all_numbers(study, landscape(folder / "landscape", absent), InventorySettings(), UTM, cells, zones)
    assert len({one.name for one in rows}) == len(rows)
    return {one.name: one for one in rows}


def values(numbers, *names):
    return tuple(numbers[name].value for name in names)


TEN = {
    "area_ha": np.array([0.05, 0.5, 0.9, 1.0, 1.5, 2.0, 4.0, 9.99, 10.0, 24.03]),
    "elevation_mean": np.array([4500.0, 4600, 4700, 4800, 4900, 5000, 5100, 5200, 5300, 5400]),
    "slope_mean": np.array([1.99, 2.0, 3.99, 4.0, 5.0, 7.99, 8.0, 12.0, 18.0, np.nan]),
    "aspect_mean": np.array([0.0, 350, 10, 45, 315, 180, 90, np.nan, np.nan, np.nan]),
    "aspect_class": np.array(["N", "N", "N", "NE", "NW", "S", "E", None, None, None], dtype=object),
    "vegetation": np.array(["alpine meadow"] * 7 + ["alpine steppe", "moss", None], dtype=object),
    "near_road": [True, True, True] + [False] * 7,
    "road_distance_m": np.array([100.0, 499.0, 500.0] + [900.0] * 7),
    "near_stream": [True] + [False] * 9,
    "probability": np.array(["high"] * 6 + ["medium", "low", None, None], dtype=object),
    "initiation": np.array(["2016-2017"] * 5 + ["before 2016"] * 4 + [None], dtype=object),
}


@pytest.fixture
def ten(tmp_path):
    return numbers_of(tmp_path, 10, **TEN)


def test_sizes_by_hand(ten):
    assert values(ten, "slumps", "slumps_outside", "area_largest", "area_smallest") == (10, 0, 24.03, 0.05)
    assert values(ten, "area_total", "area_mean", "area_median") == pytest.approx((53.97, 5.397, 1.75))
    assert values(ten, "below_1_ha", "below_1_ha_share", "below_10_ha", "below_10_ha_share") == (3, 30, 8, 80)
    assert ten["area_total_share"].value == pytest.approx(100 * 53.97 / 40_000)  # 400 km2 are 40,000 ha
    assert ten["slumps_per_100_km2"].value == 2.5 and ten["slumps_per_100_km2"].of == "km2"


def test_terrain_by_hand(ten):
    # Of ten values 100 m apart the 5th percentile lies 0.45 steps above the lowest.
    assert values(ten, "elevation_p05", "elevation_p95") == pytest.approx((4545, 5355))
    assert values(ten, "elevation_lowest", "elevation_median", "elevation_highest") == (4500, 4950, 5400)
    classes = ("0-2", "2-4", "4-8", "8-12", "12-18", "18+")
    assert values(ten, *(f"slope/{name}" for name in classes)) == (1, 2, 3, 1, 1, 1)
    assert ten["slope_share/4-8"].value == pytest.approx(100 * 3 / 9) and ten["slope_share/4-8"].n == 9
    assert values(ten, "aspect/N", "aspect/NE", "aspect/SW", "north_facing", "aspect_unknown") == (3, 1, 0, 5, 3)
    turns = np.radians([0, 350, 10, 45, 315, 180, 90])
    east, north = np.sin(turns).sum(), np.cos(turns).sum()
    assert ten["aspect_mean"].value == pytest.approx(np.degrees(np.arctan2(east, north)) % 360)
    assert ten["aspect_concentration"].value == pytest.approx(np.hypot(east, north) / 7)
    assert values(ten, "region_elevation_lowest", "region_elevation_p99", "region_elevation_highest") == (0, 99, 100)


def test_cover_and_neighbours_by_hand(ten):
    assert values(ten, "vegetation/alpine meadow", "vegetation/arid desert meadow", "vegetation/moss") == (7, 0, 1)
    assert ten["vegetation_share/alpine meadow"].value == pytest.approx(100 * 7 / 9)
    assert values(ten, "vegetation_unknown", "region_vegetation_share/alpine steppe") == (1, 25)
    assert "region_vegetation_share/moss" not in ten
    assert values(ten, "near_stream", "near_stream_share", "near_road", "near_road_share") == (1, 10, 3, 30)
    assert values(ten, "near_road_area_smallest", "near_road_area_largest", "near_road_below_2_ha") == (0.05, 0.9, 3)
    assert ten["near_road_area_mean"].value == pytest.approx(1.45 / 3) and ten["near_road_area_mean"].n == 3
    assert ten["road_distance_closest"].value == 100
    assert values(ten, "probability/high", "probability/medium", "probability/low", "probability_unknown") == (
        6,
        1,
        1,
        2,
    )
    assert ten["probability_share/high"].value == 75
    assert [name for name in ten if name.startswith("initiation/")] == [
        "initiation/before 2016",
        "initiation/2016-2017",
    ]
    assert values(ten, "initiation/before 2016", "initiation_unknown") == (4, 1)


def test_what_is_missing_has_a_reason(tmp_path):
    found = numbers_of(tmp_path, 4, absent=("pisr", "soil", "streams", "roads"))
    for name in ("pisr_median", "soil", "near_stream", "near_road", "near_road_area_mean", "region_pisr_p99"):
        assert found[name].value is None and found[name].missing == NOT_GIVEN, name
    # The layer is there, the slumps have nothing of it: another reason.
    for name in ("elevation_p05", "slope_share/4-8", "north_facing", "vegetation"):
        assert found[name].value is None and "no slump has a value" in found[name].missing, name
    assert "probability" in found["probability"].missing and found["initiation_unknown"].value == 4
    assert all(bool(one.missing) == (one.value is None) for one in found.values())
    assert all(one.n is not None and one.rests_on for one in found.values())


def test_no_near_road_is_not_no_road(tmp_path):
    found = numbers_of(tmp_path, 3, near_road=[False] * 3, road_distance_m=np.full(3, 900.0))
    assert found["near_road"].value == 0 and found["near_road_area_mean"].missing == "no slump is near a road"


def test_slumps_outside_do_not_count(tmp_path):
    places = np.array([(X + 100, Y + 100), (X + 200, Y + 100), (X - 5000, Y)])
    found = numbers_of(tmp_path, 3, places=places, area_ha=np.array([1.0, 3.0, 50.0]))
    assert values(found, "slumps", "slumps_outside", "area_largest") == (2, 1, 3)


def test_zones_and_cells(tmp_path):
    squares = [box(X, Y, X + 1050, Y + 20_000), box(X + 5000, Y, X + 6000, Y + 1000), box(X, Y, X + 10, Y + 10)]
    zones = gpd.GeoDataFrame({"name": ["Beiluhe", "Beiluhe", "empty"]}, geometry=squares, crs=UTM)
    write_layer(zones, tmp_path / "zones.gpkg")
    cells = gpd.GeoDataFrame(
        {"slumps": [7, 3, 0, 0], "area_ha": [5.0, 9.0, 0.0, 0.0], "affected_share": [0.0005, 0.0009, 0.0, 0.0]},
        geometry=[box(X + n, Y, X + n + 1, Y + 1) for n in range(4)], crs=UTM,
    )  # fmt: skip
    write_layer(cells, tmp_path / "cells.gpkg")
    places = np.array(
        [(X + 1000, Y + 500 + 1000 * n) for n in range(4)] + [(X + 5500, Y + 500)] * 2 + [(X + 9000, Y + 9000)] * 4
    )
    known = {**TEN, "near_road": [True] + [False] * 6 + [True] * 3}
    found = numbers_of(
        tmp_path, 10, places=places, cells={10: tmp_path / "cells.gpkg"}, zones=tmp_path / "zones.gpkg", **known
    )
    assert values(found, "zone/Beiluhe", "zone_share/Beiluhe", "zone/Beiluhe/near_road", "zone/Beiluhe/doubtful") == (
        6,
        60,
        1,
        0,
    )
    assert found["zone/empty"].value == 0 and found["zone/empty/near_road"].value is None
    assert values(found, "cells_10km/occupied", "cells_10km/most_slumps", "cells_10km/most_area") == (2, 7, 9)
    assert values(found, "cells_10km/most_share", "cells_10km/densest_tenth_share") == pytest.approx((0.09, 70))


numbers = st.lists(st.floats(-1e4, 1e4), max_size=30)


@given(numbers, st.integers(0, 5))
def test_ranges_are_in_order_and_within(known, unknown):
    found = {
        one.name: one
        for one in ranged("x", "x", np.array([*known, *[np.nan] * unknown], dtype=float), "m", "x", "none")
    }
    got = [found[f"x_{key}"].value for key in ("lowest", "p05", "median", "p95", "highest")]
    if not known:
        assert got == [None] * 5 and found["x_median"].missing == "none"
        return
    assert got == sorted(got) and got[0] == min(known) and got[-1] == max(known)
    below = sum(value < got[1] for value in known)
    assert below <= 0.05 * (len(known) - 1) + 1 and found["x_p05"].n == len(known)
    assert got[2] == pytest.approx(np.median(known))


@given(st.lists(st.sampled_from(["a", "b", "c", "other", None]), min_size=1, max_size=40))
def test_groups_add_up(members):
    column = pd.Series(members, dtype=object, name="kind")
    found = {one.name: one for one in grouped("kind", "of kind", column, ("a", "b", "c"), "none")}
    counts = {name: one.value for name, one in found.items() if name.startswith("kind/")}
    assert sum(counts.values()) + found["kind_unknown"].value == len(members)
    assert all(value == members.count(name.removeprefix("kind/")) for name, value in counts.items())
    if counts:
        shares = [one.value for name, one in found.items() if name.startswith("kind_share/")]
        assert sum(shares) == pytest.approx(100) and {"kind/a", "kind/b", "kind/c"} <= set(counts)
    else:
        assert found["kind"].value is None and found["kind"].missing == "none"


# --- the published numbers ------------------------------------------------------------------------------------------


def repeated(groups, total=875):
    """Texts in the given numbers, null for the rest."""
    texts = [name for name, count in groups.items() for _ in range(count)]
    return np.array([*texts, *[None] * (total - len(texts))], dtype=object)


def published_inventory(path, seed=3):
    """875 slumps with the paper's groups in an order of their own; every share follows from counts, none is written."""
    rng = np.random.default_rng(seed)
    near = np.array([True] * 38 + [False] * 837)
    # 33 of the 38 below 2 ha, 0.97 ha in the mean; 13 slumps of 10 ha and more; 1700 ha in all.
    small = np.full(38, 0.5)
    small[:33], small[0], small[33:] = 0.5, 0.128, 3.0
    small[1:33] += (0.97 * 38 - small.sum()) / 32
    others = np.full(837, 0.9)
    others[:13], others[13], others[-1] = 15.0, 24.03, 0.05
    others[:12] = 15.0
    others[12] = 9.0
    others[14:-1] += (1700 - small.sum() - others.sum()) / len(others[14:-1])
    columns = {
        "area_ha": np.concatenate([small, others]),
        "near_road": near,
        "road_distance_m": np.where(near, 400.0, 5000.0),
        "near_stream": np.arange(875) < 209,
        "probability": repeated({"high": 810, "medium": 33, "low": 32}),
        "initiation": repeated({"before 2016": 306, "2016-2017": 455, "2017-2018": 21, "2018-2019": 55}),
        "slope_mean": np.where(np.arange(875) < 586, 6.0, np.where(np.arange(875) < 874, 1.2, 18.1)),
        "vegetation": repeated({"Alpine meadow": 656, "alpine steppe": 219}),
        "soil": repeated({"loam": 481, "sandy loam": 394}),
    }
    order = {name: rng.permutation(875) for name in ("probability", "initiation", "slope_mean", "vegetation", "soil")}
    return inventory(
        path, 875, **{name: np.asarray(value)[order.get(name, slice(None))] for name, value in columns.items()}
    )


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Folder with summary, published.csv and results of an inventory that has the paper's groups, made by commands."""
    folder = tmp_path_factory.mktemp("published")
    published_inventory(folder / "inventory.gpkg")
    landscape(folder / "landscape", absent=("elevation", "aspect", "tpi", "pisr"))
    (folder / "grid.json").write_text(GRID.to_json())
    run("numbers", "--grid", folder / "grid.json", "--inventory", folder / "inventory.gpkg", "--landscape",
        folder / "landscape", "--campaign", "paper", "--study", "given", "--out", folder / "summary.json")  # fmt: skip
    run("published", "--summary", folder / "summary.json", "--out", folder / "published.csv")
    run("results", "--summary", folder / "summary.json", "--published", folder / "published.csv", "--out",
        folder / "results.md")  # fmt: skip
    return folder


def run(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_papers_counts_give_the_papers_shares(published):
    with (published / "published.csv").open() as handle:
        rows = {row["name"]: row for row in csv.DictReader(handle)}
    assert len(rows) == len(paper().numbers)
    agree = {name for name, row in rows.items() if row["agrees"] == "yes"}
    differ = {name for name, row in rows.items() if row["agrees"] == "no"}
    assert agree == {
        "slumps", "largest", "smallest", "below_10_ha", "affected", "slope_low", "slope_high",
        "slope_4_8",
        "near_stream", "alpine_meadow", "loam", "region_loam", "region_sandy_loam",
        "near_road", "near_road_mean", "near_road_below_2",
        "near_road_smallest", "before_2016", "from_2016", "from_2017", "from_2018", "high", "medium", "low",
        "medium_share",
        "low_share",
    }  # fmt: skip
    # 92.57 % is cut to 92 there; 400 km2 are not the corridor; the largest near a road is of 3 ha.
    assert differ == {"high_share", "study_area", "near_road_largest"}
    assert rows["loam"]["n"] == "875" and float(rows["loam"]["ours"]) == pytest.approx(54.97, abs=0.01)
    assert rows["elevation_90_low"]["agrees"] == "-" and rows["elevation_90_low"]["note"] == NOT_GIVEN
    assert "no zone 'Beiluhe'" in rows["beiluhe"]["note"]


def test_pages_of_the_published_inventory(published):
    page = (published / "published.md").read_text()
    assert "306 + 455 + 21 + 55 = 837, not 875: 38 slumps are in no group" in page
    assert (
        "810 + 33 + 32 = 875, which is all 875 slumps" in page
        and "300 known and 575 newly found slumps make 875" in page
    )
    assert "Of 29 numbers that can be compared, 26 agree." in page
    results = (published / "results.md").read_text()
    assert "810 of 875 slumps (92.6 %) are of high probability." in results
    assert "38 of 875 slumps (4.3 %) are not dated, and do not count in these shares." in results
    assert "656 of 875 slumps (75.0 %) are on Alpine meadow" in results
    assert "26 of 29 numbers (89.7 %) agree with Xia et al. (2022)" in results


def test_agreement_ends_at_the_tolerance():
    stated = paper().numbers["near_road_mean"]  # 0.97 up to 0.005
    for value, verdict in ((0.97, "yes"), (0.975, "yes"), (0.9651, "yes"), (0.9649, "no"), (0.9751, "no")):
        assert beside(stated, {"near_road_area_mean": one("near_road_area_mean", value)}).agrees == verdict
    absent = beside(stated, {"near_road_area_mean": one("near_road_area_mean", None, "no slump is near a road")})
    assert (absent.agrees, absent.note) == ("-", "no slump is near a road")


def one(name, value, missing=""):
    from slumpmap.figures.numbers import Number

    return Number(name, name, value, "ha", 5, "slumps", "area_ha", missing)


def test_classes_under_other_names_are_not_taken_for_missing_layers():
    stated = paper().numbers["alpine_meadow"]
    note = beside(stated, {"vegetation_share/steppe": one("vegetation_share/steppe", 100.0)}).note
    assert note == "no class 'alpine meadow' of vegetation; there are steppe"


def test_the_file_of_the_paper(ten):
    stated = paper().numbers
    for row in stated.values():
        assert row.place and row.definition and row.tolerance >= 0 and (row.ours or row.why), row.name
        if row.ours and "/" not in row.ours:
            assert row.ours in ten, f"{row.name}: there is no number {row.ours}"
    by_ours = [row.ours for row in stated.values() if row.ours]
    assert len(set(by_ours)) == len(by_ours)
    assert sum(paper()[name] for name in ("high", "medium", "low")) == paper()["slumps"]


# --- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 71, "no slump is near (n = 71)"),
        (1, 71, "1 of 71 slumps (1.4 %) is near"),
        (12, 71, "12 of 71 slumps (16.9 %) are near"),
        (71, 71, "all 71 slumps are near"),
        (1, 1, "the only slump is near"),
        (0, 1, "no slump is near (n = 1)"),
        (1200, 2400, "1,200 of 2,400 slumps (50.0 %) are near"),
    ],
)
def test_clauses(part, whole, text):
    assert clause(part, whole, "is", "are", "near") == text


def test_words():
    assert [counted_words(n, "slump") for n in (0, 1, 2, 1234)] == ["no slumps", "1 slump", "2 slumps", "1,234 slumps"]
    assert [listed(list(text)) for text in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    assert sentence("all 3 slumps are") == "All 3 slumps are."
    cases = {(24.034, "ha"): "24.03 ha", (0.0504, "ha"): "0.05 ha", (1700.4, "ha"): "1,700 ha", (4582.4, "m"): "4582 m",
             (1.24, "degrees"): "1.2°", (0.0315, "%"): "0.032 %", (0.0, "%"): "0.0 %", (54000.0, "km2"): "54,000 km²",
             (0.5, ""): "0.5"}  # fmt: skip
    assert {case: decimals(*case) for case in cases} == cases
    assert table(["a", "b"], [["x|y", "1"]]).splitlines()[2] == "| x\\|y | 1 |"


def written(folder, count, absent=(), tables=None, **columns):
    """The page of an inventory."""
    inventory(folder / "inventory.gpkg", count, **columns)
    landscape(folder / "landscape", absent)
    (folder / "grid.json").write_text(GRID.to_json())
    run("numbers", "--grid", folder / "grid.json", "--inventory", folder / "inventory.gpkg", "--landscape",
        folder / "landscape", "--campaign", "toy", "--synthetic", "--out", folder / "summary.json")  # fmt: skip
    write_results(folder / "summary.json", tables, None, folder / "results.md")
    return (folder / "results.md").read_text()


def test_a_page_without_slumps(tmp_path):
    page = written(tmp_path, 0)
    assert "The inventory has no slumps in a study area of 400.0 km²." in page and "**Synthetic data:**" in page
    assert "the inventory has no slump in the study area" in page and "## Elevation" not in page


def test_a_page_of_one_slump(tmp_path):
    known = {name: value[:1] for name, value in TEN.items()}
    page = written(tmp_path, 1, **known)
    assert "The inventory has 1 slump in a study area" in page and "It affects 0.05 ha" in page
    assert "1 slumps" not in page and "of 1 slump" not in page
    assert "The only slump is near a road or railway" in page and "The only slump is of high probability." in page


def test_a_page_says_what_it_leaves_out(tmp_path):
    page = written(tmp_path, 4, absent=("pisr", "soil", "streams", "roads"))
    assert f"The soil of the slumps is not known: {NOT_GIVEN}." in page
    assert f"Which slumps are near a road or railway is not known: {NOT_GIVEN}." in page
    left_out = page.split("## Left out")[1]
    assert NOT_GIVEN in left_out and "`selection.csv` | the table is not there" in left_out
    assert "None" not in page and "nan" not in page


def test_a_page_with_tables(tmp_path):
    """Hand-made tables of a study: what is preferred, what differs, which models disagree, what cannot be said."""
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "selection.csv").write_text(
        "factor,class,low,high,slumps,slump_share,landscape_share,ratio,ratio_low,ratio_high,finding,note\n"
        "slope,4-6,4,6,8,0.8,0.2,4,2,6,preferred,\nslope,0-2,0,2,2,0.2,0.7,0.29,0.1,1.1,as available,\n"
        "slope,6-8,6,8,0,0,0.1,0,,,unknown,no slump: no interval\nsoil,,,,,,,,,,,no such layer\n"
    )
    (tables / "tests.csv").write_text(
        "factor,test,statistic,p_median,p,slumps,landscape,direction,unknown,note\n"
        "slope,Kolmogorov-Smirnov,0.5,0.0001,0.0002,9,100,higher,0,\naspect,Watson U2,0.2,0.01,0.02,9,100,-30,0,\n"
        "tpi,Kolmogorov-Smirnov,0.1,0.4,0.8,9,100,lower,0,\npisr,Kolmogorov-Smirnov,,,,4,,,6,4 slumps are too few\n"
    )
    model = {"auc": 0.8, "gain": 0.1, "slumps": 10, "landscape": 1000, "dropped": 0, "blocks": 9}
    joint = {"models": {"logistic": model | {"holds": ["slope", "pisr"]}, "trees": model | {"auc": None, "holds": []}},
             "factors_left_out": [{"factor": "tpi", "reason": "one value only"}], "omissions": []}  # fmt: skip
    (tables / "joint.json").write_text(json.dumps(joint))
    clusters = {"nearest_neighbour": None, "ripley": None, "simulations": 99, "omissions": ["2 slumps are too few"]}
    (tables / "clustering.json").write_text(json.dumps(clusters))
    (tables / "sensitivity.csv").write_text(
        "statement,all,without_low,high_only,change_percent,note\n"
        "slumps,10,9,6,-40,2 slumps without probability count\n"
        '"median tpi, m",1,0.9,0.5,-50,\nsame,1,1,1,0,\n'
    )
    page = written(tmp_path, 10, tables=tables, **TEN)
    assert "Of 2 classes with an interval, slumps prefer 1 and avoid 0." in page
    assert "| slope | 4-6° | preferred | 8 | 80.0 % | 20.0 % | 4.00 | 2.00 to 6.00 |" in page
    assert "differ from the landscape (p below 0.05) in slope and aspect." in page
    assert "turned by 30° counterclockwise" in page and "| < 0.001 | 9, 100 |" in page
    assert "slope and solar radiation hold after the others" in page and "(no AUC on ground not seen" in page
    assert "The two do not agree" in page and "Nothing is said of clusters: 2 slumps are too few." in page
    assert "1 of 2 statements changes by more than 10 %. 2 slumps without probability count." in page
    assert "| median topographic position, m | 1 | 0.9 | 0.5 | -50 % |" in page
    left_out = page.split("## Left out")[1]
    for text in (
        "| test of solar radiation | 4 slumps are too few |",
        "one value only",
        "selection of soil | no such layer",
    ):
        assert text in left_out
    assert "interval of the selection ratio of 1 class | no slump lies there" in left_out


def test_the_summary_reads_back(published):
    found = read_numbers(published / "summary.json")
    assert found["near_road"].value == 38 and found["soil_share/loam"].n == 875
    facts = json.loads((published / "summary.json").read_text())
    assert (facts["campaign"], facts["study"], facts["synthetic"]) == ("paper", "given", False)
    assert {"what", "value", "unit", "n", "of", "rests_on", "missing"} == set(facts["numbers"]["slumps"])
