"""A place is judged once: known and rejected places stay away from inspection, fresh ground does not."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal

from slumpmap.candidates.ledger import compare, update_rejected
from slumpmap.errors import InputError
from slumpmap.settings.candidates import LedgerSettings
from slumpmap.vector import read_layer, write_layer

CRS = "EPSG:32646"


def box(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    return shapely.box(600000 + west, 3840000 + south, 600000 + east, 3840000 + north)


def places(**outlines: shapely.Polygon) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"id": np.array(list(outlines), dtype=object)}, geometry=list(outlines.values()), crs=CRS)


def ledger(
    folder: Path,
    candidates: gpd.GeoDataFrame,
    slumps: gpd.GeoDataFrame | None = None,
    rejected: gpd.GeoDataFrame | None = None,
    **keys: float,
) -> gpd.GeoDataFrame:
    """The ledger of iteration 3."""
    write_layer(candidates, folder / "polygons.gpkg")
    write_layer(places() if slumps is None else slumps, folder / "slumps.gpkg")
    before = None
    if rejected is not None:
        before = folder / "rejected.gpkg"
        write_layer(rejected.assign(iteration=1), before)
    out = folder / "candidates.gpkg"
    compare(folder / "polygons.gpkg", folder / "slumps.gpkg", before, 3, LedgerSettings(**keys), out)
    return read_layer(out, "candidates")


def test_a_place_without_history_is_new_and_its_id_names_the_iteration(tmp_path: Path) -> None:
    found = ledger(tmp_path, places(r1c1=box(0, 0, 50, 50)), places(far=box(500, 0, 600, 100)))
    assert found[["id", "status", "matches", "covered_by_slumps"]].iloc[0].tolist() == ["03-r1c1", "new", "", 0]
    assert found["reason"][0] == "No confirmed slump and no rejected place is here."


@pytest.mark.parametrize("side", [40, 20])
def test_a_fatter_outline_of_a_known_slump_stays_known(side: int, tmp_path: Path) -> None:
    """Even where the slump covers a small share, as the rim of a small one weighs more than itself."""
    found = ledger(tmp_path, places(a=box(-14, -14, side + 14, side + 14)), places(s1=box(0, 0, side, side)))
    assert found["status"][0] == "known"
    assert found["matches"][0] == "s1"
    assert found["covered_by_slumps"][0] == pytest.approx(side**2 / (side + 28) ** 2, abs=1e-4)


@pytest.mark.parametrize("slump_side", [40, 300])
def test_a_candidate_with_fresh_ground_is_shown_however_large_its_known_slump(slump_side: int, tmp_path: Path) -> None:
    swallowing = shapely.union_all([box(0, 0, slump_side, slump_side), box(slump_side, 0, slump_side + 60, 40)])
    found = ledger(tmp_path, places(a=swallowing), places(s1=box(0, 0, slump_side, slump_side)))
    assert found["status"][0] == "new"
    assert found["matches"][0] == "s1"
    assert found["reason"][0] == "It shows a confirmed slump, but 0.18 ha of it are fresh ground."
    settled = ledger(tmp_path, places(a=swallowing), places(s1=box(0, 0, slump_side, slump_side)), fresh_ha=0.2)
    assert settled["status"][0] == "known"


def test_what_merely_touches_a_known_slump_is_new(tmp_path: Path) -> None:
    """A small neighbour lies within the rim as a whole, and still is no outline of the slump."""
    found = ledger(tmp_path, places(a=box(98, 0, 114, 40)), places(s1=box(0, 0, 100, 100)), known_share=0.25)
    assert found["status"][0] == "new"
    assert found["matches"][0] == "s1"


def test_several_slumps_together_make_a_candidate_known(tmp_path: Path) -> None:
    slumps = places(s2=box(0, 0, 20, 100), s1=box(20, 0, 40, 100), s3=box(10, 0, 30, 100))
    found = ledger(tmp_path, places(a=box(0, 0, 100, 100)), slumps, known_share=0.4, fresh_ha=1, rim_m=0)
    assert found["status"][0] == "known"
    assert found["covered_by_slumps"][0] == 0.4
    assert found["matches"][0] == "s1,s2,s3"


@pytest.mark.parametrize(("width", "status"), [(25, "rejected"), (24, "new")])
def test_a_place_rejected_before_stays_rejected(width: int, status: str, tmp_path: Path) -> None:
    found = ledger(tmp_path, places(a=box(0, 0, 100, 100)), rejected=places(r1=box(-100, 0, width, 100)))
    assert found["status"][0] == status
    assert found["matches"][0] == "r1"
    assert found["covered_by_rejected"][0] == width / 100


@pytest.mark.parametrize(("height", "status"), [(199, "rejected"), (200, "new")])
def test_a_place_that_grew_is_new_again(height: int, status: str, tmp_path: Path) -> None:
    found = ledger(tmp_path, places(a=box(0, 0, 100, height)), rejected=places(r1=box(0, 0, 100, 100)))
    assert found["status"][0] == status
    assert (found["reason"][0] == "Rejected before, but its ground outside slumps is 2.0 times as large now.") == (
        status == "new"
    )


def test_overlapping_rejected_outlines_count_once(tmp_path: Path) -> None:
    twice = places(r1=box(0, 0, 20, 100), r2=box(0, 0, 20, 100))
    found = ledger(tmp_path, places(a=box(0, 0, 100, 100)), rejected=twice, growth=100)
    assert (found["status"][0], found["covered_by_rejected"][0]) == ("new", 0.2)


def test_a_rejected_place_that_was_confirmed_since_has_no_say(tmp_path: Path) -> None:
    confirmed, overturned = places(s1=box(0, 0, 100, 100)), places(r1=box(0, 0, 100, 100))
    same = ledger(tmp_path, places(a=box(0, 0, 100, 100)), confirmed, overturned)
    assert (same["status"][0], same["matches"][0]) == ("known", "s1,r1")
    beside = ledger(tmp_path, places(a=box(0, 0, 200, 100)), confirmed, overturned, growth=100)
    assert beside["status"][0] == "new"


def test_rejection_is_weighed_against_the_ground_outside_slumps(tmp_path: Path) -> None:
    """Most of the candidate was rejected once, but that was the slump; of the rest a tenth was."""
    candidate, slump = places(a=box(0, 0, 200, 100)), places(s1=box(0, 0, 100, 100))
    found = ledger(tmp_path, candidate, slump, places(r1=box(0, 0, 110, 100)), growth=100)
    assert (found["status"][0], found["covered_by_rejected"][0]) == ("new", 0.55)


def test_fresh_ground_beside_a_known_slump_is_shown_once(tmp_path: Path) -> None:
    candidate, slump = places(a=box(0, 0, 200, 100)), places(s1=box(0, 0, 100, 100))
    assert ledger(tmp_path, candidate, slump)["status"][0] == "new"
    again = ledger(tmp_path, candidate, slump, rejected=candidate)
    assert (again["status"][0], again["covered_by_rejected"][0]) == ("rejected", 1)


def test_nothing_depends_on_the_order_of_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)

    def scatter(prefix: str, count: int) -> gpd.GeoDataFrame:
        corners, sizes = rng.uniform(0, 1500, (count, 2)), rng.uniform(20, 150, (count, 2))
        boxes = [box(*corner, *(corner + size)) for corner, size in zip(corners, sizes, strict=True)]
        return places(**{f"{prefix}{number:03d}": outline for number, outline in enumerate(boxes)})

    candidates, slumps, rejected = scatter("c", 80), scatter("s", 40), scatter("r", 40)
    straight = ledger(tmp_path, candidates, slumps, rejected)
    assert set(straight["status"]) == {"known", "rejected", "new"}
    shuffled = ledger(tmp_path, *(layer.sample(frac=1, random_state=2) for layer in (candidates, slumps, rejected)))
    assert_geodataframe_equal(straight, shuffled.sort_values("id", ignore_index=True))


def test_no_candidates(tmp_path: Path) -> None:
    found = ledger(tmp_path, places(), places(s1=box(0, 0, 9, 9)), places(r1=box(0, 0, 9, 9)))
    assert found.empty
    assert {"id", "status", "matches", "covered_by_slumps", "covered_by_rejected", "reason"} <= set(found.columns)


def test_rejected_places_are_appended_and_none_is_lost(tmp_path: Path) -> None:
    first, second = tmp_path / "01.gpkg", tmp_path / "02.gpkg"
    update_rejected(None, places(a=box(0, 0, 9, 9), b=box(20, 0, 29, 9)), 1, first)
    update_rejected(first, places(c=box(0, 0, 9, 9)), 2, second)
    kept = read_layer(second, "rejected")
    assert list(zip(kept["id"], kept["iteration"], strict=True)) == [("a", 1), ("b", 1), ("c", 2)]
    update_rejected(second, places(), 3, tmp_path / "03.gpkg")
    assert_geodataframe_equal(kept, read_layer(tmp_path / "03.gpkg", "rejected"))


def test_a_place_cannot_be_rejected_twice(tmp_path: Path) -> None:
    out = tmp_path / "01.gpkg"
    twice = places(a=box(0, 0, 9, 9), b=box(20, 0, 29, 9)).assign(id="a")
    with pytest.raises(InputError, match=r"01\.gpkg: place 'a' would be rejected twice"):
        update_rejected(None, twice, 1, out)
    assert not out.exists()
    update_rejected(None, places(a=box(0, 0, 9, 9)), 1, out)
    with pytest.raises(InputError, match="place 'a' would be rejected twice"):
        update_rejected(out, places(a=box(0, 0, 9, 9)), 2, tmp_path / "02.gpkg")


def test_ids_that_repeat_are_refused(tmp_path: Path) -> None:
    slumps = places(s1=box(0, 0, 9, 9), s2=box(20, 0, 29, 9)).assign(id="s1")
    with pytest.raises(InputError, match=r"slumps\.gpkg: slumps has several rows with id 's1'"):
        ledger(tmp_path, places(a=box(0, 0, 9, 9)), slumps)
