"""PlanetScope: what is searched, ordered once, fetched whole; and what is said where Planet refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from providers import KEY, Fault, Providers
from scenes import add_planet, grid
from shapely.geometry import shape

from slumpmap.acquire.planetscope import fetch_planetscope, read_manifest
from slumpmap.acquire.wanted import wanted
from slumpmap.errors import InputError
from slumpmap.settings.download import PlanetSettings

FIRST, SECOND, OTHER_DAY = "20190721_041233_1005", "20190721_041234_1005", "20190805_040000_37_1057"
ORDERS = "/compute/ops/orders/v2"
FILES = "/compute/ops/download"


@pytest.fixture
def planet(world: Providers) -> Providers:
    """Three scenes that are wanted, on two days, and four that are not."""
    add_planet(world, FIRST)
    add_planet(world, SECOND, cloudy_rows=100)
    add_planet(world, OTHER_DAY)
    add_planet(world, "20190601_041233_1005")  # June
    add_planet(world, "20180721_041233_1005")  # another year
    add_planet(world, "20190722_041233_1005", cloudy_rows=200)
    add_planet(world, "20190723_041233_1005", quality_category="test")
    return world


def settings(world: Providers, **changed: Any) -> PlanetSettings:
    known = {"planet_api": world.url, "attempts": 4, "wait_s": 0.01, "poll_s": 0.01, "requests_per_second": 500}
    return PlanetSettings(**(known | changed))


def fetch(world: Providers, folder: Path, only_list: bool = False, **changed: Any) -> list[Any]:
    wish = wanted(grid(), [2019], [7, 8], 0.3)
    return fetch_planetscope(wish, settings(world, **changed), folder, only_list)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.*")}


EXPECTED = {
    f"{item}_{tail}"
    for item in (FIRST, SECOND, OTHER_DAY)
    for tail in ("3B_AnalyticMS_SR_clip.tif", "3B_udm2_clip.tif", "metadata.json")
}


def test_scenes_that_are_wanted_come(planet: Providers, tmp_path: Path) -> None:
    orders = fetch(planet, tmp_path)
    assert [order.ids for order in orders] == [(FIRST, SECOND), (OTHER_DAY,)]
    assert names(tmp_path) == EXPECTED
    for name in EXPECTED:
        assert (tmp_path / name).read_bytes() == planet.bundles[name.split("_3B")[0].split("_meta")[0]][name]
    # Three scenes, two a page.
    assert len(planet.asked("/data/v1/searches")) == 1


def test_request_says_bundle_and_area(planet: Providers, tmp_path: Path) -> None:
    fetch(planet, tmp_path, harmonize=True)
    body = planet.asked(ORDERS, "POST")[0].body
    assert body["products"][0]["product_bundle"] == "analytic_sr_udm2"
    assert [next(iter(tool)) for tool in body["tools"]] == ["harmonize", "clip"]
    aoi = shape(body["tools"][1]["clip"]["aoi"])
    assert aoi.is_valid and 80 < aoi.centroid.x < 100 and 30 < aoi.centroid.y < 40


def test_second_run_orders_and_downloads_nothing(planet: Providers, tmp_path: Path) -> None:
    fetch(planet, tmp_path)
    before = len(planet.requests)
    fetch(planet, tmp_path)
    assert {request.path.split("?")[0] for request in planet.requests[before:]} == {
        "/data/v1/quick-search",
        "/data/v1/searches/s/results",
    }


def test_deleted_file_comes_again_from_the_same_order(planet: Providers, tmp_path: Path) -> None:
    fetch(planet, tmp_path)
    (tmp_path / f"{FIRST}_3B_udm2_clip.tif").unlink()
    fetch(planet, tmp_path)
    assert names(tmp_path) == EXPECTED and len(planet.orders) == 2


def test_list_orders_nothing(planet: Providers, tmp_path: Path) -> None:
    assert len(fetch(planet, tmp_path, only_list=True)) == 2
    assert not planet.orders and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/data/v1/quick-search", {"status": 429}),
        ("/data/v1/quick-search", {"kind": "drop"}),
        ("/data/v1/searches", {"status": 500}),
        (ORDERS, {"status": 429, "headers": {"Retry-After": "0"}}),
        (ORDERS, {"status": 500}),
        (ORDERS, {"kind": "drop"}),
        (FILES, {"status": 429}),
        (FILES, {"status": 503}),
    ],
)
def test_passing_failures_are_ridden_out(planet: Providers, tmp_path: Path, path: str, fault: dict[str, Any]) -> None:
    planet.faults = [Fault(path, times=2, **fault)]
    fetch(planet, tmp_path)
    assert names(tmp_path) == EXPECTED and len(planet.orders) == 2


def test_retry_after_holds_back_all_requests(planet: Providers, tmp_path: Path) -> None:
    planet.faults = [Fault("/data/v1/quick-search", status=429, headers={"Retry-After": "1"})]
    fetch(planet, tmp_path)
    first, second = (request.time for request in planet.requests[:2])
    assert second - first >= 1.0


def test_order_whose_answer_was_lost_is_not_placed_twice(planet: Providers, tmp_path: Path) -> None:
    planet.faults = [Fault(ORDERS, "lost_answer", method="POST")]
    fetch(planet, tmp_path)
    assert len(planet.orders) == 2 and names(tmp_path) == EXPECTED


def test_order_of_a_killed_run_is_used(planet: Providers, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"still (queued|running).*places no other"):
        fetch(planet, tmp_path, patience_h=1e-9)
    assert len(planet.orders) == 2
    fetch(planet, tmp_path)
    assert len(planet.orders) == 2 and names(tmp_path) == EXPECTED


def test_failed_order_is_told_and_placed_anew(planet: Providers, tmp_path: Path) -> None:
    planet.end_state = "failed"
    with pytest.raises(InputError, match=r"order .*: it failed"):
        fetch(planet, tmp_path)
    planet.end_state = "success"
    fetch(planet, tmp_path)
    assert len(planet.orders) == 4 and names(tmp_path) == EXPECTED


def test_expired_links_are_signed_anew(planet: Providers, tmp_path: Path) -> None:
    """Each file answers 403 once, as when the links ran out while a long queue was worked off."""
    planet.faults = [Fault(FILES, status=403, times=3)]
    fetch(planet, tmp_path)
    assert names(tmp_path) == EXPECTED
    tokens = {request.query["token"] for request in planet.asked(FILES)}
    assert len(tokens) > 2


def test_links_that_ran_out_between_runs(planet: Providers, tmp_path: Path) -> None:
    planet.faults = [Fault(FILES, "truncate", times=99, after=10)]
    with pytest.raises(InputError, match="gave up"):
        fetch(planet, tmp_path)
    planet.faults = []
    planet.expire()
    fetch(planet, tmp_path)
    assert names(tmp_path) == EXPECTED and len(planet.orders) == 2


def test_truncated_and_corrupt_files(planet: Providers, tmp_path: Path) -> None:
    planet.faults = [Fault(FILES, "truncate", times=3, after=1000), Fault(FILES, "corrupt")]
    fetch(planet, tmp_path)
    for name in EXPECTED:
        assert (tmp_path / name).read_bytes() == planet.bundles[name.split("_3B")[0].split("_meta")[0]][name]


def test_checksum_that_is_always_wrong(planet: Providers, tmp_path: Path) -> None:
    name = f"{FIRST}_3B_AnalyticMS_SR_clip.tif"
    planet.manifest_edits[name] = {"digests": {"md5": "0" * 32}}
    with pytest.raises(InputError, match=r"checksum \(md5\) is wrong"):
        fetch(planet, tmp_path)
    assert names(tmp_path) == EXPECTED - {name}
    assert len(list((tmp_path / "receipts").iterdir())) == 1  # of the other day


def test_receipt_says_what_came_from_where(planet: Providers, tmp_path: Path) -> None:
    orders = fetch(planet, tmp_path)
    receipt = json.loads((tmp_path / "receipts" / f"{orders[1].name}.json").read_text())
    assert receipt["provider"] == "planet" and receipt["items"] == [OTHER_DAY]
    assert {entry["name"] for entry in receipt["files"]} == {name for name in EXPECTED if name.startswith(OTHER_DAY)}
    assert all(entry["verified"] == "sha256" and len(entry["sha256"]) == 64 for entry in receipt["downloads"])


@pytest.mark.parametrize("path", ["../../evil.tif", "/etc/evil", "PSScene/.bashrc", "PSScene/a b.tif"])
def test_manifest_with_hostile_names(planet: Providers, tmp_path: Path, path: str) -> None:
    planet.manifest_edits[f"{FIRST}_3B_udm2_clip.tif"] = {"path": path}
    folder = tmp_path / "deep" / "folder"
    with pytest.raises(InputError):
        fetch(planet, folder)
    assert not list(tmp_path.rglob("evil*")) and not list(tmp_path.rglob(".bashrc"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}', '{"files": [{"path": "a"}]}'])
def test_no_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(InputError, match="no manifest"):
        read_manifest(tmp_path / "m.json")


def test_no_key(world: Providers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PL_API_KEY", raising=False)
    with pytest.raises(InputError, match="PL_API_KEY: the environment has no key"):
        fetch(world, tmp_path)
    assert not world.requests


def test_wrong_key(planet: Providers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_API_KEY", "PLAKwrong0123456789")
    with pytest.raises(InputError, match="does not know the key") as caught:
        fetch(planet, tmp_path)
    assert len(planet.requests) == 1 and "PLAKwrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "words"), [(400, "refused the request"), (403, "may not have this"), (404, "no such"), (409, "refused")]
)
def test_refusals_are_not_repeated(planet: Providers, tmp_path: Path, status: int, words: str) -> None:
    planet.faults = [Fault(ORDERS, status=status, times=99, method="POST")]
    with pytest.raises(InputError, match=words):
        fetch(planet, tmp_path)
    assert len(planet.asked(ORDERS, "POST")) == 2  # one for each day


def test_server_that_stays_down(planet: Providers, tmp_path: Path) -> None:
    planet.faults = [Fault("/data", status=500, times=99)]
    with pytest.raises(InputError, match="gave up after 4 tries"):
        fetch(planet, tmp_path)


def test_too_many_scenes_are_refused_before_they_cost(planet: Providers, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"more than 2 scenes.*costs quota"):
        fetch(planet, tmp_path, max_scenes=2)
    assert not planet.orders


def test_nothing_found(planet: Providers, tmp_path: Path) -> None:
    planet.scenes.clear()
    with pytest.raises(InputError, match="no scene for the study area in 2019-07 to 2019-09 with at most 30% cloud"):
        fetch(planet, tmp_path)


def test_scenes_that_the_account_may_not_have(planet: Providers, tmp_path: Path) -> None:
    for scene in planet.scenes:
        scene["_permissions"] = []
    with pytest.raises(InputError, match="that the account may download"):
        fetch(planet, tmp_path)


def test_key_goes_to_no_other_host(planet: Providers, tmp_path: Path) -> None:
    planet.next_host = planet.url.replace("127.0.0.1", "localhost")
    with pytest.raises(InputError, match="goes on at another host"):
        fetch(planet, tmp_path)
    assert len(planet.requests) == 1


def test_key_does_not_go_to_the_host_of_the_files(planet: Providers, tmp_path: Path) -> None:
    fetch(planet, tmp_path)
    assert planet.asked(FILES)
    assert all(KEY not in str(request.headers) for request in planet.asked(FILES))


def test_address_in_clear_is_refused(planet: Providers, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no https address"):
        fetch(planet, tmp_path, planet_api="http://example.org")
